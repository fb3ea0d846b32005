//! ElastiCache's ports over the sandbox's Rust door. Users and replication groups become the SDK's
//! types, and the daemon's own translation reads them; the calls are those of
//! `src/aws/elasticache.rs`. The rest is a matter of names only, and is translated here.

use async_trait::async_trait;
use aws_sdk_elasticache::types;
use rekeyd::aws::{AwsResult, CacheCluster, ReplicationGroup, ServerlessCache, UserGroup, UsersReader, UsersWriter};
use rekeyd::clock::Timestamp;
use rekeyd::policy::Endpoint;
use rekeyd::rotation::observation::User;
use rekeyd::secret::Password;
use rekeyd_sandbox::elasticache as ec;

use super::world::Wire;

/// The largest page, as the daemon asks for it.
const PAGE: i64 = 100;

#[async_trait]
impl UsersReader for Wire {
    async fn user(&self, user_id: &str) -> AwsResult<User> {
        let request = ec::DescribeUsers {
            user_id: Some(user_id.to_owned()),
            ..ec::DescribeUsers::default()
        };
        let reply = self.read(user_id, request).await?;
        rekeyd::aws::translation::user(user(the_one(reply.users)))
    }

    async fn users(&self) -> AwsResult<Vec<User>> {
        let (mut users, mut page) = (Vec::new(), None);
        loop {
            let request = ec::DescribeUsers {
                max_records: Some(PAGE),
                marker: page,
                ..ec::DescribeUsers::default()
            };
            let reply = self.read("*", request).await?;
            for found in reply.users {
                users.push(rekeyd::aws::translation::user(user(found))?);
            }
            page = reply.marker;
            if page.is_none() {
                return Ok(users);
            }
        }
    }

    async fn user_group(&self, id: &str) -> AwsResult<UserGroup> {
        let request = ec::DescribeUserGroups {
            user_group_id: Some(id.to_owned()),
            ..ec::DescribeUserGroups::default()
        };
        let group = the_one(self.read(id, request).await?.user_groups);
        Ok(user_group(group))
    }

    async fn user_groups(&self) -> AwsResult<Vec<UserGroup>> {
        let (mut groups, mut page) = (Vec::new(), None);
        loop {
            let request = ec::DescribeUserGroups {
                max_records: Some(PAGE),
                marker: page,
                ..ec::DescribeUserGroups::default()
            };
            let reply = self.read("*", request).await?;
            groups.extend(reply.user_groups.into_iter().map(user_group));
            page = reply.marker;
            if page.is_none() {
                return Ok(groups);
            }
        }
    }

    async fn replication_group(&self, id: &str) -> AwsResult<ReplicationGroup> {
        let request = ec::DescribeReplicationGroups {
            replication_group_id: Some(id.to_owned()),
            ..ec::DescribeReplicationGroups::default()
        };
        let group = the_one(self.read(id, request).await?.replication_groups);
        rekeyd::aws::translation::replication_group(id, replication_group(group))
    }

    async fn replication_groups(&self) -> AwsResult<Vec<ReplicationGroup>> {
        let (mut groups, mut page) = (Vec::new(), None);
        loop {
            let request = ec::DescribeReplicationGroups {
                max_records: Some(PAGE),
                marker: page,
                ..ec::DescribeReplicationGroups::default()
            };
            let reply = self.read("*", request).await?;
            for group in reply.replication_groups {
                let id = group.replication_group_id.clone();
                groups.push(rekeyd::aws::translation::replication_group(
                    &id,
                    replication_group(group),
                )?);
            }
            page = reply.marker;
            if page.is_none() {
                return Ok(groups);
            }
        }
    }

    async fn cache_cluster(&self, id: &str) -> AwsResult<CacheCluster> {
        let request = ec::DescribeCacheClusters {
            cache_cluster_id: Some(id.to_owned()),
            show_cache_node_info: Some(true),
            ..ec::DescribeCacheClusters::default()
        };
        let cluster = the_one(self.read(id, request).await?.cache_clusters);
        Ok(cache_cluster(cluster))
    }

    async fn cache_clusters(&self) -> AwsResult<Vec<CacheCluster>> {
        let (mut clusters, mut page) = (Vec::new(), None);
        loop {
            let request = ec::DescribeCacheClusters {
                show_cache_node_info: Some(true),
                max_records: Some(PAGE),
                marker: page,
                ..ec::DescribeCacheClusters::default()
            };
            let reply = self.read("*", request).await?;
            clusters.extend(reply.cache_clusters.into_iter().map(cache_cluster));
            page = reply.marker;
            if page.is_none() {
                return Ok(clusters);
            }
        }
    }

    async fn serverless_cache(&self, name: &str) -> AwsResult<ServerlessCache> {
        let request = ec::DescribeServerlessCaches {
            serverless_cache_name: Some(name.to_owned()),
            ..ec::DescribeServerlessCaches::default()
        };
        let cache = the_one(self.read(name, request).await?.serverless_caches);
        Ok(serverless_cache(cache))
    }

    async fn serverless_caches(&self) -> AwsResult<Vec<ServerlessCache>> {
        let (mut caches, mut page) = (Vec::new(), None);
        loop {
            let request = ec::DescribeServerlessCaches {
                next_token: page,
                ..ec::DescribeServerlessCaches::default()
            };
            let reply = self.read("*", request).await?;
            caches.extend(reply.serverless_caches.into_iter().map(serverless_cache));
            page = reply.next_token;
            if page.is_none() {
                return Ok(caches);
            }
        }
    }
}

#[async_trait]
impl UsersWriter for Wire {
    async fn set_passwords(&self, user_id: &str, passwords: &[Password], signed_at: Timestamp) -> AwsResult<()> {
        let request = ec::ModifyUser {
            user_id: user_id.to_owned(),
            passwords: Some(passwords.iter().map(|password| password.expose().into()).collect()),
            ..ec::ModifyUser::default()
        };
        self.send(user_id, request, signed_at).await.map(drop)
    }
}

/// What was asked for by its id: the sandbox answers with an error if there is none.
fn the_one<T>(found: Vec<T>) -> T {
    let mut found = found.into_iter();
    found.next().expect("an answer that holds what was asked for")
}

fn user_group(group: ec::UserGroupOutput) -> UserGroup {
    UserGroup {
        id: group.user_group_id,
        replication_groups: group.replication_groups,
        serverless_caches: group.serverless_caches,
    }
}

fn cache_cluster(cluster: ec::CacheClusterOutput) -> CacheCluster {
    let node = |node: ec::CacheNodeOutput| {
        let endpoint = node.endpoint.expect("nodes without processes have addresses");
        (address(&endpoint), node.cache_node_status == "available")
    };
    CacheCluster {
        id: cluster.cache_cluster_id,
        nodes: cluster.cache_nodes.into_iter().map(node).collect(),
    }
}

fn serverless_cache(cache: ec::ServerlessCacheOutput) -> ServerlessCache {
    ServerlessCache {
        endpoints: [&cache.endpoint, &cache.reader_endpoint]
            .into_iter()
            .flatten()
            .map(address)
            .collect(),
        available: cache.status.eq_ignore_ascii_case("available"),
        name: cache.serverless_cache_name,
    }
}

fn address(endpoint: &ec::Endpoint) -> Endpoint {
    Endpoint {
        host: endpoint.address.clone(),
        port: endpoint.port,
    }
}

fn user(user: ec::UserOutput) -> types::User {
    let kind = serde_json::to_value(user.authentication.r#type).expect("a word");
    let count = user.authentication.password_count;
    let authentication = types::Authentication::builder()
        .r#type(kind.as_str().expect("a word").into())
        .set_password_count(count.and_then(|count| i32::try_from(count).ok()));
    types::User::builder()
        .user_id(user.user_id)
        .user_name(user.user_name)
        .status(user.status)
        .access_string(user.access_string)
        .set_user_group_ids(Some(user.user_group_ids))
        .authentication(authentication.build())
        .arn(user.arn)
        .build()
}

fn replication_group(group: ec::ReplicationGroupOutput) -> types::ReplicationGroup {
    let member = |member: ec::NodeGroupMember| {
        let endpoint = member.read_endpoint.map(|endpoint| {
            let builder = types::Endpoint::builder().address(endpoint.address);
            builder.port(i32::from(endpoint.port)).build()
        });
        types::NodeGroupMember::builder()
            .cache_cluster_id(member.cache_cluster_id)
            .set_read_endpoint(endpoint)
            .build()
    };
    let shard = |shard: ec::NodeGroupOutput| {
        let members = shard.node_group_members.into_iter().map(member).collect();
        types::NodeGroup::builder()
            .set_node_group_members(Some(members))
            .build()
    };
    let global = group.global_replication_group_info.map(|info| {
        types::GlobalReplicationGroupInfo::builder()
            .global_replication_group_id(info.global_replication_group_id)
            .build()
    });
    types::ReplicationGroup::builder()
        .replication_group_id(group.replication_group_id)
        .transit_encryption_enabled(group.transit_encryption_enabled)
        .cluster_enabled(group.cluster_enabled)
        .set_member_clusters(Some(group.member_clusters))
        .set_node_groups(Some(group.node_groups.into_iter().map(shard).collect()))
        .set_global_replication_group_info(global)
        .build()
}
