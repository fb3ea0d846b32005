//! Prometheus metrics: which there are, and what moves them.
//!
//! Labels come from closed sets: policies, phases, reasons, steps, operations and outcomes. Only the
//! three gauges of single secrets are open, and they are left out above 1,000 secrets, or if the configuration says so.

mod families;
mod family;
mod notifications;
mod shown;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{Registry, TextEncoder};

use self::families::Families;
use self::shown::Memory;
use crate::clock::{Timestamp, between};
use crate::rotation::event::Event;
use crate::rotation::observation::{LoginAnswer, Proof};
use crate::rotation::reason::{DriftCause, HoldReason};
use crate::rotation::state::Record;
use crate::rotation::status::SecretStatus;
use crate::rotation::step::Step;

pub use self::notifications::NotificationOutcome;

/// The media type of [`Metrics::render`].
pub const EXPOSITION_FORMAT: &str = prometheus::TEXT_FORMAT;

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

impl StepOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Wait, Self::Error];

    /// Its name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Wait => "wait",
            Self::Error => "error",
        }
    }
}

/// What came of a rotation, for `rekeyd_rotations_total`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RotationOutcome {
    /// AWSCURRENT moved to a password that logins proved.
    Promoted,
    /// AWSCURRENT moved to a password that the endpoint of a serverless cache accepted.
    PromotedEndpointProven,
    /// AWSCURRENT moved to a password that could not be proved.
    PromotedUnproven,
    /// The pending password was given up; another generation may follow.
    Abandoned,
    /// It halted on the way. One that is resumed is counted again when it ends.
    Halted,
    /// AWSCURRENT moved back, because an operator asked for it.
    RolledBack,
}

impl RotationOutcome {
    /// Every outcome.
    pub const ALL: [Self; 6] = [
        Self::Promoted,
        Self::PromotedEndpointProven,
        Self::PromotedUnproven,
        Self::Abandoned,
        Self::Halted,
        Self::RolledBack,
    ];

    /// Its name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::PromotedEndpointProven => "promoted_endpoint_proven",
            Self::PromotedUnproven => "promoted_unproven",
            Self::Abandoned => "abandoned",
            Self::Halted => "halted",
            Self::RolledBack => "rolled_back",
        }
    }

    fn of(record: &Record, event: &Event) -> Option<Self> {
        match event {
            Event::Promoted {
                proof: None | Some(Proof::Unproven(_)),
                ..
            } => Some(Self::PromotedUnproven),
            Event::Promoted {
                proof: Some(Proof::EndpointProven),
                ..
            } => Some(Self::PromotedEndpointProven),
            Event::Promoted {
                proof: Some(Proof::Proven),
                ..
            } => Some(Self::Promoted),
            Event::Abandoned { .. } => Some(Self::Abandoned),
            Event::RolledBack { .. } => Some(Self::RolledBack),
            // A halt that is only worded anew, and one that no rotation met, are no outcome.
            Event::Halted { reason, .. } => {
                let new = record.halt.as_ref().is_none_or(|halt| halt.reason != *reason);
                (new && record.rotation.is_some()).then_some(Self::Halted)
            }
            _ => None,
        }
    }
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    families: Families,
    /// Held while gauges are replaced and while they are read, so that no scrape sees half of them.
    memory: Mutex<Memory>,
}

impl Metrics {
    /// Registers everything, each series that is known to exist at zero.
    pub fn new(policies: &[String]) -> Self {
        let registry = Registry::new();
        let families = Families::declare(&registry);
        #[cfg(target_os = "linux")]
        if let Err(error) = registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self())) {
            tracing::error!(event = "process_metrics_missing", %error, "the metrics of the process are missing");
        }
        let metrics = Self {
            registry,
            families,
            memory: Mutex::default(),
        };
        metrics.start_at_zero();
        metrics.policies(policies);
        metrics
    }

    /// The families that there can be, those of the process left out: the name of each, and the names of its labels.
    pub fn families(&self) -> Vec<(String, Vec<String>)> {
        self.families.names()
    }

    fn start_at_zero(&self) {
        let families = &self.families;
        let commit = option_env!("REKEYD_COMMIT").unwrap_or("unknown");
        families
            .process
            .build_info
            .set(&[env!("CARGO_PKG_VERSION"), commit, std::env::consts::ARCH], 1.0);
        for step in Step::ALL {
            families.work.step_duration.touch(&[step.label()]);
            for outcome in StepOutcome::ALL {
                families.work.step_attempts.add(&[step.label(), outcome.label()], 0);
            }
        }
        for outcome in ["accepted", "refused", "unreachable"] {
            families.calls.login_probes.add(&[outcome], 0);
        }
        families.process.store_errors.add(&[], 0);
        families.process.audit_errors.add(&[], 0);
        families.process.lease_held.set(&[], 0.0);
        families.process.replicas.set(&[], 0.0);
        families.process.lease_takeovers.add(&[], 0);
        families.process.lease_losses.add(&[], 0);
        families.shown.in_flight.set(&[], 0.0);
    }

    /// Says which policies there are, at the start and after a reload. The series of others end; a gauge
    /// of status comes back with the next [`show`](Self::show) while a secret is still under such a policy.
    pub fn policies(&self, names: &[String]) {
        {
            let mut memory = self.memory();
            memory.policies = names.iter().cloned().collect();
            self.families.retain("policy", &memory.policies);
        }
        for policy in names {
            self.policy_held(policy, &[]);
            self.families.work.rotation_duration.touch(&[policy]);
            self.families.work.repairs.add(&[policy], 0);
            self.families.work.missed_windows.add(&[policy], 0);
            for cause in DriftCause::ALL {
                self.families.work.drifts.add(&[policy, cause.label()], 0);
            }
            for outcome in RotationOutcome::ALL {
                self.families.work.rotations.add(&[policy, outcome.label()], 0);
            }
        }
    }

    /// Says which places there are after a reload. The series of others end.
    pub fn places(&self, names: BTreeSet<String>) {
        let mut memory = self.memory();
        self.families.retain("place", &names);
        memory.places = Some(names);
    }

    /// Says whether each secret has series of its own; not above 1,000 secrets in any case.
    pub fn per_secret(&self, per_secret: bool) {
        self.memory().per_secret = per_secret;
    }

    /// Makes the series of an operation of AWS that may be asked for exist, with each of these outcomes.
    pub fn aws_operation(&self, service: &str, operation: &str, outcomes: impl Iterator<Item = &'static str>) {
        let calls = &self.families.calls;
        calls.aws_request_duration.touch(&[service, operation]);
        outcomes.for_each(|outcome| calls.aws_requests.add(&[service, operation, outcome], 0));
    }

    /// Notes when the process started. Hidden `/proc/stat` (systemd's `ProcSubset=pid`) leaves the
    /// usual `process_start_time_seconds` without a value.
    pub fn started(&self, at: Timestamp) {
        self.families.process.start_time.set(&[], seconds(at));
    }

    /// Notes that the configuration was read, or that it was refused and the one before stays.
    pub fn config_loaded(&self, successful: bool, at: Timestamp) {
        self.families
            .process
            .reload_successful
            .set(&[], f64::from(u8::from(successful)));
        if successful {
            self.families.process.reload_timestamp.set(&[], seconds(at));
        }
    }

    /// Counts an event that was stored; `record` is the record before it. What ends under a policy that is
    /// gone is not counted: its series have ended.
    pub fn event(&self, policy: &str, record: &Record, event: &Event, at: Timestamp) {
        let memory = self.memory();
        if !memory.policies.contains(policy) {
            return;
        }
        if let Some(outcome) = RotationOutcome::of(record, event) {
            self.families.work.rotations.add(&[policy, outcome.label()], 1);
        }
        self.drift_event(policy, record, event);
        if let Event::MissedWindow { windows, .. } = event {
            self.families.work.missed_windows.add(&[policy], u64::from(*windows));
        }
        if let (Event::Promoted { version, .. }, Some(rotation)) = (event, &record.rotation)
            && rotation.version == *version
        {
            let took = between(rotation.started_at, at);
            self.families.work.rotation_duration.observe(&[policy], took);
        }
    }

    fn drift_event(&self, policy: &str, record: &Record, event: &Event) {
        match event {
            // The same one worded anew is no second one.
            Event::DriftFound { cause, .. } if record.drift.as_ref().is_none_or(|drift| drift.cause != *cause) => {
                self.families.work.drifts.add(&[policy, cause.label()], 1);
            }
            Event::Repaired { .. } => self.families.work.repairs.add(&[policy], 1),
            _ => {}
        }
    }

    /// Counts a step's attempt.
    pub fn step(&self, step: Step, outcome: StepOutcome, took: Duration) {
        self.families
            .work
            .step_attempts
            .add(&[step.label(), outcome.label()], 1);
        self.families.work.step_duration.observe(&[step.label()], took);
    }

    /// Counts a login.
    pub fn login(&self, answer: &LoginAnswer) {
        let outcome = match answer {
            LoginAnswer::Accepted => "accepted",
            LoginAnswer::Refused => "refused",
            LoginAnswer::Unreachable(_) | LoginAnswer::TlsFailed(_) => "unreachable",
        };
        self.families.calls.login_probes.add(&[outcome], 1);
    }

    /// Counts a request to AWS.
    pub fn aws_request(&self, service: &'static str, operation: &'static str, outcome: &'static str, took: Duration) {
        self.families.calls.aws_requests.add(&[service, operation, outcome], 1);
        self.families
            .calls
            .aws_request_duration
            .observe(&[service, operation], took);
    }

    /// Notes how many calls a second of a kind may be made at first in a place, which is about to come into
    /// force.
    pub fn aws_budget_begins(&self, place: &str, budget: &'static str, rate: f64) {
        self.families.calls.aws_budget.set(&[place, budget], rate);
    }

    /// Notes how many calls a second of a kind may be made in a place at the moment. A call that ends when
    /// its place is gone brings no series back.
    pub fn aws_budget(&self, place: &str, budget: &'static str, rate: f64) {
        let memory = self.memory();
        if memory.places.as_ref().is_none_or(|places| places.contains(place)) {
            self.families.calls.aws_budget.set(&[place, budget], rate);
        }
    }

    /// Counts a failed read or write of the store.
    pub fn store_error(&self) {
        self.families.process.store_errors.add(&[], 1);
    }

    /// Counts a line that the audit log lacks.
    pub fn audit_error(&self) {
        self.families.process.audit_errors.add(&[], 1);
    }

    /// Notes the scheduler's tick.
    pub fn tick(&self, at: Timestamp) {
        self.families.process.last_tick.set(&[], seconds(at));
    }

    /// Notes whether this process holds a lease of a secret; on a store of its own, always.
    pub fn lease_held(&self, held: bool) {
        self.families.process.lease_held.set(&[], f64::from(u8::from(held)));
    }

    /// Notes how many replicas share the table and are alive, this one included.
    pub fn replicas(&self, alive: usize) {
        self.families.process.replicas.set(&[], alive as f64);
    }

    /// Counts secrets that were taken over from a replica that is gone.
    pub fn leases_taken_over(&self, count: usize) {
        self.families.process.lease_takeovers.add(&[], count as u64);
    }

    /// Counts secrets that count as lost.
    pub fn leases_lost(&self, count: usize) {
        self.families.process.lease_losses.add(&[], count as u64);
    }

    /// Says why a policy's due secrets do not begin.
    pub fn policy_held(&self, policy: &str, reasons: &[HoldReason]) {
        for reason in HoldReason::ALL {
            let held = f64::from(u8::from(reasons.contains(reason)));
            self.families.shown.held.set(&[policy, reason.label()], held);
        }
    }

    /// Replaces the gauges that are computed from status. Each secret is looked at once, in turn.
    pub fn show(
        &self,
        secrets: impl IntoIterator<Item: Borrow<SecretStatus>>,
        paused_policies: &[String],
        now: Timestamp,
    ) {
        self.memory().show(&self.families, secrets, paused_policies, now);
    }

    /// The text exposition, format 0.0.4.
    pub fn render(&self) -> String {
        let mut families = {
            let _gauges_are_whole = self.memory();
            self.registry.gather()
        };
        // A start in 1970 is worse than none: it is what hidden `/proc/stat` makes of this family.
        families.retain(|family| {
            family.name() != "process_start_time_seconds"
                || family
                    .get_metric()
                    .iter()
                    .any(|metric| metric.get_gauge().get_value() > 0.0)
        });
        TextEncoder::new().encode_to_string(&families).unwrap_or_else(|error| {
            tracing::error!(event = "metrics_not_written", %error, "the metrics could not be written");
            String::new()
        })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // What it remembers is only which series exist: sound after a panic.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds since the epoch.
fn seconds(at: Timestamp) -> f64 {
    at.timestamp_micros() as f64 / 1e6
}
