//! The tables, and how older ones become today's.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{Location, files};
use crate::store::StoreError;

/// What is done when the file turns out to be none of ours.
const LOOKING: &str = "reading the schema";

/// Marks the file as rekeyd's: "rkyd".
const APPLICATION_ID: i64 = 0x726b_7964;

/// Entry `n` leads from schema `n` to `n + 1`. A published entry is never edited.
const MIGRATIONS: [&str; 2] = [FIRST, OUTBOX];

const FIRST: &str = "
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
";

const OUTBOX: &str = "
    CREATE TABLE outbox (
        seq     INTEGER PRIMARY KEY AUTOINCREMENT,
        target  TEXT NOT NULL,
        id      TEXT NOT NULL,
        at      TEXT NOT NULL,
        message TEXT NOT NULL,
        UNIQUE (target, id)
    ) STRICT;
    CREATE INDEX outbox_of_target ON outbox (target, seq);
";

/// Brings the tables up to date, or refuses a file that this release must not touch. A file of an
/// older release is first copied beside itself, for whoever wants to go back to that release.
pub(super) fn migrate(connection: &Connection, path: &Path, location: &Location) -> Result<(), StoreError> {
    migrate_by(&MIGRATIONS, connection, path, location)
}

/// Whether the tables can be read as they are; no in a file that has none yet.
pub(super) fn is_readable(connection: &Connection, location: &Location) -> Result<bool, StoreError> {
    let (found, ours, empty) = look(connection).map_err(|error| location.failed(LOOKING, &error))?;
    Ok(known(MIGRATIONS.len(), found, ours || empty, location)? > 0)
}

fn migrate_by(
    migrations: &[&str],
    connection: &Connection,
    path: &Path,
    location: &Location,
) -> Result<(), StoreError> {
    let newest = migrations.len();
    let (found, ours, empty) = look(connection).map_err(|error| location.failed(LOOKING, &error))?;
    let version = known(newest, found, ours || empty, location)?;
    if (1..newest).contains(&version) {
        back_up(connection, path, version, location)?;
    }
    apply(migrations, connection, version).map_err(|error| location.failed("migrating the schema", &error))
}

/// The schema's version, if this release knows it and the file is rekeyd's.
fn known(newest: usize, found: i64, ours: bool, location: &Location) -> Result<usize, StoreError> {
    if !ours {
        return Err(location.refused(
            LOOKING,
            "this database belongs to another program; name another file".to_owned(),
        ));
    }
    let version = usize::try_from(found).ok().filter(|version| *version <= newest);
    version.ok_or_else(|| StoreError::Newer {
        location: location.0.clone(),
        found,
        known: i64::try_from(newest).unwrap_or(i64::MAX),
    })
}

/// The schema's version, whether the file is rekeyd's, and whether it has no tables.
fn look(connection: &Connection) -> rusqlite::Result<(i64, bool, bool)> {
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    Ok((version, application == APPLICATION_ID, tables == 0))
}

/// Writes the file, as the older release left it, to `FILE.schema-N.bak`.
fn back_up(connection: &Connection, path: &Path, version: usize, location: &Location) -> Result<(), StoreError> {
    const ACTION: &str = "copying the file before its schema is migrated";
    let kept = files::beside(path, &format!(".schema-{version}.bak"));
    let draft = files::beside(path, &format!(".schema-{version}.draft"));
    files::start_draft(&draft, location)?;
    connection
        .execute("VACUUM INTO ?1", [draft.to_string_lossy()])
        .map_err(|error| location.failed(ACTION, &error))?;
    // Under its last name only when it is whole.
    files::finish_draft(&draft, &kept).map_err(|error| location.refused(ACTION, error.to_string()))?;
    tracing::info!(event = "store_migrated", copy = %kept.display(), schema = version, "the store is migrated; this copy fits the release before");
    Ok(())
}

/// All steps and the new version in one transaction: whatever interrupts it leaves the old schema.
fn apply(migrations: &[&str], connection: &Connection, from: usize) -> rusqlite::Result<()> {
    if from == migrations.len() {
        return Ok(());
    }
    let transaction = rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    for migration in &migrations[from..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", migrations.len() as i64)?;
    transaction.commit()
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
