//! The file that keeps a sandbox's state from one start to the next.
//!
//! It is replaced as a whole: written beside its place, synced, renamed. Whoever is killed meanwhile leaves the old
//! file. A lock on a file beside it, which the kernel gives back however its holder ends, keeps a second sandbox away.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::core::keep::{Head, Kept, VERSION};

/// Why a state file cannot be used. It is as it was then.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// Another sandbox has it.
    #[error("{path} is in use: another rekeyd-sandbox keeps its state there; end it, or name another --state", path = .0.display())]
    InUse(PathBuf),
    /// It cannot be read or written.
    #[error("cannot {what} the state file {path}: {error}", what = .1, path = .0.display(), error = .2)]
    Io(PathBuf, &'static str, #[source] io::Error),
    /// It is not what a sandbox wrote. What it says is not quoted: it may be a secret.
    #[error(
        "{path} is not a state file of rekeyd-sandbox, or a broken one ({why}); it is left as it is: move it away or \
         name another --state", path = .0.display(), why = .1
    )]
    Broken(PathBuf, String),
    /// A later release wrote it.
    #[error(
        "{path} has form {form}, and this rekeyd-sandbox knows none after {VERSION}: a later release wrote it; it is \
         left as it is", path = .0.display(), form = .1
    )]
    Newer(PathBuf, u32),
}

/// A state file that is this sandbox's alone.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    /// Held for the sake of its lock.
    _lock: File,
}

impl StateFile {
    /// Takes the file, and reads what it holds: nothing if it is empty or not there yet.
    ///
    /// # Errors
    /// Another sandbox has it, or it cannot be read, or makes no sense.
    pub(crate) fn open(path: &Path) -> Result<(Self, Option<Kept>), StateFileError> {
        // A link stays, and what it leads to is replaced.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let failed = |what| {
            let path = path.clone();
            move |error| StateFileError::Io(path, what, error)
        };
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).mode(0o600);
        let lock = lock.open(beside(&path, "lock")).map_err(failed("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateFileError::InUse(path)),
            Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
        }
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed("read")(error)),
        };
        let kept = if text.is_empty() {
            None
        } else {
            Some(parse(&path, &text)?)
        };
        Ok((Self { path, _lock: lock }, kept))
    }

    /// Replaces what it holds.
    ///
    /// # Errors
    /// The file system's. The file is as it was then.
    pub(crate) fn write(&self, text: &[u8]) -> Result<(), StateFileError> {
        self.replace(text).map_err(|error| self.unwritten(error))
    }

    /// Says that it could not be written.
    pub(crate) fn unwritten(&self, error: io::Error) -> StateFileError {
        StateFileError::Io(self.path.clone(), "write", error)
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let new = beside(&self.path, "new");
        // One that was killed while it wrote may have left it; whose mode it has does not matter then.
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.create_new(true).write(true).mode(0o600).open(&new)?;
        file.write_all(text)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        match self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => File::open(folder)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    }
}

/// `FILE.new` for `FILE`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn parse(path: &Path, text: &[u8]) -> Result<Kept, StateFileError> {
    // The parser's own words may quote a value.
    let broken = |error: serde_json::Error| {
        let why = match error.classify() {
            serde_json::error::Category::Eof => "it ends too soon",
            serde_json::error::Category::Data => "something is missing or of the wrong type",
            _ => "it is not JSON",
        };
        let place = format!("{why}: line {}, column {}", error.line(), error.column());
        StateFileError::Broken(path.to_owned(), place)
    };
    let head: Head = serde_json::from_slice(text).map_err(broken)?;
    if head.rekeyd_sandbox_state > VERSION {
        return Err(StateFileError::Newer(path.to_owned(), head.rekeyd_sandbox_state));
    }
    let kept: Kept = serde_json::from_slice(text).map_err(broken)?;
    match kept.contradiction() {
        None => Ok(kept),
        Some(what) => Err(StateFileError::Broken(path.to_owned(), what)),
    }
}
