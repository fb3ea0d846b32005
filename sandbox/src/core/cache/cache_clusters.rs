//! DescribeCacheClusters: the nodes of replication groups, one by one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::clusters::{Endpoint, PendingModifiedValues, timestamp, timestamp_if};
use super::lenient;
use super::looks::ClusterLooks;
use super::model::{Node, Owner, ReplicationGroup};
use super::paging::{Bounds, page};
use crate::core::operation::Env;
use crate::error::ApiError;

/// Shows nodes. (AWS calls a node with its machine a cache cluster.)
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DescribeCacheClusters {
    /// Only this one.
    pub cache_cluster_id: Option<String>,
    /// Whether to show the node inside.
    #[serde(deserialize_with = "lenient::flag")]
    pub show_cache_node_info: Option<bool>,
    /// Whether to leave out the nodes of replication groups, which is all of them.
    #[serde(deserialize_with = "lenient::flag")]
    pub show_cache_clusters_not_in_replication_groups: Option<bool>,
    /// Where the last page ended.
    pub marker: Option<String>,
    /// How many on a page.
    #[serde(deserialize_with = "lenient::number")]
    pub max_records: Option<i64>,
}

/// One page of nodes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeCacheClustersOutput {
    /// The nodes.
    pub cache_clusters: Vec<CacheClusterOutput>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// A node as replies show it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CacheClusterOutput {
    /// Its id.
    pub cache_cluster_id: String,
    /// The kind of machine.
    pub cache_node_type: String,
    /// `redis` or `valkey`.
    pub engine: String,
    /// The status that ElastiCache reports.
    pub cache_cluster_status: String,
    /// Always one.
    pub num_cache_nodes: u32,
    /// The node inside, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cache_nodes: Vec<CacheNodeOutput>,
    /// The cache that it belongs to.
    pub replication_group_id: String,
    /// Whether it speaks TLS.
    pub transit_encryption_enabled: bool,
    /// `required`, when it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transit_encryption_mode: Option<String>,
    /// What is asked for and not done yet on this node.
    pub pending_modified_values: PendingModifiedValues,
    /// Whether it wants an AUTH token.
    pub auth_token_enabled: bool,
    /// Since when it is this one.
    #[serde(serialize_with = "timestamp_if", skip_serializing_if = "Option::is_none")]
    pub auth_token_last_modified_date: Option<DateTime<Utc>>,
    /// Since when its cache is there.
    #[serde(serialize_with = "timestamp")]
    pub cache_cluster_create_time: DateTime<Utc>,
    /// Any.
    pub preferred_availability_zone: String,
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// What else its cache was given, of which nothing depends.
    #[serde(flatten)]
    pub looks: ClusterLooks,
}

/// The node inside.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CacheNodeOutput {
    /// Always `0001`.
    pub cache_node_id: String,
    /// The status that ElastiCache reports.
    pub cache_node_status: String,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
}

super::elasticache!(DescribeCacheClusters => DescribeCacheClustersOutput, "DescribeCacheClusters",
    mutates: false, |d| d.cache_cluster_id.as_deref(), describe_clusters);

fn describe_clusters(env: &mut Env<'_>, input: DescribeCacheClusters) -> Result<DescribeCacheClustersOutput, ApiError> {
    let wanted = input.cache_cluster_id.map(|id| id.to_ascii_lowercase());
    let nodes = &env.account.cache.nodes;
    let all = || nodes.values().filter_map(|node| Some((node, group_of(env, node)?)));
    let chosen: Vec<(&Node, &ReplicationGroup)> = match &wanted {
        Some(id) => vec![
            all()
                .find(|(node, _)| node.id == *id)
                .ok_or_else(|| ApiError::not_found("CacheClusterNotFound", format!("CacheCluster not found: {id}")))?,
        ],
        None if input.show_cache_clusters_not_in_replication_groups == Some(true) => Vec::new(),
        None => all().collect(),
    };
    let (page, marker) = page(
        chosen,
        input.marker.as_deref(),
        &Bounds::documented(input.max_records),
        |(node, _)| node.id.clone(),
    )?;
    let info = input.show_cache_node_info == Some(true);
    let cache_clusters = page.into_iter().map(|(node, group)| cluster(env, node, group, info));
    Ok(DescribeCacheClustersOutput {
        cache_clusters: cache_clusters.collect(),
        marker,
    })
}

/// The cache of a node that may be seen: nodes of serverless caches are hidden.
fn group_of<'a>(env: &'a Env<'_>, node: &Node) -> Option<&'a ReplicationGroup> {
    match &node.owner {
        Owner::ReplicationGroup(id) => env.account.cache.caches.get(id),
        Owner::Serverless(_) => None,
    }
}

fn cluster(env: &Env<'_>, node: &Node, group: &ReplicationGroup, info: bool) -> CacheClusterOutput {
    let inside = CacheNodeOutput {
        cache_node_id: "0001".to_owned(),
        cache_node_status: node.status.clone(),
        endpoint: node.endpoint(),
    };
    CacheClusterOutput {
        cache_cluster_id: node.id.clone(),
        cache_node_type: group.looks.node_type.clone(),
        engine: group.engine.clone(),
        cache_cluster_status: node.status.clone(),
        num_cache_nodes: 1,
        cache_nodes: if info { vec![inside] } else { Vec::new() },
        replication_group_id: group.id.clone(),
        transit_encryption_enabled: group.tls,
        transit_encryption_mode: group.tls.then(|| "required".to_owned()),
        pending_modified_values: PendingModifiedValues {
            auth_token_status: group.auth.status_of(&node.id).map(ToOwned::to_owned),
        },
        auth_token_enabled: group.auth.enabled(),
        auth_token_last_modified_date: group.auth.modified,
        cache_cluster_create_time: group.created,
        preferred_availability_zone: format!("{}a", env.account.region),
        arn: env.account.cache_arn("cluster", &node.id),
        looks: group.looks.of_cluster(),
    }
}
