//! All that a store holds, at one moment, for whoever takes it elsewhere.

use std::convert::Infallible;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::Connection;

use super::{Location, files, letters, reading, rows, schema};
use crate::rotation::state::Record;
use crate::store::outbox::Outgoing;
use crate::store::unreadable::Unreadable;
use crate::store::{HistoryEntry, StoreError};

/// What reading is called in errors.
const ACTION: &str = "reading all that it holds";

/// How much there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Records that can be read.
    pub records: usize,
    /// Entries of the history that can be read.
    pub history: usize,
    /// Messages that wait to be told.
    pub outbox: usize,
    /// Rows that cannot be read, as the log told.
    pub unreadable: usize,
}

impl Counts {
    fn add<T>(&mut self, row: Result<T, Unreadable>, readable: impl FnOnce(&mut Self) -> &mut usize) {
        match row {
            Ok(_) => *readable(self) += 1,
            Err(unreadable) => {
                unreadable.tell();
                self.unreadable += 1;
            }
        }
    }
}

/// A store as it is when it is opened, whatever is written meanwhile. Takes no lock and writes nothing, so a daemon may be
/// at work on it.
pub struct Snapshot {
    connection: Connection,
    location: Location,
    path: PathBuf,
    /// The file, if there was no log beside it: it was taken not to change.
    unlogged: Option<FileState>,
    is_empty: bool,
}

impl Snapshot {
    /// A store's snapshot; nothing if there is no store.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a newer release wrote it, else [`StoreError::Failed`] with what to do.
    pub fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        let location = Location(path.display().to_string());
        let unlogged = !has_log(path);
        let state = match FileState::of(path) {
            Ok(state) => state,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(location.refused(ACTION, error.to_string())),
        };
        let failed = |error: rusqlite::Error| location.failed(ACTION, &error);
        let connection = reading::open(path).map_err(failed)?;
        // The first read within it decides of which moment all the others are.
        connection.execute_batch("BEGIN").map_err(failed)?;
        let is_empty = !schema::is_readable(&connection, &location)?;
        Ok(Some(Self {
            connection,
            location,
            path: path.to_owned(),
            unlogged: unlogged.then_some(state),
            is_empty,
        }))
    }

    /// How much it holds. What cannot be read is logged.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the file cannot be read.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let mut counts = Counts::default();
        self.read(|connection| {
            let Ok(()) = rows::each_record(connection, |record| {
                counts.add(record, |counts| &mut counts.records);
                Ok::<_, Infallible>(())
            })?;
            let Ok(()) = rows::each_entry(connection, |entry| {
                counts.add(entry, |counts| &mut counts.history);
                Ok::<_, Infallible>(())
            })?;
            letters::each(connection, |_| {
                counts.outbox += 1;
                Ok::<_, Infallible>(())
            })
        })?
        .map_or_else(|never| match never {}, |()| Ok(counts))
    }

    /// Hands over every record that can be read, by ARN, until one is not taken.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the file cannot be read; within, why one was not taken.
    pub fn records<E>(&self, mut take: impl FnMut(Record) -> Result<(), E>) -> Result<Result<(), E>, StoreError> {
        self.read(|connection| rows::each_record(connection, |record| record.map_or(Ok(()), &mut take)))
    }

    /// Hands over every entry of the history that can be read, oldest first, until one is not taken.
    ///
    /// # Errors
    /// As [`Snapshot::records`].
    pub fn history<E>(&self, mut take: impl FnMut(HistoryEntry) -> Result<(), E>) -> Result<Result<(), E>, StoreError> {
        self.read(|connection| rows::each_entry(connection, |entry| entry.map_or(Ok(()), &mut take)))
    }

    /// Hands over every message that waits to be told, oldest first, until one is not taken.
    ///
    /// # Errors
    /// As [`Snapshot::records`].
    pub fn outbox<E>(&self, take: impl FnMut(Outgoing) -> Result<(), E>) -> Result<Result<(), E>, StoreError> {
        self.read(|connection| letters::each(connection, take))
    }

    /// That all that was read is of one moment.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when a daemon began to write the file meanwhile.
    pub fn is_of_one_moment(&self) -> Result<(), StoreError> {
        match &self.unlogged {
            Some(before) if has_log(&self.path) || !before.lasts(&self.path) => Err(self
                .location
                .refused(ACTION, "a daemon started meanwhile and writes it; try again".to_owned())),
            _ => Ok(()),
        }
    }

    fn read<E>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<Result<(), E>>,
    ) -> Result<Result<(), E>, StoreError> {
        match self.is_empty {
            true => Ok(Ok(())),
            false => read(&self.connection).map_err(|error| self.location.failed(ACTION, &error)),
        }
    }
}

fn has_log(path: &Path) -> bool {
    files::beside(path, "-wal").exists()
}

/// What tells that a file was written, or replaced.
#[derive(PartialEq, Eq)]
struct FileState {
    length: u64,
    modified: SystemTime,
    inode: u64,
}

impl FileState {
    fn of(path: &Path) -> std::io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self {
            length: metadata.len(),
            modified: metadata.modified()?,
            inode: metadata.ino(),
        })
    }

    fn lasts(&self, path: &Path) -> bool {
        Self::of(path).is_ok_and(|now| now == *self)
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
