//! The client of the daemon: over its admin socket, or through the table that its replicas share.

mod socket;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
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

pub(super) use socket::exchange;
use socket::{denied, shown};
pub use table::TableEnd;

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

/// A client of the daemon.
#[derive(Clone)]
pub struct Client {
    way: Way,
}

/// How a daemon is reached.
#[derive(Clone)]
enum Way {
    /// Over the admin socket.
    Socket(PathBuf),
    /// Through the table that replicas share; whichever lives answers.
    Table(TableEnd),
}

impl Client {
    /// A client of the admin socket; it connects anew for each request.
    pub fn new(socket: PathBuf) -> Self {
        Self {
            way: Way::Socket(socket),
        }
    }

    /// A client of whichever replica lives, through the table that they share.
    pub fn through(table: TableEnd) -> Self {
        Self { way: Way::Table(table) }
    }

    /// Whether it asks through the table, where each answer costs writes.
    pub(super) fn is_through_table(&self) -> bool {
        matches!(self.way, Way::Table(_))
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
        let socket = match &self.way {
            Way::Socket(socket) => socket,
            Way::Table(table) => return table.exchange(method, path, body).await,
        };
        let stream = UnixStream::connect(socket)
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
        match (error.kind(), &self.way) {
            (std::io::ErrorKind::PermissionDenied, Way::Socket(socket)) => denied(socket),
            _ => self.unreachable(
                error,
                "start it with `rekeyd run` or systemctl, or name its socket with --socket",
            ),
        }
    }

    fn unreachable(&self, cause: &dyn std::fmt::Display, advice: &str) -> ClientError {
        ClientError::Unreachable {
            target: self.target(),
            cause: cause.to_string(),
            advice: advice.to_owned(),
        }
    }

    /// Where the daemon is looked for.
    fn target(&self) -> String {
        match &self.way {
            Way::Socket(socket) => shown(socket),
            Way::Table(table) => table.shown(),
        }
    }

    fn senseless(&self, cause: &serde_json::Error) -> ClientError {
        ClientError::Senseless {
            target: self.target(),
            cause: cause.to_string(),
        }
    }
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
