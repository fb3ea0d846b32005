//! The configuration as written: every key optional, every unknown key an error. Whether a value
//! makes sense is not asked here.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// A table. serde would also take an array for a struct, field by field in order, and nobody who
/// writes one means that.
#[derive(Clone, Default, Debug)]
pub(super) struct Table<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Table)
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// A key that this release knows and does not do yet. Any value is read, so that the key itself
/// is what gets reported.
pub(super) type NotYet = Option<IgnoredAny>;

/// A whole document.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default)]
    pub(super) daemon: Table<RawDaemon>,
    #[serde(default)]
    pub(super) aws: BTreeMap<String, Table<RawPlace>>,
    #[serde(default)]
    pub(super) defaults: Table<RawPolicy>,
    #[serde(default)]
    pub(super) policy: BTreeMap<String, Table<RawPolicy>>,
    pub(super) metrics: NotYet,
    pub(super) notify: NotYet,
}

/// `[daemon]`.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDaemon {
    pub(super) listen: Option<String>,
    pub(super) expose_status: Option<bool>,
    pub(super) admin_socket: Option<String>,
    pub(super) admin_group: Option<String>,
    pub(super) audit_log: Option<String>,
    pub(super) state: Option<String>,
    pub(super) max_in_flight: Option<i64>,
    pub(super) drain_timeout: Option<String>,
    pub(super) discovery_interval: Option<String>,
    pub(super) drift_check_interval: Option<String>,
    pub(super) paused: Option<bool>,
}

/// `[aws.NAME]`.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlace {
    pub(super) region: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) role_arn: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) role_session_name: Option<String>,
    pub(super) role_session_duration: Option<String>,
    pub(super) use_fips: Option<bool>,
    pub(super) use_dualstack: Option<bool>,
    pub(super) endpoint_url: Option<String>,
    pub(super) secrets_manager_endpoint_url: Option<String>,
    pub(super) elasticache_endpoint_url: Option<String>,
    pub(super) sts_endpoint_url: Option<String>,
    pub(super) budget: Option<Table<RawBudget>>,
}

/// `budget`: calls a second.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBudget {
    pub(super) modify_user: Option<i64>,
    pub(super) secrets_manager_writes: Option<i64>,
    pub(super) secrets_manager_reads: Option<i64>,
    pub(super) elasticache_reads: Option<i64>,
}

/// `[policy.NAME]`, and `[defaults]`.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    pub(super) aws: Option<String>,
    pub(super) schedule: Option<String>,
    pub(super) timezone: Option<String>,
    pub(super) secrets: Option<Vec<String>>,
    pub(super) select: Option<Table<RawSelect>>,
    pub(super) allow_users: Option<Vec<String>>,
    pub(super) password: Option<Table<RawPassword>>,
    pub(super) overlap: Option<String>,
    pub(super) verify: Option<String>,
    pub(super) first_password: Option<String>,
    pub(super) allow_default_user: Option<bool>,
    pub(super) on_drift: Option<String>,
    pub(super) propagation_timeout: Option<String>,
    pub(super) pending_max_age: Option<String>,
    pub(super) max_attempts: Option<i64>,
    pub(super) retry: Option<Table<RawRetry>>,
    pub(super) fence: Option<String>,
    pub(super) settle: Option<String>,
    pub(super) write_deadline: Option<String>,
    pub(super) endpoints: Option<Vec<String>>,
    pub(super) tls: Option<Table<RawTls>>,
    pub(super) canary: Option<i64>,
    pub(super) max_attention: Option<RawMost>,
    pub(super) paused: Option<bool>,
    pub(super) window: Option<String>,
    pub(super) blackout: Option<Vec<String>>,
    pub(super) together: Option<String>,
    pub(super) never_within: Option<String>,
    pub(super) max_versions_per_day: Option<i64>,
}

/// `select`.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSelect {
    pub(super) name_prefix: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
}

/// `password`.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPassword {
    pub(super) length: Option<i64>,
    pub(super) exclude_characters: Option<String>,
}

/// `retry`.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRetry {
    pub(super) initial: Option<String>,
    pub(super) max: Option<String>,
    pub(super) jitter: Option<f64>,
}

/// `max_attention`: a share or a number.
#[derive(Clone, Debug)]
pub(super) enum RawMost {
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

/// `tls`.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    pub(super) ca_file: Option<String>,
}
