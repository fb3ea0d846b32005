//! Several policies have the secret: what was begun ends, and nothing new begins.

use crate::rotation::reason::HaltReason;
use crate::rotation::state::Record;

use super::resting::overlap_end;
use super::secret::Subject;
use super::{Action, Context, Decision};

/// The decision, or the halt that stands in its place if it would begin something.
pub(super) fn judge(subject: &Subject<'_>, record: &Record, context: &Context<'_>, decision: Decision) -> Decision {
    if context.other_policies.is_empty() {
        return decision;
    }
    let under_way = record.rotation.is_some() || record.retirement.is_some() || record.repair.is_some();
    let begins = match &decision {
        Decision::Act(Action::CreateSecret { .. }) => record.rotation.is_none(),
        Decision::Act(Action::Repair { .. }) => record.repair.is_none(),
        Decision::Act(Action::Retire { .. }) => {
            record.retirement.is_none() && !ends_an_overlap(subject, record, context)
        }
        Decision::Wait { .. } | Decision::Rest { .. } => !under_way,
        // What ends something, what is only looked at or written down, and halts of their own.
        Decision::Act(_) | Decision::Look(_) | Decision::Note(_) | Decision::Halt { .. } => false,
    };
    if !begins {
        return decision;
    }
    let mut policies: Vec<&str> = context.other_policies.iter().map(String::as_str).collect();
    policies.push(&context.policy.name);
    policies.sort_unstable();
    let policies = policies.join(" and ");
    Decision::Halt {
        reason: HaltReason::SelectedTwice,
        detail: format!("{} is in policies {policies}", subject.observation.secret.name),
        subject: policies,
    }
}

/// Whether a retirement ends the overlap of a rotation of ours, and is not the first step of the next.
fn ends_an_overlap(subject: &Subject<'_>, record: &Record, context: &Context<'_>) -> bool {
    subject.previous_is_ours() && overlap_end(subject.observation, subject.current, record, context.policy).is_some()
}
