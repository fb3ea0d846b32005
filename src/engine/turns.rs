//! Whose turn it is to change a user: few enough prepare a change at the same time that each makes it
//! while what it rests on is fresh, and where AWS calls a user group busy its users go one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::aws::{AwsError, PlacePorts};
use crate::clock::{Timestamp, after, between};
use crate::policy::{Overlap, Policy};
use crate::rotation::observation::UserSight;

use super::entry::Entry;
use super::queue::Wake;
use super::row::Row;
use super::{Engine, State};

/// For how long after AWS called a group busy its users go one by one.
const ONE_BY_ONE: Duration = Duration::from_secs(600);

/// For how long they do after AWS called a user busy that is `active` before and after: that may be because of its
/// group.
const PERHAPS_ONE_BY_ONE: Duration = Duration::from_secs(300);

/// How long to wait for a turn before asking for it again, in case that nobody hands it on.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// How long what is under way waits for what begins. Until then both go in the order in which they could: what
/// begins late ends late, and while its change is on its way what was under way goes.
const OVERTAKEN_FOR: Duration = Duration::from_secs(300);

/// The next ones are let go when so many of those before them are left: one in this many. They look at the
/// world together, so that they share their reads, while the last of those before them change theirs.
const LEFT_OVER: usize = 4;

/// Who may change users.
#[derive(Default)]
pub(super) struct Turns {
    places: BTreeMap<String, Writers>,
    /// The place of each that has a turn.
    of: BTreeMap<String, String>,
    /// Groups whose users go one by one, by place and id.
    groups: BTreeMap<(String, String), OneByOne>,
}

/// Those who change users of one place, or are about to.
#[derive(Default)]
struct Writers {
    writing: BTreeSet<String>,
    row: Row,
    at_once: usize,
}

/// A group whose users go one by one.
#[derive(Default)]
struct OneByOne {
    until: Duration,
    /// Whose change is under way, or tried.
    holder: Option<String>,
    row: Row,
}

impl Turns {
    /// Asks for a turn. Whoever gets none stands in a row, and is woken.
    fn take(&mut self, asks: &Asks<'_>, now: Duration) -> bool {
        self.groups.retain(|_, group| now < group.until);
        let groups = asks
            .groups
            .iter()
            .map(|group| (asks.place.to_owned(), group.clone()))
            .collect::<Vec<_>>();
        for group in &groups {
            if let Some(group) = self.groups.get_mut(group)
                && group.holder.as_deref().is_some_and(|holder| holder != asks.key)
            {
                let first = asks.under_way.then_some(Timestamp::MIN_UTC);
                group.row.put(asks.key, first.or(asks.since));
                return false;
            }
        }
        let writers = self.places.entry(asks.place.to_owned()).or_default();
        writers.at_once = asks.at_once;
        if !writers.writing.contains(asks.key) {
            if !writers.row.is_empty() || writers.writing.len() >= writers.at_once {
                writers.row.put(asks.key, asks.since);
                return false;
            }
            writers.writing.insert(asks.key.to_owned());
            self.of.insert(asks.key.to_owned(), asks.place.to_owned());
        }
        for group in &groups {
            if let Some(group) = self.groups.get_mut(group) {
                group.holder = Some(asks.key.to_owned());
                group.row.take(asks.key);
            }
        }
        true
    }

    /// Since when a secret that is under way waits for its turn: before anything else if that is too long.
    fn waits_since(&self, key: &str, place: &str, now: Timestamp) -> Timestamp {
        let since = self.places.get(place).and_then(|writers| writers.row.since(key));
        let since = since.unwrap_or(now);
        match between(since, now) < OVERTAKEN_FOR {
            true => since,
            false => Timestamp::MIN_UTC,
        }
    }

    /// A drive is over. Gives those whose turn it is now.
    fn give_back(&mut self, key: &str) -> Vec<String> {
        let Some(writers) = self.of.remove(key).and_then(|place| self.places.get_mut(&place)) else {
            return Vec::new();
        };
        writers.writing.remove(key);
        if writers.writing.len() > writers.at_once / LEFT_OVER {
            return Vec::new();
        }
        let room = writers.at_once.saturating_sub(writers.writing.len());
        let next: Vec<String> = writers.row.iter().take(room).map(str::to_owned).collect();
        for key in &next {
            writers.row.take(key);
        }
        next
    }

    /// Those who were let go have their turn already.
    fn hand_over(&mut self, place: &str, keys: &[String]) {
        let writers = self.places.entry(place.to_owned()).or_default();
        for key in keys {
            writers.writing.insert(key.clone());
            self.of.insert(key.clone(), place.to_owned());
        }
    }

    /// A user's change has arrived, or was not made: the next of its groups.
    fn leave_groups(&mut self, key: &str) -> Vec<String> {
        let held = self.groups.values_mut();
        let held = held.filter(|group| group.holder.as_deref() == Some(key));
        held.filter_map(|group| {
            group.holder = None;
            let next = group.row.iter().next().map(str::to_owned)?;
            group.row.take(&next);
            Some(next)
        })
        .collect()
    }

    fn leave(&mut self, key: &str) {
        for writers in self.places.values_mut() {
            writers.row.take(key);
        }
        for group in self.groups.values_mut() {
            group.row.take(key);
        }
    }
}

/// Who asks for a turn.
struct Asks<'a> {
    key: &'a str,
    place: &'a str,
    groups: &'a BTreeSet<String>,
    /// Since when it could go, or is due.
    since: Option<Timestamp>,
    /// Whether its rotation or retirement is under way.
    under_way: bool,
    at_once: usize,
}

impl Engine {
    /// Asks for a turn, if this secret's next drive is likely to change its user. So whoever has to wait
    /// has not looked at anything yet; but for the first look, which others wait for.
    pub(super) fn may_be_driven(&self, key: &str, policy: &Policy, at_once: usize) -> bool {
        let now = self.clock.now();
        let expected =
            self.state().entries.get(key).is_some_and(|entry| {
                entry.polled.is_none() && !entry.awaited && is_about_to_change(entry, policy, now)
            });
        !expected || self.take_turn(key, policy, at_once)
    }

    /// Whether a secret that waits for a change, and has another to make then, asks for its turn before
    /// it asks whether the change has arrived: where others stand in the row, it could not go on anyway.
    pub(super) fn waits_in_the_row(&self, key: &str, policy: &Policy, at_once: usize) -> bool {
        let now = self.clock.now();
        let asks = {
            let state = self.state();
            let entry = state.entries.get(key);
            let writers = state.turns.places.get(&policy.place);
            let is_row = writers.is_some_and(|writers| !writers.row.is_empty() && !writers.writing.contains(key));
            is_row && entry.is_some_and(|entry| changes_again(entry, policy) && is_about_to_change(entry, policy, now))
        };
        let waits = asks && !self.take_turn(key, policy, at_once);
        if waits {
            self.state().polls_held_up(key);
        }
        waits
    }

    /// Whether more have a turn than should, because AWS throttles since. One of them then stands in the
    /// row again.
    pub(super) fn is_one_too_many(&self, key: &str, policy: &Policy, at_once: usize) -> bool {
        let mut state = self.state();
        let Some(writers) = state.turns.places.get_mut(&policy.place) else {
            return false;
        };
        writers.at_once = at_once.max(1);
        let too_many = writers.writing.len() > writers.at_once;
        if too_many {
            writers.row.put(key, Some(Timestamp::MIN_UTC));
        }
        too_many
    }

    /// Asks for a turn to change a user.
    pub(super) fn take_turn(&self, key: &str, policy: &Policy, at_once: usize) -> bool {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let state = &mut *state;
        let Some(entry) = state.entries.get(key) else {
            return false;
        };
        let none = BTreeSet::new();
        let under_way = entry.in_flight();
        let asks = Asks {
            key,
            place: &policy.place,
            groups: entry.user.as_ref().map_or(&none, |(_, groups)| groups),
            since: match under_way {
                true => Some(state.turns.waits_since(key, &policy.place, self.clock.now())),
                false => expected_request(entry).into_iter().chain(entry.dues.due_at).min(),
            },
            under_way,
            at_once: at_once.max(1),
        };
        state.turns.take(&asks, now)
    }

    /// When a secret that waits for its turn asks again by itself.
    pub(super) fn asks_again(&self) -> Wake {
        Wake::Past(self.clock.monotonic().saturating_add(ASK_AGAIN))
    }

    /// AWS refused a change because something is busy. If that is a group, its users go one by one for a
    /// while: the first is one whose change is on its way, or else this one. If it is the user, which somebody else
    /// changes, the group's others are not held up.
    pub(super) async fn note_busy(
        &self,
        key: &str,
        policy: &Policy,
        (ports, seen): (&PlacePorts, &UserSight),
        error: &AwsError,
    ) {
        let span = match speaks_of_a_group(error) {
            true => Some(ONE_BY_ONE),
            false => looks_the_same(ports, seen).await.then_some(PERHAPS_ONE_BY_ONE),
        };
        let mut state = self.state();
        let state = &mut *state;
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        entry.refused_as_busy = true;
        let Some(span) = span else { return };
        let until = self.clock.monotonic().saturating_add(span);
        let Some((_, groups)) = &entry.user else { return };
        let named: Vec<&String> = groups.iter().filter(|id| error.message.contains(id.as_str())).collect();
        let busy = if named.is_empty() {
            groups.iter().collect()
        } else {
            named
        };
        let busy: Vec<String> = busy.into_iter().cloned().collect();
        for id in busy {
            let entries = state.entries.iter();
            let mut others = entries.filter(|(other, entry)| &***other != key && changes_in_group(entry, policy, &id));
            let holder = others.next().map_or(key, |(other, _)| &**other).to_owned();
            let group = state
                .turns
                .groups
                .entry((policy.place.clone(), id.clone()))
                .or_insert_with(|| {
                    tracing::info!(
                        event = "user_group_busy",
                        user_group = id,
                        "AWS calls the user group busy: its users go one by one"
                    );
                    OneByOne::default()
                });
            group.until = group.until.max(until);
            group.holder.get_or_insert(holder);
        }
    }
}

/// Whether a refusal is a matter of the user's group rather than of the user alone.
fn speaks_of_a_group(error: &AwsError) -> bool {
    error.code.starts_with("InvalidUserGroupState") || error.message.to_ascii_lowercase().contains("group")
}

/// Whether a user whose change was refused looks as it did before: `active`, with as many passwords. One that
/// somebody else changes does not. Nothing is concluded from one that cannot be read; the next refusal tells.
async fn looks_the_same(ports: &PlacePorts, seen: &UserSight) -> bool {
    let UserSight::Seen(before) = seen else { return false };
    matches!(ports.users.user(&before.id).await, Ok(now) if now == *before)
}

/// Whether a change of this secret's user, who is in that group, is on its way.
fn changes_in_group(entry: &Entry, policy: &Policy, group: &str) -> bool {
    let is_member = entry.user.as_ref().is_some_and(|(_, groups)| groups.contains(group));
    is_member && entry.place == policy.place && entry.polled.is_some()
}

/// Whether the change that is waited for is followed by another at once: a retirement without overlap.
fn changes_again(entry: &Entry, policy: &Policy) -> bool {
    entry.record.rotation.is_some() && policy.overlap == Overlap::For(Duration::ZERO)
}

/// Whether the next drive is likely to change the user, as far as is known before anything is read.
fn is_about_to_change(entry: &Entry, policy: &Policy, now: Timestamp) -> bool {
    let record = &entry.record;
    let at_once = policy.overlap == Overlap::For(Duration::ZERO);
    match (&record.rotation, &record.retirement) {
        (Some(rotation), _) => rotation.set_at.is_none() || at_once,
        (None, Some(retirement)) => retirement.removed_at.is_none(),
        (None, None) => {
            let due = entry.dues.due_at.is_some_and(|due| due <= now);
            let retires = record.promotion.as_ref().is_some_and(|promotion| {
                let retired = record.retired.as_ref();
                let done = retired.is_some_and(|retired| retired.all.contains(&promotion.previous));
                matches!(policy.overlap, Overlap::For(span) if !done && after(promotion.at, span) <= now)
            });
            let asked = expected_request(entry).is_some();
            entry.sight.held.is_none() && record.halt.is_none() && (due || asked || retires)
        }
    }
}

/// When an operator asked to replace the version that was current when it was last looked at.
fn expected_request(entry: &Entry) -> Option<Timestamp> {
    let request = entry.record.request.as_ref()?;
    let current = entry.sight.facts.current_version.as_ref()?;
    (request.over.as_ref() == Some(current)).then_some(request.at)
}

impl State {
    /// A drive is over: what it took is handed on, but for the groups of a user whose change is still on
    /// its way or was refused because they are busy.
    pub(super) fn turn_over(&mut self, key: &str) {
        let place = self.turns.of.get(key).cloned();
        let mut next = self.turns.give_back(key);
        if let Some(place) = place {
            self.turns.hand_over(&place, &next);
        }
        let entry = self.entries.get_mut(key);
        let keeps = entry.is_some_and(|entry| std::mem::take(&mut entry.refused_as_busy) || entry.polled.is_some());
        if !keeps {
            next.extend(self.turns.leave_groups(key));
        }
        next.iter().for_each(|key| self.wake(key));
    }

    /// A secret leaves its policy.
    pub(super) fn leaves_turns(&mut self, key: &str) {
        self.turns.leave(key);
        let place = self.turns.of.get(key).cloned();
        let mut next = self.turns.give_back(key);
        if let Some(place) = place {
            self.turns.hand_over(&place, &next);
        }
        next.extend(self.turns.leave_groups(key));
        next.iter().for_each(|key| self.wake(key));
    }
}
