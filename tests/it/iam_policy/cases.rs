//! Configurations, and the world that each is for.

use rekeyd::iam::Given;
use rekeyd_sandbox::elasticache as ec;
use rekeyd_sandbox::secretsmanager as sm;

use crate::support::simulated::{Machine, Policy, Simulation};
use crate::support::world::{ACCOUNT, GROUP, REGION, document, secret_name};

/// The access key of rekeyd.
pub const REKEYD: &str = "REKEYD";
/// A customer key.
const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A configuration of one policy.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    /// The policy's keys; `ENDPOINTS` stands for the addresses of all nodes.
    pub keys: &'static str,
    /// Whether the secret is encrypted with a customer key.
    pub encrypted: bool,
    /// Whether its passwords are proved by logins.
    pub logs_in: bool,
    /// Whether the user is on a serverless cache, too.
    pub serverless: bool,
}

const ORDINARY: Case = Case {
    name: "a secret by its name",
    keys: "secrets = [\"production/ec/user1\"]\nallow_users = [\"user1\"]",
    encrypted: false,
    logs_in: true,
    // The auditor of the simulation takes its hidden nodes for nodes.
    serverless: false,
};

pub const CASES: &[Case] = &[
    ORDINARY,
    Case {
        name: "a prefix",
        keys: "select = { name_prefix = \"production/ec/\" }\nallow_users = [\"us*\"]",
        ..ORDINARY
    },
    Case {
        name: "tags",
        keys: "select = { tags = { team = \"orders\", env = \"live\" } }\nallow_users = [\"USER*\"]",
        ..ORDINARY
    },
    Case {
        name: "nodes that are configured",
        keys: "secrets = [\"production/ec/user1\"]\nallow_users = [\"user1\"]\nendpoints = ENDPOINTS",
        ..ORDINARY
    },
    Case {
        name: "no logins",
        keys: "secrets = [\"production/ec/user1\"]\nallow_users = [\"user1\"]\nverify = \"api-only\"",
        logs_in: false,
        ..ORDINARY
    },
    FULL,
];

/// What the sample configuration has, and a customer key.
const FULL: Case = Case {
    name: "names, a prefix and tags, and a customer key",
    keys: "secrets = [\"production/ec/user1\"]\n\
           select = { name_prefix = \"production/ec/orders/\", tags = { team = \"orders\" } }\n\
           allow_users = [\"user1\", \"orders-*\"]",
    encrypted: true,
    ..ORDINARY
};

/// A policy that repairs.
pub const DRIFTED: Case = Case {
    name: "repair",
    keys: "secrets = [\"production/ec/user1\"]\nallow_users = [\"user1\"]\non_drift = \"repair\"",
    ..ORDINARY
};

/// A user as the AWS guide makes it, and its secret.
pub struct Stage {
    pub user: &'static str,
    pub secret: String,
}

impl Case {
    pub fn given(&self) -> Given {
        Given {
            kms_keys: self
                .encrypted
                .then(|| KEY.parse().expect("a key"))
                .into_iter()
                .collect(),
            ..Given::default()
        }
    }

    pub async fn stage(&self, sim: &Simulation) -> Stage {
        assert!(KEY.contains(REGION) && KEY.contains(ACCOUNT));
        let user = "user1";
        sim.create_inactive_user(user).await;
        sim.create_cache(&[user]).await;
        if self.serverless {
            sim.call(ec::CreateServerlessCache {
                serverless_cache_name: "serverless1".to_owned(),
                engine: "redis".to_owned(),
                user_group_id: Some(GROUP.to_owned()),
                ..ec::CreateServerlessCache::default()
            })
            .await;
        }
        let secret = secret_name(user);
        let tag = |key: &str, value: &str| sm::SecretTag {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        sim.call(sm::CreateSecret {
            name: secret.clone(),
            secret_string: Some(document(user).as_str().into()),
            client_request_token: Some(format!("first-version-of-{secret:->36}")),
            kms_key_id: self.encrypted.then(|| KEY.to_owned()),
            tags: Some(vec![tag("team", "orders"), tag("env", "live")]),
            ..sm::CreateSecret::default()
        })
        .await;
        Stage { user, secret }
    }

    /// A machine for rekeyd with the case's policy.
    pub fn machine(&self, sim: &Simulation, _stage: &Stage) -> Machine {
        let nodes = sim.world.sandbox.nodes();
        let addresses: Vec<String> = nodes
            .iter()
            .map(|node| format!("{}:{}", node.host, node.port))
            .collect();
        let policy = Policy {
            name: "orders".to_owned(),
            keys: format!(
                "{}\noverlap = \"2h\"\n",
                self.keys.replace("ENDPOINTS", &format!("{addresses:?}"))
            ),
        };
        sim.machine("rekeyd").policy(policy)
    }
}
