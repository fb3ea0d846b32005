//! What the nodes of one cache have to do together, and what follows when they have done it.
//!
//! With processes behind the nodes an arrangement takes its time, in which the replication group is
//! not `available`; arrangements of one cache happen one after the other. Virtual nodes need no time.

use super::account::{NodeKey, NodeUpdate};
use super::cache::events::Source;
use super::cache::model::{Owner, ReplicationGroup, Stage};
use super::operation::Env;

/// Where a cache is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CacheKey {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) owner: Owner,
}

/// A shard that is to be put together.
#[derive(Debug, Clone)]
pub(crate) struct NewShard {
    pub(crate) slots: (u16, u16),
    /// The primary, then its replicas.
    pub(crate) nodes: Vec<NodeKey>,
}

/// Something that nodes of one cache do together.
#[derive(Debug, Clone)]
pub(crate) enum Arrangement {
    /// Become a Redis Cluster.
    Form { shards: Vec<NewShard> },
    /// A node joins a Redis Cluster as a replica.
    Join {
        node: NodeKey,
        primary: NodeKey,
        others: Vec<NodeKey>,
    },
    /// A replica goes for good; the others of a Redis Cluster forget it.
    Leave { node: NodeKey, others: Vec<NodeKey> },
    /// A replica becomes the primary of its shard.
    Promote {
        node: NodeKey,
        /// The rest of the shard.
        others: Vec<NodeKey>,
        /// Whether it is a shard of a Redis Cluster.
        cluster: bool,
    },
    /// A node's process ends; another will take its place.
    Retire { node: NodeKey },
    /// Another process takes a node's place, at another address.
    Replace {
        node: NodeKey,
        /// Who has to learn the address: the rest of a Redis Cluster, or the replicas of a primary.
        others: Vec<NodeKey>,
        /// Whether it is a node of a Redis Cluster.
        cluster: bool,
    },
}

impl Arrangement {
    /// For the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Form { .. } => "form",
            Self::Join { .. } => "join",
            Self::Leave { .. } => "leave",
            Self::Promote { .. } => "promote",
            Self::Retire { .. } => "retire",
            Self::Replace { .. } => "replace",
        }
    }

    /// The nodes that take part.
    pub(crate) fn nodes(&self) -> Vec<&NodeKey> {
        match self {
            Self::Form { shards } => shards.iter().flat_map(|shard| &shard.nodes).collect(),
            // The primary is one of the others.
            Self::Join { node, others, .. }
            | Self::Leave { node, others }
            | Self::Promote { node, others, .. }
            | Self::Replace { node, others, .. } => std::iter::once(node).chain(others).collect(),
            Self::Retire { node } => vec![node],
        }
    }
}

impl Env<'_> {
    /// Has nodes do something together.
    pub(crate) fn arrange(&mut self, owner: &Owner, step: Arrangement) {
        if let Owner::ReplicationGroup(id) = owner
            && let Some(group) = self.account.cache.caches.get_mut(id)
        {
            group.work += 1;
        }
        if self.account.live {
            let cache = self.account.cache_key(owner);
            self.account.outbox.push(NodeUpdate::Arrange { cache, step });
        } else {
            self.arranged(owner, &step, true);
        }
    }

    /// It has been done, or cannot be.
    pub(crate) fn arranged(&mut self, owner: &Owner, step: &Arrangement, done: bool) {
        if let Owner::ReplicationGroup(id) = owner
            && let Some(group) = self.account.cache.caches.get_mut(id)
        {
            group.work = group.work.saturating_sub(1);
            if !done && matches!(step, Arrangement::Form { .. }) {
                group.status = "create-failed";
                group.formed = false;
            }
        }
        match step {
            Arrangement::Promote { node, .. } if done => self.swap_roles(owner, &node.node),
            // A process tells its address itself.
            Arrangement::Replace { node, .. } if !self.account.live => self.virtual_node_started(&node.node),
            _ => {}
        }
        self.settle_cache(owner);
    }

    /// A cache is available again once all its nodes are and nothing is under way.
    pub(crate) fn settle_cache(&mut self, owner: &Owner) {
        let cache = &mut self.account.cache;
        let stages: Vec<Stage> = cache
            .nodes_in(owner)
            .iter()
            .map(|id| cache.nodes.get(id).map_or(Stage::Starting, |node| node.stage))
            .collect();
        if stages.contains(&Stage::Starting) {
            return;
        }
        let failed = stages.contains(&Stage::Failed);
        match owner {
            Owner::ReplicationGroup(id) => {
                let idle = |group: &&mut ReplicationGroup| group.work == 0 && group.auth.change.is_none();
                let Some(group) = cache.caches.get_mut(id).filter(idle) else {
                    return;
                };
                let before = group.status;
                group.status = match group.status {
                    "creating" if failed => "create-failed",
                    "creating" | "modifying" => "available",
                    // Whoever starts a failed node by hand repairs the cache.
                    "create-failed" if group.formed && !failed => "available",
                    other => other,
                };
                let came = (before, group.status) == ("creating", "available");
                if came && !std::mem::take(&mut group.resumed) {
                    self.note(Source::ReplicationGroup, id, format!("Replication group {id} created"));
                }
            }
            Owner::Serverless(name) => {
                let Some(cache) = cache.serverless.get_mut(name).filter(|cache| cache.port != 0) else {
                    return;
                };
                cache.status = match cache.status {
                    "CREATING" if failed => "CREATE-FAILED",
                    "CREATING" => "AVAILABLE",
                    other => other,
                };
            }
        }
    }

    /// The endpoint of a serverless cache is open.
    pub(crate) fn endpoint_opened(&mut self, owner: &Owner, port: u16, reader_port: u16) {
        if let Owner::Serverless(name) = owner
            && let Some(cache) = self.account.cache.serverless.get_mut(name)
        {
            cache.port = port;
            cache.reader_port = reader_port;
        }
        self.settle_cache(owner);
    }
}
