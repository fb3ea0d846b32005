//! `rekeyd history`: what was done to secrets, why, and how long it took.

mod episode;
mod gathering;
#[cfg(test)]
mod tests;
mod words;

use serde::Serialize;

use crate::cli::args::HistoryArgs;
use crate::cli::show::pretty;
use crate::cli::source::{Source, View};
use crate::cli::text::{Cell, moment, table};
use crate::cli::{CliError, Reply, Session};
use crate::rotation::event::Event;
use crate::secret::secret_arn_name;
use crate::store::HistoryEntry;

use episode::Episode;
use gathering::{Told, gather};

/// So many events at most make up a rotation with its retirement, retries aside.
const EVENTS_OF_A_ROTATION: usize = 30;

/// The most events that are asked for: as many as the daemon tells at once.
const MOST_EVENTS: usize = 10_000;

/// `history --json`.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    view: &'a View,
    /// Newest first.
    rotations: Vec<&'a Episode>,
    /// The events, newest first, of which the rotations were made and everything else that happened.
    events: &'a [HistoryEntry],
}

/// What happened.
pub(super) async fn history(source: &Source, args: &HistoryArgs, session: &Session) -> Result<Reply, CliError> {
    let whole = !args.events;
    let events = match whole {
        true => args.limit.saturating_mul(EVENTS_OF_A_ROTATION).min(MOST_EVENTS),
        false => args.limit.min(MOST_EVENTS),
    };
    let (from, mut events) = source.history(args.secret.as_deref(), events).await?;
    let text = if args.events {
        let rows = events.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        table(["TIME", "SECRET", "EVENT", "DETAIL"], &rows, session.colour)
    } else {
        let told = gather(&events);
        if args.json {
            events.truncate(args.limit);
            let rotations = told.iter().filter_map(|told| match told {
                Told::Episode(episode) => Some(&**episode),
                Told::Event(_) => None,
            });
            pretty(&Report {
                view: &from,
                rotations: rotations.take(args.limit).collect(),
                events: &events,
            })?
        } else {
            let told = told.iter().take(args.limit).map(|told| match told {
                Told::Episode(episode) => words::of_episode(episode, session),
                Told::Event(entry) => words::of_event(entry, session),
            });
            told.collect::<Result<String, CliError>>()?
        }
    };
    Ok(Reply::new(from.exit(), text).with_caution(from.caution()))
}

fn row(entry: &HistoryEntry) -> Result<[Cell; 4], CliError> {
    Ok([
        Cell::from(moment(entry.at)),
        Cell::from(secret_arn_name(&entry.secret_arn).unwrap_or(&entry.secret_arn)),
        Cell::from(entry.event.label()),
        Cell::from(fields(&entry.event)?),
    ])
}

/// What an event tells beside its name.
fn fields(event: &Event) -> Result<String, CliError> {
    let event = serde_json::to_value(event)?;
    let Some(event) = event.as_object() else {
        return Ok(String::new());
    };
    let shown = event
        .iter()
        .filter(|(name, value)| *name != "event" && !value.is_null());
    let shown = shown.map(|(name, value)| format!("{name}={}", plain(value)));
    Ok(shown.collect::<Vec<_>>().join(" "))
}

/// A value without the marks of JSON: `unproven:user_off`, `host:port`, `one,another`.
fn plain(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Object(members) => members.values().map(plain).collect::<Vec<_>>().join(":"),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
