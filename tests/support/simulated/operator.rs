//! The hand of operators and strangers in a simulation.

use rekeyd_sandbox::elasticache as ec;
use rekeyd_sandbox::secretsmanager as sm;
use rekeyd_sandbox::{CallContext, Fault, NodeChange, Operation, SecretView};

use super::Simulation;
use crate::support::world::{CACHE, GROUP, document, document_with, secret_name};

/// The access key of everybody who is not rekeyd.
pub const OPERATOR: &str = "OPERATOR";

impl Simulation {
    /// Makes a call. Faults hit it like any other, so arm them afterwards.
    pub async fn call<O: Operation>(&self, input: O) -> O::Output {
        self.call_as(OPERATOR, input).await
    }

    /// Makes a call with this access key.
    pub async fn call_as<O: Operation>(&self, access_key: &str, input: O) -> O::Output {
        let context = CallContext::new(access_key, &self.region);
        let result = self.world.process(&context, input).await;
        result.unwrap_or_else(|error| panic!("{}: {error}", O::NAME))
    }

    /// A user that is in use.
    pub async fn create_user(&self, user: &str, password: &str) {
        self.call(ec::CreateUser {
            user_id: user.to_owned(),
            user_name: user.to_owned(),
            engine: "redis".to_owned(),
            access_string: "on ~keys* -@all +get".to_owned(),
            passwords: Some(vec![password.into()]),
            ..ec::CreateUser::default()
        })
        .await;
    }

    /// A user as the AWS guide makes it: off and without password.
    pub async fn create_inactive_user(&self, user: &str) {
        self.call(ec::CreateUser {
            user_id: user.to_owned(),
            user_name: user.to_owned(),
            engine: "redis".to_owned(),
            access_string: "off +get ~keys*".to_owned(),
            no_password_required: Some(true),
            ..ec::CreateUser::default()
        })
        .await;
    }

    /// A replication group of a primary and two replicas, open to these users and `default`.
    pub async fn create_cache(&self, users: &[&str]) {
        let members = ["default"].iter().chain(users).map(|user| (*user).to_owned());
        self.call(ec::CreateUserGroup {
            user_group_id: GROUP.to_owned(),
            engine: "redis".to_owned(),
            user_ids: Some(members.collect()),
            ..ec::CreateUserGroup::default()
        })
        .await;
        self.call(ec::CreateReplicationGroup {
            replication_group_id: CACHE.to_owned(),
            replication_group_description: "for tests".to_owned(),
            num_cache_clusters: Some(3),
            transit_encryption_enabled: Some(true),
            user_group_ids: Some(vec![GROUP.to_owned()]),
            ..ec::CreateReplicationGroup::default()
        })
        .await;
    }

    /// A secret, as the AWS guide makes it. Gives its ARN.
    pub async fn create_secret(&self, name: &str, document: &str) -> String {
        let secret = sm::CreateSecret {
            name: name.to_owned(),
            secret_string: Some(document.into()),
            client_request_token: Some(format!("first-version-of-{name:->36}")),
            ..sm::CreateSecret::default()
        };
        self.call(secret).await.arn
    }

    /// A user in use with its cache and a secret that holds its password. Gives the secret's ARN.
    pub async fn live_user(&self, user: &str, password: &str) -> String {
        self.create_user(user, password).await;
        self.create_cache(&[user]).await;
        self.create_secret(&secret_name(user), &document_with(user, password))
            .await
    }

    /// A user as the AWS guide makes it, with its cache and a secret without password. Gives the
    /// secret's ARN.
    pub async fn inactive_user(&self, user: &str) -> String {
        self.create_inactive_user(user).await;
        self.create_cache(&[user]).await;
        self.create_secret(&secret_name(user), &document(user)).await
    }

    /// Switches a user on or off, as an operator does.
    pub async fn switch(&self, user: &str, on: bool) {
        let state = if on { "on" } else { "off" };
        self.call(ec::ModifyUser {
            user_id: user.to_owned(),
            access_string: Some(format!("{state} ~keys* -@all +get")),
            ..ec::ModifyUser::default()
        })
        .await;
    }

    /// Sets a user's passwords behind rekeyd's back.
    pub async fn set_passwords(&self, user: &str, passwords: &[&str]) {
        self.call(ec::ModifyUser {
            user_id: user.to_owned(),
            passwords: Some(passwords.iter().map(|password| (*password).into()).collect()),
            ..ec::ModifyUser::default()
        })
        .await;
    }

    /// Puts a version of a user's secret behind rekeyd's back; without labels it becomes current.
    pub async fn put(&self, user: &str, version: &str, document: &str, labels: Option<&[&str]>) {
        self.call(sm::PutSecretValue {
            secret_id: secret_name(user),
            client_request_token: Some(version.to_owned()),
            secret_string: Some(document.into()),
            secret_binary: None,
            version_stages: labels.map(|labels| labels.iter().map(|label| (*label).to_owned()).collect()),
        })
        .await;
    }

    /// Changes a node.
    pub fn change_node(&self, node: &str, change: &NodeChange) {
        self.world.catch_up();
        assert!(self.world.sandbox.change_node(node, change), "no node is called {node}");
        self.world.changed();
    }

    /// Replaces all faults.
    pub fn faults(&self, faults: Vec<Fault>) {
        self.world.sandbox.set_faults(faults);
    }

    /// A secret as it is.
    pub fn secret(&self, name: &str) -> SecretView {
        let all = self.world.sandbox.secrets();
        let found = all.into_iter().find(|secret| secret.name == name);
        found.unwrap_or_else(|| panic!("no secret is called {name}"))
    }

    /// The version of a secret that carries a label.
    pub fn holder(&self, name: &str, label: &str) -> Option<String> {
        self.secret(name).holder(label).map(|version| version.id.clone())
    }

    /// The password of the version that carries a label.
    pub fn password(&self, name: &str, label: &str) -> Option<String> {
        let secret = self.secret(name);
        let document = secret.holder(label)?.text.clone()?;
        let document: serde_json::Value = serde_json::from_str(document.expose()).ok()?;
        document["password"].as_str().map(str::to_owned)
    }

    /// On how many nodes a password logs in, of how many.
    pub fn logins(&self, user: &str, password: &str) -> (usize, usize) {
        let nodes = self.world.sandbox.nodes();
        let accepts = |node: &&rekeyd_sandbox::NodeView| {
            self.world.sandbox.node_accepts(&node.id, user, password) == rekeyd_sandbox::LoginAnswer::Ok
        };
        (nodes.iter().filter(accepts).count(), nodes.len())
    }
}
