//! `rekeyd status` and `rekeyd history`.

use crate::cli::client::Client;
use crate::cli::exit::Exit;
use crate::cli::revoke::death;
use crate::cli::text::{Cell, clean, proof, table, time, time_and_distance};
use crate::cli::{CliError, Reply, Session};
use crate::clock::Timestamp;
use crate::rotation::revocation::Revocation;
use crate::rotation::rollback::{Rollback, RollbackOutcome};
use crate::rotation::status::{Phase, SecretStatus};
use crate::server::configuration::ConfigurationStatus;
use crate::server::wire::{RotationsReply, SecretsReply};
use crate::store::HistoryEntry;

/// Where secrets stand.
pub(super) async fn status(
    client: &Client,
    secret: Option<&str>,
    json: bool,
    session: &Session,
) -> Result<Reply, CliError> {
    let reply = client.status(secret).await?;
    let SecretsReply { secrets, configuration } = &reply;
    let text = match secret {
        _ if json => pretty(&reply)?,
        Some(_) => {
            let now = session.clock.now();
            let views: Vec<_> = secrets.iter().map(|secret| view(secret, now)).collect();
            views.join("\n")
        }
        None => {
            let rows: Vec<_> = secrets.iter().map(row).collect();
            let header = ["SECRET", "POLICY", "PHASE", "PROOF", "LAST ROTATION", "NEXT", "DETAIL"];
            let complaints = configuration.iter().flat_map(about_configuration);
            let complaints: String = complaints.map(|line| clean(&line) + "\n").collect();
            complaints + &table(header, &rows, session.colour)
        }
    };
    Ok(Reply::new(Exit::Done, text))
}

/// What somebody should know of the configuration, a line each.
pub(super) fn about_configuration(configuration: &ConfigurationStatus) -> Vec<String> {
    let complaints = configuration.complaints().into_iter();
    complaints.map(|line| format!("configuration: {line}")).collect()
}

fn row(secret: &SecretStatus) -> [Cell; 7] {
    [
        Cell::from(&secret.secret),
        Cell::from(&secret.policy),
        Cell::phase(secret.phase),
        Cell::proof(secret.proof),
        Cell::from(time(secret.last_rotation_at)),
        Cell::from(time(secret.next_rotation_at)),
        Cell::from(told(secret)),
    ]
}

/// Why a secret stands where it does, in a line.
pub(super) fn told(secret: &SecretStatus) -> String {
    let overlap = match (secret.requested, secret.phase) {
        (true, Phase::Overlap) => Some(format!(
            "a requested rotation waits until {} for the overlap of the last one; `rekeyd rotate --revoke-previous` \
             ends it",
            time(secret.overlap_until)
        )),
        _ => None,
    };
    let reason = match (&secret.reason, &secret.detail) {
        (Some(reason), Some(detail)) => Some(format!("{reason}: {detail}")),
        (reason, detail) => detail.clone().or_else(|| reason.clone()),
    };
    overlap.or(reason).unwrap_or_default()
}

/// Everything about one secret.
fn view(secret: &SecretStatus, now: Timestamp) -> String {
    let when = |at: Option<Timestamp>| at.map(|at| time_and_distance(at, now));
    let yes = |condition: bool| condition.then(|| "yes".to_owned());
    let nodes = secret
        .nodes
        .map_or_else(String::new, |nodes| format!(" on {nodes} nodes"));
    let previous = secret
        .previous_password_valid
        .map(|valid| if valid { "still logs in" } else { "is gone" }.to_owned());
    let lines = [
        ("secret", Some(secret.secret.clone())),
        ("arn", secret.arn.clone()),
        ("policy", Some(secret.policy.clone())),
        ("place", Some(secret.place.clone())),
        ("user", secret.user_id.clone()),
        ("phase", Some(secret.phase.label().to_owned())),
        ("since", when(secret.since)),
        ("step", secret.step.map(|step| step.label().to_owned())),
        ("detail", Some(told(secret)).filter(|told| !told.is_empty())),
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
        .filter_map(|(name, value)| value.map(|value| format!("{name:18}{}\n", clean(&value))))
        .collect()
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

/// What happened.
pub(super) async fn history(
    client: &Client,
    secret: Option<&str>,
    limit: usize,
    json: bool,
    session: &Session,
) -> Result<Reply, CliError> {
    let rotations = client.history(secret, limit).await?;
    let text = match json {
        true => pretty(&RotationsReply { rotations })?,
        false => {
            let rows = rotations.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
            table(["TIME", "SECRET", "EVENT", "DETAIL"], &rows, session.colour)
        }
    };
    Ok(Reply::new(Exit::Done, text))
}

fn entry(entry: &HistoryEntry) -> Result<[Cell; 4], CliError> {
    Ok([
        Cell::from(entry.at.format("%Y-%m-%d %H:%M:%SZ").to_string()),
        Cell::from(short(&entry.secret_arn)),
        Cell::from(entry.event.label()),
        Cell::from(fields(&serde_json::to_value(&entry.event)?)),
    ])
}

/// The name in a secret's ARN: what follows the sixth colon, without the six characters at its end.
fn short(arn: &str) -> &str {
    let name = arn.splitn(7, ':').nth(6).unwrap_or(arn);
    match name.rsplit_once('-') {
        Some((name, suffix)) if suffix.len() == 6 => name,
        _ => name,
    }
}

/// What an event tells beside its name.
fn fields(event: &serde_json::Value) -> String {
    let Some(event) = event.as_object() else {
        return String::new();
    };
    let shown = event
        .iter()
        .filter(|(name, value)| *name != "event" && !value.is_null());
    let shown = shown.map(|(name, value)| format!("{name}={}", plain(value)));
    shown.collect::<Vec<_>>().join(" ")
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

/// JSON for people and programs.
pub(super) fn pretty(value: &impl serde::Serialize) -> Result<String, CliError> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
