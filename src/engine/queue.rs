//! The due-queue: which secret is looked at when.
//!
//! Dates that follow from durable facts are wall time, so a suspend or a clock step neither loses
//! nor doubles them; short pauses within a rotation are monotonic, so a clock that is set back
//! does not stretch them.

use std::collections::{BTreeMap, BTreeSet};
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

/// Secrets by when they are looked at again; each stands there once at most.
#[derive(Default, Debug)]
pub struct Queue {
    by_wake: BTreeSet<(Wake, String)>,
    by_key: BTreeMap<String, Wake>,
}

impl Queue {
    /// Sets when a secret is looked at; its last date is dropped.
    pub fn set(&mut self, key: &str, wake: Wake) {
        self.remove(key);
        self.by_key.insert(key.to_owned(), wake);
        self.by_wake.insert((wake, key.to_owned()));
    }

    /// When a secret is looked at, if it waits.
    pub fn wake_of(&self, key: &str) -> Option<Wake> {
        self.by_key.get(key).copied()
    }

    /// Drops a secret.
    pub fn remove(&mut self, key: &str) {
        if let Some(wake) = self.by_key.remove(key) {
            self.by_wake.remove(&(wake, key.to_owned()));
        }
    }

    /// Takes out the next secret whose time has come: those under way before those that are due.
    pub fn pop(&mut self, now: Timestamp, monotonic: Duration) -> Option<String> {
        let first_pause = self.by_wake.range((Wake::Past(Duration::ZERO), String::new())..).next();
        let due_pause = first_pause.filter(|(wake, _)| *wake <= Wake::Past(monotonic));
        let first_date = self
            .by_wake
            .first()
            .filter(|(wake, _)| matches!(wake, Wake::At(at) if *at <= now));
        let key = due_pause.or(first_date).map(|(_, key)| key.clone())?;
        self.remove(&key);
        Some(key)
    }

    /// When the next monotonic pause ends.
    pub fn next_pause(&self) -> Option<Duration> {
        self.by_wake
            .range((Wake::Past(Duration::ZERO), String::new())..)
            .next()
            .and_then(|(wake, _)| match wake {
                Wake::Past(deadline) => Some(*deadline),
                Wake::At(_) => None,
            })
    }

    /// How many secrets wait.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no secret waits.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
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
        assert_eq!(queue.pop(at(99), Duration::from_secs(4)), None);
        assert_eq!(queue.pop(at(100), Duration::from_secs(4)).as_deref(), Some("date"));
        assert_eq!(queue.pop(at(100), Duration::from_secs(5)).as_deref(), Some("pause"));
        assert!(queue.is_empty());
    }

    #[test]
    fn setting_a_secret_again_moves_it() {
        let mut queue = Queue::default();
        queue.set("a", Wake::At(at(100)));
        queue.set("a", Wake::At(at(200)));
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.pop(at(150), Duration::ZERO), None);
    }

    #[test]
    fn a_clock_set_back_does_not_stretch_a_pause() {
        let mut queue = Queue::default();
        queue.set("a", Wake::Past(Duration::from_secs(2)));
        assert_eq!(queue.pop(at(-1_000_000), Duration::from_secs(2)).as_deref(), Some("a"));
    }
}
