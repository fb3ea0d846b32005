//! All nodes that have processes: takes the core's updates to the tasks behind nodes and caches.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::arranger::{self, Step};
use super::endpoint::Endpoint;
use super::member::{Member, NodeError, Whereabouts};
use super::node::{NodeTask, Order};
use super::process::Common;
use crate::core::account::{Launch, NodeKey, NodeUpdate};
use crate::core::arrange::{Arrangement, CacheKey};
use crate::core::nodes::NodeChange;
use crate::sandbox::Sandbox;

/// The nodes and caches that have tasks. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Plane {
    tables: Arc<Mutex<Tables>>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Tables {
    nodes: BTreeMap<NodeKey, Member>,
    arrangers: BTreeMap<CacheKey, Arranger>,
    endpoints: BTreeMap<CacheKey, AbortOnDropHandle<()>>,
}

/// A cache's arranger; it stops at once when this is dropped.
struct Arranger {
    steps: mpsc::UnboundedSender<Step>,
    _task: AbortOnDropHandle<()>,
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
                NodeUpdate::Start { node, launch } => self.start(&sandbox, &common, node, launch),
                NodeUpdate::Remove { node } => {
                    if let Some(member) = self.lock().nodes.remove(&node) {
                        let _ = member.orders.send(Order::End);
                    }
                }
                NodeUpdate::SetUser {
                    node,
                    user_name,
                    rule,
                    confirm,
                } => {
                    if let Some(member) = self.lock().nodes.get(&node) {
                        let _ = member.orders.send(Order::SetUser {
                            user_name,
                            rule,
                            confirm,
                        });
                    }
                }
                NodeUpdate::Arrange { cache, step } => self.arrange(&sandbox, cache, step),
                NodeUpdate::OpenEndpoint { cache, nodes } => {
                    if let Err(error) = self.open_endpoint(&sandbox, cache, &nodes).await {
                        tracing::error!(%error, "an endpoint could not be opened");
                    }
                }
                NodeUpdate::Disband { cache } => {
                    let mut tables = self.lock();
                    tables.arrangers.remove(&cache);
                    tables.endpoints.remove(&cache);
                }
            }
        }
    }

    fn start(&self, sandbox: &Sandbox, common: &Arc<Common>, key: NodeKey, launch: Launch) {
        let mut tables = self.lock();
        let (orders, receiver) = mpsc::unbounded_channel();
        let place = watch::Sender::new(Whereabouts::Coming);
        let member = Member {
            orders,
            place: place.subscribe(),
        };
        let task = NodeTask {
            key: key.clone(),
            engine: launch.engine,
            tls: launch.tls,
            cluster: launch.cluster,
            memory: None,
            primary: launch.primary.and_then(|primary| tables.nodes.get(&primary).cloned()),
            place,
            common: Arc::clone(common),
            sandbox: sandbox.clone(),
            server: None,
        };
        self.tasks.spawn(task.run(receiver));
        tables.nodes.insert(key, member);
    }

    fn arrange(&self, sandbox: &Sandbox, cache: CacheKey, arrangement: Arrangement) {
        let mut tables = self.lock();
        let keys = arrangement.nodes().into_iter();
        let members = keys.filter_map(|key| tables.nodes.get(key).map(|member| (key.clone(), member.clone())));
        let members = members.collect();
        if let Arrangement::Leave { node, .. } = &arrangement {
            // From now on the step alone holds it, so that it ends whatever becomes of the step.
            tables.nodes.remove(node);
        }
        let arranger = tables.arrangers.entry(cache.clone()).or_insert_with(|| {
            let (steps, receiver) = mpsc::unbounded_channel();
            let task = tokio::spawn(arranger::run(sandbox.clone(), cache, receiver));
            Arranger {
                steps,
                _task: AbortOnDropHandle::new(task),
            }
        });
        let _ = arranger.steps.send(Step { arrangement, members });
    }

    async fn open_endpoint(&self, sandbox: &Sandbox, cache: CacheKey, nodes: &[NodeKey]) -> io::Result<()> {
        let members = {
            let tables = self.lock();
            nodes.iter().filter_map(|key| tables.nodes.get(key).cloned()).collect()
        };
        let endpoint = Endpoint::open(members).await?;
        let (port, reader_port) = endpoint.ports()?;
        let task = AbortOnDropHandle::new(tokio::spawn(endpoint.serve()));
        self.lock().endpoints.insert(cache.clone(), task);
        sandbox.endpoint_opened(&cache, port, reader_port);
        Ok(())
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
        let member = self.lock().nodes.get(&key).cloned();
        match (change.running.filter(|_| !change.replace), member) {
            (Some(true), Some(member)) => {
                // First the server, as it was; then it learns what it missed.
                member.run(true).await?;
                sandbox.change_node(id, change);
            }
            (Some(false), Some(member)) => {
                sandbox.change_node(id, change);
                member.run(false).await?;
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
            if self.tasks.is_empty() && self.lock().nodes.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tracing::warn!("nodes take long to end");
    }

    /// Ends all nodes and waits until their servers are gone.
    pub(crate) async fn shutdown(&self) {
        let Tables { nodes, .. } = std::mem::take(&mut *self.lock());
        for member in nodes.into_values() {
            let _ = member.orders.send(Order::End);
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Lets go of all nodes without waiting: their tasks end when nobody can give them orders.
    pub(crate) fn abandon(&self) {
        *self.lock() = Tables::default();
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
