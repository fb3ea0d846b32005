//! Secrets that are kept apart: of those that share a `together`, no rotation begins while another is being changed,
//! nor within `never_within` after.
//!
//! What counts are records, and for want of one the date of the version under AWSCURRENT, so that a restart and a lost
//! store keep them apart as well. Of those that wait, who has been due longest goes first.

use crate::clock::{Timestamp, after};
use crate::policy::{Policy, Together};

use super::entry::Entry;
use super::holds::told_of;
use super::{Engine, State};

/// What keeps a secret from beginning.
enum Apart<'a> {
    /// Another one is being changed.
    Changing(&'a Entry),
    /// Another one was changed, and this one may begin then.
    Until(Timestamp, &'a Entry),
    /// Another one has been due longer.
    Behind(&'a Entry),
}

/// Whether a rotation is under way, or a retirement that has not taken the previous password from the user yet, and goes
/// on by itself. One that is halted or gone may stay as it is for ever.
fn changing(entry: &Entry) -> bool {
    let record = &entry.record;
    let retirement = record.retirement.as_ref();
    let under_way = record.rotation.is_some() || retirement.is_some_and(|retirement| retirement.removed_at.is_none());
    under_way && record.halt.is_none() && !entry.lost
}

/// When a secret's user, or its current version, last changed for clients.
fn last_change(entry: &Entry) -> Option<Timestamp> {
    let record = &entry.record;
    let promoted = record.promotion.as_ref().map(|promotion| promotion.at);
    let removed = record.retirement.as_ref().and_then(|retirement| retirement.removed_at);
    let retired = record.retired.as_ref().map(|retired| retired.at);
    let set = record.rotation.as_ref().and_then(|rotation| rotation.set_at);
    // AWS keeps no date of a promotion: the version's own is the nearest that is left when a store is lost.
    promoted.max(set).max(removed).max(retired).max(entry.dues.created)
}

impl Engine {
    /// Whether a secret must not begin just now. If so, it stands in the row of those that wait.
    pub(super) fn must_keep_apart(&self, state: &mut State, key: &str, policy: &Policy) -> bool {
        let Some(together) = &policy.together else { return false };
        let due_at = state.entries.get(key).and_then(|entry| entry.dues.due_at);
        state.apart.entry(together.name.clone()).or_default().put(key, due_at);
        self.kept_apart(state, key, together).is_some()
    }

    fn kept_apart<'a>(&self, state: &'a State, key: &str, together: &Together) -> Option<Apart<'a>> {
        let others = || self.others(state, key, &together.name);
        if let Some((_, other)) = others().find(|(key, other)| state.beginning.contains(*key) || changing(other)) {
            return Some(Apart::Changing(other));
        }
        let until = |other: &Entry| last_change(other).map(|at| after(at, together.never_within));
        let latest = others().filter_map(|(_, other)| Some((until(other)?, other)));
        if let Some((until, other)) = latest
            .max_by_key(|(until, _)| *until)
            .filter(|(until, _)| *until > self.clock.now())
        {
            return Some(Apart::Until(until, other));
        }
        // A reload may have left one in the row that does not share the name any more.
        let running = self.running();
        let shares = |entry: &&Entry| {
            let its_own = running
                .policy(&entry.policy)
                .and_then(|policy| policy.together.as_ref());
            its_own.is_some_and(|its_own| its_own.name == together.name)
        };
        let row = state
            .apart
            .get(&together.name)?
            .iter()
            .take_while(|first| *first != key);
        let mut before = row.filter_map(|first| state.entries.get(first));
        before.find(shares).map(Apart::Behind)
    }

    /// The other secrets of that name.
    fn others<'a>(&self, state: &'a State, key: &str, name: &str) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        let running = self.running();
        let shares =
            |policy: &&std::sync::Arc<Policy>| policy.together.as_ref().is_some_and(|together| together.name == name);
        let policies: Vec<String> = running
            .policies
            .values()
            .filter(shares)
            .map(|policy| policy.name.clone())
            .collect();
        let entries = state.entries.iter();
        let key = key.to_owned();
        let others = entries.filter(move |(other, entry)| ***other != *key && policies.contains(&entry.policy));
        others.map(|(other, entry)| (&**other, entry))
    }

    /// In words.
    pub(super) fn words_of_together(&self, state: &State, policy: &Policy, key: &str) -> String {
        let Some(together) = &policy.together else {
            return String::new();
        };
        let name = &together.name;
        let why = match self.kept_apart(state, key, together) {
            Some(Apart::Changing(other)) => format!("until the change of {} is over", told_of(other)),
            Some(Apart::Until(until, other)) => format!(
                "until {}, because {} was changed just before",
                until.format("%FT%TZ"),
                other.secret.name
            ),
            Some(Apart::Behind(other)) => format!("for {}, which has been due longer", told_of(other)),
            None => "for its turn".to_owned(),
        };
        format!("due, and waits {why}: they are kept apart (together = \"{name}\"); `rotate` does not wait")
    }

    /// When to ask again, if a date ends it.
    pub(super) fn kept_apart_until(&self, state: &State, policy: &Policy, key: &str) -> Option<Timestamp> {
        match self.kept_apart(state, key, policy.together.as_ref()?)? {
            Apart::Until(until, _) => Some(until),
            Apart::Changing(_) | Apart::Behind(_) => None,
        }
    }

    /// Notes whether a secret is being changed. When that is over, the next one may look again.
    pub(super) fn change_noted(&self, state: &mut State, key: &str, policy: &Policy) {
        let Some(entry) = state.entries.get_mut(key).filter(|_| policy.together.is_some()) else {
            return;
        };
        let changes = changing(entry);
        if std::mem::replace(&mut entry.changing, changes) && !changes {
            state.release_first_apart(policy.together.as_ref().map(|together| together.name.clone()));
        }
    }
}

impl State {
    /// A secret does not wait for others any more. If it was the first in its row, the next one is.
    pub(super) fn no_longer_kept_apart(&mut self, key: &str) {
        let name = self.row_of(key);
        let Some(row) = name.as_ref().and_then(|name| self.apart.get_mut(name)) else {
            return;
        };
        let was_first = row.iter().next() == Some(key);
        row.take(key);
        if was_first {
            self.release_first_apart(name);
        }
    }

    /// One that was told to begin did not: whoever waits for it may look again.
    pub(super) fn release_apart(&mut self) {
        let names: Vec<String> = self.apart.keys().cloned().collect();
        names.into_iter().for_each(|name| self.release_first_apart(Some(name)));
    }

    fn row_of(&self, key: &str) -> Option<String> {
        let mut rows = self.apart.iter();
        rows.find(|(_, row)| row.holds(key)).map(|(name, _)| name.clone())
    }

    fn release_first_apart(&mut self, name: Option<String>) {
        let row = name.and_then(|name| self.apart.get(&name));
        let first = row.and_then(|row| row.iter().next()).map(str::to_owned);
        first.into_iter().for_each(|first| self.wake(&first));
    }
}
