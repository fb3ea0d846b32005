//! DescribeReplicationGroups, and what a cache looks like from outside.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};

use super::errors::cache_not_found;
use super::lenient;
use super::looks::GroupLooks;
use super::model::{Node, ReplicationGroup, Shard};
use super::paging::{Bounds, page};
use crate::core::operation::Env;
use crate::error::ApiError;

/// Times in this service are ISO 8601; milliseconds are what AWS sends.
pub(crate) fn timestamp<S: Serializer>(time: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// The same, of what need not be there.
pub(crate) fn timestamp_if<S: Serializer>(time: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => timestamp(time, to),
        None => to.serialize_none(),
    }
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
    /// What is asked for and not done yet.
    pub pending_modified_values: PendingModifiedValues,
    /// Whether it wants an AUTH token.
    pub auth_token_enabled: bool,
    /// Since when it is this one.
    #[serde(serialize_with = "timestamp_if", skip_serializing_if = "Option::is_none")]
    pub auth_token_last_modified_date: Option<DateTime<Utc>>,
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
    /// What else it was given, of which nothing depends.
    #[serde(flatten)]
    pub looks: GroupLooks,
}

/// What has been asked for and is not done yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PendingModifiedValues {
    /// `SETTING` or `ROTATING`, while a change of AUTH tokens is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_token_status: Option<String>,
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
            cache_node_type: group.looks.node_type.clone(),
            pending_modified_values: PendingModifiedValues {
                auth_token_status: group.auth.status().map(ToOwned::to_owned),
            },
            auth_token_enabled: group.auth.enabled(),
            auth_token_last_modified_date: group.auth.modified,
            transit_encryption_enabled: group.tls,
            transit_encryption_mode: group.tls.then(|| "required".to_owned()),
            arn: group.arn.clone(),
            user_group_ids: group.user_group_ids.clone(),
            replication_group_create_time: group.created,
            engine: group.engine.clone(),
            looks: group.looks.of_group(),
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
        Some(id) => vec![id.to_ascii_lowercase()],
        None => env.account.cache.caches.keys().cloned().collect(),
    };
    let (page, marker) = page(
        ids,
        input.marker.as_deref(),
        &Bounds::documented(input.max_records),
        String::clone,
    )?;
    let groups: Result<Vec<_>, _> = page.iter().map(|id| ReplicationGroupOutput::of(env, id)).collect();
    Ok(DescribeReplicationGroupsOutput {
        replication_groups: groups?,
        marker,
    })
}
