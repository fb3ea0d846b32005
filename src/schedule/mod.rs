//! When rotations are due: pure.

use crate::clock::Timestamp;
use crate::policy::Schedule;

/// When the rotation after the one at `last` is due.
pub fn next_after(schedule: &Schedule, last: Timestamp) -> Timestamp {
    match schedule {
        Schedule::Every(d) => crate::clock::after(last, *d),
        _ => last,
    }
}
/// stub
pub fn describe(_s: &Schedule) -> String {
    String::new()
}
