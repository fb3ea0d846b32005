//! DescribeServerlessCaches and DescribeGlobalReplicationGroups: what there is has been seeded.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::clusters::{Endpoint, timestamp};
use super::lenient;
use super::model::ServerlessCache;
use super::paging::page;
use crate::core::operation::Env;
use crate::error::ApiError;

/// Shows serverless caches.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DescribeServerlessCaches {
    /// Only this one.
    pub serverless_cache_name: Option<String>,
    /// Where the last page ended.
    pub next_token: Option<String>,
    /// How many on a page.
    #[serde(deserialize_with = "lenient::number")]
    pub max_results: Option<i64>,
}

/// One page of serverless caches.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeServerlessCachesOutput {
    /// The caches.
    pub serverless_caches: Vec<ServerlessCacheOutput>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A serverless cache as replies show it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServerlessCacheOutput {
    /// Its name.
    pub serverless_cache_name: String,
    /// Upper case, unlike everywhere else in ElastiCache (botocore model).
    pub status: String,
    /// `redis` or `valkey`.
    pub engine: String,
    /// Whose users it knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_group_id: Option<String>,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Where to read.
    pub reader_endpoint: Endpoint,
    /// Since when.
    #[serde(serialize_with = "timestamp")]
    pub create_time: DateTime<Utc>,
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
}

super::elasticache!(DescribeServerlessCaches => DescribeServerlessCachesOutput, "DescribeServerlessCaches",
    mutates: false, |d| d.serverless_cache_name.as_deref(), serverless);

fn serverless(env: &mut Env<'_>, input: DescribeServerlessCaches) -> Result<DescribeServerlessCachesOutput, ApiError> {
    let caches = &env.account.cache.serverless;
    let chosen: Vec<&ServerlessCache> = match &input.serverless_cache_name {
        Some(name) => vec![caches.get(name).ok_or_else(|| {
            ApiError::not_found(
                "ServerlessCacheNotFoundFault",
                format!("Serverless cache {name} not found."),
            )
        })?],
        None => caches.values().collect(),
    };
    let (page, next_token) = page(chosen, input.next_token.as_deref(), input.max_results)?;
    let show = |cache: &ServerlessCache| {
        let endpoint = Endpoint {
            address: cache.host.clone(),
            port: cache.port,
        };
        ServerlessCacheOutput {
            serverless_cache_name: cache.name.clone(),
            status: "AVAILABLE".to_owned(),
            engine: cache.engine.clone(),
            user_group_id: cache.user_group_id.clone(),
            reader_endpoint: endpoint.clone(),
            endpoint,
            create_time: cache.created,
            arn: cache.arn.clone(),
        }
    };
    Ok(DescribeServerlessCachesOutput {
        serverless_caches: page.into_iter().map(show).collect(),
        next_token,
    })
}

/// Shows global datastores.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DescribeGlobalReplicationGroups {
    /// Only this one.
    pub global_replication_group_id: Option<String>,
    /// Whether to show its members.
    #[serde(deserialize_with = "lenient::flag")]
    pub show_member_info: Option<bool>,
    /// Where the last page ended.
    pub marker: Option<String>,
    /// How many on a page.
    #[serde(deserialize_with = "lenient::number")]
    pub max_records: Option<i64>,
}

/// One page of global datastores.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeGlobalReplicationGroupsOutput {
    /// The global datastores.
    pub global_replication_groups: Vec<GlobalReplicationGroupOutput>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// A global datastore as replies show it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GlobalReplicationGroupOutput {
    /// Its id.
    pub global_replication_group_id: String,
    /// Always `available`.
    pub status: String,
    /// Its members, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<GlobalMemberOutput>,
}

/// A member of a global datastore.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GlobalMemberOutput {
    /// The cache.
    pub replication_group_id: String,
    /// Its region.
    pub replication_group_region: String,
    /// `PRIMARY` or `SECONDARY`.
    pub role: String,
    /// `associated`.
    pub status: String,
}

super::elasticache!(DescribeGlobalReplicationGroups => DescribeGlobalReplicationGroupsOutput,
    "DescribeGlobalReplicationGroups", mutates: false, |d| d.global_replication_group_id.as_deref(), globals);

fn globals(
    env: &mut Env<'_>,
    input: DescribeGlobalReplicationGroups,
) -> Result<DescribeGlobalReplicationGroupsOutput, ApiError> {
    let all = &env.account.cache.globals;
    let chosen: Vec<&String> = match &input.global_replication_group_id {
        Some(id) => vec![all.get_key_value(id).map(|(key, _)| key).ok_or_else(|| {
            ApiError::not_found(
                "GlobalReplicationGroupNotFoundFault",
                format!("GlobalReplicationGroup {id} not found."),
            )
        })?],
        None => all.keys().collect(),
    };
    let (page, marker) = page(chosen, input.marker.as_deref(), input.max_records)?;
    let shown = input.show_member_info == Some(true);
    let members = |id: &String| {
        let members = all.get(id).filter(|_| shown).into_iter().flatten();
        members
            .map(|member| GlobalMemberOutput {
                replication_group_id: member.replication_group.clone(),
                replication_group_region: member.region.clone(),
                role: member.role.clone(),
                status: "associated".to_owned(),
            })
            .collect()
    };
    Ok(DescribeGlobalReplicationGroupsOutput {
        global_replication_groups: page
            .into_iter()
            .map(|id| GlobalReplicationGroupOutput {
                global_replication_group_id: id.clone(),
                status: "available".to_owned(),
                members: members(id),
            })
            .collect(),
        marker,
    })
}
