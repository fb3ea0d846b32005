//! How many calls a second AWS takes.

use serde::{Deserialize, Serialize};

/// Calls a second for each account and region; the defaults are the published ones ("AWS Secrets Manager quotas").
/// Operations that no field names have no limit here, nor has a field without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Whether they hold at all.
    pub enabled: bool,
    /// PutSecretValue, UpdateSecret and UpdateSecretVersionStage together.
    pub secret_writes: u32,
    /// RotateSecret and CancelRotateSecret together.
    pub rotate_secret: u32,
    /// Secrets Manager's TagResource and UntagResource together.
    pub tag_resource: u32,
    /// GetRandomPassword.
    pub get_random_password: u32,
    /// BatchGetSecretValue.
    pub batch_get_secret_value: u32,
    /// ListSecrets.
    pub list_secrets: u32,
    /// GetSecretValue.
    pub get_secret_value: u32,
    /// DescribeSecret.
    pub describe_secret: u32,
    /// ElastiCache's ModifyUser. AWS publishes no figure.
    pub modify_user: Option<u32>,
    /// All of ElastiCache's Describe operations together. AWS publishes no figure.
    pub describes: Option<u32>,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            enabled: false,
            secret_writes: 50,
            rotate_secret: 50,
            tag_resource: 50,
            get_random_password: 50,
            batch_get_secret_value: 100,
            list_secrets: 100,
            get_secret_value: 10_000,
            describe_secret: 40_000,
            modify_user: None,
            describes: None,
        }
    }
}
