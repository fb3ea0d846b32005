//! What one configuration changes about another, and what that means for each secret. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::aws::{ListedSecret, PlacePorts};
use crate::config::Config;
use crate::policy::{Place, Policy, Selection};

use super::running::Running;

/// How a policy differs from the one of its name before.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Change {
    /// Its place is another one, or has other settings.
    pub(super) place: bool,
    /// It selects in another way.
    pub(super) selection: bool,
    /// Something that a secret with nothing to do rests on, such as its schedule.
    pub(super) rest: bool,
}

/// What becomes of a secret that a policy has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Nothing about it changed.
    Undisturbed,
    /// Its policy changed and keeps it; whether it must be looked at for that.
    Stays {
        /// Whether its dates or its permissions may be others.
        look: bool,
    },
    /// Another policy takes it over.
    Moves(String),
    /// No policy is known to have it.
    Leaves,
}

/// What one configuration changes about the one in force.
#[derive(PartialEq, Eq, Default, Debug)]
pub(super) struct Succession {
    /// Names of policies that are new.
    pub(super) added: BTreeSet<String>,
    /// Names of policies that are gone.
    pub(super) removed: BTreeSet<String>,
    /// Names of policies that are there still, and differ.
    pub(super) changed: BTreeMap<String, Change>,
    /// Names of places that are new, gone, or have other settings.
    pub(super) places: BTreeSet<String>,
}

impl Succession {
    pub(super) fn of(old: &Running, new: &Config) -> Self {
        let all = old.places.keys().chain(new.places.keys());
        let places: BTreeSet<String> = all
            .filter(|name| old.places.get(*name) != new.places.get(*name))
            .cloned()
            .collect();
        let everywhere = (old.daemon.paused, old.daemon.drift_check_interval)
            != (new.daemon.paused, new.daemon.drift_check_interval);
        let mut changed = BTreeMap::new();
        for (name, policy) in &new.policies {
            let Some(before) = old.policy(name) else { continue };
            let change = Change {
                place: before.place != policy.place || places.contains(&policy.place),
                selection: before.selection != policy.selection,
                rest: everywhere || matters_at_rest(before, policy),
            };
            if change != Change::default() || **before != *policy {
                changed.insert(name.clone(), change);
            }
        }
        let is_new = |name: &&String| old.policy(name).is_none();
        let is_gone = |name: &&String| !new.policies.contains_key(*name);
        Self {
            added: new.policies.keys().filter(is_new).cloned().collect(),
            removed: old.policies.keys().filter(is_gone).cloned().collect(),
            changed,
            places,
        }
    }

    /// The places whose ports must be made, because the settings are new.
    pub(super) fn places_to_connect<'a>(&self, new: &'a Config) -> Vec<&'a Place> {
        let places = new.places.values();
        places.filter(|place| self.places.contains(&place.name)).collect()
    }

    /// What succeeds `old`. Whatever did not change is the same object: policies, connections,
    /// credentials, budgets.
    pub(super) fn successor(&self, old: &Running, new: Config, mut connected: BTreeMap<String, PlacePorts>) -> Running {
        let ports = new.places.keys().filter_map(|name| {
            let ports = match self.places.contains(name) {
                true => connected.remove(name),
                false => old.ports.get(name).cloned(),
            };
            ports.map(|ports| (name.clone(), ports))
        });
        let ports = ports.collect();
        let policies = new.policies.into_iter().map(|(name, policy)| {
            let unchanged = old.policy(&name).filter(|_| !self.changed.contains_key(&name));
            let policy = unchanged.cloned().unwrap_or_else(|| Arc::new(policy));
            (name, policy)
        });
        Running::with(policies.collect(), new.daemon, new.places, ports).notifying(new.notify)
    }

    /// Policies whose secrets must be looked for at once.
    pub(super) fn to_discover(&self) -> impl Iterator<Item = &String> {
        let changed = self.changed.iter();
        let elsewhere = changed.filter(|(_, change)| change.place || change.selection);
        self.added.iter().chain(elsewhere.map(|(name, _)| name))
    }

    /// Policies that begin as at a start.
    pub(super) fn newcomers(&self) -> impl Iterator<Item = &String> {
        let relocated = self.changed.iter().filter(|(_, change)| change.place);
        self.added.iter().chain(relocated.map(|(name, _)| name))
    }

    /// Whether the policy `of`, which has a secret, still has it: only if that is certain without asking
    /// AWS. What AWS has to tell, the next look for secrets finds out.
    pub(super) fn keeps(&self, old: &Running, new: &Running, of: &str, secret: &ListedSecret) -> bool {
        let (Some(before), Some(after)) = (old.policy(of), new.policy(of)) else {
            return false;
        };
        let change = self.changed.get(of).copied().unwrap_or_default();
        !change.place && (!change.selection || still_selects(&before.selection, &after.selection, secret))
    }

    /// What becomes of a secret of the policy `of`, which the policies `kept_by` had and keep, itself
    /// perhaps among them. To any other one it moves only if that one certainly has it.
    pub(super) fn fate(
        &self,
        old: &Running,
        new: &Running,
        of: &str,
        kept_by: &BTreeSet<&String>,
        secret: &ListedSecret,
    ) -> Fate {
        if kept_by.iter().any(|name| *name == of) {
            let change = self.changed.get(of);
            return change.map_or(Fate::Undisturbed, |change| Fate::Stays { look: change.rest });
        }
        let heir = kept_by.first().map(|name| (*name).clone());
        let heir = heir.or_else(|| self.heir(old, new, of, secret));
        heir.map_or(Fate::Leaves, Fate::Moves)
    }

    /// A policy of the place that certainly has the secret.
    fn heir(&self, old: &Running, new: &Running, of: &str, secret: &ListedSecret) -> Option<String> {
        let place = old.policy(of).map(|policy| policy.place.as_str());
        let place = place.filter(|place| !self.places.contains(*place))?;
        let mut in_place = new.policies.values().filter(|policy| policy.place == place);
        let heir = in_place.find(|policy| certainly_selects(&policy.selection, secret));
        heir.map(|heir| heir.name.clone())
    }
}

/// Whether a resting secret must be looked at, or its policy differs only in what counts when
/// something begins or fails.
fn matters_at_rest(old: &Policy, new: &Policy) -> bool {
    let same_rest = Policy {
        selection: new.selection.clone(),
        password: new.password.clone(),
        retry: new.retry,
        canary: new.canary,
        max_attention: new.max_attention,
        ..old.clone()
    };
    same_rest != *new
}

fn names(selection: &Selection, secret: &ListedSecret) -> bool {
    let mut ids = selection.secrets.iter();
    ids.any(|id| *id == secret.name || *id == secret.arn)
}

/// Whether a policy selects this secret, whatever its tags are.
fn certainly_selects(selection: &Selection, secret: &ListedSecret) -> bool {
    let prefix = selection.name_prefix.as_ref();
    let by_prefix = selection.tags.is_empty() && prefix.is_some_and(|prefix| secret.name.starts_with(prefix.as_str()));
    names(selection, secret) || by_prefix
}

/// Whether a policy selects this secret, if its tags are the right ones.
pub(super) fn may_select(selection: &Selection, secret: &ListedSecret) -> bool {
    let prefix = selection.name_prefix.as_deref().unwrap_or_default();
    names(selection, secret) || (selection.selects() && secret.name.starts_with(prefix))
}

/// Whether a secret that `old` selected is selected by `new` too.
fn still_selects(old: &Selection, new: &Selection, secret: &ListedSecret) -> bool {
    let selecting = new.name_prefix.is_some() || !new.tags.is_empty();
    let prefix = new.name_prefix.as_ref();
    let has_prefix = prefix.is_none_or(|prefix| secret.name.starts_with(prefix.as_str()));
    // One that was not named was found by its tags, and has them still as far as is known.
    let tagged = !names(old, secret) && old.tags == new.tags;
    certainly_selects(new, secret) || (selecting && has_prefix && tagged)
}

#[cfg(test)]
#[path = "succession_tests.rs"]
mod tests;
