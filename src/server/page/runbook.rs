//! Which of docs/runbooks fits the trouble that a secret is in.

use crate::rotation::reason::{AttentionReason, DriftCause, HaltReason};
use crate::rotation::status::{Phase, SecretStatus};

/// The file of the runbook, in rekeyd's documents; nothing for a secret that needs nobody.
pub(super) fn runbook(secret: &SecretStatus) -> Option<&'static str> {
    let label = secret.reason.as_deref().unwrap_or_default();
    let halt = HaltReason::ALL.iter().find(|reason| reason.label() == label);
    let attention = AttentionReason::ALL.iter().find(|reason| reason.label() == label);
    match secret.phase {
        Phase::Halted => Some(halt.map_or("docs/runbooks/halted.md", |reason| of_halt(*reason))),
        Phase::NeedsAttention => Some(attention.map_or("docs/OPERATIONS.md", |reason| of_attention(*reason))),
        _ => secret.drift.map(of_drift),
    }
}

fn of_halt(reason: HaltReason) -> &'static str {
    match reason {
        HaltReason::CurrentPasswordRefused | HaltReason::RepairsUndone => "docs/runbooks/drift.md",
        _ => "docs/runbooks/halted.md",
    }
}

fn of_attention(reason: AttentionReason) -> &'static str {
    match reason {
        AttentionReason::StillModifying | AttentionReason::StatusUnsettled => "docs/runbooks/stuck-in-modifying.md",
        AttentionReason::NodeUnreachable => "docs/runbooks/node-unreachable.md",
        AttentionReason::TlsFailed => "docs/runbooks/expired-ca.md",
        AttentionReason::Throttled => "docs/runbooks/throttled.md",
        AttentionReason::StoreFailed => "docs/runbooks/lost-store.md",
        AttentionReason::AccessDenied => "docs/runbooks/wrong-iam.md",
        AttentionReason::KmsUnavailable => "docs/runbooks/kms-denied.md",
        AttentionReason::RequestExpired => "docs/runbooks/wrong-clock.md",
        AttentionReason::NodeUnavailable => "docs/runbooks/retirement-overdue.md",
        AttentionReason::AuditFailed => "docs/runbooks/audit-failing.md",
        AttentionReason::NodeLagging
        | AttentionReason::NodesChanging
        | AttentionReason::AcceptsAnyPassword
        | AttentionReason::PreviousStillAccepted
        | AttentionReason::UserNotFound
        | AttentionReason::UserDeleting
        | AttentionReason::SecretNotFound
        | AttentionReason::QuotaExceeded
        | AttentionReason::RequestRefused
        | AttentionReason::AwsUnavailable
        | AttentionReason::InternalError => "docs/OPERATIONS.md",
    }
}

fn of_drift(cause: DriftCause) -> &'static str {
    match cause {
        DriftCause::Network => "docs/runbooks/node-unreachable.md",
        DriftCause::Tls => "docs/runbooks/expired-ca.md",
        DriftCause::AwsAccessLost => "docs/runbooks/wrong-iam.md",
        _ => "docs/runbooks/drift.md",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn whatever_needs_a_person_names_a_page_that_exists_and_knows_the_reason() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let list = std::fs::read_to_string(root.join("docs/runbooks/README.md")).unwrap();
        let mut named = Vec::new();
        named.extend(HaltReason::ALL.iter().map(|reason| (reason.label(), of_halt(*reason))));
        named.extend(
            AttentionReason::ALL
                .iter()
                .map(|reason| (reason.label(), of_attention(*reason))),
        );
        for (label, page) in named {
            assert!(root.join(page).exists(), "{label}: {page}");
            // What the list of runbooks says of a reason, the page says too.
            let row = list.lines().find(|line| {
                line.split('|')
                    .nth(1)
                    .is_some_and(|seen| seen.contains(&format!("`{label}`")))
            });
            if let Some(row) = row {
                let file = page.rsplit('/').next().unwrap();
                assert!(
                    row.contains(&format!("({file})")),
                    "{label}: {page}, and the list says {row}"
                );
            }
        }
        for cause in DriftCause::ALL {
            assert!(root.join(of_drift(*cause)).exists(), "{cause}");
        }
    }
}
