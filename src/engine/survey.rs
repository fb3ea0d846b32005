//! Whether all secrets of a place are known, so that two that name one user are told apart before
//! either is rotated. A secret that is kept apart from those of another place waits for that place, too.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::aws::AwsError;
use crate::policy::Policy;

use super::entry::Entry;
use super::{Engine, State};

impl Engine {
    /// Why no rotation of this secret may begin just now: not every secret was read yet.
    ///
    /// It ends with the first look that is whole, and at `propagation_timeout` after the start at the
    /// latest: what cannot be looked up by then is reported, and must not stop everything else. A
    /// policy that came with a reload waits for itself in the same way, counted from there. A request with `--now` does not wait for it.
    pub(super) fn survey_hold(&self, state: &State, policy: &Policy) -> Option<String> {
        if !state.discovered || state.unread > 0 {
            return Some(format!(
                "due, and waits until every secret was read once, to see which user each names; {} to go; \
                 `rotate --now` does not wait",
                state.unread
            ));
        }
        let new_since = state.newcomers.get(&policy.name);
        let over = match new_since {
            Some(since) => self.clock.monotonic().saturating_sub(*since) >= policy.propagation_timeout,
            None => self.survey_is_over(policy),
        };
        if over {
            return None;
        }
        let running = self.running();
        let beside = running.policies.values().filter(|other| other.is_together_with(policy));
        let places = beside.map(|other| &other.place).chain([&policy.place]);
        let mut unsure = places.filter(|place| new_since.is_some() || !state.surveyed.contains(*place));
        let Some((name, error)) = unsure.find_map(|place| self.not_looked_up(state, place)) else {
            let new = "due, and waits until the secrets of its policy, which is new, were all looked for once; \
                       `rotate --now` does not wait";
            return new_since.map(|_| new.to_owned());
        };
        Some(format!(
            "due, and waits until every secret of the place was found once, to see which user each names; \
             {name} could not be looked up: {error}; `rotate --now` does not wait"
        ))
    }

    /// Whether the time is over for which secrets that cannot be read hold up the others.
    pub(super) fn survey_is_over(&self, policy: &Policy) -> bool {
        let age: Duration = self.clock.monotonic().saturating_sub(self.started);
        age >= policy.propagation_timeout
    }

    /// Notes the places in which no look for secrets failed. What will not come right by itself
    /// (a secret that does not exist, or that may not be read) is an answer: it must not hold up
    /// the whole place. `unsure` are places with secrets that were found and are not known yet.
    pub(super) fn survey(&self, state: &mut State, unsure: &BTreeSet<String>) {
        let running = self.running();
        for place in running.places.keys().filter(|place| !unsure.contains(*place)) {
            if self.not_looked_up(state, place).is_none() {
                state.surveyed.insert(place.clone());
                let State {
                    newcomers, to_discover, ..
                } = state;
                newcomers.retain(|name, _| {
                    to_discover.contains(name) || running.policy(name).is_some_and(|policy| policy.place != *place)
                });
            }
        }
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
    /// Whether a policy's secret of that name or ARN was found before.
    pub(super) fn knows(&self, policy: &str, name: &str) -> bool {
        let same = |entry: &Entry| entry.policy == policy && (entry.secret.name == name || entry.secret.arn == name);
        self.entries.values().any(same)
    }
}
