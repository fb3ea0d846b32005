//! `rekeyd history`: what was done to secrets, why, and how long it took.

mod text;

use serde::Serialize;

use crate::cli::args::HistoryArgs;
use crate::cli::show::pretty;
use crate::cli::source::{Source, View};
use crate::cli::text::{Cell, moment, table};
use crate::cli::{CliError, Reply, Session};
use crate::history::episode::Episode;
use crate::history::words::fields;
use crate::history::{Told, gather};
use crate::secret::secret_arn_name;
use crate::store::HistoryEntry;

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
                Told::Episode(episode) => Ok(text::of_episode(episode, session)),
                Told::Event(entry) => text::of_event(entry, session),
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
