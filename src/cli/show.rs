//! What is told of one secret, and what other commands print alike.

use crate::cli::CliError;
use crate::cli::text::{time_and_distance, wrapped};
use crate::clock::Timestamp;
use crate::rotation::status::SecretStatus;
use crate::server::configuration::ConfigurationStatus;
use crate::words::facts::{Fact, facts};

/// What somebody should know of the configuration, a line each.
pub(super) fn about_configuration(configuration: &ConfigurationStatus) -> Vec<String> {
    let complaints = configuration.complaints().into_iter();
    complaints.map(|line| format!("configuration: {line}")).collect()
}

/// How many columns the name of a line takes.
const NAME: usize = 18;

/// Everything about one secret, in so many columns if possible.
pub(super) fn view(secret: &SecretStatus, now: Timestamp, columns: Option<usize>) -> String {
    let lines = facts(secret, now).into_iter().map(|(name, fact)| match fact {
        Fact::Text(text) => (name, text),
        Fact::At(at) => (name, time_and_distance(at, now)),
    });
    lines
        .map(|(name, value)| {
            let below = wrapped(&value, NAME, columns);
            format!("{name:NAME$}{}", below.trim_start_matches(' '))
        })
        .collect()
}

/// JSON for people and programs.
pub(super) fn pretty(value: &impl serde::Serialize) -> Result<String, CliError> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
