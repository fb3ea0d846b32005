//! Reading a store beside the daemon that owns it, or without any daemon: no lock is taken and nothing is written.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{BUSY_TIMEOUT, Location, files, rows, schema};
use crate::rotation::state::Record;
use crate::store::StoreError;

/// The records in a store, as they are at this moment; nothing if there is no store yet.
///
/// # Errors
/// [`StoreError::Newer`] when a newer release wrote it, else [`StoreError::Failed`] with what to do.
pub fn read_records(path: &Path) -> Result<Option<Vec<Record>>, StoreError> {
    const ACTION: &str = "reading the records";
    let location = Location(path.display().to_string());
    let records = match find(path, &location, ACTION)? {
        Found::NoStore => return Ok(None),
        Found::NothingYet => Vec::new(),
        Found::Store(connection) => rows::records(&connection).map_err(|error| location.failed(ACTION, &error))?,
    };
    Ok(Some(records))
}

/// What lies where a store is looked for.
pub(super) enum Found {
    /// There is no file.
    NoStore,
    /// A file that holds no tables yet.
    NothingYet,
    /// A store, opened to be read.
    Store(Connection),
}

/// Looks for a store.
pub(super) fn find(path: &Path, location: &Location, action: &'static str) -> Result<Found, StoreError> {
    match std::fs::metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::NoStore),
        Err(error) => return Err(location.refused(action, error.to_string())),
    }
    let connection = open(path).map_err(|error| location.failed(action, &error))?;
    Ok(match schema::is_readable(&connection, location)? {
        true => Found::Store(connection),
        false => Found::NothingYet,
    })
}

/// A connection that cannot write. Beside a log that a daemon writes, or has left, it reads that too. Without one
/// nobody has the file open, and it is taken not to change: otherwise SQLite would make files beside it, which
/// belong to whoever runs this and not to the daemon's user.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match files::beside(path, "-wal").exists() {
        true => Connection::open_with_flags(path, read_only)?,
        false => {
            let uri = format!("file:{}?immutable=1", encoded(path));
            Connection::open_with_flags(uri, read_only | OpenFlags::SQLITE_OPEN_URI)?
        }
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// A path in a URI: SQLite takes `?`, `#` and `%` for its own.
fn encoded(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let bytes = path.as_os_str().as_bytes().iter();
    bytes
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => char::from(*byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::SqliteStore;
    use super::*;
    use crate::clock::Timestamp;
    use crate::store::Store;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_store_is_read_beside_its_owner_and_after_it_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a store?.db");
        assert!(read_records(&path).unwrap().is_none());
        assert_eq!(names(folder.path()), Vec::<String>::new());

        let store = SqliteStore::open(&path).unwrap();
        let record = Record::new("arn:of:a:secret".to_owned(), Timestamp::UNIX_EPOCH);
        store.save(&record, &[]).await.unwrap();
        let before = names(folder.path());
        assert_eq!(read_records(&path).unwrap(), Some(vec![record.clone()]));
        assert_eq!(names(folder.path()), before);
        store.save(&record, &[]).await.unwrap();

        drop(store);
        let before = names(folder.path());
        assert_eq!(read_records(&path).unwrap(), Some(vec![record]));
        assert_eq!(names(folder.path()), before);
        assert!(SqliteStore::open(&path).is_ok());
    }

    #[test]
    fn what_is_no_store_of_ours_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        std::fs::write(&path, "no database at all, but long enough to look at").unwrap();
        let told = read_records(&path).unwrap_err().to_string();
        assert!(told.contains("other.db: reading the"), "{told}");
        std::fs::remove_file(&path).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE theirs (a)").unwrap();
        drop(other);
        let told = read_records(&path).unwrap_err().to_string();
        assert!(told.contains("belongs to another program"), "{told}");
    }
}
