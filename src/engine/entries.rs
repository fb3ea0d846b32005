//! The secrets that the engine knows, by ARN.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entry::Entry;

/// The secrets that the engine knows, by ARN and in its order. Each lies in an allocation of its own: the
/// map's nodes have room for eleven and are half empty when they were filled in order, which with
/// entries of some kilobytes would cost as much as the entries.
#[derive(Default)]
pub(super) struct Entries(BTreeMap<Arc<str>, Box<Entry>>);

impl Entries {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.get(key).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.0.get_mut(key).map(Box::as_mut)
    }

    /// A secret's ARN, shared if it is known.
    pub(super) fn key(&self, arn: &str) -> Arc<str> {
        let known = self.0.get_key_value(arn);
        known.map_or_else(|| arn.into(), |(key, _)| key.clone())
    }

    pub(super) fn contains_key(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Adds a secret under its ARN.
    pub(super) fn insert(&mut self, entry: Entry) {
        self.0.insert(entry.secret.arn.clone(), Box::new(entry));
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Entry> {
        self.0.remove(key).map(|entry| *entry)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Entry)> + Clone {
        self.0.iter().map(|(key, entry)| (key, entry.as_ref()))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Entry)> {
        self.0.iter_mut().map(|(key, entry)| (key, entry.as_mut()))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Entry> {
        self.0.values().map(Box::as_ref)
    }
}
