//! Who is at the other end of a connection, or has written into the table.

use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use nix::unistd::{Uid, User};
use tokio::net::{TcpListener, UnixListener};

use crate::audit::{Actor, Peer};
use crate::server::limit::Limited;

/// How long the machine may look for a user's name, which may be in a directory far away.
const NAME_DEADLINE: Duration = Duration::from_secs(2);

/// Who asks for something.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// A process that connected to the admin socket; nothing if the kernel does not tell which.
    Process(Option<Peer>),
    /// Somebody who wrote a command into the table that replicas share.
    Table {
        /// Who they say they are.
        by: String,
        /// The command's id.
        command: String,
    },
}

impl Connected<IncomingStream<'_, Limited<UnixListener>>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Limited<UnixListener>>) -> Self {
        let credentials = stream.io().get_ref().peer_cred();
        Self::Process(credentials.ok().map(|credentials| Peer {
            uid: credentials.uid(),
            gid: credentials.gid(),
            pid: credentials.pid(),
            user: None,
        }))
    }
}

impl Caller {
    /// Who it is, for the audit log, and what the history calls them.
    pub(super) async fn named(self) -> (Actor, String) {
        match self {
            Self::Process(peer) => {
                let peer = with_name(peer).await;
                let name = peer.as_ref().map_or_else(|| "somebody".to_owned(), Peer::to_string);
                (actor(peer), name)
            }
            Self::Table { by, command } => {
                let name = format!("{by} (as they say, through the table)");
                (Actor::Table { by, command }, name)
            }
        }
    }
}

/// The process, with the name of its user if the machine knows one.
async fn with_name(peer: Option<Peer>) -> Option<Peer> {
    let peer = peer?;
    let uid = Uid::from_raw(peer.uid);
    let looked_up = tokio::task::spawn_blocking(move || User::from_uid(uid).ok().flatten());
    let user = tokio::time::timeout(NAME_DEADLINE, looked_up).await.ok();
    let user = user.and_then(Result::ok).flatten().map(|user| user.name);
    Some(Peer { user, ..peer })
}

/// A process at the other end. The kernel tells it of every connection to a Unix socket.
fn actor(peer: Option<Peer>) -> Actor {
    Actor::Peer(peer.unwrap_or(Peer {
        uid: u32::MAX,
        gid: u32::MAX,
        pid: None,
        user: None,
    }))
}

/// Somebody on the network, of whom nothing needs to be known: they change nothing.
#[derive(Clone, Debug)]
pub(super) struct Onlooker;

impl Connected<IncomingStream<'_, Limited<TcpListener>>> for Onlooker {
    fn connect_info(_: IncomingStream<'_, Limited<TcpListener>>) -> Self {
        Self
    }
}
