//! The store in a SQLite file: one process owns it, and every save is durable before it returns.

mod batch;
mod files;
mod reading;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod view;

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
use crate::store::{HistoryEntry, Store, StoreError};

pub use reading::read_records;
pub use view::{StoredView, read_view};

/// How long a write waits for somebody who reads the file with another tool, a checkpoint at most.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

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
        // The semaphore is never closed, so there is always a turn. It ends with the operation, even
        // if nobody waits for that any more.
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        self.perform_in(turn, action, operation).await
    }

    /// The same by whoever has the turn.
    async fn perform_in<T: Send + 'static, U: Send + 'static>(
        &self,
        turn: U,
        action: &'static str,
        operation: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let owned = Arc::clone(&self.owned);
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            // A transaction that a panic interrupts is rolled back, so the connection stays sound.
            let mut connection = owned.connection.lock().unwrap_or_else(PoisonError::into_inner);
            operation(&mut connection).map_err(|error| owned.location.failed(action, &error))
        });
        // A panic's message is not passed on: nobody knows what it was made from.
        done.await.unwrap_or_else(|_| Err(self.owned.ended_early(action)))
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

    async fn save(&self, record: &Record, events: &[(Timestamp, Event)]) -> Result<(), StoreError> {
        const ACTION: &str = "writing a record";
        let change = rows::Change::new(record, events)
            .map_err(|error| self.owned.location.refused(ACTION, error.to_string()))?;
        let mut written = self.waiting.put(change);
        let turn = tokio::select! {
            biased;
            // With those who had their turn before.
            ended = &mut written => return ended.unwrap_or_else(|_| Err(self.owned.ended_early(ACTION))),
            turn = Arc::clone(&self.turn).acquire_owned() => turn,
        };
        let (owned, waiting) = (Arc::clone(&self.owned), Arc::clone(&self.waiting));
        self.perform_in(turn, ACTION, move |connection| {
            waiting.commit(connection, owned.in_place(ACTION), |error| {
                owned.location.failed(ACTION, error)
            });
            Ok(())
        })
        .await?;
        written.await.unwrap_or_else(|_| Err(self.owned.ended_early(ACTION)))
    }

    async fn history(&self, secret_arn: Option<&str>, limit: usize) -> Result<Vec<HistoryEntry>, StoreError> {
        let secret_arn = secret_arn.map(str::to_owned);
        self.perform("reading the history", move |connection| {
            rows::history(connection, secret_arn.as_deref(), limit)
        })
        .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.write("a small write", |connection| rows::beat(connection)).await
    }

    fn shared(&self) -> bool {
        false
    }
}
