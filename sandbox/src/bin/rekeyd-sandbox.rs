//! `rekeyd-sandbox`: a local AWS for rekeyd and for anybody's AWS client.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use rekeyd_sandbox::{SandboxServer, ServerConfig, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// What `--help` says after the options.
const MORE: &str = "\
Environment:
  REKEYD_SANDBOX_REDIS_SERVER   redis-server to run [default: the one on the PATH]
  REKEYD_SANDBOX_VALKEY_SERVER  valkey-server to run [default: the one on the PATH]
  PATH                          searched for both; a cache of an engine without a server runs on the other's
  TMPDIR                        the folder for temporary files, unless --state-dir is given
Without either server it starts all the same; a cache that is made then is `create-failed`.

Ports: --listen for all services and the control paths (GET /_sandbox/ lists them); a free port on loopback for
each cache node.

Examples:
  rekeyd-sandbox
      Nothing is kept; ends with Ctrl-C.
  rekeyd-sandbox --state ~/.local/state/sandbox.json --ca-file /tmp/ca.pem
      Goes on where the last one ended.
  rekeyd-sandbox --listen 127.0.0.1:0 >ready & until url=$(grep -o 'http://[^ ]*' ready); do kill -0 $! || exit; sleep 0.1; done
      For a script: the first line of standard output says when it is ready, and where.
  AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \\
  AWS_DEFAULT_REGION=us-east-1 aws secretsmanager list-secrets
      Any client, in another terminal. An access key of twelve digits names the account.

Exit codes:
  0  ended by SIGTERM or SIGINT
  1  could not start, or could not keep the state at the end; standard error says why
  2  the command line is wrong";

/// A local stand-in for AWS Secrets Manager and Amazon ElastiCache, with real redis-server processes as caches.
///
/// Nothing in it is secure: whoever reaches its port reads every secret in it. It is for tests, demos and trying
/// things out.
#[derive(Debug, Parser)]
#[command(version, after_long_help = MORE, after_help = "`--help` has examples, environment variables and exit codes.")]
struct Args {
    /// Where to listen, an address and a port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// Allow an address that others can reach; the default refuses any but loopback
    #[arg(long)]
    allow_remote: bool,
    /// Keep secrets, users and caches in this file, and begin with what it holds [default: nothing is kept]
    ///
    /// JSON, written soon after each change (at most once a second) and at the end, and replaced as a whole. It holds
    /// every secret and password IN CLEAR TEXT, so only its owner can read it (mode 0600). One sandbox at a time may use
    /// it; FILE.lock beside it sees to that. Settings, faults and the log are not kept; caches start anew, empty and at
    /// other ports. A file that is broken or of a later release is refused and left as it is.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Settings in TOML [default: those that sandbox/README.md lists]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Where the nodes have their files while they run [default: the folder for temporary files]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Write the CA certificate of the caches here; it is another at each start [default: not written elsewhere]
    #[arg(long, value_name = "PATH")]
    ca_file: Option<PathBuf>,
    /// What random names and delays are drawn from
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// What to log to standard error: off, error, warn, info (a line for each call), debug, trace, or a filter like
    /// rekeyd_sandbox=debug
    #[arg(long, value_name = "FILTER", default_value = "info", value_parser = filter)]
    log: EnvFilter,
}

/// What the text asks to be logged. Said by itself, a name that is no level would be taken for a part of the program, and nothing
/// would be logged.
fn filter(text: &str) -> Result<EnvFilter, String> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = levels.iter().any(|level| text.eq_ignore_ascii_case(level));
    if !is_level && !text.contains('=') {
        return Err(format!(
            "neither a level ({}) nor a filter like rekeyd_sandbox=debug",
            levels.join(", ")
        ));
    }
    EnvFilter::builder().parse(text).map_err(|error| error.to_string())
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
            let told = |error: &dyn std::fmt::Display| format!("settings in {}: {error}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
            Settings::from_toml(&text).map_err(|error| told(&error))?
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
        state_file: args.state,
        ..ServerConfig::default()
    })
    .await?;
    let ready = format!(
        "rekeyd-sandbox ready: {} ca-file {}",
        server.url(),
        server.ca_file().display()
    );
    // Nobody may be listening.
    let _ = writeln!(std::io::stdout(), "{ready}");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.close().await?;
    Ok(())
}
