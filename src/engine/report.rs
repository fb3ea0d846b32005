//! What surfaces are shown.

use crate::aws::AwsError;
use crate::clock::Timestamp;
use crate::rotation::observation::Proof;
use crate::rotation::reason::{DriftCause, HaltReason, UnprovenReason};
use crate::rotation::state::{Record, Rotation};
use crate::rotation::status::{Phase, SecretStatus};
use crate::rotation::step::Step;

use super::entry::Entry;
use super::holds::HeldBy;
use super::{Engine, State};

impl Engine {
    /// Every secret, one after the other: whoever only counts them holds one at a time.
    pub(super) fn statuses<'a>(&'a self, state: &'a State) -> impl Iterator<Item = SecretStatus> + 'a {
        let staying = state.entries.values().filter(|entry| !entry.is_leaving());
        staying
            .flat_map(|entry| self.entry_statuses(state, entry))
            .chain(self.unresolved(state))
    }

    fn unresolved<'a>(&'a self, state: &'a State) -> impl Iterator<Item = SecretStatus> + 'a {
        let lost = state
            .unresolved
            .iter()
            .filter(|((policy, name), _)| !state.knows(policy, name));
        lost.map(|((policy, name), error)| self.unresolved_status(policy, name, error))
    }

    pub(super) fn unresolved_status(&self, policy: &str, name: &str, error: &AwsError) -> SecretStatus {
        let reason = error.attention();
        SecretStatus {
            phase: Phase::NeedsAttention,
            reason: Some(reason.label().to_owned()),
            detail: Some(format!("{} {error}", reason.meaning())),
            ..self.blank(policy, name)
        }
    }

    fn blank(&self, policy: &str, secret: &str) -> SecretStatus {
        SecretStatus::unknown(secret, policy, &self.place_of(policy))
    }

    /// A secret under its policy, and under each other one that has it: so that both show it.
    pub(super) fn entry_statuses(&self, state: &State, entry: &Entry) -> Vec<SecretStatus> {
        let mut status = self.entry_status(state, entry);
        let others = entry.other_policies();
        if !others.is_empty() && status.reason.as_deref() != Some(HaltReason::SelectedTwice.label()) {
            let policies = [std::slice::from_ref(&entry.policy), &others].concat().join(" and ");
            let told = status.detail.map(|detail| format!("; {detail}")).unwrap_or_default();
            status.detail = Some(format!(
                "in policies {policies}: {} finishes what it began, and nothing new begins{told}",
                entry.policy
            ));
        }
        let mut all: Vec<SecretStatus> = others
            .into_iter()
            .map(|other| SecretStatus {
                place: self.place_of(&other),
                policy: other,
                ..status.clone()
            })
            .collect();
        all.push(status);
        all
    }

    fn place_of(&self, policy: &str) -> String {
        self.policy(policy)
            .map(|policy| policy.place.clone())
            .unwrap_or_default()
    }

    fn entry_status(&self, state: &State, entry: &Entry) -> SecretStatus {
        let (record, sight, facts) = (&entry.record, &entry.sight, &entry.sight.facts);
        let standing = standing(entry);
        // What it waits for has gone on since it last looked.
        let held = sight
            .held
            .filter(|held| matches!(held, HeldBy::Policy(_) | HeldBy::Together) && standing.phase == Phase::Due);
        let held = held.zip(self.policy(&entry.policy));
        let detail = held.map(|(by, policy)| self.words_of(state, &policy, &entry.secret.arn, by));
        let check = record.check.as_ref().filter(|check| {
            facts
                .current_version
                .as_ref()
                .is_none_or(|current| *current == check.version)
        });
        SecretStatus {
            arn: Some(entry.secret.arn.to_string()),
            elsewhere: !entry.mine,
            user_id: facts.user_id.clone(),
            phase: standing.phase,
            step: step(record).or(sight.step),
            reason: standing.reason,
            detail: detail.or(standing.detail),
            since: standing.since,
            drift: drift(entry),
            proof: check.map(|check| check.proof),
            nodes: check.map(|check| check.nodes),
            proved_at: check.map(|check| check.at),
            current_version: facts.current_version.clone(),
            pending_version: record.rotation.as_ref().map(|rotation| rotation.version.clone()),
            last_rotation_at: facts.last_rotation_at,
            next_rotation_at: facts.next_rotation_at,
            due_since: facts.due_since,
            missed_windows: facts.missed_windows,
            // While a rotation is under way, the second password is the pending one.
            previous_password_valid: facts.password_count.map(|count| record.rotation.is_none() && count > 1),
            overlap_until: facts.overlap_until,
            retired_at: record.retired.as_ref().map(|retired| retired.at),
            retired_version: record.retired.as_ref().map(|retired| retired.previous.clone()),
            retired_proof: record.retired.as_ref().map(|retired| retired.proof),
            requested: facts.requested || requested_since(entry),
            revocation: record.revocation.as_deref().cloned(),
            rollback: record.rollback.as_deref().cloned(),
            attempts: record.failure.as_ref().map_or(0, |failure| failure.attempts),
            next_attempt_at: record.failure.as_ref().map(|failure| failure.next_attempt_at),
            ..self.blank(&entry.policy, &entry.secret.name)
        }
    }
}

/// Whether a rotation was asked for since the last look.
fn requested_since(entry: &Entry) -> bool {
    let Some(request) = &entry.record.request else {
        return false;
    };
    !entry.sight.looked || (request.over.is_some() && request.over == entry.sight.facts.current_version)
}

/// What a secret waits for whose halt an operator has ended.
const RESUMED: &str = "its halt was ended by `rekeyd resume`, and it is looked at again";

/// Where a secret stands, and why.
pub(super) struct Standing {
    pub(super) phase: Phase,
    reason: Option<String>,
    pub(super) detail: Option<String>,
    since: Option<Timestamp>,
}

/// The most urgent of what is known wins.
pub(super) fn standing(entry: &Entry) -> Standing {
    let (record, sight) = (&entry.record, &entry.sight);
    if let Some((reason, detail)) = &sight.fault {
        return Standing {
            phase: Phase::NeedsAttention,
            reason: Some(reason.label().to_owned()),
            detail: Some(format!("{} ({detail})", reason.meaning())),
            since: None,
        };
    }
    if let Some(halt) = record.standing_halt() {
        return Standing {
            phase: Phase::Halted,
            reason: Some(halt.reason.label().to_owned()),
            detail: Some(format!("{} ({})", halt.reason.meaning(), halt.detail)),
            since: Some(halt.since),
        };
    }
    if let Some(attention) = &record.attention {
        return Standing {
            phase: Phase::NeedsAttention,
            reason: Some(attention.reason.label().to_owned()),
            detail: Some(format!("{} ({})", attention.reason.meaning(), attention.detail)),
            since: Some(attention.since),
        };
    }
    if let Some(waiting) = &record.waiting {
        return Standing {
            phase: under_way(record).unwrap_or(Phase::Due),
            reason: Some(waiting.reason.label().to_owned()),
            detail: Some(format!("{} ({})", waiting.reason.meaning(), waiting.detail)),
            since: Some(waiting.since),
        };
    }
    let resumed = sight.phase == Some(Phase::Halted);
    let detail = match resumed {
        true => Some(RESUMED.to_owned()),
        false => sight.detail.clone(),
    };
    let detail = detail.or_else(|| record.failure.as_ref().map(|failure| failure.message.clone()));
    let resting = match sight.phase {
        Some(Phase::Rotating) | None if !sight.looked => Phase::Starting,
        Some(Phase::Rotating | Phase::Halted) | None => Phase::Due,
        Some(phase) => phase,
    };
    let paused = resting == Phase::Paused;
    Standing {
        phase: under_way(record).filter(|_| !paused).unwrap_or(resting),
        reason: None,
        detail,
        since: None,
    }
}

/// Why the current password does not work on every node any more, or why that cannot be told.
fn drift(entry: &Entry) -> Option<DriftCause> {
    let (record, current) = (&entry.record, &entry.sight.facts.current_version);
    let is_current = |version: &String| current.as_ref().is_none_or(|current| current == version);
    let found = record.drift.as_ref().filter(|drift| is_current(&drift.version));
    let attention = record.attention.as_ref().map(|attention| attention.reason);
    let unavailable = Proof::Unproven(UnprovenReason::NodeUnavailable);
    let unasked = record.check.as_ref().filter(|check| check.proof == unavailable);
    let trouble = attention.and_then(DriftCause::of_attention);
    let trouble = trouble.or(unasked.map(|_| DriftCause::NodeUnavailable));
    found
        .map(|drift| drift.cause)
        .or(trouble.filter(|_| record.has_worked()))
}

fn under_way(record: &Record) -> Option<Phase> {
    if record.rotation.is_some() {
        Some(Phase::Rotating)
    } else {
        record.retirement.is_some().then_some(Phase::Retiring)
    }
}

/// The step that a rotation or retirement is at.
fn step(record: &Record) -> Option<Step> {
    let of_rotation = |rotation: &Rotation| {
        if rotation.abandoning.is_some() {
            Step::Abandon
        } else if rotation.finishing.is_some() {
            Step::FinishSecret
        } else if rotation.set_at.is_some() {
            Step::TestSecret
        } else {
            Step::SetSecret
        }
    };
    record
        .rotation
        .as_deref()
        .map(of_rotation)
        .or(record.repair.as_ref().map(|_| Step::Repair))
        .or(record.retirement.as_ref().map(|_| Step::Retire))
}
