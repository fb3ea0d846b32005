//! Secrets that wait for the same thing: who has been due longest stands first.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;

/// Secrets by since when they are due, then by ARN; each stands there once at most.
#[derive(Default, Debug)]
pub(super) struct Row {
    in_order: BTreeSet<(Timestamp, String)>,
    since: BTreeMap<String, Timestamp>,
}

impl Row {
    /// Puts a secret where it belongs. One that nobody knows to be due stands last. One that stands there keeps its
    /// place, unless it belongs before it: a request that is repeated sends nobody back to the end.
    pub(super) fn put(&mut self, key: &str, due_at: Option<Timestamp>) {
        let since = due_at.unwrap_or(Timestamp::MAX_UTC);
        let since = self.since.get(key).map_or(since, |before| since.min(*before));
        self.take(key);
        self.since.insert(key.to_owned(), since);
        self.in_order.insert((since, key.to_owned()));
    }

    /// Takes a secret out; whether it stood there.
    pub(super) fn take(&mut self, key: &str) -> bool {
        let since = self.since.remove(key);
        since.is_some_and(|since| self.in_order.remove(&(since, key.to_owned())))
    }

    /// Whether a secret stands there.
    pub(super) fn holds(&self, key: &str) -> bool {
        self.since.contains_key(key)
    }

    /// Since when a secret that stands there is due.
    pub(super) fn since(&self, key: &str) -> Option<Timestamp> {
        self.since.get(key).copied()
    }

    /// The secrets in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.in_order.iter().map(|(_, key)| key.as_str())
    }

    /// Takes out all that fit.
    pub(super) fn take_all(&mut self, fits: impl Fn(&str) -> bool) -> Vec<String> {
        let fitting: Vec<String> = self.iter().filter(|key| fits(key)).map(str::to_owned).collect();
        for key in &fitting {
            self.take(key);
        }
        fitting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.since.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_due_first_stands_first_and_once() {
        let at = |seconds| Timestamp::from_timestamp(seconds, 0);
        let mut row = Row::default();
        for (key, due) in [
            ("b", at(5)),
            ("unknown", None),
            ("a", at(5)),
            ("c", at(9)),
            ("c", at(1)),
            ("c", at(7)),
        ] {
            row.put(key, due);
        }
        assert_eq!(row.iter().collect::<Vec<_>>(), ["c", "a", "b", "unknown"]);
        assert!(row.take("a") && !row.take("a") && !row.holds("a"));
        assert_eq!(row.take_all(|key| key != "b"), ["c", "unknown"]);
        assert_eq!(row.iter().collect::<Vec<_>>(), ["b"]);
    }
}
