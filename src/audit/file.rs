//! The file of an audit log: lines are appended, whole, and those that announce a change are on the disk before it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::OFlags;

use super::AuditError;

/// The owner writes, the group reads: for those who watch.
const MODE: u32 = 0o640;

/// How long another process that writes is waited for: one that is stopped in its write must not stop this one.
const TURN: Duration = Duration::from_secs(1);

/// How often it is tried meanwhile.
const TRY: Duration = Duration::from_millis(1);

/// A file that lines are appended to.
pub(super) struct LogFile {
    path: PathBuf,
    open: Mutex<Arc<File>>,
}

impl LogFile {
    /// Opens it, or makes it with mode 0640. What it holds stays.
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        let open = open(path).map_err(|error| wrong(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            open: Mutex::new(Arc::new(open)),
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line; with `durable` it outlives a power cut when this returns.
    pub(super) fn append(&self, line: &str, durable: bool) -> Result<(), AuditError> {
        self.try_append(line, durable)
            .map_err(|error| wrong(&self.path, &error))
    }

    fn try_append(&self, line: &str, durable: bool) -> Result<(), Error> {
        let file = {
            let mut file = self.lock();
            if file.metadata()?.nlink() == 0 {
                // Deleted: lines would go on into nothing, without an error.
                *file = Arc::new(open(&self.path)?);
            }
            let turn = Turn::take(&file);
            // A full disk, or a death, left a line without its end: of this process, or of another that appends here.
            let start = if ends_with_a_line(&file)? { "" } else { "\n" };
            // In one write: the kernel lets nothing of another process in between.
            (&**file).write_all(format!("{start}{line}\n").as_bytes())?;
            drop(turn);
            Arc::clone(&file)
        };
        // Not under the lock: those who wait for the disk at the same time wait once.
        if durable { file.sync_data() } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<File>> {
        // A panic leaves at worst a line without its end, which the next one sees to.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wrong(path: &Path, error: &Error) -> AuditError {
    AuditError {
        path: path.to_owned(),
        cause: error.to_string(),
    }
}

fn open(path: &Path) -> Result<File, Error> {
    let options = || {
        let mut options = OpenOptions::new();
        // A pipe that nobody reads must not stop the daemon.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        options.read(true).append(true).mode(MODE).custom_flags(flags);
        options
    };
    let file = match options().create_new(true).open(path) {
        Ok(file) => {
            // Whatever the umask took away.
            file.set_permissions(PermissionsExt::from_mode(MODE))?;
            file
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => options().open(path)?,
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(Error::other("it is no file"));
    }
    Ok(file)
}

/// Keeps other processes that append here from being seen in the middle of a line. Where it cannot be had in time, or
/// the file system knows no locks, an empty line may come between two, and nothing worse.
struct Turn<'a>(Option<&'a File>);

impl<'a> Turn<'a> {
    fn take(file: &'a File) -> Self {
        let tries = TURN.as_millis() / TRY.as_millis();
        for _ in 0..tries {
            match file.try_lock() {
                Ok(()) => return Self(Some(file)),
                Err(TryLockError::WouldBlock) => std::thread::sleep(TRY),
                Err(TryLockError::Error(_)) => break,
            }
        }
        Self(None)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Closing the file would release it, too.
        self.0.map(File::unlock);
    }
}

fn ends_with_a_line(file: &File) -> Result<bool, Error> {
    let Some(end) = file.metadata()?.len().checked_sub(1) else {
        return Ok(true);
    };
    let mut last = [0];
    // Nothing is there where somebody has emptied it just now.
    Ok(file.read_at(&mut last, end)? == 0 || last == *b"\n")
}
