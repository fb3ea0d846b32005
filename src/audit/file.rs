//! The file of an audit log: lines are appended, whole, and those that announce a change are on the disk before it.

use std::fs::{File, OpenOptions};
use std::io::{Error, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;

use super::AuditError;

/// The owner writes, the group reads: for those who watch.
const MODE: u32 = 0o640;

/// A file that lines are appended to.
pub(super) struct LogFile {
    path: PathBuf,
    open: Mutex<Open>,
}

struct Open {
    file: Arc<File>,
    /// Whether the last line may lack its end.
    torn: bool,
}

impl LogFile {
    /// Opens it, or makes it with mode 0640. What it holds stays.
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        let open = open(path).map_err(|error| wrong(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            open: Mutex::new(open),
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
            let mut open = self.lock();
            if open.file.metadata()?.nlink() == 0 {
                // Deleted: lines would go on into nothing, without an error.
                *open = self::open(&self.path)?;
            }
            let start = if open.torn { "\n" } else { "" };
            let text = format!("{start}{line}\n");
            open.torn = true;
            (&*open.file).write_all(text.as_bytes())?;
            open.torn = false;
            Arc::clone(&open.file)
        };
        // Not under the lock: those who wait for the disk at the same time wait once.
        if durable { file.sync_data() } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
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

fn open(path: &Path) -> Result<Open, Error> {
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
    let torn = !ends_with_a_line(&file)?;
    Ok(Open {
        file: Arc::new(file),
        torn,
    })
}

fn ends_with_a_line(mut file: &File) -> Result<bool, Error> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
