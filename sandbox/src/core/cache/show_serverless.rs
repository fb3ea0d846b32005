//! DescribeServerlessCaches, and where an endpoint leads in the model.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::clusters::{Endpoint, timestamp};
use super::errors::serverless_not_found;
use super::lenient;
use super::model::{CacheState, ServerlessCache};
use super::paging::{Bounds, page};
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
    /// What it is for.
    pub description: String,
    /// Upper case, unlike everywhere else in ElastiCache (botocore model).
    pub status: String,
    /// `redis` or `valkey`.
    pub engine: String,
    /// The engine's version.
    pub major_engine_version: String,
    /// Whose users it knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_group_id: Option<String>,
    /// Where it is, once it is anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Where to read: the same host, another port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader_endpoint: Option<Endpoint>,
    /// Since when.
    #[serde(serialize_with = "timestamp")]
    pub create_time: DateTime<Utc>,
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
}

impl ServerlessCacheOutput {
    pub(crate) fn of(cache: &ServerlessCache) -> Self {
        let endpoint = |port: u16| {
            (port != 0).then(|| Endpoint {
                address: cache.host.clone(),
                port,
            })
        };
        Self {
            serverless_cache_name: cache.name.clone(),
            description: cache.description.clone(),
            status: cache.status.to_owned(),
            engine: cache.engine.clone(),
            major_engine_version: cache.major_version.clone(),
            user_group_id: cache.user_group_id.clone(),
            endpoint: endpoint(cache.port),
            reader_endpoint: endpoint(cache.reader_port),
            create_time: cache.created,
            arn: cache.arn.clone(),
        }
    }
}

super::elasticache!(DescribeServerlessCaches => DescribeServerlessCachesOutput, "DescribeServerlessCaches",
    mutates: false, |d| d.serverless_cache_name.as_deref(), describe);

fn describe(env: &mut Env<'_>, input: DescribeServerlessCaches) -> Result<DescribeServerlessCachesOutput, ApiError> {
    let caches = &env.account.cache.serverless;
    let chosen: Vec<&ServerlessCache> = match &input.serverless_cache_name {
        Some(name) => vec![
            caches
                .get(&name.to_ascii_lowercase())
                .ok_or_else(|| serverless_not_found(name))?,
        ],
        None => caches.values().collect(),
    };
    let (page, next_token) = page(
        chosen,
        input.next_token.as_deref(),
        &Bounds::results(input.max_results),
        |cache| cache.name.clone(),
    )?;
    Ok(DescribeServerlessCachesOutput {
        serverless_caches: page.into_iter().map(ServerlessCacheOutput::of).collect(),
        next_token,
    })
}

impl CacheState {
    /// The node that the next connection to an address leads to: a node's own address always to that
    /// node, the address of a serverless cache to the next of its nodes that answer.
    pub(crate) fn lead(&mut self, host: &str, port: u16) -> Option<String> {
        if port == 0 {
            return None;
        }
        let own = self.nodes.values().find(|node| node.host == host && node.port == port);
        if let Some(node) = own {
            return Some(node.id.clone());
        }
        let mut caches = self.serverless.values_mut();
        let cache = caches.find(|c| c.host == host && [c.port, c.reader_port].contains(&port))?;
        let answers = |id: &&String| self.nodes.get(*id).is_some_and(super::model::Node::answers);
        let nodes: Vec<&String> = cache.nodes.iter().filter(answers).collect();
        let node = nodes.get(cache.led % nodes.len().max(1)).map(|id| (*id).clone())?;
        cache.led += 1;
        Some(node)
    }
}
