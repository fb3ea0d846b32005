//! The gauges that are computed from status: replaced as a whole, so that none goes stale.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use super::families::{Families, Shown, Single};
use super::family::Gauge;
use crate::clock::Timestamp;
use crate::rotation::observation::Proof;
use crate::rotation::reason::{AttentionReason, DriftCause, HaltReason, UnprovenReason};
use crate::rotation::status::{Phase, SecretStatus};
use crate::rotation::step::Step;

/// Beyond this many secrets, series for each would cost more than they tell; no alert needs them.
const MOST_SECRETS_WITH_SERIES: usize = 1_000;

/// The label of a reason that is none of the closed sets: there is none, unless by a defect.
const UNKNOWN: &str = "unknown";

/// Which policies and places there are, and whether single secrets have series.
pub(super) struct Memory {
    pub(super) policies: BTreeSet<String>,
    /// Nothing before the first reload: none can be gone by then.
    pub(super) places: Option<BTreeSet<String>>,
    /// Whether each secret has series of its own, as long as there are not too many.
    pub(super) per_secret: bool,
    pub(super) notify_targets: BTreeSet<String>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            policies: BTreeSet::new(),
            places: None,
            per_secret: true,
            notify_targets: BTreeSet::new(),
        }
    }
}

/// What is counted for one policy.
#[derive(Default)]
struct Tally {
    phases: BTreeMap<Phase, u32>,
    halts: BTreeMap<&'static str, u32>,
    attentions: BTreeMap<&'static str, u32>,
    drifts: BTreeMap<DriftCause, u32>,
    oldest: Option<Timestamp>,
    overdue: u32,
    unproven: BTreeMap<UnprovenReason, u32>,
    retirement_overdue: u32,
    in_flight: u32,
}

impl Tally {
    fn add(&mut self, secret: &SecretStatus, now: Timestamp) {
        *self.phases.entry(secret.phase).or_default() += 1;
        let reason = secret.reason.as_deref().unwrap_or_default();
        match secret.phase {
            Phase::Halted => *self.halts.entry(halt_label(reason)).or_default() += 1,
            Phase::NeedsAttention => *self.attentions.entry(attention_label(reason)).or_default() += 1,
            _ => {}
        }
        if let Some(cause) = secret.drift {
            *self.drifts.entry(cause).or_default() += 1;
        }
        self.oldest = match (self.oldest, secret.last_rotation_at) {
            (Some(oldest), Some(last)) => Some(oldest.min(last)),
            (oldest, last) => oldest.or(last),
        };
        self.overdue += u32::from(secret.is_overdue(now));
        if let Some(Proof::Unproven(reason)) = secret.proof {
            *self.unproven.entry(reason).or_default() += 1;
        }
        self.retirement_overdue += u32::from(secret.is_retirement_overdue(now));
        self.in_flight += u32::from(!secret.elsewhere && in_flight(secret));
    }
}

/// Trouble hides the phase of what is under way; the step still tells. A secret that is merely
/// looked at has begun nothing.
fn in_flight(secret: &SecretStatus) -> bool {
    match secret.phase {
        Phase::Rotating | Phase::Retiring => true,
        Phase::NeedsAttention => secret.step.is_some_and(|step| step != Step::Observe),
        _ => false,
    }
}

// Status carries the label as text; only those of the closed sets become labels of a metric.
fn halt_label(reason: &str) -> &'static str {
    let known = HaltReason::ALL.iter().map(|known| known.label());
    known.into_iter().find(|label| *label == reason).unwrap_or(UNKNOWN)
}

fn attention_label(reason: &str) -> &'static str {
    let known = AttentionReason::ALL.iter().map(|known| known.label());
    known.into_iter().find(|label| *label == reason).unwrap_or(UNKNOWN)
}

impl Memory {
    /// Replaces every gauge.
    pub(super) fn show<S: Borrow<SecretStatus>>(
        &self,
        families: &Families,
        secrets: impl IntoIterator<Item = S>,
        paused: &[String],
        now: Timestamp,
    ) {
        let most = if self.per_secret { MOST_SECRETS_WITH_SERIES } else { 0 };
        let (tallies, few) = tally(&self.policies, secrets, most, now);
        let Families { shown, single, .. } = families;
        shown.clear();
        single.clear();
        shown
            .in_flight
            .set(&[], tallies.values().map(|tally| f64::from(tally.in_flight)).sum());
        for (policy, tally) in &tallies {
            let is_paused = paused.iter().any(|paused| paused == policy);
            shown.policy(policy, tally, is_paused);
        }
        few.iter().for_each(|secret| single.show(secret.borrow()));
    }
}

/// What there is of each policy; and the secrets themselves, if they are no more than `most`.
fn tally<S: Borrow<SecretStatus>>(
    policies: &BTreeSet<String>,
    secrets: impl IntoIterator<Item = S>,
    most: usize,
    now: Timestamp,
) -> (BTreeMap<String, Tally>, Vec<S>) {
    let none = policies.iter().map(|policy| (policy.clone(), Tally::default()));
    let mut tallies: BTreeMap<String, Tally> = none.collect();
    let mut few = Vec::new();
    for (before, secret) in secrets.into_iter().enumerate() {
        let status = secret.borrow();
        match tallies.get_mut(&status.policy) {
            Some(tally) => tally.add(status, now),
            None => tallies.entry(status.policy.clone()).or_default().add(status, now),
        }
        let elsewhere = status.elsewhere;
        match before < most {
            // Its series come from the replica that works on it.
            true if elsewhere => {}
            true => few.push(secret),
            false => few = Vec::new(),
        }
    }
    (tallies, few)
}

impl Shown {
    fn clear(&self) {
        let counted = [
            &self.in_flight,
            &self.secrets,
            &self.overdue,
            &self.needs_attention,
            &self.halted,
        ];
        let others = [
            &self.oldest_rotation,
            &self.drifted,
            &self.unproven,
            &self.unproven_by_reason,
            &self.retirement_overdue,
            &self.paused,
        ];
        counted.into_iter().chain(others).for_each(Gauge::clear);
    }

    fn policy(&self, policy: &str, tally: &Tally, paused: bool) {
        for phase in Phase::ALL {
            self.secrets
                .set(&[policy, phase.label()], count(tally.phases.get(&phase)));
        }
        for cause in DriftCause::ALL {
            self.drifted
                .set(&[policy, cause.label()], count(tally.drifts.get(cause)));
        }
        // A reason that nothing has shows zero, so that one that is over ends in zero.
        for reason in HaltReason::ALL.iter().map(|reason| reason.label()) {
            self.halted.set(&[policy, reason], count(tally.halts.get(reason)));
        }
        for reason in AttentionReason::ALL.iter().map(|reason| reason.label()) {
            self.needs_attention
                .set(&[policy, reason], count(tally.attentions.get(reason)));
        }
        for (gauge, unheard_of) in [
            (&self.halted, tally.halts.get(UNKNOWN)),
            (&self.needs_attention, tally.attentions.get(UNKNOWN)),
        ] {
            if unheard_of.is_some() {
                gauge.set(&[policy, UNKNOWN], count(unheard_of));
            }
        }
        for reason in UnprovenReason::ALL {
            self.unproven_by_reason
                .set(&[policy, reason.label()], count(tally.unproven.get(reason)));
        }
        if let Some(oldest) = tally.oldest {
            self.oldest_rotation.set(&[policy], super::seconds(oldest));
        }
        self.overdue.set(&[policy], f64::from(tally.overdue));
        self.unproven
            .set(&[policy], f64::from(tally.unproven.values().sum::<u32>()));
        self.retirement_overdue
            .set(&[policy], f64::from(tally.retirement_overdue));
        self.paused.set(&[policy], f64::from(u8::from(paused)));
    }
}

impl Single {
    fn clear(&self) {
        [&self.last_rotation, &self.next_rotation, &self.previous_valid]
            .into_iter()
            .for_each(Gauge::clear);
    }

    fn show(&self, secret: &SecretStatus) {
        let labels = [secret.policy.as_str(), secret.secret.as_str()];
        if let Some(last) = secret.last_rotation_at {
            self.last_rotation.set(&labels, super::seconds(last));
        }
        if let Some(next) = secret.next_rotation_at {
            self.next_rotation.set(&labels, super::seconds(next));
        }
        if let Some(valid) = secret.previous_password_valid {
            self.previous_valid.set(&labels, f64::from(u8::from(valid)));
        }
    }
}

fn count(tallied: Option<&u32>) -> f64 {
    tallied.copied().map_or(0.0, f64::from)
}
