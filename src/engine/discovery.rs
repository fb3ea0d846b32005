//! Which secrets there are: looked up at the start and every `discovery_interval`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::aws::{AwsError, ListedSecret};
use crate::clock::between;
use crate::inventory::{self, Discovery};
use crate::policy::{Policy, Selection};
use crate::rotation::state::Record;

use super::entry::Entry;
use super::leave::WhileInForce;
use super::queue::Wake;
use super::{Engine, State};

/// How soon a look-up that failed in part is repeated.
const REPEAT_AFTER_FAILURE: Duration = Duration::from_secs(30);

/// What a look for secrets looks up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// All that the policies name and select.
    Everything,
    /// What the look before did not find.
    Missing,
    /// That, and all of the policies that are new or changed.
    New,
}

/// What a look for secrets came to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// All that was looked up.
    Everything,
    /// Some could not be looked up.
    Part,
    /// Some were found and could not be stored.
    NotStored,
}

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

    /// After a look that failed in part, only what is missing is looked up again, until all of it
    /// is due again: reading everything once more would feed the throttling that hid it.
    async fn keep_discovering(self: Arc<Self>) {
        let mut failures = 0_u32;
        let mut scope = Scope::Everything;
        let mut began = self.clock.monotonic();
        loop {
            let interval = self.running().daemon.discovery_interval;
            let found = self.discover(scope).await;
            let pause = if found == Found::Everything {
                failures = 0;
                // Counted from the last look for everything, however long the missing took.
                let passed = self.clock.monotonic().saturating_sub(began);
                interval
                    .saturating_sub(passed)
                    .max(Duration::from_secs(1).min(interval))
            } else {
                failures = failures.saturating_add(1);
                REPEAT_AFTER_FAILURE
                    .min(Duration::from_secs(1) * failures)
                    .min(interval)
            };
            let anew = tokio::select! {
                biased;
                () = self.look_anew.notified() => true,
                () = tokio::time::sleep(pause) => false,
            };
            let now = self.clock.monotonic();
            scope = match found {
                Found::Everything | Found::Part if anew => Scope::New,
                Found::Part if now.saturating_sub(began) < interval => Scope::Missing,
                _ => Scope::Everything,
            };
            if scope == Scope::Everything {
                began = now;
            }
        }
    }

    /// Looks up the policies' secrets.
    async fn discover(&self, scope: Scope) -> Found {
        let mut all = Found::Everything;
        let mut not_stored = BTreeSet::new();
        let running = self.running();
        for policy in running.policies.values() {
            let Some(ports) = running.ports.get(&policy.place) else {
                continue;
            };
            let Some(selection) = self.in_scope(policy, scope) else {
                continue;
            };
            let Some(leave) = self.leave_to_discover(policy) else {
                continue;
            };
            let reader = WhileInForce {
                engine: self,
                policy,
                reader: ports.secrets.as_ref(),
            };
            let found = inventory::discover(&reader, &selection).await;
            drop(leave);
            if !found.failed.is_empty() {
                all = all.max(Found::Part);
            }
            for secret in &found.found {
                if !self.adopt(policy, secret).await {
                    all = Found::NotStored;
                    not_stored.insert(policy.place.clone());
                }
            }
            self.take_stock(policy, scope, &found.found, found.failed);
        }
        let mut state = self.state();
        state.discovered = true;
        self.survey(&mut state, &not_stored);
        if state.unread == 0 {
            state.release_surveyed();
        }
        drop(state);
        self.wake.notify_one();
        all
    }

    /// What to look up for a policy; nothing if nothing is missing.
    fn in_scope(&self, policy: &Policy, scope: Scope) -> Option<Selection> {
        if scope == Scope::Everything {
            return Some(policy.selection.clone());
        }
        let state = self.state();
        if scope == Scope::New && state.to_discover.contains(&policy.name) {
            return Some(policy.selection.clone());
        }
        let missing: Vec<&String> = state
            .unresolved
            .keys()
            .filter(|(owner, _)| *owner == policy.name)
            .map(|(_, name)| name)
            .collect();
        let named = |name: &&&String| name.as_str() != Discovery::SELECTION;
        let secrets = missing.iter().filter(named).map(|name| (*name).clone()).collect();
        let select = missing.iter().any(|name| name.as_str() == Discovery::SELECTION);
        let whole = &policy.selection;
        (!missing.is_empty()).then(|| Selection {
            secrets,
            name_prefix: whole.name_prefix.clone().filter(|_| select),
            tags: if select { whole.tags.clone() } else { Default::default() },
        })
    }

    /// Makes an entry of a secret that has none yet; whether that succeeded.
    async fn adopt(&self, policy: &Arc<Policy>, secret: &ListedSecret) -> bool {
        let known = {
            let mut state = self.state();
            if !self.running().has(policy) || self.comes_back(&mut state, policy, &secret.arn) {
                return true;
            }
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
        let record = match known {
            Some(record) => record,
            None => {
                let record = Record::new(secret.arn.clone(), now);
                // The fence of a secret without history runs from here, so the date must outlive a restart.
                if let Err(error) = self.store.save(&record, &[]).await {
                    self.metrics.store_error();
                    tracing::error!(secret = secret.name, %error, "not stored, so the secret is left alone for now");
                    return false;
                }
                record
            }
        };
        let wait = record.failure.as_ref().map_or(Duration::ZERO, |failure| {
            between(now, failure.next_attempt_at).min(policy.retry.max)
        });
        let wake = Wake::Past(self.clock.monotonic().saturating_add(wait));
        let mut entry = Entry::new(secret.clone(), policy.name.clone(), record);
        entry.awaited = wait.is_zero();
        let mut state = self.state();
        if !self.running().has(policy) {
            return true;
        }
        state.records.remove(&secret.arn);
        state.unread += usize::from(entry.awaited);
        state.in_flight += usize::from(entry.in_flight());
        state.entries.insert(secret.arn.clone(), entry);
        state.queue.set(&secret.arn, wake);
        self.member_changed(&mut state, &secret.arn);
        tracing::debug!(secret = secret.name, policy = policy.name, "secret found");
        true
    }

    /// Drops the secrets that the policy has no more, and notes what could not be looked up.
    fn take_stock(
        &self,
        policy: &Arc<Policy>,
        scope: Scope,
        found: &BTreeSet<ListedSecret>,
        failed: Vec<(String, AwsError)>,
    ) {
        let mut state = self.state();
        if !self.running().has(policy) {
            return;
        }
        let whole = scope != Scope::Missing && (state.to_discover.remove(&policy.name) || scope == Scope::Everything);
        if failed.is_empty() && whole {
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
    pub(super) fn forget(&mut self, key: &str) {
        self.queue.remove(key);
        self.claims.release(key);
        self.looked(key, true);
        if let Some(entry) = self.entries.remove(key) {
            self.count_in_flight(key, entry.in_flight(), false);
            self.leaves(key, &entry.policy);
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
