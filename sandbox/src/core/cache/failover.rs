//! TestFailover, and how a shard's primary hands its role over.

use serde::Deserialize;

use super::clusters::ReplicationGroupOutput;
use super::errors::{cache_not_found, missing};
use super::events::Source;
use super::model::{Node, Owner, ReplicationGroup};
use super::replication::OneReplicationGroup;
use crate::core::account::NodeKey;
use crate::core::arrange::Arrangement;
use crate::core::operation::Env;
use crate::error::ApiError;

/// Makes a replica of a shard its primary.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TestFailover {
    /// Which cache.
    pub replication_group_id: String,
    /// Which shard, such as `0001`.
    pub node_group_id: String,
}

super::elasticache!(TestFailover => OneReplicationGroup, "TestFailover", mutates: true,
    |t| Some(&t.replication_group_id), test_failover);

fn test_failover(env: &mut Env<'_>, input: TestFailover) -> Result<OneReplicationGroup, ApiError> {
    let (id, shard_id) = (input.replication_group_id.to_ascii_lowercase(), input.node_group_id);
    if shard_id.is_empty() {
        return Err(missing("NodeGroupId"));
    }
    let group = env.account.cache.caches.get(&id).ok_or_else(|| cache_not_found(&id))?;
    env.check_available(group)?;
    let shard = group.shards.iter().find(|shard| shard.id == shard_id).ok_or_else(|| {
        ApiError::not_found(
            "NodeGroupNotFoundFault",
            format!("Node group {shard_id} of replication group {id} not found."),
        )
    })?;
    let first = shard.nodes.first().cloned().unwrap_or_default();
    let owner = Owner::ReplicationGroup(id.clone());
    let heir = env.heir(&owner, &first).ok_or_else(|| {
        ApiError::bad_request(
            "TestFailoverNotAvailableFault",
            format!("Node group {shard_id} has no replica that could take over."),
        )
    })?;
    if let Some(group) = env.account.cache.caches.get_mut(&id) {
        group.status = "modifying";
    }
    let mut output = ReplicationGroupOutput::of(env, &id)?;
    let message = format!("Test Failover API called for node group {shard_id}");
    env.note(Source::ReplicationGroup, &id, message);
    env.promote(&owner, &heir);
    env.account.touch();
    "modifying".clone_into(&mut output.status);
    Ok(OneReplicationGroup {
        replication_group: output,
    })
}

impl Env<'_> {
    /// The replication group, if the owner is one.
    pub(crate) fn group_of(&self, owner: &Owner) -> Option<&ReplicationGroup> {
        match owner {
            Owner::ReplicationGroup(id) => self.account.cache.caches.get(id),
            Owner::Serverless(_) => None,
        }
    }

    /// The nodes of the shard that a node is in.
    fn shard_nodes<'a>(&'a self, owner: &Owner, node: &'a str) -> impl Iterator<Item = &'a Node> + 'a {
        self.group_of(owner)
            .and_then(|group| group.shard_of(node))
            .into_iter()
            .flat_map(|shard| &shard.nodes)
            .filter_map(|id| self.account.cache.nodes.get(id))
    }

    /// The primary of a node's shard.
    pub(crate) fn primary_of(&self, owner: &Owner, node: &str) -> Option<String> {
        let mut nodes = self.shard_nodes(owner, node);
        nodes.find(|node| node.index == 0).map(|node| node.id.clone())
    }

    /// The replica that would take over in a node's shard.
    pub(crate) fn heir(&self, owner: &Owner, node: &str) -> Option<String> {
        self.shard_nodes(owner, node)
            .filter(|node| node.index > 0 && node.answers())
            .min_by_key(|node| node.index)
            .map(|node| node.id.clone())
    }

    /// Who has to learn where a node is, and whether they are a Redis Cluster: then all of it, else
    /// the replicas of a primary.
    pub(crate) fn who_follows(&self, owner: &Owner, node: &str) -> (Vec<NodeKey>, bool) {
        match self.group_of(owner) {
            Some(group) if group.cluster => (self.account.all_but(group, node), true),
            _ if self.primary_of(owner, node).is_some_and(|primary| primary == node) => {
                (self.rest_of_shard(owner, node), false)
            }
            _ => (Vec::new(), false),
        }
    }

    fn rest_of_shard(&self, owner: &Owner, node: &str) -> Vec<NodeKey> {
        self.shard_nodes(owner, node)
            .filter(|other| other.id != node)
            .map(|other| self.account.node_key(&other.id))
            .collect()
    }

    /// Has a replica become its shard's primary.
    pub(crate) fn promote(&mut self, owner: &Owner, node: &str) {
        let step = Arrangement::Promote {
            node: self.account.node_key(node),
            others: self.rest_of_shard(owner, node),
            cluster: self.group_of(owner).is_some_and(|g| g.cluster),
        };
        self.arrange(owner, step);
    }

    /// Notes a failover with the words of the botocore model, `TestFailover`.
    fn note_failover(&mut self, owner: &Owner, primary: &str, node: &str) {
        let message = format!("Failover from primary node {primary} to replica node {node} completed");
        self.note(Source::CacheCluster, node, message.clone());
        if let Owner::ReplicationGroup(id) = owner {
            self.note(Source::ReplicationGroup, id, message);
        }
    }

    /// The replica is the primary now, and the primary has the replica's place.
    pub(crate) fn swap_roles(&mut self, owner: &Owner, node: &str) {
        let primary = self.primary_of(owner, node);
        if let Some(primary) = primary.as_ref().filter(|primary| *primary != node) {
            self.note_failover(owner, primary, node);
        }
        let nodes = &mut self.account.cache.nodes;
        let Some(place) = nodes.get_mut(node).map(|node| std::mem::replace(&mut node.index, 0)) else {
            return;
        };
        if let Some(primary) = primary
            .filter(|primary| primary != node)
            .and_then(|id| nodes.get_mut(&id))
        {
            primary.index = place;
        }
    }
}
