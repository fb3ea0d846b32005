//! The store in a table that several replicas share.
//!
//! A save is one conditional write of the secret's item ([`save`](Store::save_and_tell)); the lines of its history and its messages
//! have items of their own, which are written afterwards from the journal in that item. docs/ARCHITECTURE.md tells why.

pub mod asking;
pub mod command;
mod item;
mod journal;
pub mod layout;
pub mod leases;
mod letters;
mod moving;
pub mod presence;
mod reading;
pub mod replying;
mod save;
mod settling;
mod steady;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::clock::{SharedClock, Timestamp};
use crate::rotation::event::Event;
use crate::rotation::state::Record;
use crate::store::outbox::{Backlog, Outgoing};
use crate::store::table::{Change, Condition, Table, TableError};
use crate::store::{HistoryEntry, Store, StoreError};

pub use item::Stored;
pub use journal::{Journal, KEPT, Letter, Line};
pub use moving::NotEmpty;

use presence::Presence;
use steady::Steady;

/// Records, history and outboxes in a table that several replicas share.
pub struct SharedStore {
    table: Steady,
    presence: Arc<Presence>,
    clock: SharedClock,
    /// What tells the writes of this process from those of all others.
    nonce: u64,
    memory: Mutex<Memory>,
    /// Whether items of a journal could not be written lately.
    behind: AtomicBool,
}

/// What is remembered of the table, to ask it less. Nothing is decided by it.
#[derive(Default)]
struct Memory {
    /// Secrets, by ARN.
    secrets: BTreeMap<String, Known>,
    /// The ids of saves of which it is not known whether they were carried out, by ARN.
    doubts: BTreeMap<String, String>,
    /// Targets that are listed in the table.
    targets: BTreeSet<String>,
    /// Where the messages lie that were last read from each outbox: by target and id, their sort keys.
    letters: BTreeMap<String, BTreeMap<String, String>>,
}

/// What is remembered of a secret's item.
#[derive(Clone, Default)]
struct Known {
    /// The revision that all this is of.
    revision: u64,
    /// Whether the item has a record that can be read.
    readable: bool,
    /// Its journal.
    journal: Journal,
    /// The lines and letters up to this revision have items of their own.
    settled: u64,
    /// Whether some others could not be written.
    behind: bool,
    /// When it was last written.
    written_at: u64,
    /// The id of its last save.
    write: Option<String>,
}

impl Known {
    fn of(stored: &Stored) -> Self {
        Self {
            revision: stored.revision,
            readable: stored.record.is_some(),
            journal: stored.journal.clone(),
            settled: 0,
            behind: false,
            written_at: stored.written_at.map(item::milliseconds).unwrap_or_default(),
            write: stored.write.clone(),
        }
    }
}

impl SharedStore {
    /// The store in this table. `presence` is this process among the replicas: under whose session it saves.
    pub fn new(table: Arc<dyn Table>, presence: Arc<Presence>, clock: SharedClock) -> Self {
        Self {
            table: Steady(table),
            presence,
            nonce: RandomState::new().hash_one(clock.now().timestamp_nanos_opt()),
            clock,
            memory: Mutex::default(),
            behind: AtomicBool::new(false),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Each change is made whole, so a poisoned lock guards sound data.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, action: &'static str, cause: impl ToString) -> StoreError {
        StoreError::Failed {
            location: self.table.location().to_owned(),
            action,
            cause: cause.to_string(),
        }
    }

    /// An error of the table as one of the store.
    fn failed(&self, action: &'static str) -> impl Fn(TableError) -> StoreError + '_ {
        move |error| self.refused(action, error)
    }

    /// Remembers an item.
    fn note(&self, stored: &Stored) {
        let mut memory = self.memory();
        let known = memory.secrets.entry(stored.secret_arn.clone()).or_default();
        let before = std::mem::replace(known, Known::of(stored));
        // Of an item that counts from the start nothing is known: the table was emptied.
        if stored.revision >= before.revision {
            known.settled = before.settled;
            known.behind = before.behind;
            known.journal = std::mem::take(&mut known.journal).after(before.settled);
        }
    }
}

#[async_trait]
impl Store for SharedStore {
    async fn records(&self) -> Result<Vec<Record>, StoreError> {
        self.refuse_half_imported().await?;
        let stored = self.read_all().await?;
        let unsettled = stored.iter().filter(|stored| !stored.journal.letters.is_empty());
        unsettled.for_each(|stored| self.presence.took(&stored.secret_arn));
        Ok(stored.into_iter().filter_map(|stored| stored.record).collect())
    }

    async fn save_and_tell(
        &self,
        record: &Record,
        events: &[(Timestamp, Event)],
        outgoing: &[Outgoing],
    ) -> Result<u64, StoreError> {
        self.saved(record, events, outgoing).await
    }

    async fn history(&self, secret_arn: Option<&str>, limit: usize) -> Result<Vec<HistoryEntry>, StoreError> {
        match secret_arn {
            Some(arn) => self.history_of(arn, limit).await,
            None => {
                let all = self.read_all().await?;
                self.newest_of(&all, limit).await
            }
        }
    }

    async fn outgoing(&self, target: &str, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        self.catch_up().await;
        self.waiting(target, limit).await
    }

    async fn told(&self, target: &str, ids: &[String]) -> Result<(), StoreError> {
        self.remove(target, ids).await
    }

    async fn trim_outbox(&self, target: &str, most: usize, since: Timestamp) -> Result<u64, StoreError> {
        self.trim(target, most, since).await
    }

    async fn backlogs(&self) -> Result<BTreeMap<String, Backlog>, StoreError> {
        self.all_backlogs().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        const ACTION: &str = "a small write";
        let key = layout::check();
        let stored = self.table.get(&key).await.map_err(self.failed(ACTION))?;
        let beat = stored.and_then(|item| item.number(layout::BEAT));
        let (next, on) = match beat {
            None => (1, Condition::Absent),
            Some(beat) => (beat.wrapping_add(1), Condition::is(layout::BEAT, beat)),
        };
        match self.table.write(&key, Change::new().set(layout::BEAT, next), on).await {
            // Another replica checks at the same moment: the table answers.
            Ok(()) | Err(TableError::NotAsWanted { .. }) => Ok(()),
            Err(error) => Err(self.refused(ACTION, error)),
        }
    }

    fn shared(&self) -> bool {
        true
    }
}
