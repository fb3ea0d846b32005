//! A store that ends with its process: for tests and simulations.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::rotation::event::Event;
use crate::rotation::state::Record;
use crate::store::outbox::{Backlog, Outgoing};
use crate::store::{HISTORY_PER_SECRET, HistoryEntry, Store, StoreError};

/// Records and history in memory.
#[derive(Default)]
pub struct MemoryStore {
    content: Mutex<Content>,
    shared: bool,
}

#[derive(Default)]
struct Content {
    records: BTreeMap<String, Record>,
    history: Vec<HistoryEntry>,
    /// In the order in which it was saved.
    outbox: Vec<Outgoing>,
    fault: Option<String>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that stands for one which replicas share: decisions are the same as on that.
    pub fn standing_for_shared(shared: bool) -> Self {
        Self {
            shared,
            ..Self::default()
        }
    }

    /// Makes every operation fail with this cause, until told `None`.
    pub fn fail(&self, cause: Option<&str>) {
        self.lock().fault = cause.map(str::to_owned);
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // No operation leaves the content half changed, so a poisoned lock guards a sound one.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, action: &'static str) -> Result<MutexGuard<'_, Content>, StoreError> {
        let content = self.lock();
        match &content.fault {
            None => Ok(content),
            Some(cause) => Err(StoreError::Failed {
                location: "memory".to_owned(),
                action,
                cause: cause.clone(),
            }),
        }
    }
}

impl Content {
    fn remember(&mut self, secret_arn: &str, events: &[(Timestamp, Event)]) {
        self.history.extend(events.iter().map(|(at, event)| HistoryEntry {
            at: *at,
            secret_arn: secret_arn.to_owned(),
            event: event.clone(),
        }));
        let kept = self
            .history
            .iter()
            .filter(|entry| entry.secret_arn == secret_arn)
            .count();
        let mut surplus = kept.saturating_sub(HISTORY_PER_SECRET);
        self.history.retain(|entry| {
            let drop = surplus > 0 && entry.secret_arn == secret_arn;
            surplus -= usize::from(drop);
            !drop
        });
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn records(&self) -> Result<Vec<Record>, StoreError> {
        Ok(self.open("reading the records")?.records.values().cloned().collect())
    }

    async fn save_and_tell(
        &self,
        record: &Record,
        events: &[(Timestamp, Event)],
        outgoing: &[Outgoing],
    ) -> Result<u64, StoreError> {
        let mut content = self.open("writing a record")?;
        content.records.insert(record.secret_arn.clone(), record.clone());
        content.remember(&record.secret_arn, events);
        for new in outgoing {
            let known = |waiting: &Outgoing| waiting.target == new.target && waiting.id == new.id;
            if !content.outbox.iter().any(known) {
                content.outbox.push(new.clone());
            }
        }
        Ok(record.revision)
    }

    async fn outgoing(&self, target: &str, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        let content = self.open("reading an outbox")?;
        let waiting = content.outbox.iter().filter(|waiting| waiting.target == target);
        Ok(waiting.take(limit).cloned().collect())
    }

    async fn told(&self, target: &str, ids: &[String]) -> Result<(), StoreError> {
        let gone = |waiting: &Outgoing| waiting.target == target && ids.contains(&waiting.id);
        self.open("emptying an outbox")?.outbox.retain(|waiting| !gone(waiting));
        Ok(())
    }

    async fn trim_outbox(&self, target: &str, most: usize, since: Timestamp) -> Result<u64, StoreError> {
        let mut content = self.open("trimming an outbox")?;
        let before = content.outbox.len();
        content
            .outbox
            .retain(|waiting| waiting.target != target || waiting.at >= since);
        let left = content.outbox.iter().filter(|waiting| waiting.target == target);
        let mut surplus = left.count().saturating_sub(most);
        content.outbox.retain(|waiting| {
            let drop = surplus > 0 && waiting.target == target;
            surplus -= usize::from(drop);
            !drop
        });
        Ok((before - content.outbox.len()) as u64)
    }

    async fn backlogs(&self) -> Result<BTreeMap<String, Backlog>, StoreError> {
        let content = self.open("counting what waits")?;
        let mut backlogs: BTreeMap<String, Backlog> = BTreeMap::new();
        for waiting in &content.outbox {
            let backlog = backlogs.entry(waiting.target.clone()).or_insert(Backlog {
                waiting: 0,
                since: waiting.at,
            });
            backlog.waiting += 1;
            backlog.since = backlog.since.min(waiting.at);
        }
        Ok(backlogs)
    }

    async fn history(&self, secret_arn: Option<&str>, limit: usize) -> Result<Vec<HistoryEntry>, StoreError> {
        let content = self.open("reading the history")?;
        Ok(content
            .history
            .iter()
            .rev()
            .filter(|entry| secret_arn.is_none_or(|arn| entry.secret_arn == arn))
            .take(limit)
            .cloned()
            .collect())
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.open("a small write").map(drop)
    }

    fn shared(&self) -> bool {
        self.shared
    }
}
