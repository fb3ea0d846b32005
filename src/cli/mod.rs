//! The command line: what is typed, the client of the daemon's sockets, and what is printed.

pub mod args;
pub mod check;
pub mod client;
mod completions;
mod denied;
pub mod exit;
mod failure;
mod health;
mod help;
mod history;
mod iam_policy;
mod log_level;
mod man;
mod notify;
mod onboard;
pub mod plan;
mod progress;
mod reach;
mod reload;
mod revoke;
mod rollback;
mod rotate;
mod rotator;
mod run;
mod schema;
mod show;
mod source;
mod state;
mod status;
mod takeover;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod wait;

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueEnum;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::cli::args::{Cli, Command};
use crate::cli::client::ClientError;
use crate::cli::exit::Exit;
use crate::cli::failure::fail;
pub use crate::cli::failure::unparsed;
use crate::cli::source::Source;
use crate::clock::SharedClock;
use crate::config::LogLevelError;
use crate::process;
use crate::telemetry::{self, LevelSource, LogControl, LogFormat, LogOptions, Said};

/// What a command has to say, and how the process ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// For standard output.
    pub stdout: String,
    /// For standard error: what somebody should know beside.
    pub caution: Option<String>,
    /// How the process ends.
    pub exit: Exit,
}

impl Reply {
    fn new(exit: Exit, stdout: String) -> Self {
        Self {
            stdout,
            caution: None,
            exit,
        }
    }

    /// The same, with what somebody should know beside.
    fn with_caution(self, caution: Option<String>) -> Self {
        Self { caution, ..self }
    }
}

/// A command that failed before it had anything to say.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The daemon did not do it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The configuration or the environment is wrong.
    #[error("{0}")]
    Configuration(String),
    /// What was typed makes no sense, or does not go with the configuration.
    #[error("{0}")]
    Usage(String),
    /// It was refused, and nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// Another process holds the store.
    #[error("{0}")]
    Held(String),
    /// The daemon could not run.
    #[error("{0}")]
    Run(String),
    /// Neither the daemon nor its store says anything.
    #[error("{0}")]
    NotStored(String),
    /// What was to be printed cannot be.
    #[error("the output could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl CliError {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Client(error) => error.exit(),
            Self::Configuration(_) => Exit::Configuration,
            Self::Usage(_) => Exit::Usage,
            Self::Refused(_) => Exit::Refused,
            Self::NotStored(_) => Exit::Unreachable,
            Self::Held(_) => Exit::Held,
            Self::Run(_) | Self::Json(_) => Exit::Failed,
        }
    }
}

/// Somebody who is told, line by line, what goes on.
pub type Watcher = Box<dyn Fn(&str) + Send + Sync>;

/// What a command finds around it.
pub struct Session {
    /// The clock.
    pub clock: SharedClock,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Whether standard output may be coloured.
    pub colour: bool,
    /// In how many columns text for a terminal is to fit; nothing where it is not for one.
    pub width: Option<usize>,
    /// Whether standard error is a terminal that can redraw a line.
    pub redraws: bool,
    /// Told what goes on meanwhile, if anybody watches.
    pub progress: Option<Watcher>,
    /// What changes the level of this process's log.
    pub log: Arc<LogControl>,
}

impl Session {
    /// What this process finds.
    pub fn of_process(clock: SharedClock, log: Arc<LogControl>) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self {
            clock,
            terminal,
            colour: terminal && colour_allowed(),
            width: terminal.then(terminal::columns),
            redraws: std::io::stderr().is_terminal() && terminal::redraws(),
            progress: std::io::stderr()
                .is_terminal()
                .then(|| -> Watcher { Box::new(complain) }),
            log,
        }
    }

    /// One for a task of its own: what goes on there comes over the channel.
    fn by_channel(&self) -> (Self, UnboundedReceiver<String>) {
        let (told, lines) = unbounded_channel::<String>();
        let session = Self {
            clock: self.clock.clone(),
            terminal: self.terminal,
            colour: self.colour,
            width: self.width,
            // A line for each thing that goes on: others write to the same terminal.
            redraws: false,
            // Nobody listens any more once the command is over.
            progress: Some(Box::new(move |line| drop(told.send(line.to_owned())))),
            log: self.log.clone(),
        };
        (session, lines)
    }

    fn tell(&self, line: &str) {
        if let Some(progress) = &self.progress {
            progress(line);
        }
    }
}

/// Whether anybody asked for no colour; see no-color.org.
fn colour_allowed() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && terminal::redraws()
}

/// Prepares the process for a command: its environment and its log, whose level can be changed from then on.
///
/// # Errors
/// How the process ends instead; what is wrong has been said.
pub fn prepare(cli: &Cli, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Arc<LogControl>, Exit> {
    let variables: Vec<_> = variables.into_iter().collect();
    let fail = |exit, reason: String| fail(cli.command.is_json(), &reason, exit);
    telemetry::refuse_environment(variables.iter().cloned()).map_err(|reason| fail(Exit::Configuration, reason))?;
    let level = level_given(cli, &variables).map_err(|reason| fail(Exit::Usage, reason))?;
    let options = log_options(cli, &variables, level).map_err(|reason| fail(Exit::Configuration, reason))?;
    let log = telemetry::init(&options).map_err(|error| fail(Exit::Usage, error.to_string()))?;
    if cli.command.reads_passwords()
        && let Err(error) = process::keep_memory_private()
    {
        tracing::warn!(
            event = "core_files_not_forbidden",
            %error,
            "the system refuses to forbid core files; see to it that none is written"
        );
    }
    Ok(log)
}

/// What is logged where the one who waits is told otherwise. That a secret is not there yet is no news to who is about to
/// create it.
const QUIET: &str = "warn,rekeyd::engine::discovery=error";

fn variable(variables: &[(OsString, OsString)], wanted: &str) -> Option<String> {
    let found = variables.iter().find(|(name, _)| name == wanted);
    let text = found.map(|(_, value)| value.to_string_lossy().into_owned());
    text.filter(|text| !text.is_empty())
}

/// The level that was typed, or that the environment names: what was typed holds before that.
fn level_given(cli: &Cli, variables: &[(OsString, OsString)]) -> Result<Option<Said>, String> {
    let typed = cli.log_level.clone().map(|text| (text, LevelSource::CommandLine));
    let of_environment = || Some((variable(variables, "RUST_LOG")?, LevelSource::Environment));
    let Some((text, by)) = typed.or_else(of_environment) else {
        return Ok(None);
    };
    let level = text.parse().map_err(|error| format!("{by}: {error}"))?;
    Ok(Some(Said { level, by }))
}

fn log_options(cli: &Cli, variables: &[(OsString, OsString)], level: Option<Said>) -> Result<LogOptions, String> {
    let format = match (cli.log_format, variable(variables, "REKEYD_LOG_FORMAT")) {
        (Some(typed), _) => typed,
        (None, Some(text)) => LogFormat::from_str(&text, true)
            .map_err(|_| format!("REKEYD_LOG_FORMAT is {text:?}; write auto, text or json"))?,
        (None, None) => LogFormat::Auto,
    };
    let terminal = std::io::stderr().is_terminal();
    // Those that work beside the daemon, or in its place, tell what goes on themselves.
    let in_its_place = matches!(
        cli.command,
        Command::Onboard(_) | Command::Takeover(_) | Command::Notify { .. } | Command::State { .. }
    );
    let quiet = || QUIET.parse().map_err(|error: LogLevelError| error.to_string());
    Ok(LogOptions {
        format,
        level,
        usual: in_its_place.then(quiet).transpose()?,
        terminal,
        colour: terminal && colour_allowed(),
        without_audit: in_its_place && terminal,
        journal: telemetry::journal_reads_standard_error(),
    })
}

/// Carries out a command, prints what it has to say, and tells how the process ends.
pub async fn main(cli: Cli, session: &Session) -> ExitCode {
    let as_json = cli.command.is_json();
    let exit = match execute(cli, session).await {
        Ok(reply) => match print(&reply.stdout) {
            Ok(()) => {
                // JSON says it in its fields.
                if let Some(caution) = reply.caution.filter(|_| !as_json) {
                    complain(&format!("rekeyd: {caution}"));
                }
                reply.exit
            }
            Err(error) => {
                let reason = format!("standard output cannot be written: {error}");
                fail(as_json, &reason, Exit::Failed)
            }
        },
        Err(error) => fail(as_json, &error.to_string(), error.exit()),
    };
    exit.into()
}

/// Carries out a command.
///
/// # Errors
/// [`CliError`], which knows how the process ends.
pub async fn execute(cli: Cli, session: &Session) -> Result<Reply, CliError> {
    let client = || reach::client(&cli, session);
    match cli.command.clone() {
        Command::Run { once } => run::daemon(&cli.config, once, session).await,
        Command::Plan(args) => plan::plan(&cli.config, args, session).await,
        Command::Check { effective, json } => check::check(&cli.config, effective, json, session),
        Command::Status(args) => status::status(&Source::of(&cli, session).await?, &args, session).await,
        Command::History(args) => history::history(&Source::of(&cli, session).await?, &args, session).await,
        Command::IamPolicy(args) => iam_policy::iam_policy(&cli.config, args),
        Command::Rotate(args) => rotate::rotate(&client().await?, args, session).await,
        Command::Onboard(args) => onboard::onboard(&cli, *args, session).await,
        Command::Takeover(args) => takeover::takeover(&cli, args, session).await,
        Command::Notify { command } => notify::notify(&cli.config, command, session).await,
        Command::State { command } => state::state(&cli, command, session).await,
        Command::LogLevel(args) => log_level::log_level(&client().await?, args, session).await,
        Command::Reload { json } => reload::reload(&client().await?, json, session).await,
        Command::Rollback(args) => rollback::rollback(&client().await?, args, session).await,
        Command::Pause {
            selection,
            span,
            reason,
            json,
        } => {
            let accepted = client().await?.pause(selection.into(), span, reason).await?;
            rotate::acknowledge(&accepted, "paused", json, session)
        }
        Command::Resume { selection, json } => {
            let accepted = client().await?.resume(selection.into()).await?;
            rotate::acknowledge(&accepted, "resumed", json, session)
        }
        Command::Healthcheck { ready, listen } => {
            let listen = listen.map_or_else(|| Ok(run::settings(&cli.config)?.listen), Ok::<_, CliError>)?;
            Ok(health::check(listen, ready).await?)
        }
        Command::Schema => schema::print(),
        Command::Completions { shell } => Ok(completions::print(shell)),
        Command::Man { out } => man::man(out.as_deref()),
    }
}

/// Writes to standard output. A reader that has seen enough is no error.
fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a line to standard error. Where that fails there is nobody left to tell.
fn complain(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap_or_default();
}
