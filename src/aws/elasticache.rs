//! ElastiCache through the SDK.
//!
//! `ModifyUserInput`, its builder and its fluent request derive `Debug` and print the passwords:
//! the one function that builds them sends them and formats nothing.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_elasticache::Client;
use aws_sdk_elasticache::config::{Builder, Config};
use aws_sdk_elasticache::types;
use aws_smithy_async::time::StaticTimeSource;

use super::body_limit::BodyLimit;
use super::cache_translation::{cache_cluster, replication_group, serverless_cache, user_group};
use super::call::{Calls, Operation};
use super::reply::{Pages, answers, only};
use super::user_translation::user;
use super::{
    AwsResult, CacheCluster, ReplicationGroup, ServerlessCache, UserGroup, UsersReader, UsersWriter, system_time,
};
use crate::clock::Timestamp;
use crate::rotation::observation::User;
use crate::secret::Password;

pub(super) const USERS: Operation = operation("DescribeUsers");
pub(super) const USER_GROUPS: Operation = operation("DescribeUserGroups");
pub(super) const REPLICATION_GROUPS: Operation = operation("DescribeReplicationGroups");
pub(super) const CACHE_CLUSTERS: Operation = operation("DescribeCacheClusters");
pub(super) const SERVERLESS_CACHES: Operation = operation("DescribeServerlessCaches");
const MODIFY_USER: Operation = operation("ModifyUser");

/// All that is asked of ElastiCache for rotations.
pub(super) const OPERATIONS: [Operation; 6] = [
    USERS,
    USER_GROUPS,
    REPLICATION_GROUPS,
    CACHE_CLUSTERS,
    SERVERLESS_CACHES,
    MODIFY_USER,
];

pub(super) const fn operation(name: &'static str) -> Operation {
    Operation {
        service: "elasticache",
        name,
    }
}

/// How many entries to ask for in a page: the most that ElastiCache's listings give where that is
/// documented.
const PAGE: i32 = 100;

/// How many serverless caches to ask for in a page: the service model's default and most.
const PAGE_OF_SERVERLESS_CACHES: i32 = 50;

/// How many pages there are at most: AWS's quota is 1,000 users, which may be raised.
const PAGES: u32 = 100;

/// The SDK's client at `endpoint`, or where the SDK looks for the service.
pub(super) fn client(config: &SdkConfig, endpoint: Option<&str>) -> Client {
    let mut builder = Builder::from(config).interceptor(BodyLimit);
    if let Some(url) = endpoint {
        builder = builder.endpoint_url(url);
    }
    Client::from_conf(builder.build())
}

/// Reads and changes ElastiCache.
pub(super) struct ElastiCache {
    client: Client,
    calls: Calls,
}

impl ElastiCache {
    pub(super) fn new(config: &SdkConfig, endpoint: Option<&str>, calls: Calls) -> Self {
        let client = client(config, endpoint);
        Self { client, calls }
    }
}

/// A request that is dated `signed_at`, and sent once. Neither the SDK's retries nor its
/// correction of clock skew may move that date, because AWS refusing it later is what keeps a
/// stalled write from landing.
pub(super) fn dated(signed_at: Timestamp) -> Builder {
    Config::builder()
        .time_source(StaticTimeSource::new(system_time(signed_at)))
        .disable_clock_skew_correction(true)
        .retry_config(RetryConfig::disabled())
}

#[async_trait]
impl UsersReader for ElastiCache {
    async fn user(&self, user_id: &str) -> AwsResult<User> {
        let call = self.client.describe_users().user_id(user_id).send();
        let reply = self.calls.run(USERS, user_id, call).await?;
        user(only(USERS, user_id, "UserNotFound", reply.users, |user| {
            is(user.user_id(), user_id)
        })?)
    }

    async fn users(&self) -> AwsResult<Vec<User>> {
        let mut users = Vec::new();
        let mut pages = Pages::new(USERS, "*", PAGES);
        loop {
            let call = self
                .client
                .describe_users()
                .max_records(PAGE)
                .set_marker(pages.marker());
            let reply = self.calls.run(USERS, "*", call.send()).await?;
            for found in reply.users.unwrap_or_default() {
                users.push(user(found)?);
            }
            if !pages.turn(reply.marker)? {
                return Ok(users);
            }
        }
    }

    async fn user_group(&self, id: &str) -> AwsResult<UserGroup> {
        let call = self.client.describe_user_groups().user_group_id(id).send();
        let reply = self.calls.run(USER_GROUPS, id, call).await?;
        let group = only(USER_GROUPS, id, "UserGroupNotFound", reply.user_groups, |group| {
            is(group.user_group_id(), id)
        })?;
        user_group(id, group)
    }

    async fn user_groups(&self) -> AwsResult<Vec<UserGroup>> {
        let mut groups = Vec::new();
        let mut pages = Pages::new(USER_GROUPS, "*", PAGES);
        loop {
            let call = self.client.describe_user_groups().max_records(PAGE);
            let reply = self
                .calls
                .run(USER_GROUPS, "*", call.set_marker(pages.marker()).send())
                .await?;
            groups.extend(readable(reply.user_groups, types::UserGroup::user_group_id, user_group));
            if !pages.turn(reply.marker)? {
                return Ok(groups);
            }
        }
    }

    async fn replication_group(&self, id: &str) -> AwsResult<ReplicationGroup> {
        let call = self
            .client
            .describe_replication_groups()
            .replication_group_id(id)
            .send();
        let reply = self.calls.run(REPLICATION_GROUPS, id, call).await?;
        let (operation, unknown) = (REPLICATION_GROUPS, "ReplicationGroupNotFoundFault");
        let group = only(operation, id, unknown, reply.replication_groups, |group| {
            is(group.replication_group_id(), id)
        })?;
        replication_group(id, group)
    }

    async fn replication_groups(&self) -> AwsResult<Vec<ReplicationGroup>> {
        let mut groups = Vec::new();
        let mut pages = Pages::new(REPLICATION_GROUPS, "*", PAGES);
        loop {
            let call = self.client.describe_replication_groups().max_records(PAGE);
            let call = call.set_marker(pages.marker());
            let reply = self.calls.run(REPLICATION_GROUPS, "*", call.send()).await?;
            let named = types::ReplicationGroup::replication_group_id;
            groups.extend(readable(reply.replication_groups, named, replication_group));
            if !pages.turn(reply.marker)? {
                return Ok(groups);
            }
        }
    }

    async fn cache_cluster(&self, id: &str) -> AwsResult<CacheCluster> {
        let call = self
            .client
            .describe_cache_clusters()
            .cache_cluster_id(id)
            .show_cache_node_info(true)
            .send();
        let reply = self.calls.run(CACHE_CLUSTERS, id, call).await?;
        let (operation, unknown) = (CACHE_CLUSTERS, "CacheClusterNotFound");
        let cluster = only(operation, id, unknown, reply.cache_clusters, |cluster| {
            is(cluster.cache_cluster_id(), id)
        })?;
        cache_cluster(id, cluster)
    }

    async fn cache_clusters(&self) -> AwsResult<Vec<CacheCluster>> {
        let mut clusters = Vec::new();
        let mut pages = Pages::new(CACHE_CLUSTERS, "*", PAGES);
        loop {
            let call = self
                .client
                .describe_cache_clusters()
                .show_cache_node_info(true)
                .max_records(PAGE);
            let call = call.set_marker(pages.marker());
            let reply = self.calls.run(CACHE_CLUSTERS, "*", call.send()).await?;
            clusters.extend(readable(
                reply.cache_clusters,
                types::CacheCluster::cache_cluster_id,
                cache_cluster,
            ));
            if !pages.turn(reply.marker)? {
                return Ok(clusters);
            }
        }
    }

    async fn serverless_cache(&self, name: &str) -> AwsResult<ServerlessCache> {
        let call = self
            .client
            .describe_serverless_caches()
            .serverless_cache_name(name)
            .send();
        let reply = self.calls.run(SERVERLESS_CACHES, name, call).await?;
        let (operation, unknown) = (SERVERLESS_CACHES, "ServerlessCacheNotFoundFault");
        let cache = only(operation, name, unknown, reply.serverless_caches, |cache| {
            is(cache.serverless_cache_name(), name)
        })?;
        serverless_cache(name, cache)
    }

    async fn serverless_caches(&self) -> AwsResult<Vec<ServerlessCache>> {
        let mut caches = Vec::new();
        let mut pages = Pages::new(SERVERLESS_CACHES, "*", PAGES);
        loop {
            let call = self
                .client
                .describe_serverless_caches()
                .max_results(PAGE_OF_SERVERLESS_CACHES);
            let call = call.set_next_token(pages.marker());
            let reply = self.calls.run(SERVERLESS_CACHES, "*", call.send()).await?;
            let named = types::ServerlessCache::serverless_cache_name;
            caches.extend(readable(reply.serverless_caches, named, serverless_cache));
            if !pages.turn(reply.next_token)? {
                return Ok(caches);
            }
        }
    }
}

#[async_trait]
impl UsersWriter for ElastiCache {
    async fn set_passwords(&self, user_id: &str, passwords: &[Password], signed_at: Timestamp) -> AwsResult<()> {
        let texts = passwords.iter().map(|password| password.expose().to_owned()).collect();
        let call = self
            .client
            .modify_user()
            .user_id(user_id)
            .set_passwords(Some(texts))
            .customize()
            .config_override(dated(signed_at));
        let reply = self.calls.run(MODIFY_USER, user_id, call.send()).await?;
        answers(MODIFY_USER, user_id, is(reply.user_id(), user_id))
    }
}

/// What can be read of a listing's page. The rest is asked for singly by whoever needs it, and then
/// found to be unreadable.
fn readable<S, T>(page: Option<Vec<S>>, id: fn(&S) -> Option<&str>, read: fn(&str, S) -> AwsResult<T>) -> Vec<T> {
    let one = |shown: S| {
        let id = id(&shown)?.to_ascii_lowercase();
        read(&id, shown).ok()
    };
    page.unwrap_or_default().into_iter().filter_map(one).collect()
}

/// Whether AWS's word is ours. ElastiCache keeps ids in lower case, and spells the statuses of
/// serverless caches in capitals.
fn is(theirs: Option<&str>, ours: &str) -> bool {
    theirs.is_some_and(|theirs| theirs.eq_ignore_ascii_case(ours))
}

#[cfg(test)]
#[path = "elasticache_tests.rs"]
mod tests;
