//! Episodes and events in words.

use crate::clock::Timestamp;
use crate::rotation::cause::{Cause, CauseKind};
use crate::rotation::event::Event;
use crate::rotation::observation::Proof;
use crate::rotation::revocation::DeadPassword;
use crate::rotation::step::Step;
use crate::secret::secret_arn_name;
use crate::store::HistoryEntry;
use crate::words::time::{exact_span, moment};
use crate::words::{Tone, proof};

use super::episode::{Episode, Kind, Outcome, Stage};

/// What is told of an episode or an event.
#[derive(Clone, PartialEq, Debug)]
pub struct Telling {
    /// When it ended, or began if it has not; nothing if that is no longer in the history.
    pub at: Option<Timestamp>,
    /// The secret's name.
    pub secret: String,
    /// What came of it, in a few words.
    pub verdict: String,
    /// How bad that is.
    pub tone: Tone,
    /// What there is to say beside it, each with the name of its line.
    pub lines: Vec<(&'static str, String)>,
}

/// An episode.
pub fn of_episode(episode: &Episode) -> Telling {
    let (verdict, tone) = verdict(episode);
    let mut lines = Vec::new();
    if episode.kind == Kind::Rotation {
        lines.push(("woken by", cause(episode)));
    }
    lines.extend(episode.steps.iter().map(|stage| (stage.step.label(), told(stage))));
    lines.extend(episode.failure.clone().map(|failure| ("because", failure)));
    let versions = match &episode.previous {
        Some(previous) if episode.kind != Kind::Repair => format!("{} in place of {previous}", episode.version),
        _ => episode.version.clone(),
    };
    lines.push(("version", versions));
    Telling {
        at: episode.ended_at.or(episode.began_at),
        secret: episode.secret.clone(),
        verdict,
        tone,
        lines,
    }
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

/// An event that belongs to no episode.
///
/// # Errors
/// If its fields are no JSON.
pub fn of_event(entry: &HistoryEntry) -> Result<Telling, serde_json::Error> {
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
    let secret = secret_arn_name(&entry.secret_arn).unwrap_or(&entry.secret_arn);
    Ok(Telling {
        at: Some(entry.at),
        secret: secret.to_owned(),
        verdict: what,
        tone,
        lines: Vec::new(),
    })
}

/// What an event tells beside its name.
pub fn fields(event: &Event) -> Result<String, serde_json::Error> {
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
