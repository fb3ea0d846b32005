//! What is read from the tables and written to them.

use std::convert::Infallible;

use chrono::SecondsFormat;
use rusqlite::{Connection, Row, Transaction, params};

use super::letters::Letter;
use crate::clock::Timestamp;
use crate::rotation::event::Event;
use crate::rotation::state::Record;
use crate::store::outbox::Outgoing;
use crate::store::unreadable::Unreadable;
use crate::store::{HISTORY_PER_SECRET, HistoryEntry};

/// A record, the events that led to it and what is told of them, ready to be written.
pub(super) struct Change {
    secret_arn: String,
    record: String,
    updated_at: String,
    events: Vec<(String, String)>,
    outgoing: Vec<Letter>,
}

impl Change {
    /// Serialises everything, so that nothing but the database can fail later.
    pub(super) fn new(
        record: &Record,
        events: &[(Timestamp, Event)],
        outgoing: &[Outgoing],
    ) -> serde_json::Result<Self> {
        // The store reads no clock: a record is as new as the newest event that led to it.
        let updated_at = events.iter().map(|(at, _)| *at).max().unwrap_or(record.first_seen);
        Ok(Self {
            secret_arn: record.secret_arn.clone(),
            record: serde_json::to_string(record)?,
            updated_at: text(updated_at),
            events: events
                .iter()
                .map(|(at, event)| Ok((text(*at), serde_json::to_string(event)?)))
                .collect::<serde_json::Result<_>>()?,
            outgoing: outgoing.iter().map(Letter::new).collect(),
        })
    }

    /// Writes all of it within a transaction.
    pub(super) fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction
            .prepare_cached(
                "INSERT INTO records VALUES (?1, ?2, ?3) ON CONFLICT (secret_arn) DO UPDATE
                 SET json = excluded.json, updated_at = max(updated_at, excluded.updated_at)",
            )?
            .execute(params![self.secret_arn, self.record, self.updated_at])?;
        for (at, event) in &self.events {
            transaction
                .prepare_cached("INSERT INTO history (at, secret_arn, event) VALUES (?1, ?2, ?3)")?
                .execute(params![at, self.secret_arn, event])?;
        }
        if !self.events.is_empty() {
            transaction
                .prepare_cached(
                    "DELETE FROM history WHERE secret_arn = ?1 AND id <=
                     (SELECT id FROM history WHERE secret_arn = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                )?
                .execute(params![self.secret_arn, rows(HISTORY_PER_SECRET)])?;
        }
        self.outgoing.iter().try_for_each(|letter| letter.write(transaction))
    }
}

/// An entry of a history, ready to be written.
pub(super) struct Moved {
    at: String,
    secret_arn: String,
    event: String,
}

impl Moved {
    /// Serialises everything, so that nothing but the database can fail later.
    pub(super) fn new(entry: &HistoryEntry) -> serde_json::Result<Self> {
        Ok(Self {
            at: text(entry.at),
            secret_arn: entry.secret_arn.clone(),
            event: serde_json::to_string(&entry.event)?,
        })
    }

    /// Writes it within a transaction, after all that is there.
    pub(super) fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction
            .prepare_cached("INSERT INTO history (at, secret_arn, event) VALUES (?1, ?2, ?3)")?
            .execute(params![self.at, self.secret_arn, self.event])
            .map(drop)
    }
}

/// Every record that can be read.
pub(super) fn records(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
    let mut records = Vec::new();
    let Ok(()) = each_record(connection, |record| {
        match record {
            Ok(record) => records.push(record),
            Err(unreadable) => unreadable.tell(),
        }
        Ok::<_, Infallible>(())
    })?;
    Ok(records)
}

/// Hands over every record, by ARN, until one is not taken.
pub(super) fn each_record<E>(
    connection: &Connection,
    mut take: impl FnMut(Result<Record, Unreadable>) -> Result<(), E>,
) -> rusqlite::Result<Result<(), E>> {
    let mut statement = connection.prepare_cached("SELECT secret_arn, json FROM records ORDER BY secret_arn")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let (secret_arn, json): (String, String) = (row.get(0)?, row.get(1)?);
        let record = match serde_json::from_str::<Record>(&json) {
            Ok(record) if record.secret_arn == secret_arn => Ok(record),
            Ok(record) => Err(Unreadable::OtherSecret {
                secret_arn,
                names: record.secret_arn,
            }),
            Err(error) => Err(Unreadable::Record { secret_arn, error }),
        };
        if let Err(refused) = take(record) {
            return Ok(Err(refused));
        }
    }
    Ok(Ok(()))
}

/// Hands over every entry of the history, oldest first, until one is not taken.
pub(super) fn each_entry<E>(
    connection: &Connection,
    mut take: impl FnMut(Result<HistoryEntry, Unreadable>) -> Result<(), E>,
) -> rusqlite::Result<Result<(), E>> {
    let mut statement = connection.prepare_cached("SELECT at, secret_arn, event FROM history ORDER BY id")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        if let Err(refused) = take(entry(row)?) {
            return Ok(Err(refused));
        }
    }
    Ok(Ok(()))
}

/// Whether nothing was ever stored.
pub(super) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let holds = "SELECT EXISTS (SELECT 1 FROM records) OR EXISTS (SELECT 1 FROM history) \
                 OR EXISTS (SELECT 1 FROM outbox)";
    connection
        .query_row(holds, (), |row| row.get::<_, bool>(0))
        .map(|holds| !holds)
}

/// Makes every record as new as the newest entry of its history.
pub(super) fn date_records(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction
        .execute(
            "UPDATE records SET updated_at = max(updated_at, coalesce(
             (SELECT max(at) FROM history WHERE history.secret_arn = records.secret_arn), updated_at))",
            (),
        )
        .map(drop)
}

/// The newest entries, newest first.
pub(super) fn history(
    connection: &Connection,
    secret_arn: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Vec<HistoryEntry>> {
    let limit = rows(limit);
    let found = match secret_arn {
        Some(arn) => connection
            .prepare_cached(
                "SELECT at, secret_arn, event FROM history WHERE secret_arn = ?1 ORDER BY id DESC LIMIT ?2",
            )?
            .query_map(params![arn, limit], entry)?
            .collect::<rusqlite::Result<Vec<_>>>()?,
        None => connection
            .prepare_cached("SELECT at, secret_arn, event FROM history ORDER BY id DESC LIMIT ?1")?
            .query_map(params![limit], entry)?
            .collect::<rusqlite::Result<Vec<_>>>()?,
    };
    let readable = found.into_iter().filter_map(|entry| match entry {
        Ok(entry) => Some(entry),
        Err(unreadable) => {
            unreadable.tell();
            None
        }
    });
    Ok(readable.collect())
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Result<HistoryEntry, Unreadable>> {
    let (at, secret_arn, event): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(match (at.parse(), serde_json::from_str(&event)) {
        (Ok(at), Ok(event)) => Ok(HistoryEntry { at, secret_arn, event }),
        _ => Err(Unreadable::Entry { secret_arn, at }),
    })
}

/// When anything was last written.
pub(super) fn written_at(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let newest: Option<String> = connection.query_row("SELECT max(updated_at) FROM records", (), |row| row.get(0))?;
    Ok(newest.and_then(|at| at.parse().ok()))
}

/// A write that changes something, so that SQLite does sync it.
pub(super) fn beat(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE heartbeat SET beats = beats + 1")?
        .execute(())
        .map(drop)
}

/// Times of one width, so that their text sorts as they do.
pub(super) fn text(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

pub(super) fn rows(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
