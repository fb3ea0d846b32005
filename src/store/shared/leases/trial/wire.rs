//! A replica's way to the table, on which requests and replies are late or lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::sleep;

use crate::store::table::memory::MemoryTable;
use crate::store::table::{Change, Condition, Item, Key, Query, Table, TableError};

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Fault {
    Throttled,
    /// It never arrives.
    LostRequest,
    /// It is carried out, and nobody is told.
    LostReply,
    /// The same, after so long.
    Late(Duration),
    /// It never arrives, and no answer does.
    Hangs,
}

pub(in super::super) const FAULTS: [Fault; 5] = [
    Fault::Throttled,
    Fault::LostRequest,
    Fault::LostReply,
    Fault::Late(Duration::from_secs(3)),
    Fault::Hangs,
];

/// A replica's way to the table.
pub(in super::super) struct Wire {
    table: Arc<MemoryTable>,
    random: Mutex<StdRng>,
    calls: AtomicU64,
    /// Which call meets this fault, counted from 1.
    pub(in super::super) at: Mutex<Option<(u64, Fault)>>,
    /// What every call meets.
    pub(in super::super) always: Mutex<Option<Fault>>,
    /// What the next write of this attribute meets.
    pub(in super::super) next: Mutex<Option<(&'static str, Fault)>>,
}

impl Wire {
    /// A way to this table. `at`: which of its calls, counted from 1, meets a fault.
    pub(super) fn new(table: Arc<MemoryTable>, seed: u64, at: Option<(u64, Fault)>) -> Self {
        Self {
            table,
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            calls: AtomicU64::default(),
            at: Mutex::new(at),
            always: Mutex::default(),
            next: Mutex::default(),
        }
    }

    pub(in super::super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    async fn sends(&self, change: &Change) -> Option<Fault> {
        let takes = Duration::from_millis(self.random.lock().unwrap().random_range(1..10));
        sleep(takes).await;
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let at = *self.at.lock().unwrap();
        let once = at.filter(|(at, _)| *at == call).map(|(_, fault)| fault);
        let mut next = self.next.lock().unwrap();
        let of_this = next.take_if(|(name, _)| change.set.contains_key(*name));
        once.or(of_this.map(|(_, fault)| fault))
            .or(*self.always.lock().unwrap())
    }

    async fn read<T>(&self, answer: Result<T, TableError>, fault: Option<Fault>) -> Result<T, TableError> {
        match fault {
            None => answer,
            Some(Fault::Hangs) => std::future::pending().await,
            Some(_) => Err(lost()),
        }
    }

    async fn change<F>(&self, fault: Option<Fault>, change: F) -> Result<(), TableError>
    where
        F: Future<Output = Result<(), TableError>> + Send + 'static,
    {
        match fault {
            None => change.await,
            Some(Fault::Throttled) => Err(TableError::Throttled { cause: "slow".into() }),
            Some(Fault::LostRequest) => Err(lost()),
            Some(Fault::LostReply) => change.await.and(Err(lost())),
            Some(Fault::Late(by)) => {
                tokio::spawn(async move {
                    sleep(by).await;
                    drop(change.await);
                });
                Err(lost())
            }
            Some(Fault::Hangs) => std::future::pending().await,
        }
    }
}

fn lost() -> TableError {
    TableError::Unanswered { cause: "lost".into() }
}

#[async_trait]
impl Table for Wire {
    fn location(&self) -> &str {
        "wire"
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        let fault = self.sends(&Change::new()).await;
        self.read(self.table.get(key).await, fault).await
    }

    async fn query(&self, query: &Query) -> Result<Vec<Item>, TableError> {
        let fault = self.sends(&Change::new()).await;
        self.read(self.table.query(query).await, fault).await
    }

    async fn count(&self, partition: &str) -> Result<u64, TableError> {
        self.table.count(partition).await
    }

    async fn write(&self, key: &Key, change: Change, on: Condition) -> Result<(), TableError> {
        let fault = self.sends(&change).await;
        let (table, key) = (self.table.clone(), key.clone());
        let written = self
            .change(fault, async move { table.write(&key, change, on).await })
            .await;
        // The reply takes its time too.
        sleep(Duration::from_millis(2)).await;
        written
    }

    async fn delete(&self, key: &Key, on: Condition) -> Result<(), TableError> {
        let fault = self.sends(&Change::new()).await;
        let (table, key) = (self.table.clone(), key.clone());
        self.change(fault, async move { table.delete(&key, on).await }).await
    }
}
