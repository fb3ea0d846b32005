//! A rotation in thought: what [`plan`] would say if one were asked for now, without waiting for anything. Whatever it
//! halts for is noted and then taken for mended, as far as that can be thought, to see what else there is. Pure.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::policy::{FirstPassword, Policy};
use crate::rotation::event::Request;
use crate::rotation::observation::{AWSCURRENT, AWSPENDING, Observation};
use crate::rotation::plan::{Claims, Context, Decision, Look, plan};
use crate::rotation::reason::HaltReason;
use crate::rotation::state::Record;

use super::trouble::Trouble;

/// An interval at which the current password is checked. It only makes one check due, and no second.
const CHECKED_EVERY: Duration = Duration::from_secs(86_400);

/// What surrounds a rehearsal, and is no matter of this secret.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) policy: &'a Policy,
    pub(super) region: &'a str,
    pub(super) claims: &'a Claims,
    pub(super) other_policies: &'a [String],
    pub(super) recheck: Duration,
    pub(super) now: Timestamp,
}

/// What comes next.
pub(super) enum Next {
    /// Something is to be read.
    Look(Look),
    /// This is wrong; it goes on as if it were not.
    Noted(Trouble),
    /// It ends, perhaps because of this.
    Over(Option<Trouble>),
}

/// A rehearsal of one secret's rotation.
pub(super) struct Rehearsal {
    record: Record,
    mended: Vec<HaltReason>,
}

impl Rehearsal {
    /// One of a secret with this record.
    pub(super) fn new(record: &Record, observation: &Observation, now: Timestamp) -> Self {
        let mut record = record.clone();
        record.pause = None;
        record.rollback = None;
        record.request = Some(Box::new(Request {
            at: now,
            over: observation.secret.holder(AWSCURRENT).map(str::to_owned),
            now: true,
            revoke_previous: false,
            by: None,
        }));
        // During an overlap nothing begins, but a check that is due is made.
        if let Some(check) = &mut record.check {
            check.at = Timestamp::UNIX_EPOCH;
        }
        Self {
            record,
            mended: Vec::new(),
        }
    }

    /// The next thing to do, given what was read so far.
    pub(super) fn next(&mut self, observation: &Observation, surroundings: &Surroundings<'_>) -> Next {
        loop {
            match self.plan(observation, surroundings) {
                Decision::Look(look) => return Next::Look(look),
                Decision::Note(event) => match self.record.clone().apply(surroundings.now, &event) {
                    Ok(record) => self.record = record,
                    Err(_) => return Next::Over(None),
                },
                Decision::Halt {
                    reason,
                    detail,
                    subject,
                } => {
                    let can_be_mended = self.mend(reason, &subject);
                    let trouble = Trouble::Halt {
                        reason,
                        detail,
                        subject,
                    };
                    return match can_be_mended {
                        true => Next::Noted(trouble),
                        false => Next::Over(Some(trouble)),
                    };
                }
                still => return Next::Over(Trouble::of(&still)),
            }
        }
    }

    fn plan(&self, observation: &Observation, surroundings: &Surroundings<'_>) -> Decision {
        let Surroundings { policy, now, .. } = *surroundings;
        let is_mended = |reason| self.mended.contains(&reason);
        let mut observation = observation.clone();
        let mut policy = policy.clone();
        let secret = &mut observation.secret;
        secret.rotation_enabled &= !is_mended(HaltReason::RotationEnabled);
        secret.replicated &= !is_mended(HaltReason::SecretReplicated);
        if is_mended(HaltReason::OwnedByService) {
            secret.owning_service = None;
        }
        if is_mended(HaltReason::ForeignPending) {
            for version in secret.versions.values_mut() {
                version.stages.remove(AWSPENDING);
            }
        }
        policy.allow_default_user |= is_mended(HaltReason::UserIsDefault);
        if is_mended(HaltReason::FirstPasswordLiveUser) {
            policy.first_password = FirstPassword::Any;
        }
        let nobody = Claims::default();
        let claims = match is_mended(HaltReason::UserClaimedTwice) {
            true => &nobody,
            false => surroundings.claims,
        };
        let other_policies = match is_mended(HaltReason::SelectedTwice) {
            true => Vec::new(),
            false => surroundings.other_policies.to_vec(),
        };
        let context = Context {
            policy: &policy,
            region: surroundings.region,
            now,
            claims,
            other_policies,
            shared_store: false,
            waited_for: "",
            paused: false,
            hold: None,
            drift_check: Some(CHECKED_EVERY),
            checks_from: now,
            recheck: surroundings.recheck,
        };
        plan(&observation, &self.record, &context)
    }

    /// Takes a refusal for mended; whether that can be thought of. A user that the policy does not allow is not looked at
    /// any closer, and what nobody can guess, such as the right user, is not guessed.
    fn mend(&mut self, reason: HaltReason, subject: &str) -> bool {
        if self.mended.contains(&reason) {
            return false;
        }
        self.mended.push(reason);
        match reason {
            HaltReason::RotationEnabled
            | HaltReason::OwnedByService
            | HaltReason::SecretReplicated
            | HaltReason::ForeignPending
            | HaltReason::UserIsDefault
            | HaltReason::FirstPasswordLiveUser
            | HaltReason::UserClaimedTwice
            | HaltReason::SelectedTwice => true,
            HaltReason::RolledBack | HaltReason::AttemptsExhausted => {
                self.record.acknowledged.insert(reason, subject.to_owned());
                true
            }
            _ => false,
        }
    }
}

/// The longest that a rehearsal asks for more: it bounds a defect.
pub(super) const LOOKS: usize = 64;
