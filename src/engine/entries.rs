//! The secrets that the engine knows, by ARN, and which policies have which.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::entry::Entry;
use super::membership::Claim;

/// The secrets that the engine knows, by ARN and in its order. Each lies in an allocation of its own: the
/// map's nodes have room for eleven and are half empty when they were filled in order, which with
/// entries of some kilobytes would cost as much as the entries.
#[derive(Default)]
pub(super) struct Entries {
    by_arn: BTreeMap<Arc<str>, Box<Entry>>,
    /// Which secrets a policy has, so that a look for those of one policy passes over all others at no cost.
    by_policy: BTreeMap<String, BTreeSet<Arc<str>>>,
}

impl Entries {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.by_arn.get(key).map(Box::as_ref)
    }

    /// For everything but which policies have it: [`Entries::claim`] and [`Entries::retain_claims`] are for that.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.by_arn.get_mut(key).map(Box::as_mut)
    }

    /// A secret's ARN, shared if it is known.
    pub(super) fn key(&self, arn: &str) -> Arc<str> {
        let known = self.by_arn.get_key_value(arn);
        known.map_or_else(|| arn.into(), |(key, _)| key.clone())
    }

    pub(super) fn contains_key(&self, key: &str) -> bool {
        self.by_arn.contains_key(key)
    }

    /// Adds a secret under its ARN.
    pub(super) fn insert(&mut self, entry: Entry) {
        let key = entry.secret.arn.clone();
        self.remove(&key);
        for policy in entry.claims().keys() {
            self.by_policy.entry(policy.clone()).or_default().insert(key.clone());
        }
        self.by_arn.insert(key, Box::new(entry));
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Entry> {
        let entry = self.by_arn.remove(key)?;
        for policy in entry.claims().keys() {
            self.disown(policy, key);
        }
        Some(*entry)
    }

    /// Lets a policy have a secret that is known. Gives the claim that this replaces.
    pub(super) fn claim(&mut self, key: &str, policy: &str, claim: Claim) -> Option<Claim> {
        let entry = self.by_arn.get_mut(key)?;
        let keys = self.by_policy.entry(policy.to_owned()).or_default();
        keys.insert(entry.secret.arn.clone());
        entry.add_claim(policy, claim)
    }

    /// Ends the claims to a secret of the policies that `keeps` says no of.
    pub(super) fn retain_claims(&mut self, key: &str, keeps: impl Fn(&str) -> bool) {
        let Some(entry) = self.by_arn.get_mut(key) else { return };
        let ended: Vec<String> = entry.claims().keys().filter(|name| !keeps(name)).cloned().collect();
        for policy in &ended {
            entry.end_claim(policy);
        }
        for policy in &ended {
            self.disown(policy, key);
        }
    }

    fn disown(&mut self, policy: &str, key: &str) {
        let Some(keys) = self.by_policy.get_mut(policy) else {
            return;
        };
        keys.remove(key);
        if keys.is_empty() {
            self.by_policy.remove(policy);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_arn.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Entry)> + Clone {
        self.by_arn.iter().map(|(key, entry)| (key, entry.as_ref()))
    }

    /// Those that a policy has, in order of their ARNs.
    pub(super) fn of_policy(&self, policy: &str) -> impl Iterator<Item = (&Arc<str>, &Entry)> {
        let keys = self.by_policy.get(policy).into_iter().flatten();
        keys.filter_map(|key| Some((key, self.get(key)?)))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Entry> {
        self.by_arn.values().map(Box::as_ref)
    }
}
