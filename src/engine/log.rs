//! Events in the log: what needs a person as a warning, what an operator follows as information,
//! the rest for who asks for it. `docs/LOGGING.md` has a table of them, which is made from here.
//!
//! Which secret and which rotation they are about is told by the spans around them (`engine::spans`).

use crate::rotation::event::Event;
use crate::rotation::state::{Check, Record};

/// Tells of an event that was stored, in the words of the log.
pub fn log(before: &Record, event: &Event) {
    let told = is_news(before, event) && (warn(event) || inform(event));
    if !told {
        quietly(event);
    }
}

/// Whether somebody who follows the log learns something. A thousand secrets whose passwords work are no news every six
/// hours, and one that cannot go on is none at every retry; but it is told of again, after twice as many each time.
fn is_news(before: &Record, event: &Event) -> bool {
    match event {
        Event::Checked { version, proof, nodes } => {
            let same = |check: &Check| (&check.version, check.proof, check.nodes) == (version, *proof, *nodes);
            !before.check.as_ref().is_some_and(same)
        }
        Event::AttemptFailed { step, message, .. } => before.failure.as_ref().is_none_or(|failure| {
            let attempts = failure.attempts.saturating_add(1);
            (failure.step, &failure.message) != (*step, message) || attempts.is_power_of_two()
        }),
        _ => true,
    }
}

fn quietly(event: &Event) {
    let name = event.label();
    match event {
        Event::Waiting { reason, detail } => {
            tracing::debug!(event = name, reason = reason.label(), "waits: {detail}");
        }
        Event::AttemptFailed { step, message, .. } => {
            tracing::debug!(event = name, reason = step.label(), "failed again: {message}");
        }
        _ => tracing::debug!(event = name, "{}", in_words(event)),
    }
}

/// Its name, for a person.
fn in_words(event: &Event) -> String {
    event.label().replace('_', " ")
}

fn warn(event: &Event) -> bool {
    let Some((reason, told)) = warning(event) else {
        return false;
    };
    tracing::warn!(event = event.label(), reason, "{told}");
    true
}

/// What needs a person: its reason, and what is told of it.
fn warning(event: &Event) -> Option<(&'static str, String)> {
    Some(match event {
        Event::RollbackRefused { reason, detail } => (reason.label(), format!("{} ({detail})", reason.meaning())),
        Event::RollbackExpired => (
            "expired",
            "AWSCURRENT was not moved back in time, and will not be".to_owned(),
        ),
        Event::Halted { reason, detail, .. } => (reason.label(), format!("{} ({detail})", reason.meaning())),
        Event::AttentionRaised { reason, detail } => (reason.label(), format!("{} ({detail})", reason.meaning())),
        Event::AttemptFailed {
            step,
            message,
            next_attempt_at,
        } => (
            step.label(),
            format!("{message}; tried again at {}", next_attempt_at.format("%FT%TZ")),
        ),
        Event::DriftFound {
            cause,
            detail,
            repair_from,
            ..
        } => {
            let repaired = repair_from.map(|at| format!("; to be repaired from {}", at.format("%FT%TZ")));
            let told = format!("{} ({detail}){}", cause.meaning(), repaired.unwrap_or_default());
            (cause.label(), told)
        }
        Event::MissedWindow {
            closed_at,
            windows,
            why,
            ..
        } => (
            "missed_window",
            format!(
                "{windows} closed without a start, the last at {}: {why}",
                closed_at.format("%FT%TZ")
            ),
        ),
        Event::AbandonStarted { version, cause } => ("abandon", format!("version {version} is given up: {cause}")),
        _ => return None,
    })
}

fn inform(event: &Event) -> bool {
    inform_of_new_password(event) || inform_of_proof(event) || inform_of_revocation(event) || inform_by_name(event)
}

/// A password that is on its way, or has become the current one.
fn inform_of_new_password(event: &Event) -> bool {
    let name = event.label();
    match event {
        Event::RotationStarted {
            version,
            parent,
            generation,
            ..
        }
        | Event::RotationFound {
            version,
            parent,
            generation,
        } => tracing::info!(event = name, version, parent, generation, "rotation under way"),
        Event::Promoted {
            version,
            previous,
            proof,
            nodes,
        } => {
            let proof = proof.map_or("by another process", |proof| proof.label());
            tracing::info!(event = name, version, previous, proof, nodes, "AWSCURRENT moved");
        }
        _ => return false,
    }
    true
}

/// What logins showed of a password, on how many nodes and how surely, and what was made of it.
fn inform_of_proof(event: &Event) -> bool {
    let (proof, nodes) = match event {
        Event::Checked { proof, nodes, .. }
        | Event::Repaired { proof, nodes, .. }
        | Event::Retired { proof, nodes, .. }
        | Event::RollbackStarted { proof, nodes, .. } => (proof.label(), nodes),
        _ => return false,
    };
    let name = event.label();
    match event {
        Event::Checked { version, .. } => {
            tracing::info!(event = name, version, proof, nodes, "current password checked");
        }
        Event::Repaired { version, .. } => {
            tracing::info!(event = name, version, proof, nodes, "drift repaired");
        }
        Event::Retired { previous, .. } => {
            tracing::info!(event = name, previous, proof, nodes, "previous password removed");
        }
        Event::RollbackStarted { version, previous, .. } => {
            tracing::info!(event = name, version, previous, proof, nodes, "AWSCURRENT moves back");
        }
        _ => return false,
    }
    true
}

/// A revocation that reached its end.
fn inform_of_revocation(event: &Event) -> bool {
    let Event::RevocationEnded { seconds, dead, .. } = event else {
        return false;
    };
    let passwords = dead.len();
    tracing::info!(
        event = event.label(),
        seconds,
        passwords,
        "every password that was valid when the revocation was asked for is dead"
    );
    true
}

/// Events whose name says it all.
fn inform_by_name(event: &Event) -> bool {
    let name = event.label();
    match event {
        Event::Requested(_)
        | Event::PasswordCreated { .. }
        | Event::PasswordSet { .. }
        | Event::RetirementStarted { .. }
        | Event::PreviousRemoved { .. }
        | Event::Abandoned { .. }
        | Event::DriftEnded { .. }
        | Event::RepairStarted { .. }
        | Event::PasswordsRestored { .. }
        | Event::RetirementDropped
        | Event::RotationDropped
        | Event::AttentionCleared
        | Event::HaltCleared
        | Event::Acknowledged { .. }
        | Event::RollbackRequested(_)
        | Event::RolledBack { .. }
        | Event::Paused(_)
        | Event::Resumed => tracing::info!(event = name, "{}", in_words(event)),
        _ => return false,
    }
    true
}
