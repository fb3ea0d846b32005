//! Which policies have a secret: one, or it is in dispute.
//!
//! A listing lags behind the truth (ListSecrets: "results may lag" by about five minutes), so a
//! secret that it lacks is given up only when it has lacked it for longer than that. What one
//! policy began it finishes, even while a second one has the secret, too: nothing new begins then.

use std::sync::Arc;
use std::time::Duration;

use crate::aws::ListedSecret;
use crate::policy::Policy;
use crate::rotation::state::Record;
use crate::store::StoreError;

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
    pub(super) fn claim(&self, state: &mut State, secret: &ListedSecret, policy: &Policy) {
        let key = secret.arn.as_str();
        let Some(entry) = state.entries.get(key) else { return };
        if entry.is_only_remembered() {
            return self.claim_remembered(state, secret, policy);
        }
        let was_leaving = entry.is_leaving();
        let before = state.entries.claim(key, &policy.name, Claim::Seen);
        if was_leaving {
            self.move_to(state, key, policy);
            state.wake(key);
            return;
        }
        let Some(entry) = state.entries.get(key) else { return };
        if entry.policy == policy.name || before.is_some_and(|claim| claim != Claim::Remembered) {
            return;
        }
        let (first, second) = (&entry.policy, &policy.name);
        tracing::error!(
            event = "selected_twice",
            secret = entry.secret.name,
            first,
            second,
            "two policies select this secret: neither begins anything until it is in one of them"
        );
        state.wake(key);
    }

    /// The first policy since the start has a secret that was only remembered. It stays the one's that had it
    /// before, as in [`Engine::owner_of`].
    fn claim_remembered(&self, state: &mut State, secret: &ListedSecret, policy: &Policy) {
        let key = secret.arn.as_str();
        self.confirm(state, key);
        let Some(entry) = state.entries.get(key) else { return };
        let owner = self.owner_of(state, &entry.record, policy);
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        entry.secret.name.clone_from(&secret.name);
        let moves = owner == policy.name && entry.policy != owner;
        state.entries.claim(key, &policy.name, Claim::Seen);
        if moves {
            state.entries.retain_claims(key, |name| name == owner);
            self.move_to(state, key, policy);
        }
    }

    /// A whole look of a policy did not find a secret. `lagging` says whether the look may have been
    /// behind the truth. The claim that ends is the policy's; the secret goes to another policy that
    /// has it, or is forgotten.
    pub(super) fn missed(&self, state: &mut State, key: &str, policy: &Arc<Policy>, lagging: bool) {
        if !self.running().has(policy) {
            return;
        }
        let now = self.clock.monotonic();
        // A drive that has begun goes on by what it began with.
        let resting = state.entries.get(key).filter(|entry| !entry.driven);
        let Some(claim) = resting.and_then(|entry| entry.claims().get(&policy.name).copied()) else {
            return;
        };
        if let Some(claim) = claim.missed(now).filter(|_| lagging) {
            state.entries.claim(key, &policy.name, claim);
            return;
        }
        state.entries.retain_claims(key, |name| name != policy.name);
        let Some(entry) = state.entries.get(key) else { return };
        let Some(next) = entry.claims().keys().next().cloned() else {
            self.forget(state, key);
            return;
        };
        if entry.policy == policy.name {
            let Some(next) = self.policy(&next) else { return };
            self.move_to(state, key, &next);
        }
        state.wake(key);
    }

    /// Puts a secret under a policy, with its record and its place in the queue.
    pub(super) fn move_to(&self, state: &mut State, key: &str, policy: &Policy) {
        state.entries.claim(key, &policy.name, Claim::Seen);
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        let place_before = std::mem::replace(&mut entry.place, policy.place.clone());
        let from = std::mem::replace(&mut entry.policy, policy.name.clone());
        Arc::make_mut(&mut entry.record).policy = Some(policy.name.clone());
        entry.sight.held = None;
        let (arn, to) = (entry.secret.arn.clone(), &policy.name);
        tracing::info!(
            event = "policy_changed",
            secret = entry.secret.name,
            from,
            to,
            "the secret goes to another policy"
        );
        if entry.awaited && place_before != policy.place {
            *state.unread.entry(policy.place.clone()).or_default() += 1;
            if state.count_read(&place_before) == 0 {
                self.release_surveyed(state, &place_before);
            }
        }
        state.take_lane(&arn);
        state.leaves(key, &from);
        self.member_changed(state, key);
    }

    /// Drops a secret that no policy has any more. Its record is kept, should it come back, whichever
    /// policy finds it then.
    pub(super) fn forget(&self, state: &mut State, key: &str) {
        state.queue.remove(key);
        state.release_claim(key);
        self.looked(state, key, true);
        state.stop_polling(key);
        let Some(entry) = state.entries.remove(key) else { return };
        state.first_look_over(key);
        state.count_in_flight(key, entry.takes_room(), false);
        state.leaves(key, &entry.policy);
        let (secret, policy) = (&entry.secret.name, &entry.policy);
        if entry.in_flight() {
            tracing::warn!(
                event = "secret_gone_unfinished",
                secret,
                policy,
                "secret is gone from its policy in the middle of a rotation or retirement: nothing more is \
                 changed, AWSCURRENT's password stays valid, and it goes on if the secret comes back"
            );
        } else {
            tracing::info!(event = "secret_gone", secret, policy, "secret is gone from its policy");
        }
        let mut record = entry.record;
        Arc::make_mut(&mut record).policy = None;
        state.records.insert(key.to_owned(), record);
        self.ownership.renounces(key);
    }

    /// A secret that was to be looked at has no policy.
    pub(super) fn without_surroundings(&self, key: &str) {
        let mut state = self.state();
        state.drive_ends(key, false);
        if !self.forget_if_leaving(&mut state, key) {
            // One has it by now.
            state.queue.set(key, Wake::Past(self.clock.monotonic()));
        }
    }

    /// Lets a secret go whose last drive has ended, if no policy has it any more; whether it went.
    pub(super) fn forget_if_leaving(&self, state: &mut State, key: &str) -> bool {
        let leaves = state.entries.get(key).is_some_and(Entry::is_leaving);
        if leaves {
            self.forget(state, key);
        }
        leaves
    }

    /// Makes an entry of a secret that has none yet, or lets the policy claim the one it has; whether
    /// that succeeded.
    pub(super) async fn adopt(&self, policy: &Arc<Policy>, secret: &ListedSecret) -> bool {
        let record = {
            let mut state = self.state();
            if !self.running().has(policy) {
                return true;
            }
            if state.entries.contains_key(&secret.arn) {
                self.claim(&mut state, secret, policy);
                return true;
            }
            match state.records.remove(&secret.arn) {
                Some(record) if record.policy == Some(self.owner_of(&state, &record, policy)) => {
                    self.enter_found(&mut state, secret, policy, record);
                    return true;
                }
                Some(record) => {
                    let taken_over = Record {
                        policy: Some(self.owner_of(&state, &record, policy)),
                        ..Record::clone(&record)
                    };
                    state.records.insert(secret.arn.clone(), record);
                    taken_over
                }
                None => Record {
                    policy: Some(policy.name.clone()),
                    ..Record::new(secret.arn.clone(), self.clock.now())
                },
            }
        };
        // The fence of a secret without history runs from here, so the date must outlive a restart.
        let record = match self.store.save(&record, &[]).await {
            Ok(revision) => Record { revision, ..record },
            // Another replica found it, too.
            Err(StoreError::Changed { stored, .. }) => stored.believed(self.clock.now()),
            Err(error) => {
                self.metrics.store_error();
                tracing::error!(
                    event = "secret_not_stored",
                    secret = secret.name,
                    %error,
                    "not stored, so the secret is left alone for now"
                );
                return false;
            }
        };
        let mut state = self.state();
        if !self.running().has(policy) {
            return true;
        }
        // Another place may be the same account and region, and have been quicker.
        if state.entries.contains_key(&secret.arn) {
            self.claim(&mut state, secret, policy);
            return true;
        }
        self.enter_found(&mut state, secret, policy, Arc::new(record));
        true
    }

    /// Makes an entry of a secret that was found under `policy`.
    fn enter_found(&self, state: &mut State, secret: &ListedSecret, policy: &Policy, mut record: Arc<Record>) {
        let owner = self.owner_of(state, &record, policy);
        Arc::make_mut(&mut record).policy = Some(owner.clone());
        let wait = self.pause_after_failure(&record, policy);
        let mut entry = Entry::new(secret.clone(), (owner, policy.place.clone()), record);
        entry.awaited = wait.is_zero();
        if entry.policy != policy.name {
            let owner = entry.policy.clone();
            entry.add_claim(&owner, Claim::Remembered);
            entry.add_claim(&policy.name, Claim::Seen);
        }
        self.enter(state, entry, wait);
    }

    /// Whose a secret is that is found under `policy`: what another policy of the place had before the
    /// start stays its own until that policy has been asked.
    fn owner_of(&self, state: &State, record: &Record, policy: &Policy) -> String {
        let before = record.policy.as_ref().filter(|name| **name != policy.name);
        let before = before.and_then(|name| self.policy(name));
        let unasked = before.filter(|before| before.place == policy.place && !state.has_been_asked(&before.name));
        unasked.map_or_else(|| policy.name.clone(), |before| before.name.clone())
    }

    /// Makes an entry of a secret that its record is stored of, and looks at it after that pause: before
    /// those that only rest, if something is under way, and not before it is known to be a policy's.
    pub(super) fn enter(&self, state: &mut State, mut entry: Entry, wait: Duration) {
        let key = entry.secret.arn.clone();
        // What was only under way before the start is left to others until it is found: who cannot look for it would hold a
        // lease and do nothing.
        if !entry.is_only_remembered() {
            self.ownership.wants(&key);
        }
        entry.mine = self.ownership.owns(&key);
        state.records.remove(&*key);
        *state.unread.entry(entry.place.clone()).or_default() += usize::from(entry.awaited);
        state.in_flight += usize::from(entry.takes_room());
        tracing::debug!(
            event = "secret_found",
            secret = entry.secret.name,
            policy = entry.policy,
            "secret found"
        );
        let from = match entry.in_flight() && wait.is_zero() {
            true => Duration::ZERO,
            false => self.clock.monotonic(),
        };
        state.queue.set(&key, Wake::Past(from.saturating_add(wait)));
        let sight = state.sights.remove(&*key);
        state.entries.insert(entry);
        state.take_lane(&key);
        if let Some(sight) = sight {
            self.take_over_sight(state, &key, &sight);
        }
        self.member_changed(state, &key);
    }
}

impl State {
    /// The policies that have a secret beside its own. None as long as its place was not looked through:
    /// until then another policy may only remember it, and nothing begins anyway.
    pub(super) fn other_policies(&self, key: &str) -> Vec<String> {
        let entry = self.entries.get(key);
        let certain = entry.filter(|entry| self.looked_for.contains(&entry.place));
        certain.map(Entry::other_policies).unwrap_or_default()
    }

    /// Whether a look for all secrets of a policy came to an end, and none of them is missing.
    fn has_been_asked(&self, policy: &str) -> bool {
        !self.to_discover.contains(policy) && !self.unresolved.keys().any(|(owner, _)| owner == policy)
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
