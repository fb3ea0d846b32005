//! How many secrets are looked at and worked on at once.
//!
//! Each place has as many drives as any other, so that one whose calls hang until they time out
//! takes none of the others'.

use std::time::Duration;

use crate::clock::Timestamp;

use super::State;

/// How many secrets of one place are driven at once. Those that wait for AWS do not count: this
/// bounds the looks and steps under way, so that none of them grows stale in a queue of its own making.
const DRIVES: usize = 64;

impl State {
    /// The next secret whose time has come, in a place that has a drive to spare; it takes that drive.
    /// With the place, which gets it back.
    pub(super) fn next_due(&mut self, now: Timestamp, monotonic: Duration) -> Option<(String, String)> {
        let driving = &self.driving;
        let has_drive = |place: &str| driving.get(place).is_none_or(|driving| *driving < DRIVES);
        let key = self.queue.pop(now, monotonic, has_drive)?;
        let place = self
            .entries
            .get(&key)
            .map(|entry| entry.place.clone())
            .unwrap_or_default();
        *self.driving.entry(place.clone()).or_default() += 1;
        Some((key, place))
    }

    /// When the next pause ends of a secret that can then be driven. One whose place has no drive to
    /// spare is not counted: the end of a drive wakes the engine anyway.
    pub(super) fn next_pause(&self) -> Option<Duration> {
        let has_drive = |place: &str| self.driving.get(place).is_none_or(|driving| *driving < DRIVES);
        self.queue.next_pause(has_drive)
    }

    /// A drive is over.
    pub(super) fn give_back_drive(&mut self, place: &str) {
        if let Some(driving) = self.driving.get_mut(place) {
            *driving = driving.saturating_sub(1);
        }
    }
}
