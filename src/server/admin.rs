//! The admin socket: everything that TCP shows, and what changes something. The permissions of the
//! file and its folder guard it.
//!
//! - `POST /api/v1/rotate`: [`RotateRequest`]
//! - `POST /api/v1/pause`: [`PauseRequest`]
//! - `POST /api/v1/resume`: a [`Selector`]
//! - `POST /api/v1/rollback`: [`RollbackBody`], about one secret
//!
//! - `GET` and `POST /api/v1/log-level`: the level of the log, and for how long
//! - `POST /api/v1/reload`: nothing, or `{}`; answers with [`ReloadReply`], or 422 and [`RefusedReload`]
//!
//! Each other takes a JSON object that selects secrets in one way, and answers with [`AcceptedReply`], stored before it is sent.
//! What came of a rotation, a revocation or a rollback is in the secret's status.

use std::path::Path;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::UnixListener;

use crate::audit::{Change, Subject};
use crate::engine::control::{RollbackOptions, Selector};
#[cfg(doc)]
use crate::server::configuration::{RefusedReload, ReloadReply};
use crate::server::configuration::{ReloadError, reload_audited};
use crate::server::limit::Limited;
use crate::server::log_level;
use crate::server::object::Object;
use crate::server::orders::{Order, defect};
use crate::server::peer::Caller;
use crate::server::reply::Failure;
use crate::server::selection::given_in_one_way;
use crate::server::socket::{self, SocketFile};
use crate::server::wire::{AcceptedReply, LONGEST_PAUSE, PauseRequest, RollbackBody, RotateRequest};
use crate::server::{ServeError, Surface, deadline, reads, serve};

/// Some thousand names of secrets.
const LARGEST_BODY: usize = 64 * 1024;

/// A pause's reason is one sentence, not a page: it is stored, logged and shown.
const LONGEST_REASON: usize = 500;

/// A Unix socket that is listened on and not served yet. Its file goes with it.
pub struct AdminServer {
    listener: UnixListener,
    file: SocketFile,
}

impl AdminServer {
    /// Listens for the process's own user and group.
    ///
    /// # Errors
    /// Those of [`AdminServer::bind_for`].
    pub async fn bind(path: &Path) -> Result<Self, ServeError> {
        Self::bind_for(path, None).await
    }

    /// Listens for the process's own user and the members of this group, given by name or number; a socket that
    /// nobody answers on is replaced.
    ///
    /// # Errors
    /// [`ServeError`] when the folder is missing or everybody's, another process answers there, what lies there is no
    /// socket, or the group is not the process's to give.
    pub async fn bind_for(path: &Path, group: Option<&str>) -> Result<Self, ServeError> {
        let (listener, file) = socket::listen(path, group).await?;
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
        let service = router(surface).into_make_service_with_connect_info::<Caller>();
        let served = serve(Limited::new(listener), service, shutdown).await;
        drop(file);
        served
    }
}

/// Everything that the admin socket serves. Who asks is in each request's extensions: a [`ConnectInfo`] of a [`Caller`].
pub(super) fn router(surface: Surface) -> Router {
    reads::health()
        .merge(reads::status())
        .route("/api/v1/rotate", post(rotate))
        .route("/api/v1/pause", post(pause))
        .route("/api/v1/resume", post(resume))
        .route("/api/v1/rollback", post(rollback))
        .route("/api/v1/reload", post(reload))
        .merge(log_level::routes())
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

/// Whose request it is.
type From = ConnectInfo<Caller>;

type Reply = Result<Json<AcceptedReply>, Failure>;

async fn rotate(State(surface): State<Surface>, caller: From, request: Document<RotateRequest>) -> Reply {
    let Json(Object(request)) = request?;
    let given = json!(request);
    let (selector, options) = request.into_parts();
    let selector = given_in_one_way(selector)?;
    let control = surface.control.clone();
    let order = order(surface, caller, Change::Rotate, about(&selector, given));
    order
        .carry_out(async move { control.rotate(&selector, options).await })
        .await
}

async fn pause(State(surface): State<Surface>, caller: From, request: Document<PauseRequest>) -> Reply {
    let Json(Object(request)) = request?;
    if request.for_seconds == Some(0) {
        return Err(Failure::bad_request(
            "for_seconds: a pause lasts at least a second; leave it out for good",
        ));
    }
    let longest = LONGEST_PAUSE.as_secs();
    if request.for_seconds.is_some_and(|seconds| seconds > longest) {
        return Err(Failure::bad_request(format!(
            "for_seconds: at most {longest}, which is 366 days; leave it out for good"
        )));
    }
    if request
        .reason
        .as_ref()
        .is_some_and(|reason| reason.len() > LONGEST_REASON)
    {
        return Err(Failure::bad_request(format!("reason: at most {LONGEST_REASON} bytes")));
    }
    let given = json!(request);
    let selector = given_in_one_way(Selector {
        secrets: request.secrets,
        policy: request.policy,
        all: request.all,
    })?;
    let span = request.for_seconds.map(Duration::from_secs);
    let control = surface.control.clone();
    let order = order(surface, caller, Change::Pause, about(&selector, given));
    order
        .carry_out(async move { control.pause(&selector, span, request.reason).await })
        .await
}

async fn resume(State(surface): State<Surface>, caller: From, request: Document<Selector>) -> Reply {
    let Json(Object(selector)) = request?;
    let selector = given_in_one_way(selector)?;
    let control = surface.control.clone();
    let order = order(surface, caller, Change::Resume, about(&selector, json!(selector)));
    order.carry_out(async move { control.resume(&selector).await }).await
}

async fn rollback(State(surface): State<Surface>, caller: From, request: Document<RollbackBody>) -> Reply {
    let Json(Object(request)) = request?;
    if request.timeout_seconds == Some(0) {
        return Err(Failure::bad_request(
            "timeout_seconds: a rollback needs a second at least; leave it out for propagation_timeout",
        ));
    }
    let about = Subject {
        secret: Some(request.secret.clone()),
        request: Some(json!(request)),
        ..Subject::default()
    };
    let options = RollbackOptions {
        now: request.now,
        timeout_seconds: request.timeout_seconds,
    };
    let control = surface.control.clone();
    order(surface, caller, Change::Rollback, about)
        .carry_out(async move { Ok(vec![control.rollback(&request.secret, options).await?]) })
        .await
}

fn order(surface: Surface, ConnectInfo(caller): From, change: Change, about: Subject) -> Order {
    Order {
        surface,
        caller,
        change,
        about,
    }
}

/// What a command selects, as far as it names one thing; the rest is in the request as it was given.
fn about(selector: &Selector, given: Value) -> Subject {
    let only = match selector.secrets.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    };
    Subject {
        policy: selector.policy.clone(),
        secret: only,
        request: Some(given),
        ..Subject::default()
    }
}

/// What a reload may be told: nothing yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReloadRequest {}

/// Carried out to its end, even if the client has gone.
async fn reload(State(surface): State<Surface>, ConnectInfo(caller): From, body: Bytes) -> Result<Response, Failure> {
    if !body.is_empty() {
        let request = serde_json::from_slice::<Object<ReloadRequest>>(&body);
        request.map_err(|error| Failure::bad_request(format!("a reload takes no body, or {{}}: {error}")))?;
    }
    let reloading = async move {
        let (by, _) = caller.named().await;
        reload_audited(&*surface.configuration, &surface.audit, by).await
    };
    match tokio::spawn(reloading).await.map_err(|_| defect())? {
        Ok(reply) => Ok(Json(reply).into_response()),
        Err(ReloadError::Refused(refused)) => Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(refused)).into_response()),
        Err(ReloadError::Stopping(why)) => Err(Failure::unavailable(why)),
    }
}
