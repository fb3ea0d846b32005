//! What is decided about one secret, with all that the engine knows of the others.

use std::sync::Arc;

use crate::clock::{Timestamp, after};
use crate::policy::Policy;
use crate::rotation::drift::{all_checked_after_start, check_after_start};
use crate::rotation::event::Request;
use crate::rotation::observation::{AWSCURRENT, Observation};
use crate::rotation::plan::{Context, Decision, Facts, Hold, dues, facts, plan};
use crate::rotation::state::Record;
use crate::rotation::status::Phase;

use super::entry::Entry;
use super::holds::HeldBy;
use super::report::standing;
use super::running::Running;
use super::{Engine, State};

impl Engine {
    /// Asks for a decision, and keeps what status shows of the observation. A secret that would begin
    /// asks for its place under the same lock, so that no two take the same one. Nothing if another
    /// policy is in force.
    pub(super) fn decide(
        &self,
        key: &str,
        policy: &Arc<Policy>,
        observation: &Observation,
        record: &Record,
    ) -> Option<Decision> {
        let mut state = self.state();
        if !self.governs(&state, key, policy) {
            return None;
        }
        let running = self.running();
        let now = self.clock.now();
        if let (Some(entry), Some(dues)) = (state.entries.get_mut(key), dues(observation, record, policy, now)) {
            entry.dues = dues;
            self.member_changed(&mut state, key);
        }
        let entry = state.entries.get(key).filter(|_| policy.window.is_some());
        let waited_for = entry.map(last_told).unwrap_or_default();
        let view = View {
            running: &running,
            key,
            policy,
            now,
            waited_for: &waited_for,
        };
        let asking = Hold {
            why: ASKING,
            until: now,
            after_examination: false,
        };
        let would = plan(observation, record, &self.context(&view, &state, Some(asking)));
        let (decision, held) = if rests_for(&would, ASKING) {
            let held = self.take_place(&mut state, key, policy, standing_request(observation, record));
            let why = held
                .map(|by| self.words_of(&state, policy, key, by))
                .unwrap_or_default();
            let until = held.map(|by| self.held_until(&state, key, policy, by));
            let hold = held.zip(until).map(|(by, until)| hold(by, &why, until, record));
            let decision = plan(observation, record, &self.context(&view, &state, hold));
            let held = held.filter(|_| rests_for(&decision, &why));
            (decision, held)
        } else {
            (would, None)
        };
        let facts = facts(observation, record, &self.context(&view, &state, None));
        state.note_hold(key, held);
        if let Some(entry) = state.entries.get_mut(key) {
            // Not every look needs the user; what an earlier one saw of it stands.
            let seen_before = entry.new_facts.as_ref().and_then(|facts| facts.password_count);
            let password_count = facts
                .password_count
                .or(seen_before)
                .or(entry.sight.facts.password_count);
            entry.new_facts = Some(Box::new(Facts {
                password_count,
                ..facts
            }));
        }
        Some(decision)
    }

    /// When the first check of this secret after the start may be made.
    fn checks_from(&self, now: Timestamp, key: &str, secrets: usize) -> Timestamp {
        let passed = self.clock.monotonic().saturating_sub(self.started);
        // Long after a start no secret's own share of the time needs to be computed.
        if passed >= all_checked_after_start(secrets) {
            return now;
        }
        after(now, check_after_start(key, secrets).saturating_sub(passed))
    }

    fn context<'a>(&self, view: &View<'a>, state: &'a State, hold: Option<Hold<'a>>) -> Context<'a> {
        let (running, policy) = (view.running, view.policy);
        Context {
            policy,
            region: running.places.get(&policy.place).map_or("", |place| &place.region),
            now: view.now,
            claims: &state.claims,
            other_policies: state.other_policies(view.key),
            shared_store: self.store.shared(),
            waited_for: view.waited_for,
            paused: running.daemon.paused || policy.paused,
            hold,
            drift_check: running.daemon.drift_check_interval,
            checks_from: self.checks_from(view.now, view.key, state.entries.len()),
            recheck: running.daemon.discovery_interval,
        }
    }

    /// When a secret that is held back is looked at again. Whatever ends the hold wakes it, unless that is a date; this
    /// is for the case that it does not.
    fn held_until(&self, state: &State, key: &str, policy: &Policy, by: HeldBy) -> Timestamp {
        let again = match by {
            HeldBy::Survey | HeldBy::MaxInFlight | HeldBy::Together => policy.retry.max,
            HeldBy::Policy(_) => self.running().daemon.discovery_interval.max(policy.retry.max),
        };
        let date = match by {
            HeldBy::Together => self.kept_apart_until(state, policy, key),
            _ => None,
        };
        date.unwrap_or_else(|| after(self.clock.now(), again))
    }
}

/// What a decision about one secret is made by, whatever holds it back.
struct View<'a> {
    running: &'a Running,
    key: &'a str,
    policy: &'a Policy,
    now: Timestamp,
    waited_for: &'a str,
}

/// What a secret was last known to wait for.
fn last_told(entry: &Entry) -> String {
    let standing = standing(entry);
    match (standing.phase, standing.detail) {
        (Phase::Paused, detail) => format!("paused {}", detail.unwrap_or_default()).trim_end().to_owned(),
        (_, detail) => detail.unwrap_or_default(),
    }
}

fn hold<'a>(by: HeldBy, why: &'a str, until: Timestamp, record: &Record) -> Hold<'a> {
    let in_trouble = record.halt.is_some() || record.attention.is_some();
    Hold {
        why,
        until,
        // Before every secret is known, examining one is not safe.
        after_examination: in_trouble && by != HeldBy::Survey,
    }
}

/// What a secret is told that would begin, until it is known whether it may.
const ASKING: &str = "due";

fn rests_for(decision: &Decision, why: &str) -> bool {
    matches!(decision, Decision::Rest { detail: Some(told), .. } if told == why)
}

/// The rotation that an operator asked for and has not got yet.
fn standing_request<'a>(observation: &Observation, record: &'a Record) -> Option<&'a Request> {
    let current = observation.secret.holder(AWSCURRENT);
    current.and_then(|current| {
        let created = observation
            .secret
            .versions
            .get(current)
            .and_then(|version| version.created);
        record.standing_request(current, created)
    })
}
