//! What a replica remembers over a crash: the daemon's own stores, cut off from a dead process.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rekeyd::clock::Timestamp;
use rekeyd::rotation::event::Event;
use rekeyd::rotation::state::Record;
use rekeyd::store::memory::MemoryStore;
use rekeyd::store::sqlite::SqliteStore;
use rekeyd::store::{HistoryEntry, Store, StoreError};
use tokio::time::sleep;

use super::chance::Chance;
use super::process::Process;
use super::world::{JournalEntry, World};

/// How long a write takes.
const WRITE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(8));

/// Where a replica's store is.
#[derive(Clone)]
pub enum Disk {
    /// In memory, which outlives the simulated process. Fast, and what most simulations use.
    Memory(Arc<MemoryStore>),
    /// A SQLite file.
    File(PathBuf),
}

impl Disk {
    /// An empty one in memory.
    pub fn empty() -> Self {
        Self::Memory(Arc::new(MemoryStore::new()))
    }

    fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Memory(store) => store.clone(),
            Self::File(path) => Arc::new(StillStore(SqliteStore::open(path)?)),
        })
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

    async fn save(&self, record: &Record, events: &[(Timestamp, Event)]) -> Result<(), StoreError> {
        self.wait(self.0.save(record, events))
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

/// A process's hold on its store, which its death ends. Writes take time and may be the last thing
/// that the process does.
pub struct OpenStore {
    inner: Mutex<Option<Arc<dyn Store>>>,
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
    pub fn new(disk: &Disk, process: Arc<Process>, world: Arc<World>, replica: &str) -> Result<Self, StoreError> {
        Ok(Self {
            inner: Mutex::new(Some(disk.open()?)),
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
        self.process.alive().await;
        let store = self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match store {
            Some(store) => store,
            None => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Store for OpenStore {
    async fn records(&self) -> Result<Vec<Record>, StoreError> {
        self.open().await.records().await
    }

    async fn save(&self, record: &Record, events: &[(Timestamp, Event)]) -> Result<(), StoreError> {
        self.process.alive().await;
        let number = self.process.saves();
        self.process.alive().await;
        sleep(self.chance.duration(WRITE)).await;
        let saved = self.open().await.save(record, events).await;
        if saved.is_ok() {
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
        }
        self.process.saved(number);
        self.process.alive().await;
        saved
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
