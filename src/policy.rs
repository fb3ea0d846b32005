//! Policies: what an operator decided about a group of secrets. Plain, checked values; reading
//! them from TOML is `config`'s job, computing dates from them `schedule`'s.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use crate::secret::PasswordAlphabet;

mod place;

pub use place::{Budgets, Place, Role, partition_of};

/// How long the previous password stays valid after a promotion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overlap {
    /// For this long; zero is `"none"`.
    For(Duration),
    /// Until the next rotation is due.
    UntilNextRotation,
}

/// What proves a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verify {
    /// A login on every node.
    Login,
    /// What ElastiCache's API shows, where there is no network path to the nodes. Never proof.
    ApiOnly,
}

/// Which user may get its first password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirstPassword {
    /// Only one that is `off` and has no password: nobody can be using it.
    InactiveOnly,
    /// Any; clients that log in without a password, or with one that nobody recorded, are cut.
    Any,
}

/// What to do when the current password is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnDrift {
    /// Report it and wait.
    Halt,
    /// Set the passwords that Secrets Manager holds.
    Repair,
}

/// When a secret's next rotation is due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Schedule {
    /// A plain duration after the last rotation.
    Every(Duration),
    /// Secrets Manager's `rate(N hours)`: windows open on the hour.
    RateHours(u32),
    /// Secrets Manager's `rate(N days)`: windows open at midnight UTC.
    RateDays(u32),
    /// The dates of a cron expression, whenever the last rotation was.
    Cron(CronSchedule),
}

/// A cron expression, of Secrets Manager's dialect or of crontabs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CronSchedule {
    /// As written.
    pub expression: String,
    /// Where the clock hangs whose times the expression names.
    pub zone: chrono_tz::Tz,
    /// The dates and times of day that it names.
    pub times: Arc<croner::Cron>,
    /// Whether it names every hour of the day, and so means an interval rather than times of day. Matters only
    /// where a clock is changed.
    pub every_hour: bool,
}

/// How long a rotation may begin after the schedule says that it is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// How long it stays open.
    pub length: Duration,
    /// Over how much of it, from its opening on, starts are spread.
    pub spread: Duration,
}

/// Times at which nothing begins.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Blackout {
    /// By whose clocks.
    pub timezone: Tz,
    /// When.
    pub spans: Vec<BlackoutSpan>,
}

/// One entry: once, or every week.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BlackoutSpan {
    /// From the one until the other, on the clocks of the time zone.
    Once(NaiveDateTime, NaiveDateTime),
    /// On these days of the week.
    Weekly {
        /// Whether on each day, Monday first.
        days: [bool; 7],
        /// From which minute of the day.
        from: u32,
        /// Until which; beyond the last minute of a day on the day after.
        until: u32,
    },
}

/// Secrets that are kept apart, of one policy or of several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Together {
    /// The name that they share.
    pub name: String,
    /// How long after a change of one the rotation of another begins at the soonest.
    pub never_within: Duration,
}

/// How retries are spaced.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Retry {
    /// The first delay.
    pub initial: Duration,
    /// The longest delay.
    pub max: Duration,
    /// The share of a delay that chance may take off or add, from 0 to 1.
    pub jitter: f64,
}

/// Which passwords are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PasswordSpec {
    /// How many characters.
    pub length: usize,
    /// From which characters.
    pub alphabet: PasswordAlphabet,
}

/// A shell-like pattern of user ids, in which `*` stands for any characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserPattern(pub String);

impl UserPattern {
    /// Whether the pattern covers this user id. AWS keeps user ids in lower case, so case does
    /// not count.
    pub fn matches(&self, user_id: &str) -> bool {
        let (pattern, user_id) = (self.0.to_ascii_lowercase(), user_id.to_ascii_lowercase());
        let Some((head, tail)) = pattern.split_once('*') else {
            return pattern == user_id;
        };
        let (middle, last) = tail.rsplit_once('*').unwrap_or(("", tail));
        let Some(rest) = user_id.strip_prefix(head).and_then(|rest| rest.strip_suffix(last)) else {
            return false;
        };
        middle
            .split('*')
            .try_fold(rest, |rest, part| rest.find(part).map(|at| &rest[at + part.len()..]))
            .is_some()
    }
}

/// Which secrets a policy is about: those named, and those selected.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Selection {
    /// Names or ARNs.
    pub secrets: Vec<String>,
    /// All whose name begins so.
    pub name_prefix: Option<String>,
    /// All that carry each of these tags.
    pub tags: BTreeMap<String, String>,
}

impl Selection {
    /// Whether it selects any beside those that it names.
    pub fn selects(&self) -> bool {
        self.name_prefix.is_some() || !self.tags.is_empty()
    }

    /// Whether it selects a secret of that name with those tags.
    pub fn covers(&self, name: &str, tags: &BTreeMap<String, String>) -> bool {
        let prefix = self.name_prefix.as_deref().unwrap_or_default();
        let tagged = self.tags.iter().all(|(key, value)| tags.get(key) == Some(value));
        self.selects() && name.starts_with(prefix) && tagged
    }
}

/// How many of a policy's secrets may be in trouble before it starts nothing new.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MaxAttention {
    /// Of a hundred; rounded up, so that one always may.
    Percent(u32),
    /// So many, however many there are.
    Secrets(usize),
}

impl MaxAttention {
    /// How many of `secrets` may be.
    pub fn of(self, secrets: usize) -> usize {
        match self {
            Self::Percent(percent) => {
                let share = secrets.saturating_mul(usize::try_from(percent).unwrap_or(usize::MAX));
                share.div_ceil(100).max(1)
            }
            Self::Secrets(number) => number,
        }
    }
}

/// Which certificates the nodes' are checked against.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tls {
    /// A PEM file of roots, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// One policy, with every default filled in.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// The name of its `[policy.NAME]` table.
    pub name: String,
    /// The name of its place.
    pub place: String,
    /// When rotations are due.
    pub schedule: Schedule,
    /// How long they may begin then; without one they may at any time after.
    pub window: Option<Window>,
    /// When none begins, and no retirement either.
    pub blackout: Blackout,
    /// Which other secrets its own are kept apart from.
    pub together: Option<Together>,
    /// At how many new versions of a secret within a day none is put any more.
    pub max_versions_per_day: usize,
    /// Which secrets.
    pub selection: Selection,
    /// Which users its secrets may name.
    pub allow_users: Vec<UserPattern>,
    /// Which passwords are made.
    pub password: PasswordSpec,
    /// How long the previous password stays valid.
    pub overlap: Overlap,
    /// What proves a password.
    pub verify: Verify,
    /// Which user may get its first password.
    pub first_password: FirstPassword,
    /// Whether a user named `default` may be rotated.
    pub allow_default_user: bool,
    /// What to do when the current password is refused.
    pub on_drift: OnDrift,
    /// How long a change may take to reach every node before it needs attention.
    pub propagation_timeout: Duration,
    /// How old a pending password may be before it is abandoned for a new one.
    pub pending_max_age: Duration,
    /// How many generations are tried before the secret halts.
    pub max_attempts: u32,
    /// How retries are spaced.
    pub retry: Retry,
    /// The shortest time between the last settled change of a user and its next scheduled rotation.
    pub fence: Duration,
    /// How long a change that no login can prove must look settled.
    pub settle: Duration,
    /// How old the observation behind a write may be.
    pub write_deadline: Duration,
    /// Nodes to log in on, instead of those that ElastiCache names; as `host:port`.
    pub endpoints: Vec<Endpoint>,
    /// Which certificates nodes are checked against.
    pub tls: Tls,
    /// How many of its due secrets go first, while the others wait for the proof; 0 lets all go.
    pub canary: usize,
    /// Beyond how many secrets in trouble it starts nothing new.
    pub max_attention: MaxAttention,
    /// Whether its rotations are switched off.
    pub paused: bool,
}

impl Policy {
    /// Whether its secrets are kept apart from those of another policy, or both are the same.
    pub fn is_together_with(&self, other: &Self) -> bool {
        let name = |policy: &Self| policy.together.as_ref().map(|together| together.name.clone());
        name(self).is_some() && name(self) == name(other)
    }

    /// Whether its secrets may name this user.
    pub fn allows_user(&self, user_id: &str) -> bool {
        self.allow_users.iter().any(|pattern| pattern.matches(user_id))
    }
}

/// A host and port that answers logins.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct Endpoint {
    /// The host name, which its certificate must bear.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_tells_its_partition() {
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("eu-central-1", "aws"),
            ("cn-northwest-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(partition_of(region), partition, "{region}");
        }
    }

    #[test]
    fn a_star_stands_for_any_characters_and_nothing_else_does() {
        let cases = [
            ("user1", "user1", true),
            ("user1", "USER1", true),
            ("user1", "user10", false),
            ("orders-*", "orders-", true),
            ("orders-*", "orders-reader", true),
            ("orders-*", "my-orders-reader", false),
            ("*-reader", "orders-reader", true),
            ("*-reader", "orders-reader-2", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "ac", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("us.r1", "user1", false),
        ];
        for (pattern, user, wanted) in cases {
            assert_eq!(
                UserPattern(pattern.to_owned()).matches(user),
                wanted,
                "{pattern} {user}"
            );
        }
    }
}
