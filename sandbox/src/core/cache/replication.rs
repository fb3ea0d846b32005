//! CreateReplicationGroup and DeleteReplicationGroup.

use serde::{Deserialize, Serialize};

use super::auth_token::{AuthTokens, check_first};
use super::clusters::ReplicationGroupOutput;
use super::create_user::{check_id, engine};
use super::errors::{
    cache_not_found, group_not_found, invalid_combination, invalid_group_state, invalid_value, missing,
};
use super::events::Source;
use super::lenient;
use super::looks::{Looks, LooksInput};
use super::model::{CacheState, Owner, ReplicationGroup, Tag};
use super::shape::Shape;
use super::tags::check_tags;
use crate::core::account::NodeUpdate;
use crate::core::arrange::{Arrangement, NewShard};
use crate::core::operation::Env;
use crate::error::ApiError;
use crate::sensitive::Sensitive;

/// Makes a cache.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateReplicationGroup {
    /// Its id.
    pub replication_group_id: String,
    /// What it is for.
    pub replication_group_description: String,
    /// `redis` (the default) or `valkey`.
    pub engine: Option<String>,
    /// How many nodes a cache of one shard has; the first is the primary.
    #[serde(deserialize_with = "lenient::number")]
    pub num_cache_clusters: Option<i64>,
    /// Shards; with more than one, cluster mode is on.
    #[serde(deserialize_with = "lenient::number")]
    pub num_node_groups: Option<i64>,
    /// Replicas of each shard, the other way to say how many nodes.
    #[serde(deserialize_with = "lenient::number")]
    pub replicas_per_node_group: Option<i64>,
    /// Whether its nodes speak TLS.
    #[serde(deserialize_with = "lenient::flag")]
    pub transit_encryption_enabled: Option<bool>,
    /// Whose users it knows.
    #[serde(deserialize_with = "lenient::list")]
    pub user_group_ids: Option<Vec<String>>,
    /// The AUTH token that it wants. Only with TLS, and not with users.
    pub auth_token: Option<Sensitive>,
    /// Tags.
    #[serde(deserialize_with = "lenient::list")]
    pub tags: Option<Vec<Tag>>,
    /// `enabled` or `disabled`.
    pub cluster_mode: Option<String>,
    /// Looked at only for its end: `.cluster.on` enables cluster mode.
    pub cache_parameter_group_name: Option<String>,
    /// Any; nothing depends on it.
    pub cache_node_type: Option<String>,
    /// What else it shows, of which nothing depends.
    #[serde(flatten)]
    pub looks: LooksInput,
}

/// The reply of the operations on one cache.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OneReplicationGroup {
    /// The cache.
    pub replication_group: ReplicationGroupOutput,
}

super::elasticache!(CreateReplicationGroup => OneReplicationGroup, "CreateReplicationGroup", mutates: true,
    |c| Some(&c.replication_group_id), create, tags: |c| Tag::pairs(c.tags.iter().flatten()));

fn create(env: &mut Env<'_>, mut input: CreateReplicationGroup) -> Result<OneReplicationGroup, ApiError> {
    // The model: the id is kept in small letters.
    input.replication_group_id.make_ascii_lowercase();
    let id = input.replication_group_id.clone();
    check(env, &input)?;
    let shape = Shape::of(&input)?;
    check_nodes_free(&env.account.cache, &id, &shape)?;
    let engine = engine(input.engine.as_deref().unwrap_or("redis"))?;
    let user_group_ids = input.user_group_ids.unwrap_or_default();
    let tls = input.transit_encryption_enabled == Some(true);
    check_groups(&env.account.cache, &engine, &user_group_ids, tls)?;
    check_first(env.settings, input.auth_token.as_ref(), tls, &user_group_ids)?;
    let tags = input.tags.unwrap_or_default();
    check_tags(&tags)?;
    let looks = LooksInput {
        cache_node_type: input.cache_node_type,
        cache_parameter_group_name: input.cache_parameter_group_name,
        ..input.looks
    };
    let group = ReplicationGroup {
        arn: env.account.cache_arn("replicationgroup", &id),
        id: id.clone(),
        description: input.replication_group_description,
        looks: Looks::new(&engine, shape.cluster, looks),
        engine,
        tls,
        cluster: shape.cluster,
        formed: false,
        resumed: false,
        status: "creating",
        work: 0,
        user_group_ids,
        auth: AuthTokens::first(input.auth_token, env.now),
        shards: shape.shards,
        created: env.now,
        tags,
        global: None,
    };
    env.account.cache.caches.insert(id.clone(), group.clone());
    start_nodes(env, &group);
    env.account.touch();
    let mut output = ReplicationGroupOutput::of(env, &id)?;
    "creating".clone_into(&mut output.status);
    Ok(OneReplicationGroup {
        replication_group: output,
    })
}

/// Lists all nodes of a new cache, has them come up, and makes a Redis Cluster of them if they are to be one.
fn start_nodes(env: &mut Env<'_>, group: &ReplicationGroup) {
    let owner = Owner::ReplicationGroup(group.id.clone());
    for shard in &group.shards {
        for (index, node) in shard.nodes.iter().enumerate() {
            env.list_node(node, &owner, index);
        }
    }
    bring_up(env, group);
}

/// Has all listed nodes of a cache come up, the primary of each shard first, and makes a Redis Cluster of them if they
/// are to be one.
pub(crate) fn bring_up(env: &mut Env<'_>, group: &ReplicationGroup) {
    let owner = Owner::ReplicationGroup(group.id.clone());
    let place = |env: &Env<'_>, id: &String| env.account.cache.nodes.get(id).map_or(usize::MAX, |node| node.index);
    let mut shards = group.shards.clone();
    for shard in &mut shards {
        shard.nodes.sort_by_key(|id| place(env, id));
    }
    for node in shards.iter().flat_map(|shard| &shard.nodes) {
        env.begin_node(node);
    }
    if let Some(group) = env.account.cache.caches.get_mut(&group.id) {
        group.formed = true;
    }
    if group.cluster {
        let shards = shards.iter().map(|shard| NewShard {
            slots: shard.slots.unwrap_or_default(),
            nodes: shard.nodes.iter().map(|id| env.account.node_key(id)).collect(),
        });
        let step = Arrangement::Form {
            shards: shards.collect(),
        };
        env.arrange(&owner, step);
    }
}

/// Names.
fn check(env: &Env<'_>, input: &CreateReplicationGroup) -> Result<(), ApiError> {
    let id = &input.replication_group_id;
    if id.is_empty() {
        return Err(missing("ReplicationGroupId"));
    }
    if input.replication_group_description.is_empty() {
        return Err(missing("ReplicationGroupDescription"));
    }
    check_id("ReplicationGroupId", id)?;
    // The botocore model.
    if id.len() > 40 || id.ends_with('-') || id.contains("--") {
        return Err(invalid_value(
            "The parameter ReplicationGroupId must have 40 characters at most, not end with a hyphen and not contain two \
             in a row.",
        ));
    }
    if env.account.cache.caches.contains_key(id) {
        return Err(already_exists(format!("Replication group {id} already exists.")));
    }
    Ok(())
}

/// The nodes of a cache `a-0001` are called like those of shard 0001 of a cache `a`.
fn check_nodes_free(cache: &CacheState, id: &str, shape: &Shape) -> Result<(), ApiError> {
    let mut nodes = shape.shards.iter().flat_map(|shard| &shard.nodes);
    match nodes.find(|node| cache.nodes.contains_key(*node)) {
        None => Ok(()),
        Some(node) => Err(already_exists(format!(
            "Replication group {id} would have a node {node}, which another one has."
        ))),
    }
}

fn already_exists(message: String) -> ApiError {
    ApiError::bad_request("ReplicationGroupAlreadyExists", message)
}

/// Whether a cache may be given these user groups.
pub(crate) fn check_groups(cache: &CacheState, engine: &str, ids: &[String], tls: bool) -> Result<(), ApiError> {
    if !ids.is_empty() && !tls {
        // ElastiCache RBAC guide: only with encryption in transit. Text after terraform-provider-aws#42966.
        return Err(invalid_combination(
            "User group based access control is available only with encryption in transit enabled.",
        ));
    }
    if ids.len() > 1 {
        return Err(invalid_combination(
            "Only one user group can be associated with a cache.",
        ));
    }
    for id in ids {
        let group = cache.groups.get(id).ok_or_else(|| group_not_found(id))?;
        if engine == "redis" && group.engine != "redis" {
            return Err(invalid_combination(format!(
                "User group {id} of engine {} can't be used with engine redis.",
                group.engine
            )));
        }
        if !group.waiting.is_empty() {
            return Err(invalid_group_state(id, "modifying"));
        }
    }
    Ok(())
}

/// Deletes a cache.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteReplicationGroup {
    /// Which cache.
    pub replication_group_id: String,
}

super::elasticache!(DeleteReplicationGroup => OneReplicationGroup, "DeleteReplicationGroup", mutates: true,
    |d| Some(&d.replication_group_id), delete);

fn delete(env: &mut Env<'_>, input: DeleteReplicationGroup) -> Result<OneReplicationGroup, ApiError> {
    let id = input.replication_group_id.to_ascii_lowercase();
    let mut output = ReplicationGroupOutput::of(env, &id)?;
    "deleting".clone_into(&mut output.status);
    let group = env
        .account
        .cache
        .caches
        .remove(&id)
        .ok_or_else(|| cache_not_found(&id))?;
    for node in group.nodes() {
        env.forget_node(node);
        env.note(Source::CacheCluster, node, "Cache cluster deleted");
        if env.account.live {
            let node = env.account.node_key(node);
            env.account.outbox.push(NodeUpdate::Remove { node });
        }
    }
    env.note(Source::ReplicationGroup, &id, format!("Replication group {id} deleted"));
    if env.account.live {
        let cache = env.account.cache_key(&Owner::ReplicationGroup(id));
        env.account.outbox.push(NodeUpdate::Disband { cache });
    }
    env.account.touch();
    Ok(OneReplicationGroup {
        replication_group: output,
    })
}
