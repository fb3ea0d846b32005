//! First looks at secrets with nothing under way: after a start that is the whole fleet.
//!
//! Each look under way takes a connection or two and its buffers, some 100 KB, so all places together have a
//! bounded number of them. Each place may always have a few, so that one whose calls hang holds up no other;
//! and what is under way waits for none of them.

use std::collections::{BTreeMap, BTreeSet};

use super::State;
use super::entry::Entry;

/// How many first looks there are at once in all places.
const AT_ONCE: usize = 32;

/// How many a place may have in any case.
const OF_ONE_PLACE: usize = 4;

/// First looks under way, and those that wait for one to end.
#[derive(Default)]
pub(super) struct FirstLooks {
    /// In which place each is.
    under_way: BTreeMap<String, String>,
    /// By place.
    waiting: BTreeMap<String, BTreeSet<String>>,
}

impl FirstLooks {
    /// Lets a secret be looked at, or wait; whether it may be.
    fn begin(&mut self, place: &str, key: &str) -> bool {
        let may = self.under_way.contains_key(key) || self.has_room(place);
        if may {
            self.under_way.insert(key.to_owned(), place.to_owned());
        } else {
            self.waiting.entry(place.to_owned()).or_default().insert(key.to_owned());
        }
        may
    }

    /// Notes that a secret is not to be looked at any more, if it waits.
    fn waits_no_more(&mut self, key: &str) {
        self.waiting.retain(|_, keys| {
            keys.remove(key);
            !keys.is_empty()
        });
    }

    /// Notes that a drive of a secret is over, or that the secret is gone; those that may be looked at now.
    fn end(&mut self, key: &str) -> Vec<String> {
        let mut next = Vec::new();
        if self.under_way.remove(key).is_none() {
            return next;
        }
        let places: Vec<String> = self.waiting.keys().cloned().collect();
        for place in places {
            while self.has_room(&place)
                && let Some(first) = self.waiting.get_mut(&place).and_then(BTreeSet::pop_first)
            {
                self.begin(&place, &first);
                next.push(first);
            }
        }
        self.waiting.retain(|_, keys| !keys.is_empty());
        next
    }

    fn has_room(&self, place: &str) -> bool {
        let there = || self.under_way.values().filter(|other| *other == place).count();
        self.under_way.len() < AT_ONCE || there() < OF_ONE_PLACE
    }
}

impl State {
    /// Whether a secret must wait before it is looked at for the first time; if so, it hears of it.
    pub(super) fn waits_for_its_first_look(&mut self, key: &str) -> bool {
        let first = |entry: &&Entry| !entry.sight.looked && !entry.in_flight();
        match self.entries.get(key).filter(first) {
            Some(entry) => !self.first_looks.begin(&entry.place, key),
            None => false,
        }
    }

    /// A secret is another replica's to look at. A look that is under way ends by itself.
    pub(super) fn leaves_first_looks(&mut self, key: &str) {
        self.first_looks.waits_no_more(key);
        if self.entries.get(key).is_some_and(|entry| !entry.driven) {
            self.first_look_over(key);
        }
    }

    /// Lets others be looked at for the first time, if the look at this one was its first.
    pub(super) fn first_look_over(&mut self, key: &str) {
        let mut over = vec![key.to_owned()];
        while let Some(key) = over.pop() {
            for next in self.first_looks.end(&key) {
                match self.entries.contains_key(&next) {
                    true => self.wake(&next),
                    false => over.push(next),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_places_share_a_bound_and_each_has_a_few_in_any_case() {
        let mut looks = FirstLooks::default();
        let begun = |looks: &mut FirstLooks, place: &str| {
            (0..100).filter(|n| looks.begin(place, &format!("{place}{n}"))).count()
        };
        assert_eq!(begun(&mut looks, "hangs"), AT_ONCE);
        assert_eq!(begun(&mut looks, "other"), OF_ONE_PLACE);
        let mut over = vec!["other0".to_owned()];
        let mut looked_at = 0;
        while let Some(key) = over.pop() {
            let next = looks.end(&key);
            assert!(
                next.iter().all(|next| next.starts_with("other")),
                "none of the place that hangs ends"
            );
            over.extend(next);
            looked_at += 1;
        }
        assert_eq!(
            looked_at,
            100 - OF_ONE_PLACE + 1,
            "each that ends lets one begin, until none waits"
        );
        assert_eq!(looks.end("hangs99"), Vec::<String>::new(), "it has not begun");
    }
}
