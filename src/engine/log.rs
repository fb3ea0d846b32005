//! Events in the log: what needs a person as a warning, what an operator follows as information,
//! the rest for who asks for it.

use crate::rotation::event::Event;

pub(super) fn log(secret: &str, policy: &str, event: &Event) {
    let told = warn(secret, policy, event) || inform(secret, policy, event);
    if !told {
        tracing::debug!(secret, policy, event = event.label(), "{}", waited_for(event));
    }
}

fn waited_for(event: &Event) -> String {
    match event {
        Event::Waiting { reason, detail } => format!("{}: {detail}", reason.label()),
        _ => String::new(),
    }
}

fn warn(secret: &str, policy: &str, event: &Event) -> bool {
    let Some((reason, told)) = warning(event) else {
        return false;
    };
    tracing::warn!(secret, policy, event = event.label(), reason, "{told}");
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

fn inform(secret: &str, policy: &str, event: &Event) -> bool {
    inform_of_new_password(secret, policy, event)
        || inform_of_proof(secret, policy, event)
        || inform_of_revocation(secret, policy, event)
        || inform_by_name(secret, policy, event)
}

/// A password that is on its way, or has become the current one.
fn inform_of_new_password(secret: &str, policy: &str, event: &Event) -> bool {
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
        } => tracing::info!(
            secret,
            policy,
            event = name,
            version,
            parent,
            generation,
            "rotation under way"
        ),
        Event::Promoted {
            version,
            previous,
            proof,
            nodes,
        } => {
            let proof = proof.map_or("by another process", |proof| proof.label());
            tracing::info!(
                secret,
                policy,
                event = name,
                version,
                previous,
                proof,
                nodes,
                "AWSCURRENT moved"
            );
        }
        _ => return false,
    }
    true
}

/// What logins showed of a password, on how many nodes and how surely, and what was made of it.
fn inform_of_proof(secret: &str, policy: &str, event: &Event) -> bool {
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
            tracing::info!(
                secret,
                policy,
                event = name,
                version,
                proof,
                nodes,
                "current password checked"
            );
        }
        Event::Repaired { version, .. } => {
            tracing::info!(secret, policy, event = name, version, proof, nodes, "drift repaired");
        }
        Event::Retired { previous, .. } => {
            tracing::info!(
                secret,
                policy,
                event = name,
                previous,
                proof,
                nodes,
                "previous password removed"
            );
        }
        Event::RollbackStarted { version, previous, .. } => {
            tracing::info!(
                secret,
                policy,
                event = name,
                version,
                previous,
                proof,
                nodes,
                "AWSCURRENT moves back"
            );
        }
        _ => return false,
    }
    true
}

/// A revocation that reached its end.
fn inform_of_revocation(secret: &str, policy: &str, event: &Event) -> bool {
    let Event::RevocationEnded { seconds, dead, .. } = event else {
        return false;
    };
    let passwords = dead.len();
    tracing::info!(
        secret,
        policy,
        event = event.label(),
        seconds,
        passwords,
        "every password that was valid when the revocation was asked for is dead"
    );
    true
}

/// Events whose name says it all.
fn inform_by_name(secret: &str, policy: &str, event: &Event) -> bool {
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
        | Event::Resumed => tracing::info!(secret, policy, event = name, "{}", name.replace('_', " ")),
        _ => return false,
    }
    true
}
