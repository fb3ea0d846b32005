//! What waits to be told, in the table: an outbox for each target, oldest first.

use std::collections::BTreeMap;

use super::{Journal, SharedStore, layout};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::outbox::{Backlog, Outgoing};
use crate::store::table::{Change, Condition, Item, Key, Query, Table, TableError};

/// What reading one is called in errors.
const READING: &str = "reading an outbox";
/// What removing from it is called.
const EMPTYING: &str = "emptying an outbox";
/// What trimming it is called.
const TRIMMING: &str = "trimming an outbox";
/// What counting is called.
const COUNTING: &str = "counting what waits";

/// How many messages are looked at before some of them are removed.
const SOME: usize = 200;

impl SharedStore {
    /// Lists the targets of a journal's messages, so that their outboxes are found.
    pub(super) async fn list_targets(&self, journal: &Journal) -> Result<(), TableError> {
        for target in journal.targets() {
            if self.memory().targets.contains(target) {
                continue;
            }
            let key = Key::new(layout::TARGETS, target);
            self.table.put(&key, Change::new().set(layout::ID, target)).await?;
            self.memory().targets.insert(target.to_owned());
        }
        Ok(())
    }

    /// What waits for a target, oldest first.
    pub(super) async fn waiting(&self, target: &str, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        let query = Query {
            limit: Some(limit),
            ..Query::all(layout::outbox_of(target))
        };
        let items = self.table.query(&query).await.map_err(self.failed(READING))?;
        let places = items.iter().filter_map(place).collect();
        self.memory().letters.insert(target.to_owned(), places);
        Ok(items.iter().filter_map(letter).collect())
    }

    /// Removes messages by their ids.
    pub(super) async fn remove(&self, target: &str, ids: &[String]) -> Result<(), StoreError> {
        let known = self.memory().letters.get(target).cloned().unwrap_or_default();
        let places = match ids.iter().all(|id| known.contains_key(id)) {
            true => known,
            false => self.places(target).await?,
        };
        let there = ids.iter().filter_map(|id| Some((places.get(id)?.clone(), id.clone())));
        self.remove_these(target, there.collect(), EMPTYING).await.map(drop)
    }

    /// Where every message of a target lies, by its id.
    async fn places(&self, target: &str) -> Result<BTreeMap<String, String>, StoreError> {
        let items = self.table.query(&Query::all(layout::outbox_of(target))).await;
        let items = items.map_err(self.failed(EMPTYING))?;
        Ok(items.iter().filter_map(place).collect())
    }

    /// Removes messages by their places and ids. Returns how many were there.
    async fn remove_these(
        &self,
        target: &str,
        these: Vec<(String, String)>,
        action: &'static str,
    ) -> Result<u64, StoreError> {
        let partition = layout::outbox_of(target);
        let removed = self.table.each(these, move |table, (sort, id)| {
            let key = Key::new(partition.clone(), sort);
            async move { table.take(&key, Condition::is(layout::ID, id)).await }
        });
        let removed = removed.await.map_err(self.failed(action))?;
        Ok(removed.into_iter().filter(|was_there| *was_there).count() as u64)
    }

    /// Removes what is too old, and then the oldest beyond a number.
    pub(super) async fn trim(&self, target: &str, most: usize, since: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let oldest = self.oldest(target, 1).await?;
            let Some(first) = oldest.first() else {
                return Ok(removed);
            };
            let waiting = self.count(target).await?;
            let surplus = usize::try_from(waiting).unwrap_or(usize::MAX).saturating_sub(most);
            if surplus == 0 && !is_before(first, since) {
                return Ok(removed);
            }
            let some = self.oldest(target, SOME).await?;
            let gone = some.iter().enumerate();
            let gone = gone.filter(|(number, item)| *number < surplus || is_before(item, since));
            let gone = gone.filter_map(|(_, item)| {
                let (id, sort) = place(item)?;
                Some((sort, id))
            });
            let gone: Vec<_> = gone.collect();
            if gone.is_empty() {
                return Ok(removed);
            }
            removed += self.remove_these(target, gone, TRIMMING).await?;
        }
    }

    async fn oldest(&self, target: &str, limit: usize) -> Result<Vec<Item>, StoreError> {
        let query = Query {
            limit: Some(limit),
            ..Query::all(layout::outbox_of(target))
        };
        self.table.query(&query).await.map_err(self.failed(TRIMMING))
    }

    async fn count(&self, target: &str) -> Result<u64, StoreError> {
        let count = self.table.count(&layout::outbox_of(target)).await;
        count.map_err(self.failed(COUNTING))
    }

    /// How much waits for each target.
    pub(super) async fn all_backlogs(&self) -> Result<BTreeMap<String, Backlog>, StoreError> {
        let targets = self.table.query(&Query::all(layout::TARGETS)).await;
        let targets = targets.map_err(self.failed(COUNTING))?;
        let mut backlogs = BTreeMap::new();
        for target in targets.into_iter().map(|item| item.key.sort) {
            let Some(first) = self.oldest(&target, 1).await?.pop() else {
                continue;
            };
            let since = letter(&first).map_or(Timestamp::UNIX_EPOCH, |oldest| oldest.at);
            let waiting = self.count(&target).await?.max(1);
            backlogs.insert(target, Backlog { waiting, since });
        }
        Ok(backlogs)
    }
}

/// A message's id and the place where it lies.
fn place(item: &Item) -> Option<(String, String)> {
    Some((item.text(layout::ID)?.to_owned(), item.key.sort.clone()))
}

/// The message that an item holds.
pub(super) fn letter(item: &Item) -> Option<Outgoing> {
    item.text(layout::OUTGOING)
        .and_then(|json| serde_json::from_str(json).ok())
}

/// Whether a message came about before this; places begin with that time.
fn is_before(item: &Item, since: Timestamp) -> bool {
    item.key.sort.as_str() < layout::sortable(since).as_str()
}
