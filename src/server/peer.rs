//! Who is at the other end of a connection.

use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use nix::unistd::{Uid, User};
use tokio::net::{TcpListener, UnixListener};

use crate::audit::Peer;
use crate::server::limit::Limited;

/// How long the machine may look for a user's name, which may be in a directory far away.
const NAME_DEADLINE: Duration = Duration::from_secs(2);

/// A process that connected to the admin socket; nothing if the kernel does not tell which.
#[derive(Clone, Debug)]
pub(super) struct Caller(Option<Peer>);

impl Connected<IncomingStream<'_, Limited<UnixListener>>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Limited<UnixListener>>) -> Self {
        let credentials = stream.io().get_ref().peer_cred();
        Self(credentials.ok().map(|credentials| Peer {
            uid: credentials.uid(),
            gid: credentials.gid(),
            pid: credentials.pid(),
            user: None,
        }))
    }
}

impl Caller {
    /// The process, with the name of its user if the machine knows one.
    pub(super) async fn named(self) -> Option<Peer> {
        let peer = self.0?;
        let uid = Uid::from_raw(peer.uid);
        let looked_up = tokio::task::spawn_blocking(move || User::from_uid(uid).ok().flatten());
        let user = tokio::time::timeout(NAME_DEADLINE, looked_up).await.ok();
        let user = user.and_then(Result::ok).flatten().map(|user| user.name);
        Some(Peer { user, ..peer })
    }
}

/// Somebody on the network, of whom nothing needs to be known: they change nothing.
#[derive(Clone, Debug)]
pub(super) struct Onlooker;

impl Connected<IncomingStream<'_, Limited<TcpListener>>> for Onlooker {
    fn connect_info(_: IncomingStream<'_, Limited<TcpListener>>) -> Self {
        Self
    }
}
