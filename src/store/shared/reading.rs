//! What is read of records and history.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Journal, SharedStore, Stored, layout};
use crate::store::shared::steady::WIDTH;
use crate::store::table::{Item, Query, Table};
use crate::store::unreadable::Unreadable;
use crate::store::view::StoredView;
use crate::store::{HISTORY_PER_SECRET, HistoryEntry, StoreError};

/// What reading a record is called in errors.
const RECORD: &str = "reading a record";
/// What reading all of them is called.
const RECORDS: &str = "reading the records";
/// What reading a history is called.
const HISTORY: &str = "reading the history";

impl SharedStore {
    /// What the table has of a secret at this moment: its record, its lease and what belongs to them.
    ///
    /// # Errors
    /// [`StoreError::Newer`] where a newer release wrote it, else [`StoreError::Failed`] when it cannot be read.
    pub async fn read(&self, secret_arn: &str) -> Result<Option<Stored>, StoreError> {
        let item = self.table.get(&layout::record(secret_arn)).await;
        let item = item.map_err(self.failed(RECORD))?;
        item.map(|item| self.stored(&item)).transpose()
    }

    /// The same of every secret, by ARN. Not all of it is of the same moment.
    ///
    /// # Errors
    /// As [`SharedStore::read`].
    pub async fn read_all(&self) -> Result<Vec<Stored>, StoreError> {
        let shards: Vec<u8> = (0..layout::SHARDS).collect();
        let read = self.table.each(shards, |table, shard| async move {
            table.query(&Query::all(layout::shard(shard))).await
        });
        let items = read.await.map_err(self.failed(RECORDS))?;
        let stored = items.iter().flatten().map(|item| self.stored(item));
        let mut stored = stored.collect::<Result<Vec<_>, _>>()?;
        stored.sort_by(|one, other| one.secret_arn.cmp(&other.secret_arn));
        Ok(stored)
    }

    /// An item as the secret that it is, remembered; what of it cannot be read is told in the log.
    pub(super) fn stored(&self, item: &Item) -> Result<Stored, StoreError> {
        let (stored, unreadable) = Stored::of(item, self.table.location())?;
        if let Some(unreadable) = unreadable {
            unreadable.tell();
        }
        self.note(&stored);
        Ok(stored)
    }

    /// The records of the secrets whose ARNs are wanted, what their holders show of them, and the newest entries of their
    /// history.
    ///
    /// # Errors
    /// As [`SharedStore::read`].
    pub async fn view(&self, wanted: impl Fn(&str) -> bool, limit: usize) -> Result<StoredView, StoreError> {
        let mut all = self.read_all().await?;
        let written_at = all.iter().filter_map(|stored| stored.written_at).max();
        all.retain(|stored| wanted(&stored.secret_arn));
        let history = self.newest_of(&all, limit).await?;
        let sights = all
            .iter_mut()
            .filter_map(|stored| Some((stored.secret_arn.clone(), stored.sight.take()?)));
        Ok(StoredView {
            sights: sights.collect::<BTreeMap<_, _>>(),
            records: all.into_iter().filter_map(|stored| stored.record).collect(),
            history,
            written_at,
        })
    }

    /// The newest entries of a secret's history, newest first.
    pub(super) async fn history_of(&self, secret_arn: &str, limit: usize) -> Result<Vec<HistoryEntry>, StoreError> {
        let journal = self.read(secret_arn).await?.map(|stored| stored.journal);
        let items = self.table.query(&newest(secret_arn, limit)).await;
        let items = items.map_err(self.failed(HISTORY))?;
        Ok(entries(secret_arn, &journal.unwrap_or_default(), items, limit))
    }

    /// The newest entries of these secrets' history, newest first. No entry is newer than the last write of its secret, so
    /// once enough were found, secrets that were last written before all of those are not asked.
    pub(super) async fn newest_of(&self, all: &[Stored], limit: usize) -> Result<Vec<HistoryEntry>, StoreError> {
        let mut latest: Vec<&Stored> = all.iter().collect();
        latest.sort_by_key(|stored| std::cmp::Reverse(stored.written_at));
        let mut found: Vec<HistoryEntry> = Vec::new();
        for some in latest.chunks(WIDTH) {
            let oldest = found.get(limit.saturating_sub(1)).map(|entry| entry.at);
            // Its milliseconds are cut off.
            let newest_left = some.first().and_then(|stored| stored.written_at);
            let newest_left = newest_left.map(|at| crate::clock::after(at, Duration::from_millis(1)));
            if limit == 0 || oldest.is_some_and(|oldest| newest_left.is_none_or(|left| left < oldest)) {
                break;
            }
            let some = some
                .iter()
                .map(|stored| (stored.secret_arn.clone(), stored.journal.clone()));
            let read = self
                .table
                .each(some.collect(), move |table, (arn, journal)| async move {
                    let items = table.query(&newest(&arn, limit)).await?;
                    Ok(entries(&arn, &journal, items, limit))
                });
            found.extend(read.await.map_err(self.failed(HISTORY))?.into_iter().flatten());
            // Entries of one secret stay in their order.
            found.sort_by_key(|entry| std::cmp::Reverse(entry.at.timestamp_micros()));
            found.truncate(limit);
        }
        Ok(found)
    }
}

fn newest(secret_arn: &str, limit: usize) -> Query {
    Query {
        descending: true,
        limit: Some(limit.min(HISTORY_PER_SECRET)),
        ..Query::all(layout::history_of(secret_arn))
    }
}

/// The newest entries that can be read, of those that have items and of those that may lack them yet. The others are told in
/// the log.
fn entries(secret_arn: &str, journal: &Journal, mut items: Vec<Item>, limit: usize) -> Vec<HistoryEntry> {
    for (key, change) in journal.history(secret_arn) {
        if !items.iter().any(|item| item.key == key) {
            items.push(Item {
                key,
                attributes: change.set,
            });
        }
    }
    items.sort_by(|one, other| other.key.sort.cmp(&one.key.sort));
    items.truncate(limit.min(HISTORY_PER_SECRET));
    items.iter().filter_map(|item| entry(secret_arn, item)).collect()
}

/// An entry of a history, unless it cannot be read, which the log tells.
pub(super) fn entry(secret_arn: &str, item: &Item) -> Option<HistoryEntry> {
    let entry = item
        .text(layout::ENTRY)
        .and_then(|json| serde_json::from_str::<HistoryEntry>(json).ok())
        .filter(|entry| entry.secret_arn == secret_arn);
    if entry.is_none() {
        let at = item.key.sort.split('#').next().unwrap_or_default();
        Unreadable::Entry {
            secret_arn: secret_arn.to_owned(),
            at: at.to_owned(),
        }
        .tell();
    }
    entry
}
