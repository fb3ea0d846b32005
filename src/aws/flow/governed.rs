//! The ports of a place, within its budgets.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use super::budget::{Budget, PlaceBudgets};
use super::shared::{Reading, Shared, Source};
use crate::aws::{
    AwsResult, CacheCluster, CostOfUsers, KnownVersions, ListedSecret, PlacePorts, ReplicationGroup, SecretReading,
    SecretsReader, SecretsWriter, ServerlessCache, UserGroup, UsersReader, UsersWriter,
};
use crate::clock::{SharedClock, Timestamp};
use crate::policy::Selection;
use crate::rotation::observation::{SecretState, User, VersionValue};
use crate::secret::Password;

/// Over so many seconds the writes are spread that are prepared at the same time. The last of them
/// rests on an observation of that age and a little more, which `write_deadline` bounds; the more there
/// are, the more of them share their reads.
const SECONDS_OF_WRITES: f64 = 5.0;

/// The same for the first ones, until it is known that AWS takes so many.
const SECONDS_OF_FIRST_WRITES: f64 = 1.0;

/// The same where AWS throttles. They are few then, and their looks take less time.
const SECONDS_OF_THROTTLED_WRITES: f64 = 8.0;

/// The same where AWS throttles reads: what one of them waits for is read within so many seconds.
const SECONDS_OF_THROTTLED_READS: f64 = 2.0;

/// Reads Secrets Manager within its budget.
pub(super) struct GovernedSecrets {
    inner: Arc<dyn SecretsReader>,
    reads: Arc<Budget>,
}

impl GovernedSecrets {
    pub(super) fn new(inner: Arc<dyn SecretsReader>, budgets: &PlaceBudgets) -> Self {
        Self {
            inner,
            reads: budgets.secrets_manager_reads.clone(),
        }
    }
}

#[async_trait]
impl SecretsReader for GovernedSecrets {
    async fn secret(&self, secret: &str) -> AwsResult<SecretState> {
        self.reads.read(2, || self.inner.secret(secret)).await
    }

    async fn secret_knowing(&self, secret: &str, known: &KnownVersions) -> AwsResult<SecretReading> {
        self.reads.read(1, || self.inner.secret_knowing(secret, known)).await
    }

    async fn value(&self, secret_arn: &str, version_id: &str) -> AwsResult<VersionValue> {
        self.reads.read(1, || self.inner.value(secret_arn, version_id)).await
    }

    async fn select(&self, selection: &Selection) -> AwsResult<Vec<ListedSecret>> {
        self.reads.read(1, || self.inner.select(selection)).await
    }
}

/// Changes both services within their budgets.
pub(super) struct GovernedWrites {
    secrets: Arc<dyn SecretsWriter>,
    users: Arc<dyn UsersWriter>,
    secret_writes: Arc<Budget>,
    modify_user: Arc<Budget>,
    user_reads: Arc<Budget>,
}

impl GovernedWrites {
    pub(super) fn new(ports: &PlacePorts, budgets: &PlaceBudgets) -> Self {
        Self {
            secrets: ports.secrets_writer.clone(),
            users: ports.users_writer.clone(),
            secret_writes: budgets.secrets_manager_writes.clone(),
            modify_user: budgets.modify_user.clone(),
            user_reads: budgets.elasticache_reads.clone(),
        }
    }
}

#[async_trait]
impl SecretsWriter for GovernedWrites {
    async fn ready(&self) {
        self.secret_writes.wait_for(1).await;
    }

    async fn put_pending(
        &self,
        secret_arn: &str,
        version_id: &str,
        document: &SecretString,
        signed_at: Timestamp,
    ) -> AwsResult<()> {
        let put = self.secrets.put_pending(secret_arn, version_id, document, signed_at);
        self.secret_writes.call(0, put).await
    }

    async fn move_current(&self, secret_arn: &str, from: &str, to: &str, signed_at: Timestamp) -> AwsResult<()> {
        let moved = self.secrets.move_current(secret_arn, from, to, signed_at);
        self.secret_writes.call(0, moved).await
    }

    async fn remove_pending(&self, secret_arn: &str, version_id: &str, signed_at: Timestamp) -> AwsResult<()> {
        let removed = self.secrets.remove_pending(secret_arn, version_id, signed_at);
        self.secret_writes.call(0, removed).await
    }
}

#[async_trait]
impl UsersWriter for GovernedWrites {
    async fn ready(&self) {
        self.modify_user.wait_for(1).await;
    }

    fn rate(&self) -> f64 {
        self.modify_user.rate()
    }

    fn at_once(&self) -> usize {
        let seconds = match (self.modify_user.is_untried(), self.modify_user.is_throttled()) {
            (true, _) => SECONDS_OF_FIRST_WRITES,
            (false, true) => SECONDS_OF_THROTTLED_WRITES,
            (false, false) => SECONDS_OF_WRITES,
        };
        let writes = self.modify_user.rate() * seconds;
        let prepared = match self.user_reads.is_throttled() {
            true => writes.min(self.user_reads.rate() * SECONDS_OF_THROTTLED_READS),
            false => writes,
        };
        prepared.ceil().max(2.0) as usize
    }

    async fn set_passwords(&self, user_id: &str, passwords: &[Password], signed_at: Timestamp) -> AwsResult<()> {
        let set = self.users.set_passwords(user_id, passwords, signed_at);
        self.modify_user.call(0, set).await
    }
}

/// Reads ElastiCache within its budget, once for all who ask at the same time.
pub(super) struct GovernedUsers {
    inner: Arc<dyn UsersReader>,
    reads: Arc<Budget>,
    users: Arc<Shared<User>>,
    user_groups: Arc<Shared<UserGroup>>,
    replication_groups: Arc<Shared<ReplicationGroup>>,
    cache_clusters: Arc<Shared<CacheCluster>>,
    serverless_caches: Arc<Shared<ServerlessCache>>,
}

impl GovernedUsers {
    pub(super) fn new(inner: Arc<dyn UsersReader>, budgets: &PlaceBudgets, clock: &SharedClock) -> Self {
        let reads = &budgets.elasticache_reads;
        Self {
            users: Shared::new(Users::of(&inner, reads), clock.clone()),
            user_groups: Shared::new(UserGroups::of(&inner, reads), clock.clone()),
            replication_groups: Shared::new(ReplicationGroups::of(&inner, reads), clock.clone()),
            cache_clusters: Shared::new(CacheClusters::of(&inner, reads), clock.clone()),
            serverless_caches: Shared::new(ServerlessCaches::of(&inner, reads), clock.clone()),
            reads: reads.clone(),
            inner,
        }
    }
}

#[async_trait]
impl UsersReader for GovernedUsers {
    async fn user(&self, user_id: &str) -> AwsResult<User> {
        self.users.ask(user_id).await
    }

    async fn users(&self) -> AwsResult<Vec<User>> {
        self.reads.read(1, || self.inner.users()).await
    }

    fn cost_of_users(&self) -> CostOfUsers {
        CostOfUsers {
            listing: self.users.listing_calls(),
            a_second: self.reads.rate(),
        }
    }

    async fn user_group(&self, id: &str) -> AwsResult<UserGroup> {
        self.user_groups.ask(id).await
    }

    async fn replication_group(&self, id: &str) -> AwsResult<ReplicationGroup> {
        self.replication_groups.ask(id).await
    }

    async fn cache_cluster(&self, id: &str) -> AwsResult<CacheCluster> {
        self.cache_clusters.ask(id).await
    }

    async fn serverless_cache(&self, name: &str) -> AwsResult<ServerlessCache> {
        self.serverless_caches.ask(name).await
    }
}

/// Where shared reads of one kind come from.
macro_rules! source {
    ($source:ident, $thing:ty, $one:ident, $all:ident, $id:ident) => {
        struct $source {
            inner: Arc<dyn UsersReader>,
            reads: Arc<Budget>,
        }

        impl $source {
            fn of(inner: &Arc<dyn UsersReader>, reads: &Arc<Budget>) -> Self {
                Self {
                    inner: inner.clone(),
                    reads: reads.clone(),
                }
            }
        }

        impl Source<$thing> for $source {
            fn one(&self, id: String) -> Reading<$thing> {
                let (inner, reads) = (self.inner.clone(), self.reads.clone());
                Box::pin(async move { reads.read(1, || inner.$one(&id)).await })
            }

            fn all(&self, pages: usize) -> Reading<Vec<$thing>> {
                let (inner, reads) = (self.inner.clone(), self.reads.clone());
                Box::pin(async move { reads.read(pages, || inner.$all()).await })
            }

            fn bears(&self, pages: Option<usize>) -> bool {
                self.reads.bears(pages)
            }

            fn id(&self, of: &$thing) -> String {
                of.$id.clone()
            }
        }
    };
}

source!(Users, User, user, users, id);
source!(UserGroups, UserGroup, user_group, user_groups, id);
source!(
    ReplicationGroups,
    ReplicationGroup,
    replication_group,
    replication_groups,
    id
);
source!(CacheClusters, CacheCluster, cache_cluster, cache_clusters, id);
source!(
    ServerlessCaches,
    ServerlessCache,
    serverless_cache,
    serverless_caches,
    name
);
