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
use super::call::{Calls, Operation};
use super::error::{AwsError, ErrorClass};
use super::reply::{Pages, answers, incomplete, only};
use super::{
    AwsResult, CacheCluster, ReplicationGroup, ServerlessCache, UserGroup, UsersReader, UsersWriter, system_time,
};
use crate::clock::Timestamp;
use crate::policy::Endpoint;
use crate::rotation::observation::{Authentication, User, UserStatus};
use crate::secret::Password;

const USERS: Operation = operation("DescribeUsers");
const USER_GROUPS: Operation = operation("DescribeUserGroups");
const REPLICATION_GROUPS: Operation = operation("DescribeReplicationGroups");
const CACHE_CLUSTERS: Operation = operation("DescribeCacheClusters");
const SERVERLESS_CACHES: Operation = operation("DescribeServerlessCaches");
const MODIFY_USER: Operation = operation("ModifyUser");

const fn operation(name: &'static str) -> Operation {
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

/// Reads and changes ElastiCache.
pub(super) struct ElastiCache {
    client: Client,
    calls: Calls,
}

impl ElastiCache {
    pub(super) fn new(config: &SdkConfig, endpoint: Option<&str>, calls: Calls) -> Self {
        let mut builder = Builder::from(config).interceptor(BodyLimit);
        if let Some(url) = endpoint {
            builder = builder.endpoint_url(url);
        }
        Self {
            client: Client::from_conf(builder.build()),
            calls,
        }
    }
}

/// A request that is dated `signed_at`, and sent once. Neither the SDK's retries nor its
/// correction of clock skew may move that date, because AWS refusing it later is what keeps a
/// stalled write from landing.
fn dated(signed_at: Timestamp) -> Builder {
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

/// The user group that was asked for as `id`.
fn user_group(id: &str, group: types::UserGroup) -> AwsResult<UserGroup> {
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
fn cache_cluster(id: &str, cluster: types::CacheCluster) -> AwsResult<CacheCluster> {
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
fn serverless_cache(name: &str, cache: types::ServerlessCache) -> AwsResult<ServerlessCache> {
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

/// Whether AWS's word is ours. ElastiCache keeps ids in lower case, and spells the statuses of
/// serverless caches in capitals.
fn is(theirs: Option<&str>, ours: &str) -> bool {
    theirs.is_some_and(|theirs| theirs.eq_ignore_ascii_case(ours))
}

fn endpoint(endpoint: Option<&types::Endpoint>) -> Option<Endpoint> {
    let endpoint = endpoint?;
    Some(Endpoint {
        host: endpoint.address().filter(|host| !host.is_empty())?.to_owned(),
        port: endpoint.port().and_then(|port| u16::try_from(port).ok())?,
    })
}

/// A user. Whatever a rotation rests on must be said: a user whose access string is missing would
/// look switched off, one without groups as if no login could prove anything, and one without
/// PasswordCount as if its password might be replaced. In AWS's command reference a user in no
/// group has an empty `UserGroupIds`, and only a user without a password has no `PasswordCount`.
///
/// # Errors
/// The answer lacks one of these, its name, ARN or status.
pub fn user(user: types::User) -> AwsResult<User> {
    let id = user.user_id.unwrap_or_default();
    let missing = |what: &str| incomplete(USERS, &id, what);
    let authentication = user
        .authentication
        .ok_or_else(|| missing("the user has no authentication"))?;
    let kind = authentication
        .r#type()
        .ok_or_else(|| missing("the user has no authentication type"))?;
    let kind = authentication_type(kind.as_str());
    let password_count = match authentication.password_count {
        None if kind == Authentication::Password => return Err(missing("the user has no password count")),
        count => u32::try_from(count.unwrap_or(0)).map_err(|_| missing("the password count is negative"))?,
    };
    let access = user
        .access_string
        .ok_or_else(|| missing("the user has no access string"))?;
    let groups = user
        .user_group_ids
        .ok_or_else(|| missing("the user says nothing of its groups"))?;
    Ok(User {
        name: user.user_name.ok_or_else(|| missing("the user has no name"))?,
        arn: user.arn.ok_or_else(|| missing("the user has no ARN"))?,
        status: status(&user.status.ok_or_else(|| missing("the user has no status"))?),
        authentication: kind,
        password_count,
        on: switched_on(&access),
        groups: groups.into_iter().collect(),
        id,
    })
}

fn status(text: &str) -> UserStatus {
    match text.to_ascii_lowercase().as_str() {
        "active" => UserStatus::Active,
        // Terraform's provider waits for `creating` as it does for `modifying`.
        "modifying" | "creating" => UserStatus::Modifying,
        "deleting" => UserStatus::Deleting,
        _ => UserStatus::Other(text.to_owned()),
    }
}

/// The service model spells the types `password`, `no-password` and `iam`, its inputs
/// `no-password-required`; a sample in AWS's guide prints `no_password`.
fn authentication_type(text: &str) -> Authentication {
    match text.to_ascii_lowercase().replace('_', "-").as_str() {
        "password" => Authentication::Password,
        "no-password" | "no-password-required" => Authentication::NoPassword,
        "iam" => Authentication::Iam,
        _ => Authentication::Unknown,
    }
}

/// Whether an access string switches its user on. The engine applies its words in order, and a
/// user is off unless one of them is `on` (ElastiCache's RBAC guide).
fn switched_on(access_string: &str) -> bool {
    access_string
        .split_whitespace()
        .rev()
        .find(|word| ["on", "off"].iter().any(|switch| word.eq_ignore_ascii_case(switch)))
        .is_some_and(|word| word.eq_ignore_ascii_case("on"))
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

#[cfg(test)]
#[path = "elasticache_tests.rs"]
mod tests;
