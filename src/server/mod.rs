//! The HTTP surfaces: a TCP address where things can be looked at, and a Unix socket where they can
//! also be changed. Both ask the engine through [`Control`]; neither knows it.

pub mod admin;
pub mod configuration;
pub mod http;
mod limit;
mod listing;
mod log_level;
mod names;
mod object;
mod orders;
mod page;
mod peer;
mod reads;
pub mod relay;
mod reply;
mod selection;
mod socket;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::extract::connect_info::{Connected, IntoMakeServiceWithConnectInfo};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use tokio::sync::oneshot;

use crate::audit::Trail;
use crate::clock::SharedClock;
use crate::engine::control::{Control, ReplicaStatus};
use crate::metrics::Metrics;
use crate::server::configuration::Configuration;
use crate::server::reply::Failure;
use crate::telemetry::LogControl;

/// How long an answer may take, the request's body included: a client waits no longer either.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// How long requests under way may take once the daemon stops. Slow clients are cut off then: the
/// steps of rotations need what is left of the drain.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// What is behind the surfaces.
#[derive(Clone)]
pub struct Surface {
    /// The engine.
    pub control: Arc<dyn Control>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The configuration in force.
    pub configuration: Arc<dyn Configuration>,
    /// The audit log.
    pub audit: Arc<Trail>,
    /// The level of the log.
    pub log: Arc<LogControl>,
    /// What pages tell the time by.
    pub clock: SharedClock,
    /// The replicas that share the store; nothing where it is this process's alone.
    pub fleet: Option<Arc<dyn Fleet>>,
}

/// The replicas that share a store.
pub trait Fleet: Send + Sync {
    /// Those that live, this one with them.
    fn replicas(&self) -> Vec<ReplicaStatus>;
}

/// A surface that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The TCP address cannot be listened on.
    #[error("cannot listen on {address}: {source}; free it, or change `daemon.listen`")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The folder of the admin socket is missing.
    #[error(
        "cannot create the admin socket {}: its folder does not exist; systemd's RuntimeDirectory= makes it, elsewhere \
         create it or change `daemon.admin_socket`",
        path.display()
    )]
    NoFolder {
        /// The socket.
        path: PathBuf,
    },
    /// Somebody answers on the admin socket.
    #[error(
        "another process answers on the admin socket {}; stop it, or change `daemon.admin_socket`",
        path.display()
    )]
    SocketTaken {
        /// The socket.
        path: PathBuf,
    },
    /// What lies in the admin socket's place is no socket.
    #[error("{} is no socket, so it is left alone; move it away, or change `daemon.admin_socket`", path.display())]
    NotASocket {
        /// What lies there.
        path: PathBuf,
    },
    /// Anybody could put another socket in the admin socket's place.
    #[error(
        "the folder of the admin socket {} is writable for every user, who could put a socket of their own there; \
         `chmod o-w` it, or change `daemon.admin_socket`",
        path.display()
    )]
    OpenFolder {
        /// The socket.
        path: PathBuf,
    },
    /// The admin socket cannot be given to its group.
    #[error("the admin socket {} cannot be given to the group {group} of `daemon.admin_group`: {cause}", path.display())]
    Group {
        /// The socket.
        path: PathBuf,
        /// The group, as configured.
        group: String,
        /// Why, and what to do.
        cause: String,
    },
    /// The admin socket cannot be created.
    #[error("admin socket {}: {action} failed: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A server ended without being told to.
    #[error("the server ended by itself: {0}")]
    Ended(std::io::Error),
}

impl ServeError {
    /// Whether no later attempt can succeed before somebody changes the configuration or the file system.
    pub fn takes_a_person(&self) -> bool {
        matches!(
            self,
            Self::NoFolder { .. } | Self::NotASocket { .. } | Self::OpenFolder { .. } | Self::Group { .. }
        )
    }
}

/// Serves until `shutdown`, then lets requests under way end, for a while.
async fn serve<L, C>(
    listener: L,
    service: IntoMakeServiceWithConnectInfo<Router, C>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
    C: for<'a> Connected<IncomingStream<'a, L>>,
{
    let (stop, stopped) = oneshot::channel::<()>();
    let graceful = axum::serve(listener, service).with_graceful_shutdown(async {
        // A sender that is gone means the same as one that has sent: stop.
        stopped.await.unwrap_or_default();
    });
    let cut_off = async {
        shutdown.await;
        drop(stop);
        tokio::time::sleep(STOP_GRACE).await;
    };
    tokio::select! {
        biased;
        ended = graceful => ended.map_err(ServeError::Ended),
        () = cut_off => Ok(()),
    }
}

/// Answers in time, even if only to say that there is no answer.
async fn deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Failure::unavailable(format!(
            "no answer within {} s; what was asked for may still happen: look at `rekeyd status`",
            ANSWER_DEADLINE.as_secs()
        ))
        .into_response(),
    }
}
