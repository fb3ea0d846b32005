//! The JSON that goes over HTTP. Requests refuse what they do not know; replies may grow.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::control::{Accepted, PolicyStatus, ReplicaStatus, RotateOptions, Selector};
use crate::rotation::status::SecretStatus;
use crate::server::configuration::ConfigurationStatus;
use crate::store::HistoryEntry;

/// `POST /api/v1/rotate`.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RotateRequest {
    /// Names or ARNs.
    pub secrets: Vec<String>,
    /// All secrets of this policy.
    pub policy: Option<String>,
    /// All secrets.
    pub all: bool,
    /// Without waiting for the fence.
    pub now: bool,
    /// Retiring the previous password without waiting for the overlap.
    pub revoke_previous: bool,
}

impl RotateRequest {
    /// A request for these secrets.
    pub fn new(selector: Selector, options: RotateOptions) -> Self {
        Self {
            secrets: selector.secrets,
            policy: selector.policy,
            all: selector.all,
            now: options.now,
            revoke_previous: options.revoke_previous,
        }
    }

    /// Which secrets, and how.
    pub fn into_parts(self) -> (Selector, RotateOptions) {
        let options = RotateOptions {
            now: self.now,
            revoke_previous: self.revoke_previous,
        };
        let selector = Selector {
            secrets: self.secrets,
            policy: self.policy,
            all: self.all,
        };
        (selector, options)
    }
}

/// The longest pause that ends by itself.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// `POST /api/v1/pause`.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PauseRequest {
    /// Names or ARNs.
    pub secrets: Vec<String>,
    /// All secrets of this policy.
    pub policy: Option<String>,
    /// All secrets.
    pub all: bool,
    /// For how long, [`LONGEST_PAUSE`] at most; until resumed, if left out.
    pub for_seconds: Option<u64>,
    /// Why, for those who look at status.
    pub reason: Option<String>,
}

/// `POST /api/v1/rollback`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackBody {
    /// A name or ARN.
    pub secret: String,
    /// Without waiting for writes that may still be on their way, and whatever is left of the overlap.
    #[serde(default)]
    pub now: bool,
    /// How long it may take to begin; the policy's `propagation_timeout` at most.
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
}

/// The longest time for which a log level can be asked for.
pub const LONGEST_LOG_LEVEL: Duration = Duration::from_secs(24 * 60 * 60);

/// `POST /api/v1/log-level`: a level for a while; without one, the end of the one that was asked for.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogLevelRequest {
    /// A level, or directives.
    pub level: Option<String>,
    /// For how long, [`LONGEST_LOG_LEVEL`] at most.
    pub for_seconds: Option<u64>,
}

/// `GET` and `POST /api/v1/log-level`: the level that is in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogLevelReply {
    /// A level, or directives.
    pub level: String,
    /// Who says so: `rekeyd log-level`, `--log-level`, `RUST_LOG`, `daemon.log_level` or `default`.
    pub by: String,
    /// In how many seconds another takes its place by itself; null if it lasts.
    pub ends_in_seconds: Option<u64>,
}

/// The answer to a command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AcceptedReply {
    /// The secrets that it was accepted for.
    pub accepted: Vec<Accepted>,
}

/// The answer to whatever failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ErrorReply {
    /// What failed, on what, and what to do.
    pub error: String,
}

/// `GET /api/v1/secrets`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SecretsReply {
    /// The secrets, in the order of policies and names.
    pub secrets: Vec<SecretStatus>,
    /// The configuration in force; left out when one secret is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<ConfigurationStatus>,
    /// The replicas that live; left out where the store is not shared, and when one secret is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Vec<ReplicaStatus>>,
}

/// `GET /api/v1/policies`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PoliciesReply {
    /// The policies.
    pub policies: Vec<PolicyStatus>,
}

/// `GET /api/v1/rotations`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RotationsReply {
    /// What happened, newest first.
    pub rotations: Vec<HistoryEntry>,
}
