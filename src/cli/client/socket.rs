//! The admin socket: one request over it, and why it is not this user's to use.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use nix::unistd::{Gid, Group, Uid, User};
use tokio::io::{AsyncRead, AsyncWrite};

use super::ClientError;

/// Longer than the daemon gives itself, so that its own words arrive.
const DEADLINE: Duration = Duration::from_secs(40);

/// How long an answer to a question may take: it waits for nothing but the daemon.
const READ_DEADLINE: Duration = Duration::from_secs(10);

/// The status of some hundred thousand secrets.
const LONGEST_REPLY: usize = 256 * 1024 * 1024;

pub(super) fn shown(socket: &Path) -> String {
    format!("the socket {}", socket.display())
}

/// Who may use a socket: the members of its group, if its folder lets them in.
pub(super) fn denied(socket: &Path) -> ClientError {
    let uid = rustix::process::geteuid().as_raw();
    let cause = match std::fs::symlink_metadata(socket) {
        Ok(metadata) => {
            let (user, group) = owners(&metadata);
            let me = User::from_uid(Uid::from_raw(uid)).ok().flatten();
            let me = me.map_or_else(|| uid.to_string(), |user| user.name);
            format!(
                "it is for root, user {user} and members of group {group} (mode {:o}); {}",
                metadata.mode() & 0o777,
                way_in((metadata.uid(), metadata.gid()), &group, &me)
            )
        }
        Err(_) => match closed_folder(socket) {
            Some((folder, metadata)) => {
                let (user, group) = owners(&metadata);
                format!(
                    "its folder {} is closed to you: it belongs to user {user} and group {group} (mode {:o})",
                    folder.display(),
                    metadata.mode() & 0o777
                )
            }
            None => "its folder is closed to you".to_owned(),
        },
    };
    ClientError::Denied {
        path: socket.to_owned(),
        uid,
        cause,
    }
}

/// How somebody gets to be let in. Nobody should join root's group or the daemon's own: files are theirs, too.
fn way_in((owner, gid): (u32, u32), group: &str, me: &str) -> String {
    let user = User::from_uid(Uid::from_raw(owner)).ok().flatten();
    let own = user.map_or(owner, |user| user.gid.as_raw());
    if gid == 0 || gid == own {
        format!(
            "name a group of operators in `daemon.admin_group`, restart the daemon, have root run `usermod -aG GROUP {me}` \
             with that group, and log in again. Do not join {group}: files of the daemon may be its, too"
        )
    } else {
        format!("have root run `usermod -aG {group} {me}`, and log in again; `daemon.admin_group` names the group")
    }
}

/// The folder on the way that can be looked at last.
fn closed_folder(socket: &Path) -> Option<(&Path, Metadata)> {
    let mut folders = socket.ancestors().skip(1);
    folders.find_map(|folder| Some((folder, std::fs::metadata(folder).ok()?)))
}

/// The user and the group that a file belongs to, by name where the machine knows one.
fn owners(metadata: &Metadata) -> (String, String) {
    let user = User::from_uid(Uid::from_raw(metadata.uid())).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(metadata.gid())).ok().flatten();
    (
        user.map_or_else(|| metadata.uid().to_string(), |user| user.name),
        group.map_or_else(|| metadata.gid().to_string(), |group| group.name),
    )
}

/// One request and its answer, in time.
pub(in crate::cli) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), String> {
    let deadline = if method == Method::GET { READ_DEADLINE } else { DEADLINE };
    let exchanged = async {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "rekeyd")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        // Whatever ends the connection ends the request too, which reports it.
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_REPLY)
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        driver.abort();
        Ok((status, body.to_bytes()))
    };
    tokio::time::timeout(deadline, exchanged)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", deadline.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::way_in;

    #[test]
    fn nobody_is_told_to_join_the_group_of_root_or_of_the_daemon() {
        for owners in [(0, 0), (64_321, 0), (64_321, 64_321)] {
            let advice = way_in(owners, "rekeyd", "alice");
            assert!(
                advice.contains("name a group of operators in `daemon.admin_group`"),
                "{advice}"
            );
            assert!(advice.contains("`usermod -aG GROUP alice`"), "{advice}");
            assert!(!advice.contains("usermod -aG rekeyd"), "{advice}");
        }
        let advice = way_in((64_321, 64_400), "rekeyd-admins", "alice");
        assert!(advice.contains("`usermod -aG rekeyd-admins alice`"), "{advice}");
    }
}
