//! The configuration as written: every key optional, every unknown key an error. Whether a value
//! makes sense is not asked here.
//!
//! The comments on keys are what `rekeyd schema` tells editors, and what else stands beside a key (its form, its
//! bounds, its built-in default) is for the schema, too: `check` decides, and a test holds the two together.

mod daemon;
mod forms;
mod metrics;
mod notify;
mod place;
mod policy;
mod table;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use daemon::RawDaemon;
pub(super) use forms::TABLE_NAME;
pub(super) use metrics::RawMetrics;
pub(super) use notify::RawNotify;
pub(super) use place::{RawBudget, RawPlace};
pub(super) use policy::{RawMost, RawPassword, RawPolicy, RawRetry, RawSelect};
pub(super) use table::Table;

/// The configuration of rekeyd, rekeyd.toml, or a drop-in of it. No key is required here, for each may stand in
/// another layer: `rekeyd check` tells what is missing in all of them together.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "rekeyd.toml")]
pub(super) struct RawConfig {
    /// The daemon itself.
    #[serde(default)]
    pub(super) daemon: Table<RawDaemon>,
    /// The places to work in, one account and region each, by any names.
    #[serde(default)]
    pub(super) aws: BTreeMap<String, Table<RawPlace>>,
    /// What holds for each policy that does not say otherwise.
    #[serde(default)]
    pub(super) defaults: Table<RawPolicy>,
    /// The policies: which secrets, when, and which users they may name.
    #[serde(default)]
    pub(super) policy: BTreeMap<String, Table<RawPolicy>>,
    /// What `/metrics` shows.
    #[serde(default)]
    pub(super) metrics: Table<RawMetrics>,
    /// Who is notified, by any names.
    #[serde(default)]
    pub(super) notify: BTreeMap<String, Table<RawNotify>>,
}
