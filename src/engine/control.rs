//! What a surface (HTTP, the admin socket, a test) may ask of the engine.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::rotation::reason::HoldReason;
use crate::rotation::status::SecretStatus;
use crate::store::{HistoryEntry, StoreError};

/// Which secrets a command is about. All conditions that are given must hold; requests give one.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selector {
    /// Names or ARNs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// All secrets of this policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// All secrets.
    pub all: bool,
}

/// How a requested rotation is done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RotateOptions {
    /// Without waiting for the fence.
    pub now: bool,
    /// Retiring the previous password without waiting for the overlap.
    pub revoke_previous: bool,
}

/// How a rollback is done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RollbackOptions {
    /// Without waiting for writes that may still be on their way, and whatever is left of the overlap.
    pub now: bool,
    /// How long it may take to begin, in seconds; the policy's `propagation_timeout` at most.
    pub timeout_seconds: Option<u64>,
}

/// A secret that a command was accepted for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// Its name.
    pub secret: String,
    /// Its ARN.
    pub arn: String,
    /// The version under AWSCURRENT when the command was accepted: a rotation is over when
    /// another one carries it.
    pub current_version: Option<String>,
    /// When a rotation or rollback was asked for, by the daemon's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Timestamp>,
}

/// A command that was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nothing fits the selector.
    #[error("no secret of this configuration fits {0}; `rekeyd status` lists them")]
    NoSuchSecret(String),
    /// A named secret that AWS has not shown yet.
    #[error("{name} cannot be looked up yet, and is tried again by itself: {cause}")]
    NotLookedUp {
        /// The name, as configured.
        name: String,
        /// What AWS says.
        cause: String,
    },
    /// No policy of that name.
    #[error("no policy is called {0:?}; `rekeyd check` lists them")]
    NoSuchPolicy(String),
    /// The selector is empty.
    #[error("name secrets, a policy, or all")]
    EmptySelector,
    /// Several secrets have that name.
    #[error("several secrets are called {0:?}; name one by its ARN")]
    Ambiguous(String),
    /// A secret that was not looked at since the start.
    #[error("{0} was not looked at yet since the daemon started; ask again in a moment")]
    NotLookedAt(String),
    /// The store failed, so the command would not survive a restart.
    #[error("the command was not stored, so it was not accepted: {0}")]
    Store(#[from] StoreError),
}

/// A policy, as status shows it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// Its name.
    pub policy: String,
    /// Its place.
    pub place: String,
    /// Its schedule, as configured.
    pub schedule: String,
    /// The zone by whose clock it is read; nothing for schedules that count from the last rotation.
    #[serde(default)]
    pub timezone: Option<String>,
    /// How many secrets it has.
    pub secrets: usize,
    /// Whether it is paused.
    pub paused: bool,
    /// Why its due secrets do not begin; empty when they do.
    #[serde(default)]
    pub held: Vec<PolicyHold>,
}

/// What holds a policy's due secrets back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PolicyHold {
    /// Why.
    pub reason: HoldReason,
    /// On what, in words.
    pub detail: String,
}

/// A replica of those that share a store, as status shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// Its session's id.
    pub session: String,
    /// Its host.
    pub host: String,
    /// How many secrets it holds a lease of.
    pub leases: usize,
    /// Whether it is the one that tells this.
    pub answers: bool,
    /// Whether it works by the configuration of the one that tells this: only those that do share secrets.
    pub same_configuration: bool,
}

/// Whether the daemon can do its work, AWS aside.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether all of the below is well.
    pub ready: bool,
    /// What is wrong, in words; empty when ready.
    pub problems: Vec<String>,
}

/// The engine, as surfaces see it.
#[async_trait]
pub trait Control: Send + Sync {
    /// Every secret, in the order of policies and names.
    fn secrets(&self) -> Vec<SecretStatus>;

    /// The same, each as it stands when its turn comes: for those who pass them on and need not hold them all.
    fn each_secret(self: Arc<Self>) -> Box<dyn Iterator<Item = SecretStatus> + Send> {
        Box::new(self.secrets().into_iter())
    }

    /// Every policy.
    fn policies(&self) -> Vec<PolicyStatus>;

    /// Brings the gauges that are computed from status up to date; done before a scrape.
    fn refresh_gauges(&self) {}

    /// Configuration, store and tick; not AWS.
    async fn readiness(&self) -> Readiness;

    /// The newest events of a secret, or of all, newest first.
    async fn history(&self, secret: Option<&str>, limit: usize) -> Result<Vec<HistoryEntry>, ControlError>;

    /// Asks for a rotation of each selected secret. Stored before it returns.
    async fn rotate(&self, selector: &Selector, options: RotateOptions) -> Result<Vec<Accepted>, ControlError>;

    /// Pauses each selected secret, for good or for a while. Stored before it returns.
    async fn pause(
        &self,
        selector: &Selector,
        span: Option<Duration>,
        reason: Option<String>,
    ) -> Result<Vec<Accepted>, ControlError>;

    /// Asks for AWSCURRENT to go back to the previous version of one secret, by name or ARN. Stored
    /// before it returns.
    async fn rollback(&self, secret: &str, options: RollbackOptions) -> Result<Accepted, ControlError>;

    /// Ends pauses and passes over halts. Stored before it returns.
    async fn resume(&self, selector: &Selector) -> Result<Vec<Accepted>, ControlError>;
}
