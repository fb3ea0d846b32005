//! Which secrets there are: looked up at the start and every `discovery_interval`, in each place by
//! itself, so that one that does not answer delays no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};

use crate::aws::{AwsError, ErrorClass, SecretsReader};
use crate::inventory::{self, Discovery};
use crate::policy::{Policy, Selection};

use super::Engine;
use super::entry::Known;
use super::leave::WhileInForce;
use super::membership::Claim;

/// How soon a look-up that failed in part is repeated.
const REPEAT_AFTER_FAILURE: Duration = Duration::from_secs(30);

/// How many of a policy's named secrets that are known already a look asks for again, in turn. Whoever
/// works on a secret notices that it is gone; this is for those that rest, and what 10,000 of them may
/// cost is bounded.
const ASKED_AGAIN: usize = 100;

/// What a look for secrets looks up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// All that the policies name and select, but named ones that are known: of those only this turn's.
    Everything(usize),
    /// What the look before did not find.
    Missing,
    /// That, everything of the policies that are new or changed, and what the others select by now.
    New(usize),
}

/// What a look for secrets came to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// All that was looked up.
    Everything,
    /// Some could not be looked up.
    Part,
    /// Some are gone and were just being worked on, so that they could not leave.
    LeftOver,
    /// Some were found and could not be stored.
    NotStored,
}

/// What a look asks for of a policy.
struct Asked {
    selection: Selection,
    /// Whether that is all that it names and selects: a secret that is absent then is not the policy's.
    whole: bool,
    /// The secrets that are known by name and are not asked for this time.
    taken_for_granted: BTreeSet<String>,
}

impl Engine {
    /// Looks for secrets for ever, in all places at the same time. A panic in one look ends that look only.
    pub(super) async fn discover_for_ever(self: Arc<Self>) {
        let mut again = self.discover_again.subscribe();
        let mut looks = JoinSet::new();
        let mut places: BTreeMap<Id, String> = BTreeMap::new();
        loop {
            for place in self.running().places_at_work() {
                if !places.values().any(|known| known == place) {
                    let look = looks.spawn(self.clone().keep_discovering(place.clone()));
                    places.insert(look.id(), place.clone());
                }
            }
            tokio::select! {
                biased;
                Some(ended) = looks.join_next_with_id() => {
                    let (id, failed) = match ended {
                        Ok((id, ())) => (id, false),
                        Err(error) => (error.id(), true),
                    };
                    let place = places.remove(&id);
                    if failed {
                        tracing::error!(event = "discovery_panicked", place, "looking for secrets failed badly: please report this; it goes on");
                        tokio::time::sleep(REPEAT_AFTER_FAILURE).await;
                    }
                }
                Ok(()) = again.changed() => {}
                else => return,
            }
        }
    }

    /// Looks for the secrets of a place as long as a policy works there. After a look that failed in
    /// part, only what is missing is looked up again, until all of it is due again: reading everything
    /// once more would feed the throttling that hid it.
    async fn keep_discovering(self: Arc<Self>, place: String) {
        let mut again = self.discover_again.subscribe();
        let mut failures = 0_u32;
        let mut turn = 0;
        let mut scope = Scope::Everything(turn);
        let mut began = self.clock.monotonic();
        while self.running().places_at_work().any(|known| *known == place) {
            let interval = self.running().daemon.discovery_interval;
            let found = self.discover(&place, scope).await;
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
                Ok(()) = again.changed() => true,
                () = tokio::time::sleep(pause) => false,
            };
            let now = self.clock.monotonic();
            scope = match found {
                Found::Everything | Found::Part if anew => Scope::New(turn),
                Found::Part if now.saturating_sub(began) < interval => Scope::Missing,
                _ => {
                    (began, turn) = (now, turn + 1);
                    Scope::Everything(turn)
                }
            };
        }
    }

    /// Looks up the secrets of a place's policies.
    async fn discover(&self, place: &str, scope: Scope) -> Found {
        let mut all = Found::Everything;
        let running = self.running();
        let Some(ports) = running.ports.get(place) else {
            return all;
        };
        for policy in running.policies.values().filter(|policy| policy.place == place) {
            if let Some(asked) = self.in_scope(policy, scope) {
                all = all.max(self.discover_for(policy, ports.secrets.as_ref(), &asked).await);
            }
        }
        let mut state = self.state();
        // Who replaced the configuration has asked for another look, which may find more to look for.
        if Arc::ptr_eq(&running, &self.running()) {
            self.survey(&mut state, place, all == Found::NotStored);
        }
        drop(state);
        self.wake.notify_one();
        all
    }

    /// Looks up what is asked for of a policy, as long as that is in force.
    async fn discover_for(&self, policy: &Arc<Policy>, reader: &dyn SecretsReader, asked: &Asked) -> Found {
        let Some(_leave) = self.leave_to_discover(policy) else {
            return Found::Everything;
        };
        let reader = WhileInForce {
            engine: self,
            policy,
            reader,
        };
        let found = inventory::discover(&reader, &asked.selection).await;
        let mut all = match found.failed.is_empty() {
            true => Found::Everything,
            false => Found::Part,
        };
        for secret in &found.found {
            if !self.adopt(policy, secret).await {
                all = Found::NotStored;
            }
        }
        if asked.whole && !self.take_stock(policy, &reader, asked, &found).await {
            all = all.max(Found::LeftOver);
        }
        let mut state = self.state();
        if self.running().has(policy) {
            if asked.whole {
                state.to_discover.remove(&policy.name);
            }
            note_failures(&mut state.unresolved, policy, found.failed);
        }
        all
    }

    /// What to look up for a policy; nothing if nothing is missing.
    fn in_scope(&self, policy: &Policy, scope: Scope) -> Option<Asked> {
        match scope {
            Scope::Everything(turn) => Some(self.everything(policy, turn)),
            Scope::New(turn) if self.state().to_discover.contains(&policy.name) => Some(self.everything(policy, turn)),
            Scope::New(_) => self.newly_there(policy).map(in_part),
            Scope::Missing => self.missing(policy).map(in_part),
        }
    }

    /// What may have come to a policy that stays as it is: who reloads may just have created a secret.
    fn newly_there(&self, policy: &Policy) -> Option<Selection> {
        let selected = policy.selection.selects().then(|| Selection {
            secrets: Vec::new(),
            ..policy.selection.clone()
        });
        match (self.missing(policy), selected) {
            (Some(missing), Some(selected)) => Some(Selection {
                secrets: missing.secrets,
                ..selected
            }),
            (missing, selected) => missing.or(selected),
        }
    }

    /// What a policy names and selects, but the named ones that are known and whose turn it is not.
    fn everything(&self, policy: &Policy, turn: usize) -> Asked {
        let state = self.state();
        let mut known: BTreeMap<&str, &str> = BTreeMap::new();
        let names_some = !policy.selection.secrets.is_empty();
        for (key, entry) in state.entries.of_policy(&policy.name).filter(|_| names_some) {
            if entry.claims().get(&policy.name) == Some(&Claim::Seen) && !entry.lost {
                known.insert(&entry.secret.name, key);
                known.insert(key, key);
            }
        }
        let mut asked = Asked {
            selection: policy.selection.clone(),
            whole: true,
            taken_for_granted: BTreeSet::new(),
        };
        let all = policy.selection.secrets.len().max(1);
        let first = turn.wrapping_mul(ASKED_AGAIN) % all;
        let mut index = 0;
        asked.selection.secrets.retain(|name| {
            let its_turn = (index + all - first) % all < ASKED_AGAIN;
            index += 1;
            let known = known.get(name.as_str()).filter(|_| !its_turn);
            asked.taken_for_granted.extend(known.map(|key| (*key).to_owned()));
            known.is_none()
        });
        asked
    }

    /// What could not be looked up for a policy.
    fn missing(&self, policy: &Policy) -> Option<Selection> {
        let state = self.state();
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

    /// Gives up the secrets that the policy has no more; whether all could be given up. One that is
    /// being worked on leaves later, and one that is named and gone when it stays away.
    async fn take_stock(
        &self,
        policy: &Arc<Policy>,
        reader: &dyn SecretsReader,
        asked: &Asked,
        found: &Discovery,
    ) -> bool {
        let selects = policy.selection.selects();
        if selects && found.failed.iter().any(|(name, _)| name == Discovery::SELECTION) {
            return true;
        }
        let seen: BTreeSet<&str> = found.found.iter().map(|secret| secret.arn.as_str()).collect();
        let failure = |secret: &Known| {
            let named = |name: &String| *name == secret.name || secret.arn.starts_with(name.as_str());
            let failure = found.failed.iter().find(|(name, _)| named(name));
            failure.map(|(_, error)| error.class)
        };
        let absent: Vec<(String, bool, bool)> = {
            let state = self.state();
            let absent = state
                .entries
                .of_policy(&policy.name)
                .filter(|(key, _)| !seen.contains(&***key) && !asked.taken_for_granted.contains(&***key));
            let absent = absent.filter_map(|(key, entry)| match failure(&entry.secret) {
                None => Some((key.to_string(), entry.driven, false)),
                Some(ErrorClass::NotFound) => Some((key.to_string(), entry.driven, true)),
                Some(_) => None,
            });
            absent.collect()
        };
        let none_at_work = absent.iter().all(|(_, driven, not_found)| !driven || *not_found);
        for (key, _, not_found) in absent.into_iter().filter(|(_, driven, _)| !driven) {
            // A name that AWS does not find is looked up again: it may come back.
            if not_found {
                self.missed(&mut self.state(), &key, policy, true);
                continue;
            }
            if !selects {
                self.missed(&mut self.state(), &key, policy, false);
                continue;
            }
            // The listing may lag behind what DescribeSecret says.
            let lagging = match reader.secret(&key).await {
                Ok(secret) if secret.deleted.is_none() && policy.selection.covers(&secret.name, &secret.tags) => {
                    continue;
                }
                Ok(_) => false,
                Err(error) if error.class == ErrorClass::NotFound => false,
                Err(error) if error.passes_by_itself() => continue,
                // Perhaps it may not be read because it is not the policy's any more.
                Err(_) => true,
            };
            self.missed(&mut self.state(), &key, policy, lagging);
        }
        none_at_work
    }
}

/// A look for these alone: what it does not find may be the policy's all the same.
fn in_part(selection: Selection) -> Asked {
    Asked {
        selection,
        whole: false,
        taken_for_granted: BTreeSet::new(),
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
            tracing::warn!(event = "lookup_failed", policy = policy.name, secret = name, %error, "cannot be looked up; tried again soon");
        }
        unresolved.insert((policy.name.clone(), name), error);
    }
}
