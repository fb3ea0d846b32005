//! What the history tells, in the columns of a terminal.

use unicode_width::UnicodeWidthStr;

use crate::cli::text::{clean, moment, painted, shortened, wrapped};
use crate::cli::{CliError, Session};
use crate::history::episode::Episode;
use crate::history::words::{self, Telling};
use crate::store::HistoryEntry;

/// How far the lines below the first one of an episode are set in.
const INDENT: usize = 2;

/// The name of a line takes so many columns.
const NAME: usize = 13;

/// An episode, over several lines.
pub(super) fn of_episode(episode: &Episode, session: &Session) -> String {
    let telling = words::of_episode(episode);
    let lines = telling.lines.iter().map(|(name, what)| named(name, what, session));
    headline(&telling, session) + &lines.collect::<String>()
}

/// An event that belongs to no episode, in a line if it fits.
pub(super) fn of_event(entry: &HistoryEntry, session: &Session) -> Result<String, CliError> {
    let mut telling = words::of_event(entry)?;
    telling.verdict = clean(&telling.verdict);
    let (at, secret, what) = (moment(entry.at), &telling.secret, &telling.verdict);
    let fits = |columns: usize| format!("{at}  {secret}  {what}").width() <= columns;
    match session.width.filter(|columns| !fits(*columns)) {
        None => Ok(headline(&telling, session)),
        Some(columns) => {
            let room = columns.saturating_sub(at.len() + INDENT).max(NAME);
            Ok(format!("{at}  {}\n", shortened(secret, room)) + &wrapped(what, INDENT + NAME, session.width))
        }
    }
}

fn headline(telling: &Telling, session: &Session) -> String {
    let at = telling.at.map_or_else(|| "earlier".to_owned(), moment);
    let what = &telling.verdict;
    let room = session
        .width
        .map(|columns| columns.saturating_sub(at.len() + what.width() + 4));
    let secret = room.map_or_else(
        || telling.secret.clone(),
        |room| shortened(&telling.secret, room.max(12)),
    );
    let what = match session.colour {
        true => painted(what, telling.tone),
        false => what.clone(),
    };
    format!("{at}  {secret}  {what}\n")
}

fn named(name: &str, what: &str, session: &Session) -> String {
    let below = wrapped(what, INDENT + NAME, session.width);
    let first = format!("{:INDENT$}{name:NAME$}", "");
    first + below.trim_start()
}
