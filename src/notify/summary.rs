//! A notification in a sentence.

use super::message::Data;
use crate::rotation::notice::NoticeKind;

/// What happened, to which secret, and why.
pub(super) fn summary(kind: NoticeKind, data: &Data) -> String {
    let secret = data.secret.as_deref().unwrap_or_default();
    let policy = data.policy.as_deref().unwrap_or_default();
    let what = match kind {
        NoticeKind::Succeeded => format!("has a new password{}", proved(data, "accepted by")),
        NoticeKind::Retired => format!("has lost its previous password{}", proved(data, "refused by")),
        NoticeKind::NeedsAttention => format!("needs attention: {}", why(data)),
        NoticeKind::AttentionEnded => format!("needs no attention any more: {} is over", reason(data)),
        NoticeKind::Halted => format!("halted: {}", why(data)),
        NoticeKind::HaltEnded => format!("goes on: {} is over", reason(data)),
        NoticeKind::Drift => format!("drifted: {}", why(data)),
        NoticeKind::DriftEnded => format!("works again: {} is over", reason(data)),
        NoticeKind::RolledBack => "was rolled back: AWSCURRENT is on the previous password again".to_owned(),
        NoticeKind::Revoked => "has none of the passwords any more that were to be revoked".to_owned(),
    };
    format!("{secret} (policy {policy}) {what}")
}

fn proved(data: &Data, by: &str) -> String {
    match (data.proof.as_deref(), data.nodes) {
        (Some("unproven"), _) => format!(", unproven: {}", why(data)),
        (Some(_), Some(1)) => format!(", {by} 1 node"),
        (Some(_), Some(nodes)) => format!(", {by} {nodes} nodes"),
        _ => ", promoted by another process".to_owned(),
    }
}

fn reason(data: &Data) -> &str {
    data.reason.as_deref().unwrap_or_default()
}

fn why(data: &Data) -> String {
    let meaning = data.meaning.as_deref().unwrap_or_default();
    match data.detail.as_deref() {
        Some(detail) if !detail.is_empty() => format!("{}: {meaning} ({detail})", reason(data)),
        _ => format!("{}: {meaning}", reason(data)),
    }
}
