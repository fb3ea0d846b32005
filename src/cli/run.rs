//! The commands that need a configuration rather than a daemon, wired at merge.

use std::path::Path;

use crate::cli::{CliError, Reply, Session};
use crate::config::Daemon;

/// `rekeyd run`, and `rekeyd run --once`.
pub(super) async fn daemon(config: &Path, _once: bool, _session: &Session) -> Result<Reply, CliError> {
    Err(CliError::Run(not_wired(config)))
}

/// `rekeyd check`.
pub(super) fn check(config: &Path, _json: bool, _session: &Session) -> Result<Reply, CliError> {
    Err(CliError::Configuration(not_wired(config)))
}

/// The daemon's own settings, for those who want to reach it.
pub(super) fn settings(config: &Path) -> Result<Daemon, CliError> {
    Err(CliError::Configuration(not_wired(config)))
}

fn not_wired(config: &Path) -> String {
    format!("{}: not wired", config.display())
}
