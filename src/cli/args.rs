//! The command line as it is typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::cli::help;
pub use crate::cli::notify::{NotifyCommand, NotifyTestArgs};
pub use crate::cli::onboard::args::OnboardArgs;
use crate::cli::plan::PlanArgs;
pub use crate::cli::state::args::{ExportArgs, ImportArgs, InitTableArgs, StateCommand, TableTemplate};
pub use crate::cli::takeover::args::TakeoverArgs;
use crate::config::LogLevel;
use crate::engine::control::Selector;
use crate::iam::{KmsKey, Principal, Purpose, is_account};
use crate::server::wire::{LONGEST_LOG_LEVEL, LONGEST_PAUSE};
use crate::telemetry::LogFormat;

/// What the options of every command stand under, so that a command's own come first.
const EVERYWHERE: &str = "Options of every command";

/// Rotates the passwords of Amazon ElastiCache users whose credentials live in AWS Secrets Manager.
#[derive(Parser, Clone, Debug)]
#[command(name = "rekeyd", version, max_term_width = 100, arg_required_else_help = true, after_help = help::MAIN)]
pub struct Cli {
    /// The configuration.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "PATH", default_value = "/etc/rekeyd/rekeyd.toml")]
    pub config: PathBuf,
    /// The daemon's admin socket, instead of the one that the configuration names.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Ask whichever replica lives through the table of `daemon.state`, also where a socket is.
    #[arg(long, global = true, help_heading = EVERYWHERE, conflicts_with = "socket")]
    pub through_table: bool,
    /// The form of the log on standard error, instead of what REKEYD_LOG_FORMAT says; auto, the
    /// default, is text on a terminal, else JSON.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What is logged, instead of what RUST_LOG says: a level, or directives such as
    /// `info,rekeyd=debug`.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Run the daemon.
    #[command(after_help = help::RUN)]
    Run {
        /// Drive what is due until it is proved, then end; never wait out an overlap.
        #[arg(long)]
        once: bool,
    },
    /// Check and explain the configuration.
    #[command(after_help = help::CHECK)]
    Check {
        /// Show each value that is in force, and where it was set.
        #[arg(long)]
        effective: bool,
        /// As JSON, also of everything that is wrong.
        #[arg(long)]
        json: bool,
    },
    /// Print the least IAM policy that the configuration needs; asks AWS nothing.
    IamPolicy(IamPolicyArgs),
    /// Look at AWS, changing nothing: what is due, what would be done, what would refuse and why.
    Plan(PlanArgs),
    /// Show where secrets stand, and what each waits for; those that need a person first.
    Status(StatusArgs),
    /// Show what happened, newest first: each rotation with what woke it, its steps and its proof.
    History(HistoryArgs),
    /// Rotate now.
    Rotate(RotateArgs),
    /// Create a user and its secret, or take those that exist, and rotate the password for the first time.
    Onboard(Box<OnboardArgs>),
    /// Take a secret over from its rotation function.
    Takeover(TakeoverArgs),
    /// Start nothing new for secrets until they are resumed.
    #[command(after_help = help::PAUSE)]
    Pause {
        /// Which secrets.
        #[command(flatten)]
        selection: Selection,
        /// End the pause by itself after this time, such as 2h; 366 days at most.
        #[arg(long = "for", value_name = "TIME", value_parser = span_of_pause)]
        span: Option<Duration>,
        /// Why, for those who look at status.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// End pauses, and pass over halts.
    #[command(after_help = help::RESUME)]
    Resume {
        /// Which secrets.
        #[command(flatten)]
        selection: Selection,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// During the overlap, move AWSCURRENT back to the previous version of a secret.
    Rollback(RollbackArgs),
    /// Let the daemon read its configuration anew, as SIGHUP does, and wait until it is in force.
    #[command(after_help = help::RELOAD)]
    Reload {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let the daemon log more, or less, for a while; without a level, show what it logs.
    LogLevel(LogLevelArgs),
    /// Try whether notifications arrive.
    #[command(after_help = help::NOTIFY, arg_required_else_help = true)]
    Notify {
        /// What to try.
        #[command(subcommand)]
        command: NotifyCommand,
    },
    /// Take all that the store remembers elsewhere: out of this store, or into an empty one. Or create the table for it.
    #[command(after_help = help::STATE, arg_required_else_help = true)]
    State {
        /// Which way.
        #[command(subcommand)]
        command: StateCommand,
    },
    /// Ask the daemon whether it is alive, for a container's health check.
    #[command(after_help = help::HEALTHCHECK)]
    Healthcheck {
        /// Ask for readiness as well.
        #[arg(long)]
        ready: bool,
        /// Where it listens, instead of `daemon.listen`.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
    },
    /// Print the JSON Schema of the configuration, for editors and CI.
    #[command(after_help = help::SCHEMA)]
    Schema,
    /// Print the completions of a shell.
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, or write one for each command.
    #[command(after_help = help::MAN)]
    Man {
        /// Write the pages into this folder.
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
}

impl Command {
    /// Whether it holds passwords while it runs.
    pub(super) fn reads_passwords(&self) -> bool {
        matches!(
            self,
            Self::Run { .. } | Self::Plan(_) | Self::Onboard(_) | Self::Takeover(_)
        )
    }

    /// Whether JSON is asked for.
    pub fn is_json(&self) -> bool {
        match self {
            Self::Check { json, .. } | Self::Pause { json, .. } | Self::Resume { json, .. } | Self::Reload { json } => {
                *json
            }
            Self::IamPolicy(args) => args.json,
            Self::Plan(args) => args.json,
            Self::Status(args) => args.json,
            Self::History(args) => args.json,
            Self::Rotate(args) => args.json,
            Self::Onboard(args) => args.json,
            Self::Takeover(args) => args.json,
            Self::Rollback(args) => args.json,
            Self::LogLevel(args) => args.json,
            Self::Notify {
                command: NotifyCommand::Test(args),
            } => args.json,
            Self::State {
                command: StateCommand::Export(args),
            } => args.json,
            Self::State {
                command: StateCommand::Import(args),
            } => args.json,
            Self::State {
                command: StateCommand::InitTable(args),
            } => args.json,
            Self::Run { .. }
            | Self::Healthcheck { .. }
            | Self::Schema
            | Self::Completions { .. }
            | Self::Man { .. } => false,
        }
    }
}

/// `rekeyd status`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help::STATUS)]
pub struct StatusArgs {
    /// A name or ARN: everything about one secret.
    pub secret: Option<String>,
    /// Only the secrets of this policy.
    #[arg(long, value_name = "POLICY", conflicts_with = "secret")]
    pub policy: Option<String>,
    /// Only those that a person should look at.
    #[arg(long, conflicts_with = "secret")]
    pub attention: bool,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// `rekeyd history`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help::HISTORY)]
pub struct HistoryArgs {
    /// A name or ARN.
    pub secret: Option<String>,
    /// How many entries.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Each event in a line, instead of rotations.
    #[arg(long, conflicts_with = "json")]
    pub events: bool,
    /// As JSON: rotations, and the events that they were made from.
    #[arg(long)]
    pub json: bool,
}

/// `rekeyd iam-policy`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help::IAM_POLICY)]
pub struct IamPolicyArgs {
    /// What is to be run: the daemon, or a command with an operator's credentials.
    #[arg(long = "for", value_name = "COMMAND", default_value = "daemon", value_parser = purpose())]
    pub purpose: Purpose,
    /// Only what this place needs.
    #[arg(long, value_name = "NAME")]
    pub place: Option<String>,
    /// The account of the credentials it begins with, and so of places without a role.
    #[arg(long, value_name = "ID", value_parser = account)]
    pub account: Option<String>,
    /// The ARN of the role or user that it runs as; trust policies name it.
    #[arg(long, value_name = "ARN")]
    pub principal: Option<Principal>,
    /// The ARN of a customer key that secrets are encrypted with; may be given again.
    #[arg(long = "kms-key", value_name = "ARN")]
    pub kms_keys: Vec<KmsKey>,
    /// Only the policy of this name.
    #[arg(long, value_name = "NAME")]
    pub document: Option<String>,
    /// As Terraform's data sources and managed policies.
    #[arg(long, group = "form")]
    pub terraform: bool,
    /// As a CloudFormation template for each account.
    #[arg(long, group = "form")]
    pub cloudformation: bool,
    /// As one JSON object: each policy with its name, kind, holder, account and length.
    #[arg(long, group = "form")]
    pub json: bool,
}

/// `rekeyd rollback`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help::ROLLBACK)]
pub struct RollbackArgs {
    /// A name or ARN.
    pub secret: String,
    /// Give up after this time; propagation_timeout at most, which is what it is if left out.
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub timeout: Option<Duration>,
    /// Roll back although less than the fence is left of the overlap, or a write was never answered.
    /// Only if no other rekeyd may be at work.
    #[arg(long)]
    pub now: bool,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// `rekeyd log-level`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help::LOG_LEVEL)]
pub struct LogLevelArgs {
    /// off, error, warn, info, debug or trace, or directives such as `info,rekeyd=debug`. Holds before --log-level,
    /// RUST_LOG and the configuration.
    #[arg(value_name = "LEVEL", conflicts_with = "end")]
    pub level: Option<LogLevel>,
    /// Go back after this time; 24h at most.
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = span_of_log_level, requires = "level")]
    pub span: Duration,
    /// Go back now.
    #[arg(long)]
    pub end: bool,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// `rekeyd rotate`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help::ROTATE)]
#[command(group(clap::ArgGroup::new("waiting").args(["wait", "revoke_previous"]).multiple(true)))]
pub struct RotateArgs {
    /// Which secrets.
    #[command(flatten)]
    pub selection: Selection,
    /// Wait until each secret has a new password that was proved, or shown to be unprovable.
    #[arg(long)]
    pub wait: bool,
    /// How long to wait.
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = span, requires = "waiting")]
    pub timeout: Duration,
    /// Do not wait for the fence after the last change, nor for the policy's blackout, max_versions_per_day,
    /// canary and max_attention, nor for the first look at all secrets after a start. Only if no other
    /// rekeyd may be at work.
    #[arg(long)]
    pub now: bool,
    /// After a leak: let every password that is valid now die at once, and wait until each is proved
    /// dead. Clients that still use one are refused; connections that are open stay open.
    #[arg(long)]
    pub revoke_previous: bool,
    /// Do not wait for what --revoke-previous does.
    #[arg(long, requires = "revoke_previous", conflicts_with = "wait")]
    pub no_wait: bool,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which secrets.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Selection {
    /// Names or ARNs.
    #[arg(value_name = "SECRET")]
    pub secrets: Vec<String>,
    /// All secrets of this policy.
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// All secrets.
    #[arg(long)]
    pub all: bool,
}

impl From<Selection> for Selector {
    fn from(selection: Selection) -> Self {
        Self {
            secrets: selection.secrets,
            policy: selection.policy,
            all: selection.all,
        }
    }
}

/// One of the names of purposes, which help and completions list.
fn purpose() -> impl TypedValueParser<Value = Purpose> {
    PossibleValuesParser::new(Purpose::ALL.map(Purpose::label)).try_map(|label| label.parse::<Purpose>())
}

/// An account: twelve digits.
fn account(text: &str) -> Result<String, String> {
    match is_account(text) {
        true => Ok(text.to_owned()),
        false => Err("write the twelve digits of an account".to_owned()),
    }
}

/// How long a pause may last. A longer one is a slip of the hand, or has no end: then `--for` is left out.
fn span_of_pause(text: &str) -> Result<Duration, String> {
    span(text).and_then(|span| match span <= LONGEST_PAUSE {
        true => Ok(span),
        false => Err("at most 366d; without --for it lasts until `rekeyd resume`".to_owned()),
    })
}

/// For how long a level may be asked for. What is to last belongs into the configuration.
fn span_of_log_level(text: &str) -> Result<Duration, String> {
    span(text).and_then(|span| match span <= LONGEST_LOG_LEVEL {
        true => Ok(span),
        false => Err("at most 24h; what is to last belongs into daemon.log_level".to_owned()),
    })
}

/// A span of time: numbers with s, m, h or d, such as `90s` or `1h30m`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    const HELP: &str = "write a time such as 90s, 30m, 1h30m or 2d";
    let mut seconds: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).ok_or(HELP)?;
        let (number, tail) = rest.split_at(digits);
        let unit = match tail.chars().next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => return Err(HELP.to_owned()),
        };
        let number: u64 = number.parse().map_err(|_| HELP)?;
        seconds = number
            .checked_mul(unit)
            .and_then(|more| seconds.checked_add(more))
            .ok_or(HELP)?;
        rest = &tail[1..];
    }
    match seconds {
        0 => Err(HELP.to_owned()),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}
