//! `[daemon]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{DURATION, DURATION_OR_NONE, FULL_PATH, GROUP, LISTEN, STATE, TABLE_NAME};

#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawDaemon {
    /// Where health and metrics are served, read-only: an IP address and a port. Status is there too if the address is
    /// a loopback one.
    #[schemars(regex(pattern = LISTEN), extend("default" = "127.0.0.1:9848"))]
    pub(in crate::config) listen: Option<String>,
    /// Status at `listen` as well where that is no loopback address: it shows the names of secrets and users.
    #[schemars(extend("default" = false))]
    pub(in crate::config) expose_status: Option<bool>,
    /// The Unix socket for everything that changes something. Its file permissions are its guard.
    #[schemars(length(min = 1, max = 107), extend("default" = "/run/rekeyd/admin.sock"))]
    pub(in crate::config) admin_socket: Option<String>,
    /// A group, by name or number, whose members may use the admin socket beside root and the daemon's own user; the
    /// daemon's own group if it is left out.
    #[schemars(regex(pattern = GROUP))]
    pub(in crate::config) admin_group: Option<String>,
    /// The full path of the file that the audit log is appended to, a line of JSON for every change; the log, as
    /// `rekeyd::audit`, if it is left out.
    #[schemars(regex(pattern = FULL_PATH))]
    pub(in crate::config) audit_log: Option<String>,
    /// What the log holds: off, error, warn, info, debug or trace, or directives such as "info,rekeyd=debug"; info if it is
    /// left out. `--log-level` and RUST_LOG hold before it.
    #[schemars(length(min = 1, max = 1_000))]
    pub(in crate::config) log_level: Option<String>,
    /// Where history, pauses and timings are kept: `sqlite:` and the path of a file that is on no network file system, or
    /// `dynamodb:` and the name of a table that several replicas share.
    #[schemars(regex(pattern = STATE), extend("default" = "sqlite:/var/lib/rekeyd/state.db"))]
    pub(in crate::config) state: Option<String>,
    /// The place, by its name, whose region, credentials and endpoint reach the table of `state`; may be left out if there
    /// is but one place.
    #[schemars(regex(pattern = TABLE_NAME))]
    pub(in crate::config) state_aws: Option<String>,
    /// How long a replica that is not heard of keeps its secrets before others take them over, with a table only: 3s to 5m.
    #[schemars(regex(pattern = DURATION), extend("default" = "15s"))]
    pub(in crate::config) lease: Option<String>,
    /// Rotations and retirements under way at once.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 1000))]
    pub(in crate::config) max_in_flight: Option<i64>,
    /// How long a shutdown waits for the steps under way. Whatever is left goes on after the restart.
    #[schemars(regex(pattern = DURATION), extend("default" = "25s"))]
    pub(in crate::config) drain_timeout: Option<String>,
    /// How often secrets are looked for, and halted ones looked at again.
    #[schemars(regex(pattern = DURATION), extend("default" = "15m"))]
    pub(in crate::config) discovery_interval: Option<String>,
    /// How often the current password of a secret that is not due is tried with a login; "none" for never.
    #[schemars(regex(pattern = DURATION_OR_NONE), extend("default" = "6h"))]
    pub(in crate::config) drift_check_interval: Option<String>,
    /// true: look at everything, change nothing. Outlives a restart.
    #[schemars(extend("default" = false))]
    pub(in crate::config) paused: Option<bool>,
}
