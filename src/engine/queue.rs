//! The due-queue: which secret is looked at when.
//!
//! Dates that follow from durable facts are wall time, so a suspend or a clock step neither loses
//! nor doubles them; short pauses within a rotation are monotonic, so a clock that is set back
//! does not stretch them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;

/// When a secret is looked at again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Wake {
    /// At a wall time.
    At(Timestamp),
    /// At a moment of monotonic time.
    Past(Duration),
}

/// Secrets by when they are looked at again; each stands there once at most. Those of one place wait
/// in a lane of their own, so that a place that is busy can be passed over at no cost.
#[derive(Default, Debug)]
pub struct Queue {
    lanes: BTreeMap<Arc<str>, Lane>,
    /// In which lane a secret waits; one that is absent waits in the nameless lane.
    places: BTreeMap<Arc<str>, Arc<str>>,
}

#[derive(Default, Debug)]
struct Lane {
    by_wake: BTreeSet<(Wake, Arc<str>)>,
    by_key: BTreeMap<Arc<str>, Wake>,
}

impl Queue {
    /// Says to which place a secret belongs from now on.
    pub fn assign(&mut self, key: impl Into<Arc<str>>, place: &str) {
        let key = key.into();
        let wake = self.take(&key);
        let lane = self.lanes.get_key_value(place);
        let lane = lane.map_or_else(|| Arc::from(place), |(name, _)| name.clone());
        self.lanes.entry(lane.clone()).or_default();
        self.places.insert(key.clone(), lane);
        if let Some(wake) = wake {
            self.set(&key, wake);
        }
    }

    /// Says that a secret belongs to no place: it waits in the nameless lane.
    pub fn unassign(&mut self, key: &str) {
        let wake = self.take(key);
        self.places.remove(key);
        if let Some(wake) = wake {
            self.set(key, wake);
        }
    }

    /// Sets when a secret is looked at; its last date is dropped.
    pub fn set(&mut self, key: &str, wake: Wake) {
        let (key, place) = match self.places.get_key_value(key) {
            Some((key, place)) => (key.clone(), place.clone()),
            None => (key.into(), "".into()),
        };
        self.lanes.entry(place).or_default().set(key, wake);
    }

    /// When a secret is looked at, if it waits.
    pub fn wake_of(&self, key: &str) -> Option<Wake> {
        let place = self.places.get(key).map_or("", AsRef::as_ref);
        self.lanes.get(place)?.by_key.get(key).copied()
    }

    /// Drops a secret.
    pub fn remove(&mut self, key: &str) {
        self.take(key);
        self.places.remove(key);
    }

    fn take(&mut self, key: &str) -> Option<Wake> {
        let place = self.places.get(key).map_or("", AsRef::as_ref);
        self.lanes.get_mut(place)?.take(key)
    }

    /// Takes out the next secret whose time has come, of a place that `open` lets through: those
    /// under way before those that are due.
    pub fn pop(&mut self, now: Timestamp, monotonic: Duration, open: impl Fn(&str) -> bool) -> Option<String> {
        let lanes = self.lanes.iter().filter(|(place, _)| open(place));
        let next = lanes.filter_map(|(_, lane)| lane.next(now, monotonic));
        // A pause that is over comes before any date.
        let (_, key) = next.min_by_key(|(wake, _)| (matches!(wake, Wake::At(_)), *wake))?;
        let key = key.to_owned();
        self.take(&key);
        Some(key)
    }

    /// When the next monotonic pause ends, in the places that `open` lets through.
    pub fn next_pause(&self, open: impl Fn(&str) -> bool) -> Option<Duration> {
        let lanes = self.lanes.iter().filter(|(place, _)| open(place));
        lanes.filter_map(|(_, lane)| lane.next_pause()).min()
    }

    /// How many secrets wait.
    pub fn len(&self) -> usize {
        self.lanes.values().map(|lane| lane.by_key.len()).sum()
    }

    /// Whether no secret waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Lane {
    fn set(&mut self, key: Arc<str>, wake: Wake) {
        self.take(&key);
        self.by_key.insert(key.clone(), wake);
        self.by_wake.insert((wake, key));
    }

    fn take(&mut self, key: &str) -> Option<Wake> {
        let (key, wake) = self.by_key.remove_entry(key)?;
        self.by_wake.remove(&(wake, key));
        Some(wake)
    }

    fn first_pause(&self) -> Option<&(Wake, Arc<str>)> {
        self.by_wake
            .range((Wake::Past(Duration::ZERO), Arc::default())..)
            .next()
    }

    fn next(&self, now: Timestamp, monotonic: Duration) -> Option<(Wake, &str)> {
        let pause = self.first_pause().filter(|(wake, _)| *wake <= Wake::Past(monotonic));
        let date = self.by_wake.first();
        let date = date.filter(|(wake, _)| matches!(wake, Wake::At(at) if *at <= now));
        pause.or(date).map(|(wake, key)| (*wake, key.as_ref()))
    }

    fn next_pause(&self) -> Option<Duration> {
        match self.first_pause()? {
            (Wake::Past(deadline), _) => Some(*deadline),
            (Wake::At(_), _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn secrets_come_out_when_their_time_has_come_and_once() {
        let mut queue = Queue::default();
        queue.set("date", Wake::At(at(100)));
        queue.set("pause", Wake::Past(Duration::from_secs(5)));
        assert_eq!(queue.pop(at(99), Duration::from_secs(4), |_| true), None);
        assert_eq!(
            queue.pop(at(100), Duration::from_secs(4), |_| true).as_deref(),
            Some("date")
        );
        assert_eq!(
            queue.pop(at(100), Duration::from_secs(5), |_| true).as_deref(),
            Some("pause")
        );
        assert!(queue.is_empty());
    }

    #[test]
    fn setting_a_secret_again_moves_it() {
        let mut queue = Queue::default();
        queue.set("a", Wake::At(at(100)));
        queue.set("a", Wake::At(at(200)));
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.pop(at(150), Duration::ZERO, |_| true), None);
    }

    #[test]
    fn a_clock_set_back_does_not_stretch_a_pause() {
        let mut queue = Queue::default();
        queue.set("a", Wake::Past(Duration::from_secs(2)));
        assert_eq!(
            queue.pop(at(-1_000_000), Duration::from_secs(2), |_| true).as_deref(),
            Some("a")
        );
    }

    #[test]
    fn a_place_that_is_full_is_passed_over_and_keeps_its_secrets() {
        let mut queue = Queue::default();
        for (key, place) in [("a", "full"), ("b", "free")] {
            queue.set(key, Wake::Past(Duration::from_secs(1)));
            queue.assign(key, place);
        }
        let open = |place: &str| place != "full";
        assert_eq!(queue.next_pause(open), Some(Duration::from_secs(1)));
        assert_eq!(queue.pop(at(0), Duration::from_secs(1), open).as_deref(), Some("b"));
        assert_eq!(queue.pop(at(0), Duration::from_secs(1), open), None);
        assert_eq!(queue.next_pause(open), None);
        assert_eq!(queue.pop(at(0), Duration::from_secs(1), |_| true).as_deref(), Some("a"));
    }
}
