//! A rollback under way: may AWSCURRENT go back to the previous version?
//!
//! The move locks nobody out only if the previous password stays on the user until it has arrived, and
//! after it. So no retirement of it may have begun, none may begin elsewhere before the move has
//! arrived, and none begins here while one may still arrive. While a rollback is under way nothing else
//! is decided about the secret. Its reasons are argued in docs/SEMANTICS.md.

use std::collections::BTreeSet;

use crate::clock::{Timestamp, after};
use crate::policy::Overlap;
use crate::rotation::event::Event;
use crate::rotation::observation::{AWSCURRENT, AWSPREVIOUS, Credential, Observation, Proof, User};
use crate::rotation::reason::{RollbackRefusal, WaitReason};
use crate::rotation::rollback::Rollback;
use crate::rotation::state::Record;
use crate::rotation::step::Step;
use crate::rotation::version::generation_of;

use super::resting::timing;
use super::secret::{self, Subject};
use super::{Action, Context, Decision, Deliberation, evidence, settle_record, user, value};

struct RollingBack<'a> {
    subject: &'a Subject<'a>,
    record: &'a Record,
    context: &'a Context<'a>,
    rollback: &'a Rollback,
}

/// Decides about a secret whose rollback is under way.
pub(super) fn decide(
    observation: &Observation,
    record: &Record,
    context: &Context<'_>,
    rollback: &Rollback,
) -> Decision {
    match weigh(observation, record, context, rollback).unwrap_or_else(|decision| decision) {
        // What stops a rotation stops a rollback, and an operator waits for the answer.
        Decision::Halt { reason, detail, .. } => refused(
            RollbackRefusal::Halted,
            format!("{}: {} ({detail})", reason.label(), reason.meaning()),
        ),
        decision => decision,
    }
}

fn refused(reason: RollbackRefusal, detail: String) -> Decision {
    Decision::Note(Event::RollbackRefused { reason, detail })
}

fn weigh(
    observation: &Observation,
    record: &Record,
    context: &Context<'_>,
    rollback: &Rollback,
) -> Deliberation<Decision> {
    if let Some(moved) = moved_already(observation, rollback) {
        return Ok(moved);
    }
    if rollback.until <= context.now {
        return Ok(Decision::Note(Event::RollbackExpired));
    }
    let subject = secret::examine(observation, context)?;
    settle_record(&subject, record, context)?;
    let rolling = RollingBack {
        subject: &subject,
        record,
        context,
        rollback,
    };
    let previous = rolling.previous()?;
    rolling.nothing_under_way(previous)?;
    rolling.nothing_in_flight()?;
    let user = user::examine(&subject, context)?;
    user::await_active(user, Step::Rollback)?;
    rolling.previous_logs_in(user, previous)
}

/// A move of ours whose answer was lost may have been made all the same.
fn moved_already(observation: &Observation, rollback: &Rollback) -> Option<Decision> {
    let started = rollback.started.as_ref()?;
    let secret = &observation.secret;
    let moved = secret.holder(AWSCURRENT) == Some(started.previous.as_str())
        && secret.holder(AWSPREVIOUS) == Some(rollback.version.as_str());
    moved.then(|| {
        Decision::Note(Event::RolledBack {
            version: rollback.version.clone(),
            previous: started.previous.clone(),
        })
    })
}

impl<'a> RollingBack<'a> {
    /// The version to go back to: the one that the current version was made from.
    fn previous(&self) -> Deliberation<&'a str> {
        let subject = self.subject;
        let carried = subject.previous.unwrap_or("none");
        let seen = format!("AWSCURRENT is on version {}, AWSPREVIOUS on {carried}", subject.current);
        if subject.current != self.rollback.version {
            let back = subject.previous == Some(self.rollback.version.as_str())
                && subject.generation_of(&self.rollback.version).is_some();
            return Err(match back {
                true => self.already_rolled_back(&seen),
                false => refused(RollbackRefusal::MovedOn, seen),
            });
        }
        let Some(previous) = subject.previous else {
            return Err(refused(RollbackRefusal::NothingPrevious, seen));
        };
        if subject.generation_of(previous).is_some() {
            return Err(self.already_rolled_back(&seen));
        }
        if generation_of(subject.arn, previous, subject.current).is_none() {
            return Err(refused(RollbackRefusal::NotDerived, seen));
        }
        self.usable(previous)?;
        Ok(previous)
    }

    /// Tells of the rollback that was made, which this one takes the place of in status.
    fn already_rolled_back(&self, seen: &str) -> Decision {
        let made = self.record.moved_back.as_ref().map_or_else(String::new, |moved| {
            let at = moved.at.format("%F %TZ");
            format!("; it was moved back from version {} at {at}", moved.version)
        });
        refused(RollbackRefusal::AlreadyRolledBack, format!("{seen}{made}"))
    }

    fn usable(&self, previous: &str) -> Deliberation<()> {
        let unusable = |what: String| {
            Err(refused(
                RollbackRefusal::PreviousUnusable,
                format!("version {previous}: {what}"),
            ))
        };
        let current = self.subject.document;
        match value(self.subject.observation, previous)? {
            Err(error) => unusable(error.to_string()),
            Ok(document) if document.password().is_none() => unusable("it has no password".to_owned()),
            Ok(document) if document.user_arn() != current.user_arn() || document.username() != current.username() => {
                unusable(format!(
                    "it names {}, the current one {}",
                    document.user_arn(),
                    current.user_arn()
                ))
            }
            Ok(_) => Ok(()),
        }
    }

    /// No rotation, no retirement, and no leak that the previous password may be part of.
    fn nothing_under_way(&self, previous: &str) -> Deliberation<()> {
        let pending = self.subject.pending.filter(|pending| *pending != self.subject.current);
        let rotation = self.record.rotation.as_ref().map(|rotation| rotation.version.as_str());
        if let Some(version) = rotation.or(pending) {
            let detail = format!("version {version} is to be promoted");
            return Err(refused(RollbackRefusal::RotationPending, detail));
        }
        let standing = self
            .record
            .standing_request(self.subject.current, self.subject.created());
        if self.record.revoking() || standing.is_some_and(|request| request.revoke_previous) {
            let detail = format!("version {previous} would be current again, and its password may have leaked");
            return Err(refused(RollbackRefusal::RevocationOpen, detail));
        }
        let retiring = self.record.retirement.as_ref().map(|retirement| retirement.started_at);
        let retired = self.record.retired.as_ref();
        let retired = retired.filter(|retired| retired.version == self.subject.current);
        let retired = retired.filter(|retired| retired.all.contains(previous));
        if let Some(at) = retiring.or(retired.map(|retired| retired.at)) {
            let detail = format!("the password of version {previous}, at {}", at.format("%F %TZ"));
            return Err(refused(RollbackRefusal::RetirementBegun, detail));
        }
        Ok(())
    }

    /// ModifyUser has no condition: one that removes the previous password, and is on its way when
    /// AWSCURRENT moves back, locks everybody out. So none may be, neither another replica's, which
    /// begins at the end of the overlap, nor one of ours that was never answered.
    fn nothing_in_flight(&self) -> Deliberation<()> {
        if self.rollback.now {
            return Ok(());
        }
        let (now, fence) = (self.context.now, self.context.policy.fence);
        let end = self.earliest_end();
        if after(now, fence) > end {
            let detail = format!("the overlap ends at {}, perhaps", end.format("%F %TZ"));
            return Err(refused(RollbackRefusal::OverlapEnding, detail));
        }
        let until = after(self.doubtful_write().unwrap_or(Timestamp::MIN_UTC), fence);
        if until > now {
            let detail = format!("until {}", until.format("%F %TZ"));
            return Err(refused(RollbackRefusal::WriteInDoubt, detail));
        }
        Ok(())
    }

    /// The earliest end of the overlap that any replica may compute. One that did not promote itself
    /// knows no better than that the version was promoted after it was made.
    fn earliest_end(&self) -> Timestamp {
        let policy = self.context.policy;
        let made_at = self.subject.created();
        let promotion = self.record.promotion.as_ref();
        let of_current = promotion.filter(|promotion| promotion.version == self.subject.current);
        let promoted_at = of_current.and_then(|promotion| promotion.sent_at).or(made_at);
        match (policy.overlap, promoted_at) {
            (Overlap::For(span), Some(at)) => after(at, span),
            (Overlap::UntilNextRotation, Some(_)) => made_at.map_or(Timestamp::MIN_UTC, |made_at| {
                timing(policy, self.subject.arn, made_at).turn(made_at).due_at
            }),
            (_, None) => Timestamp::MIN_UTC,
        }
    }

    /// A write that may still arrive and is not this rollback's own move, which may arrive at any time.
    fn doubtful_write(&self) -> Option<Timestamp> {
        let moved_first = self.rollback.started.as_ref().map(|started| started.at);
        let ours = |write: &Timestamp| moved_first.is_some_and(|first| *write >= first);
        let unanswered = self.record.unanswered_write().filter(|write| !ours(write));
        // If the store is new or was lost, what was written just before is not known.
        let unknown = self.record.settled_at.is_none().then_some(self.record.first_seen);
        unanswered.max(unknown)
    }

    /// The proof: the previous password logs in on every node that can be asked, now.
    fn previous_logs_in(&self, user: &User, previous: &str) -> Deliberation<Decision> {
        let count = user::password_count(user);
        if count != 2 {
            // With one left, the other is being removed, even if nodes still accept it.
            let detail = format!("user {} has {count}", user.id);
            return Err(refused(RollbackRefusal::PasswordCount, detail));
        }
        if let Some(reason) = user::unprovable(self.subject.observation, user, self.context)? {
            return Ok(self.roll_back(previous, Proof::Unproven(reason), 0));
        }
        let credential = Credential::Version(previous.to_owned());
        let round = evidence::round(
            self.subject.observation,
            self.subject.document.username(),
            vec![(credential.clone(), BTreeSet::new())],
            Step::Rollback,
        )?;
        if round.available() == 0 {
            let detail = "none of the user's nodes is available".to_owned();
            return Err(round.wait(WaitReason::NodeUnavailable, detail));
        }
        let tally = round.tally(&credential);
        if !tally.refused.is_empty() {
            let detail = format!("refused by {}", evidence::list(&tally.refused));
            return Err(refused(RollbackRefusal::PreviousRefused, detail));
        }
        round.all_reachable(&tally)?;
        Ok(self.roll_back(previous, round.proof(), tally.accepted.len()))
    }

    fn roll_back(&self, previous: &str, proof: Proof, nodes: usize) -> Decision {
        Decision::Act(Action::RollBack {
            version: self.subject.current.to_owned(),
            previous: previous.to_owned(),
            proof,
            nodes,
        })
    }
}
