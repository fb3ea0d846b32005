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
    let (event, reason, told) = match event {
        Event::RollbackRefused { reason, detail } => (
            event.label(),
            reason.label(),
            format!("{} ({detail})", reason.meaning()),
        ),
        Event::RollbackExpired => (
            event.label(),
            "expired",
            "AWSCURRENT was not moved back in time, and will not be".to_owned(),
        ),
        Event::Halted { reason, detail, .. } => (
            event.label(),
            reason.label(),
            format!("{} ({detail})", reason.meaning()),
        ),
        Event::AttentionRaised { reason, detail } => (
            event.label(),
            reason.label(),
            format!("{} ({detail})", reason.meaning()),
        ),
        Event::AttemptFailed {
            step,
            message,
            next_attempt_at,
        } => (
            event.label(),
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
            (event.label(), cause.label(), told)
        }
        Event::MissedWindow {
            closed_at,
            windows,
            why,
            ..
        } => (
            event.label(),
            "missed_window",
            format!(
                "{windows} closed without a start, the last at {}: {why}",
                closed_at.format("%FT%TZ")
            ),
        ),
        Event::AbandonStarted { version, cause } => (
            event.label(),
            "abandon",
            format!("version {version} is given up: {cause}"),
        ),
        _ => return false,
    };
    tracing::warn!(secret, policy, event, reason, "{told}");
    true
}

fn inform(secret: &str, policy: &str, event: &Event) -> bool {
    inform_of_new_password(secret, policy, event)
        || inform_of_proof(secret, policy, event)
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

/// What logins showed of the current password, or of the previous one once removed, and how surely.
fn inform_of_proof(secret: &str, policy: &str, event: &Event) -> bool {
    let name = event.label();
    match event {
        Event::Checked { version, proof, nodes } => {
            let proof = proof.label();
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
        Event::Repaired { version, proof, nodes } => {
            let proof = proof.label();
            tracing::info!(secret, policy, event = name, version, proof, nodes, "drift repaired");
        }
        Event::Retired {
            previous, proof, nodes, ..
        } => {
            let proof = proof.label();
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
        Event::RevocationEnded { seconds, dead, .. } => {
            let passwords = dead.len();
            tracing::info!(
                secret,
                policy,
                event = name,
                seconds,
                passwords,
                "every password that was valid when the revocation was asked for is dead"
            );
        }
        Event::RollbackStarted {
            version,
            previous,
            proof,
            nodes,
        } => {
            let proof = proof.label();
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
