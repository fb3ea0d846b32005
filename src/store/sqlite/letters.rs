//! The table of what waits to be told.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};

use super::rows;
use crate::clock::Timestamp;
use crate::store::outbox::{Backlog, Outgoing};

/// A message, ready to be written.
pub(super) struct Letter {
    target: String,
    id: String,
    at: String,
    message: String,
}

impl Letter {
    pub(super) fn new(outgoing: &Outgoing) -> Self {
        Self {
            target: outgoing.target.clone(),
            id: outgoing.id.clone(),
            at: rows::text(outgoing.at),
            message: outgoing.message.clone(),
        }
    }

    /// Writes it within a transaction, after all that waits for its target.
    pub(super) fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction
            .prepare_cached(
                "INSERT INTO outbox (target, id, at, message) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (target, id) DO NOTHING",
            )?
            .execute(params![self.target, self.id, self.at, self.message])
            .map(drop)
    }
}

/// The oldest that wait for a target.
pub(super) fn oldest(connection: &Connection, target: &str, limit: usize) -> rusqlite::Result<Vec<Outgoing>> {
    connection
        .prepare_cached("SELECT target, id, at, message FROM outbox WHERE target = ?1 ORDER BY seq LIMIT ?2")?
        .query_map(params![target, rows::rows(limit)], letter)?
        .collect()
}

/// Removes these.
pub(super) fn remove(connection: &mut Connection, target: &str, ids: &[String]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for id in ids {
        transaction
            .prepare_cached("DELETE FROM outbox WHERE target = ?1 AND id = ?2")?
            .execute(params![target, id])?;
    }
    transaction.commit()
}

/// Removes what is too old and the oldest beyond a number.
pub(super) fn trim(connection: &Connection, target: &str, most: usize, since: Timestamp) -> rusqlite::Result<u64> {
    let old = connection
        .prepare_cached("DELETE FROM outbox WHERE target = ?1 AND at < ?2")?
        .execute(params![target, rows::text(since)])?;
    let surplus = connection
        .prepare_cached(
            "DELETE FROM outbox WHERE target = ?1 AND seq <=
             (SELECT seq FROM outbox WHERE target = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![target, rows::rows(most)])?;
    Ok((old + surplus) as u64)
}

/// How much waits for each target.
pub(super) fn backlogs(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Backlog>> {
    let backlog = |row: &Row<'_>| {
        let (target, waiting, since): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let since = moment(&since);
        let waiting = u64::try_from(waiting).unwrap_or_default();
        Ok((target, Backlog { waiting, since }))
    };
    connection
        .prepare_cached("SELECT target, count(*), min(at) FROM outbox GROUP BY target")?
        .query_map((), backlog)?
        .collect()
}

/// Hands over every message that waits, oldest first, until one is not taken.
pub(super) fn each<E>(
    connection: &Connection,
    mut take: impl FnMut(Outgoing) -> Result<(), E>,
) -> rusqlite::Result<Result<(), E>> {
    // A store of an older release is read without being migrated.
    let is_there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'outbox')";
    if !connection.query_row(is_there, (), |row| row.get::<_, bool>(0))? {
        return Ok(Ok(()));
    }
    let mut statement = connection.prepare_cached("SELECT target, id, at, message FROM outbox ORDER BY seq")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        if let Err(refused) = take(letter(row)?) {
            return Ok(Err(refused));
        }
    }
    Ok(Ok(()))
}

fn letter(row: &Row<'_>) -> rusqlite::Result<Outgoing> {
    let at: String = row.get(2)?;
    Ok(Outgoing {
        target: row.get(0)?,
        id: row.get(1)?,
        at: moment(&at),
        message: row.get(3)?,
    })
}

/// A date that was damaged is one of long ago: the message is told all the same.
fn moment(text: &str) -> Timestamp {
    text.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}
