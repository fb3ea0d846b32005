//! DescribeReplicationGroups and DescribeCacheClusters, and what a cache looks like from outside.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};

use super::errors::cache_not_found;
use super::lenient;
use super::model::{Node, Owner, ReplicationGroup, Shard};
use super::paging::page;
use crate::core::operation::Env;
use crate::error::ApiError;

/// Times in this service are ISO 8601; milliseconds are what AWS sends.
pub(crate) fn timestamp<S: Serializer>(time: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Endpoint {
    /// The host.
    pub address: String,
    /// The port.
    pub port: u16,
}

/// A cache as replies show it. Members that the model calls optional are left out when there is nothing.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReplicationGroupOutput {
    /// Its id.
    pub replication_group_id: String,
    /// What it is for.
    pub description: String,
    /// `creating`, `available`, `modifying` or `deleting`.
    pub status: String,
    /// The ids of its nodes.
    pub member_clusters: Vec<String>,
    /// Its shards.
    pub node_groups: Vec<NodeGroupOutput>,
    /// Where clients of a cache in cluster mode begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration_endpoint: Option<Endpoint>,
    /// The global datastore that it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_replication_group_info: Option<GlobalInfo>,
    /// Whether cluster mode is on.
    pub cluster_enabled: bool,
    /// The same in a word: `enabled` or `disabled`.
    pub cluster_mode: String,
    /// The kind of machine.
    pub cache_node_type: String,
    /// Whether it wants an AUTH token. It never does here.
    pub auth_token_enabled: bool,
    /// Whether its nodes speak TLS.
    pub transit_encryption_enabled: bool,
    /// `required`, when they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transit_encryption_mode: Option<String>,
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// Whose users it knows.
    pub user_group_ids: Vec<String>,
    /// Since when.
    #[serde(serialize_with = "timestamp")]
    pub replication_group_create_time: DateTime<Utc>,
    /// `redis` or `valkey`.
    pub engine: String,
}

/// Membership of a global datastore.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GlobalInfo {
    /// The global datastore.
    pub global_replication_group_id: String,
    /// `PRIMARY` or `SECONDARY`.
    pub global_replication_group_member_role: String,
}

/// A shard.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeGroupOutput {
    /// Its id.
    pub node_group_id: String,
    /// Its status.
    pub status: String,
    /// Its hash slots, such as `0-5460`, in cluster mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<String>,
    /// Where to write, unless in cluster mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_endpoint: Option<Endpoint>,
    /// Where to read, unless in cluster mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader_endpoint: Option<Endpoint>,
    /// Its nodes.
    pub node_group_members: Vec<NodeGroupMember>,
}

/// A node of a shard. The botocore model: address and role only with cluster mode off.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeGroupMember {
    /// The node's id.
    pub cache_cluster_id: String,
    /// Always `0001`.
    pub cache_node_id: String,
    /// The node's own address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_endpoint: Option<Endpoint>,
    /// Any.
    pub preferred_availability_zone: String,
    /// `primary` or `replica`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_role: Option<String>,
}

impl Node {
    /// Its address, once it has one.
    pub(crate) fn endpoint(&self) -> Option<Endpoint> {
        (self.port != 0).then(|| Endpoint {
            address: self.host.clone(),
            port: self.port,
        })
    }
}

impl ReplicationGroupOutput {
    pub(crate) fn of(env: &Env<'_>, id: &str) -> Result<Self, ApiError> {
        let group = env.account.cache.caches.get(id).ok_or_else(|| cache_not_found(id))?;
        Ok(Self {
            replication_group_id: group.id.clone(),
            description: group.description.clone(),
            status: env.cache_status(group).to_owned(),
            member_clusters: group.nodes().cloned().collect(),
            node_groups: group.shards.iter().map(|shard| node_group(env, group, shard)).collect(),
            configuration_endpoint: configuration_endpoint(env, group),
            global_replication_group_info: global(env, group),
            cluster_enabled: group.cluster,
            cluster_mode: if group.cluster { "enabled" } else { "disabled" }.to_owned(),
            cache_node_type: group.node_type.clone(),
            auth_token_enabled: false,
            transit_encryption_enabled: group.tls,
            transit_encryption_mode: group.tls.then(|| "required".to_owned()),
            arn: group.arn.clone(),
            user_group_ids: group.user_group_ids.clone(),
            replication_group_create_time: group.created,
            engine: group.engine.clone(),
        })
    }
}

fn global(env: &Env<'_>, group: &ReplicationGroup) -> Option<GlobalInfo> {
    let id = group.global.clone()?;
    let member = env
        .account
        .cache
        .globals
        .get(&id)?
        .iter()
        .find(|member| member.replication_group == group.id && member.region == env.account.region)?;
    Some(GlobalInfo {
        global_replication_group_id: id,
        global_replication_group_member_role: member.role.clone(),
    })
}

/// Whether a cache shows endpoints: once it has been put together.
fn shows_endpoints(group: &ReplicationGroup) -> bool {
    !["creating", "create-failed"].contains(&group.status)
}

/// An address that answers: the first node's.
fn configuration_endpoint(env: &Env<'_>, group: &ReplicationGroup) -> Option<Endpoint> {
    let mut nodes = group.nodes().filter_map(|id| env.account.cache.nodes.get(id));
    let shown = group.cluster && shows_endpoints(group);
    nodes.find(|node| shown && node.answers()).and_then(Node::endpoint)
}

fn node_group(env: &Env<'_>, group: &ReplicationGroup, shard: &Shard) -> NodeGroupOutput {
    let nodes: Vec<&Node> = shard
        .nodes
        .iter()
        .filter_map(|id| env.account.cache.nodes.get(id))
        .collect();
    let shown = !group.cluster && shows_endpoints(group);
    let primary = nodes.iter().find(|node| shown && node.index == 0);
    let primary = primary.and_then(|node| node.endpoint());
    let mut replicas = nodes.iter().filter(|node| shown && node.index > 0);
    let reader = replicas.find_map(|node| node.endpoint()).or_else(|| primary.clone());
    NodeGroupOutput {
        node_group_id: shard.id.clone(),
        status: group.status.to_owned(),
        slots: shard.slots.map(|(first, last)| format!("{first}-{last}")),
        primary_endpoint: primary,
        reader_endpoint: reader,
        node_group_members: nodes.into_iter().map(|node| member(env, group, node)).collect(),
    }
}

fn member(env: &Env<'_>, group: &ReplicationGroup, node: &Node) -> NodeGroupMember {
    NodeGroupMember {
        cache_cluster_id: node.id.clone(),
        cache_node_id: "0001".to_owned(),
        read_endpoint: node.endpoint().filter(|_| !group.cluster),
        preferred_availability_zone: format!("{}a", env.account.region),
        current_role: (!group.cluster).then(|| node.role().to_owned()),
    }
}

/// Shows caches.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DescribeReplicationGroups {
    /// Only this one.
    pub replication_group_id: Option<String>,
    /// Where the last page ended.
    pub marker: Option<String>,
    /// How many on a page.
    #[serde(deserialize_with = "lenient::number")]
    pub max_records: Option<i64>,
}

/// One page of caches.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeReplicationGroupsOutput {
    /// The caches.
    pub replication_groups: Vec<ReplicationGroupOutput>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

super::elasticache!(DescribeReplicationGroups => DescribeReplicationGroupsOutput, "DescribeReplicationGroups",
    mutates: false, |d| d.replication_group_id.as_deref(), describe_groups);

fn describe_groups(
    env: &mut Env<'_>,
    input: DescribeReplicationGroups,
) -> Result<DescribeReplicationGroupsOutput, ApiError> {
    let ids: Vec<String> = match input.replication_group_id {
        Some(id) => vec![id],
        None => env.account.cache.caches.keys().cloned().collect(),
    };
    let (page, marker) = page(ids, input.marker.as_deref(), ("MaxRecords", input.max_records))?;
    let groups: Result<Vec<_>, _> = page.iter().map(|id| ReplicationGroupOutput::of(env, id)).collect();
    Ok(DescribeReplicationGroupsOutput {
        replication_groups: groups?,
        marker,
    })
}

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
    let nodes = &env.account.cache.nodes;
    let all = || nodes.values().filter_map(|node| Some((node, group_of(env, node)?)));
    let chosen: Vec<(&Node, &ReplicationGroup)> = match &input.cache_cluster_id {
        Some(id) => vec![
            all()
                .find(|(node, _)| node.id == *id)
                .ok_or_else(|| ApiError::not_found("CacheClusterNotFound", format!("CacheCluster not found: {id}")))?,
        ],
        None if input.show_cache_clusters_not_in_replication_groups == Some(true) => Vec::new(),
        None => all().collect(),
    };
    let (page, marker) = page(chosen, input.marker.as_deref(), ("MaxRecords", input.max_records))?;
    let info = input.show_cache_node_info == Some(true);
    let cache_clusters = page.into_iter().map(|(node, group)| cluster(node, group, info));
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

fn cluster(node: &Node, group: &ReplicationGroup, info: bool) -> CacheClusterOutput {
    let inside = CacheNodeOutput {
        cache_node_id: "0001".to_owned(),
        cache_node_status: node.status.clone(),
        endpoint: node.endpoint(),
    };
    CacheClusterOutput {
        cache_cluster_id: node.id.clone(),
        cache_node_type: group.node_type.clone(),
        engine: group.engine.clone(),
        cache_cluster_status: node.status.clone(),
        num_cache_nodes: 1,
        cache_nodes: if info { vec![inside] } else { Vec::new() },
        replication_group_id: group.id.clone(),
        transit_encryption_enabled: group.tls,
    }
}
