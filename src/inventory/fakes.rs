//! Readers that know what a test tells them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;

use crate::aws::{
    AwsError, AwsResult, CacheCluster, ErrorClass, ListedSecret, ReplicationGroup, SecretsReader, ServerlessCache,
    UserGroup, UsersReader,
};
use crate::policy::{Endpoint, Selection};
use crate::rotation::observation::{Authentication, SecretState, User, UserStatus, VersionValue};

pub(super) fn failure(class: ErrorClass) -> AwsError {
    AwsError {
        class,
        operation: "Fake",
        resource: "fake".to_owned(),
        code: class.label().to_owned(),
        message: "told to".to_owned(),
        retry_after: None,
    }
}

/// Secrets, by name; each has the ARN `arn:NAME`.
pub(super) struct Secrets {
    names: BTreeSet<String>,
    /// What `select` fails with.
    pub(super) selecting: Option<AwsError>,
}

impl Secrets {
    pub(super) fn of(names: &[&str]) -> Self {
        Self {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            selecting: None,
        }
    }
}

#[async_trait]
impl SecretsReader for Secrets {
    async fn secret(&self, secret: &str) -> AwsResult<SecretState> {
        let name = secret.strip_prefix("arn:").unwrap_or(secret);
        let name = self.names.get(name).ok_or_else(|| failure(ErrorClass::NotFound))?;
        Ok(SecretState {
            arn: format!("arn:{name}"),
            name: name.clone(),
            deleted: None,
            rotation_enabled: false,
            owning_service: None,
            replicated: false,
            tags: BTreeMap::new(),
            last_changed: None,
            versions: BTreeMap::new(),
        })
    }

    async fn value(&self, _: &str, _: &str) -> AwsResult<VersionValue> {
        Err(failure(ErrorClass::Invalid))
    }

    async fn select(&self, selection: &Selection) -> AwsResult<Vec<ListedSecret>> {
        if let Some(error) = &self.selecting {
            return Err(error.clone());
        }
        let prefix = selection.name_prefix.as_deref().unwrap_or_default();
        let selected = self.names.iter().filter(|name| name.starts_with(prefix));
        let listed = |name: &String| ListedSecret {
            arn: format!("arn:{name}"),
            name: name.clone(),
        };
        Ok(selected.map(listed).collect())
    }
}

/// Groups and caches, by id.
#[derive(Default)]
pub(super) struct Caches {
    pub(super) groups: BTreeMap<String, UserGroup>,
    pub(super) replicated: BTreeMap<String, ReplicationGroup>,
    pub(super) clusters: BTreeMap<String, CacheCluster>,
    pub(super) serverless: BTreeMap<String, ServerlessCache>,
    /// Which reads there were.
    pub(super) reads: Mutex<Vec<String>>,
}

impl Caches {
    fn find<T: Clone>(&self, what: &BTreeMap<String, T>, id: &str) -> AwsResult<T> {
        self.reads.lock().unwrap().push(id.to_owned());
        what.get(id).cloned().ok_or_else(|| failure(ErrorClass::NotFound))
    }

    /// A user group over these caches.
    pub(super) fn group(mut self, id: &str, replicated: &[&str], serverless: &[&str]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let group = UserGroup {
            id: id.to_owned(),
            replication_groups: owned(replicated),
            serverless_caches: owned(serverless),
        };
        self.groups.insert(id.to_owned(), group);
        self
    }

    /// A replication group whose members each have one node, at `MEMBER:6379`.
    pub(super) fn cache(mut self, id: &str, cluster_enabled: bool, members: &[(&str, bool)]) -> Self {
        let mut group = ReplicationGroup {
            id: id.to_owned(),
            transit_encryption: true,
            cluster_enabled,
            global_datastore: None,
            members: Vec::new(),
            read_endpoints: Vec::new(),
        };
        for (member, available) in members {
            group.members.push((*member).to_owned());
            if !cluster_enabled {
                group.read_endpoints.push(((*member).to_owned(), address(member)));
            }
            let cluster = CacheCluster {
                id: (*member).to_owned(),
                nodes: vec![(address(member), *available)],
            };
            self.clusters.insert((*member).to_owned(), cluster);
        }
        self.replicated.insert(id.to_owned(), group);
        self
    }
}

pub(super) fn address(host: &str) -> Endpoint {
    Endpoint {
        host: host.to_owned(),
        port: 6379,
    }
}

/// A user in these groups.
pub(super) fn user(groups: &[&str]) -> User {
    User {
        id: "user1".to_owned(),
        name: "user1".to_owned(),
        arn: "arn:aws:elasticache:us-east-1:123456789012:user:user1".to_owned(),
        status: UserStatus::Active,
        authentication: Authentication::Password,
        password_count: 1,
        on: true,
        groups: groups.iter().map(|id| (*id).to_owned()).collect(),
    }
}

#[async_trait]
impl UsersReader for Caches {
    async fn user(&self, _: &str) -> AwsResult<User> {
        Err(failure(ErrorClass::NotFound))
    }

    async fn users(&self) -> AwsResult<Vec<User>> {
        Ok(Vec::new())
    }

    async fn user_group(&self, id: &str) -> AwsResult<UserGroup> {
        self.find(&self.groups, id)
    }

    async fn replication_group(&self, id: &str) -> AwsResult<ReplicationGroup> {
        self.find(&self.replicated, id)
    }

    async fn cache_cluster(&self, id: &str) -> AwsResult<CacheCluster> {
        self.find(&self.clusters, id)
    }

    async fn serverless_cache(&self, name: &str) -> AwsResult<ServerlessCache> {
        self.find(&self.serverless, name)
    }
}
