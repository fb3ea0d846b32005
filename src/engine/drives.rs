//! How many secrets are looked at and worked on at once.
//!
//! Each place has as many drives as any other, so that one whose calls hang until they time out
//! takes none of the others'.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::Timestamp;

use super::State;
use super::queue::Wake;

/// How many secrets of one place are driven at once. Those that wait for AWS do not count: this
/// bounds the looks and steps under way, so that none of them grows stale in a queue of its own making.
const DRIVES: usize = 64;

/// The drives of each place, by its name.
#[derive(Default)]
pub(super) struct Drives(BTreeMap<String, Arc<Semaphore>>);

impl Drives {
    /// The drives of a place.
    pub(super) fn of(&mut self, place: &str) -> Arc<Semaphore> {
        let drives = self.0.entry(place.to_owned());
        drives.or_insert_with(|| Arc::new(Semaphore::new(DRIVES))).clone()
    }

    /// Whether a secret of this place may be driven now. Those in the nameless lane are not known to be
    /// anybody's yet.
    fn is_one_free(&self, place: &str) -> bool {
        !place.is_empty() && self.0.get(place).is_none_or(|drives| drives.available_permits() > 0)
    }
}

impl State {
    /// The next secret whose time has come, in a place that has a drive to spare, and that drive.
    pub(super) fn next_due(&mut self, now: Timestamp, monotonic: Duration) -> Option<(String, OwnedSemaphorePermit)> {
        let key = loop {
            let Self { queue, drives, .. } = self;
            let key = queue.pop(now, monotonic, |place| drives.is_one_free(place))?;
            if !self.waits_for_its_first_look(&key) {
                break key;
            }
        };
        let place = self.entries.get(&key).map_or("", |entry| &entry.place);
        let drive = self.drives.of(place).try_acquire_owned();
        match drive {
            Ok(drive) => Some((key, drive)),
            // Whoever has seen a change arrive took it just now.
            Err(_) => {
                self.queue.set(&key, Wake::Past(monotonic));
                None
            }
        }
    }

    /// When the next pause ends of a secret that can then be driven. One whose place has no drive to
    /// spare is not counted: the end of a drive wakes the engine anyway.
    pub(super) fn next_pause(&self) -> Option<Duration> {
        self.queue.next_pause(|place| self.drives.is_one_free(place))
    }
}
