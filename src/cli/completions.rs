//! `rekeyd completions`: what shells complete.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Reply;
use crate::cli::args::Cli;
use crate::cli::exit::Exit;

pub(super) fn print(shell: Shell) -> Reply {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rekeyd", &mut script);
    Reply::new(Exit::Done, String::from_utf8_lossy(&script).into_owned())
}
