//! The files around the database: its folder, its lock, its permissions.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Location;
use crate::store::StoreError;

/// Only the daemon's own user reads and writes what it remembers.
const PRIVATE: u32 = 0o600;

/// File systems on which SQLite's write-ahead log breaks: it needs memory that all openers share,
/// and locks that hold.
const NETWORK_FILE_SYSTEMS: [&str; 8] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ceph",
    "fuse.glusterfs",
    "fuse.sshfs",
];

/// Refuses a folder that does not exist, or that lies on a network file system.
pub(super) fn check_folder(path: &Path, location: &Location) -> Result<(), StoreError> {
    let unfit = |cause: String| StoreError::Folder {
        location: location.0.clone(),
        cause,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::NotFound => "; create it, owned by the user that rekeyd runs as, with mode 0700",
            _ => "",
        };
        unfit(format!("{}: {error}{advice}", folder.display()))
    })?;
    if !folder.is_dir() {
        return Err(unfit(format!("{} is no folder", folder.display())));
    }
    // Where the mounts cannot be read there is nothing to go by; most folders are local.
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    match file_system(&mounts, &folder) {
        Some(kind) if NETWORK_FILE_SYSTEMS.contains(&kind) => Err(unfit(format!(
            "{} is on a network file system ({kind}), where SQLite loses data; use a local disk, even an \
             ephemeral one: what rotations need is rebuilt from AWS",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// The type of the file system that a folder is on, from the text of `/proc/self/mountinfo`.
fn file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    mounts
        .lines()
        .filter_map(|line| {
            let (mount, rest) = line.split_once(" - ")?;
            let point = mount.split(' ').nth(4)?.replace("\\040", " ");
            let kind = rest.split(' ').next()?;
            folder.starts_with(&point).then_some((point.len(), kind))
        })
        // Of mounts on the same point the last one hides the others; `max_by_key` takes the last.
        .max_by_key(|(length, _)| *length)
        .map(|(_, kind)| kind)
}

/// Takes the lock that makes this process the owner; it lasts as long as the file is open.
///
/// SQLite's own locks would shut out readers as well, or last no longer than a transaction.
pub(super) fn lock(path: &Path, location: &Location) -> Result<File, StoreError> {
    const ACTION: &str = "taking its lock";
    let path = lock_path(path);
    let at = |error: &Error| {
        let advice = match error.kind() {
            ErrorKind::PermissionDenied => "; give the store's files and their folder to the user that rekeyd runs as",
            _ => "",
        };
        location.refused(ACTION, format!("{}: {error}{advice}", path.display()))
    };
    let file = private().open(&path).map_err(|error| at(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Held {
            location: location.0.clone(),
        }),
        Err(TryLockError::Error(error)) => Err(at(&error)),
    }
}

fn lock_path(path: &Path) -> PathBuf {
    beside(path, ".lock")
}

/// The path of a file beside the database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The files that this process has open, as they were found: writes to a file that is deleted go on
/// without an error, and are lost.
pub(super) struct InPlace(Vec<(PathBuf, Identity)>);

/// Device and inode.
type Identity = (u64, u64);

impl InPlace {
    /// Notes the files of a database that is open, and of its lock.
    pub(super) fn note(path: &Path) -> Self {
        let paths = [path.to_owned(), beside(path, "-wal"), lock_path(path)];
        let noted = paths.into_iter().filter_map(|path| {
            let identity = identity(&path)?;
            Some((path, identity))
        });
        Self(noted.collect())
    }

    /// The first that is no longer there, or is another.
    pub(super) fn missing(&self) -> Option<&Path> {
        let gone = |(path, noted): &&(PathBuf, Identity)| identity(path) != Some(*noted);
        self.0.iter().find(gone).map(|(path, _)| path.as_path())
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Makes an empty private file, in place of one that an interrupted process has left.
pub(super) fn start_draft(draft: &Path, location: &Location) -> Result<(), StoreError> {
    match std::fs::remove_file(draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(location.refused("removing an old draft", format!("{}: {error}", draft.display())))
        }
        _ => create_private(draft, location),
    }
}

/// Gives a draft its last name, durably.
pub(super) fn finish_draft(draft: &Path, kept: &Path) -> std::io::Result<()> {
    File::open(draft)?.sync_all()?;
    std::fs::rename(draft, kept)?;
    match kept.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Creates the file if there is none, and takes it from everybody else. SQLite gives the files that
/// it adds the same mode.
pub(super) fn create_private(path: &Path, location: &Location) -> Result<(), StoreError> {
    let create = || -> std::io::Result<()> {
        let file = private().open(path)?;
        let mut permissions = file.metadata()?.permissions();
        if permissions.mode() & 0o777 != PRIVATE {
            permissions.set_mode(PRIVATE);
            file.set_permissions(permissions)?;
        }
        Ok(())
    };
    create().map_err(|error| location.refused("creating the file", error.to_string()))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:40 / /var/lib rw,relatime shared:2 - xfs /dev/sdb rw
31 30 0:41 / /var/lib/rekeyd\\040state rw,relatime - nfs4 fs-1:/ rw,vers=4.1
";

    #[test]
    fn the_deepest_mount_decides_what_a_folder_is_on() {
        for (folder, kind) in [
            ("/srv", "ext4"),
            ("/var/lib/rekeyd", "xfs"),
            ("/var/library", "ext4"),
            ("/var/lib/rekeyd state/a", "nfs4"),
        ] {
            assert_eq!(file_system(MOUNTS, Path::new(folder)), Some(kind), "{folder}");
        }
    }
}
