//! The end of a revocation: nothing is left of the passwords that were valid when it was asked for.

use crate::clock::between;
use crate::rotation::event::Event;
use crate::rotation::reason::{HaltReason, WaitReason};
use crate::rotation::step::Step;

use super::resting::Resting;
use super::{Decision, Deliberation, user};

impl Resting<'_> {
    /// Whether the requested rotation and all retirements are over, and only their end is to be noted.
    /// A rotation that was asked for since, without a revocation, comes after it.
    pub(super) fn revocation_is_over(&self) -> bool {
        self.record.revoking() && self.request.is_none_or(|request| !request.revoke_previous)
    }

    /// Notes the end, unless the user still has a second password.
    pub(super) fn end_revocation(&self) -> Deliberation<Decision> {
        let user = user::examine(self.subject, self.context)?;
        user::await_active(user, Step::Retire)?;
        match user::password_count(user) {
            0 => Err(self.halt(
                HaltReason::UserPasswordless,
                format!("user {} takes no password", user.id),
            )),
            1 => Ok(self.revocation_ended()),
            // Labels and counts are read later than they are written.
            _ if self.promoted_just_now() => Err(Decision::Wait {
                reason: WaitReason::StatusUnsettled,
                detail: format!("user {} does not show the change yet", user.id),
                step: Step::Retire,
            }),
            _ => self.second_password(user),
        }
    }

    /// The end, to be noted.
    pub(super) fn revocation_ended(&self) -> Decision {
        Decision::Note(match &self.record.revocation {
            Some(revocation) => Event::RevocationEnded {
                asked_at: revocation.asked_at,
                seconds: revocation.seconds(),
                dead: revocation.dead.clone(),
            },
            None => Event::WaitingEnded,
        })
    }

    fn promoted_just_now(&self) -> bool {
        let promotion = self.record.promotion.as_ref();
        promotion.is_some_and(|promotion| between(promotion.at, self.context.now) < self.context.policy.settle)
    }
}
