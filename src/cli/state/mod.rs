//! `rekeyd state`: all that a store remembers, out of one store and into another; and the table that may be one.

pub(super) mod args;
mod export;
mod import;
mod init_table;
mod place;

use crate::cli::args::Cli;
use crate::cli::{CliError, Reply, Session, run};
use crate::store::StoreError;

use args::StateCommand;
use place::Place;

/// Exports, imports or creates a table.
pub(super) async fn state(cli: &Cli, command: StateCommand, session: &Session) -> Result<Reply, CliError> {
    match command {
        StateCommand::Export(args) => {
            let config = run::read(&cli.config)?.config;
            let place = Place::of(&config, session).await?;
            let (name, now, terminal) = (place.name(), session.clock.now(), session.terminal);
            let taken = place.taken().await?;
            blocking("export", move || export::export(&name, &taken, &args, now, terminal)).await
        }
        StateCommand::Import(args) => {
            let config = run::read(&cli.config)?.config;
            import::import(&config, args, session).await
        }
        StateCommand::InitTable(args) => init_table::init_table(&cli.config, args, session).await,
    }
}

/// Runs what may block.
async fn blocking<T: Send + 'static>(
    what: &str,
    run: impl FnOnce() -> Result<T, CliError> + Send + 'static,
) -> Result<T, CliError> {
    let done = tokio::task::spawn_blocking(run).await;
    done.unwrap_or_else(|_| Err(CliError::Run(format!("the {what} ended early: please report this"))))
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
