//! The tables, and how older ones become today's.

use rusqlite::{Connection, TransactionBehavior};

use super::Location;
use crate::store::StoreError;

/// Marks the file as rekeyd's: "rkyd".
const APPLICATION_ID: i64 = 0x726b_7964;

/// Entry `n` leads from schema `n` to `n + 1`. A published entry is never edited.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE records (
        secret_arn TEXT PRIMARY KEY,
        json       TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE history (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        at         TEXT NOT NULL,
        secret_arn TEXT NOT NULL,
        event      TEXT NOT NULL
    ) STRICT;
    CREATE INDEX history_of_secret ON history (secret_arn, id);

    CREATE TABLE heartbeat (
        id    INTEGER PRIMARY KEY CHECK (id = 1),
        beats INTEGER NOT NULL
    ) STRICT;
    INSERT INTO heartbeat VALUES (1, 0);
"];

/// Brings the tables up to date, or refuses a file that this release must not touch.
pub(super) fn migrate(connection: &Connection, location: &Location) -> Result<(), StoreError> {
    const ACTION: &str = "reading the schema";
    let known = MIGRATIONS.len();
    let (found, ours, empty) = look(connection).map_err(|error| location.failed(ACTION, &error))?;
    if !ours && !empty {
        return Err(location.refused(
            ACTION,
            "this database belongs to another program; name another file".to_owned(),
        ));
    }
    match usize::try_from(found) {
        Ok(version) if version <= known => {
            apply(connection, version).map_err(|error| location.failed("migrating the schema", &error))
        }
        _ => Err(StoreError::Newer {
            location: location.0.clone(),
            found,
            known: i64::try_from(known).unwrap_or(i64::MAX),
        }),
    }
}

/// The schema's version, whether the file is rekeyd's, and whether it has no tables.
fn look(connection: &Connection) -> rusqlite::Result<(i64, bool, bool)> {
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    Ok((version, application == APPLICATION_ID, tables == 0))
}

fn apply(connection: &Connection, from: usize) -> rusqlite::Result<()> {
    if from == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    for migration in &MIGRATIONS[from..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    transaction.commit()
}
