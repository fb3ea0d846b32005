//! No rotation is under way: is a retirement due, a rotation, or a check?
//!
//! `beginning` begins a rotation, `checking` checks the current password.
use crate::clock::{CLOCKS_DIFFER, Timestamp, after};
use crate::planted::{PlantedBug, planted};
use crate::policy::{Overlap, Policy};
use crate::rotation::event::Request;
use crate::rotation::observation::Observation;
use crate::rotation::reason::{HaltReason, WaitReason};
use crate::rotation::state::{Promotion, Record, Retirement};
use crate::rotation::status::Phase;
use crate::rotation::step::Step;
use crate::schedule::window::{Timing, Turn};

use super::secret::Subject;
use super::{Context, Decision, Deliberation, retiring, user, value};

/// A secret at rest, and the dates that count.
pub(super) struct Resting<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) record: &'a Record,
    pub(super) context: &'a Context<'a>,
    /// The request that the current version has not served.
    pub(super) request: Option<&'a Request>,
    /// When the next rotation may begin.
    pub(super) turn: Turn,
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
                resting.await_end_of_blackout_to_retire()?;
            }
            retiring::decide(subject, record, context, previous)
        }
        Some(_) => resting.rest_in_overlap(),
        None if resting.revocation_is_over() => resting.end_revocation(),
        None if resting.due() => resting.begin(),
        None if resting.overdue() => resting.rest_until_next_window(),
        None => resting.rest(),
    }
}

/// What the dates of a secret's next rotation follow from, the version under AWSCURRENT being of this date.
pub(super) fn timing<'a>(policy: &'a Policy, arn: &'a str, created: Timestamp) -> Timing<'a> {
    Timing {
        schedule: &policy.schedule,
        window: policy.window,
        blackout: &policy.blackout,
        arn,
        last: created,
    }
}

/// One that may begin at any time from now on.
fn at_once(now: Timestamp) -> Turn {
    Turn {
        due_at: now,
        opening: now,
        begins_at: now,
        closes_at: None,
    }
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
        .as_deref()
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
        let last = match subject.previous.is_some() && planted(PlantedBug::RotateBecauseStoreLost) {
            true => record.promotion.as_ref().map(|promotion| promotion.at),
            false => subject.created(),
        };
        let turn = match (subject.document.password(), request, last) {
            (Some(_), None, Some(last)) => timing(context.policy, subject.arn, last).turn(context.now),
            _ => at_once(context.now),
        };
        Self {
            subject,
            record,
            context,
            request,
            turn,
        }
    }
}

impl Resting<'_> {
    /// Whether a rotation is due, and may begin as far as its window tells.
    fn due(&self) -> bool {
        self.turn.begins_at <= self.context.now
    }

    /// From when on every replica may begin the next rotation, if nobody asks for one.
    pub(super) fn scheduled(&self) -> Timestamp {
        let created = self.subject.created().unwrap_or(Timestamp::MIN_UTC);
        let turn = timing(self.context.policy, self.subject.arn, created).turn(self.context.now);
        turn.begins_at
    }

    /// Whether a rotation is due that has missed its window.
    fn overdue(&self) -> bool {
        self.turn.due_at <= self.context.now && !self.due()
    }

    /// What an operator asked for must not wait for any calendar.
    pub(super) fn pressing(&self) -> bool {
        let presses = |request: &Request| request.now || request.revoke_previous;
        self.request.is_some_and(presses) || self.record.revoking()
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
        let retirement = self.record.retirement.as_deref();
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
                end.format("%F %TZ")
            ),
            None => "a rotation is due and waits for the retirement".to_owned(),
        });
        let until = self.next_check().min(end.unwrap_or(self.turn.begins_at));
        Ok(Decision::Rest {
            until,
            phase: Phase::Overlap,
            detail: detail.or_else(|| self.clock_is_behind()),
        })
    }

    fn rest(&self) -> Deliberation<Decision> {
        self.check()?;
        Ok(Decision::Rest {
            until: self.next_check().min(self.turn.begins_at),
            phase: Phase::Idle,
            detail: self.clock_is_behind(),
        })
    }

    /// Whether the current version was made on a date that has not come yet, in words. Nothing is due for that long.
    fn clock_is_behind(&self) -> Option<String> {
        let created = self.subject.created()?;
        (created > after(self.context.now, CLOCKS_DIFFER)).then(|| {
            format!(
                "AWS made version {} at {}, which has not come yet by this machine's clock",
                self.subject.current,
                created.format("%F %TZ")
            )
        })
    }

    /// Its window closed before it began. What was given up on the way is taken from the user nevertheless.
    fn rest_until_next_window(&self) -> Deliberation<Decision> {
        self.drop_intent()?;
        let left = self.subject.given_up();
        if left.iter().any(|version| !self.retired(version)) {
            let user = user::examine(self.subject, self.context)?;
            user::await_active(user, Step::Observe)?;
            if user::password_count(user) > 1 {
                return self.second_password(user);
            }
        }
        self.check()?;
        let missed = self.record.missed_over(self.subject.current);
        let missed = missed.map_or(0, |missed| missed.count);
        let given_up = match left.len() {
            0 => String::new(),
            tries => format!("; {tries} pending passwords were given up"),
        };
        Ok(Decision::Rest {
            until: self.next_check().min(self.turn.begins_at),
            phase: Phase::Due,
            detail: Some(format!(
                "until {}: due since {}, and waits for its place in the next window ({missed} missed{given_up}); \
                 `rotate` does not wait",
                self.turn.begins_at.format("%F %TZ"),
                self.turn.due_at.format("%F %TZ"),
            )),
        })
    }

    /// A retirement that a blackout covers begins after it. Until then both passwords work.
    pub(super) fn await_end_of_blackout_to_retire(&self) -> Deliberation<()> {
        let blackout = self.context.policy.blackout.end(self.context.now);
        let Some(until) = blackout.filter(|_| !self.pressing()) else {
            return Ok(());
        };
        self.check()?;
        Err(Decision::Rest {
            until: self.next_check().min(until),
            phase: Phase::Overlap,
            detail: Some(format!(
                "the overlap is prolonged until {}, the end of a blackout; --revoke-previous ends it",
                until.format("%F %TZ")
            )),
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
