//! `rekeyd log-level`: shows what the daemon logs, or lets it log something else for a while.

use std::time::Duration;

use crate::cli::args::LogLevelArgs;
use crate::cli::client::Client;
use crate::cli::exit::Exit;
use crate::cli::show::pretty;
use crate::cli::text::clean;
use crate::cli::{CliError, Reply, Session};
use crate::config::duration;
use crate::server::wire::{LogLevelReply, LogLevelRequest};

/// Asks for a level or its end, or looks which one is in force.
pub(super) async fn log_level(client: &Client, args: LogLevelArgs, session: &Session) -> Result<Reply, CliError> {
    let changes = args.end || args.level.is_some();
    let in_force = match (changes, args.level) {
        (false, _) => client.log_level().await?,
        (true, level) => {
            let request = LogLevelRequest {
                for_seconds: level.is_some().then_some(args.span.as_secs()),
                level: level.map(|level| level.to_string()),
            };
            client.ask_for_log_level(&request).await?
        }
    };
    let text = match args.json {
        true => pretty(&in_force)?,
        // In a pipe, whoever changes something hears nothing if it went well.
        false if changes && !session.terminal => String::new(),
        false => clean(&told(&in_force)) + "\n",
    };
    Ok(Reply::new(Exit::Done, text))
}

fn told(in_force: &LogLevelReply) -> String {
    let LogLevelReply {
        level,
        by,
        ends_in_seconds,
    } = in_force;
    match ends_in_seconds {
        Some(seconds) => {
            let left = duration::format(Duration::from_secs(*seconds));
            format!("{level} (by {by}), for another {left}")
        }
        None => format!("{level} (by {by})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_so_and_for_how_long_is_told() {
        let mut in_force = LogLevelReply {
            level: "debug".to_owned(),
            by: "rekeyd log-level".to_owned(),
            ends_in_seconds: Some(600),
        };
        assert_eq!(told(&in_force), "debug (by rekeyd log-level), for another 10m");
        in_force.ends_in_seconds = None;
        assert_eq!(told(&in_force), "debug (by rekeyd log-level)");
    }
}
