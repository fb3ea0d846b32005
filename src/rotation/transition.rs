//! The one transition function of records: for live events and for replay alike.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::rotation::event::{Event, Request};
use crate::rotation::observation::Proof;
use crate::rotation::reason::HaltReason;
use crate::rotation::state::{
    Attention, Check, Failure, Finishing, Halt, MissedWindows, Promotion, Record, Retired, Retirement, Rotation,
    Waiting,
};
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
            Event::MissedWindow {
                version,
                opening,
                windows,
                ..
            } => {
                let before = self.missed_over(version).map_or(0, |missed| missed.count);
                self.missed = Some(MissedWindows {
                    version: version.clone(),
                    opening: *opening,
                    count: before.saturating_add(*windows),
                });
            }
            Event::WaitingEnded => self.waiting = None,
            Event::Waiting { .. }
            | Event::AttemptFailed { .. }
            | Event::AttentionRaised { .. }
            | Event::AttentionCleared => self.apply_trouble(at, event),
            Event::Halted {
                reason,
                detail,
                subject,
            } => {
                if *reason == HaltReason::CurrentPasswordRefused {
                    // What was proved of it once is no longer so.
                    self.check = None;
                }
                if *reason == HaltReason::RepairsUndone {
                    self.stop_repairs();
                }
                self.halt = Some(Halt {
                    reason: *reason,
                    detail: detail.clone(),
                    subject: subject.clone(),
                    since: at,
                });
            }
            Event::HaltCleared => self.halt = None,
            Event::Acknowledged { reason, subject } => {
                if *reason == HaltReason::RepairsUndone {
                    self.allow_repairs();
                }
                self.acknowledged.insert(*reason, subject.clone());
            }
            Event::Paused(pause) => self.pause = Some(pause.clone()),
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
        self.request = Some(Request {
            now: request.now || before.as_ref().is_some_and(|before| before.now),
            revoke_previous: request.revoke_previous || before.is_some_and(|before| before.revoke_previous),
            ..request.clone()
        });
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

    fn apply_rotation(mut self, at: Timestamp, event: &Event) -> Option<Self> {
        match event {
            Event::RotationStarted {
                version,
                parent,
                generation,
            }
            | Event::RotationFound {
                version,
                parent,
                generation,
            } => {
                self.repair = None;
                let again = self.rotation.take().filter(|rotation| rotation.version == *version);
                let found = again.as_ref().is_some_and(|rotation| rotation.found);
                self.rotation = Some(Rotation {
                    version: version.clone(),
                    parent: parent.clone(),
                    generation: *generation,
                    started_at: at,
                    first_started_at: again.map(|rotation| rotation.first_started_at.unwrap_or(rotation.started_at)),
                    found: found || matches!(event, Event::RotationFound { .. }),
                    created: false,
                    set_started: false,
                    set_at: None,
                    settled_since: None,
                    finishing: None,
                    abandoning: None,
                });
            }
            Event::PasswordCreated { version } => {
                let rotation = self.rotation.as_mut().filter(|rotation| rotation.version == *version)?;
                rotation.created = true;
            }
            Event::PasswordSet { version } => {
                let rotation = self.rotation.as_mut().filter(|rotation| rotation.version == *version)?;
                rotation.set_at = Some(at);
                self.open_write = None;
                rotation.settled_since = None;
                self.settled_at = Some(at);
            }
            Event::FinishStarted { version, proof, nodes } => {
                let rotation = self.rotation.as_mut().filter(|rotation| rotation.version == *version)?;
                rotation.finishing = Some(Finishing {
                    proof: *proof,
                    nodes: *nodes,
                    at,
                });
                self.start_write(at);
            }
            Event::Promoted {
                version,
                previous,
                proof,
                nodes,
            } => self.promote(at, version, previous, *proof, *nodes),
            Event::AbandonStarted { version, cause } => {
                let rotation = self.rotation.as_mut().filter(|rotation| rotation.version == *version)?;
                rotation.abandoning = Some(cause.clone());
            }
            Event::Abandoned { .. } => {
                let rotation = self.rotation.take();
                let never_set = rotation.filter(|rotation| rotation.created && !rotation.set_started);
                self.never_set.extend(never_set.map(|rotation| rotation.version));
                self.settled_at = Some(at);
            }
            _ => return None,
        }
        if !matches!(event, Event::PasswordSet { .. }) {
            self.waiting = None;
        }
        Some(self)
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

    fn promote(&mut self, at: Timestamp, version: &str, previous: &str, proof: Option<Proof>, nodes: usize) {
        let rotation = self.rotation.take().filter(|rotation| rotation.version == version);
        let started_at = rotation.as_ref().map(|rotation| rotation.started_at);
        let finishing = rotation.as_ref().and_then(|rotation| rotation.finishing);
        let made_after = |asked_at| rotation.as_ref().is_some_and(|rotation| rotation.began_after(asked_at));
        let served = self.request.take_if(|request| made_after(request.at));
        // When another process made a version that was found later than the request came, only that
        // version's age can tell whether it serves the request.
        let age_tells = |rotation: &Rotation, request: &Request| rotation.found && request.at <= rotation.started_at;
        if let (Some(request), Some(rotation)) = (self.request.as_mut(), &rotation)
            && !age_tells(rotation, request)
        {
            // It came while the rotation was under way, and stands on, for the next one. That it is about
            // this version holds whatever AWS's clock says of the version's age. A date of another clock,
            // which was set back since, would let it stand for ever.
            request.over = Some(version.to_owned());
            request.at = request.at.min(at);
        }
        // Seen twice, it is still one promotion, at its first time.
        let known = self.promotion.take().filter(|promotion| promotion.version == version);
        self.promotion = Some(known.unwrap_or_else(|| Promotion {
            version: version.to_owned(),
            previous: previous.to_owned(),
            at,
            started_at,
            revoke_previous: self.revokes(previous) || served.as_ref().is_some_and(|request| request.revoke_previous),
            sent_at: finishing.filter(|_| proof.is_some()).map(|finishing| finishing.at),
        }));
        let revokes = served.is_some_and(|request| request.revoke_previous);
        self.note_safe(version, |asked_at| revokes || made_after(asked_at));
        self.open_write = None;
        self.check = proof.map(|proof| Check {
            version: version.to_owned(),
            proof,
            nodes,
            at,
        });
        self.retirement = None;
        self.drift = None;
        self.repair = None;
        self.settled_at = Some(at);
        self.acknowledged.clear();
        self.never_set.clear();
    }

    fn apply_retirement(mut self, at: Timestamp, event: &Event) -> Option<Self> {
        match event {
            Event::RetirementStarted { version, previous } => {
                self.retirement = Some(Retirement {
                    version: version.clone(),
                    previous: previous.clone(),
                    started_at: at,
                    removed_at: None,
                    settled_since: None,
                    refused_by: BTreeSet::new(),
                });
            }
            Event::PreviousRemoved { previous } => {
                let retirement = self
                    .retirement
                    .as_mut()
                    .filter(|retirement| retirement.previous == *previous)?;
                retirement.removed_at = Some(at);
                // A node that refused it before may have learnt it anew meanwhile.
                retirement.refused_by.clear();
                self.open_write = None;
                retirement.settled_since = None;
                self.settled_at = Some(at);
            }
            Event::NodesRefusePrevious { nodes } => {
                self.retirement.as_mut()?.refused_by.extend(nodes.iter().cloned());
            }
            Event::Retired {
                version,
                previous,
                proof,
                nodes,
            } => {
                self.retirement = None;
                let before = self.retired.take().filter(|retired| retired.version == *version);
                let mut all = before.map(|retired| retired.all).unwrap_or_default();
                all.insert(previous.clone());
                let retired = Retired {
                    version: version.clone(),
                    all,
                    previous: previous.clone(),
                    at,
                    proof: *proof,
                    nodes: *nodes,
                };
                self.note_death(&retired);
                self.retired = Some(retired);
                self.settled_at = Some(at);
            }
            _ => return None,
        }
        self.waiting = None;
        Some(self)
    }

    fn apply_trouble(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Waiting { reason, detail } => {
                // Reasons may alternate; what counts is since when nothing has come about.
                let since = self.waiting.as_ref().map_or(at, |waiting| waiting.since);
                self.waiting = Some(Waiting {
                    reason: *reason,
                    detail: detail.clone(),
                    since,
                });
            }
            Event::AttemptFailed {
                step,
                message,
                next_attempt_at,
            } => {
                let attempts = self
                    .failure
                    .as_ref()
                    .map_or(0, |failure| failure.attempts)
                    .saturating_add(1);
                self.failure = Some(Failure {
                    attempts,
                    step: *step,
                    message: message.clone(),
                    next_attempt_at: *next_attempt_at,
                });
            }
            Event::AttentionRaised { reason, detail } => {
                let since = match &self.attention {
                    Some(attention) if attention.reason == *reason => attention.since,
                    _ => at,
                };
                self.attention = Some(Attention {
                    reason: *reason,
                    detail: detail.clone(),
                    since,
                });
            }
            _ => {
                self.attention = None;
                self.failure = None;
            }
        }
    }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
