//! A sandbox, and the operator's hand in it: the real AWS SDK.

use std::path::{Path, PathBuf};

use aws_sdk_elasticache as elasticache;
use aws_sdk_secretsmanager as secretsmanager;
use rekeyd_sandbox::{Delay, SandboxServer, ServerConfig, Settings};
use tempfile::TempDir;

use super::aws::{CodeAndMessage, elasticache_client, secrets_client};
use super::{OLD, eventually};

pub const REGION: &str = "us-east-1";
pub const ACCOUNT: &str = "123456789012";
/// The user group and the replication group that tests use if they need only one.
pub const GROUP: &str = "group1";
pub const CACHE: &str = "cache1";

/// Access strings of a user that is on, and of one that is off.
pub const ON: &str = "on ~keys* -@all +get";
pub const OFF: &str = "off ~keys* -@all +get";

/// A sandbox, its clients and a folder for files.
pub struct World {
    pub sandbox: SandboxServer,
    pub elasticache: elasticache::Client,
    pub secrets: secretsmanager::Client,
    pub dir: TempDir,
}

/// Settings under which a change takes tens of milliseconds.
pub fn quick() -> Settings {
    Settings {
        propagation_ms: rekeyd_sandbox::Range { min: 10, max: 80 },
        detached_modifying_ms: 50,
        ..Settings::default()
    }
}

/// Settings under which the second replica learns of a change that late, or never.
pub fn late_replica(delay: Delay) -> Settings {
    Settings {
        node_propagation_ms: [("replica-2".to_owned(), delay)].into(),
        ..quick()
    }
}

/// An ElastiCache user's ARN.
pub fn user_arn(user: &str) -> String {
    format!("arn:aws:elasticache:{REGION}:{ACCOUNT}:user:{user}")
}

/// A secret document without a password.
pub fn document(user: &str) -> String {
    serde_json::json!({"user_arn": user_arn(user), "username": user}).to_string()
}

/// A secret document with a password.
pub fn document_with(user: &str, password: &str) -> String {
    serde_json::json!({"username": user, "password": password, "user_arn": user_arn(user)}).to_string()
}

impl World {
    pub async fn start() -> Self {
        Self::with(quick()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let sandbox = SandboxServer::start(ServerConfig {
            settings,
            ..ServerConfig::default()
        })
        .await
        .expect("sandbox");
        let url = sandbox.url();
        Self {
            elasticache: elasticache_client(&url),
            secrets: secrets_client(&url),
            sandbox,
            dir: tempfile::tempdir().expect("folder"),
        }
    }

    /// A world in which these users are in use, each with the password `OLD`.
    pub async fn of(users: &[&str]) -> Self {
        let world = Self::start().await;
        for user in users {
            world.create_user(user, OLD).await;
        }
        world.create_cache(users).await;
        world
    }

    pub fn set_settings(&self, settings: Settings) {
        self.sandbox.sandbox().set_settings(settings);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A user as the AWS guide makes it: off and without password.
    pub async fn create_inactive_user(&self, user: &str) {
        self.elasticache
            .create_user()
            .user_id(user)
            .user_name(user)
            .engine("REDIS")
            .no_password_required(true)
            .access_string("off +get ~keys*")
            .send()
            .await
            .map_err(|error| format!("create-user: {:?}", error.code_and_message()))
            .expect("user");
    }

    /// A user that is in use.
    pub async fn create_user(&self, user: &str, password: &str) {
        self.create_user_with(user, user, ON, &[password]).await;
    }

    /// A user with an id, a name and an access string of the test's; no passwords make it passwordless.
    pub async fn create_user_with(&self, id: &str, name: &str, access: &str, passwords: &[&str]) {
        let request = self.elasticache.create_user().user_id(id).user_name(name);
        let request = request.engine("redis").access_string(access);
        let request = match passwords {
            [] => request.no_password_required(true),
            passwords => request.set_passwords(Some(owned(passwords))),
        };
        request.send().await.expect("user");
    }

    /// Sets a user's passwords, as anybody with the permission can; none makes it passwordless.
    pub async fn set_passwords(&self, user: &str, passwords: &[&str]) {
        let request = self.elasticache.modify_user().user_id(user);
        let request = match passwords {
            [] => request.no_password_required(true),
            passwords => request.set_passwords(Some(owned(passwords))),
        };
        request.send().await.expect("modify-user");
        self.settled(user).await;
    }

    /// A secret, as the AWS guide makes it. Gives its ARN.
    pub async fn create_secret(&self, name: &str, document: &str) -> String {
        let made = self
            .secrets
            .create_secret()
            .name(name)
            .secret_string(document)
            .send()
            .await
            .expect("secret");
        made.arn.expect("arn")
    }

    /// A replication group of a primary and two replicas, open to these users and `default`.
    pub async fn create_cache(&self, users: &[&str]) {
        self.create_cache_named(GROUP, CACHE, users, 3).await;
    }

    pub async fn create_cache_named(&self, group: &str, cache: &str, users: &[&str], nodes: i32) {
        let mut request = self
            .elasticache
            .create_user_group()
            .user_group_id(group)
            .engine("redis")
            .user_ids("default");
        for user in users {
            request = request.user_ids(*user);
        }
        request.send().await.expect("user group");
        self.elasticache
            .create_replication_group()
            .replication_group_id(cache)
            .replication_group_description("for tests")
            .engine("redis")
            .num_cache_clusters(nodes)
            .transit_encryption_enabled(true)
            .user_group_ids(group)
            .send()
            .await
            .expect("replication group");
        eventually("every node answers", || async {
            let nodes = self.addresses();
            for (host, port) in &nodes {
                self.try_login(host, *port, "nobody", "no password of anybody").await?;
            }
            if nodes.is_empty() {
                Err("no nodes".to_owned())
            } else {
                Ok(())
            }
        })
        .await;
    }

    /// A user in use with its cache and a secret that holds its password. Gives the secret's ARN.
    pub async fn live_user(&self, user: &str, password: &str) -> String {
        self.create_user(user, password).await;
        self.create_cache(&[user]).await;
        self.create_secret(&secret_name(user), &document_with(user, password))
            .await
    }

    /// Switches a user on or off, as an operator does.
    pub async fn switch(&self, user: &str, on: bool) {
        eventually("the user can be switched", || async {
            self.elasticache
                .modify_user()
                .user_id(user)
                .access_string(if on { ON } else { OFF })
                .send()
                .await
                .map(drop)
                .map_err(|error| error.code_and_message())
        })
        .await;
        self.settled(user).await;
    }

    /// Waits until the user is active.
    pub async fn settled(&self, user: &str) {
        eventually("the user is active", || async {
            let status = self.user(user).await.status.unwrap_or_default();
            if status == "active" { Ok(()) } else { Err(status) }
        })
        .await;
    }

    pub async fn user(&self, user: &str) -> elasticache::types::User {
        let found = self
            .elasticache
            .describe_users()
            .user_id(user)
            .send()
            .await
            .expect("describe-users");
        found.users.unwrap_or_default().pop().expect("user")
    }

    pub fn ca_file(&self) -> &Path {
        self.sandbox.ca_file()
    }
}

/// The name of the secret that belongs to a user in tests.
pub fn secret_name(user: &str) -> String {
    format!("production/ec/{user}")
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}
