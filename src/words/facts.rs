//! Everything that is told of one secret.

use crate::clock::Timestamp;
use crate::rotation::observation::Proof;
use crate::rotation::revocation::{DeadPassword, Revocation};
use crate::rotation::rollback::{Rollback, RollbackOutcome};
use crate::rotation::status::SecretStatus;
use crate::words::proof;
use crate::words::standing::{told, waits_for};

/// What is told under one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// Words.
    Text(String),
    /// A time.
    At(Timestamp),
}

/// Everything that is known of a secret, each under its name.
pub fn facts(secret: &SecretStatus, now: Timestamp) -> Vec<(&'static str, Fact)> {
    let when = |at: Option<Timestamp>| at.map(Fact::At);
    let text = |text: Option<String>| text.map(Fact::Text);
    let waits = waits_for(secret, now);
    let nodes = secret.nodes.filter(|_| !secret.is_unproven());
    let nodes = nodes.map_or_else(String::new, |nodes| format!(" on {nodes} nodes"));
    let previous = secret
        .previous_password_valid
        .map(|valid| if valid { "still logs in" } else { "is gone" }.to_owned());
    let counted = |count: u32| (count > 0).then(|| Fact::Text(count.to_string()));
    let detail = Some(told(secret)).filter(|told| !waits.contains(told.as_str()) && !told.ends_with(&waits));
    let drift = secret.drift.map(|cause| format!("{cause}: {}", cause.meaning()));
    let lines = [
        ("secret", text(Some(secret.secret.clone()))),
        ("arn", text(secret.arn.clone())),
        ("policy", text(known(&secret.policy))),
        ("place", text(known(&secret.place))),
        ("user", text(secret.user_id.clone())),
        ("phase", text(Some(secret.phase.label().to_owned()))),
        ("since", when(secret.since)),
        ("step", text(secret.step.map(|step| step.label().to_owned()))),
        match waits.starts_with("until ") {
            true => ("waits", text(Some(waits.clone()))),
            false => ("waits for", text(Some(waits.clone()))),
        },
        ("detail", text(detail)),
        ("drift", text(drift)),
        (
            "proof",
            text(secret.proof.map(|level| format!("{}{nodes}", proof(Some(level))))),
        ),
        ("proved at", when(secret.proved_at)),
        ("current version", text(secret.current_version.clone())),
        ("pending version", text(secret.pending_version.clone())),
        ("last rotation", when(secret.last_rotation_at)),
        ("next rotation", when(secret.next_rotation_at)),
        ("missed windows", counted(secret.missed_windows)),
        ("requested", text(secret.requested.then(|| "yes".to_owned()))),
        ("previous password", text(previous)),
        ("overlap until", when(secret.overlap_until)),
        ("retired at", when(secret.retired_at)),
        ("revocation", text(secret.revocation.as_ref().map(revocation))),
        ("rollback", text(secret.rollback.as_ref().map(rollback))),
        (
            "retired proof",
            text(secret.retired_proof.map(|level| proof(Some(level)))),
        ),
        ("failed attempts", counted(secret.attempts)),
        ("next attempt", when(secret.next_attempt_at)),
    ];
    lines
        .into_iter()
        .filter_map(|(name, fact)| Some((name, fact?)))
        .collect()
}

/// A name, unless nobody told it: a store knows of no places.
fn known(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

/// How far a revocation has come.
fn revocation(revocation: &Revocation) -> String {
    let dead: Vec<_> = revocation
        .dead
        .iter()
        .map(|dead| format!("; {}", death(revocation, dead)))
        .collect();
    let state = if revocation.is_open() { "under way" } else { "done" };
    let asked = revocation.asked_at.format("%Y-%m-%d %H:%M:%SZ");
    format!("asked for at {asked}, {state}{}", dead.concat())
}

/// How far a rollback has come.
fn rollback(rollback: &Rollback) -> String {
    let asked = rollback.asked_at.format("%Y-%m-%d %H:%M:%SZ");
    let came = match &rollback.outcome {
        None => format!("under way, until {} at most", rollback.until.format("%H:%M:%SZ")),
        Some(RollbackOutcome::RolledBack { at }) => format!("done at {}", at.format("%H:%M:%SZ")),
        Some(RollbackOutcome::Refused { reason, detail, .. }) => format!("refused: {reason}: {detail}"),
        Some(RollbackOutcome::Expired { .. }) => "not begun in time, and given up".to_owned(),
    };
    format!("of version {}, asked for at {asked}, {came}", rollback.version)
}

/// What is told of a password that died meanwhile.
pub fn death(revocation: &Revocation, dead: &DeadPassword) -> String {
    format!(
        "the password of version {} is {} after {} ({}, {} nodes)",
        dead.version,
        fate(dead),
        format_args!("{:.1} s", revocation.seconds_to(dead)),
        proof(Some(dead.proof)),
        dead.nodes
    )
}

/// What is known to have become of a password.
pub fn fate(dead: &DeadPassword) -> &'static str {
    match matches!(dead.proof, Proof::Unproven(_)) {
        true => "removed",
        false => "dead",
    }
}
