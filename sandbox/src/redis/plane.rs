//! All nodes that have processes: takes the core's updates to the tasks behind the nodes.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

use super::node::{NodeTask, Order};
use super::process::Common;
use crate::core::account::{NodeKey, NodeUpdate};
use crate::core::nodes::NodeChange;
use crate::sandbox::Sandbox;

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The server could not be started or spoken to.
    #[error("redis-server: {0}")]
    Io(#[from] io::Error),
    /// Its primary is gone.
    #[error("the node's primary is gone")]
    NoPrimary,
}

/// The nodes that have processes. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Plane {
    nodes: Arc<Mutex<BTreeMap<NodeKey, Handle>>>,
    tasks: TaskTracker,
}

struct Handle {
    orders: mpsc::UnboundedSender<Order>,
    port: watch::Receiver<u16>,
}

impl Plane {
    /// Carries out updates until the sandbox is gone.
    pub(crate) async fn run(
        self,
        sandbox: Sandbox,
        common: Arc<Common>,
        mut updates: mpsc::UnboundedReceiver<NodeUpdate>,
    ) {
        while let Some(update) = updates.recv().await {
            match update {
                NodeUpdate::Start { node, primary, tls } => {
                    self.start(&sandbox, &common, node, primary, tls);
                }
                NodeUpdate::Remove { node } => {
                    if let Some(handle) = self.lock().remove(&node) {
                        let _ = handle.orders.send(Order::End);
                    }
                }
                NodeUpdate::SetUser {
                    node,
                    user_name,
                    rule,
                    confirm,
                } => {
                    if let Some(handle) = self.lock().get(&node) {
                        let _ = handle.orders.send(Order::SetUser {
                            user_name,
                            rule,
                            confirm,
                        });
                    }
                }
            }
        }
    }

    fn start(&self, sandbox: &Sandbox, common: &Arc<Common>, key: NodeKey, primary: Option<NodeKey>, tls: bool) {
        let mut nodes = self.lock();
        let (orders, receiver) = mpsc::unbounded_channel();
        let (port, port_seen) = watch::channel(0);
        let task = NodeTask {
            key: key.clone(),
            tls,
            primary: primary.and_then(|p| nodes.get(&p).map(|handle| handle.port.clone())),
            port,
            common: Arc::clone(common),
            sandbox: sandbox.clone(),
        };
        self.tasks.spawn(task.run(receiver));
        let handle = Handle {
            orders,
            port: port_seen,
        };
        nodes.insert(key, handle);
    }

    /// Changes a node in the model and in fact. Says whether there is such a node.
    pub(crate) async fn change_node(
        &self,
        sandbox: &Sandbox,
        id: &str,
        change: &NodeChange,
    ) -> Result<bool, NodeError> {
        let Some(key) = sandbox.node_key(id) else {
            return Ok(false);
        };
        let orders = self.lock().get(&key).map(|handle| handle.orders.clone());
        match (change.running, orders) {
            (Some(true), Some(orders)) => {
                // First the server, as it was; then it learns what it missed.
                order(&orders, true).await?;
                sandbox.change_node(id, change);
            }
            (Some(false), Some(orders)) => {
                sandbox.change_node(id, change);
                order(&orders, false).await?;
            }
            _ => {
                sandbox.change_node(id, change);
            }
        }
        Ok(true)
    }

    /// Waits until the tasks of nodes that are to go have ended. Updates are on their way through a
    /// channel, hence the look at the model.
    pub(crate) async fn settled(&self) {
        for _ in 0..1_000 {
            if self.tasks.len() == self.lock().len() && self.lock().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tracing::warn!("nodes take long to end");
    }

    /// Ends all nodes and waits until their servers are gone.
    pub(crate) async fn shutdown(&self) {
        let nodes = std::mem::take(&mut *self.lock());
        for handle in nodes.into_values() {
            let _ = handle.orders.send(Order::End);
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Lets go of all nodes without waiting: their tasks end when nobody can give them orders.
    pub(crate) fn abandon(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeKey, Handle>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn order(orders: &mpsc::UnboundedSender<Order>, running: bool) -> Result<(), NodeError> {
    let (done, answer) = oneshot::channel();
    let _ = orders.send(Order::Run(running, done));
    // No answer: the node has been removed meanwhile, which is as good as stopped.
    answer.await.unwrap_or(Ok(()))
}

/// The server to run: `REKEYD_SANDBOX_REDIS_SERVER`, or the first of two names on the path.
pub(crate) fn find_binary() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("REKEYD_SANDBOX_REDIS_SERVER") {
        return Some(PathBuf::from(given)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    ["redis-server", "valkey-server"].iter().find_map(|name| {
        std::env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
    })
}
