//! All that the table holds, taken elsewhere; and an empty table that takes over what another store held.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::item::milliseconds;
use super::journal::{history_item, letter_item, letter_key};
use super::{Journal, SharedStore, Stored, layout, letters, reading};
use crate::clock::Timestamp;
use crate::rotation::state::Record;
use crate::store::exported::{Contents, Exported};
use crate::store::outbox::Outgoing;
use crate::store::table::{Change, Condition, Item, Key, Query, Table};
use crate::store::{HistoryEntry, StoreError};

/// What an import is called in errors.
const IMPORTING: &str = "importing into it";
/// What an export is called.
const EXPORTING: &str = "reading all that it holds";

/// The attribute of an import's mark that tells which file it is of.
const FILE: &str = "file";

/// A table that an import does not go into. Nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotEmpty {
    /// It holds something.
    #[error(
        "{location}: this table holds something already, and an import goes into an empty one only: make another with \
         `rekeyd state init-table` and name it in `daemon.state`. Nothing was written"
    )]
    Used {
        /// The store.
        location: String,
    },
    /// It holds a part of another file.
    #[error(
        "{location}: an import of another file into this table, exported at {exported_at}, has begun and has not ended: \
         import that file again, which goes on where it ended, or make another table with `rekeyd state init-table` and name \
         it in `daemon.state`. Nothing was written"
    )]
    OtherFile {
        /// The store.
        location: String,
        /// When that file was written.
        exported_at: String,
    },
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] StoreError),
}

impl SharedStore {
    /// Everything it holds. What is written meanwhile is in it or is not; where that matters, no replica may run.
    ///
    /// # Errors
    /// [`StoreError::Newer`] where a newer release wrote it, else [`StoreError::Failed`] when it cannot be read, or is filled in
    /// part only.
    pub async fn export(&self) -> Result<Contents, StoreError> {
        self.refuse_half_imported().await?;
        let all = self.read_all().await?;
        let (history, unreadable) = self.all_history(&all).await?;
        let outbox = self.all_letters(&all).await?;
        let unreadable_records = all
            .iter()
            .filter(|stored| stored.record.is_none() && stored.revision > 0)
            .count();
        Ok(Contents {
            records: all.into_iter().filter_map(|stored| stored.record).collect(),
            history,
            outbox,
            unreadable: unreadable + unreadable_records,
        })
    }

    /// The history of all secrets, oldest first, and how many entries cannot be read.
    async fn all_history(&self, all: &[Stored]) -> Result<(Vec<HistoryEntry>, usize), StoreError> {
        let items = self
            .all_of(all.iter().map(|stored| layout::history_of(&stored.secret_arn)))
            .await?;
        let items = with_journals(items, all, |key| key.partition.starts_with("HISTORY#"));
        let many = items.len();
        let entries = items.iter().filter_map(|item| {
            let (_, arn) = item.key.partition.split_once('#')?;
            reading::entry(arn, item)
        });
        let entries: Vec<HistoryEntry> = entries.collect();
        let unreadable = many - entries.len();
        Ok((entries, unreadable))
    }

    /// What waits for all targets, oldest first.
    async fn all_letters(&self, all: &[Stored]) -> Result<Vec<Outgoing>, StoreError> {
        let targets = self.table.query(&Query::all(layout::TARGETS)).await;
        let targets = targets.map_err(self.failed(EXPORTING))?;
        let items = self
            .all_of(targets.iter().map(|item| layout::outbox_of(&item.key.sort)))
            .await?;
        let items = with_journals(items, all, |key| key.partition.starts_with("OUTBOX#"));
        Ok(items.iter().filter_map(letters::letter).collect())
    }

    /// The items of these partitions.
    async fn all_of(&self, partitions: impl Iterator<Item = String>) -> Result<Vec<Item>, StoreError> {
        let read = self.table.each(partitions.collect(), |table, partition| async move {
            table.query(&Query::all(partition)).await
        });
        Ok(read
            .await
            .map_err(self.failed(EXPORTING))?
            .into_iter()
            .flatten()
            .collect())
    }

    /// Whether this file may be imported: into a table that holds nothing, or a part of this very file.
    ///
    /// # Errors
    /// [`NotEmpty`], with what to do.
    pub async fn may_import(&self, exported: &Exported) -> Result<(), NotEmpty> {
        let failed = self.failed("looking whether it holds anything");
        let location = || self.table.location().to_owned();
        if let Some(mark) = self.table.get(&layout::import()).await.map_err(&failed)? {
            return match mark.text(FILE) == Some(&fingerprint(exported)) {
                true => Ok(()),
                false => Err(NotEmpty::OtherFile {
                    location: location(),
                    exported_at: mark.text(layout::ENTRY).unwrap_or("an unknown time").to_owned(),
                }),
            };
        }
        match self.is_empty().await? {
            true => Ok(()),
            false => Err(NotEmpty::Used { location: location() }),
        }
    }

    /// Whether it holds nothing: no record, no lease, no history and nothing that was ever to be told.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when it cannot be read.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        let shards = (0..layout::SHARDS).map(layout::shard);
        let partitions: Vec<String> = shards.chain([layout::TARGETS.to_owned()]).collect();
        let counted = self.table.each(partitions, |table, partition| async move {
            let first = Query {
                limit: Some(1),
                ..Query::all(partition)
            };
            Ok(table.query(&first).await?.len())
        });
        let counted = counted
            .await
            .map_err(self.failed("looking whether it holds anything"))?;
        Ok(counted.into_iter().sum::<usize>() == 0)
    }

    /// Writes all that another store held into this one, after [`SharedStore::may_import`]. Whatever interrupts it, the same file
    /// can be imported again, which goes on; until that has ended no replica works with the table.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when it cannot be written, or when a replica has written a record meanwhile.
    pub async fn fill(&self, exported: &Exported) -> Result<(), StoreError> {
        let failed = self.failed(IMPORTING);
        let file = fingerprint(exported);
        let mark = Change::new()
            .set(FILE, file.as_str())
            .set(layout::ENTRY, exported.header.exported_at.to_rfc3339());
        self.table.put(&layout::import(), mark).await.map_err(&failed)?;
        self.may_go_on(&file).await?;
        let now = self.clock.now();
        self.list_targets(&letters_of(exported)).await.map_err(&failed)?;
        self.table.put_all(outbox(exported)).await.map_err(&failed)?;
        let history = history(exported, now).map_err(|error| self.refused(IMPORTING, error))?;
        self.table.put_all(history).await.map_err(&failed)?;
        let records = records(exported, &file).map_err(|error| self.refused(IMPORTING, error))?;
        let keys: Vec<Key> = records.iter().map(|(key, _)| key.clone()).collect();
        self.table.put_all(records).await.map_err(&failed)?;
        self.are_ours(keys, &file).await?;
        // Only now may anybody go by it.
        let ended = self.table.take(&layout::import(), Condition::is(FILE, file)).await;
        ended.map_err(&failed).map(drop)
    }

    /// That the mark is of this file, and not of another that is imported at the same moment.
    async fn may_go_on(&self, file: &str) -> Result<(), StoreError> {
        let mark = self
            .table
            .get(&layout::import())
            .await
            .map_err(self.failed(IMPORTING))?;
        match mark.is_some_and(|mark| mark.text(FILE) == Some(file)) {
            true => Ok(()),
            false => Err(self.refused(IMPORTING, "another file is being imported into it")),
        }
    }

    /// That every record is the imported one.
    async fn are_ours(&self, keys: Vec<Key>, file: &str) -> Result<(), StoreError> {
        let read = self.table.each(keys, |table, key| async move {
            let item = table.get(&key).await?;
            Ok((
                item.and_then(|item| item.text(layout::WRITE).map(str::to_owned)),
                key.sort,
            ))
        });
        let read = read.await.map_err(self.failed(IMPORTING))?;
        match read.into_iter().find(|(write, _)| write.as_deref() != Some(file)) {
            None => Ok(()),
            Some((_, arn)) => Err(self.refused(
                IMPORTING,
                format!(
                    "a replica has written the record of {arn} meanwhile: stop all replicas, make another table and import \
                     into that"
                ),
            )),
        }
    }

    /// A table that was filled in part is nothing to go by.
    pub(super) async fn refuse_half_imported(&self) -> Result<(), StoreError> {
        const ACTION: &str = "looking whether an import has ended";
        match self.table.get(&layout::import()).await.map_err(self.failed(ACTION))? {
            None => Ok(()),
            Some(_) => Err(self.refused(
                ACTION,
                "it has not: import the same file again, which goes on where it ended; or make another table with `rekeyd \
                 state init-table` and name it in `daemon.state`",
            )),
        }
    }
}

/// These items, and those that lie in a journal only, as they are exported.
fn with_journals(items: Vec<Item>, all: &[Stored], wanted: impl Fn(&Key) -> bool) -> Vec<Item> {
    let mut by_key: BTreeMap<Key, Item> = items.into_iter().map(|item| (item.key.clone(), item)).collect();
    for (key, change) in all.iter().flat_map(|stored| stored.journal.items(&stored.secret_arn)) {
        if wanted(&key) {
            by_key.entry(key.clone()).or_insert(Item {
                key,
                attributes: change.set,
            });
        }
    }
    let mut items: Vec<Item> = by_key.into_values().collect();
    items.sort_by_key(place);
    items
}

/// What an item's place in an export is: where it was in the file that was imported, and after those by its time.
fn place(item: &Item) -> (u64, String, String) {
    let place = item.number(layout::PLACE).unwrap_or(u64::MAX);
    (place, item.key.sort.clone(), item.key.partition.clone())
}

/// What tells a file from every other.
fn fingerprint(exported: &Exported) -> String {
    let mut hash = Sha256::new();
    // Each of them was read from JSON.
    hash.update(serde_json::to_vec(&exported.header).unwrap_or_default());
    hash.update(serde_json::to_vec(&exported.records).unwrap_or_default());
    hash.update(serde_json::to_vec(&exported.history).unwrap_or_default());
    hash.update(serde_json::to_vec(&exported.outbox).unwrap_or_default());
    let hash = hash.finalize();
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn letters_of(exported: &Exported) -> Journal {
    let letter = |outgoing: &Outgoing| super::Letter {
        revision: 0,
        outgoing: outgoing.clone(),
    };
    Journal {
        letters: exported.outbox.iter().map(letter).collect(),
        ..Journal::default()
    }
}

fn outbox(exported: &Exported) -> Vec<(Key, Change)> {
    let letters = (1_u64..).zip(&exported.outbox);
    letters
        .map(|(place, outgoing)| (letter_key(outgoing), letter_item(outgoing).set(layout::PLACE, place)))
        .collect()
}

/// The items of the history. They are kept for as long as if all that had happened now.
fn history(exported: &Exported, now: Timestamp) -> serde_json::Result<Vec<(Key, Change)>> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut items = Vec::with_capacity(exported.history.len());
    for (place, entry) in (1_u64..).zip(&exported.history) {
        let number = numbers.entry(&entry.secret_arn).or_default();
        let key = layout::history(&entry.secret_arn, entry.at, 0, *number);
        *number += 1;
        let item = history_item(&serde_json::to_string(entry)?, now).set(layout::PLACE, place);
        items.push((key, item));
    }
    Ok(items)
}

/// The items of the secrets: those with a record, and those of which there is only history.
fn records(exported: &Exported, file: &str) -> serde_json::Result<Vec<(Key, Change)>> {
    let mut secrets: BTreeMap<&str, (Option<&Record>, Timestamp)> = BTreeMap::new();
    for record in &exported.records {
        secrets.insert(&record.secret_arn, (Some(record), record.first_seen));
    }
    for entry in &exported.history {
        let (_, newest) = secrets.entry(&entry.secret_arn).or_insert((None, entry.at));
        *newest = entry.at.max(*newest);
    }
    let item = |(arn, (record, newest)): (&str, (Option<&Record>, Timestamp))| {
        let item = Change::new()
            .set(layout::REVISION, u64::from(record.is_some()))
            .set(layout::FENCE, 0)
            .set(layout::WRITE, file)
            .set(layout::WRITTEN_AT, milliseconds(newest))
            .set(layout::SCHEMA, layout::KNOWN_SCHEMA);
        let item = match record {
            Some(record) => item.set(layout::RECORD, serde_json::to_string(record)?),
            None => item,
        };
        Ok((layout::record(arn), item))
    };
    secrets.into_iter().map(item).collect()
}
