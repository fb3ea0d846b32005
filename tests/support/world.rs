//! A sandbox, and the operator's hand in it: the real AWS SDK.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use aws_sdk_elasticache as elasticache;
use aws_sdk_secretsmanager as secretsmanager;
use rekeyd_sandbox::{Fault, SandboxServer, ServerConfig, Settings};
use tempfile::TempDir;

pub const REGION: &str = "us-east-1";
pub const ACCOUNT: &str = "123456789012";
/// The user group and the replication group that tests use if they need only one.
pub const GROUP: &str = "group1";
pub const CACHE: &str = "cache1";

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

/// The labels of a secret's versions, by version id.
pub type Labels = BTreeMap<String, Vec<String>>;

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
        self.elasticache
            .create_user()
            .user_id(user)
            .user_name(user)
            .engine("redis")
            .passwords(password)
            .access_string("on ~keys* -@all +get")
            .send()
            .await
            .expect("user");
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
        super::eventually("every node answers", || async {
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
        let state = if on { "on" } else { "off" };
        super::eventually("the user can be switched", || async {
            self.elasticache
                .modify_user()
                .user_id(user)
                .access_string(format!("{state} ~keys* -@all +get"))
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
        super::eventually("the user is active", || async {
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

    /// The labels of a secret's versions, those without labels included.
    pub async fn labels(&self, secret: &str) -> Labels {
        let listed = self
            .secrets
            .list_secret_version_ids()
            .secret_id(secret)
            .include_deprecated(true)
            .send()
            .await;
        let versions = listed.expect("versions").versions.unwrap_or_default();
        versions
            .into_iter()
            .map(|version| {
                (
                    version.version_id.unwrap_or_default(),
                    version.version_stages.unwrap_or_default(),
                )
            })
            .collect()
    }

    /// The version that carries a label.
    pub async fn holder(&self, secret: &str, label: &str) -> Option<String> {
        let labels = self.labels(secret).await;
        labels
            .into_iter()
            .find(|(_, stages)| stages.iter().any(|stage| stage == label))
            .map(|(id, _)| id)
    }

    /// The password under a label.
    pub async fn password(&self, secret: &str, label: &str) -> Option<String> {
        let value = self
            .secrets
            .get_secret_value()
            .secret_id(secret)
            .version_stage(label)
            .send()
            .await
            .ok()?;
        let document: serde_json::Value = serde_json::from_str(value.secret_string()?).ok()?;
        document["password"].as_str().map(str::to_owned)
    }

    /// The password of a version, whatever its labels.
    pub async fn version_password(&self, secret: &str, version: &str) -> String {
        let value = self
            .secrets
            .get_secret_value()
            .secret_id(secret)
            .version_id(version)
            .send()
            .await;
        let value = value.expect("a version").secret_string.expect("a text");
        let document: serde_json::Value = serde_json::from_str(&value).expect("a document");
        document["password"].as_str().expect("a password").to_owned()
    }

    /// The addresses of all nodes.
    pub fn addresses(&self) -> Vec<(String, u16)> {
        self.sandbox
            .sandbox()
            .nodes()
            .into_iter()
            .map(|node| (node.host, node.port))
            .collect()
    }

    /// A login by an independent client, `redis-cli`; an error when the node gives no answer to it.
    pub async fn try_login(&self, host: &str, port: u16, user: &str, password: &str) -> Result<bool, String> {
        let output = tokio::process::Command::new("redis-cli")
            .args(["-h", host, "-p", &port.to_string(), "--tls", "--cacert"])
            .arg(self.sandbox.ca_file())
            .args(["AUTH", user, password])
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| format!("redis-cli: {error}"))?;
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        match answer.trim() {
            "OK" => Ok(true),
            refused if refused.contains("WRONGPASS") => Ok(false),
            other => Err(format!("{other} {}", String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// On how many nodes a password logs in, of how many.
    pub async fn logins(&self, user: &str, password: &str) -> (usize, usize) {
        let nodes = self.addresses();
        let mut accepted = 0;
        for (host, port) in &nodes {
            accepted += usize::from(self.try_login(host, *port, user, password).await.expect("an answer"));
        }
        (accepted, nodes.len())
    }

    /// Asserts that the password under AWSCURRENT logs in on every node (promise P1).
    pub async fn assert_current_logs_in(&self, secret: &str, user: &str) {
        loop {
            let password = self.password(secret, "AWSCURRENT").await.expect("a current password");
            let (accepted, nodes) = self.logins(user, &password).await;
            // A rotation may have ended between the reading and the last login.
            if self.password(secret, "AWSCURRENT").await.as_ref() == Some(&password) {
                let found = format!("{accepted} of {nodes} nodes");
                assert_eq!(
                    accepted, nodes,
                    "P1: the current password of {secret} logs in on {found}"
                );
                return;
            }
        }
    }

    pub fn faults(&self, faults: Vec<Fault>) {
        self.sandbox.sandbox().set_faults(faults);
    }

    /// How often each armed fault has fired.
    pub fn fired(&self) -> Vec<u64> {
        self.sandbox
            .sandbox()
            .faults()
            .iter()
            .map(|fault| fault.fired)
            .collect()
    }

    /// Waits until the first armed fault has fired.
    pub async fn fault_fired(&self) {
        super::eventually("the fault strikes", || async {
            if self.fired().first().is_some_and(|fired| *fired > 0) {
                Ok(())
            } else {
                Err(format!("{:?}", self.calls()))
            }
        })
        .await;
    }

    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.sandbox.sandbox().calls()
    }

    /// How many calls to an operation were made, such as `elasticache.ModifyUser`.
    pub fn count(&self, operation: &str) -> u64 {
        self.calls().get(operation).copied().unwrap_or(0)
    }

    pub fn ca_file(&self) -> &Path {
        self.sandbox.ca_file()
    }
}

/// The name of the secret that belongs to a user in tests.
pub fn secret_name(user: &str) -> String {
    format!("production/ec/{user}")
}

pub fn elasticache_client(url: &str) -> elasticache::Client {
    let config = elasticache::Config::builder()
        .behavior_version_latest()
        .region(elasticache::config::Region::new(REGION))
        .endpoint_url(url)
        .credentials_provider(elasticache::config::Credentials::new(
            "OPERATOR", "secret", None, None, "test",
        ));
    elasticache::Client::from_conf(config.build())
}

pub fn secrets_client(url: &str) -> secretsmanager::Client {
    let config = secretsmanager::Config::builder()
        .behavior_version_latest()
        .region(secretsmanager::config::Region::new(REGION))
        .endpoint_url(url)
        .credentials_provider(secretsmanager::config::Credentials::new(
            "OPERATOR", "secret", None, None, "test",
        ));
    secretsmanager::Client::from_conf(config.build())
}

/// What AWS answered to a call that failed, without the request.
pub trait CodeAndMessage {
    fn code_and_message(&self) -> String;
}

impl<E, R> CodeAndMessage for elasticache::error::SdkError<E, R>
where
    E: elasticache::error::ProvideErrorMetadata,
{
    fn code_and_message(&self) -> String {
        match self.as_service_error() {
            Some(error) => format!("{:?}: {:?}", error.code(), error.message()),
            None => "no answer".to_owned(),
        }
    }
}
