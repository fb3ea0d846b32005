//! `rekeyd schema`: the JSON Schema of the configuration.

use crate::cli::exit::Exit;
use crate::cli::show::pretty;
use crate::cli::{CliError, Reply};
use crate::config;

pub(super) fn print() -> Result<Reply, CliError> {
    Ok(Reply::new(Exit::Done, pretty(config::schema())?))
}
