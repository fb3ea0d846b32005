//! How a command reaches the daemon: over its admin socket, or through the table that its replicas share.

use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::args::Cli;
use crate::cli::client::{Client, TableEnd};
use crate::cli::{CliError, Session, run};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::store::dynamodb::open_table;
use crate::store::shared::SharedStore;
use crate::store::shared::presence::Presence;
use crate::store::table::Table;

/// A client of the daemon. Where replicas share a table and no socket of one is here, it asks through the table.
///
/// # Errors
/// Those of the configuration, where it is needed; `--through-table` without a table.
pub(super) async fn client(cli: &Cli, session: &Session) -> Result<Client, CliError> {
    if let Some(socket) = &cli.socket {
        return Ok(Client::new(socket.clone()));
    }
    let config = match run::read(&cli.config) {
        Ok(loaded) => loaded.config,
        // A daemon may run on by the configuration before this one.
        Err(error) if !cli.through_table => {
            let socket = run::socket_of_wrong(&cli.config).ok_or(error)?;
            return Ok(Client::new(socket));
        }
        Err(error) => return Err(error),
    };
    client_by(&config, cli.through_table, session).await
}

/// The same by a configuration that was read.
pub(super) async fn client_by(config: &Config, through_table: bool, session: &Session) -> Result<Client, CliError> {
    let socket = &config.daemon.admin_socket;
    // A folder that is closed to this user may hold one: then who may use it is told.
    let no_socket = || !socket.try_exists().unwrap_or(true);
    match config.table().is_some() && (through_table || no_socket()) {
        true => through(config, session).await,
        false if through_table => Err(CliError::Usage(
            "--through-table: `daemon.state` names no table; replicas share one with \"dynamodb:TABLE\"".to_owned(),
        )),
        false => Ok(Client::new(PathBuf::clone(socket))),
    }
}

async fn through(config: &Config, session: &Session) -> Result<Client, CliError> {
    let table = table(config, session.clock.clone()).await?;
    let end = TableEnd::new(table, session.clock.clone());
    end.withdraw_on_interrupt();
    Ok(Client::through(end))
}

/// The store in the table that replicas share, for looking at it.
///
/// # Errors
/// Where the configuration names no table.
pub(super) async fn shared_store(config: &Config, clock: SharedClock) -> Result<SharedStore, CliError> {
    let table = table(config, clock.clone()).await?;
    Ok(SharedStore::new(table, Arc::new(Presence::new()), clock))
}

async fn table(config: &Config, clock: SharedClock) -> Result<Arc<dyn Table>, CliError> {
    // Nobody scrapes a command.
    let metrics = Arc::new(Metrics::new(&[]));
    let table = open_table(config, clock, metrics).await;
    let table = table.map_err(|error| CliError::Configuration(error.to_string()))?;
    Ok(Arc::new(table))
}
