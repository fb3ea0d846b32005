//! What the SDK's answers about user groups and caches mean in our words.

use aws_sdk_elasticache::types;

use super::elasticache::{CACHE_CLUSTERS, REPLICATION_GROUPS, SERVERLESS_CACHES, USER_GROUPS};
use super::error::{AwsError, ErrorClass};
use super::reply::incomplete;
use super::{AwsResult, CacheCluster, ReplicationGroup, ServerlessCache, UserGroup};
use crate::policy::Endpoint;

/// The user group that was asked for as `id`.
pub(super) fn user_group(id: &str, group: types::UserGroup) -> AwsResult<UserGroup> {
    if group.replication_groups.is_none() && group.serverless_caches.is_none() {
        return Err(incomplete(USER_GROUPS, id, "the user group says nothing of caches"));
    }
    Ok(UserGroup {
        id: id.to_owned(),
        replication_groups: group.replication_groups.unwrap_or_default(),
        serverless_caches: group.serverless_caches.unwrap_or_default(),
    })
}

/// The cache cluster that was asked for as `id`.
pub(super) fn cache_cluster(id: &str, cluster: types::CacheCluster) -> AwsResult<CacheCluster> {
    let node = |node: types::CacheNode| {
        let missing = |what| incomplete(CACHE_CLUSTERS, id, what);
        let status = node
            .cache_node_status()
            .ok_or_else(|| missing("a node has no status"))?;
        let address = endpoint(node.endpoint.as_ref()).ok_or_else(|| AwsError {
            // A node that is being created is listed before it has an address.
            class: ErrorClass::Changing,
            ..missing("a node has no endpoint")
        })?;
        Ok((address, status.eq_ignore_ascii_case("available")))
    };
    let nodes = cluster.cache_nodes.unwrap_or_default().into_iter().map(node);
    Ok(CacheCluster {
        id: id.to_owned(),
        nodes: nodes.collect::<AwsResult<_>>()?,
    })
}

/// The serverless cache that was asked for as `name`.
pub(super) fn serverless_cache(name: &str, cache: types::ServerlessCache) -> AwsResult<ServerlessCache> {
    let missing = |what| incomplete(SERVERLESS_CACHES, name, what);
    let status = cache.status().ok_or_else(|| missing("the cache has no status"))?;
    let shown = [cache.endpoint.as_ref(), cache.reader_endpoint.as_ref()]
        .into_iter()
        .flatten();
    let addresses = shown.map(|shown| endpoint(Some(shown)).ok_or_else(|| missing("an endpoint has no address")));
    Ok(ServerlessCache {
        name: name.to_owned(),
        endpoints: addresses.collect::<AwsResult<_>>()?,
        available: status.eq_ignore_ascii_case("available"),
    })
}

/// The replication group that was asked for as `id`. Its members are those of MemberClusters and those
/// that its shards name beside them: a node that only one of the two lists is to be asked too.
///
/// # Errors
/// A member with an address names no cache cluster.
pub fn replication_group(id: &str, group: types::ReplicationGroup) -> AwsResult<ReplicationGroup> {
    let mut members = group.member_clusters().to_vec();
    let mut read_endpoints = Vec::new();
    for member in group.node_groups().iter().flat_map(|shard| shard.node_group_members()) {
        if let Some(cluster) = member
            .cache_cluster_id()
            .filter(|id| !members.iter().any(|known| known == id))
        {
            members.push(cluster.to_owned());
        }
        // Only members of a group with cluster mode off have a ReadEndpoint.
        if let Some(address) = endpoint(member.read_endpoint()) {
            let cluster = member
                .cache_cluster_id()
                .ok_or_else(|| incomplete(REPLICATION_GROUPS, id, "a node names no cache cluster"))?;
            read_endpoints.push((cluster.to_owned(), address));
        }
    }
    Ok(ReplicationGroup {
        id: id.to_owned(),
        // TransitEncryptionMode `preferred` takes plain connections too, but TLS all the same.
        transit_encryption: group.transit_encryption_enabled.unwrap_or(false),
        cluster_enabled: group.cluster_enabled.unwrap_or(false),
        global_datastore: group
            .global_replication_group_info
            .and_then(|global| global.global_replication_group_id)
            .filter(|id| !id.is_empty()),
        members,
        read_endpoints,
    })
}

fn endpoint(endpoint: Option<&types::Endpoint>) -> Option<Endpoint> {
    let endpoint = endpoint?;
    Some(Endpoint {
        host: endpoint.address().filter(|host| !host.is_empty())?.to_owned(),
        port: endpoint.port().and_then(|port| u16::try_from(port).ok())?,
    })
}
