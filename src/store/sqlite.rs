//! The store in a SQLite file: one process owns it, and every save is durable before it returns.

mod batch;
mod files;
mod filling;
mod letters;
mod reading;
mod rows;
mod schema;
mod snapshot;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::clock::Timestamp;
use crate::rotation::event::Event;
use crate::rotation::state::Record;
use crate::store::outbox::{Backlog, Outgoing};
use crate::store::{HistoryEntry, Store, StoreError};

pub use reading::read_records;
pub use snapshot::{Counts, Snapshot};
pub use view::read_view;

/// How long a write waits for somebody who reads the file with another tool, a checkpoint at most.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a save is called in errors.
const SAVE: &str = "writing a record";

/// Records and history in a SQLite file.
pub struct SqliteStore {
    owned: Arc<Owned>,
    /// Whose turn it is. Whoever waits for theirs takes no thread, and may give up: a file that is
    /// locked for an hour must not fill the threads with health checks that nobody waits for.
    turn: Arc<tokio::sync::Semaphore>,
    waiting: Arc<batch::Waiting>,
}

/// The fields drop in this order: the database is closed before the lock goes.
struct Owned {
    connection: Mutex<Connection>,
    location: Location,
    in_place: files::InPlace,
    _lock: File,
}

/// The file's path, as error messages name it.
#[derive(Clone)]
pub(in crate::store) struct Location(String);

impl SqliteStore {
    /// Opens the file, creating it if there is none, and owns it until dropped.
    ///
    /// # Errors
    /// [`StoreError::Held`] when another process owns it, [`StoreError::Newer`] when a newer
    /// release wrote it, else [`StoreError::Failed`] with what to do.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let location = Location(path.display().to_string());
        files::check_folder(path, &location)?;
        let lock = files::lock(path, &location)?;
        files::create_private(path, &location)?;
        let connection = connect(path).map_err(|error| location.failed("opening the database", &error))?;
        schema::migrate(&connection, path, &location)?;
        set_up(&connection).map_err(|error| location.failed("setting up the database", &error))?;
        let in_place = files::InPlace::note(path);
        Ok(Self {
            owned: Arc::new(Owned {
                connection: Mutex::new(connection),
                location,
                in_place,
                _lock: lock,
            }),
            turn: Arc::new(tokio::sync::Semaphore::new(1)),
            waiting: Arc::default(),
        })
    }

    /// Runs a database operation that must last, where it may block.
    async fn write(
        &self,
        action: &'static str,
        operation: impl FnOnce(&mut Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<(), StoreError> {
        let owned = Arc::clone(&self.owned);
        let written = move |connection: &mut Connection| match owned.in_place(action) {
            Ok(()) => operation(connection).map(Ok),
            missing => Ok(missing),
        };
        self.perform(action, written).await?
    }

    /// Runs a database operation where it may block.
    async fn perform<T: Send + 'static>(
        &self,
        action: &'static str,
        operation: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        // The semaphore is never closed, so there is always a turn. It ends with the operation, even if nobody
        // waits for that any more.
        let turn = self.turn.clone().acquire_owned().await;
        let location = self.owned.location.clone();
        let done = blocking(&self.owned, turn, move |connection| {
            operation(connection).map_err(|error| location.failed(action, &error))
        });
        done.await.unwrap_or_else(|| Err(self.owned.ended_early(action)))
    }
}

/// Runs a database operation where it may block. Nothing if it panicked, whose message is not passed on:
/// nobody knows what it was made from.
async fn blocking<T: Send + 'static, U: Send + 'static>(
    owned: &Arc<Owned>,
    turn: U,
    operation: impl FnOnce(&mut Connection) -> T + Send + 'static,
) -> Option<T> {
    let owned = owned.clone();
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        // A transaction that a panic interrupts is rolled back, so the connection stays sound.
        let mut connection = owned.connection.lock().unwrap_or_else(PoisonError::into_inner);
        operation(&mut connection)
    });
    done.await.ok()
}

/// Writes saves until none waits. In a task of its own: a save that is given up takes no other with it.
async fn write_saves(mut service: batch::Service, owned: Arc<Owned>, turn: Arc<tokio::sync::Semaphore>) {
    loop {
        let turn = turn.clone().acquire_owned().await;
        let Some(saves) = service.take() else { return };
        let writer = owned.clone();
        let done = blocking(&owned, turn, move |connection| {
            let written = match writer.in_place(SAVE) {
                Ok(()) => batch::commit(connection, &saves, |error| writer.location.failed(SAVE, error)),
                missing => saves.iter().map(|_| missing.clone()).collect(),
            };
            (saves, written)
        });
        let Some((saves, written)) = done.await else { continue };
        let told = saves.into_iter().zip(written);
        // Told here, not by the thread that wrote: it would wake this one for each. The last are told when nothing
        // here holds the database: whoever is told may drop the store and open it again.
        if service.is_over() {
            drop(owned);
            return told.for_each(|(save, written)| save.ended(written));
        }
        told.for_each(|(save, written)| save.ended(written));
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    // FULL, not NORMAL: a save that returned must outlive a power cut, because a request is
    // acknowledged and a write to AWS begins right after it.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    // Otherwise SQLite plans most statements anew whenever they are given other values, which takes a fifth of
    // a save's processor time; every one here has a single sensible plan.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Whatever is not in these 512 KB is in the system's cache, which no bound of rekeyd's memory counts.
    connection.pragma_update(None, "cache_size", -512)?;
    // The first read opens the log, whose place is watched from then on.
    connection.query_row("SELECT count(*) FROM heartbeat", (), |_| Ok(()))
}

impl Owned {
    fn ended_early(&self, action: &'static str) -> StoreError {
        self.location.refused(action, "its task ended early".to_owned())
    }

    /// Whether what is written goes to where the next process will look for it.
    fn in_place(&self, action: &'static str) -> Result<(), StoreError> {
        let Some(missing) = self.in_place.missing() else {
            return Ok(());
        };
        let cause = format!(
            "{} was deleted or replaced while rekeyd runs; put it back, or restart rekeyd: what rotations need is \
             rebuilt from AWS; history, pauses and timings are lost",
            missing.display()
        );
        Err(self.location.refused(action, cause))
    }
}

impl Location {
    fn refused(&self, action: &'static str, cause: String) -> StoreError {
        StoreError::Failed {
            location: self.0.clone(),
            action,
            cause,
        }
    }

    fn failed(&self, action: &'static str, error: &rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase};
        let advice = match error.sqlite_error_code() {
            Some(NotADatabase | DatabaseCorrupt) => {
                ". The file is damaged or no SQLite database: move it and its -wal and -shm files away and start \
                 again. What rotations need is rebuilt from AWS; history, pauses and timings are lost"
            }
            Some(DatabaseBusy) => ". Another program has the file open for writing; end it",
            Some(DiskFull) => ". Make room on its file system",
            _ => "",
        };
        self.refused(action, format!("{error}{advice}"))
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn records(&self) -> Result<Vec<Record>, StoreError> {
        self.perform("reading the records", |connection| rows::records(connection))
            .await
    }

    async fn save_and_tell(
        &self,
        record: &Record,
        events: &[(Timestamp, Event)],
        outgoing: &[Outgoing],
    ) -> Result<u64, StoreError> {
        let change = rows::Change::new(record, events, outgoing)
            .map_err(|error| self.owned.location.refused(SAVE, error.to_string()))?;
        let (written, service) = self.waiting.put(change);
        if let Some(service) = service {
            let (owned, turn) = (self.owned.clone(), self.turn.clone());
            drop(tokio::spawn(write_saves(service, owned, turn)));
        }
        let written = written.await.unwrap_or_else(|_| Err(self.owned.ended_early(SAVE)));
        written.map(|()| record.revision)
    }

    async fn history(&self, secret_arn: Option<&str>, limit: usize) -> Result<Vec<HistoryEntry>, StoreError> {
        let secret_arn = secret_arn.map(str::to_owned);
        self.perform("reading the history", move |connection| {
            rows::history(connection, secret_arn.as_deref(), limit)
        })
        .await
    }

    async fn outgoing(&self, target: &str, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        let target = target.to_owned();
        self.perform("reading an outbox", move |connection| {
            letters::oldest(connection, &target, limit)
        })
        .await
    }

    async fn told(&self, target: &str, ids: &[String]) -> Result<(), StoreError> {
        let (target, ids) = (target.to_owned(), ids.to_vec());
        self.write("emptying an outbox", move |connection| {
            letters::remove(connection, &target, &ids)
        })
        .await
    }

    async fn trim_outbox(&self, target: &str, most: usize, since: Timestamp) -> Result<u64, StoreError> {
        let target = target.to_owned();
        self.perform("trimming an outbox", move |connection| {
            letters::trim(connection, &target, most, since)
        })
        .await
    }

    async fn backlogs(&self) -> Result<BTreeMap<String, Backlog>, StoreError> {
        self.perform("counting what waits", |connection| letters::backlogs(connection))
            .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.write("a small write", |connection| rows::beat(connection)).await
    }

    fn shared(&self) -> bool {
        false
    }
}
