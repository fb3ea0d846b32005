//! The admin socket's file: who may connect to it, and what lies in its place.

use std::io::{Error, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, lchown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::unistd::{Gid, Group};
use rustix::fs::Mode;
use tokio::net::{UnixListener, UnixStream};

use crate::server::ServeError;

/// Owner and group may talk to it, nobody else.
const SOCKET_MODE: u32 = 0o660;

/// Until it has its group and mode, nobody but the owner may.
const PRIVATE: Mode = Mode::from_raw_mode(0o177);

/// What every user may do in a folder with this mode: put a socket there. One with the sticky bit (`/tmp`) is no better:
/// whoever comes first has the name, and clients would talk to him while rekeyd is down.
const WRITABLE_FOR_ALL: u32 = 0o002;

/// Where systemd says which folders it made for a service.
const RUNTIME_DIRECTORY: &str = "RUNTIME_DIRECTORY";

/// Listens for the owner and, if one is named, for this group; a socket that nobody answers on is replaced.
pub(super) async fn listen(path: &Path, group: Option<&str>) -> Result<(UnixListener, SocketFile), ServeError> {
    let failed = |action| {
        move |source| ServeError::Socket {
            path: path.to_owned(),
            action,
            source,
        }
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    check_folder(path, folder)?;
    let gid = group.map(|group| known(path, group)).transpose()?;
    remove_stale(path).await?;
    let listener = bind_private(path).map_err(failed("listening"))?;
    let metadata = std::fs::symlink_metadata(path).map_err(failed("looking at it"))?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: (metadata.dev(), metadata.ino()),
    };
    if let (Some(gid), Some(group)) = (gid, group) {
        lchown(path, None, Some(gid)).map_err(|error| refused(path, group, &error))?;
        open_folder(folder, group, gid);
    }
    std::fs::set_permissions(path, PermissionsExt::from_mode(SOCKET_MODE)).map_err(failed("setting its mode"))?;
    Ok((listener, file))
}

/// A socket exists from the moment that it is bound, and so must be private from then on.
fn bind_private(path: &Path) -> std::io::Result<UnixListener> {
    // The mask is the whole process's: whoever makes a file meanwhile makes it private, too.
    static MASK: Mutex<()> = Mutex::new(());
    let _alone = MASK.lock().unwrap_or_else(PoisonError::into_inner);
    let before = rustix::process::umask(PRIVATE);
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    bound
}

fn check_folder(path: &Path, folder: &Path) -> Result<(), ServeError> {
    let path = path.to_owned();
    match std::fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => match metadata.mode() & WRITABLE_FOR_ALL {
            0 => Ok(()),
            _ => Err(ServeError::OpenFolder { path }),
        },
        _ => Err(ServeError::NoFolder { path }),
    }
}

/// The number of a group that is named, or given as a number.
fn known(path: &Path, group: &str) -> Result<u32, ServeError> {
    let wrong = |cause: String| ServeError::Group {
        path: path.to_owned(),
        group: group.to_owned(),
        cause,
    };
    match Group::from_name(group) {
        Ok(Some(found)) => Ok(found.gid.as_raw()),
        Ok(None) => group.parse().map_err(|_| {
            wrong(format!(
                "this machine knows no such group; make it with `groupadd --system {group}`"
            ))
        }),
        Err(error) => Err(wrong(format!("looking it up failed: {error}"))),
    }
}

fn refused(path: &Path, group: &str, error: &Error) -> ServeError {
    let cause = match error.kind() {
        ErrorKind::PermissionDenied => {
            "rekeyd's own user must be a member of it: `SupplementaryGroups=` in the systemd unit, or run rekeyd as root"
                .to_owned()
        }
        _ => error.to_string(),
    };
    ServeError::Group {
        path: path.to_owned(),
        group: group.to_owned(),
        cause,
    }
}

/// Lets the group into the folder, where systemd made it for rekeyd alone; elsewhere says that it cannot get in.
fn open_folder(folder: &Path, group: &str, gid: u32) {
    let Ok(metadata) = std::fs::metadata(folder) else {
        return;
    };
    let (mode, owner_group) = (metadata.mode(), metadata.gid());
    let lets_in = mode & 0o001 != 0 || (owner_group == gid && mode & 0o010 != 0);
    if lets_in {
        return;
    }
    let made_for_us = std::env::var_os(RUNTIME_DIRECTORY)
        .is_some_and(|folders| std::env::split_paths(&folders).any(|made| made == folder));
    if made_for_us && mode & 0o010 != 0 && chown(folder, None, Some(gid)).is_ok() {
        return;
    }
    let known = Group::from_gid(Gid::from_raw(owner_group)).ok().flatten();
    let owner_group = known.map_or_else(|| owner_group.to_string(), |group| group.name);
    tracing::warn!(event = "admin_folder_closed",
        folder = %folder.display(),
        mode = format!("{:o}", mode & 0o7777),
        group = owner_group,
        "members of {group} (daemon.admin_group) cannot reach the admin socket: its folder does not let them in; \
         give it to that group, or `chmod o+x` it"
    );
}

/// Removes a socket that a process left behind; nothing else.
async fn remove_stale(path: &Path) -> Result<(), ServeError> {
    let failed = |action, source| ServeError::Socket {
        path: path.to_owned(),
        action,
        source,
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("looking at what lies there", error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ServeError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(ServeError::SocketTaken { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|error| failed("removing a stale one", error))
        }
        Err(error) => Err(failed("asking whether anybody answers there", error)),
    }
}

/// The socket's file, removed when dropped unless another process has put its own there.
pub(super) struct SocketFile {
    pub(super) path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            // Harmless: the next process sees that nobody answers, and replaces it.
            tracing::debug!(event = "socket_left", path = %self.path.display(), %error, "the admin socket was left behind");
        }
    }
}
