//! What a policy promises about its secrets, in the auditor's own words.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use rekeyd::policy::{FirstPassword, OnDrift, Overlap, Policy, Schedule, UserPattern, Verify};
use rekeyd::schedule::next_after;
use rekeyd_sandbox::SecretView;

use super::glob::covers;

/// What is expected of a replica about some secrets.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// Where its secrets and users are.
    pub region: String,
    /// Names or ARNs of its secrets.
    pub secrets: Vec<String>,
    /// And all whose name begins so, if anything is selected by name or tags.
    pub name_prefix: Option<String>,
    /// And that carry these tags.
    pub tags: BTreeMap<String, String>,
    /// Patterns of the user ids that they may name.
    pub allow_users: Vec<UserPattern>,
    /// When a rotation is due.
    pub schedule: Schedule,
    /// How long the previous password works.
    pub overlap: Overlap,
    /// Whether no login is made.
    pub api_only: bool,
    /// How long a change that no login proves must look settled.
    pub settle: Duration,
    /// Whether it may take unknown passwords from a user whose secret holds none.
    pub takes_any_user: bool,
    /// Whether it may take them from a user that has lost its current password.
    pub repairs: bool,
    /// The only nodes that it logs in on, as host and port; all if there are none.
    pub endpoints: Vec<(String, u16)>,
    /// Whether it rests.
    pub paused: bool,
}

impl Expectations {
    /// Those of a policy in a region.
    pub fn of(policy: &Policy, region: &str) -> Self {
        let endpoints = policy.endpoints.iter();
        Self {
            region: region.to_owned(),
            secrets: policy.selection.secrets.clone(),
            name_prefix: policy.selection.name_prefix.clone(),
            tags: policy.selection.tags.clone(),
            allow_users: policy.allow_users.clone(),
            schedule: policy.schedule.clone(),
            overlap: policy.overlap,
            api_only: policy.verify == Verify::ApiOnly,
            settle: policy.settle,
            takes_any_user: policy.first_password == FirstPassword::Any,
            repairs: policy.on_drift == OnDrift::Repair,
            endpoints: endpoints.map(|node| (node.host.clone(), node.port)).collect(),
            paused: policy.paused,
        }
    }

    /// Whether they are about this secret.
    pub fn selects(&self, secret: &SecretView) -> bool {
        let named = self.secrets.iter().any(|id| *id == secret.name || *id == secret.arn);
        let selecting = self.name_prefix.is_some() || !self.tags.is_empty();
        let prefixed = self
            .name_prefix
            .as_ref()
            .is_none_or(|prefix| secret.name.starts_with(prefix));
        let tagged = self.tags.iter().all(|(key, value)| secret.tags.get(key) == Some(value));
        secret.region == self.region && (named || (selecting && prefixed && tagged))
    }

    /// Whether its secrets may name this user.
    pub fn allows(&self, user_id: &str) -> bool {
        self.allow_users.iter().any(|pattern| covers(&pattern.0, user_id))
    }

    /// When the rotation after one at `last` is due.
    pub fn due_after(&self, last: DateTime<Utc>) -> DateTime<Utc> {
        let (unit, count) = match self.schedule {
            Schedule::Every(every) => return last + TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX / 4),
            Schedule::RateHours(count) => (TimeDelta::hours(1), count),
            Schedule::RateDays(count) => (TimeDelta::days(1), count),
            // Its dates have judges of their own, in other languages.
            Schedule::Cron(_) => return next_after(&self.schedule, last),
        };
        last.duration_trunc(unit).unwrap_or(last) + unit * i32::try_from(count).unwrap_or(i32::MAX)
    }
}
