//! What the end of a drive means: what is remembered, and when the secret is looked at again.

use std::time::Duration;

use crate::aws::{AwsError, ErrorClass};
use crate::clock::{Timestamp, after, between};
use crate::policy::Policy;
use crate::rotation::event::Event;
use crate::rotation::plan::Decision;
use crate::rotation::reason::{AttentionReason, HaltReason, WaitReason};
use crate::rotation::retry::poll_interval;
use crate::rotation::state::Record;
use crate::rotation::status::Phase;
use crate::rotation::step::Step;
use crate::store::StoreError;

use super::Engine;
use super::ending::Ending;
use super::holds::HeldBy;
use super::queue::Wake;

/// After how many failed attempts in a row a person should look, although retries go on.
const ATTENTION_AFTER: u32 = 5;

/// When a gate that is taken is tried again, about.
const GATE_AGAIN: Duration = Duration::from_secs(1);

impl Engine {
    /// Stores what the ending means, and says when to look again.
    pub(super) async fn conclude(&self, key: &str, policy: &Policy, ending: Ending) -> Result<Wake, StoreError> {
        let Some(record) = self.record_of(key) else {
            return Ok(Wake::Past(Duration::ZERO));
        };
        match ending {
            Ending::Stopping | Ending::Superseded => Ok(Wake::Past(self.clock.monotonic())),
            Ending::Store(error) => Err(error),
            Ending::Unaudited(error) => Ok(self.fault(key, policy, AttentionReason::AuditFailed, error.to_string())),
            Ending::TakesTime => {
                self.settle_sight(key, Some(Phase::Rotating), None, None);
                Ok(self.pause(self.poll_pause(key, policy, 0)))
            }
            Ending::NoTurn => {
                let phase = (!record.in_flight()).then_some(Phase::Due);
                let detail = "waits for its turn: AWS takes only so many changes of users a second".to_owned();
                self.settle_sight(key, phase.or(Some(Phase::Rotating)), None, Some(detail));
                Ok(self.asks_again())
            }
            Ending::GateTaken => {
                let detail = "due, and waits for another replica, which may be beginning a rotation (canary, together)";
                self.settle_sight(key, Some(Phase::Due), None, Some(detail.to_owned()));
                Ok(self.pause(GATE_AGAIN.mul_f64(0.5 + self.chance())))
            }
            Ending::NoRoom => {
                let detail = self.words_of(&self.state(), policy, key, HeldBy::MaxInFlight);
                self.settle_sight(key, Some(Phase::Overlap), None, Some(detail));
                Ok(self.pause(policy.retry.max))
            }
            Ending::Failed(step, error) => match error.class {
                ErrorClass::Busy => {
                    let wait = (WaitReason::Modifying, error.to_string(), step);
                    self.wait(key, policy, &record, wait).await
                }
                ErrorClass::Changing => {
                    let wait = (WaitReason::NodesChanging, error.to_string(), step);
                    self.wait(key, policy, &record, wait).await
                }
                _ => self.failed(key, policy, &record, step, &error).await,
            },
            Ending::Decision(Decision::Wait { reason, detail, step }) => {
                // A halt for drift ends when the current password is proved again, not before.
                if record.drift.is_none() {
                    self.halt_over(key, &record).await?;
                }
                self.wait(key, policy, &record, (reason, detail, step)).await
            }
            Ending::Decision(Decision::Halt {
                reason,
                detail,
                subject,
            }) => {
                self.halt(key, &record, reason, detail, subject).await?;
                let running = self.running();
                let daemon = &running.daemon;
                let (discovery, heartbeat) = (daemon.discovery_interval, daemon.drift_check_interval);
                let pause = record.halted_pause(self.clock.now(), discovery, heartbeat);
                // The overlap of a rotation that is over still ends on time.
                let overlap = (reason == HaltReason::SelectedTwice).then(|| self.rest_of_overlap(key));
                Ok(self.pause(overlap.flatten().map_or(pause, |rest| rest.min(pause))))
            }
            Ending::Decision(Decision::Rest { until, phase, detail }) => {
                if !self.is_unexamined(key, &record) {
                    self.halt_over(key, &record).await?;
                    self.trouble_over(key, &record).await?;
                }
                self.settle_sight(key, Some(phase), None, detail);
                self.rests_until(key, until);
                Ok(Wake::At(until))
            }
            // The other decisions are carried out where they are made.
            Ending::Decision(Decision::Look(_) | Decision::Note(_) | Decision::Act(_)) => {
                Ok(self.pause(policy.retry.initial))
            }
        }
    }

    /// How long the overlap of a secret still lasts, if it has one.
    fn rest_of_overlap(&self, key: &str) -> Option<Duration> {
        let now = self.clock.now();
        let until = self.state().entries.get(key)?.sight.facts.overlap_until?;
        (until > now).then(|| between(now, until))
    }

    async fn wait(
        &self,
        key: &str,
        policy: &Policy,
        record: &Record,
        (reason, detail, step): (WaitReason, String, Step),
    ) -> Result<Wake, StoreError> {
        if record.failure.is_some() {
            self.failure_over(key).await?;
        }
        let Some(record) = self.record_of(key) else {
            return Ok(self.pause(policy.retry.initial));
        };
        if record
            .waiting
            .as_ref()
            .is_none_or(|waiting| (waiting.reason, &waiting.detail) != (reason, &detail))
        {
            self.record(
                key,
                Event::Waiting {
                    reason,
                    detail: detail.clone(),
                },
            )
            .await?;
        }
        let since = self
            .record_of(key)
            .and_then(|record| record.waiting.as_ref().map(|waiting| waiting.since));
        let overdue = since.is_some_and(|since| between(since, self.clock.now()) >= policy.propagation_timeout);
        let known = record
            .attention
            .as_ref()
            .map(|attention| (attention.reason, attention.detail.as_str()));
        if !overdue && known.is_some() {
            self.record(key, Event::AttentionCleared).await?;
        }
        if overdue && known != Some((reason.overdue(), detail.as_str())) {
            self.record(
                key,
                Event::AttentionRaised {
                    reason: reason.overdue(),
                    detail: detail.clone(),
                },
            )
            .await?;
        }
        self.settle_sight(key, Some(Phase::Rotating), Some(step), Some(detail));
        let looks = self.count_look(key);
        Ok(self.pause(match reason {
            WaitReason::Modifying if !overdue => self.poll_pause(key, policy, looks),
            WaitReason::StatusUnsettled | WaitReason::Settling if !overdue => poll_interval(&policy.retry, looks),
            // Each of these looks costs logins, some of them failing ones, on which people alarm.
            _ => policy.retry.delay(looks.saturating_add(1), self.chance()),
        }))
    }

    fn count_look(&self, key: &str) -> u32 {
        self.state().entries.get_mut(key).map_or(0, |entry| {
            entry.looks = entry.looks.saturating_add(1);
            entry.looks - 1
        })
    }

    async fn failed(
        &self,
        key: &str,
        policy: &Policy,
        record: &Record,
        step: Step,
        error: &AwsError,
    ) -> Result<Wake, StoreError> {
        let attempts = record
            .failure
            .as_ref()
            .map_or(0, |failure| failure.attempts)
            .saturating_add(1);
        let delay = policy
            .retry
            .delay(attempts, self.chance())
            // What AWS asks for, within reason: an absurd wait would be a halt that nobody declared.
            .max(error.retry_after.unwrap_or_default().min(policy.retry.max));
        let next_attempt_at = after(self.clock.now(), delay);
        let message = error.to_string();
        self.record(
            key,
            Event::AttemptFailed {
                step,
                message: message.clone(),
                next_attempt_at,
            },
        )
        .await?;
        let hopeless = !matches!(
            error.class,
            ErrorClass::Throttled | ErrorClass::Unavailable | ErrorClass::Conflict
        );
        let known = record
            .attention
            .as_ref()
            .map(|attention| (attention.reason, attention.detail.as_str()));
        let reason = error.attention();
        if (hopeless || attempts >= ATTENTION_AFTER) && known != Some((reason, message.as_str())) {
            self.record(
                key,
                Event::AttentionRaised {
                    reason,
                    detail: message.clone(),
                },
            )
            .await?;
        }
        self.settle_sight(key, None, Some(step), Some(message));
        Ok(self.pause(delay))
    }

    async fn halt(
        &self,
        key: &str,
        record: &Record,
        reason: HaltReason,
        detail: String,
        subject: String,
    ) -> Result<(), StoreError> {
        self.trouble_over(key, record).await?;
        let known = record
            .halt
            .as_ref()
            .is_some_and(|halt| (halt.reason, &halt.detail) == (reason, &detail));
        // An operator allowed more repairs since, and they were undone too.
        let again = reason == HaltReason::RepairsUndone && record.drift.as_ref().is_some_and(|drift| !drift.fought);
        let known = known && !again;
        self.settle_sight(key, Some(Phase::Halted), None, Some(detail.clone()));
        if !known {
            self.record(
                key,
                Event::Halted {
                    reason,
                    detail,
                    subject,
                },
            )
            .await?;
        }
        Ok(())
    }

    /// Whether it was held back before anything showed if its trouble is over.
    fn is_unexamined(&self, key: &str, record: &Record) -> bool {
        let state = self.state();
        let held = state.entries.get(key).and_then(|entry| entry.sight.held);
        held == Some(HeldBy::Survey) && (record.halt.is_some() || record.attention.is_some())
    }

    pub(super) async fn halt_over(&self, key: &str, record: &Record) -> Result<(), StoreError> {
        if record.halt.is_some() {
            self.record(key, Event::HaltCleared).await?;
        }
        Ok(())
    }

    pub(super) async fn failure_over(&self, key: &str) -> Result<(), StoreError> {
        if self.record_of(key).is_some_and(|record| record.failure.is_some()) {
            self.record(key, Event::AttentionCleared).await?;
        }
        Ok(())
    }

    async fn trouble_over(&self, key: &str, record: &Record) -> Result<(), StoreError> {
        if record.waiting.is_some() {
            self.record(key, Event::WaitingEnded).await?;
        }
        if record.failure.is_some() || record.attention.is_some() {
            self.record(key, Event::AttentionCleared).await?;
        }
        Ok(())
    }

    fn settle_sight(&self, key: &str, phase: Option<Phase>, step: Option<Step>, detail: Option<String>) {
        let mut state = self.state();
        if let Some(entry) = state.entries.get_mut(key) {
            if let Some(facts) = entry.new_facts.take() {
                entry.sight.facts = *facts;
            }
            entry.sight.phase = phase;
            entry.sight.step = step;
            entry.sight.detail = detail;
            entry.sight.resting_until = None;
            entry.sight.fault = None;
        }
        self.member_changed(&mut state, key);
    }

    fn rests_until(&self, key: &str, until: Timestamp) {
        if let Some(entry) = self.state().entries.get_mut(key) {
            entry.sight.resting_until = Some(until);
        }
    }

    pub(super) fn store_failed(&self, key: &str, policy: &Policy, error: &StoreError) -> Wake {
        if matches!(error, StoreError::Changed { .. }) {
            // What it says now is known, so it is looked at anew. Not at once: a rival may be at it as quickly.
            return self.pause(policy.retry.initial.mul_f64(self.chance()));
        }
        self.fault(key, policy, AttentionReason::StoreFailed, error.to_string())
    }

    /// Trouble of rekeyd's own, which keeps it from changing anything, and from storing that.
    fn fault(&self, key: &str, policy: &Policy, reason: AttentionReason, what: String) -> Wake {
        let mut state = self.state();
        if let Some(entry) = state.entries.get_mut(key) {
            entry.sight.fault = Some((reason, what));
            entry.looks = entry.looks.saturating_add(1);
        }
        let looks = state.entries.get(key).map_or(1, |entry| entry.looks);
        self.member_changed(&mut state, key);
        drop(state);
        self.pause(policy.retry.delay(looks, self.chance()))
    }

    /// A pause of monotonic time.
    fn pause(&self, span: Duration) -> Wake {
        Wake::Past(self.clock.monotonic().saturating_add(span))
    }
}
