//! A node's task as others see it: where its server is, and how to give it orders.

use std::io;

use tokio::sync::{mpsc, oneshot, watch};

use super::node::Order;

/// Why something could not be done with a node.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The server could not be started or spoken to.
    #[error("redis-server: {0}")]
    Io(#[from] io::Error),
    /// Its primary is gone.
    #[error("the node's primary is gone")]
    NoPrimary,
    /// It is stopped.
    #[error("the node does not run")]
    Stopped,
    /// It has been removed.
    #[error("the node is gone")]
    Gone,
    /// Its nodes did not come to agree in time.
    #[error("the nodes did not agree in time: {0}")]
    NoAgreement(&'static str),
}

/// Ports of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    /// For clients.
    pub(crate) port: u16,
    /// For the other nodes of a Redis Cluster; 0 outside of one.
    pub(crate) bus: u16,
}

/// Where a node's server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// Not there yet.
    Coming,
    /// There, or there again when it is started again.
    At(Address),
    /// It could not be started.
    Nowhere,
}

/// Who gives a node's task orders. Clones speak to the same task.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    pub(crate) place: watch::Receiver<Whereabouts>,
}

impl Member {
    /// Its address, once it has come up.
    pub(crate) async fn address(&self) -> Result<Address, NodeError> {
        let mut place = self.place.clone();
        let known = place.wait_for(|place| *place != Whereabouts::Coming).await;
        match known.map(|place| *place) {
            Ok(Whereabouts::At(address)) => Ok(address),
            Ok(_) => Err(NodeError::Stopped),
            Err(_) => Err(NodeError::Gone),
        }
    }

    /// Its client port now, if it has one.
    pub(crate) fn port(&self) -> Option<u16> {
        match *self.place.borrow() {
            Whereabouts::At(address) => Some(address.port),
            Whereabouts::Coming | Whereabouts::Nowhere => None,
        }
    }

    /// Runs a command on its server as the sandbox's own user; gives the reply.
    pub(crate) async fn ask(&self, words: &[&str]) -> Result<String, NodeError> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        self.order(|done| Order::Ask(words, done)).await?
    }

    /// Starts or stops its server.
    pub(crate) async fn run(&self, running: bool) -> Result<(), NodeError> {
        // A node that has been removed meanwhile is as good as stopped.
        self.order(|done| Order::Run(running, done)).await.unwrap_or(Ok(()))
    }

    /// Has another server take the place of its server.
    pub(crate) async fn replace(&self) -> Result<(), NodeError> {
        self.order(Order::Replace).await?
    }

    /// Has it follow a primary, or nobody.
    pub(crate) async fn follow(&self, primary: Option<Member>) -> Result<(), NodeError> {
        self.order(|done| Order::Follow(primary, done)).await?
    }

    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, NodeError> {
        let (done, answer) = oneshot::channel();
        let _ = self.orders.send(order(done));
        answer.await.map_err(|_| NodeError::Gone)
    }
}
