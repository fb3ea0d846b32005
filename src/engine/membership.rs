//! Which policies have a secret: one, or it is in dispute.
//!
//! A listing lags behind the truth (ListSecrets: "results may lag" by about five minutes), so a
//! secret that it lacks is given up only when it has lacked it for longer than that. What one
//! policy began it finishes, even while a second one has the secret, too: nothing new begins then.

use std::time::Duration;

use crate::policy::Policy;
use crate::rotation::state::Record;

use super::entry::Entry;
use super::queue::Wake;
use super::{Engine, State};

/// By how much a listing may lag behind (the service model's description of ListSecrets).
const LISTING_LAG: Duration = Duration::from_secs(300);

/// In how many whole looks in a row a secret must be missing.
const LOOKS_IN_VAIN: u32 = 2;

/// How a policy has a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claim {
    /// The last look found it.
    Seen,
    /// The last looks did not find it, since that moment of the monotonic clock.
    Missed { since: Duration, looks: u32 },
    /// It had the secret before the start, and has not been asked since.
    Remembered,
}

impl Claim {
    /// The claim after one more look in vain; `None` if it is over.
    fn missed(self, now: Duration) -> Option<Self> {
        let (since, looks) = match self {
            Self::Seen => (now, 1),
            Self::Missed { since, looks } => (since, looks.saturating_add(1)),
            Self::Remembered => return None,
        };
        let over = looks >= LOOKS_IN_VAIN && now.saturating_sub(since) >= LISTING_LAG;
        (!over).then_some(Self::Missed { since, looks })
    }
}

impl Engine {
    /// A policy has a secret that is known already. Says so to whoever looks at it next, if that is new.
    pub(super) fn claim(&self, state: &mut State, key: &str, policy: &Policy) {
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        let before = entry.claims.insert(policy.name.clone(), Claim::Seen);
        if entry.policy == policy.name && entry.place != policy.place {
            self.move_to(state, key, policy);
            return;
        }
        if entry.policy == policy.name || before.is_some_and(|claim| claim != Claim::Remembered) {
            return;
        }
        let (first, second) = (&entry.policy, &policy.name);
        tracing::error!(
            secret = entry.secret.name,
            first,
            second,
            "two policies select this secret: neither begins anything until it is in one of them"
        );
        state.wake(key);
    }

    /// A whole look of a policy did not find a secret. `lagging` says whether the look may have been
    /// behind the truth. The claim that ends is the policy's; the secret goes to another policy that
    /// has it, or is forgotten.
    pub(super) fn missed(&self, state: &mut State, key: &str, policy: &Policy, lagging: bool) {
        let now = self.clock.monotonic();
        // A drive that has begun goes on by what it began with.
        let resting = state.entries.get_mut(key).filter(|entry| !entry.driven);
        let Some(entry) = resting else { return };
        let Some(claim) = entry.claims.get(&policy.name).copied() else {
            return;
        };
        if let Some(claim) = claim.missed(now).filter(|_| lagging) {
            entry.claims.insert(policy.name.clone(), claim);
            return;
        }
        entry.claims.remove(&policy.name);
        let Some(next) = entry.claims.keys().next().cloned() else {
            self.forget(state, key);
            return;
        };
        if entry.policy == policy.name {
            let Some(next) = self.policy(&next) else { return };
            tracing::info!(
                secret = entry.secret.name,
                from = policy.name,
                to = next.name,
                "the secret goes from one policy to another"
            );
            self.move_to(state, key, &next);
        }
        state.wake(key);
    }

    /// Puts a secret under a policy.
    fn move_to(&self, state: &mut State, key: &str, policy: &Policy) {
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        let place_before = std::mem::replace(&mut entry.place, policy.place.clone());
        let policy_before = std::mem::replace(&mut entry.policy, policy.name.clone());
        entry.record.policy = Some(policy.name.clone());
        if entry.awaited && place_before != policy.place {
            state.count_read(&place_before);
            *state.unread.entry(policy.place.clone()).or_default() += 1;
        }
        state.queue.assign(key, &policy.place);
        state.leaves(key, &policy_before);
        self.member_changed(state, key);
    }

    /// Drops a secret that no policy has any more. Its record is kept, should it come back.
    fn forget(&self, state: &mut State, key: &str) {
        state.queue.remove(key);
        state.claims.release(key);
        self.looked(state, key, true);
        let Some(entry) = state.entries.remove(key) else { return };
        state.count_in_flight(key, entry.in_flight(), false);
        state.leaves(key, &entry.policy);
        let (secret, policy) = (&entry.secret.name, &entry.policy);
        if entry.in_flight() {
            tracing::warn!(
                secret,
                policy,
                "secret is gone from its policy in the middle of a rotation or retirement: nothing more is \
                 changed, AWSCURRENT's password stays valid, and it goes on if the secret comes back"
            );
        } else {
            tracing::info!(secret, policy, "secret is gone from its policy");
        }
        state.records.insert(key.to_owned(), entry.record);
    }

    /// Whose a secret is that is found under `policy`: what another policy of the place had before the
    /// start stays its own until that policy has been asked.
    pub(super) fn owner_of(&self, record: &Record, policy: &Policy) -> String {
        let before = record.policy.as_ref().filter(|name| **name != policy.name);
        let before = before.and_then(|name| self.policy(name));
        let same_place = before.filter(|before| before.place == policy.place);
        same_place.map_or_else(|| policy.name.clone(), |before| before.name.clone())
    }

    /// Makes an entry of a secret that its record is stored of.
    pub(super) fn enter(&self, state: &mut State, entry: Entry, wake: Wake) {
        let key = entry.secret.arn.clone();
        state.records.remove(&key);
        *state.unread.entry(entry.place.clone()).or_default() += usize::from(entry.awaited);
        state.in_flight += usize::from(entry.in_flight());
        tracing::debug!(secret = entry.secret.name, policy = entry.policy, "secret found");
        state.queue.assign(&key, &entry.place);
        state.queue.set(&key, wake);
        state.entries.insert(key.clone(), entry);
        self.member_changed(state, &key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_outlives_one_look_in_vain_and_any_number_within_the_lag() {
        let at = Duration::from_secs;
        let mut claim = Claim::Seen.missed(at(100)).unwrap();
        for seconds in 101..400 {
            claim = claim.missed(at(seconds)).unwrap();
        }
        assert_eq!(claim.missed(at(400)), None);
        let after_long = Claim::Seen.missed(at(100_000)).unwrap();
        assert_eq!(
            after_long,
            Claim::Missed {
                since: at(100_000),
                looks: 1
            }
        );
        assert_eq!(Claim::Remembered.missed(at(0)), None);
    }
}
