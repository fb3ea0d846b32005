//! Beginning a rotation: what must hold before anything is changed.

use std::time::Duration;

use crate::clock::{Timestamp, after};
use crate::planted::{PlantedBug, planted};
use crate::policy::FirstPassword;
use crate::rotation::event::Event;
use crate::rotation::observation::Proof;
use crate::rotation::reason::{HaltReason, UnprovenReason, WaitReason};
use crate::rotation::status::Phase;
use crate::rotation::step::Step;

use super::resting::Resting;
use super::{Action, Decision, Deliberation, acknowledgeable, user};

const DAY: Duration = Duration::from_secs(86_400);

impl Resting<'_> {
    /// A rotation is due, and the user has a password already.
    pub(super) fn begin(&self) -> Deliberation<Decision> {
        self.may_begin()?;
        let user = user::examine(self.subject, self.context)?;
        user::await_active(user, Step::Observe)?;
        if user::password_count(user) > 1 {
            return self.second_password(user);
        }
        if let (Proof::Unproven(UnprovenReason::NodeUnavailable), 0) = self.prove_current(user, Step::Observe)? {
            return Err(Decision::Wait {
                reason: WaitReason::NodeUnavailable,
                detail: "none of the user's nodes is available".to_owned(),
                step: Step::Observe,
            });
        }
        self.create()
    }

    /// The secret has no password yet. Its first rotation waits for no date.
    pub(super) fn begin_first(&self) -> Deliberation<Decision> {
        self.may_begin()?;
        let user = user::examine(self.subject, self.context)?;
        user::await_active(user, Step::Observe)?;
        let count = user::password_count(user);
        // A first password that was given up is still on the user: it cannot be taken off alone.
        let leftover = count == 1 && self.subject.spent_generations() > 0;
        let inactive = !user.on && (count == 0 || leftover);
        if !inactive && self.context.policy.first_password == FirstPassword::InactiveOnly {
            let state = if user.on { "on" } else { "off" };
            let passwords = match count {
                0 => "no password",
                1 => "a password",
                _ => "two passwords",
            };
            let detail = format!("user {} is {state} and has {passwords}", user.id);
            return Err(self.halt(HaltReason::FirstPasswordLiveUser, detail));
        }
        user::unprovable(self.subject.observation, user, self.context)?;
        self.create()
    }

    /// What must hold before any rotation begins: attempts left, no blackout, versions left, the fence, room.
    fn may_begin(&self) -> Deliberation<()> {
        self.attempts_left()?;
        self.await_end_of_blackout()?;
        self.versions_left()?;
        if let Some(until) = self.rotation_fence().filter(|until| *until > self.context.now) {
            return Err(self.fenced(
                until,
                "due, and waits for the fence, lest an earlier write arrives late; `rotate --now` does not wait",
            ));
        }
        self.held_back(false)
    }

    fn await_end_of_blackout(&self) -> Deliberation<()> {
        let until = self.context.policy.blackout.end(self.context.now);
        let Some(until) = until.filter(|_| !self.pressing()) else {
            return Ok(());
        };
        self.drop_intent()?;
        Err(self.fenced(
            until,
            "due, and waits for the end of a blackout; `rotate --now` does not wait",
        ))
    }

    /// Versions pile up when something goes wrong again and again, and Secrets Manager removes none within a day.
    fn versions_left(&self) -> Deliberation<()> {
        let (most, now) = (self.context.policy.max_versions_per_day, self.context.now);
        let versions = self.subject.observation.secret.versions.values();
        let until = versions.filter_map(|version| version.created.map(|created| after(created, DAY)));
        let mut until: Vec<Timestamp> = until.filter(|until| *until > now).collect();
        until.sort_unstable_by(|a, b| b.cmp(a));
        let Some(until) = until.get(most.saturating_sub(1)).filter(|_| !self.pressing()) else {
            return Ok(());
        };
        self.drop_intent()?;
        let why = format!(
            "due, and waits because {most} versions were put within a day (max_versions_per_day); `rotate --now` does \
             not wait"
        );
        Err(self.fenced(*until, &why))
    }

    /// What was written down and not put has not begun, and must not look as if it had for as long as the calendar keeps
    /// it: other secrets wait for what is under way.
    pub(super) fn drop_intent(&self) -> Deliberation<()> {
        let rotation = self.record.rotation.as_ref();
        match rotation.is_some_and(|rotation| !rotation.created && !rotation.found) {
            true => Err(Decision::Note(Event::RotationDropped)),
            false => Ok(()),
        }
    }

    fn held_back(&self, examined: bool) -> Deliberation<()> {
        let hold = self.context.hold.filter(|hold| hold.after_examination == examined);
        hold.map_or(Ok(()), |hold| {
            Err(Decision::Rest {
                until: self.within_window(hold.until),
                phase: Phase::Due,
                detail: Some(hold.why.to_owned()),
            })
        })
    }

    pub(super) fn fenced(&self, until: Timestamp, why: &str) -> Decision {
        Decision::Rest {
            until: self.within_window(until),
            phase: Phase::Due,
            detail: Some(format!("until {}: {why}", until.format("%F %TZ"))),
        }
    }

    /// The close of the window, if that comes first: what it waited for until then is missed.
    fn within_window(&self, until: Timestamp) -> Timestamp {
        let close = self.turn.closes_at.filter(|close| *close > self.context.now);
        close.map_or(until, |close| close.min(until))
    }

    /// Until when the next rotation must not begin.
    fn rotation_fence(&self) -> Option<Timestamp> {
        match self.request {
            Some(request) if request.now => None,
            // Whoever has a store of his own knows his writes: only those whose outcome he never
            // learnt may still arrive.
            Some(_) if !self.context.shared_store => {
                self.fence_after(self.record.unanswered_write().max(self.unknown_write()))
            }
            _ => self.fence(),
        }
    }

    /// Until when a write of anybody's that is still on its way could undo one that is made now.
    pub(super) fn fence(&self) -> Option<Timestamp> {
        let known = self.record.unanswered_write().max(self.record.settled_at);
        // Every put and label move of another replica moves this date.
        let seen = self
            .subject
            .observation
            .secret
            .last_changed
            .filter(|_| self.subject.touched());
        self.fence_after(known.max(self.unknown_write()).max(seen))
    }

    /// If the store is new or was lost, what was written just before is not known.
    pub(super) fn unknown_write(&self) -> Option<Timestamp> {
        (self.record.settled_at.is_none() && self.subject.touched()).then_some(self.record.first_seen)
    }

    fn fence_after(&self, write: Option<Timestamp>) -> Option<Timestamp> {
        let write = write.filter(|_| !planted(PlantedBug::SkipFence));
        write.map(|write| after(write, self.context.policy.fence))
    }

    fn attempts_left(&self) -> Deliberation<()> {
        let spent = self.subject.spent_generations();
        let subject = |spent: u32| format!("{}/{spent}", self.subject.current);
        let about = self.record.acknowledged.get(&HaltReason::AttemptsExhausted);
        let allowed_from = about
            .and_then(|about| (0..=spent).find(|n| subject(*n) == *about))
            .unwrap_or(0);
        if spent < allowed_from + self.context.policy.max_attempts {
            return Ok(());
        }
        let detail = format!("{spent} pending passwords were given up");
        acknowledgeable(self.record, HaltReason::AttemptsExhausted, detail, subject(spent))
    }

    fn create(&self) -> Deliberation<Decision> {
        self.held_back(true)?;
        let Some((generation, version)) = self.subject.next_version() else {
            return Err(self.halt(HaltReason::AttemptsExhausted, "no version id is left".to_owned()));
        };
        let parent = self.subject.current.to_owned();
        Ok(Decision::Act(Action::CreateSecret {
            version,
            parent,
            generation,
        }))
    }
}
