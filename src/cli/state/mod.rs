//! `rekeyd state`: all that a store remembers, out of one store and into another; and the table that may be one.

pub(super) mod args;
mod export;
mod import;
mod init_table;

use std::path::PathBuf;

use crate::cli::args::Cli;
use crate::cli::{CliError, Reply, Session, run};
use crate::config::{Daemon, StateLocation};
use crate::store::StoreError;

use args::StateCommand;

/// Exports, imports or creates a table.
pub(super) async fn state(cli: &Cli, command: StateCommand, session: &Session) -> Result<Reply, CliError> {
    let settings = run::settings(&cli.config)?;
    match command {
        StateCommand::Export(args) => {
            let (store, now, terminal) = (store(&settings)?, session.clock.now(), session.terminal);
            let exported = tokio::task::spawn_blocking(move || export::export(&store, &args, now, terminal));
            exported
                .await
                .unwrap_or_else(|_| Err(CliError::Run("the export ended early: please report this".to_owned())))
        }
        StateCommand::Import(args) => import::import(&settings, args, session).await,
        StateCommand::InitTable(args) => init_table::init_table(&cli.config, args, session).await,
    }
}

/// The file of the store.
fn store(settings: &Daemon) -> Result<PathBuf, CliError> {
    match &settings.state {
        StateLocation::Sqlite(path) => Ok(path.clone()),
        table @ StateLocation::DynamoDb { .. } => Err(CliError::Refused(format!(
            "{table}: this command works on a file, \"sqlite:PATH\" in `daemon.state`. Nothing was changed"
        ))),
    }
}

fn failed(error: StoreError) -> CliError {
    match error {
        held @ StoreError::Held { .. } => CliError::Held(held.to_string()),
        other => CliError::Run(other.to_string()),
    }
}

/// So many of something, in words.
fn counted(records: usize, history: usize, outbox: usize) -> String {
    let s = if records == 1 { "" } else { "s" };
    let entries = if history == 1 { "entry" } else { "entries" };
    let waiting = match outbox {
        0 => String::new(),
        1 => ", and 1 notification that waits".to_owned(),
        more => format!(", and {more} notifications that wait"),
    };
    format!("{records} record{s} and {history} {entries} of history{waiting}")
}
