//! Configuration: TOML as written, layered, then checked into plain values.
//!
//! `raw` is what may be written, `layers` reads and merges it, `check` turns it into [`Config`].
//! Everything wrong is reported at once, each with the spot in the layer that set it. `schema` tells editors what
//! may be written, `effective` tells people what set each value.

mod check;
mod effective;
mod error;
mod layers;
mod log_level;
mod notify;
mod raw;
mod schema;
mod source;
mod wording;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::policy::{Place, Policy};

pub use crate::schedule::duration;
pub use effective::Setting;
pub use error::{ConfigErrors, Location, Problem};
pub use log_level::{LogLevel, LogLevelError};
pub use notify::{Channel, KeptIn, NotifyTarget, UrlFrom, webhook_url};
pub use schema::schema;
pub use source::SourceKind;

/// A configuration as it was loaded.
#[derive(Clone, PartialEq, Debug)]
pub struct Loaded {
    /// The checked configuration.
    pub config: Config,
    /// What is allowed and probably not meant, each with its place.
    pub warnings: Vec<String>,
    /// The files that were read, in the order of their layers.
    pub sources: Vec<PathBuf>,
}

/// Reads a file, the drop-ins beside it and the variables of ours among `env`.
///
/// Drop-ins are the `*.toml` files of the folder that is named like the file, with `.d` for its
/// extension (`rekeyd.d` beside `rekeyd.toml`), in the order of their names.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(path: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Loaded, ConfigErrors> {
    layers_of(path, env).finish(check::look_at_roots)
}

/// The same, and each value that is in force with what set it: of the daemon, of every place and of every policy.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn explain(
    path: &Path,
    env: impl Iterator<Item = (String, String)>,
) -> Result<(Loaded, Vec<Setting>), ConfigErrors> {
    layers_of(path, env).explain(check::look_at_roots)
}

/// The admin socket that a configuration names, as far as it can be read: the daemon may run on by
/// the one before, and can be asked what it thinks of this one.
pub fn admin_socket(path: &Path, env: impl Iterator<Item = (String, String)>) -> PathBuf {
    layers_of(path, env).merge().daemon.admin_socket
}

fn layers_of(path: &Path, env: impl Iterator<Item = (String, String)>) -> layers::Layers {
    let mut layers = layers::Layers::default();
    layers.add_file(SourceKind::File, path);
    layers.add_drop_ins(path);
    layers.add_variables(env);
    layers
}

/// Reads one text, called `name` in messages; no drop-ins, no variables.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn parse_str(name: &str, text: &str) -> Result<Loaded, ConfigErrors> {
    let mut layers = layers::Layers::default();
    layers.add_text(SourceKind::File, Path::new(name), text.to_owned());
    layers.finish(|_| None)
}

/// A checked configuration.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// The daemon itself.
    pub daemon: Daemon,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// The places, by name.
    pub places: BTreeMap<String, Place>,
    /// The policies, by name.
    pub policies: BTreeMap<String, Policy>,
    /// Who is notified, by name.
    pub notify: BTreeMap<String, NotifyTarget>,
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
    /// The group, by name or number, whose members may use that socket beside the daemon's own user; the daemon's own
    /// group if none is named.
    pub admin_group: Option<String>,
    /// The file that the audit log is appended to; the log if there is none.
    pub audit_log: Option<PathBuf>,
    /// What the log holds, unless the command line or the environment says so; `info` if it is left out.
    pub log_level: Option<LogLevel>,
    /// Where records are kept.
    pub state: StateLocation,
    /// The place whose region, credentials and endpoint reach the table; always there when records are kept in one.
    pub state_aws: Option<String>,
    /// How long a replica that is not heard of keeps its secrets, when records are kept in a table.
    pub lease: Duration,
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

/// What `/metrics` shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metrics {
    /// Whether each secret has series of its own, as long as there are no more than 1,000 of them.
    pub per_secret: bool,
}

/// Where records are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StateLocation {
    /// In a SQLite file.
    Sqlite(PathBuf),
    /// In a DynamoDB table, which several replicas share.
    DynamoDb {
        /// Its name.
        table: String,
    },
}

/// As it is written.
impl fmt::Display for StateLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::DynamoDb { table } => write!(f, "dynamodb:{table}"),
        }
    }
}

impl Config {
    /// The table that records are kept in, by name, and the place that reaches it; nothing if they are kept in a file.
    pub fn table(&self) -> Option<(&str, &Place)> {
        let StateLocation::DynamoDb { table } = &self.daemon.state else {
            return None;
        };
        let place = self.places.get(self.daemon.state_aws.as_deref()?)?;
        Some((table, place))
    }
}
