//! The item of a secret: its record, its lease, what its holder shows of it, and its journal.

use super::journal::Journal;
use super::layout;
use crate::clock::Timestamp;
use crate::rotation::state::Record;
use crate::store::StoreError;
use crate::store::table::Item;
use crate::store::unreadable::Unreadable;

/// A secret as the table has it.
#[derive(Clone, PartialEq, Debug)]
pub struct Stored {
    /// The secret.
    pub secret_arn: String,
    /// Its record, with its revision; none if there is a lease only, or if it cannot be read.
    pub record: Option<Record>,
    /// How often its record was written; 0 if never.
    pub revision: u64,
    /// How often its lease changed hands.
    pub fence: u64,
    /// The session that holds its lease.
    pub holder: Option<String>,
    /// What its holder shows of it, as JSON.
    pub sight: Option<String>,
    /// When its record was last written, by its writer's clock.
    pub written_at: Option<Timestamp>,
    /// What its last saves led to and may not have written yet.
    pub journal: Journal,
    /// The id of its last save.
    pub write: Option<String>,
}

impl Stored {
    /// A secret's item, and what of it cannot be read.
    ///
    /// # Errors
    /// [`StoreError::Newer`] where a newer release wrote it.
    pub(super) fn of(item: &Item, location: &str) -> Result<(Self, Option<Unreadable>), StoreError> {
        let schema = item.number(layout::SCHEMA).unwrap_or_default();
        if schema > layout::KNOWN_SCHEMA {
            let number = |schema| i64::try_from(schema).unwrap_or(i64::MAX);
            return Err(StoreError::Newer {
                location: location.to_owned(),
                found: number(schema),
                known: number(layout::KNOWN_SCHEMA),
            });
        }
        let text = |name| item.text(name).map(str::to_owned);
        let secret_arn = item.key.sort.clone();
        let revision = item.number(layout::REVISION).unwrap_or_default();
        let (record, unreadable) = match item
            .text(layout::RECORD)
            .map(|json| record(json, &secret_arn, revision))
        {
            None => (None, None),
            Some(Ok(record)) => (Some(record), None),
            Some(Err(unreadable)) => (None, Some(unreadable)),
        };
        let stored = Self {
            record,
            revision,
            fence: item.number(layout::FENCE).unwrap_or_default(),
            holder: text(layout::HOLDER),
            sight: text(layout::SIGHT),
            written_at: item.number(layout::WRITTEN_AT).and_then(moment),
            // A journal that cannot be read is lost with its lines: nothing can be made of it.
            journal: item
                .text(layout::JOURNAL)
                .and_then(|json| serde_json::from_str(json).ok())
                .unwrap_or_default(),
            write: text(layout::WRITE),
            secret_arn,
        };
        Ok((stored, unreadable))
    }
}

fn record(json: &str, secret_arn: &str, revision: u64) -> Result<Record, Unreadable> {
    match serde_json::from_str::<Record>(json) {
        Ok(record) if record.secret_arn == secret_arn => Ok(Record { revision, ..record }),
        Ok(record) => Err(Unreadable::OtherSecret {
            secret_arn: secret_arn.to_owned(),
            names: record.secret_arn,
        }),
        Err(error) => Err(Unreadable::Record {
            secret_arn: secret_arn.to_owned(),
            error,
        }),
    }
}

/// A time in milliseconds since 1970.
fn moment(milliseconds: u64) -> Option<Timestamp> {
    i64::try_from(milliseconds)
        .ok()
        .and_then(Timestamp::from_timestamp_millis)
}

/// The same, the other way round. What was before 1970 is 1970.
pub(super) fn milliseconds(at: Timestamp) -> u64 {
    u64::try_from(at.timestamp_millis()).unwrap_or_default()
}
