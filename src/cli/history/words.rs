//! Episodes and events in words.

use unicode_width::UnicodeWidthStr;

use crate::cli::text::{Tone, clean, exact_span, moment, painted, proof, shortened, wrapped};
use crate::cli::{CliError, Session};
use crate::clock::Timestamp;
use crate::rotation::cause::{Cause, CauseKind};
use crate::rotation::event::Event;
use crate::rotation::observation::Proof;
use crate::rotation::revocation::DeadPassword;
use crate::rotation::step::Step;
use crate::secret::secret_arn_name;
use crate::store::HistoryEntry;

use super::episode::{Episode, Kind, Outcome, Stage};
use super::fields;

/// How far the lines below the first one of an episode are set in.
const INDENT: usize = 2;

/// The name of a line takes so many columns.
const NAME: usize = 13;

/// An episode, over several lines.
pub(super) fn of_episode(episode: &Episode, session: &Session) -> Result<String, CliError> {
    let (verdict, tone) = verdict(episode);
    let at = episode.ended_at.or(episode.began_at);
    let at = at.map_or_else(|| "earlier".to_owned(), moment);
    let mut text = headline(&at, &episode.secret, &verdict, tone, session);
    let mut tell = |name: &str, what: &str| text.push_str(&named(name, what, session));
    if episode.kind == Kind::Rotation {
        tell("woken by", &cause(episode));
    }
    for stage in &episode.steps {
        tell(stage.step.label(), &told(stage));
    }
    if let Some(failure) = &episode.failure {
        tell("because", failure);
    }
    let versions = match &episode.previous {
        Some(previous) if episode.kind != Kind::Repair => format!("{} in place of {previous}", episode.version),
        _ => episode.version.clone(),
    };
    tell("version", &versions);
    Ok(text)
}

fn headline(at: &str, secret: &str, what: &str, tone: Tone, session: &Session) -> String {
    let room = session
        .width
        .map(|columns| columns.saturating_sub(at.len() + what.width() + 4));
    let secret = room.map_or_else(|| secret.to_owned(), |room| shortened(secret, room.max(12)));
    let what = if session.colour {
        painted(what, tone)
    } else {
        what.to_owned()
    };
    format!("{at}  {secret}  {what}\n")
}

fn named(name: &str, what: &str, session: &Session) -> String {
    let below = wrapped(what, INDENT + NAME, session.width);
    let first = format!("{:INDENT$}{name:NAME$}", "");
    first + below.trim_start()
}

fn verdict(episode: &Episode) -> (String, Tone) {
    let took = episode.seconds.map(|seconds| format!(" in {}", exact_span(seconds)));
    let took = took.unwrap_or_default();
    let proven = match (episode.proof, episode.nodes) {
        (Some(level @ Proof::Unproven(_)), _) => format!(", {} then", proof(Some(level))),
        (Some(level), Some(nodes)) => format!(", {} on {nodes} nodes", proof(Some(level))),
        _ => String::new(),
    };
    match episode.result {
        Outcome::UnderWay => (format!("{} under way", kind(episode.kind)), Tone::Busy),
        Outcome::Promoted => (format!("rotated{took}{proven}"), Tone::Good),
        Outcome::Abandoned => (format!("rotation given up{took}"), Tone::Bad),
        Outcome::Dropped => ("rotation not begun after all".to_owned(), Tone::Plain),
        Outcome::Repaired => (format!("repaired{took}{proven}"), Tone::Good),
        Outcome::RolledBack => (format!("rolled back{took}{proven}"), Tone::Good),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Rotation => "rotation",
        Kind::Repair => "repair",
        Kind::Rollback => "rollback",
    }
}

fn cause(episode: &Episode) -> String {
    let Some(cause) = &episode.cause else {
        return match episode.found {
            true => "another process: it was found under way".to_owned(),
            false => "not known".to_owned(),
        };
    };
    let words = woken_by(cause);
    match cause.retry {
        true => format!("{words}; an earlier try was given up"),
        false => words,
    }
}

fn woken_by(cause: &Cause) -> String {
    let since = cause.since.map(moment);
    let since = |words: &str| {
        since
            .as_ref()
            .map_or_else(String::new, |since| format!(", {words} {since}"))
    };
    match (cause.kind, &cause.by) {
        (CauseKind::Schedule, _) => format!("its schedule{}", since("due")),
        (CauseKind::Request, Some(by)) => format!("a request of {by}{}", since("at")),
        (CauseKind::Request, None) => format!("a request{}", since("at")),
        (CauseKind::FirstPassword, _) => "the lack of a first password".to_owned(),
        (CauseKind::MissedWindow, _) => format!("its next window after a missed one{}", since("due")),
        (CauseKind::Discovery, _) => format!("its discovery: it was due already{}", since("since")),
        (CauseKind::Restart, _) => format!("a restart: it had fallen due meanwhile{}", since("at")),
    }
}

fn told(stage: &Stage) -> String {
    let mut parts = vec![match stage.seconds {
        Some(seconds) => exact_span(seconds),
        None => "not over".to_owned(),
    }];
    if stage.attempts > 1 {
        parts.push(format!("{} attempts", stage.attempts));
    }
    if let (Some(level), Some(nodes)) = (stage.proof, stage.nodes) {
        parts.push(format!(
            "previous password dead: {} on {nodes} nodes",
            proof(Some(level))
        ));
    }
    if stage.step == Step::Retire {
        parts.push(format!("from {}", moment(stage.began_at)));
    }
    let waits = stage
        .waited_for
        .iter()
        .map(|wait| format!("waited, {}: {}", wait.reason, wait.detail));
    let failures = stage.failures.iter().map(|failure| format!("failed: {failure}"));
    let mut lines = vec![parts.join(", ")];
    lines.extend(waits.chain(failures));
    lines.join("; ")
}

/// The end of a revocation: which passwords are dead, and how long the last of them took.
fn revocation(asked_at: Timestamp, seconds: f64, dead: &[DeadPassword]) -> String {
    let asked = format!("revocation over, asked for at {}", moment(asked_at));
    if dead.is_empty() {
        return format!("{asked}: no password was left to revoke");
    }
    let each = dead.iter().map(|dead| {
        let (version, level) = (&dead.version, proof(Some(dead.proof)));
        format!("that of version {version} ({level}, {} nodes)", dead.nodes)
    });
    let each: Vec<String> = each.collect();
    format!(
        "{asked}: dead after {} the password {}",
        exact_span(seconds),
        each.join(" and ")
    )
}

/// An event that belongs to no episode, in a line.
pub(super) fn of_event(entry: &HistoryEntry, session: &Session) -> Result<String, CliError> {
    let by = |by: &Option<String>| by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
    let (what, tone) = match &entry.event {
        Event::Requested(request) => {
            let leak = if request.revoke_previous {
                " --revoke-previous"
            } else {
                ""
            };
            let now = if request.now { " --now" } else { "" };
            (format!("rotation asked for{}{now}{leak}", by(&request.by)), Tone::Plain)
        }
        Event::RollbackRequested(request) => {
            let now = if request.now { " --now" } else { "" };
            (format!("rollback asked for{}{now}", by(&request.by)), Tone::Plain)
        }
        Event::Paused(pause) => {
            let until = pause.until.map(|until| format!(", until {}", moment(until)));
            let reason = pause.reason.as_ref().map(|reason| format!(": {reason}"));
            let (until, reason) = (until.unwrap_or_default(), reason.unwrap_or_default());
            (format!("paused{}{until}{reason}", by(&pause.by)), Tone::Busy)
        }
        Event::Halted { reason, detail, .. } => (
            format!("halted, {}: {} ({detail})", reason.label(), reason.meaning()),
            Tone::Bad,
        ),
        Event::Checked {
            proof: level, nodes, ..
        } => {
            let nodes = match level {
                Proof::Unproven(_) => String::new(),
                _ => format!(" on {nodes} nodes"),
            };
            let level = proof(Some(*level));
            (format!("current password checked: {level}{nodes}"), Tone::Plain)
        }
        Event::RevocationEnded {
            asked_at,
            seconds,
            dead,
        } => (revocation(*asked_at, *seconds, dead), Tone::Good),
        Event::Acknowledged { reason, .. } => (format!("resumed: {} is passed over", reason.label()), Tone::Plain),
        event => {
            let fields = fields(event)?;
            let name = event.label().replace('_', " ");
            (format!("{name} {fields}").trim_end().to_owned(), Tone::Plain)
        }
    };
    let what = clean(&what);
    let at = moment(entry.at);
    let secret = secret_arn_name(&entry.secret_arn).unwrap_or(&entry.secret_arn);
    let Some(columns) = session.width else {
        return Ok(headline(&at, secret, &what, tone, session));
    };
    let whole = format!("{at}  {secret}  {what}");
    match whole.width() <= columns {
        true => Ok(headline(&at, secret, &what, tone, session)),
        false => {
            let room = columns.saturating_sub(at.len() + INDENT).max(NAME);
            Ok(format!("{at}  {}\n", shortened(secret, room)) + &wrapped(&what, INDENT + NAME, session.width))
        }
    }
}
