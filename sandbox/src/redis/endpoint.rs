//! The endpoint of a serverless cache: one address that leads every connection to the next of the
//! hidden nodes. It passes bytes on and nothing else; TLS is between the client and the node.

use std::io;
use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::member::Member;

/// An endpoint that is open and has yet to be served.
pub(crate) struct Endpoint {
    writers: TcpListener,
    readers: TcpListener,
    nodes: Vec<Member>,
}

impl Endpoint {
    /// Opens it at two free ports.
    pub(crate) async fn open(nodes: Vec<Member>) -> io::Result<Self> {
        Ok(Self {
            writers: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
            readers: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
            nodes,
        })
    }

    /// Its ports: for everything, and for reading only.
    pub(crate) fn ports(&self) -> io::Result<(u16, u16)> {
        Ok((self.writers.local_addr()?.port(), self.readers.local_addr()?.port()))
    }

    /// Serves it until this is dropped, and all connections with it.
    pub(crate) async fn serve(self) {
        let mut connections = JoinSet::new();
        let mut turn = 0;
        loop {
            let accepted = tokio::select! {
                accepted = self.writers.accept() => accepted,
                accepted = self.readers.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok((client, _)) => {
                    let (before, after) = self.nodes.split_at(turn % self.nodes.len().max(1));
                    let order: Vec<Member> = after.iter().chain(before).cloned().collect();
                    connections.spawn(pass(client, order));
                    turn += 1;
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to an endpoint could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// Leads a client to the first of these nodes that answers; to none, and the connection is closed.
async fn pass(mut client: TcpStream, nodes: Vec<Member>) {
    for node in nodes {
        let Some(port) = node.port() else {
            continue;
        };
        if let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
            let _ = client.set_nodelay(true);
            let _ = server.set_nodelay(true);
            // An error is a client or a node that went away.
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
