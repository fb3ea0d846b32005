//! Which secrets there are: looked up at the start and every `discovery_interval`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::aws::{AwsError, ListedSecret};
use crate::clock::between;
use crate::inventory;
use crate::policy::Policy;
use crate::rotation::state::Record;

use super::entry::Entry;
use super::queue::Wake;
use super::{Engine, State};

/// How soon a look-up that failed in part is repeated.
const REPEAT_AFTER_FAILURE: Duration = Duration::from_secs(30);

impl Engine {
    /// Looks for secrets for ever. A panic in one look ends that look only.
    pub(super) async fn discover_for_ever(self: Arc<Self>) {
        loop {
            let looking = tokio::spawn(self.clone().keep_discovering());
            let stop = AbortOnDrop(looking.abort_handle());
            let ended = looking.await;
            drop(stop);
            if ended.is_err_and(|error| error.is_cancelled()) {
                return;
            }
            tracing::error!("looking for secrets failed badly: please report this; it goes on");
            tokio::time::sleep(REPEAT_AFTER_FAILURE).await;
        }
    }

    async fn keep_discovering(self: Arc<Self>) {
        let mut failures = 0_u32;
        loop {
            let complete = self.discover().await;
            let interval = self.config.daemon.discovery_interval;
            let pause = if complete {
                failures = 0;
                interval
            } else {
                failures = failures.saturating_add(1);
                REPEAT_AFTER_FAILURE
                    .min(Duration::from_secs(1) * failures)
                    .min(interval)
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks up every policy's secrets; whether all could be looked up.
    async fn discover(&self) -> bool {
        let mut complete = true;
        for policy in self.config.policies.values() {
            let Some(ports) = self.places.get(&policy.place) else {
                continue;
            };
            let found = inventory::discover(ports.secrets.as_ref(), &policy.selection).await;
            complete &= found.failed.is_empty();
            for secret in &found.found {
                complete &= self.adopt(policy, secret).await;
            }
            self.take_stock(policy, &found.found, found.failed);
        }
        let mut state = self.state();
        state.discovered = true;
        self.survey(&mut state);
        if state.unread == 0 {
            state.release_held(usize::MAX);
        }
        drop(state);
        self.wake.notify_one();
        complete
    }

    /// Notes the places in which no look for secrets failed. What will not come right by itself
    /// (a secret that does not exist, or that may not be read) is an answer: it must not hold up
    /// the whole place.
    fn survey(&self, state: &mut State) {
        for place in self.config.places.keys() {
            if self.not_looked_up(state, place).is_none() {
                state.surveyed.insert(place.clone());
            }
        }
    }

    /// A secret or selection of the place whose look-up may yet succeed.
    pub(super) fn not_looked_up<'a>(&self, state: &'a State, place: &str) -> Option<(&'a str, &'a AwsError)> {
        let of_place = |policy: &str| self.policy(policy).is_some_and(|policy| policy.place == place);
        state
            .unresolved
            .iter()
            .find(|((policy, _), error)| of_place(policy) && error.passes_by_itself())
            .map(|((_, name), error)| (name.as_str(), error))
    }

    /// Makes an entry of a secret that has none yet; whether that succeeded.
    async fn adopt(&self, policy: &Policy, secret: &ListedSecret) -> bool {
        let known = {
            let state = self.state();
            match state.entries.get(&secret.arn) {
                Some(entry) if entry.policy != policy.name => {
                    let (first, second) = (&entry.policy, &policy.name);
                    tracing::warn!(
                        secret = secret.name,
                        first,
                        second,
                        "two policies select this secret; the first keeps it"
                    );
                    return true;
                }
                Some(_) => return true,
                None => state.records.get(&secret.arn).cloned(),
            }
        };
        let now = self.clock.now();
        let record = known.unwrap_or_else(|| Record::new(secret.arn.clone(), now));
        // The fence of a secret without history runs from here, so the date must outlive a restart.
        if let Err(error) = self.store.save(&record, &[]).await {
            self.metrics.store_error();
            tracing::error!(secret = secret.name, %error, "not stored, so the secret is left alone for now");
            return false;
        }
        let wait = record.failure.as_ref().map_or(Duration::ZERO, |failure| {
            between(now, failure.next_attempt_at).min(policy.retry.max)
        });
        let wake = Wake::Past(self.clock.monotonic().saturating_add(wait));
        let mut entry = Entry::new(secret.clone(), policy.name.clone(), record);
        entry.awaited = wait.is_zero();
        let mut state = self.state();
        state.records.remove(&secret.arn);
        state.unread += usize::from(entry.awaited);
        state.in_flight += usize::from(entry.in_flight());
        state.entries.insert(secret.arn.clone(), entry);
        state.queue.set(&secret.arn, wake);
        tracing::debug!(secret = secret.name, policy = policy.name, "secret found");
        true
    }

    /// Drops the secrets that the policy has no more, and notes what could not be looked up.
    fn take_stock(&self, policy: &Policy, found: &BTreeSet<ListedSecret>, failed: Vec<(String, AwsError)>) {
        let mut state = self.state();
        if failed.is_empty() {
            let gone: Vec<String> = state
                .entries
                .iter()
                .filter(|(_, entry)| entry.policy == policy.name && !entry.driven && !found.contains(&entry.secret))
                .map(|(key, _)| key.clone())
                .collect();
            for key in gone {
                state.forget(&key);
            }
        }
        note_failures(&mut state.unresolved, policy, failed);
    }
}

/// Ends a task with the one that waits for it.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl State {
    /// Drops a secret that no policy has any more. Its record is kept, should it come back.
    fn forget(&mut self, key: &str) {
        self.queue.remove(key);
        self.claims.release(key);
        self.looked(key);
        if let Some(entry) = self.entries.remove(key) {
            self.count_in_flight(entry.in_flight(), false);
            tracing::info!(
                secret = entry.secret.name,
                policy = entry.policy,
                "secret is gone from its policy"
            );
            self.records.insert(key.to_owned(), entry.record);
        }
    }
}

fn note_failures(
    unresolved: &mut BTreeMap<(String, String), AwsError>,
    policy: &Policy,
    failed: Vec<(String, AwsError)>,
) {
    let before: BTreeSet<String> = unresolved
        .keys()
        .filter(|(owner, _)| *owner == policy.name)
        .map(|(_, name)| name.clone())
        .collect();
    unresolved.retain(|(owner, _), _| *owner != policy.name);
    for (name, error) in failed {
        if !before.contains(&name) {
            tracing::warn!(policy = policy.name, secret = name, %error, "cannot be looked up; tried again soon");
        }
        unresolved.insert((policy.name.clone(), name), error);
    }
}
