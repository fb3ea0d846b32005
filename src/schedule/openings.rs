//! A schedule's openings: the moments from which a rotation may begin, one after another.
//!
//! A cron expression names its openings itself. The other forms count from the last rotation: the first opening is one
//! interval after it, and while no rotation happens, another comes with each further interval.

use std::time::Duration;

use super::{interval, next_after};
use crate::clock::{self, Timestamp};
use crate::policy::Schedule;

/// The openings in `(after, until]`, oldest first, `after` being the last rotation. None is skipped; take what is
/// needed, for a short interval and a long time give many. The end of time is none.
pub fn openings_between(
    schedule: &Schedule,
    after: Timestamp,
    until: Timestamp,
) -> impl Iterator<Item = Timestamp> + '_ {
    let next = move |at: &Timestamp| opening_after(schedule, *at).filter(|next| *next <= until);
    std::iter::successors(next(&after), next)
}

fn opening_after(schedule: &Schedule, at: Timestamp) -> Option<Timestamp> {
    Some(next_after(schedule, at)).filter(|next| *next > at && *next < Timestamp::MAX_UTC)
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
    let first = opening_after(schedule, last_rotation).filter(|first| *first <= now)?;
    match schedule {
        Schedule::Every(_) | Schedule::RateHours(_) | Schedule::RateDays(_) => {
            latest_of_interval(first, now, interval(schedule))
        }
        Schedule::Cron(_) => Some(latest_by_halving(schedule, first, now)),
    }
}

/// The latest opening that is not after `now`, `first` being one that is not.
///
/// Whether something opens between a moment and `now` changes once as the moment moves, so it is found by halving.
fn latest_by_halving(schedule: &Schedule, first: Timestamp, now: Timestamp) -> Timestamp {
    let (mut opening, mut beyond) = (first, now);
    while beyond - opening > chrono::Duration::seconds(1) {
        let middle = opening + (beyond - opening) / 2;
        match next_after(schedule, middle) {
            next if next <= now => opening = next,
            _ => beyond = middle,
        }
    }
    match next_after(schedule, opening) {
        next if next <= now => next,
        _ => opening,
    }
}

/// The latest of `first` and what follows it at `interval` that is not after `now`.
fn latest_of_interval(first: Timestamp, now: Timestamp, interval: Duration) -> Option<Timestamp> {
    const NANOS: u128 = 1_000_000_000;
    let since = clock::between(first, now).as_nanos().checked_rem(interval.as_nanos())?;
    let since = Duration::new(u64::try_from(since / NANOS).ok()?, u32::try_from(since % NANOS).ok()?);
    now.checked_sub_signed(chrono::Duration::from_std(since).ok()?)
}
