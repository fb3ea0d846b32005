//! What a run looked like from outside: to read when it fails, and to compare with another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use rekeyd::rotation::event::Event;

use super::Simulation;
use super::operator::OPERATOR;

/// What rekeyd did in a run, as far as others can see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Footprint {
    /// Its calls, by operation.
    pub calls: BTreeMap<String, u64>,
    /// How long the run took, in simulated time.
    pub took: Duration,
    /// Why it waited, failed, halted or asked for attention.
    pub reasons: BTreeSet<String>,
    /// Refused logins.
    pub refused: u64,
}

impl Footprint {
    /// All calls.
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }

    /// What is different in another run: nothing if nothing is.
    pub fn compared_with(&self, other: &Self) -> Option<String> {
        let mut told = Vec::new();
        if self.total() != other.total() {
            told.push(format!("calls {} -> {}", self.total(), other.total()));
        }
        if self.took != other.took {
            told.push(format!("{} s -> {} s", self.took.as_secs(), other.took.as_secs()));
        }
        told.extend(
            other
                .reasons
                .difference(&self.reasons)
                .map(|reason| format!("+{reason}")),
        );
        told.extend(
            self.reasons
                .difference(&other.reasons)
                .map(|reason| format!("-{reason}")),
        );
        if self.refused != other.refused {
            told.push(format!("refused logins {} -> {}", self.refused, other.refused));
        }
        (!told.is_empty()).then(|| told.join(", "))
    }
}

impl Simulation {
    /// What rekeyd has done so far.
    pub fn footprint(&self) -> Footprint {
        let mut calls = BTreeMap::new();
        for call in self.world.sandbox.log() {
            if call.access_key != OPERATOR {
                *calls.entry(call.operation).or_default() += 1;
            }
        }
        let journal = self.world.journal();
        Footprint {
            calls,
            took: self.world.time.elapsed(),
            reasons: journal.iter().filter_map(|entry| reason(&entry.event)).collect(),
            refused: self.refused().values().sum(),
        }
    }

    /// Everything that happened, in order.
    pub fn story(&self) -> String {
        let mut lines = Vec::new();
        for call in self.world.sandbox.log() {
            let resource = call.resource.unwrap_or_default();
            let (who, what, outcome) = (call.access_key, call.operation, call.outcome);
            lines.push((call.time, format!("{who}: {what} {resource}: {outcome}")));
        }
        for entry in self.world.journal().iter() {
            lines.push((
                entry.at,
                format!("{} of {}: {:?}", entry.replica, entry.secret_arn, entry.event),
            ));
        }
        for mishap in self.world.mishaps() {
            lines.push((mishap.at, mishap.what));
        }
        lines.sort_by_key(|(at, _)| *at);
        let mut story = String::new();
        for (at, line) in lines {
            let _ = writeln!(story, "{} {line}", at.format("%F %T%.3f"));
        }
        story
    }
}

fn reason(event: &Event) -> Option<String> {
    match event {
        Event::Waiting { reason, .. } => Some(format!("waits: {reason}")),
        Event::AttentionRaised { reason, .. } => Some(format!("attention: {reason}")),
        Event::Halted { reason, .. } => Some(format!("halts: {reason}")),
        Event::AttemptFailed { step, .. } => Some(format!("fails: {}", step.label())),
        Event::Abandoned { .. } => Some("abandons".to_owned()),
        _ => None,
    }
}
