//! The ports of `rekeyd onboard` and `rekeyd takeover`: what they read beyond a rotation's needs, and what they
//! create and change beyond a rotation's rights.
//!
//! The daemon is never given these: its own writers put versions, move labels and set passwords, and nothing else.

mod elasticache;
mod secrets_manager;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use secrecy::SecretString;

use super::call::Calls;
use super::{AwsResult, SecretsReader, SecretsWriter, UsersReader};
use crate::clock::Timestamp;
use crate::policy::Place;
use crate::rotation::observation::User;
use crate::secret::Password;

use elasticache::Users;
use secrets_manager::Secrets;

/// A user with what a rotation never asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserSettings {
    /// The user.
    pub user: User,
    /// `redis` or `valkey`.
    pub engine: String,
    /// Its access string, as ElastiCache writes it back.
    pub access_string: String,
}

/// A user group, as far as its membership goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupSettings {
    /// `redis` or `valkey`.
    pub engine: String,
    /// Its status; only an `active` one can be changed.
    pub status: String,
    /// The ids of its users.
    pub users: BTreeSet<String>,
}

/// How Secrets Manager rotates a secret, or did before that was cancelled.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ManagedRotation {
    /// Whether it does.
    pub enabled: bool,
    /// Its function.
    pub lambda_arn: Option<String>,
    /// `AutomaticallyAfterDays`.
    pub after_days: Option<i64>,
    /// `ScheduleExpression`.
    pub schedule: Option<String>,
    /// `Duration`, such as `3h`.
    pub duration: Option<String>,
}

/// Reads what a rotation never asks for.
#[async_trait]
pub trait SettingsReader: Send + Sync {
    /// A user; nothing if there is none.
    async fn user(&self, user_id: &str) -> AwsResult<Option<UserSettings>>;

    /// A user group; nothing if there is none.
    async fn group(&self, group_id: &str) -> AwsResult<Option<GroupSettings>>;

    /// The tags of a user.
    async fn user_tags(&self, user_arn: &str) -> AwsResult<BTreeMap<String, String>>;

    /// How Secrets Manager rotates a secret.
    async fn managed_rotation(&self, secret: &str) -> AwsResult<ManagedRotation>;

    /// The text of a version; nothing if it is binary.
    async fn text(&self, secret_arn: &str, version_id: &str) -> AwsResult<Option<SecretString>>;
}

/// A user to be created.
#[derive(Clone)]
pub struct NewUser {
    /// Its id.
    pub id: String,
    /// The name that logins take.
    pub name: String,
    /// `redis` or `valkey`.
    pub engine: String,
    /// What it may do; it is to switch the user off.
    pub access_string: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its password; without one it accepts anything, once it is on.
    pub password: Option<Password>,
}

/// A secret to be created.
#[derive(Clone)]
pub struct NewSecret {
    /// Its name.
    pub name: String,
    /// The id of its first version (ClientRequestToken): the same request sent twice creates it once.
    pub version_id: String,
    /// Its document.
    pub document: SecretString,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The key that encrypts it, if not the account's own for Secrets Manager.
    pub kms_key_id: Option<String>,
}

/// Creates users and secrets and changes what is around them. Each request is dated `signed_at` and sent once.
#[async_trait]
pub trait Provisioner: Send + Sync {
    /// CreateUser.
    async fn create_user(&self, user: &NewUser, signed_at: Timestamp) -> AwsResult<()>;

    /// ModifyUser with an access string and nothing else: its passwords stay.
    async fn set_access_string(&self, user_id: &str, access_string: &str, signed_at: Timestamp) -> AwsResult<()>;

    /// ModifyUserGroup: adds one user.
    async fn add_to_group(&self, group_id: &str, user_id: &str, signed_at: Timestamp) -> AwsResult<()>;

    /// CreateSecret.
    async fn create_secret(&self, secret: &NewSecret, signed_at: Timestamp) -> AwsResult<()>;

    /// TagResource of Secrets Manager.
    async fn tag_secret(&self, secret: &str, tags: &BTreeMap<String, String>, signed_at: Timestamp) -> AwsResult<()>;

    /// CancelRotateSecret. AWSPENDING may stay where it is (botocore's service model).
    async fn cancel_rotation(&self, secret: &str, signed_at: Timestamp) -> AwsResult<()>;
}

/// Readers of one place.
#[derive(Clone)]
pub struct Eyes {
    /// Reads Secrets Manager.
    pub secrets: Arc<dyn SecretsReader>,
    /// Reads ElastiCache.
    pub users: Arc<dyn UsersReader>,
    /// Reads settings.
    pub settings: Arc<dyn SettingsReader>,
}

/// Writers of one place.
#[derive(Clone)]
pub struct Hands {
    /// Creates users and secrets.
    pub provisioner: Arc<dyn Provisioner>,
    /// Puts versions and moves labels.
    pub secrets: Arc<dyn SecretsWriter>,
}

/// The adapters over a loaded SDK configuration.
pub(super) fn adapters(
    config: &SdkConfig,
    place: &Place,
    calls: Calls,
) -> (Arc<dyn SettingsReader>, Arc<dyn Provisioner>) {
    let both = Arc::new(Both {
        users: Users::new(config, place.elasticache_endpoint.as_deref(), calls.clone()),
        secrets: Secrets::new(config, place.secrets_manager_endpoint.as_deref(), calls),
    });
    (both.clone(), both)
}

/// Both services behind the two ports.
struct Both {
    users: Users,
    secrets: Secrets,
}

#[async_trait]
impl SettingsReader for Both {
    async fn user(&self, user_id: &str) -> AwsResult<Option<UserSettings>> {
        self.users.user(user_id).await
    }

    async fn group(&self, group_id: &str) -> AwsResult<Option<GroupSettings>> {
        self.users.group(group_id).await
    }

    async fn user_tags(&self, user_arn: &str) -> AwsResult<BTreeMap<String, String>> {
        self.users.tags(user_arn).await
    }

    async fn managed_rotation(&self, secret: &str) -> AwsResult<ManagedRotation> {
        self.secrets.managed_rotation(secret).await
    }

    async fn text(&self, secret_arn: &str, version_id: &str) -> AwsResult<Option<SecretString>> {
        self.secrets.text(secret_arn, version_id).await
    }
}

#[async_trait]
impl Provisioner for Both {
    async fn create_user(&self, user: &NewUser, signed_at: Timestamp) -> AwsResult<()> {
        self.users.create(user, signed_at).await
    }

    async fn set_access_string(&self, user_id: &str, access_string: &str, signed_at: Timestamp) -> AwsResult<()> {
        self.users.set_access_string(user_id, access_string, signed_at).await
    }

    async fn add_to_group(&self, group_id: &str, user_id: &str, signed_at: Timestamp) -> AwsResult<()> {
        self.users.add_to_group(group_id, user_id, signed_at).await
    }

    async fn create_secret(&self, secret: &NewSecret, signed_at: Timestamp) -> AwsResult<()> {
        self.secrets.create(secret, signed_at).await
    }

    async fn tag_secret(&self, secret: &str, tags: &BTreeMap<String, String>, signed_at: Timestamp) -> AwsResult<()> {
        self.secrets.tag(secret, tags, signed_at).await
    }

    async fn cancel_rotation(&self, secret: &str, signed_at: Timestamp) -> AwsResult<()> {
        self.secrets.cancel_rotation(secret, signed_at).await
    }
}
