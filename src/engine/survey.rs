//! Whether all secrets of a place are known, so that two that name one user are told apart before
//! either is rotated. A secret that is kept apart from those of another place waits for that place, too.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::aws::AwsError;
use crate::policy::Policy;

use super::entry::Entry;
use super::holds::HeldBy;
use super::{Engine, State};

impl Engine {
    /// Why no rotation of this secret may begin just now: not every secret was read yet of its place,
    /// and of those that may be the same account and region.
    ///
    /// It ends with the first look that is whole, and at `propagation_timeout` after the start at the
    /// latest: what cannot be looked up by then is reported, and must not stop everything else. A
    /// policy that came with a reload waits for its own secrets in the same way, counted from there. A
    /// request with `--now` does not wait.
    pub(super) fn survey_hold(&self, state: &State, policy: &Policy) -> Option<String> {
        let running = self.running();
        let beside = running.policies.values().filter(|other| other.is_together_with(policy));
        let beside = beside.flat_map(|other| running.neighbours(&other.place));
        let places: BTreeSet<&String> = beside.chain(running.neighbours(&policy.place)).collect();
        let unread = |place: &&String| state.unread.get(*place).copied().unwrap_or_default();
        let to_go: usize = places.iter().map(unread).sum();
        if to_go > 0 || !places.iter().all(|place| state.looked_for.contains(*place)) {
            return Some(format!(
                "due, and waits until every secret was read once, to see which user each names; {to_go} to go; \
                 `rotate --now` does not wait"
            ));
        }
        if self.survey_is_over(state, policy) {
            return None;
        }
        let is_new = state.newcomers.contains_key(&policy.name);
        let mut unsurveyed = places
            .into_iter()
            .filter(|place| is_new || !state.surveyed.contains(*place));
        let Some((name, error)) = unsurveyed.find_map(|place| self.not_looked_up(state, place)) else {
            let new = "due, and waits until the secrets of its policy, which is new, were all looked for once; \
                       `rotate --now` does not wait";
            return is_new.then(|| new.to_owned());
        };
        Some(format!(
            "due, and waits until every secret of the place was found once, to see which user each names; \
             {name} could not be looked up: {error}; `rotate --now` does not wait"
        ))
    }

    /// Notes that a secret was looked at, and whether it could be read. The last one of a place that is
    /// read releases those that waited for it.
    pub(super) fn looked(&self, state: &mut State, key: &str, read: bool) {
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        entry.sight.looked = true;
        if read {
            self.is_awaited_no_more(state, key);
        }
    }

    fn is_awaited_no_more(&self, state: &mut State, key: &str) {
        let awaited = state.entries.get_mut(key).filter(|entry| entry.awaited);
        let Some(entry) = awaited else { return };
        entry.awaited = false;
        let place = entry.place.clone();
        if state.count_read(&place) == 0 {
            self.release_surveyed(state, &place);
        }
    }

    /// Waits no longer for secrets that other replicas hold, and of which they have shown nothing in time that this one
    /// understands: as [`Engine::survey_hold`] promises.
    pub(super) fn give_up_waiting_for_others(&self, state: &mut State) {
        if !self.store.shared() || state.unread.values().all(|unread| *unread == 0) {
            return;
        }
        let theirs = state.entries.iter().filter(|(_, entry)| entry.awaited && !entry.mine);
        let overdue = theirs.filter(|(_, entry)| {
            let policy = self.policy(&entry.policy);
            policy.is_some_and(|policy| self.survey_is_over(state, &policy))
        });
        let overdue: Vec<Arc<str>> = overdue.map(|(key, _)| key.clone()).collect();
        overdue.iter().for_each(|key| self.is_awaited_no_more(state, key));
    }

    /// Lets secrets look again that waited until every one of this place was read.
    pub(super) fn release_surveyed(&self, state: &mut State, place: &str) {
        let running = self.running();
        let near = |policy: &&Arc<Policy>| running.neighbours(&policy.place).any(|other| other == place);
        let near = running.policies.values().filter(near);
        let known = near.flat_map(|policy| state.entries.of_policy(&policy.name));
        let held = known.filter(|(_, entry)| entry.sight.held == Some(HeldBy::Survey));
        let held: Vec<String> = held.map(|(key, _)| key.to_string()).collect();
        held.iter().for_each(|key| state.wake(key));
    }

    /// Whether the time is over for which secrets that cannot be read hold up the others.
    pub(super) fn survey_is_over(&self, state: &State, policy: &Policy) -> bool {
        let since = state.newcomers.get(&policy.name).unwrap_or(&self.started);
        self.clock.monotonic().saturating_sub(*since) >= policy.propagation_timeout
    }

    /// Notes that a place was looked through, and whether no look for its secrets failed. What will not
    /// come right by itself (a secret that does not exist, or that may not be read) is an answer: it
    /// must not hold up the whole place. `unsure` says that secrets were found and are not known yet.
    pub(super) fn survey(&self, state: &mut State, place: &str, unsure: bool) {
        if state.looked_for.insert(place.to_owned()) {
            self.wake_contested(state, place);
        }
        if !unsure && self.not_looked_up(state, place).is_none() {
            state.surveyed.insert(place.to_owned());
            let running = self.running();
            let elsewhere = |name: &String| running.policy(name).is_some_and(|policy| policy.place != place);
            let State {
                newcomers, to_discover, ..
            } = state;
            newcomers.retain(|name, _| to_discover.contains(name) || elsewhere(name));
        }
        if state.unread.get(place).is_none_or(|unread| *unread == 0) {
            self.release_surveyed(state, place);
        }
    }

    /// Lets secrets of a place look again that several policies have: until the place was looked
    /// through, that was not certain.
    fn wake_contested(&self, state: &mut State, place: &str) {
        let running = self.running();
        let here = running.policies.values().filter(|policy| policy.place == place);
        let known = here.flat_map(|policy| state.entries.of_policy(&policy.name));
        let contested = known.filter(|(_, entry)| !entry.other_policies().is_empty());
        let keys: Vec<String> = contested.map(|(key, _)| key.to_string()).collect();
        keys.iter().for_each(|key| state.wake(key));
    }

    /// A secret or selection of the place that is not known and whose look-up may yet succeed.
    fn not_looked_up<'a>(&self, state: &'a State, place: &str) -> Option<(&'a str, &'a AwsError)> {
        let running = self.running();
        let of_place = |policy: &str| running.policy(policy).is_some_and(|policy| policy.place == place);
        let mut missing = state.unresolved.iter().filter(|((policy, name), error)| {
            of_place(policy) && error.passes_by_itself() && !state.knows(policy, name)
        });
        missing.next().map(|((_, name), error)| (name.as_str(), error))
    }
}

impl State {
    /// One secret of a place less is waited for; how many are left.
    pub(super) fn count_read(&mut self, place: &str) -> usize {
        let unread = self.unread.entry(place.to_owned()).or_default();
        *unread = unread.saturating_sub(1);
        *unread
    }

    /// Whether a policy's secret of that name or ARN was found before.
    pub(super) fn knows(&self, policy: &str, name: &str) -> bool {
        let same = |entry: &Entry| entry.policy == policy && (entry.secret.name == name || &*entry.secret.arn == name);
        self.entries.of_policy(policy).any(|(_, entry)| same(entry))
    }
}
