//! What a replica remembers over a crash: the daemon's own stores, cut off from a dead process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rekeyd::clock::{Clock, SharedClock, SystemClock, Timestamp};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::state::Record;
use rekeyd::store::memory::MemoryStore;
use rekeyd::store::outbox::{Backlog, Outgoing};
use rekeyd::store::shared::SharedStore;
use rekeyd::store::shared::presence::Presence;
use rekeyd::store::sqlite::SqliteStore;
use rekeyd::store::table::Table;
use rekeyd::store::{HistoryEntry, Store, StoreError};
use tokio::time::{Instant, sleep};

use super::chance::Chance;
use super::faults::{DiskTrouble, SaveFaultKind};
use super::process::Process;
use super::table::{ReachedTable, SharedTable, Way};
use super::world::{JournalEntry, World};

/// How long a write takes.
const WRITE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(8));

/// How long the lock of a file that was let go may be seen, in real time.
const UNLOCKED_WITHIN: Duration = Duration::from_secs(10);

/// Where a replica's store is. Clones are the same disk.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<Content>>);

struct Content {
    medium: Medium,
    trouble: Option<(DiskTrouble, Option<Instant>)>,
}

enum Medium {
    /// In memory, which outlives the simulated process. Fast, and what most simulations use.
    Memory(Arc<MemoryStore>),
    /// A SQLite file.
    File(PathBuf),
    /// A table that other machines reach, too.
    Table(SharedTable, Way),
}

impl Disk {
    /// An empty one in memory.
    pub fn empty() -> Self {
        Self::of(Medium::Memory(Arc::default()))
    }

    /// One in memory whose records somebody else can read and write, too.
    pub fn memory(store: Arc<MemoryStore>) -> Self {
        Self::of(Medium::Memory(store))
    }

    /// One with a SQLite file.
    pub fn file(path: PathBuf) -> Self {
        Self::of(Medium::File(path))
    }

    /// No disk of its own: a table that other machines reach, too.
    pub fn shared(table: &SharedTable) -> Self {
        Self::of(Medium::Table(table.clone(), Way::default()))
    }

    /// The way to the shared table, if that is what it is.
    pub fn way(&self) -> Option<Way> {
        match &self.content().medium {
            Medium::Table(_, way) => Some(way.clone()),
            Medium::Memory(_) | Medium::File(_) => None,
        }
    }

    /// The shared table, if that is what it is.
    pub fn table(&self) -> Option<SharedTable> {
        match &self.content().medium {
            Medium::Table(table, _) => Some(table.clone()),
            Medium::Memory(_) | Medium::File(_) => None,
        }
    }

    fn of(medium: Medium) -> Self {
        let trouble = None;
        Self(Arc::new(Mutex::new(Content { medium, trouble })))
    }

    /// Writes meet with trouble from now on: for so long, or until it is mended.
    pub fn trouble(&self, trouble: DiskTrouble, span: Option<Duration>) {
        self.content().trouble = Some((trouble, span.map(|span| Instant::now() + span)));
    }

    /// Ends all trouble.
    pub fn mend(&self) {
        self.content().trouble = None;
    }

    /// Loses the store. A process that has it open does not notice, as with a file that is deleted;
    /// the next one finds nothing.
    pub fn lose(&self) {
        match &mut self.content().medium {
            Medium::Memory(store) => *store = Arc::default(),
            Medium::Table(table, _) => *table = table.another(),
            Medium::File(path) => {
                for suffix in ["", "-wal", "-shm"] {
                    let file = format!("{}{suffix}", path.display());
                    match std::fs::remove_file(&file) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{file}: {error}"),
                        _ => {}
                    }
                }
            }
        }
    }

    fn open(&self, reached: Reached) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match &self.content().medium {
            Medium::Memory(store) => store.clone(),
            Medium::File(path) => Arc::new(StillStore(open_file(path)?)),
            Medium::Table(..) => Arc::new(SharedStore::new(reached.table, reached.presence, reached.clock)),
        })
    }

    /// The way of a process to the shared table; to one of its own that nobody uses, if there is none.
    pub fn reached(&self, process: Arc<Process>, chance: Chance) -> ReachedTable {
        let (table, way) = match &self.content().medium {
            Medium::Table(table, way) => (table.table(), way.clone()),
            Medium::Memory(_) | Medium::File(_) => (Arc::default(), Way::default()),
        };
        ReachedTable {
            table,
            way,
            process,
            chance,
        }
    }

    /// What is wrong with a write that is made now.
    fn defect(&self, chance: &Chance) -> Result<(), StoreError> {
        let trouble = self.content().trouble;
        match trouble.filter(|(_, until)| until.is_none_or(|until| Instant::now() < until)) {
            Some((DiskTrouble::Flaky { percent }, _)) if !chance.percent(percent) => Ok(()),
            Some((trouble, _)) => Err(trouble.error()),
            None => Ok(()),
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a file that the simulated process before has let go. Its lock may outlast that by a moment: a real
/// process that another test starts meanwhile has a copy of every open file until it becomes its own program.
fn open_file(path: &Path) -> Result<SqliteStore, StoreError> {
    let clock = SystemClock::new();
    loop {
        match SqliteStore::open(path) {
            Err(StoreError::Held { .. }) if clock.monotonic() < UNLOCKED_WITHIN => {
                std::thread::sleep(Duration::from_millis(1));
            }
            opened => return opened,
        }
    }
}

/// SQLite while the simulation stands still. It works on tokio's blocking threads, beside which other
/// tasks of the simulation would run in an order that depends on the machine; so each operation
/// has a runtime of its own on another thread, and the simulation's thread waits for it.
struct StillStore(SqliteStore);

impl StillStore {
    fn wait<T: Send>(&self, operation: impl Future<Output = T> + Send) -> T {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.expect("a runtime").block_on(operation)
        };
        std::thread::scope(|scope| scope.spawn(run).join().expect("the store does not panic"))
    }
}

#[async_trait]
impl Store for StillStore {
    async fn records(&self) -> Result<Vec<Record>, StoreError> {
        self.wait(self.0.records())
    }

    async fn save_and_tell(
        &self,
        record: &Record,
        events: &[(Timestamp, Event)],
        outgoing: &[Outgoing],
    ) -> Result<u64, StoreError> {
        self.wait(self.0.save_and_tell(record, events, outgoing))
    }

    async fn outgoing(&self, target: &str, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        self.wait(self.0.outgoing(target, limit))
    }

    async fn told(&self, target: &str, ids: &[String]) -> Result<(), StoreError> {
        self.wait(self.0.told(target, ids))
    }

    async fn trim_outbox(&self, target: &str, most: usize, since: Timestamp) -> Result<u64, StoreError> {
        self.wait(self.0.trim_outbox(target, most, since))
    }

    async fn backlogs(&self) -> Result<BTreeMap<String, Backlog>, StoreError> {
        self.wait(self.0.backlogs())
    }

    async fn history(&self, secret_arn: Option<&str>, limit: usize) -> Result<Vec<HistoryEntry>, StoreError> {
        self.wait(self.0.history(secret_arn, limit))
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.wait(self.0.check())
    }

    fn shared(&self) -> bool {
        self.0.shared()
    }
}

/// What a process reaches a shared table by.
#[derive(Clone)]
pub struct Reached {
    pub table: Arc<dyn Table>,
    pub presence: Arc<Presence>,
    pub clock: SharedClock,
}

/// A process's hold on its store, which its death ends. Writes take time and may be the last thing
/// that the process does.
pub struct OpenStore {
    inner: Mutex<Option<Arc<dyn Store>>>,
    disk: Disk,
    process: Arc<Process>,
    world: Arc<World>,
    replica: String,
    chance: Chance,
}

impl OpenStore {
    /// Opens a disk for a process.
    ///
    /// # Errors
    /// Those of the store.
    pub fn new(
        disk: &Disk,
        reached: Reached,
        process: Arc<Process>,
        world: Arc<World>,
        replica: &str,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            inner: Mutex::new(Some(disk.open(reached)?)),
            disk: disk.clone(),
            process,
            chance: Chance::new(world.seed, &format!("store of {replica}")),
            world,
            replica: replica.to_owned(),
        })
    }

    /// Lets the file go, as the end of a process does.
    pub fn close(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The store, as long as the process lives.
    async fn open(&self) -> Arc<dyn Store> {
        self.process.running().await;
        let store = self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match store {
            Some(store) => store,
            None => std::future::pending().await,
        }
    }

    async fn write(
        &self,
        record: &Record,
        events: &[(Timestamp, Event)],
        outgoing: &[Outgoing],
    ) -> Result<u64, StoreError> {
        let store = self.open().await;
        self.world.is_about_to_save(&record.secret_arn);
        self.disk.defect(&self.chance)?;
        let revision = store.save_and_tell(record, events, outgoing).await?;
        let entry = |(at, event): &(Timestamp, Event)| JournalEntry {
            at: *at,
            replica: self.replica.clone(),
            secret_arn: record.secret_arn.clone(),
            event: event.clone(),
        };
        self.world.journal().extend(events.iter().map(entry));
        for (_, event) in events {
            let mut auditor = self.world.auditor();
            auditor.noted(&self.world.sandbox, &self.replica, &record.secret_arn, event);
        }
        let finishing = |(_, event): &(Timestamp, Event)| matches!(event, Event::FinishStarted { .. });
        if events.iter().any(finishing) {
            self.world.is_about_to_finish(&record.secret_arn);
        }
        Ok(revision)
    }
}

#[async_trait]
impl Store for OpenStore {
    async fn records(&self) -> Result<Vec<Record>, StoreError> {
        self.open().await.records().await
    }

    async fn save_and_tell(
        &self,
        record: &Record,
        events: &[(Timestamp, Event)],
        outgoing: &[Outgoing],
    ) -> Result<u64, StoreError> {
        self.process.running().await;
        let event = events.first().map_or("no event", |(_, event)| event.label());
        let save = self.process.saves(event);
        if let Some(fault) = save.fault {
            let (replica, number) = (&self.replica, save.number);
            self.world
                .note_mishap(format!("{replica}: its write {number}, {event}, meets {fault:?}"));
        }
        self.process.running().await;
        sleep(self.chance.duration(WRITE)).await;
        let saved = match save.fault {
            Some(SaveFaultKind::Fails) => Err(DiskTrouble::Broken.error()),
            Some(SaveFaultKind::Full) => Err(DiskTrouble::Full.error()),
            _ => self.write(record, events, outgoing).await,
        };
        self.process.saved(&save);
        self.process.running().await;
        match save.fault {
            Some(SaveFaultKind::FailsAfter) => Err(DiskTrouble::Broken.error()),
            _ => saved,
        }
    }

    async fn outgoing(&self, target: &str, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        self.open().await.outgoing(target, limit).await
    }

    async fn told(&self, target: &str, ids: &[String]) -> Result<(), StoreError> {
        self.open().await.told(target, ids).await
    }

    async fn trim_outbox(&self, target: &str, most: usize, since: Timestamp) -> Result<u64, StoreError> {
        self.open().await.trim_outbox(target, most, since).await
    }

    async fn backlogs(&self) -> Result<BTreeMap<String, Backlog>, StoreError> {
        self.open().await.backlogs().await
    }

    async fn history(&self, secret_arn: Option<&str>, limit: usize) -> Result<Vec<HistoryEntry>, StoreError> {
        self.open().await.history(secret_arn, limit).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.open().await.check().await
    }

    fn shared(&self) -> bool {
        let store = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        store.as_ref().is_some_and(|store| store.shared())
    }
}
