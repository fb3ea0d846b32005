//! A schedule's openings: the moments from which a rotation may begin, one after another.
//!
//! A cron expression names its openings itself. The other forms count from the last rotation: the first opening is one
//! interval after it, and while no rotation happens, another comes with each further interval.

use std::time::Duration;

use super::{interval, next_after};
use crate::clock::{self, Timestamp};
use crate::policy::Schedule;

/// The openings in `(after, until]`, oldest first, `after` being the last rotation. None is skipped; take what is
/// needed, for a short interval and a long time give many.
pub fn openings_between(
    schedule: &Schedule,
    after: Timestamp,
    until: Timestamp,
) -> impl Iterator<Item = Timestamp> + '_ {
    let next = move |at: &Timestamp| Some(next_after(schedule, *at)).filter(|next| next > at && *next <= until);
    std::iter::successors(next(&after), next)
}

/// The next `count` openings, if each rotation happens when it is due. Fewer where time ends.
pub fn upcoming(schedule: &Schedule, last_rotation: Timestamp, count: usize) -> Vec<Timestamp> {
    openings_between(schedule, last_rotation, Timestamp::MAX_UTC)
        .take(count)
        .collect()
}

/// The latest opening in `(last_rotation, now]`: the one whose window a rotation that begins now belongs to. `None`
/// if nothing has been due since the last rotation.
///
/// Takes as long for a second as for a century.
pub fn opening_at_or_before(schedule: &Schedule, last_rotation: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let first = next_after(schedule, last_rotation);
    if first > now || first <= last_rotation {
        return None;
    }
    match schedule {
        Schedule::Every(_) | Schedule::RateHours(_) | Schedule::RateDays(_) => {
            latest_of_interval(first, now, interval(schedule))
        }
    }
}

/// The latest of `first` and what follows it at `interval` that is not after `now`.
fn latest_of_interval(first: Timestamp, now: Timestamp, interval: Duration) -> Option<Timestamp> {
    const NANOS: u128 = 1_000_000_000;
    let since = clock::between(first, now).as_nanos().checked_rem(interval.as_nanos())?;
    let since = Duration::new(u64::try_from(since / NANOS).ok()?, u32::try_from(since % NANOS).ok()?);
    now.checked_sub_signed(chrono::Duration::from_std(since).ok()?)
}
