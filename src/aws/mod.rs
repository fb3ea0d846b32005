//! The ports to AWS: a reader and a writer for each service, the adapters that speak to it
//! through the SDK, and the one table of error classes.
//!
//! A command that must change nothing is given readers only.

mod body_limit;
mod cache_translation;
mod call;
mod connect;
mod credentials;
mod elasticache;
pub mod error;
mod event_bus;
mod flow;
mod http;
mod known;
#[cfg(test)]
mod mangled_tests;
pub mod provisioning;
mod readers;
mod reply;
mod request_id;
mod secret_translation;
mod secrets_manager;
mod user_translation;
#[cfg(test)]
pub(crate) mod wire;

use std::time::SystemTime;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::clock::Timestamp;
use crate::policy::Selection;
use crate::rotation::observation::{SecretState, User, VersionValue};
use crate::secret::Password;

pub(crate) use body_limit::BodyLimit;
pub(crate) use call::{Calls, Operation};
pub(crate) use connect::configure;
pub use connect::{CALL_TIMEOUT, connect, connect_operator, connect_through};
pub use error::{AwsError, ErrorClass};
pub use event_bus::{BusEvent, EventBus, MOST_EVENTS, connect_event_bus};
pub use flow::{Share, all, governed};
pub use http::http_client;
pub use known::{KnownVersions, SecretReading};
pub use readers::{PlaceReaders, connect_to_read};
pub use request_id::with_request_id;

/// What the SDK's answers mean in our words, for whoever gets them without HTTP: a simulation.
pub mod translation {
    pub use super::cache_translation::replication_group;
    pub use super::secret_translation::{agree, agreed, filters, listed_secret, selects, state};
    pub use super::user_translation::user;
}

/// What a read or write of AWS gives.
pub type AwsResult<T> = Result<T, AwsError>;

/// A secret as a listing shows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ListedSecret {
    /// Its full ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
}

/// Reads Secrets Manager.
#[async_trait]
pub trait SecretsReader: Send + Sync {
    /// A secret's labels, flags and versions: DescribeSecret, then every page of
    /// ListSecretVersionIds with deprecated versions. Labels are DescribeSecret's, creation times
    /// the listing's. Takes a name or an ARN.
    async fn secret(&self, secret: &str) -> AwsResult<SecretState>;

    /// The same, without the listing if what is known makes it unnecessary: see [`KnownVersions`].
    ///
    /// # Errors
    /// Those of [`SecretsReader::secret`].
    async fn secret_knowing(&self, secret: &str, known: &KnownVersions) -> AwsResult<SecretReading> {
        let _ = known;
        Ok(SecretReading {
            state: self.secret(secret).await?,
            listed: true,
        })
    }

    /// The value of one version, by version id: stage labels are read later than they are
    /// written.
    async fn value(&self, secret_arn: &str, version_id: &str) -> AwsResult<VersionValue>;

    /// The secrets that `name_prefix` and `tags` select (not those that `secrets` names).
    async fn select(&self, selection: &Selection) -> AwsResult<Vec<ListedSecret>>;
}

/// Changes Secrets Manager. Each request is dated `signed_at` and sent once.
#[async_trait]
pub trait SecretsWriter: Send + Sync {
    /// Waits until one change may be made. So the wait is over before it is asked whether what the change
    /// rests on is still fresh.
    async fn ready(&self) {}

    /// Puts a version with this id (ClientRequestToken) under AWSPENDING.
    async fn put_pending(
        &self,
        secret_arn: &str,
        version_id: &str,
        document: &SecretString,
        signed_at: Timestamp,
    ) -> AwsResult<()>;

    /// Moves AWSCURRENT from one version to another; fails when the first does not carry it.
    async fn move_current(&self, secret_arn: &str, from: &str, to: &str, signed_at: Timestamp) -> AwsResult<()>;

    /// Removes AWSPENDING from a version; fails when it does not carry it.
    async fn remove_pending(&self, secret_arn: &str, version_id: &str, signed_at: Timestamp) -> AwsResult<()>;
}

/// A user group and the caches behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserGroup {
    /// Its id.
    pub id: String,
    /// The replication groups that it guards.
    pub replication_groups: Vec<String>,
    /// The serverless caches that it guards.
    pub serverless_caches: Vec<String>,
}

/// A replication group and its members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicationGroup {
    /// Its id.
    pub id: String,
    /// Whether its nodes take TLS (TransitEncryptionEnabled; mode `preferred` takes it too).
    pub transit_encryption: bool,
    /// Whether cluster mode is on.
    pub cluster_enabled: bool,
    /// The global datastore that it belongs to.
    pub global_datastore: Option<String>,
    /// The cache clusters that are its nodes.
    pub members: Vec<String>,
    /// Each member's address, where the group itself shows it (cluster mode off).
    pub read_endpoints: Vec<(String, crate::policy::Endpoint)>,
}

/// A cache cluster: one node of a replication group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CacheCluster {
    /// Its id.
    pub id: String,
    /// Its nodes' addresses, each with whether ElastiCache calls it `available`.
    pub nodes: Vec<(crate::policy::Endpoint, bool)>,
}

/// A serverless cache.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerlessCache {
    /// Its name.
    pub name: String,
    /// Its endpoints.
    pub endpoints: Vec<crate::policy::Endpoint>,
    /// Whether ElastiCache calls it `available`.
    pub available: bool,
}

/// Reads ElastiCache. Every listing reads all pages; what it lacks may be there all the same.
#[async_trait]
pub trait UsersReader: Send + Sync {
    /// One user; an unknown one is an error of class [`ErrorClass::NotFound`].
    async fn user(&self, user_id: &str) -> AwsResult<User>;

    /// All users of the place.
    async fn users(&self) -> AwsResult<Vec<User>>;

    /// What reading users costs just now.
    fn cost_of_users(&self) -> CostOfUsers {
        CostOfUsers {
            listing: Some(1),
            a_second: f64::INFINITY,
        }
    }

    /// A user group.
    async fn user_group(&self, id: &str) -> AwsResult<UserGroup>;

    /// All user groups of the place whose description can be read.
    async fn user_groups(&self) -> AwsResult<Vec<UserGroup>> {
        Err(AwsError::internal("user_groups", "this reader lists none"))
    }

    /// A replication group.
    async fn replication_group(&self, id: &str) -> AwsResult<ReplicationGroup>;

    /// All replication groups of the place whose description can be read.
    async fn replication_groups(&self) -> AwsResult<Vec<ReplicationGroup>> {
        Err(AwsError::internal("replication_groups", "this reader lists none"))
    }

    /// A cache cluster, with its nodes.
    async fn cache_cluster(&self, id: &str) -> AwsResult<CacheCluster>;

    /// All cache clusters, with their nodes of the place whose description can be read.
    async fn cache_clusters(&self) -> AwsResult<Vec<CacheCluster>> {
        Err(AwsError::internal("cache_clusters", "this reader lists none"))
    }

    /// A serverless cache.
    async fn serverless_cache(&self, name: &str) -> AwsResult<ServerlessCache>;

    /// All serverless caches of the place whose description can be read.
    async fn serverless_caches(&self) -> AwsResult<Vec<ServerlessCache>> {
        Err(AwsError::internal("serverless_caches", "this reader lists none"))
    }
}

/// What reading users of a place costs.
#[derive(Clone, Copy, Debug)]
pub struct CostOfUsers {
    /// How many calls a listing of all takes, as far as is known; nothing while AWS would throttle it, so that
    /// each is read singly.
    pub listing: Option<usize>,
    /// How many calls a second may be sent.
    pub a_second: f64,
}

/// Changes ElastiCache. The request is dated `signed_at` and sent once.
#[async_trait]
pub trait UsersWriter: Send + Sync {
    /// Waits until one change may be made, as [`SecretsWriter::ready`] does.
    async fn ready(&self) {}

    /// How many changes a second may be made at the moment.
    fn rate(&self) -> f64 {
        f64::INFINITY
    }

    /// How many changes to prepare at the same time, so that each is made while what it rests on is fresh.
    fn at_once(&self) -> usize {
        usize::MAX
    }

    /// Replaces the user's passwords by these, at most two.
    async fn set_passwords(&self, user_id: &str, passwords: &[Password], signed_at: Timestamp) -> AwsResult<()>;
}

/// The four ports to one place.
#[derive(Clone)]
pub struct PlacePorts {
    /// Reads Secrets Manager.
    pub secrets: std::sync::Arc<dyn SecretsReader>,
    /// Changes Secrets Manager.
    pub secrets_writer: std::sync::Arc<dyn SecretsWriter>,
    /// Reads ElastiCache.
    pub users: std::sync::Arc<dyn UsersReader>,
    /// Changes ElastiCache.
    pub users_writer: std::sync::Arc<dyn UsersWriter>,
}

/// A timestamp as the SDK takes it.
pub fn system_time(at: Timestamp) -> SystemTime {
    at.into()
}
