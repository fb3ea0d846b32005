//! The client of the daemon's sockets.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use nix::unistd::{Gid, Group, Uid, User};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use crate::cli::exit::Exit;
use crate::engine::control::{Accepted, PolicyStatus, RotateOptions, Selector};
use crate::rotation::status::SecretStatus;
use crate::server::configuration::{RefusedReload, ReloadReply};
use crate::server::wire::{
    AcceptedReply, ErrorReply, LogLevelReply, LogLevelRequest, PauseRequest, PoliciesReply, RollbackBody,
    RotateRequest, RotationsReply, SecretsReply,
};
use crate::store::HistoryEntry;

/// Longer than the daemon gives itself, so that its own words arrive.
const DEADLINE: Duration = Duration::from_secs(40);

/// How long an answer to a question may take: it waits for nothing but the daemon.
const READ_DEADLINE: Duration = Duration::from_secs(10);

/// The status of some hundred thousand secrets.
const LONGEST_REPLY: usize = 256 * 1024 * 1024;

/// A request that the daemon did not carry out.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers.
    #[error("the daemon cannot be reached over {target}: {cause}; {advice}")]
    Unreachable {
        /// Where it was looked for.
        target: String,
        /// What happened.
        cause: String,
        /// What to do.
        advice: String,
    },
    /// It answered that it did not do it.
    #[error("{message}")]
    Answered {
        /// The HTTP status.
        status: StatusCode,
        /// Its words.
        message: String,
    },
    /// The socket is not this user's to use.
    #[error("the daemon's socket {} refuses you (uid {uid}): {cause}", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
        /// Who asks.
        uid: u32,
        /// Who may use it, and what to do.
        cause: String,
    },
    /// Its answer makes no sense to this release.
    #[error("the daemon's answer over {target} makes no sense: {cause}; is it of another release than this command?")]
    Senseless {
        /// Where it came from.
        target: String,
        /// What is wrong with it.
        cause: String,
    },
}

impl ClientError {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Denied { .. } => Exit::Refused,
            Self::Answered { status, .. } if status.is_client_error() => Exit::Refused,
            Self::Answered { .. } | Self::Senseless { .. } => Exit::Failed,
        }
    }
}

/// A client of the admin socket.
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client; it connects anew for each request.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Every secret, or those of one name or ARN.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn secrets(&self, secret: Option<&str>) -> Result<Vec<SecretStatus>, ClientError> {
        Ok(self.status(secret).await?.secrets)
    }

    /// The same, with the configuration in force if all are asked for.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn status(&self, secret: Option<&str>) -> Result<SecretsReply, ClientError> {
        let query = secret.map_or_else(String::new, |secret| format!("?secret={}", encode(secret)));
        self.get(&format!("/api/v1/secrets{query}")).await
    }

    /// Asks for the configuration to be read anew. Gives why not, if it is refused.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn reload(&self) -> Result<Result<ReloadReply, RefusedReload>, ClientError> {
        let (status, body) = self.exchange(Method::POST, "/api/v1/reload", Bytes::new()).await?;
        if status == StatusCode::UNPROCESSABLE_ENTITY {
            return serde_json::from_slice(&body)
                .map(Err)
                .map_err(|error| self.senseless(&error));
        }
        self.answer(status, &body).map(Ok)
    }

    /// The level of the log.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn log_level(&self) -> Result<LogLevelReply, ClientError> {
        self.get("/api/v1/log-level").await
    }

    /// Asks for a level of the log for a while, or for the end of one.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn ask_for_log_level(&self, request: &LogLevelRequest) -> Result<LogLevelReply, ClientError> {
        let body = serde_json::to_vec(request).map_err(|error| self.senseless(&error))?;
        self.send(Method::POST, "/api/v1/log-level", body.into()).await
    }

    /// The newest events.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn history(&self, secret: Option<&str>, limit: usize) -> Result<Vec<HistoryEntry>, ClientError> {
        let query = secret.map_or_else(String::new, |secret| format!("&secret={}", encode(secret)));
        let reply: RotationsReply = self.get(&format!("/api/v1/rotations?limit={limit}{query}")).await?;
        Ok(reply.rotations)
    }

    /// Every policy.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn policies(&self) -> Result<Vec<PolicyStatus>, ClientError> {
        let reply: PoliciesReply = self.get("/api/v1/policies").await?;
        Ok(reply.policies)
    }

    /// Asks for rotations.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn rotate(&self, selector: Selector, options: RotateOptions) -> Result<Vec<Accepted>, ClientError> {
        self.post("/api/v1/rotate", &RotateRequest::new(selector, options))
            .await
    }

    /// Asks for a pause.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn pause(
        &self,
        selector: Selector,
        span: Option<Duration>,
        reason: Option<String>,
    ) -> Result<Vec<Accepted>, ClientError> {
        let request = PauseRequest {
            secrets: selector.secrets,
            policy: selector.policy,
            all: selector.all,
            for_seconds: span.map(|span| span.as_secs()),
            reason,
        };
        self.post("/api/v1/pause", &request).await
    }

    /// Asks for a rollback.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn rollback(&self, request: &RollbackBody) -> Result<Vec<Accepted>, ClientError> {
        self.post("/api/v1/rollback", request).await
    }

    /// Ends pauses, and passes over halts.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn resume(&self, selector: Selector) -> Result<Vec<Accepted>, ClientError> {
        self.post("/api/v1/resume", &selector).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    async fn post(&self, path: &str, request: &impl Serialize) -> Result<Vec<Accepted>, ClientError> {
        let body = serde_json::to_vec(request).map_err(|error| self.senseless(&error))?;
        let reply: AcceptedReply = self.send(Method::POST, path, body.into()).await?;
        Ok(reply.accepted)
    }

    async fn send<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T, ClientError> {
        let (status, body) = self.exchange(method, path, body).await?;
        self.answer(status, &body)
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| self.not_connected(&error))?;
        exchange(stream, method, path, body)
            .await
            .map_err(|cause| self.unreachable(&cause, "look into its log; a command may have been taken all the same"))
    }

    fn answer<T: DeserializeOwned>(&self, status: StatusCode, body: &[u8]) -> Result<T, ClientError> {
        if status.is_success() {
            return serde_json::from_slice(body).map_err(|error| self.senseless(&error));
        }
        let message = match serde_json::from_slice::<ErrorReply>(body) {
            Ok(reply) => reply.error,
            Err(_) => format!("the daemon answered {status}"),
        };
        Err(ClientError::Answered { status, message })
    }

    fn not_connected(&self, error: &std::io::Error) -> ClientError {
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => denied(&self.socket),
            _ => self.unreachable(
                error,
                "start it with `rekeyd run` or systemctl, or name its socket with --socket",
            ),
        }
    }

    fn unreachable(&self, cause: &dyn std::fmt::Display, advice: &str) -> ClientError {
        ClientError::Unreachable {
            target: shown(&self.socket),
            cause: cause.to_string(),
            advice: advice.to_owned(),
        }
    }

    fn senseless(&self, cause: &serde_json::Error) -> ClientError {
        ClientError::Senseless {
            target: shown(&self.socket),
            cause: cause.to_string(),
        }
    }
}

fn shown(socket: &Path) -> String {
    format!("the socket {}", socket.display())
}

/// Who may use a socket: the members of its group, if its folder lets them in.
fn denied(socket: &Path) -> ClientError {
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
pub(super) async fn exchange(
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

/// Makes text safe in a query.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                encoded.push(byte.into())
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
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
