//! No rotation is under way: is a retirement due, a rotation, or a check?
//!
//! `beginning` begins a rotation, `checking` checks the current password.

use crate::clock::{Timestamp, after};
use crate::planted::{PlantedBug, planted};
use crate::policy::{Overlap, Policy};
use crate::rotation::event::Request;
use crate::rotation::observation::Observation;
use crate::rotation::reason::{HaltReason, WaitReason};
use crate::rotation::state::{Promotion, Record, Retirement};
use crate::rotation::status::Phase;
use crate::rotation::step::Step;
use crate::schedule::next_after;

use super::secret::Subject;
use super::{Context, Decision, Deliberation, retiring, user, value};

/// A secret at rest, and the dates that count.
pub(super) struct Resting<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) record: &'a Record,
    pub(super) context: &'a Context<'a>,
    /// The request that the current version has not served.
    pub(super) request: Option<&'a Request>,
    /// When the next rotation is due.
    due_at: Timestamp,
}

/// Decides about a secret without a rotation under way.
pub(super) fn decide(subject: &Subject<'_>, record: &Record, context: &Context<'_>) -> Deliberation<Decision> {
    if subject.created().is_none() {
        // Listings lag: a version without a date was written just now, and is not due for that.
        return Err(Decision::Wait {
            reason: WaitReason::StatusUnsettled,
            detail: format!("version {} has no date yet", subject.current),
            step: Step::Observe,
        });
    }
    let resting = Resting::new(subject, record, context);
    if subject.document.password().is_none() {
        return resting.begin_first();
    }
    if record.drift.is_some() || record.repair.is_some() {
        // Whatever is due rests on the current password.
        resting.check()?;
    }
    match resting.outstanding()? {
        Some(previous) if resting.revocation_is_over() && !record.revokes(previous) => Ok(resting.revocation_ended()),
        Some(previous) if resting.retirement_due(previous) => {
            if resting.retirement_under_way().is_none() {
                resting.await_fence_of(previous)?;
                resting.await_fence_of_rollback()?;
            }
            retiring::decide(subject, record, context, previous)
        }
        Some(_) => resting.rest_in_overlap(),
        None if resting.revocation_is_over() => resting.end_revocation(),
        None if resting.due() => resting.begin(),
        None => resting.rest(),
    }
}

/// When the next rotation after `created` is due.
pub(super) fn scheduled(policy: &Policy, created: Option<Timestamp>) -> Timestamp {
    created.map_or(Timestamp::MIN_UTC, |created| next_after(&policy.schedule, created))
}

/// When the overlap after the last promotion ends; `None` if only the next rotation ends it.
pub(super) fn overlap_end(
    observation: &Observation,
    current: &str,
    record: &Record,
    policy: &Policy,
) -> Option<Timestamp> {
    let promotion = record
        .promotion
        .as_ref()
        .filter(|promotion| promotion.version == current);
    // AWS keeps no date of a promotion. If ours is lost, or from before the version was made, the
    // secret's last change is no earlier.
    let created = observation.secret.versions.get(current)?.created;
    let moment = |promotion: &Promotion| match promotion.started_at {
        Some(started_at) if planted(PlantedBug::RetireInsideOverlap) => started_at,
        _ => promotion.at,
    };
    let promoted_at = promotion
        .map(moment)
        .filter(|at| created.is_none_or(|created| created <= *at) || planted(PlantedBug::RetireInsideOverlap))
        .or(observation.secret.last_changed)?;
    let revoked = match promotion {
        Some(promotion) => promotion.revoke_previous || record.revokes(&promotion.previous),
        None => record.revoking(),
    };
    if revoked {
        return Some(promoted_at);
    }
    match policy.overlap {
        Overlap::For(span) => Some(after(promoted_at, span)),
        Overlap::UntilNextRotation => None,
    }
}

impl<'a> Resting<'a> {
    pub(super) fn new(subject: &'a Subject<'a>, record: &'a Record, context: &'a Context<'a>) -> Self {
        let request = record.standing_request(subject.current, subject.created());
        let due_at = match (subject.document.password(), request) {
            (None, _) | (_, Some(_)) => context.now,
            (Some(_), None) if subject.previous.is_some() && planted(PlantedBug::RotateBecauseStoreLost) => {
                scheduled(context.policy, record.promotion.as_ref().map(|promotion| promotion.at))
            }
            (Some(_), None) => scheduled(context.policy, subject.created()),
        };
        Self {
            subject,
            record,
            context,
            request,
            due_at,
        }
    }
}

impl Resting<'_> {
    fn due(&self) -> bool {
        self.due_at <= self.context.now
    }

    /// The version whose password is still to be retired, or proved dead.
    fn outstanding(&self) -> Deliberation<Option<&str>> {
        if let Some(retirement) = self.retirement_under_way() {
            return Ok(Some(&retirement.previous));
        }
        let Some(previous) = self.subject.previous.filter(|previous| !self.retired(previous)) else {
            return Ok(None);
        };
        if self.subject.generation_of(previous).is_none() && !self.subject.given_up().is_empty() {
            // A child of the current version is made only while the user has one password. So if
            // it has two, the second is the child's: begin() finds that out.
            return Ok(None);
        }
        if !self.subject.overtaken().is_empty() {
            return Ok(None);
        }
        let ours = self.subject.previous_is_ours();
        if (!ours && !self.due() && !self.record.revoking()) || !self.differs_from_current(previous)? {
            return Ok(None);
        }
        if !ours && user::password_count(user::examine(self.subject, self.context)?) < 2 {
            return Ok(None);
        }
        Ok(Some(previous))
    }

    fn retirement_under_way(&self) -> Option<&Retirement> {
        let retirement = self.record.retirement.as_ref();
        retirement.filter(|retirement| retirement.version == self.subject.current)
    }

    /// Whether this version's password was retired while the current one was current.
    pub(super) fn retired(&self, version: &str) -> bool {
        let retired = self.record.retired.as_ref();
        retired.is_some_and(|retired| retired.version == self.subject.current && retired.all.contains(version))
    }

    pub(super) fn differs_from_current(&self, version: &str) -> Deliberation<bool> {
        let document = value(self.subject.observation, version)?.as_ref().ok();
        let password = document.and_then(|document| document.password());
        Ok(match (password, self.subject.document.password()) {
            (Some(password), Some(current)) => !current.same_as(password),
            (password, _) => password.is_some(),
        })
    }

    fn overlap_end(&self) -> Option<Timestamp> {
        overlap_end(
            self.subject.observation,
            self.subject.current,
            self.record,
            self.context.policy,
        )
    }

    fn retirement_due(&self, previous: &str) -> bool {
        self.retirement_under_way().is_some()
            || self.record.revokes(previous)
            || self.request.is_some_and(|request| request.revoke_previous)
            || self.overlap_end().map_or(self.due(), |end| end <= self.context.now)
    }

    fn rest_in_overlap(&self) -> Deliberation<Decision> {
        self.check()?;
        let end = self.overlap_end();
        let detail = self.due().then(|| match end {
            Some(end) => format!(
                "a rotation is due and waits for the overlap, until {}; --revoke-previous ends it",
                end.format("%FT%TZ")
            ),
            None => "a rotation is due and waits for the retirement".to_owned(),
        });
        let until = self.next_check().min(end.unwrap_or(self.due_at));
        Ok(Decision::Rest {
            until,
            phase: Phase::Overlap,
            detail,
        })
    }

    fn rest(&self) -> Deliberation<Decision> {
        self.check()?;
        Ok(Decision::Rest {
            until: self.next_check().min(self.due_at),
            phase: Phase::Idle,
            detail: None,
        })
    }

    pub(super) fn halt(&self, reason: HaltReason, detail: String) -> Decision {
        Decision::Halt {
            reason,
            detail,
            subject: self.subject.current.to_owned(),
        }
    }
}
