//! IncreaseReplicaCount and DecreaseReplicaCount.

use serde::Deserialize;

use super::clusters::ReplicationGroupOutput;
use super::errors::{cache_not_found, invalid_combination, invalid_value};
use super::events::Source;
use super::lenient;
use super::model::{Owner, ReplicationGroup};
use super::replication::OneReplicationGroup;
use super::shape::{MAX_REPLICAS, node_id};
use crate::core::arrange::Arrangement;
use crate::core::operation::Env;
use crate::error::ApiError;

/// Adds replicas.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IncreaseReplicaCount {
    /// Which cache.
    pub replication_group_id: String,
    /// How many replicas each shard is to have.
    #[serde(deserialize_with = "lenient::number")]
    pub new_replica_count: Option<i64>,
    /// The same for single shards.
    #[serde(deserialize_with = "lenient::list")]
    pub replica_configuration: Option<Vec<ConfigureShard>>,
    /// Must be true.
    #[serde(deserialize_with = "lenient::flag")]
    pub apply_immediately: Option<bool>,
}

/// Takes replicas away.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DecreaseReplicaCount {
    /// Which cache.
    pub replication_group_id: String,
    /// How many replicas each shard is to have.
    #[serde(deserialize_with = "lenient::number")]
    pub new_replica_count: Option<i64>,
    /// The same for single shards.
    #[serde(deserialize_with = "lenient::list")]
    pub replica_configuration: Option<Vec<ConfigureShard>>,
    /// Or the nodes that are to go.
    #[serde(deserialize_with = "lenient::list")]
    pub replicas_to_remove: Option<Vec<String>>,
    /// Must be true.
    #[serde(deserialize_with = "lenient::flag")]
    pub apply_immediately: Option<bool>,
}

/// How many replicas one shard is to have.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConfigureShard {
    /// Which shard, such as `0001`.
    pub node_group_id: String,
    /// How many replicas.
    #[serde(deserialize_with = "lenient::number")]
    pub new_replica_count: Option<i64>,
}

super::elasticache!(IncreaseReplicaCount => OneReplicationGroup, "IncreaseReplicaCount", mutates: true,
    |i| Some(&i.replication_group_id), increase);
super::elasticache!(DecreaseReplicaCount => OneReplicationGroup, "DecreaseReplicaCount", mutates: true,
    |d| Some(&d.replication_group_id), decrease);

/// A shard by its id, and how many replicas it is to have.
type Wish = (String, usize);

fn increase(env: &mut Env<'_>, input: IncreaseReplicaCount) -> Result<OneReplicationGroup, ApiError> {
    let id = input.replication_group_id.to_ascii_lowercase();
    let group = changeable(env, &id, input.apply_immediately)?;
    let wishes = wishes(group, input.new_replica_count, input.replica_configuration)?;
    let mut new = Vec::new();
    for (shard_id, wanted) in &wishes {
        let Some(shard) = group.shards.iter().find(|shard| shard.id == *shard_id) else {
            continue;
        };
        let present = shard.nodes.len().saturating_sub(1);
        if *wanted < present {
            return Err(invalid_value(format!(
                "Node group {shard_id} has {present} replicas already; use DecreaseReplicaCount to have fewer."
            )));
        }
        let names = (1..).map(|n| node_id(&id, shard_id, group.cluster, n));
        let free = names.filter(|name| !shard.nodes.contains(name));
        new.extend(free.take(wanted - present).map(|name| (shard_id.clone(), name)));
    }
    if new.is_empty() {
        return Err(no_operation(&id));
    }
    if let Some((_, taken)) = new.iter().find(|(_, name)| env.account.cache.nodes.contains_key(name)) {
        return Err(invalid_value(format!("Another replication group has a node {taken}.")));
    }
    set_modifying(env, &id);
    add_nodes(env, &id, &new);
    reply(env, &id)
}

/// Lists the new nodes, then has them come up.
fn add_nodes(env: &mut Env<'_>, id: &str, new: &[(String, String)]) {
    let owner = Owner::ReplicationGroup(id.to_owned());
    for (shard_id, node) in new {
        let index = free_place(env, id, shard_id);
        env.list_node(node, &owner, index);
        let group = env.account.cache.caches.get_mut(id);
        let shards = group.into_iter().flat_map(|group| &mut group.shards);
        for shard in shards.filter(|shard| shard.id == *shard_id) {
            shard.nodes.push(node.clone());
            shard.nodes.sort();
        }
    }
    for (_, node) in new {
        env.begin_later(node);
    }
}

/// The first place in a shard that no node has.
fn free_place(env: &Env<'_>, id: &str, shard_id: &str) -> usize {
    let cache = &env.account.cache;
    let shards = cache.caches.get(id).into_iter().flat_map(|group| &group.shards);
    let taken: Vec<usize> = shards
        .filter(|shard| shard.id == shard_id)
        .flat_map(|shard| &shard.nodes)
        .filter_map(|node| cache.nodes.get(node))
        .map(|node| node.index)
        .collect();
    (0..=taken.len())
        .find(|place| !taken.contains(place))
        .unwrap_or(taken.len())
}

fn decrease(env: &mut Env<'_>, input: DecreaseReplicaCount) -> Result<OneReplicationGroup, ApiError> {
    let id = input.replication_group_id.to_ascii_lowercase();
    let group = changeable(env, &id, input.apply_immediately)?;
    let gone = match input.replicas_to_remove.filter(|nodes| !nodes.is_empty()) {
        Some(nodes) => named_replicas(env, group, nodes)?,
        None => {
            let wishes = wishes(group, input.new_replica_count, input.replica_configuration)?;
            last_replicas(env, group, &wishes)?
        }
    };
    if gone.is_empty() {
        return Err(no_operation(&id));
    }
    set_modifying(env, &id);
    for node in &gone {
        remove_node(env, &id, node);
    }
    reply(env, &id)
}

/// Replicas that were named.
fn named_replicas(env: &Env<'_>, group: &ReplicationGroup, nodes: Vec<String>) -> Result<Vec<String>, ApiError> {
    for id in &nodes {
        let replica = env.account.cache.nodes.get(id).is_some_and(|node| node.index > 0);
        if !replica || group.shard_of(id).is_none() {
            return Err(invalid_value(format!("{id} is not a replica of {}.", group.id)));
        }
    }
    Ok(nodes)
}

/// The replicas that go when a number is given: those with the highest numbers.
fn last_replicas(env: &Env<'_>, group: &ReplicationGroup, wishes: &[Wish]) -> Result<Vec<String>, ApiError> {
    let mut gone = Vec::new();
    for (shard_id, wanted) in wishes {
        let shards = group.shards.iter().filter(|shard| shard.id == *shard_id);
        let replica = |id: &&String| env.account.cache.nodes.get(*id).is_some_and(|node| node.index > 0);
        let replicas: Vec<&String> = shards.flat_map(|shard| &shard.nodes).filter(replica).collect();
        if *wanted > replicas.len() {
            return Err(invalid_value(format!(
                "Node group {shard_id} has only {} replicas; use IncreaseReplicaCount to have more.",
                replicas.len()
            )));
        }
        gone.extend(replicas.into_iter().skip(*wanted).cloned());
    }
    Ok(gone)
}

fn remove_node(env: &mut Env<'_>, id: &str, node: &str) {
    let owner = Owner::ReplicationGroup(id.to_owned());
    let key = env.account.node_key(node);
    let mut others = Vec::new();
    if let Some(group) = env.account.cache.caches.get_mut(id) {
        for shard in &mut group.shards {
            shard.nodes.retain(|other| other != node);
        }
        if group.cluster {
            others.extend(group.nodes().cloned());
        }
    }
    env.forget_node(node);
    env.note(Source::CacheCluster, node, "Cache cluster deleted");
    let others = others.iter().map(|other| env.account.node_key(other)).collect();
    env.arrange(&owner, Arrangement::Leave { node: key, others });
}

fn changeable<'a>(env: &'a Env<'_>, id: &str, now: Option<bool>) -> Result<&'a ReplicationGroup, ApiError> {
    let group = env.account.cache.caches.get(id).ok_or_else(|| cache_not_found(id))?;
    // The botocore model: ApplyImmediately=False is not supported.
    if now != Some(true) {
        return Err(invalid_value("ApplyImmediately must be true."));
    }
    env.check_available(group)?;
    Ok(group)
}

/// What is wished for each shard: one number for all, or some of them one by one.
fn wishes(
    group: &ReplicationGroup,
    all: Option<i64>,
    some: Option<Vec<ConfigureShard>>,
) -> Result<Vec<Wish>, ApiError> {
    let some = some.unwrap_or_default();
    let wishes: Vec<(String, Option<i64>)> = match (all, some.is_empty()) {
        (Some(_), false) => {
            return Err(invalid_combination(
                "NewReplicaCount and ReplicaConfiguration can't be given together.",
            ));
        }
        (Some(_), true) => group.shards.iter().map(|shard| (shard.id.clone(), all)).collect(),
        (None, false) => some
            .into_iter()
            .map(|s| (s.node_group_id, s.new_replica_count))
            .collect(),
        (None, true) => {
            return Err(invalid_combination(
                "One of NewReplicaCount and ReplicaConfiguration must be given.",
            ));
        }
    };
    wishes
        .into_iter()
        .map(|(shard, count)| {
            if group.shards.iter().all(|known| known.id != shard) {
                return Err(invalid_value(format!("There is no node group {shard}.")));
            }
            let count = count.filter(|n| (0..=MAX_REPLICAS).contains(n));
            let count = count.and_then(|n| usize::try_from(n).ok());
            let count = count.ok_or_else(|| invalid_value("NewReplicaCount must be between 0 and 5."))?;
            Ok((shard, count))
        })
        .collect()
}

fn no_operation(id: &str) -> ApiError {
    ApiError::bad_request(
        "NoOperationFault",
        format!("Replication group {id} has that many replicas already."),
    )
}

fn set_modifying(env: &mut Env<'_>, id: &str) {
    if let Some(group) = env.account.cache.caches.get_mut(id) {
        group.status = "modifying";
    }
    env.account.touch();
}

/// The reply always says `modifying`; how long that stays is up to the nodes.
fn reply(env: &Env<'_>, id: &str) -> Result<OneReplicationGroup, ApiError> {
    let mut output = ReplicationGroupOutput::of(env, id)?;
    "modifying".clone_into(&mut output.status);
    Ok(OneReplicationGroup {
        replication_group: output,
    })
}
