//! What an operation is.

use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::account::Account;
use crate::error::ApiError;
use crate::settings::Settings;

/// One of the two services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// AWS Secrets Manager.
    SecretsManager,
    /// Amazon ElastiCache.
    ElastiCache,
}

impl Service {
    /// The name by which requests are signed for it, and which the log uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager",
            Self::ElastiCache => "elasticache",
        }
    }
}

/// An operation: its input is the value that implements this.
pub trait Operation: DeserializeOwned + Send + 'static {
    /// What it answers with.
    type Output: Serialize + Send + 'static;
    /// Which service it belongs to.
    const SERVICE: Service;
    /// Its name.
    const NAME: &'static str;
    /// Whether it can change something.
    const MUTATES: bool;

    /// The one thing that it is about: a secret's name or ARN, a user's or a group's id.
    fn resource(&self) -> Option<&str>;

    /// The tags that it brings along.
    fn request_tags(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    /// Does it. An error leaves everything as it was.
    ///
    /// # Errors
    /// Whatever AWS would answer.
    fn apply(self, env: &mut Env<'_>) -> Result<Self::Output, ApiError>;
}

/// What an operation works with.
#[derive(Debug)]
pub struct Env<'a> {
    pub(crate) account: &'a mut Account,
    pub(crate) settings: &'a Settings,
    pub(crate) rng: &'a mut StdRng,
    pub(crate) now: DateTime<Utc>,
}

impl Env<'_> {
    /// The moment `ms` milliseconds from now.
    pub(crate) fn after(&self, ms: u64) -> DateTime<Utc> {
        later(self.now, ms)
    }
}

/// `ms` milliseconds before `time`, or the beginning of time.
pub(crate) fn earlier(time: DateTime<Utc>, ms: u64) -> DateTime<Utc> {
    i64::try_from(ms)
        .ok()
        .and_then(TimeDelta::try_milliseconds)
        .and_then(|delta| time.checked_sub_signed(delta))
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// `ms` milliseconds after `time`, or the end of time.
pub(crate) fn later(time: DateTime<Utc>, ms: u64) -> DateTime<Utc> {
    i64::try_from(ms)
        .ok()
        .and_then(TimeDelta::try_milliseconds)
        .and_then(|delta| time.checked_add_signed(delta))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
