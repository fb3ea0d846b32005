//! What a decision says of the current password, which worked before: drift is named, its end is noticed,
//! and it is repaired where the policy asks for that and no promise is at risk.

use std::collections::BTreeSet;

use crate::clock::{Timestamp, after, between};
use crate::policy::OnDrift;
use crate::rotation::event::Event;
use crate::rotation::observation::{Credential, Proof, UserSight};
use crate::rotation::reason::{DriftCause, HaltReason, UnprovenReason, WaitReason};
use crate::rotation::state::Record;
use crate::rotation::step::Step;

use super::evidence::{self, Round, Tally};
use super::resting::Resting;
use super::secret::Subject;
use super::{Action, Context, Decision, Deliberation, Look};

/// A secret whose current password is in question.
struct Case<'a> {
    subject: &'a Subject<'a>,
    record: &'a Record,
    context: &'a Context<'a>,
}

/// What is to be done about a refused password.
enum Remedy {
    /// Nothing: the policy does not ask for it, or it would not help.
    None,
    /// Nothing any more: it was repaired too often.
    UsedUp,
    /// A repair, from then on.
    From(Timestamp),
}

/// The decision itself, or what is to be noted, looked at or repaired before it counts.
pub(super) fn judge(
    subject: &Subject<'_>,
    record: &Record,
    context: &Context<'_>,
    decision: Decision,
) -> Deliberation<Decision> {
    let case = Case {
        subject,
        record,
        context,
    };
    case.healed()?;
    match &decision {
        Decision::Halt {
            reason: HaltReason::CurrentPasswordRefused,
            ..
        } => return case.refused(decision),
        // Two other passwords than the secret's: the refused one matters more.
        Decision::Halt {
            reason: HaltReason::UnknownPassword,
            ..
        } if case.current_refused() => return case.refused(decision),
        Decision::Halt { reason, detail, .. } => {
            if let Some(cause) = DriftCause::of_halt(*reason).filter(|_| record.has_worked()) {
                case.found(cause, detail, None)?;
            }
        }
        Decision::Note(Event::Checked {
            proof: Proof::Unproven(UnprovenReason::UserOff),
            ..
        }) if case.was_on() => case.found(DriftCause::UserOff, "off in its access string", None)?,
        _ => {}
    }
    Ok(decision)
}

impl Case<'_> {
    fn current(&self) -> Credential {
        Credential::Version(self.subject.current.to_owned())
    }

    /// The answers to one password, if it was tried.
    fn answers(&self, credential: &Credential) -> Option<(Round<'_>, Tally)> {
        let observation = self.subject.observation;
        let credentials = vec![(credential.clone(), BTreeSet::new())];
        let round = evidence::round(observation, self.subject.document.username(), credentials, Step::Repair).ok()?;
        let tally = round.tally(credential);
        Some((round, tally))
    }

    /// Notes that drift or a repair is over: every node accepts the current password, or another
    /// version is current.
    fn healed(&self) -> Deliberation<()> {
        let (drift, repair) = (&self.record.drift, &self.record.repair);
        if drift.is_none() && repair.is_none() {
            return Ok(());
        }
        if let Some(drift) = drift.as_ref().filter(|drift| drift.version != self.subject.current) {
            return Err(Decision::Note(Event::DriftEnded {
                version: drift.version.clone(),
                cause: drift.cause,
            }));
        }
        let Some((round, tally)) = self.answers(&self.current()) else {
            return Ok(());
        };
        if tally.accepted.is_empty() || !tally.refused.is_empty() || !tally.unreachable.is_empty() {
            return Ok(());
        }
        let version = self.subject.current.to_owned();
        Err(Decision::Note(match (repair, drift) {
            (Some(repair), _) if repair.version == version => Event::Repaired {
                version,
                proof: round.proof(),
                nodes: tally.accepted.len(),
            },
            (_, Some(drift)) => Event::DriftEnded {
                version,
                cause: drift.cause,
            },
            (_, None) => return Ok(()),
        }))
    }

    /// Whether the user was on when its password was last proved, or has drifted since.
    fn was_on(&self) -> bool {
        let check = self.record.check.as_ref();
        let check = check.filter(|check| check.version == self.subject.current);
        self.record.drift.is_some()
            || check.is_some_and(|check| matches!(check.proof, Proof::Proven | Proof::EndpointProven))
    }

    fn current_refused(&self) -> bool {
        self.answers(&self.current())
            .is_some_and(|(_, tally)| !tally.refused.is_empty())
    }

    /// Goes on only if just this is known already.
    fn found(&self, cause: DriftCause, detail: &str, repair_from: Option<Timestamp>) -> Deliberation<()> {
        let version = self.subject.current;
        let known = self.record.drift.as_ref().is_some_and(|drift| {
            (drift.version.as_str(), drift.cause, drift.detail.as_str()) == (version, cause, detail)
                && drift.repair_from == repair_from
        });
        if known {
            return Ok(());
        }
        Err(Decision::Note(Event::DriftFound {
            version: version.to_owned(),
            cause,
            detail: detail.to_owned(),
            repair_from,
        }))
    }

    /// A node refuses the current password.
    fn refused(&self, halt: Decision) -> Deliberation<Decision> {
        let Some((round, tally)) = self.answers(&self.current()) else {
            return Ok(halt);
        };
        let refused = format!("refused by {}", evidence::list(&tally.refused));
        if self.repair_is_spreading() {
            return Err(round.wait(WaitReason::NodeLagging, refused));
        }
        let cause = self.classify(&tally, &refused)?;
        let remedy = self.remedy(cause);
        let repair_from = match remedy {
            Remedy::From(at) => Some(at),
            Remedy::None | Remedy::UsedUp => None,
        };
        self.found(cause, &refused, repair_from)?;
        let told = format!("{cause}: {refused}");
        match remedy {
            Remedy::None => Ok(self.halt(HaltReason::CurrentPasswordRefused, told)),
            Remedy::UsedUp => Ok(self.halt(HaltReason::RepairsUndone, told)),
            Remedy::From(_) if self.mid_rotation() => self.give_up_rotation(cause, told),
            Remedy::From(at) if at > self.context.now => {
                let told = format!("{told}; to be repaired from {}", at.format("%F %TZ"));
                Ok(self.halt(HaltReason::CurrentPasswordRefused, told))
            }
            Remedy::From(_) => self.repair(&tally, told),
        }
    }

    fn halt(&self, reason: HaltReason, detail: String) -> Decision {
        Decision::Halt {
            reason,
            detail,
            subject: self.subject.current.to_owned(),
        }
    }

    /// Whether a repair was made so recently that nodes may not know it yet.
    fn repair_is_spreading(&self) -> bool {
        let repair = self.record.repair.as_ref();
        let made_at = repair
            .filter(|repair| repair.version == self.subject.current)
            .and_then(|_| self.record.repair_made_at());
        made_at.is_some_and(|at| between(at, self.context.now) < self.context.policy.propagation_timeout)
    }

    /// Why the current password is refused. What was found before stands while the same nodes refuse
    /// it: another look costs no further refused logins.
    fn classify(&self, tally: &Tally, refused: &str) -> Deliberation<DriftCause> {
        if !tally.accepted.is_empty() {
            return Ok(DriftCause::NodeOutOfStep);
        }
        let known = self.record.drift.as_ref().filter(|drift| {
            drift.version == self.subject.current
                && drift.detail == refused
                && matches!(drift.cause, DriftCause::Overwritten | DriftCause::PreviousAccepted)
        });
        if let Some(drift) = known {
            return Ok(drift.cause);
        }
        Ok(match self.previous_that_logs_in()? {
            Some(_) => DriftCause::PreviousAccepted,
            None => DriftCause::Overwritten,
        })
    }

    /// The previous version, if its password is another one and a node accepts it.
    fn previous_that_logs_in(&self) -> Deliberation<Option<String>> {
        let Some(previous) = self.subject.previous else {
            return Ok(None);
        };
        if !Resting::new(self.subject, self.record, self.context).differs_from_current(previous)? {
            return Ok(None);
        }
        let credential = Credential::Version(previous.to_owned());
        let Some((_, tally)) = self.answers(&credential) else {
            return Err(Decision::Look(Look::Logins {
                username: self.subject.document.username().to_owned(),
                credentials: vec![(credential, BTreeSet::new())],
            }));
        };
        Ok((!tally.accepted.is_empty()).then(|| previous.to_owned()))
    }

    fn remedy(&self, cause: DriftCause) -> Remedy {
        if self.context.policy.on_drift != OnDrift::Repair || !cause.heals_by_repair() {
            return Remedy::None;
        }
        let drift = self.record.drift.as_ref();
        let fought = drift.is_some_and(|drift| drift.version == self.subject.current && drift.fought);
        if fought || self.record.repairs_used_up(self.context.now) {
            return Remedy::UsedUp;
        }
        Remedy::From(self.repair_from(cause))
    }

    /// When a repair may be made: when no earlier write can arrive late any more, and well apart from
    /// the date at which every replica may begin a rotation, which a late repair would undo.
    fn repair_from(&self, cause: DriftCause) -> Timestamp {
        let (policy, now) = (self.context.policy, self.context.now);
        let since = self.record.drifted_since(self.subject.current, cause).unwrap_or(now);
        let lasting = match cause {
            // It may learn yet.
            DriftCause::NodeOutOfStep => policy.fence.max(policy.propagation_timeout),
            _ => policy.fence,
        };
        // A rotation that was begun before the drift and has not come to light yet has done so by then.
        let base = after(since, lasting);
        let resting = Resting::new(self.subject, self.record, self.context);
        let base = resting.fence().map_or(base, |fence| fence.max(base));
        let due = resting.scheduled();
        let too_close = |at: Timestamp| at < after(due, policy.fence) && after(at, policy.fence) > due;
        match too_close(base.max(now)) {
            true => after(due, policy.fence),
            false => base,
        }
    }

    fn mid_rotation(&self) -> bool {
        let rotation = self.record.rotation.as_ref();
        rotation.is_some_and(|rotation| self.subject.pending == Some(rotation.version.as_str()))
    }

    /// A repair and a rotation never overlap: AWSPENDING goes first, and the fence runs.
    fn give_up_rotation(&self, cause: DriftCause, told: String) -> Deliberation<Decision> {
        let rotation = self.record.rotation.as_ref();
        let since = self.record.drift.as_ref().map_or(self.context.now, |drift| drift.since);
        let lasting = between(since, self.context.now) >= self.context.policy.propagation_timeout;
        match rotation {
            Some(rotation) if lasting || cause != DriftCause::NodeOutOfStep => {
                Ok(Decision::Note(Event::AbandonStarted {
                    version: rotation.version.clone(),
                    cause: format!("drift: {cause}"),
                }))
            }
            _ => Ok(self.halt(HaltReason::CurrentPasswordRefused, told)),
        }
    }

    /// The passwords of the secret take the place of whatever the user has.
    fn repair(&self, tally: &Tally, told: String) -> Deliberation<Decision> {
        if let Some((node, cause)) = tally.unreachable.first() {
            let told = format!("{told}; the repair waits for {node}: {cause}");
            return Ok(self.halt(HaltReason::CurrentPasswordRefused, told));
        }
        let UserSight::Seen(user) = &self.subject.observation.user else {
            return Ok(self.halt(HaltReason::CurrentPasswordRefused, told));
        };
        Ok(Decision::Act(Action::Repair {
            user_id: user.id.clone(),
            version: self.subject.current.to_owned(),
            previous: self.previous_that_logs_in()?,
        }))
    }
}
