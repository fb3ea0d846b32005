//! Where a secret stands by its record alone: for whoever cannot ask the daemon.

use crate::secret::secret_arn_name;

use super::state::Record;
use super::status::{Phase, SecretStatus};
use super::step::Step;

/// What a record tells of its secret. Whatever only AWS, the configuration or a clock could tell is left out.
pub fn remembered(record: &Record) -> SecretStatus {
    let name = secret_arn_name(&record.secret_arn).unwrap_or(&record.secret_arn);
    let (phase, reason, detail, since) = standing(record);
    let promotion = record.promotion.as_ref();
    let check = record.check.as_ref();
    let current = match &record.rotation {
        Some(rotation) => Some(&rotation.parent),
        None => check
            .map(|check| &check.version)
            .or(promotion.map(|promotion| &promotion.version)),
    };
    let check = check.filter(|check| Some(&check.version) == current);
    let retired = record.retired.as_ref();
    SecretStatus {
        arn: Some(record.secret_arn.clone()),
        phase,
        step: step(record),
        reason,
        detail,
        since,
        drift: record.drift.as_ref().map(|drift| drift.cause),
        proof: check.map(|check| check.proof),
        nodes: check.map(|check| check.nodes),
        proved_at: check.map(|check| check.at),
        current_version: current.cloned(),
        pending_version: record.rotation.as_ref().map(|rotation| rotation.version.clone()),
        last_rotation_at: promotion.map(|promotion| promotion.at),
        missed_windows: record.missed.as_ref().map_or(0, |missed| missed.count),
        retired_at: retired.map(|retired| retired.at),
        retired_version: retired.map(|retired| retired.previous.clone()),
        retired_proof: retired.map(|retired| retired.proof),
        requested: current.is_some_and(|current| record.standing_request(current, promotion.map(|p| p.at)).is_some()),
        revocation: record.revocation.as_deref().cloned(),
        rollback: record.rollback.as_deref().cloned(),
        attempts: record.failure.as_ref().map_or(0, |failure| failure.attempts),
        next_attempt_at: record.failure.as_ref().map(|failure| failure.next_attempt_at),
        ..SecretStatus::unknown(name, record.policy.as_deref().unwrap_or_default(), "")
    }
}

type Standing = (Phase, Option<String>, Option<String>, Option<crate::clock::Timestamp>);

/// The most urgent of what is remembered.
fn standing(record: &Record) -> Standing {
    let told =
        |label: &str, meaning: &str, detail: &str| (Some(label.to_owned()), Some(format!("{meaning} ({detail})")));
    if let Some(halt) = record.standing_halt() {
        let (reason, detail) = told(halt.reason.label(), halt.reason.meaning(), &halt.detail);
        return (Phase::Halted, reason, detail, Some(halt.since));
    }
    if let Some(attention) = &record.attention {
        let (reason, detail) = told(attention.reason.label(), attention.reason.meaning(), &attention.detail);
        return (Phase::NeedsAttention, reason, detail, Some(attention.since));
    }
    if let Some(pause) = &record.pause {
        return (Phase::Paused, None, pause.reason.clone(), None);
    }
    let under_way = match (&record.rotation, &record.retirement) {
        (Some(_), _) => Some(Phase::Rotating),
        (None, Some(_)) => Some(Phase::Retiring),
        (None, None) => None,
    };
    if let Some(waiting) = &record.waiting {
        let (reason, detail) = told(waiting.reason.label(), waiting.reason.meaning(), &waiting.detail);
        return (under_way.unwrap_or(Phase::Due), reason, detail, Some(waiting.since));
    }
    let detail = record.failure.as_ref().map(|failure| failure.message.clone());
    (under_way.unwrap_or_else(|| at_rest(record)), None, detail, None)
}

/// Whether both passwords still worked.
fn at_rest(record: &Record) -> Phase {
    let retired = |version: &String| {
        let retired = record.retired.as_ref();
        retired.is_some_and(|retired| retired.version == *version)
    };
    match &record.promotion {
        Some(promotion) if !retired(&promotion.version) => Phase::Overlap,
        _ => Phase::Idle,
    }
}

fn step(record: &Record) -> Option<Step> {
    let rotation = record.rotation.as_ref().map(|rotation| {
        if rotation.abandoning.is_some() {
            Step::Abandon
        } else if rotation.finishing.is_some() {
            Step::FinishSecret
        } else if rotation.set_at.is_some() {
            Step::TestSecret
        } else if rotation.created {
            Step::SetSecret
        } else {
            Step::CreateSecret
        }
    });
    rotation
        .or(record.repair.as_ref().map(|_| Step::Repair))
        .or(record.retirement.as_ref().map(|_| Step::Retire))
}
