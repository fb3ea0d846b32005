//! The command line.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use rekeyd::cli::args::Cli;
use rekeyd::cli::exit::Exit;
use rekeyd::cli::{Session, prepare};
use rekeyd::clock::SystemClock;

/// How long a blocking call, such as a name lookup, may hold the end of the process.
const LAST_CALLS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(exit) = prepare(&cli, std::env::vars_os()) {
        return exit.into();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no threads to run on");
            return Exit::Failed.into();
        }
    };
    let session = Session::of_process(Arc::new(SystemClock::new()));
    let code = runtime.block_on(rekeyd::cli::main(cli, &session));
    runtime.shutdown_timeout(LAST_CALLS);
    code
}
