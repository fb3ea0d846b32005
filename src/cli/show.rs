//! What is told of one secret, and what other commands print alike.

use crate::cli::CliError;
use crate::cli::revoke::death;
use crate::cli::text::{proof, time_and_distance, wrapped};
use crate::clock::Timestamp;
use crate::rotation::observation::Proof;
use crate::rotation::revocation::Revocation;
use crate::rotation::rollback::{Rollback, RollbackOutcome};
use crate::rotation::status::SecretStatus;
use crate::server::configuration::ConfigurationStatus;
use crate::words::standing::{told, waits_for};

/// What somebody should know of the configuration, a line each.
pub(super) fn about_configuration(configuration: &ConfigurationStatus) -> Vec<String> {
    let complaints = configuration.complaints().into_iter();
    complaints.map(|line| format!("configuration: {line}")).collect()
}

/// How many columns the name of a line takes.
const NAME: usize = 18;

/// Everything about one secret, in so many columns if possible.
pub(super) fn view(secret: &SecretStatus, now: Timestamp, columns: Option<usize>) -> String {
    let when = |at: Option<Timestamp>| at.map(|at| time_and_distance(at, now));
    let waits = waits_for(secret, now);
    let yes = |condition: bool| condition.then(|| "yes".to_owned());
    let nodes = secret
        .nodes
        .filter(|_| !matches!(secret.proof, Some(Proof::Unproven(_))));
    let nodes = nodes.map_or_else(String::new, |nodes| format!(" on {nodes} nodes"));
    let previous = secret
        .previous_password_valid
        .map(|valid| if valid { "still logs in" } else { "is gone" }.to_owned());
    let lines = [
        ("secret", Some(secret.secret.clone())),
        ("arn", secret.arn.clone()),
        ("policy", known(&secret.policy)),
        ("place", known(&secret.place)),
        ("user", secret.user_id.clone()),
        ("phase", Some(secret.phase.label().to_owned())),
        ("since", when(secret.since)),
        ("step", secret.step.map(|step| step.label().to_owned())),
        match waits.starts_with("until ") {
            true => ("waits", Some(waits.clone())),
            false => ("waits for", Some(waits.clone())),
        },
        (
            "detail",
            Some(told(secret)).filter(|told| !waits.contains(told.as_str()) && !told.ends_with(&waits)),
        ),
        (
            "drift",
            secret.drift.map(|cause| format!("{cause}: {}", cause.meaning())),
        ),
        (
            "proof",
            secret.proof.map(|level| format!("{}{nodes}", proof(Some(level)))),
        ),
        ("proved at", when(secret.proved_at)),
        ("current version", secret.current_version.clone()),
        ("pending version", secret.pending_version.clone()),
        ("last rotation", when(secret.last_rotation_at)),
        ("next rotation", when(secret.next_rotation_at)),
        (
            "missed windows",
            (secret.missed_windows > 0).then(|| secret.missed_windows.to_string()),
        ),
        ("requested", yes(secret.requested)),
        ("previous password", previous),
        ("overlap until", when(secret.overlap_until)),
        ("retired at", when(secret.retired_at)),
        ("revocation", secret.revocation.as_ref().map(revocation)),
        ("rollback", secret.rollback.as_ref().map(rollback)),
        ("retired proof", secret.retired_proof.map(|level| proof(Some(level)))),
        (
            "failed attempts",
            (secret.attempts > 0).then(|| secret.attempts.to_string()),
        ),
        ("next attempt", when(secret.next_attempt_at)),
    ];
    lines
        .into_iter()
        .filter_map(|(name, value)| {
            let below = wrapped(&value?, NAME, columns);
            Some(format!("{name:NAME$}{}", below.trim_start_matches(' ')))
        })
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

/// JSON for people and programs.
pub(super) fn pretty(value: &impl serde::Serialize) -> Result<String, CliError> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
