//! A sandbox behind HTTP whose clock stands still until a test moves it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use rekeyd_sandbox::{ManualClock, SandboxServer, ServerConfig, Settings};
use serde_json::{Value, json};

use crate::support::*;

/// The name of the secret.
pub const SECRET: &str = "s";

pub struct World {
    pub server: SandboxServer,
    pub client: Client,
    clock: ManualClock,
}

impl World {
    /// Changes to users take 100 ms, unless `patch` says otherwise.
    pub async fn with(patch: Value) -> Self {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
        let basis =
            json!({"caches": "virtual", "detached_modifying_ms": 100, "propagation_ms": {"min": 100, "max": 100}});
        let settings = Settings::default().patched(&basis).unwrap();
        let config = ServerConfig {
            settings: settings.patched(&patch).unwrap(),
            clock: Arc::new(clock.clone()),
            ..ServerConfig::default()
        };
        let server = SandboxServer::start(config).await.unwrap();
        let client = Client::of(&server);
        Self { server, client, clock }
    }

    /// Moves the clock on.
    pub fn pass(&self, ms: i64) {
        self.clock.advance(TimeDelta::milliseconds(ms));
    }

    /// Changes settings while it runs.
    pub async fn set(&self, patch: Value) {
        self.client.control("PUT", "settings", patch).await;
    }

    /// The user `u` and more of them in the group `g`, which the cache `rg` of two nodes is given.
    pub async fn with_users(&self, more: &[&str]) {
        for user in more {
            let form = format!("UserId={user}&UserName={user}&Engine=redis&AccessString=on&Passwords.member.1={OLD}");
            self.client.ec_ok("CreateUser", &form).await;
        }
        self.client.cache_with_user("u", "on ~* +@all", 2).await;
        let added = (1..)
            .zip(more)
            .map(|(n, user)| format!("&UserIdsToAdd.member.{n}={user}"));
        let form = format!("UserGroupId=g{}", added.collect::<String>());
        if !more.is_empty() {
            self.client.ec_ok("ModifyUserGroup", &form).await;
            self.pass(100);
        }
    }

    /// The secret `s` of the user `u`, with one version.
    pub async fn with_secret(&self) {
        let document =
            json!({"username": "u", "password": OLD, "user_arn": "arn:aws:elasticache:us-east-1:123456789012:user:u"});
        let secret = json!({"Name": SECRET, "SecretString": document.to_string(), "ClientRequestToken": TOKEN_1});
        self.client.sm_ok("CreateSecret", secret).await;
    }

    /// Gives a user passwords.
    pub async fn passwords(&self, user: &str, passwords: &[&str]) -> (u16, String) {
        let listed = (1..).zip(passwords);
        let form: String = listed
            .map(|(n, text)| format!("&Passwords.member.{n}={text}"))
            .collect();
        self.client.ec("ModifyUser", &format!("UserId={user}{form}")).await
    }

    /// An element of a user as DescribeUsers shows it.
    pub async fn user(&self, user: &str, element: &str) -> String {
        let form = format!("UserId={user}");
        tag(&self.client.ec_ok("DescribeUsers", &form).await, element)
    }

    /// Puts a version of the secret with one label.
    pub async fn put(&self, token: &str, label: &str) {
        let put =
            json!({"SecretId": SECRET, "ClientRequestToken": token, "SecretString": token, "VersionStages": [label]});
        self.client.sm_ok("PutSecretValue", put).await;
    }

    /// Makes a version current.
    pub async fn promote(&self, from: &str, to: &str) {
        let finish = json!({
            "SecretId": SECRET, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": from, "MoveToVersionId": to,
        });
        self.client.sm_ok("UpdateSecretVersionStage", finish).await;
    }

    pub async fn describe(&self) -> Value {
        self.client.sm_ok("DescribeSecret", json!({"SecretId": SECRET})).await
    }

    /// The labels of a version as DescribeSecret shows them; null for a version without any.
    pub async fn labels(&self, version: &str) -> Value {
        self.describe().await["VersionIdsToStages"][version].clone()
    }
}
