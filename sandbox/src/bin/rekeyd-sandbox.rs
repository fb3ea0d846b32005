//! `rekeyd-sandbox`: a local AWS for rekeyd and for anybody's AWS client.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use rekeyd_sandbox::{SandboxServer, ServerConfig, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A local stand-in for Secrets Manager and ElastiCache, with real redis-server processes as caches.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// Allow an address that others can reach
    #[arg(long)]
    allow_remote: bool,
    /// Settings in TOML
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Where to keep files, instead of the folder for temporary files
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Write the CA certificate of the caches here
    #[arg(long, value_name = "PATH")]
    ca_file: Option<PathBuf>,
    /// What random names and delays are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What to log: a level, or a filter like rekeyd_sandbox=debug
    #[arg(long, default_value = "info")]
    log: EnvFilter,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rekeyd-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(args.log)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let settings = match &args.settings {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Settings::from_toml(&text).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => Settings::default(),
    };
    // Before the server starts, so that a signal that comes early ends it in order too.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = SandboxServer::start(ServerConfig {
        listen: args.listen,
        allow_remote: args.allow_remote,
        settings,
        seed: args.seed,
        state_dir: args.state_dir,
        ca_file: args.ca_file,
        ..ServerConfig::default()
    })
    .await?;
    println!(
        "rekeyd-sandbox ready: {} ca-file {}",
        server.url(),
        server.ca_file().display()
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.shutdown().await;
    Ok(())
}
