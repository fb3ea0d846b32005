//! The command line.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use rekeyd::cli::args::Cli;
use rekeyd::cli::exit::Exit;
use rekeyd::cli::{Session, prepare, unparsed};
use rekeyd::clock::SystemClock;

/// How long a blocking call, such as a name lookup, may hold the end of the process.
const LAST_CALLS: Duration = Duration::from_secs(1);

pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error, std::env::args_os()),
    };
    let log = match prepare(&cli, std::env::vars_os()) {
        Ok(log) => log,
        Err(exit) => return exit.into(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(event = "no_threads", %error, "no threads to run on");
            return Exit::Failed.into();
        }
    };
    let session = Session::of_process(Arc::new(SystemClock::new()), log);
    // Not on this thread: the engine would be woken across threads at every turn.
    let command = runtime.spawn(async move { rekeyd::cli::main(cli, &session).await });
    let code = runtime.block_on(command);
    runtime.shutdown_timeout(LAST_CALLS);
    // It panicked, and has said so.
    code.unwrap_or_else(|_| Exit::Failed.into())
}
