//! What was under way when the process before ended: queued at once, from the store's records.
//!
//! Whether its policy still has a secret only AWS can say, and the look for that may take long or fail.
//! Until then the secret is known, shown and counted, and nothing of it is read or changed: it waits in
//! the queue's nameless lane, which is never open. The look that finds it lets it go on.

use std::sync::Arc;
use std::time::Duration;

use crate::aws::ListedSecret;
use crate::clock::between;
use crate::policy::Policy;
use crate::rotation::state::Record;
use crate::secret::{secret_arn_name, secret_arn_place};

use super::entry::Entry;
use super::succession::may_select;
use super::{Engine, State};

impl Engine {
    /// Queues every secret with a rotation or retirement under way whose policy may still have it.
    pub(super) fn carry_over(&self) {
        let mut state = self.state();
        let under_way = state.records.iter().filter(|(_, record)| record.in_flight());
        let under_way: Vec<String> = under_way.map(|(key, _)| key.clone()).collect();
        for key in under_way {
            let of_a_policy = state.records.get(&key).and_then(|record| self.policy_before(record));
            let Some((policy, secret)) = of_a_policy else { continue };
            let Some(record) = state.records.remove(&key) else {
                continue;
            };
            let wait = self.pause_after_failure(&record, &policy);
            self.enter(&mut state, carried_over(&policy, secret, record), wait);
        }
    }

    /// The policy that had a secret before the start, if it may have it still.
    fn policy_before(&self, record: &Record) -> Option<(Arc<Policy>, ListedSecret)> {
        let running = self.running();
        let policy = running.policy(record.policy.as_ref()?)?;
        let (region, _) = secret_arn_place(&record.secret_arn)?;
        let here = running.places.get(&policy.place)?.region == region;
        let secret = ListedSecret {
            name: secret_arn_name(&record.secret_arn)?.to_owned(),
            arn: record.secret_arn.clone(),
        };
        (here && may_select(&policy.selection, &secret)).then(|| (policy.clone(), secret))
    }

    /// How long is left of the pause after a failed attempt.
    pub(super) fn pause_after_failure(&self, record: &Record, policy: &Policy) -> Duration {
        record.failure.as_ref().map_or(Duration::ZERO, |failure| {
            between(self.clock.now(), failure.next_attempt_at).min(policy.retry.max)
        })
    }

    /// A policy has a secret that was only remembered so far: it may be looked at, and others of its place
    /// wait for that.
    pub(super) fn confirm(&self, state: &mut State, key: &str) {
        let Some(entry) = state.entries.get_mut(key).filter(|entry| entry.is_only_remembered()) else {
            return;
        };
        let (arn, place) = (entry.secret.arn.clone(), entry.place.clone());
        let (policy, mine) = (self.policy(&entry.policy), entry.mine);
        entry.sight.detail = None;
        entry.awaited = policy.is_none_or(|policy| self.pause_after_failure(&entry.record, &policy).is_zero());
        *state.unread.entry(place.clone()).or_default() += usize::from(entry.awaited);
        // From now on it may be this process's, and what its holder shows of it is told anew.
        self.ownership.wants(key);
        if mine {
            // Whoever confirms it has not noted yet that it is more than remembered.
            state.queue.assign(arn, &place);
        }
    }
}

fn carried_over(policy: &Policy, secret: ListedSecret, record: Arc<Record>) -> Entry {
    let mut entry = Entry::only_remembered(secret, (policy.name.clone(), policy.place.clone()), record);
    entry.sight.detail = Some("waits until its policy's secrets were looked for once since the start".to_owned());
    entry
}
