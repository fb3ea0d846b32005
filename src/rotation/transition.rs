//! The one transition function of records: for live events and for replay alike.

mod retirement;
mod rotation;
mod trouble;

use crate::clock::Timestamp;
use crate::rotation::event::{Event, Request};
use crate::rotation::state::{Check, MissedWindows, Record};
use crate::rotation::step::Step;

/// An event that makes no sense in the record's state: a defect, never a matter of input.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("event {event} does not fit the record of {secret_arn}")]
pub struct IllegalEvent {
    /// The event's label.
    pub event: &'static str,
    /// The secret.
    pub secret_arn: String,
}

impl Record {
    /// The record after an event: the one transition function, for live events and for replay.
    ///
    /// # Errors
    /// [`IllegalEvent`] when the event speaks of a rotation or retirement that is not under way.
    pub fn apply(mut self, at: Timestamp, event: &Event) -> Result<Self, IllegalEvent> {
        let illegal = IllegalEvent {
            event: event.label(),
            secret_arn: self.secret_arn.clone(),
        };
        match event {
            Event::Requested(request) => self.ask(request),
            Event::RotationStarted { .. }
            | Event::RotationFound { .. }
            | Event::PasswordCreated { .. }
            | Event::PasswordSet { .. }
            | Event::FinishStarted { .. }
            | Event::Promoted { .. }
            | Event::AbandonStarted { .. }
            | Event::Abandoned { .. } => return self.apply_rotation(at, event).ok_or(illegal),
            Event::SettlingStarted { step } => self.settle(*step, Some(at)).ok_or(illegal)?,
            Event::SettlingBroken { step } => self.settle(*step, None).ok_or(illegal)?,
            Event::DriftFound { .. }
            | Event::DriftEnded { .. }
            | Event::RepairStarted { .. }
            | Event::PasswordsRestored { .. }
            | Event::Repaired { .. } => return self.apply_drift(at, event).ok_or(illegal),
            Event::Checked { version, proof, nodes } => {
                self.drift_checked(*proof);
                self.check = Some(Check {
                    version: version.clone(),
                    proof: *proof,
                    nodes: *nodes,
                    at,
                });
            }
            Event::RetirementStarted { .. }
            | Event::PreviousRemoved { .. }
            | Event::NodesRefusePrevious { .. }
            | Event::Retired { .. } => return self.apply_retirement(at, event).ok_or(illegal),
            Event::RevocationEnded { .. } => self.end_revocation(at).ok_or(illegal)?,
            Event::RollbackRequested(_)
            | Event::RollbackStarted { .. }
            | Event::RolledBack { .. }
            | Event::RollbackRefused { .. }
            | Event::RollbackExpired => return self.apply_rollback(at, event).ok_or(illegal),
            Event::WriteStarted => self.start_write(at),
            Event::WriteRefused => self.refuse_write(),
            Event::RetirementDropped => self.retirement = None,
            Event::RotationDropped => self.rotation = None,
            Event::MissedWindow {
                version,
                opening,
                windows,
                ..
            } => self.miss(version, *opening, *windows),
            Event::WaitingEnded
            | Event::Waiting { .. }
            | Event::AttemptFailed { .. }
            | Event::AttentionRaised { .. }
            | Event::AttentionCleared => self.apply_trouble(at, event),
            Event::Halted { .. } | Event::HaltCleared | Event::Acknowledged { .. } => self.apply_halt(at, event),
            Event::Paused(pause) => self.pause = Some(Box::new(pause.clone())),
            Event::Resumed => self.pause = None,
        }
        Ok(self)
    }

    /// An operator asks for a rotation. One that is hurried stays so: who asks again for the same
    /// version takes nothing back.
    fn ask(&mut self, request: &Request) {
        let rotation = self.rotation.as_ref();
        let being_served = |before: &Request| rotation.is_some_and(|rotation| rotation.began_after(before.at));
        let request = &self.about_what_is_current(request);
        let before = self
            .request
            .take()
            .filter(|before| before.over.is_some() && before.over == request.over && !being_served(before));
        self.request = Some(Box::new(Request {
            now: request.now || before.as_ref().is_some_and(|before| before.now),
            revoke_previous: request.revoke_previous || before.is_some_and(|before| before.revoke_previous),
            ..request.clone()
        }));
        if request.revoke_previous {
            self.begin_revocation(request.at);
        }
    }

    /// A promotion is known here before it is seen, and a request may still be about what it replaced.
    fn about_what_is_current(&self, request: &Request) -> Request {
        let promotion = self.promotion.as_ref();
        let promotion = promotion.filter(|promotion| request.over.as_ref() == Some(&promotion.previous));
        let promoted = promotion.map(|promotion| promotion.version.clone());
        Request {
            over: promoted.or_else(|| request.over.clone()),
            ..request.clone()
        }
    }

    fn miss(&mut self, version: &str, opening: Timestamp, windows: u32) {
        let before = self.missed_over(version).map_or(0, |missed| missed.count);
        self.missed = Some(Box::new(MissedWindows {
            version: version.to_owned(),
            opening,
            count: before.saturating_add(windows),
        }));
    }

    fn settle(&mut self, step: Step, since: Option<Timestamp>) -> Option<()> {
        let settled_since = match step {
            Step::Retire => &mut self.retirement.as_mut()?.settled_since,
            _ => &mut self.rotation.as_mut()?.settled_since,
        };
        *settled_since = since;
        Some(())
    }

    pub(super) fn start_write(&mut self, at: Timestamp) {
        self.doubtful_write = self.open_write.or(self.doubtful_write);
        self.open_write = Some(at);
        if let Some(rotation) = &mut self.rotation {
            rotation.set_started = true;
        }
    }

    fn refuse_write(&mut self) {
        self.open_write = None;
        let doubtful = self.doubtful_write;
        if let Some(rotation) = &mut self.rotation {
            // Unless an earlier try of this rotation was never answered, nothing was set.
            let unanswered = doubtful.is_some_and(|doubtful| doubtful >= rotation.started_at);
            rotation.set_started = rotation.set_at.is_some() || unanswered;
        }
    }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
