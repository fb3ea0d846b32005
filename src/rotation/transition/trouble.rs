//! What becomes of a record when a secret waits, fails, needs a person, or halts.

use crate::clock::Timestamp;
use crate::rotation::event::Event;
use crate::rotation::reason::HaltReason;
use crate::rotation::state::{Attention, Failure, Halt, Record, Waiting};

impl Record {
    pub(super) fn apply_trouble(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Waiting { reason, detail } => {
                // Reasons may alternate; what counts is since when nothing has come about.
                let since = self.waiting.as_ref().map_or(at, |waiting| waiting.since);
                self.waiting = Some(Box::new(Waiting {
                    reason: *reason,
                    detail: detail.clone(),
                    since,
                }));
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
                self.failure = Some(Box::new(Failure {
                    attempts,
                    step: *step,
                    message: message.clone(),
                    next_attempt_at: *next_attempt_at,
                }));
            }
            Event::AttentionRaised { reason, detail } => {
                let since = match &self.attention {
                    Some(attention) if attention.reason == *reason => attention.since,
                    _ => at,
                };
                self.attention = Some(Box::new(Attention {
                    reason: *reason,
                    detail: detail.clone(),
                    since,
                }));
            }
            Event::WaitingEnded => self.waiting = None,
            _ => {
                self.attention = None;
                self.failure = None;
            }
        }
    }

    pub(super) fn apply_halt(&mut self, at: Timestamp, event: &Event) {
        match event {
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
                self.halt = Some(Box::new(Halt {
                    reason: *reason,
                    detail: detail.clone(),
                    subject: subject.clone(),
                    since: at,
                }));
            }
            Event::Acknowledged { reason, subject } => {
                if *reason == HaltReason::RepairsUndone {
                    self.allow_repairs();
                }
                self.acknowledged.insert(*reason, subject.clone());
            }
            _ => self.halt = None,
        }
    }
}
