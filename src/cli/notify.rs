//! `rekeyd notify`: whether notifications arrive.

use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::run::read;
use crate::cli::show::pretty;
use crate::cli::text::clean;
use crate::cli::{CliError, Reply, Session, help};
use crate::notify::{self, Trial};

/// What to do about notifications.
#[derive(Subcommand, Clone, Debug)]
pub enum NotifyCommand {
    /// Send a test message to a target, and tell what it answers.
    Test(NotifyTestArgs),
}

/// `rekeyd notify test`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help::NOTIFY_TEST)]
pub struct NotifyTestArgs {
    /// The target: the NAME of its [notify.NAME] table.
    pub name: String,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// Carries it out. The daemon and its store have no part in it.
pub(super) async fn notify(config: &Path, command: NotifyCommand, session: &Session) -> Result<Reply, CliError> {
    let NotifyCommand::Test(args) = command;
    let config = read(config)?.config;
    if !config.notify.contains_key(&args.name) {
        let known: Vec<&str> = config.notify.keys().map(String::as_str).collect();
        let known = match known.is_empty() {
            true => "the configuration has none".to_owned(),
            false => format!("known: {}", known.join(", ")),
        };
        return Err(CliError::Usage(format!("there is no [notify.{}]; {known}", args.name)));
    }
    let targets = notify::open(&config, session.clock.now());
    let targets = targets.map_err(|errors| CliError::Configuration(errors.to_string()))?;
    let trial = notify::try_target(&targets, &args.name, session.clock.clone()).await;
    let trial = trial.ok_or_else(|| CliError::Usage(format!("there is no [notify.{}]", args.name)))?;
    let exit = match trial.delivered {
        true => Exit::Done,
        false => Exit::Failed,
    };
    let told = match args.json {
        true => pretty(&Report::of(&args.name, &trial))?,
        false => words(&args.name, &trial),
    };
    Ok(match trial.delivered || args.json {
        true => Reply::new(exit, told),
        false => Reply::new(exit, String::new()).with_caution(Some(told)),
    })
}

/// `notify test --json`.
#[derive(Serialize)]
struct Report<'a> {
    notify: &'a str,
    id: &'a str,
    delivered: bool,
    answer: &'a str,
    milliseconds: u128,
}

impl<'a> Report<'a> {
    fn of(name: &'a str, trial: &'a Trial) -> Self {
        Self {
            notify: name,
            id: &trial.id,
            delivered: trial.delivered,
            answer: &trial.answer,
            milliseconds: trial.took.as_millis(),
        }
    }
}

fn words(name: &str, trial: &Trial) -> String {
    match trial.delivered {
        true => {
            clean(&format!(
                "{name} took the test message {} after {} ms: {}",
                trial.id,
                trial.took.as_millis(),
                trial.answer
            )) + "\n"
        }
        false => clean(&format!("{name} did not take the test message: {}", trial.answer)),
    }
}
