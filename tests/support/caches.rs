//! Caches of every kind, their users' groups, and who was asked about a password there.

use std::collections::{BTreeMap, BTreeSet};

use rekeyd_sandbox::Settings;

use super::daemon::Daemon;
use super::world::quick;
use super::{Delay, World, eventually};

/// What a replication group is made of.
#[derive(Clone, Copy)]
pub enum Shape {
    /// Cluster mode off: a primary and replicas.
    Nodes(i32),
    /// Cluster mode on: so many shards, each with so many replicas.
    Shards(i32, i32),
}

/// Settings under which these nodes learn of no change.
pub fn deaf(nodes: &[&str]) -> Settings {
    Settings {
        node_propagation_ms: nodes.iter().map(|node| ((*node).to_owned(), Delay::NEVER)).collect(),
        ..quick()
    }
}

impl World {
    /// A user group of these users, for caches of an engine.
    pub async fn create_group(&self, group: &str, engine: &str, users: &[&str]) {
        let mut request = self.elasticache.create_user_group().user_group_id(group).engine(engine);
        if engine == "redis" {
            request = request.user_ids("default");
        }
        for user in users {
            request = request.user_ids(*user);
        }
        request.send().await.expect("user group");
    }

    /// A replication group that takes the users of a group; waits until it is available.
    pub async fn create_replication_group(&self, id: &str, group: &str, engine: &str, shape: Shape) {
        let request = self
            .elasticache
            .create_replication_group()
            .replication_group_id(id)
            .replication_group_description("for tests")
            .engine(engine)
            .transit_encryption_enabled(true)
            .user_group_ids(group);
        let request = match shape {
            Shape::Nodes(nodes) => request.num_cache_clusters(nodes),
            Shape::Shards(shards, replicas) => request
                .cluster_mode("enabled".into())
                .num_node_groups(shards)
                .replicas_per_node_group(replicas),
        };
        request.send().await.expect("replication group");
        self.cache_available(id).await;
    }

    /// Waits until a replication group is available.
    pub async fn cache_available(&self, id: &str) {
        eventually("the replication group is available", || async {
            let request = self.elasticache.describe_replication_groups().replication_group_id(id);
            let shown = request.send().await.expect("describe-replication-groups");
            let status = shown.replication_groups().first().and_then(|group| group.status());
            match status {
                Some("available") => Ok(()),
                status => Err(format!("{status:?}")),
            }
        })
        .await;
    }

    /// A serverless cache that takes the users of a group; waits until it is available.
    pub async fn create_serverless_cache(&self, name: &str, group: &str, engine: &str) {
        let request = self.elasticache.create_serverless_cache().serverless_cache_name(name);
        let request = request.engine(engine).user_group_id(group);
        request.send().await.expect("serverless cache");
        eventually("the serverless cache is available", || async {
            match self.serverless_cache(name).await.status() {
                Some("AVAILABLE") => Ok(()),
                status => Err(format!("{status:?}")),
            }
        })
        .await;
    }

    async fn serverless_cache(&self, name: &str) -> aws_sdk_elasticache::types::ServerlessCache {
        let request = self
            .elasticache
            .describe_serverless_caches()
            .serverless_cache_name(name);
        let shown = request.send().await.expect("describe-serverless-caches");
        shown.serverless_caches.unwrap_or_default().pop().expect("the cache")
    }

    /// Where a serverless cache shows that it answers.
    pub async fn endpoints_of(&self, name: &str) -> BTreeSet<String> {
        let cache = self.serverless_cache(name).await;
        let endpoints = [cache.endpoint(), cache.reader_endpoint()];
        endpoints.into_iter().flatten().map(address).collect()
    }

    /// Where DescribeCacheClusters shows nodes.
    pub async fn listed_nodes(&self) -> BTreeSet<String> {
        let request = self.elasticache.describe_cache_clusters().show_cache_node_info(true);
        let shown = request.send().await.expect("describe-cache-clusters");
        let nodes = shown.cache_clusters().iter().flat_map(|cluster| cluster.cache_nodes());
        nodes.filter_map(|node| node.endpoint()).map(address).collect()
    }

    /// The address of a node by its id.
    pub fn address_of(&self, node: &str) -> String {
        let nodes = self.sandbox.sandbox().nodes();
        let found = nodes.iter().find(|shown| shown.id == node).expect("the node");
        format!("{}:{}", found.host, found.port)
    }
}

fn address(endpoint: &aws_sdk_elasticache::types::Endpoint) -> String {
    format!(
        "{}:{}",
        endpoint.address().unwrap_or_default(),
        endpoint.port().unwrap_or_default()
    )
}

impl Daemon {
    /// Where it has logged in with a version's password, by its own log, and how often it was let in
    /// and refused there.
    pub fn logins_made(&self, version: &str) -> BTreeMap<String, (usize, usize)> {
        let mut made: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for line in self.log_text().lines() {
            let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else {
                continue;
            };
            let field = |key: &str| line["fields"][key].as_str().or(line[key].as_str()).unwrap_or_default();
            let accepted = match field("message") {
                "login accepted" => true,
                "login refused" => false,
                _ => continue,
            };
            if field("password_of") == version {
                let (let_in, refused) = made.entry(field("node").to_owned()).or_default();
                *if accepted { let_in } else { refused } += 1;
            }
        }
        made
    }

    /// The value of a metric.
    pub async fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").await.body;
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        let value = line.unwrap_or_else(|| panic!("no {series} in\n{text}")).trim();
        value.parse().expect("a number")
    }
}
