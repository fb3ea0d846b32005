//! Configuration: TOML as written, layered, then checked into plain values.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::policy::{Place, Policy};

/// A checked configuration.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// The daemon itself.
    pub daemon: Daemon,
    /// The places, by name.
    pub places: BTreeMap<String, Place>,
    /// The policies, by name.
    pub policies: BTreeMap<String, Policy>,
}

/// The daemon's own settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Daemon {
    /// Where health and metrics are served.
    pub listen: SocketAddr,
    /// Whether status is served there although it is no loopback address.
    pub expose_status: bool,
    /// The Unix socket over which things are changed.
    pub admin_socket: PathBuf,
    /// Where records are kept.
    pub state: StateLocation,
    /// How many rotations and retirements may be under way at once.
    pub max_in_flight: usize,
    /// How long a shutdown waits for steps under way.
    pub drain_timeout: Duration,
    /// How often secrets are looked for, and how often a halted one is looked at again.
    pub discovery_interval: Duration,
    /// How often a password that nothing is due for is checked by a login; `None` never.
    pub drift_check_interval: Option<Duration>,
    /// Whether nothing may be changed anywhere.
    pub paused: bool,
}

/// Where records are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StateLocation {
    /// In a SQLite file.
    Sqlite(PathBuf),
}
