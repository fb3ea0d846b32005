//! `[policy.NAME]`, and `[defaults]`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use super::Table;
use super::forms::{DURATION, ENDPOINT, NAME_PREFIX, OVERLAP, SECRET, SHARE, USER_PATTERN};

/// Which secrets are rotated, when and how. Everything but `secrets`, `select` and `allow_users` may stand in
/// `[defaults]` as well.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawPolicy {
    /// The place to work in, by the name of its `[aws.NAME]` table. Required, here or in `[defaults]`.
    #[schemars(length(min = 1))]
    pub(in crate::config) aws: Option<String>,
    /// When the next rotation is due after the last. Required, here or in `[defaults]`. A duration ("30d"), Secrets Manager's rate(N hours|days) or
    /// cron(...), or the five fields of a crontab.
    #[schemars(length(min = 1), extend("examples" = ["30d", "rate(30 days)", "cron(0 8 1 * ? *)", "0 8 1 * *"]))]
    pub(in crate::config) schedule: Option<String>,
    /// By which clock cron expressions and blackouts are read: a name of the IANA database; UTC unless set.
    #[schemars(length(min = 1), extend("default" = "UTC", "examples" = ["UTC", "Europe/Berlin"]))]
    pub(in crate::config) timezone: Option<String>,
    /// Names or ARNs of secrets. A policy needs `secrets`, `select` or both.
    #[schemars(inner(regex(pattern = SECRET)))]
    pub(in crate::config) secrets: Option<Vec<String>>,
    /// Secrets by the beginning of their name, by their tags, or by both.
    pub(in crate::config) select: Option<Table<RawSelect>>,
    /// The ids of the users that its secrets may name; * stands for any characters. Required, and best kept narrow: whoever
    /// can write a secret can point it at a user.
    #[schemars(length(min = 1), inner(regex(pattern = USER_PATTERN)), extend("examples" = [["user1", "orders-*"]]))]
    pub(in crate::config) allow_users: Option<Vec<String>>,
    /// Which passwords are made.
    pub(in crate::config) password: Option<Table<RawPassword>>,
    /// How long the previous password stays valid after a rotation: as long as the slowest client needs to read the secret
    /// again. A duration, "none" or "until-next-rotation".
    #[schemars(regex(pattern = OVERLAP), extend("default" = "24h"))]
    pub(in crate::config) overlap: Option<String>,
    /// "login": a new password must log in on every node before it becomes the current one. "api-only": for want of a network
    /// path, believe ElastiCache's API, which proves nothing.
    #[schemars(extend("enum" = ["login", "api-only"], "default" = "login"))]
    pub(in crate::config) verify: Option<String>,
    /// Which user may get its first password: one that is off and has none, or any, whose clients are then cut off.
    #[schemars(extend("enum" = ["inactive-only", "any"], "default" = "inactive-only"))]
    pub(in crate::config) first_password: Option<String>,
    /// true: also rotate a user that is named `default`.
    #[schemars(extend("default" = false))]
    pub(in crate::config) allow_default_user: Option<bool>,
    /// What to do when the current password is refused: report and wait, or give the user the passwords of the secret again.
    #[schemars(extend("enum" = ["halt", "repair"], "default" = "halt"))]
    pub(in crate::config) on_drift: Option<String>,
    /// How long a change may take to reach every node before it needs attention.
    #[schemars(regex(pattern = DURATION), extend("default" = "30m"))]
    pub(in crate::config) propagation_timeout: Option<String>,
    /// How old a password may grow without becoming the current one before a new one is made.
    #[schemars(regex(pattern = DURATION), extend("default" = "7d"))]
    pub(in crate::config) pending_max_age: Option<String>,
    /// How often a new password is made instead of one that did not become current before the secret halts.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 3))]
    pub(in crate::config) max_attempts: Option<i64>,
    /// How retries are spaced.
    pub(in crate::config) retry: Option<Table<RawRetry>>,
    /// The shortest time from a settled change of a user to its next scheduled rotation. Under 20m for tests only.
    #[schemars(regex(pattern = DURATION), extend("default" = "20m"))]
    pub(in crate::config) fence: Option<String>,
    /// How long a change that no login can prove must look settled.
    #[schemars(regex(pattern = DURATION), extend("default" = "5m"))]
    pub(in crate::config) settle: Option<String>,
    /// How old the observation behind a change may be; later, it is made anew. Under 15m.
    #[schemars(regex(pattern = DURATION), extend("default" = "10s"))]
    pub(in crate::config) write_deadline: Option<String>,
    /// The nodes to log in on, as host:port, instead of those that ElastiCache names.
    #[schemars(inner(regex(pattern = ENDPOINT)), extend("default" = []))]
    pub(in crate::config) endpoints: Option<Vec<String>>,
    /// How the nodes' certificates are checked.
    pub(in crate::config) tls: Option<Table<RawTls>>,
    /// How many of the due secrets go first. The others wait until one is promoted and proved. 0: all go at once.
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = 1))]
    pub(in crate::config) canary: Option<i64>,
    /// How many secrets may be halted or need attention before nothing new is started: a share, rounded up, or a number.
    #[schemars(extend("default" = "5%"))]
    pub(in crate::config) max_attention: Option<RawMost>,
    /// true: the rotations of the policy are off.
    #[schemars(extend("default" = false))]
    pub(in crate::config) paused: Option<bool>,
    /// How long a rotation may begin after its date; the secrets are spread over it. Shorter than the schedule. Without one
    /// there is no close.
    #[schemars(regex(pattern = DURATION), extend("examples" = ["3h"]))]
    pub(in crate::config) window: Option<String>,
    /// When no rotation and no retirement begins, by the clocks of `timezone`: days, times, or every week.
    #[schemars(extend("default" = [], "examples" = [["2026-12-24/2027-01-02", "Fri 16:00-24:00"]]))]
    pub(in crate::config) blackout: Option<Vec<String>>,
    /// A name that its secrets share with each other and with those of other policies: none of them is rotated while another is.
    #[schemars(length(min = 1))]
    pub(in crate::config) together: Option<String>,
    /// How soon after one of the secrets that are `together` another one may be rotated; 10m unless set.
    #[schemars(regex(pattern = DURATION), extend("default" = "10m"))]
    pub(in crate::config) never_within: Option<String>,
    /// How many versions of a secret may be put within 24 hours, by anybody, before no new one is.
    #[schemars(range(min = 1, max = 90), extend("default" = 4))]
    pub(in crate::config) max_versions_per_day: Option<i64>,
}

#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawSelect {
    /// All whose name begins so.
    #[schemars(regex(pattern = NAME_PREFIX))]
    pub(in crate::config) name_prefix: Option<String>,
    /// All that carry each of these tags.
    pub(in crate::config) tags: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawPassword {
    /// How many characters.
    #[schemars(range(min = 16, max = 128), extend("default" = 32))]
    pub(in crate::config) length: Option<i64>,
    /// Characters that are not used, besides those that ElastiCache forbids or that break shells and URLs.
    #[schemars(extend("default" = ""))]
    pub(in crate::config) exclude_characters: Option<String>,
}

#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawRetry {
    /// The first delay.
    #[schemars(regex(pattern = DURATION), extend("default" = "2s"))]
    pub(in crate::config) initial: Option<String>,
    /// The longest delay.
    #[schemars(regex(pattern = DURATION), extend("default" = "10m"))]
    pub(in crate::config) max: Option<String>,
    /// The share of a delay that chance adds or takes.
    #[schemars(range(min = 0, max = 1), extend("default" = 0.2))]
    pub(in crate::config) jitter: Option<f64>,
}

/// `max_attention`: a share or a number.
#[derive(Clone, Debug)]
pub(in crate::config) enum RawMost {
    Share(String),
    Number(i64),
}

impl<'de> Deserialize<'de> for RawMost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShareOrNumber;
        impl Visitor<'_> for ShareOrNumber {
            type Value = RawMost;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share like \"5%\" or a number of secrets")
            }

            fn visit_str<E: serde::de::Error>(self, share: &str) -> Result<RawMost, E> {
                Ok(RawMost::Share(share.to_owned()))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<RawMost, E> {
                Ok(RawMost::Number(number))
            }
        }
        deserializer.deserialize_any(ShareOrNumber)
    }
}

impl JsonSchema for RawMost {
    fn schema_name() -> Cow<'static, str> {
        "ShareOrNumber".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "pattern": SHARE },
                { "type": "integer", "minimum": 1, "maximum": 1_000_000 },
            ]
        })
    }
}

#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawTls {
    /// A PEM file of the roots that the nodes' certificates are checked against, instead of the system's.
    #[schemars(length(min = 1))]
    pub(in crate::config) ca_file: Option<String>,
}
