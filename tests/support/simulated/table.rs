//! A table that replicas share, as one of their processes reaches it: over a network, which may fail it, and only while it
//! lives and runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rekeyd::store::table::memory::MemoryTable;
use rekeyd::store::table::{Change, Condition, Item, Key, Query, Table, TableError};
use tokio::time::{Instant, sleep};

use super::chance::Chance;
use super::process::Process;

/// How long a request is on its way, and its reply.
const WAY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(6));

/// After how long a process gives a request up.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What is wrong with a process's way to the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableTrouble {
    /// Nothing gets through.
    CutOff,
    /// Of a hundred requests so many are carried out and their replies lost, and as many do not arrive.
    Flaky { percent: u32 },
}

/// A table that replicas share. Clones are the same one.
#[derive(Clone)]
pub struct SharedTable {
    table: Arc<MemoryTable>,
    /// Whether replicas ask for leases. Without them each does everything.
    pub leases: bool,
}

impl SharedTable {
    pub fn new(leases: bool) -> Self {
        Self {
            table: Arc::default(),
            leases,
        }
    }

    pub fn with_leases() -> Self {
        Self::new(true)
    }

    pub fn without_leases() -> Self {
        Self::new(false)
    }

    /// An empty one of the same kind.
    pub fn another(&self) -> Self {
        Self {
            table: Arc::default(),
            ..*self
        }
    }

    /// The table itself, for who looks in from outside.
    pub fn table(&self) -> Arc<MemoryTable> {
        self.table.clone()
    }
}

/// The way of a machine to the table. It outlives the machine's processes.
#[derive(Clone, Default)]
pub struct Way(Arc<Mutex<Option<Lasting>>>);

/// Trouble, and until when it lasts, if not for good.
type Lasting = (TableTrouble, Option<Instant>);

impl Way {
    /// It is troubled from now on: for so long, or until it is mended.
    pub fn trouble(&self, trouble: TableTrouble, span: Option<Duration>) {
        *self.state() = Some((trouble, span.map(|span| Instant::now() + span)));
    }

    fn now(&self) -> Option<TableTrouble> {
        let trouble = *self.state();
        let lasting = trouble.filter(|(_, until)| until.is_none_or(|until| Instant::now() < until));
        lasting.map(|(trouble, _)| trouble)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Option<Lasting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The table, as one process reaches it.
pub struct ReachedTable {
    pub table: Arc<MemoryTable>,
    pub way: Way,
    pub process: Arc<Process>,
    pub chance: Chance,
}

impl ReachedTable {
    async fn unanswered<T>(&self) -> Result<T, TableError> {
        sleep(TIMEOUT).await;
        self.process.running().await;
        Err(TableError::Unanswered {
            cause: "simulated: no answer".to_owned(),
        })
    }

    /// One request: there, carried out, and back.
    async fn ask<T>(&self, carried_out: impl Future<Output = Result<T, TableError>>) -> Result<T, TableError> {
        self.process.running().await;
        sleep(self.chance.duration(WAY)).await;
        let (lost, reply_lost) = match self.way.now() {
            Some(TableTrouble::CutOff) => (true, false),
            Some(TableTrouble::Flaky { percent }) => (self.chance.percent(percent), self.chance.percent(percent)),
            None => (false, false),
        };
        if lost || self.process.is_dead() {
            return self.unanswered().await;
        }
        // A request that has left goes on without its process.
        let answer = carried_out.await;
        sleep(self.chance.duration(WAY)).await;
        if reply_lost {
            return self.unanswered().await;
        }
        self.process.running().await;
        answer
    }
}

#[async_trait]
impl Table for ReachedTable {
    fn location(&self) -> &str {
        "simulated table"
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        self.ask(self.table.get(key)).await
    }

    async fn query(&self, query: &Query) -> Result<Vec<Item>, TableError> {
        self.ask(self.table.query(query)).await
    }

    async fn count(&self, partition: &str) -> Result<u64, TableError> {
        self.ask(self.table.count(partition)).await
    }

    async fn write(&self, key: &Key, change: Change, on: Condition) -> Result<(), TableError> {
        self.ask(self.table.write(key, change, on)).await
    }

    async fn delete(&self, key: &Key, on: Condition) -> Result<(), TableError> {
        self.ask(self.table.delete(key, on)).await
    }
}
