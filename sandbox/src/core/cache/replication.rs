//! CreateReplicationGroup and DeleteReplicationGroup.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::clusters::ReplicationGroupOutput;
use super::create_user::{check_id, engine};
use super::errors::{
    cache_not_found, group_not_found, invalid_combination, invalid_group_state, invalid_value, missing,
};
use super::lenient;
use super::model::{AclRule, CacheState, Node, ReplicationGroup, Shard};
use crate::core::account::NodeUpdate;
use crate::core::operation::Env;
use crate::error::ApiError;

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
    /// How many nodes; the first is the primary.
    #[serde(deserialize_with = "lenient::number")]
    pub num_cache_clusters: Option<i64>,
    /// Shards. Only one so far.
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
    /// Any; nothing depends on it.
    pub cache_node_type: Option<String>,
}

/// The reply of the operations on one cache.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OneReplicationGroup {
    /// The cache.
    pub replication_group: ReplicationGroupOutput,
}

super::elasticache!(CreateReplicationGroup => OneReplicationGroup, "CreateReplicationGroup", mutates: true,
    |c| Some(&c.replication_group_id), create);

fn create(env: &mut Env<'_>, input: CreateReplicationGroup) -> Result<OneReplicationGroup, ApiError> {
    let id = input.replication_group_id.clone();
    let size = check(env, &input)?;
    let engine = engine(input.engine.as_deref().unwrap_or("redis"))?;
    let user_group_ids = input.user_group_ids.unwrap_or_default();
    let tls = input.transit_encryption_enabled == Some(true);
    check_groups(&env.account.cache, &engine, &user_group_ids, tls)?;
    let live = env.account.live;
    let nodes: Vec<String> = (1..=size).map(|n| format!("{id}-{n:03}")).collect();
    let group = ReplicationGroup {
        arn: env.account.cache_arn("replicationgroup", &id),
        id: id.clone(),
        description: input.replication_group_description,
        engine,
        tls,
        status: if live { "creating" } else { "available" },
        user_group_ids,
        shards: vec![Shard {
            id: "0001".to_owned(),
            nodes: nodes.clone(),
        }],
        created: env.now,
        node_type: input.cache_node_type.unwrap_or_else(|| "cache.t4g.micro".to_owned()),
        global: None,
    };
    let view = view_of(&env.account.cache, &group);
    env.account.cache.caches.insert(id.clone(), group);
    for (index, node) in nodes.iter().enumerate() {
        add_node(env, &id, index, node, &view);
        let primary = nodes.first().filter(|_| index > 0);
        if live {
            let update = NodeUpdate::Start {
                node: env.account.node_key(node),
                primary: primary.map(|primary| env.account.node_key(primary)),
                tls,
            };
            env.account.outbox.push(update);
        }
    }
    env.account.touch();
    let mut output = ReplicationGroupOutput::of(env, &id)?;
    "creating".clone_into(&mut output.status);
    Ok(OneReplicationGroup {
        replication_group: output,
    })
}

fn add_node(env: &mut Env<'_>, group: &str, index: usize, id: &str, view: &BTreeMap<String, AclRule>) {
    let live = env.account.live;
    let node = Node {
        id: id.to_owned(),
        replication_group: group.to_owned(),
        index,
        // A process answers at localhost with a port that is known once it runs. Nothing answers
        // for a virtual node, so its name is one that cannot exist.
        host: if live {
            "localhost".to_owned()
        } else {
            format!("{id}.{}.{}.invalid", env.account.region, env.account.id)
        },
        port: if live { 0 } else { 6379 },
        status: if live { "creating" } else { "available" }.to_owned(),
        running: true,
        started: !live,
        delay: None,
        view: view.clone(),
        pending: BTreeMap::new(),
    };
    env.account.cache.nodes.insert(id.to_owned(), node);
}

/// Who may log in to a cache: the users of its groups, or anybody if it has none.
pub(crate) fn view_of(cache: &CacheState, group: &ReplicationGroup) -> BTreeMap<String, AclRule> {
    if group.user_group_ids.is_empty() {
        let rule = AclRule::open_default();
        return BTreeMap::from([(rule.user_name.clone(), rule)]);
    }
    group
        .user_group_ids
        .iter()
        .filter_map(|id| cache.groups.get(id))
        .flat_map(|group| &group.user_ids)
        .filter_map(|id| cache.users.get(id))
        .map(|user| (user.name.clone(), user.rule()))
        .collect()
}

/// Names and sizes. Returns the number of nodes.
fn check(env: &Env<'_>, input: &CreateReplicationGroup) -> Result<i64, ApiError> {
    let id = &input.replication_group_id;
    if id.is_empty() {
        return Err(missing("ReplicationGroupId"));
    }
    if input.replication_group_description.is_empty() {
        return Err(missing("ReplicationGroupDescription"));
    }
    check_id("ReplicationGroupId", id)?;
    if env.account.cache.caches.contains_key(id) {
        return Err(ApiError::bad_request(
            "ReplicationGroupAlreadyExists",
            format!("Replication group {id} already exists."),
        ));
    }
    if input.num_node_groups.unwrap_or(1) != 1 {
        return Err(invalid_value("The sandbox runs caches of one node group only."));
    }
    let size = match (input.num_cache_clusters, input.replicas_per_node_group) {
        (Some(size), _) => size,
        (None, Some(replicas)) => replicas.saturating_add(1),
        (None, None) => 1,
    };
    if !(1..=6).contains(&size) {
        return Err(invalid_value("NumCacheClusters must be between 1 and 6."));
    }
    Ok(size)
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
            "Only one user group can be associated with a replication group.",
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
    let id = input.replication_group_id;
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
        if env.account.live {
            let node = env.account.node_key(node);
            env.account.outbox.push(NodeUpdate::Remove { node });
        }
    }
    env.account.touch();
    Ok(OneReplicationGroup {
        replication_group: output,
    })
}
