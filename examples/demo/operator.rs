//! The operator: sets everything up by the steps of the AWS guide, with the AWS SDK.

use std::time::Duration;

use aws_sdk_elasticache as elasticache;
use aws_sdk_secretsmanager as secretsmanager;
use elasticache::error::ProvideErrorMetadata;
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::sceptic::{Node, Password};
use crate::voice::Voice;

/// Where the demo plays.
pub(crate) const REGION: &str = "us-east-1";
/// What the secrets' names begin with.
pub(crate) const PREFIX: &str = "production/ec/";

const GROUP: &str = "demo";
const CACHE: &str = "demo";

/// How long anything that AWS does by itself may take here.
const PATIENCE: Duration = Duration::from_secs(30);

/// The name of a user's secret.
pub(crate) fn secret_name(user: &str) -> String {
    format!("{PREFIX}{user}")
}

/// The operator's clients.
pub(crate) struct Operator {
    elasticache: elasticache::Client,
    secrets: secretsmanager::Client,
}

impl Operator {
    pub(crate) fn new(url: &str) -> Self {
        let elasticache = elasticache::Config::builder()
            .behavior_version_latest()
            .region(elasticache::config::Region::new(REGION))
            .endpoint_url(url)
            .credentials_provider(elasticache::config::Credentials::new(
                "OPERATOR", "demo", None, None, "demo",
            ))
            .build();
        let secrets = secretsmanager::Config::builder()
            .behavior_version_latest()
            .region(secretsmanager::config::Region::new(REGION))
            .endpoint_url(url)
            .credentials_provider(secretsmanager::config::Credentials::new(
                "OPERATOR", "demo", None, None, "demo",
            ))
            .build();
        Self {
            elasticache: elasticache::Client::from_conf(elasticache),
            secrets: secretsmanager::Client::from_conf(secrets),
        }
    }

    /// Users, their secrets, a user group, a cache.
    pub(crate) async fn follow_the_guide(&self, voice: &Voice, users: &[&str]) -> Outcome<()> {
        voice.chapter("the operator follows the AWS guide");
        for user in users {
            let arn = self.create_inactive_user(user).await?;
            voice.now(
                "operator",
                "create-user",
                &format!("{user}: switched off and without a password"),
            );
            let document = serde_json::json!({"user_arn": arn, "username": user});
            self.secrets
                .create_secret()
                .name(secret_name(user))
                .secret_string(document.to_string())
                .send()
                .await
                .map_err(|error| failed("create-secret", error.as_service_error()))?;
            voice.now(
                "operator",
                "create-secret",
                &format!("{}: user_arn and username, no password yet", secret_name(user)),
            );
        }
        self.elasticache
            .create_user_group()
            .user_group_id(GROUP)
            .engine("redis")
            .set_user_ids(Some(
                ["default"].iter().chain(users).map(|user| (*user).to_owned()).collect(),
            ))
            .send()
            .await
            .map_err(|error| failed("create-user-group", error.as_service_error()))?;
        voice.now(
            "operator",
            "create-group",
            &format!("user group {GROUP}: default, {}", users.join(", ")),
        );
        self.elasticache
            .create_replication_group()
            .replication_group_id(CACHE)
            .replication_group_description("rekeyd's demo")
            .engine("redis")
            .num_cache_clusters(3)
            .transit_encryption_enabled(true)
            .user_group_ids(GROUP)
            .send()
            .await
            .map_err(|error| failed("create-replication-group", error.as_service_error()))?;
        voice.now(
            "operator",
            "create-cache",
            &format!("replication group {CACHE}: a primary and two replicas, TLS, user group {GROUP}"),
        );
        Ok(())
    }

    async fn create_inactive_user(&self, user: &str) -> Outcome<String> {
        let created = self
            .elasticache
            .create_user()
            .user_id(user)
            .user_name(user)
            .engine("REDIS")
            .no_password_required(true)
            .access_string("off +get ~keys*")
            .send()
            .await
            .map_err(|error| failed("create-user", error.as_service_error()))?;
        created.arn.ok_or_else(|| format!("user {user} has no ARN"))
    }

    /// Switches the users on, each as soon as ElastiCache lets it be changed.
    pub(crate) async fn switch_on(&self, voice: &Voice, users: &[&str]) -> Outcome<()> {
        for user in users {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let switched = self
                    .elasticache
                    .modify_user()
                    .user_id(*user)
                    .access_string("on ~keys* -@all +get")
                    .send()
                    .await;
                match switched {
                    Ok(_) => break,
                    Err(error) if Instant::now() > deadline => {
                        return Err(failed("modify-user", error.as_service_error()));
                    }
                    Err(_) => sleep(Duration::from_millis(200)).await,
                }
            }
            voice.now(
                "operator",
                "modify-user",
                &format!("{user}: switched on; from now on its password counts, and logins can prove it"),
            );
        }
        Ok(())
    }

    /// The addresses of the cache's nodes, as ElastiCache tells them, once there are all.
    pub(crate) async fn nodes(&self) -> Outcome<Vec<Node>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let described = self
                .elasticache
                .describe_replication_groups()
                .replication_group_id(CACHE)
                .send()
                .await
                .map_err(|error| failed("describe-replication-groups", error.as_service_error()))?;
            let nodes: Vec<Node> = described
                .replication_groups()
                .iter()
                .flat_map(|group| group.node_groups())
                .flat_map(|group| group.node_group_members())
                .filter_map(|member| {
                    let endpoint = member.read_endpoint()?;
                    Some(Node {
                        host: endpoint.address()?.to_owned(),
                        port: u16::try_from(endpoint.port()?).ok()?,
                    })
                })
                .collect();
            if nodes.len() == 3 {
                return Ok(nodes);
            }
            if Instant::now() > deadline {
                return Err(format!("the cache shows {} nodes instead of 3", nodes.len()));
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// The password of a version of a user's secret, or of the one under AWSCURRENT.
    pub(crate) async fn password(&self, user: &str, version: Option<&str>) -> Outcome<Option<Password>> {
        let read = self
            .secrets
            .get_secret_value()
            .secret_id(secret_name(user))
            .set_version_id(version.map(str::to_owned))
            .send()
            .await
            .map_err(|error| failed("get-secret-value", error.as_service_error()))?;
        let document: serde_json::Value = serde_json::from_str(read.secret_string().unwrap_or_default())
            .map_err(|_| format!("the secret of {user} is no JSON"))?;
        Ok(document["password"].as_str().map(|text| Password(text.to_owned())))
    }
}

/// What AWS answered, without the request.
fn failed<E: ProvideErrorMetadata>(call: &str, error: Option<&E>) -> String {
    match error {
        Some(error) => format!(
            "{call}: {} {}",
            error.code().unwrap_or("no code"),
            error.message().unwrap_or_default()
        ),
        None => format!("{call}: no answer"),
    }
}
