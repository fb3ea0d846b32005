//! What holds a due secret back although nothing is wrong with it, and how it hears that this is
//! over.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::policy::Policy;
use crate::rotation::event::Request;
use crate::rotation::plan::proof_of_wave;
use crate::rotation::reason::HoldReason;
use crate::rotation::status::Phase;

use super::blast_radius::Member;
use super::entry::Entry;
use super::queue::Wake;
use super::report::standing;
use super::{Engine, State};

/// What holds a secret back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HeldBy {
    /// Not every secret was read yet.
    Survey,
    /// As many as may be are under way.
    MaxInFlight,
    /// A secret that it is kept apart from.
    Together,
    /// The other secrets of its policy.
    Policy(HoldReason),
}

impl Engine {
    /// What keeps a secret from beginning. If nothing does, it has its place until the end of the
    /// drive, and keeps it if it has begun by then.
    ///
    /// A request waits for no secret that it is kept apart from; with `--now` it waits for room only.
    pub(super) fn take_place(
        &self,
        state: &mut State,
        key: &str,
        policy: &Policy,
        request: Option<&Request>,
    ) -> Option<HeldBy> {
        let urgent = request.is_some_and(|request| request.now);
        let surveyed = urgent || self.survey_hold(state, policy).is_none();
        let has_room = state.beginning.contains(key) || state.entries.get(key).is_some_and(Entry::in_flight);
        let held = match (surveyed, has_room || state.room() > 0) {
            (false, _) => Some(HeldBy::Survey),
            (true, false) => Some(HeldBy::MaxInFlight),
            (true, true) => None,
        };
        if held.is_some() {
            let radius = state.blast_radii.get_mut(&policy.name);
            radius.into_iter().for_each(|radius| radius.stand_in_row(key));
            return held;
        }
        // What has begun goes on: a rotation whose first write fails would else end the trouble that holds
        // it, and be let go for that.
        let begun = state
            .entries
            .get(key)
            .is_some_and(|entry| entry.record.rotation.is_some());
        if request.is_none() && !begun && self.must_keep_apart(state, key, policy) {
            let radius = state.blast_radii.get_mut(&policy.name);
            radius.into_iter().for_each(|radius| radius.step_aside(key));
            state.wake_released(&policy.name);
            return Some(HeldBy::Together);
        }
        if let Some(reason) = state
            .blast_radii
            .get_mut(&policy.name)
            .filter(|_| !urgent && !begun)
            .and_then(|radius| radius.ask(key))
        {
            state.wake_released(&policy.name);
            return Some(HeldBy::Policy(reason));
        }
        state.beginning.insert(key.to_owned());
        state.wake_released(&policy.name);
        None
    }

    /// What holds a secret of this policy back, in words.
    pub(super) fn words_of(&self, state: &State, policy: &Policy, key: &str, by: HeldBy) -> String {
        match by {
            HeldBy::Survey => self.survey_hold(state, policy).unwrap_or_default(),
            HeldBy::MaxInFlight => format!(
                "due, and waits for one of the {} under way (max_in_flight)",
                state.most_in_flight
            ),
            HeldBy::Together => self.words_of_together(state, policy, key),
            HeldBy::Policy(reason) => {
                let why = state.words_of_policy(&policy.name, reason);
                format!("due, and waits {why}; `rotate --now` does not wait")
            }
        }
    }

    /// Tells the other secrets of its policy how one stands now.
    pub(super) fn member_changed(&self, state: &mut State, key: &str) {
        let Some(entry) = state.entries.get(key) else { return };
        let Some(policy) = self.policy(&entry.policy) else {
            return;
        };
        let member = member(entry, &policy, self.clock.now());
        self.change_noted(state, key, &policy);
        let Some(entry) = state.entries.get(key) else { return };
        let Some(radius) = state.blast_radii.get_mut(&policy.name) else {
            return;
        };
        let before = radius.too_many();
        radius.set(entry.secret.arn.clone(), member);
        let (after, (in_trouble, most, all)) = (radius.too_many(), radius.trouble());
        let policy = &policy.name;
        match (before, after) {
            (false, true) => tracing::warn!(
                event = "max_attention_reached",
                policy,
                in_trouble,
                most,
                all,
                "too many of the policy's secrets are in trouble: it starts nothing new (max_attention)"
            ),
            (true, false) => tracing::info!(
                event = "max_attention_over",
                policy,
                in_trouble,
                most,
                all,
                "the policy starts rotations again (max_attention)"
            ),
            _ => {}
        }
        state.wake_released(policy);
    }
}

/// What the others of its policy need to know of a secret.
fn member(entry: &Entry, policy: &Policy, now: Timestamp) -> Member {
    let (record, dues) = (&entry.record, &entry.dues);
    // One that was given up and is not due is not tried again for long: nobody waits for it.
    let to_be_tried_again = dues.tried && dues.begins_at.is_none_or(|begins| begins <= now);
    Member {
        begins_at: dues.begins_at,
        opening: dues.opening,
        first_seen: record.first_seen,
        first_password: dues.first_password,
        under_way: record.rotation.is_some() || to_be_tried_again,
        in_trouble: entry.sight.fault.is_some() || record.halt.is_some() || record.attention.is_some(),
        proof: proof_of_wave(record, dues.made.as_ref(), policy),
    }
}

impl State {
    /// A secret is about to be looked at.
    pub(super) fn drive_begins(&mut self, key: &str, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.driven = true;
        entry.sight.held = None;
        let radius = self.blast_radii.get_mut(&entry.policy);
        radius.into_iter().for_each(|radius| radius.drive_begins(key, now));
        self.no_room.take(key);
    }

    /// A look at a secret is over: places that it took and did not need are free again. One that is looked at again
    /// at once keeps its turn in the row.
    pub(super) fn drive_ends(&mut self, key: &str, again: bool) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.driven = false;
        let (policy, held) = (entry.policy.clone(), entry.sight.held);
        if let Some(radius) = self.blast_radii.get_mut(&policy) {
            radius.drive_ended(key, held.is_some() || again);
        }
        let (told_of_room, was_beginning) = (self.told_of_room.remove(key), self.beginning.remove(key));
        if told_of_room || was_beginning {
            self.release_room();
        }
        if was_beginning {
            self.release_apart();
        }
        self.turn_over(key);
        self.wake_released(&policy);
        self.first_look_over(key);
    }

    /// Whether a retirement may be begun now: it counts towards what is under way, too. It has its place
    /// until the end of the drive, and keeps it if it has begun by then.
    pub(super) fn take_room(&mut self, key: &str) -> bool {
        if self.beginning.contains(key) || self.entries.get(key).is_some_and(Entry::in_flight) {
            return true;
        }
        if self.room() == 0 {
            self.no_room.put(key, Some(Timestamp::MIN_UTC));
            return false;
        }
        self.beginning.insert(key.to_owned());
        true
    }

    /// Keeps what a decision says of a hold.
    pub(super) fn note_hold(&mut self, key: &str, held: Option<HeldBy>) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.sight.held = held;
        let due_at = entry.dues.due_at;
        match held {
            Some(HeldBy::MaxInFlight) => self.no_room.put(key, due_at),
            _ => drop(self.no_room.take(key)),
        }
        if held != Some(HeldBy::Together) {
            self.no_longer_kept_apart(key);
        }
    }

    /// A secret waits for nothing any more that others wait for, too.
    pub(super) fn steps_back(&mut self, key: &str) {
        self.no_room.take(key);
        if self.told_of_room.remove(key) {
            self.release_room();
        }
        self.no_longer_kept_apart(key);
        self.leaves_turns(key);
        self.stop_polling(key);
    }

    /// A secret waits for nobody of its policy here any more, and nobody here for its turn: another replica looks at it.
    pub(super) fn leaves_row(&mut self, key: &str) {
        let Some(policy) = self.entries.get(key).map(|entry| entry.policy.clone()) else {
            return;
        };
        if let Some(radius) = self.blast_radii.get_mut(&policy) {
            radius.drive_ended(key, false);
        }
        self.wake_released(&policy);
    }

    /// A secret leaves its policy.
    pub(super) fn leaves(&mut self, key: &str, policy: &str) {
        self.steps_back(key);
        if let Some(radius) = self.blast_radii.get_mut(policy) {
            radius.remove(key);
        }
        self.wake_released(policy);
    }

    /// Keeps count of what is under way. Each that ends makes room for one that waits.
    pub(super) fn count_in_flight(&mut self, key: &str, before: bool, after: bool) {
        match (before, after) {
            (false, true) => {
                self.in_flight += 1;
                self.beginning.remove(key);
            }
            (true, false) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.release_room();
            }
            _ => {}
        }
    }

    /// What holds a policy's due secrets back, in words that follow "waits".
    pub(super) fn words_of_policy(&self, policy: &str, reason: HoldReason) -> String {
        let Some(radius) = self.blast_radii.get(policy) else {
            return String::new();
        };
        match reason {
            HoldReason::Canary => {
                let first = radius.goes_first().and_then(|key| self.entries.get(key));
                let first = first.map_or_else(|| "another secret".to_owned(), told_of);
                format!("for the proof of {first}, which goes first (canary)")
            }
            HoldReason::MaxAttention => {
                let (in_trouble, most, all) = radius.trouble();
                format!(
                    "until fewer of the policy's {all} secrets are in trouble: {in_trouble} are halted or need \
                     attention, {most} may (max_attention)"
                )
            }
        }
    }

    /// Why a policy starts nothing new, if so.
    pub(super) fn policy_holds(&self, policy: &str) -> Vec<HoldReason> {
        let Some(radius) = self.blast_radii.get(policy) else {
            return Vec::new();
        };
        let canary = radius.waits().then_some(HoldReason::Canary);
        let max_attention = radius.too_many().then_some(HoldReason::MaxAttention);
        canary.into_iter().chain(max_attention).collect()
    }

    /// How many more may begin.
    fn room(&self) -> usize {
        self.most_in_flight
            .saturating_sub(self.in_flight)
            .saturating_sub(self.beginning.len())
    }

    /// Lets as many look again as there is room for. One that does not use it lets the next one look.
    pub(super) fn release_room(&mut self) {
        let next: Vec<String> = self.no_room.iter().take(self.room()).map(str::to_owned).collect();
        for key in next {
            self.no_room.take(&key);
            self.wake(&key);
            self.told_of_room.insert(key);
        }
    }

    /// Lets those look again whom the others of their policy do not hold back any more.
    pub(super) fn wake_released(&mut self, policy: &str) {
        let released = self.blast_radii.get_mut(policy).map(|radius| radius.take_released());
        released.unwrap_or_default().iter().for_each(|key| self.wake(key));
    }

    /// A secret names no user any more; those that name the same one may go on.
    pub(super) fn release_claim(&mut self, key: &str) {
        for other in self.claims.release(key) {
            self.wake(&other);
        }
    }

    /// Lets a secret look again that was held back.
    pub(super) fn wake(&mut self, key: &str) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.sight.held = None;
        // It is due, and no longer rests.
        entry.sight.resting_until = None;
        if entry.driven {
            entry.woken = true;
        } else {
            self.queue.set(key, Wake::Past(Duration::ZERO));
        }
    }
}

/// A secret by its name, and where it stands. Whom that one waits for is not told in turn: those who took turns at
/// going first would each tell all that the others told.
pub(super) fn told_of(entry: &Entry) -> String {
    let standing = standing(entry);
    let detail = match standing.phase {
        Phase::Due => None,
        _ => standing.detail,
    };
    let told = detail.map_or_else(String::new, |detail| format!(": {detail}"));
    format!("{} ({}{told})", entry.secret.name, standing.phase.label())
}
