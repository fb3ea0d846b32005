//! Blast radius: how much of a policy may go wrong at once. Pure; one for each policy.
//!
//! **Canary.** A due secret may begin once another of its policy was promoted with proof after the
//! window opened that this one may begin in (without a window: after it fell due), or while a canary's place is free; then it is the canary. It takes its place with
//! the decision, gives it back if it changes nothing after all, and otherwise keeps it until proof
//! of a promotion frees everybody who was due by then. All of it is computed from records and
//! from what AWS shows, so a restart computes the same.
//!
//! **Too many in trouble.** While more secrets than `max_attention` allows are halted or need
//! attention, nobody begins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::policy::MaxAttention;
use crate::rotation::reason::HoldReason;

use super::row::Row;

/// One secret, as far as the others of its policy care.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Member {
    /// From when on it may begin; who may first goes first.
    pub(super) begins_at: Option<Timestamp>,
    /// When the window opens, or has opened, that it may begin in. What was proved since then is proof for it.
    pub(super) opening: Option<Timestamp>,
    /// When this store first heard of it: what was proved before proves nothing for it.
    pub(super) first_seen: Timestamp,
    /// Whether it waits for its first password.
    pub(super) first_password: bool,
    /// Whether a rotation is under way, or was given up and is to be tried again.
    pub(super) under_way: bool,
    /// Whether it is halted or needs attention.
    pub(super) in_trouble: bool,
    /// When it was promoted with proof, and whether that holds for first passwords only.
    pub(super) proof: Option<(Timestamp, bool)>,
}

/// The secrets of one policy.
#[derive(Debug)]
pub(super) struct BlastRadius {
    canary: usize,
    max_attention: MaxAttention,
    members: BTreeMap<Arc<str>, Member>,
    /// Proofs of promotions by when they were, and those for first passwords only.
    proofs: [BTreeSet<(Timestamp, String)>; 2],
    /// Those that go first: their places are taken.
    canaries: BTreeSet<String>,
    /// Those that wait for a canary, or may become one in the drive under way: who is due first
    /// stands first.
    waiting: Row,
    /// Those that wait for less trouble.
    stopped: BTreeSet<String>,
    in_trouble: usize,
    /// Those that must be asked again.
    released: Vec<String>,
}

impl BlastRadius {
    pub(super) fn new(canary: usize, max_attention: MaxAttention) -> Self {
        Self {
            canary,
            max_attention,
            members: BTreeMap::new(),
            proofs: Default::default(),
            canaries: BTreeSet::new(),
            waiting: Row::default(),
            stopped: BTreeSet::new(),
            in_trouble: 0,
            released: Vec::new(),
        }
    }

    /// Goes by other limits from now on. Whoever waits and may begin under them is asked again.
    pub(super) fn set_limits(&mut self, canary: usize, max_attention: MaxAttention) {
        let too_many = self.too_many();
        (self.canary, self.max_attention) = (canary, max_attention);
        if canary == 0 {
            self.canaries.clear();
            self.released.extend(self.waiting.take_all(|_| true));
        } else {
            let under_way = self.members.iter().filter(|(_, member)| member.under_way);
            let first: Vec<String> = under_way
                .filter(|(key, _)| !self.is_proved_for(key))
                .map(|(key, _)| key.to_string())
                .collect();
            self.canaries.extend(first);
            self.offer();
        }
        self.trouble_changed(too_many);
    }

    /// Notes how a secret stands now.
    pub(super) fn set(&mut self, key: impl Into<Arc<str>>, member: Member) {
        let shared = key.into();
        let key = &*shared;
        let before = self.members.get(key).cloned().unwrap_or_default();
        if self.members.contains_key(key) && before == member {
            return;
        }
        let too_many = self.too_many();
        self.in_trouble =
            (self.in_trouble + usize::from(member.in_trouble)).saturating_sub(usize::from(before.in_trouble));
        if let Some((at, first_only)) = before.proof {
            self.proofs[usize::from(first_only)].remove(&(at, key.to_owned()));
        }
        let (under_way, proof) = (
            member.under_way,
            member.proof.filter(|proof| before.proof != Some(*proof)),
        );
        if before.begins_at != member.begins_at && self.waiting.holds(key) {
            self.waiting.put(key, member.begins_at);
        }
        self.members.insert(shared.clone(), member);
        if let Some((at, first_only)) = self.members.get(key).and_then(|member| member.proof) {
            self.proofs[usize::from(first_only)].insert((at, key.to_owned()));
        }
        let goes_first = under_way && self.canary > 0 && !self.is_proved_for(key);
        let frees_place = match goes_first {
            true => {
                self.canaries.insert(key.to_owned());
                false
            }
            // A place that was taken with a decision is given back at the end of the drive.
            false => before.under_way && self.canaries.remove(key),
        };
        if proof.is_some() {
            self.release_proved();
        }
        if frees_place {
            self.offer();
        }
        self.trouble_changed(too_many);
    }

    /// Forgets a secret that left the policy.
    pub(super) fn remove(&mut self, key: &str) {
        self.set(key, Member::default());
        let too_many = self.too_many();
        self.members.remove(key);
        self.trouble_changed(too_many);
        self.drive_ended(key, false);
    }

    /// Notes that a secret is about to be looked at. One that is known to be due stands in the row
    /// from now on, so that of two that are looked at together the first goes first.
    pub(super) fn drive_begins(&mut self, key: &str, now: Timestamp) {
        let due = self.members.get(key).filter(|member| !member.under_way);
        if due.and_then(|member| member.begins_at).is_some_and(|due| due <= now) {
            self.stand_in_row(key);
        }
    }

    /// Notes that something else holds a secret back: it keeps its turn meanwhile.
    pub(super) fn stand_in_row(&mut self, key: &str) {
        let due = self.members.get(key).and_then(|member| member.begins_at);
        if self.canary > 0 && due.is_some() && !self.is_proved_for(key) {
            self.waiting.put(key, due);
        }
    }

    /// Notes that a secret waits for others than those of its policy: nobody here waits for it meanwhile.
    pub(super) fn step_aside(&mut self, key: &str) {
        if self.waiting.take(key) {
            self.offer();
        }
    }

    /// A secret that has a place and has not begun gives it back if others, of whom nothing was known then, have begun
    /// meanwhile and left it none.
    pub(super) fn yields(&mut self, key: &str) {
        let under_way = self.members.get(key).is_some_and(|member| member.under_way);
        if !under_way && self.canaries.len() > self.canary {
            self.canaries.remove(key);
        }
    }

    /// Notes that a look at a secret is over, and whether it is held back: whoever changed nothing
    /// gives its place back, and whoever is not held back wanted nothing.
    pub(super) fn drive_ended(&mut self, key: &str, held: bool) {
        let under_way = self.members.get(key).is_some_and(|member| member.under_way);
        let gave_back = !under_way && self.canaries.remove(key);
        let left = !held && self.waiting.take(key);
        if !held {
            self.stopped.remove(key);
        }
        if gave_back || left {
            self.offer();
        }
    }

    /// What keeps a secret from beginning. If nothing does, it has its place.
    pub(super) fn ask(&mut self, key: &str) -> Option<HoldReason> {
        if self.too_many() {
            self.stopped.insert(key.to_owned());
            return Some(HoldReason::MaxAttention);
        }
        self.stopped.remove(key);
        if self.canary == 0 || self.canaries.contains(key) {
            return None;
        }
        if self.is_proved_for(key) {
            if self.waiting.take(key) {
                self.offer();
            }
            return None;
        }
        let due = self.members.get(key).and_then(|member| member.begins_at);
        self.waiting.put(key, due);
        let goes_first = self.waiting.iter().take(self.free()).any(|first| first == key);
        if goes_first {
            self.waiting.take(key);
            self.canaries.insert(key.to_owned());
            return None;
        }
        Some(HoldReason::Canary)
    }

    /// Those that must be asked again since this was last called.
    pub(super) fn take_released(&mut self) -> Vec<String> {
        std::mem::take(&mut self.released)
    }

    /// The secret that the others wait for: one that goes first, or else the first in the row.
    pub(super) fn goes_first(&self) -> Option<&str> {
        self.canaries
            .first()
            .map(String::as_str)
            .or_else(|| self.waiting.iter().next())
    }

    /// Whether secrets wait for one that goes first.
    pub(super) fn waits(&self) -> bool {
        !self.canaries.is_empty() && !self.waiting.is_empty()
    }

    /// How many are in trouble, how many may be, and how many there are.
    pub(super) fn trouble(&self) -> (usize, usize, usize) {
        let all = self.members.len();
        (self.in_trouble, self.max_attention.of(all), all)
    }

    /// Whether more are in trouble than may be.
    pub(super) fn too_many(&self) -> bool {
        let (in_trouble, most, _) = self.trouble();
        in_trouble > most
    }

    /// Whether something was promoted with proof since this secret is due.
    pub(super) fn is_proved_for(&self, key: &str) -> bool {
        let Some(member) = self.members.get(key) else {
            return false;
        };
        let Some(since) = member.opening.map(|opening| opening.max(member.first_seen)) else {
            return false;
        };
        let proved = |proofs: &BTreeSet<(Timestamp, String)>| proofs.last().is_some_and(|(at, _)| *at >= since);
        let [by_login, first_only] = &self.proofs;
        proved(by_login) || (member.first_password && proved(first_only))
    }

    fn free(&self) -> usize {
        self.canary.saturating_sub(self.canaries.len())
    }

    /// Lets those go first that stand first, if there is a place.
    fn offer(&mut self) {
        let first = self.waiting.iter().take(self.free());
        self.released.extend(first.map(str::to_owned));
    }

    /// A promotion was proved: whoever was due by then need not wait any more.
    fn release_proved(&mut self) {
        let canaries = std::mem::take(&mut self.canaries);
        let was_full = canaries.len();
        self.canaries = canaries.into_iter().filter(|key| !self.is_proved_for(key)).collect();
        let mut waiting = std::mem::take(&mut self.waiting);
        self.released.extend(waiting.take_all(|key| self.is_proved_for(key)));
        self.waiting = waiting;
        if self.canaries.len() < was_full {
            self.offer();
        }
    }

    fn trouble_changed(&mut self, too_many_before: bool) {
        if !too_many_before || self.too_many() {
            return;
        }
        for key in std::mem::take(&mut self.stopped) {
            self.stand_in_row(&key);
            self.released.push(key);
        }
    }
}

#[cfg(test)]
#[path = "blast_radius_tests.rs"]
mod tests;
