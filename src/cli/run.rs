//! The commands that need a configuration rather than a daemon.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::exit::Exit;
use crate::cli::{CliError, Reply, Session};
use crate::config::{Daemon, Loaded, admin_socket, load};
use crate::daemon::{self, DaemonError, Source};
use crate::engine::Settled;
use crate::store::StoreError;

/// `rekeyd run`, and `rekeyd run --once`.
pub(super) async fn daemon(config: &Path, once: bool, session: &Session) -> Result<Reply, CliError> {
    let loaded = read(config)?;
    if let Some(not_taken) = session.log.configure(loaded.config.daemon.log_level.clone()) {
        tracing::warn!(event = "configuration_warning", "{not_taken}");
    }
    let unusable = |error: std::io::Error| CliError::Run(format!("signals cannot be received: {error}"));
    let hangups = daemon::hangups().map_err(unusable)?;
    let told = daemon::termination().map_err(unusable)?;
    let exit = if once {
        exit_of(daemon::run_once(loaded, hangups, told).await.map_err(failed)?)
    } else {
        let file = config.to_owned();
        let source = Source {
            file: file.clone(),
            read: Arc::new(move || load(&file, variables())),
        };
        daemon::run(loaded, source, session.log.clone(), hangups, told)
            .await
            .map_err(failed)?;
        Exit::Done
    };
    Ok(Reply::new(exit, String::new()))
}

/// The daemon's own settings, for those who want to reach it.
pub(super) fn settings(config: &Path) -> Result<Daemon, CliError> {
    Ok(read(config)?.config.daemon)
}

/// The admin socket that a wrong configuration names, if there is one.
pub(super) fn socket_of_wrong(config: &Path) -> Option<PathBuf> {
    let socket = admin_socket(config, variables());
    socket.exists().then_some(socket)
}

/// A variable that is not Unicode cannot be one of ours, and must not stop the others.
pub(super) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        (
            name.to_string_lossy().into_owned(),
            value.to_string_lossy().into_owned(),
        )
    })
}

/// The configuration, or everything that is wrong with it.
pub(super) fn read(config: &Path) -> Result<Loaded, CliError> {
    load(config, variables()).map_err(|errors| CliError::Configuration(errors.to_string()))
}

fn failed(error: DaemonError) -> CliError {
    match error {
        DaemonError::Store(held @ StoreError::Held { .. }) => CliError::Held(held.to_string()),
        unfit if unfit.takes_a_person() => CliError::Configuration(unfit.to_string()),
        other => CliError::Run(other.to_string()),
    }
}

fn exit_of(settled: Settled) -> Exit {
    match (settled.done, settled.not_done) {
        (_, 0) => Exit::Done,
        (0, _) => Exit::Failed,
        _ => Exit::Partly,
    }
}
