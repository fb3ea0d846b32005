//! Which nodes a user can log in on: user groups, the caches behind them, the nodes of these.

use std::collections::{BTreeMap, BTreeSet};

use super::together::each;
use crate::aws::{AwsError, AwsResult, CacheCluster, ErrorClass, ReplicationGroup, ServerlessCache, UsersReader};
use crate::policy::Endpoint;
use crate::rotation::observation::{Node, NodeKind, Topology, User};
use crate::rotation::reason::HaltReason;

/// What stands for a cache's name where a policy names the nodes itself.
pub const CONFIGURED: &str = "configured";

/// The nodes behind a user's groups, every one of them.
///
/// With `overrides`, ElastiCache is not asked: these are the nodes, and whether a cache behind
/// them belongs to a global datastore is not looked at. A cache that forbids rotating the user is
/// the topology's `refusal`; its nodes are not listed then.
///
/// # Errors
/// Any read that failed, and [`ErrorClass::Changing`] where an answer lacks a node, its address or
/// state, or one thing lists another that is not there: while a cache grows or shrinks its parts
/// appear, and go, one after the other.
pub async fn topology(reader: &dyn UsersReader, user: &User, overrides: &[Endpoint]) -> AwsResult<Topology> {
    if !overrides.is_empty() {
        return Ok(configured(overrides));
    }
    let groups = each(&user.groups, |id| reader.user_group(id)).await;
    let (mut replicated, mut serverless) = (BTreeSet::new(), BTreeSet::new());
    for group in groups {
        let group = group.map_err(gone)?;
        replicated.extend(group.replication_groups);
        serverless.extend(group.serverless_caches);
    }
    let (replicated, serverless) = tokio::join!(
        each(&replicated, |id| reader.replication_group(id)),
        each(&serverless, |name| reader.serverless_cache(name)),
    );
    let replicated = whole(replicated)?;
    let serverless = whole(serverless)?;
    if let Some(refusal) = replicated.iter().find_map(refusal) {
        return Ok(Topology {
            nodes: BTreeSet::new(),
            refusal: Some(refusal),
        });
    }
    nodes(reader, &replicated, &serverless).await
}

fn configured(endpoints: &[Endpoint]) -> Topology {
    let node = |endpoint: &Endpoint| Node {
        endpoint: endpoint.clone(),
        cache: CONFIGURED.to_owned(),
        kind: NodeKind::Node,
        available: true,
    };
    Topology {
        nodes: endpoints.iter().map(node).collect(),
        refusal: None,
    }
}

/// What forbids rotating the users of a cache. Serverless caches always encrypt, and belong to no
/// global datastore (ElastiCache's user guide).
fn refusal(group: &ReplicationGroup) -> Option<(HaltReason, String)> {
    if group.global_datastore.is_some() {
        Some((HaltReason::GlobalDatastore, group.id.clone()))
    } else if !group.transit_encryption {
        Some((HaltReason::NoTransitEncryption, group.id.clone()))
    } else {
        None
    }
}

async fn nodes(
    reader: &dyn UsersReader,
    replicated: &[ReplicationGroup],
    serverless: &[ServerlessCache],
) -> AwsResult<Topology> {
    let members: Vec<&String> = replicated.iter().flat_map(|group| &group.members).collect();
    let clusters = each(members, |id| reader.cache_cluster(id)).await;
    let clusters: BTreeMap<String, CacheCluster> = whole(clusters)?
        .into_iter()
        .map(|cluster| (cluster.id.clone(), cluster))
        .collect();
    let mut nodes = BTreeSet::new();
    for group in replicated {
        nodes.extend(group_nodes(group, &clusters)?);
    }
    for cache in serverless {
        nodes.extend(serverless_nodes(cache)?);
    }
    Ok(Topology { nodes, refusal: None })
}

/// A replication group's nodes: its cache clusters' (cluster mode on), or its members' read
/// endpoints with the state that the cache clusters have (off).
fn group_nodes(group: &ReplicationGroup, clusters: &BTreeMap<String, CacheCluster>) -> AwsResult<Vec<Node>> {
    let missing = |what: String| missing("DescribeReplicationGroups", &group.id, what);
    if group.members.is_empty() {
        return Err(missing("the replication group shows no member".to_owned()));
    }
    if let Some((stray, _)) = group.read_endpoints.iter().find(|(id, _)| !group.members.contains(id)) {
        return Err(missing(format!("node {stray} is no member of its replication group")));
    }
    let mut nodes = Vec::new();
    for member in &group.members {
        let shown = clusters
            .get(member)
            .map(|cluster| &cluster.nodes[..])
            .unwrap_or_default();
        if shown.is_empty() {
            return Err(missing(format!("cache cluster {member} shows no node")));
        }
        if group.cluster_enabled {
            nodes.extend(
                shown
                    .iter()
                    .map(|(endpoint, available)| node(group, endpoint, *available)),
            );
            continue;
        }
        let address = group.read_endpoints.iter().find(|(id, _)| id == member);
        let (_, endpoint) = address.ok_or_else(|| missing(format!("member {member} shows no read endpoint")))?;
        nodes.push(node(group, endpoint, shown.iter().all(|(_, available)| *available)));
    }
    Ok(nodes)
}

fn node(group: &ReplicationGroup, endpoint: &Endpoint, available: bool) -> Node {
    Node {
        endpoint: endpoint.clone(),
        cache: group.id.clone(),
        kind: NodeKind::Node,
        available,
    }
}

fn serverless_nodes(cache: &ServerlessCache) -> AwsResult<Vec<Node>> {
    if cache.endpoints.is_empty() {
        let what = "the serverless cache shows no endpoint".to_owned();
        return Err(missing("DescribeServerlessCaches", &cache.name, what));
    }
    let node = |endpoint: &Endpoint| Node {
        endpoint: endpoint.clone(),
        cache: cache.name.clone(),
        kind: NodeKind::ServerlessEndpoint,
        available: cache.available,
    };
    Ok(cache.endpoints.iter().map(node).collect())
}

/// All answers, or the first error.
fn whole<T>(answers: Vec<AwsResult<T>>) -> AwsResult<Vec<T>> {
    answers.into_iter().map(|answer| answer.map_err(gone)).collect()
}

/// What was listed a moment ago and is not found was removed since, by somebody who may: that is a
/// change to wait for, and no refusal.
fn gone(error: AwsError) -> AwsError {
    match error.class {
        ErrorClass::NotFound => AwsError {
            class: ErrorClass::Changing,
            ..error
        },
        _ => error,
    }
}

fn missing(operation: &'static str, resource: &str, message: String) -> AwsError {
    AwsError {
        class: ErrorClass::Changing,
        operation,
        resource: resource.to_owned(),
        code: "IncompleteTopology".to_owned(),
        message,
        retry_after: None,
    }
}

#[cfg(test)]
#[path = "topology_tests.rs"]
mod tests;
