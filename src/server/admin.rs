//! The admin socket: everything that TCP shows, and what changes something. The permissions of the
//! file and its folder guard it.
//!
//! - `POST /api/v1/rotate`: [`RotateRequest`]
//! - `POST /api/v1/pause`: [`PauseRequest`]
//! - `POST /api/v1/resume`: a [`Selector`]
//! - `POST /api/v1/rollback`: [`RollbackBody`], about one secret
//!
//! - `POST /api/v1/reload`: nothing, or `{}`; answers with [`ReloadReply`], or 422 and [`RefusedReload`]
//!
//! Each other takes a JSON object that selects secrets in one way, and answers with [`AcceptedReply`], stored before it is sent.
//! What came of a rotation, a revocation or a rollback is in the secret's status.

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::net::{UnixListener, UnixStream};

use crate::engine::control::{Accepted, ControlError, RollbackOptions, Selector};
use crate::server::configuration::ReloadError;
#[cfg(doc)]
use crate::server::configuration::{RefusedReload, ReloadReply};
use crate::server::limit::Limited;
use crate::server::object::Object;
use crate::server::reply::Failure;
use crate::server::selection::given_in_one_way;
use crate::server::wire::{AcceptedReply, PauseRequest, RollbackBody, RotateRequest};
use crate::server::{ServeError, Surface, deadline, reads, serve};

/// Some thousand names of secrets.
const LARGEST_BODY: usize = 64 * 1024;

/// A pause's reason is one sentence, not a page: it is stored, logged and shown.
const LONGEST_REASON: usize = 500;

/// Owner and group may talk to it, nobody else.
const SOCKET_MODE: u32 = 0o660;

/// A Unix socket that is listened on and not served yet. Its file goes with it.
pub struct AdminServer {
    listener: UnixListener,
    file: SocketFile,
}

impl AdminServer {
    /// Listens; a socket that nobody answers on is replaced.
    ///
    /// # Errors
    /// [`ServeError`] when the folder is missing, another process answers there, or what lies there
    /// is no socket.
    pub async fn bind(path: &Path) -> Result<Self, ServeError> {
        let failed = |action| {
            move |source| ServeError::Socket {
                path: path.to_owned(),
                action,
                source,
            }
        };
        if path
            .parent()
            .is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
        {
            return Err(ServeError::NoFolder { path: path.to_owned() });
        }
        remove_stale(path).await?;
        let listener = UnixListener::bind(path).map_err(failed("listening"))?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(SOCKET_MODE)).map_err(failed("setting its mode"))?;
        let metadata = std::fs::symlink_metadata(path).map_err(failed("looking at it"))?;
        let file = SocketFile {
            path: path.to_owned(),
            identity: (metadata.dev(), metadata.ino()),
        };
        Ok(Self { listener, file })
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Serves until `shutdown`, then for a short grace.
    ///
    /// # Errors
    /// [`ServeError::Ended`] when it ends before `shutdown`.
    pub async fn serve(
        self,
        surface: Surface,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let Self { listener, file } = self;
        let served = serve(Limited::new(listener), router(surface), shutdown).await;
        drop(file);
        served
    }
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
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            // Harmless: the next process sees that nobody answers, and replaces it.
            tracing::debug!(path = %self.path.display(), %error, "the admin socket was left behind");
        }
    }
}

fn router(surface: Surface) -> Router {
    reads::health()
        .merge(reads::status())
        .route("/api/v1/rotate", post(rotate))
        .route("/api/v1/pause", post(pause))
        .route("/api/v1/resume", post(resume))
        .route("/api/v1/rollback", post(rollback))
        .route("/api/v1/reload", post(reload))
        .fallback(async |uri: Uri| Failure::not_found(format!("nothing is served at {}", uri.path())))
        .method_not_allowed_fallback(async || {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "look with GET, change with POST")
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn(deadline))
        .with_state(surface)
}

/// The body of a request, or why it is none.
type Document<T> = Result<Json<Object<T>>, JsonRejection>;

type Reply = Result<Json<AcceptedReply>, Failure>;

async fn rotate(State(surface): State<Surface>, request: Document<RotateRequest>) -> Reply {
    let Json(Object(request)) = request?;
    let (selector, options) = request.into_parts();
    let selector = given_in_one_way(selector)?;
    carry_out(async move { surface.control.rotate(&selector, options).await }).await
}

async fn pause(State(surface): State<Surface>, request: Document<PauseRequest>) -> Reply {
    let Json(Object(request)) = request?;
    if request.for_seconds == Some(0) {
        return Err(Failure::bad_request(
            "for_seconds: a pause lasts at least a second; leave it out for good",
        ));
    }
    if request
        .reason
        .as_ref()
        .is_some_and(|reason| reason.len() > LONGEST_REASON)
    {
        return Err(Failure::bad_request(format!("reason: at most {LONGEST_REASON} bytes")));
    }
    let selector = given_in_one_way(Selector {
        secrets: request.secrets,
        policy: request.policy,
        all: request.all,
    })?;
    let span = request.for_seconds.map(Duration::from_secs);
    carry_out(async move { surface.control.pause(&selector, span, request.reason).await }).await
}

async fn resume(State(surface): State<Surface>, request: Document<Selector>) -> Reply {
    let Json(Object(selector)) = request?;
    let selector = given_in_one_way(selector)?;
    carry_out(async move { surface.control.resume(&selector).await }).await
}

async fn rollback(State(surface): State<Surface>, request: Document<RollbackBody>) -> Reply {
    let Json(Object(request)) = request?;
    if request.timeout_seconds == Some(0) {
        return Err(Failure::bad_request(
            "timeout_seconds: a rollback needs a second at least; leave it out for propagation_timeout",
        ));
    }
    let options = RollbackOptions {
        now: request.now,
        timeout_seconds: request.timeout_seconds,
    };
    carry_out(async move { Ok(vec![surface.control.rollback(&request.secret, options).await?]) }).await
}

/// What a reload may be told: nothing yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReloadRequest {}

/// Carried out to its end, even if the client has gone.
async fn reload(State(surface): State<Surface>, body: Bytes) -> Result<Response, Failure> {
    if !body.is_empty() {
        let request = serde_json::from_slice::<Object<ReloadRequest>>(&body);
        request.map_err(|error| Failure::bad_request(format!("a reload takes no body, or {{}}: {error}")))?;
    }
    let reloading = async move { surface.configuration.reload().await };
    match tokio::spawn(reloading).await.map_err(|_| defect())? {
        Ok(reply) => Ok(Json(reply).into_response()),
        Err(ReloadError::Refused(refused)) => Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(refused)).into_response()),
        Err(ReloadError::Stopping(why)) => Err(Failure::unavailable(why)),
    }
}

/// Carries a command out to its end, even if the client has gone: half of a selection changed would
/// be neither what it asked for nor nothing.
async fn carry_out(command: impl Future<Output = Result<Vec<Accepted>, ControlError>> + Send + 'static) -> Reply {
    match tokio::spawn(command).await {
        Ok(accepted) => Ok(Json(AcceptedReply { accepted: accepted? })),
        Err(_) => Err(defect()),
    }
}

fn defect() -> Failure {
    Failure::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the command failed on a defect of rekeyd; the log says where",
    )
}
