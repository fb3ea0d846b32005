//! When a zone's clock shows the times that an expression names.
//!
//! An expression that names every hour means an interval: it is followed minute by minute, so that a skipped hour has
//! no opening and a repeated one has its own. All others mean times of day, each of which opens once: one that is
//! skipped, at the first moment after; one that comes twice, the first time.

use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta, Timelike as _};

use crate::clock::{self, Timestamp};
use crate::policy::CronSchedule;
use crate::schedule::zone::{self, Moments};

/// croner computes dates of the years 1 to 4999; a day's margin on either side is that of the zones.
const FIRST: Timestamp = midnight(1, 1, 3);
const LAST: Timestamp = midnight(4999, 12, 29);

/// From when on openings are looked at to know what an expression is like. Fixed, so that a configuration means the
/// same whenever it is read.
pub(super) const SAMPLE_BEGINS: Timestamp = midnight(2026, 1, 1);
/// Long enough for three leap days.
const SAMPLE_ENDS: Timestamp = midnight(2038, 1, 1);
/// Over which every change of the clock is looked at.
const CHANGES_END: Timestamp = midnight(2028, 1, 1);
/// Five years of one a day.
const SAMPLE_SIZE: usize = 2_000;
/// croner knows no seconds here.
const SHORTEST: Duration = Duration::from_secs(60);

const fn midnight(year: i32, month: u32, day: u32) -> Timestamp {
    match chrono::NaiveDate::from_ymd_opt(year, month, day) {
        Some(date) => match date.and_hms_opt(0, 0, 0) {
            Some(time) => time.and_utc(),
            None => Timestamp::MAX_UTC,
        },
        None => Timestamp::MAX_UTC,
    }
}

/// The first opening strictly after a moment; `None` after the last one that can be computed.
pub(in crate::schedule) fn next_after(cron: &CronSchedule, at: Timestamp) -> Option<Timestamp> {
    if at >= LAST {
        return None;
    }
    let at = at.max(FIRST);
    if cron.every_hour {
        next_by_the_minute(cron, at)
    } else {
        next_time_of_day(cron, at)
    }
}

/// The times that the expression names, from the first after `time` on.
fn times_after(cron: &CronSchedule, time: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> + '_ {
    // croner counts in seconds, and would take the rest of this one with it.
    let time = time.with_nanosecond(0).unwrap_or(time);
    let next = |time: &NaiveDateTime| cron.times.find_next_occurrence(time, false).ok();
    std::iter::successors(next(&time), next)
}

/// What is skipped opens after the gap, what comes twice the first time; so later times never open earlier, and only
/// those that have opened already, while the clock repeats them, are passed over.
fn next_time_of_day(cron: &CronSchedule, at: Timestamp) -> Option<Timestamp> {
    times_after(cron, zone::shown(cron.zone, at))
        .map_while(|time| match zone::moments(cron.zone, time) {
            Moments::Once(moment) | Moments::Twice(moment, _) => Some(moment),
            Moments::Never => zone::end_of_gap(cron.zone, time),
        })
        .find(|moment| *moment > at)
}

fn next_by_the_minute(cron: &CronSchedule, at: Timestamp) -> Option<Timestamp> {
    let shown = zone::shown(cron.zone, at);
    let next = next_shown(cron, shown, at);
    // About to be set back: times that were shown already come again, perhaps before any later one.
    let again = match zone::moments(cron.zone, shown) {
        Moments::Twice(first, second) if at < second => {
            let change = zone::change_between(cron.zone, first, second)?;
            let from = zone::shown(cron.zone, change) - TimeDelta::seconds(1);
            next_shown(cron, from, change - TimeDelta::nanoseconds(1))
        }
        _ => None,
    };
    next.into_iter().chain(again).min()
}

/// The first moment after `at` that shows a time which is named and later than `time`.
fn next_shown(cron: &CronSchedule, time: NaiveDateTime, at: Timestamp) -> Option<Timestamp> {
    times_after(cron, time).find_map(|time| match zone::moments(cron.zone, time) {
        Moments::Once(moment) => Some(moment),
        Moments::Twice(first, second) => [first, second].into_iter().find(|moment| *moment > at),
        Moments::Never => None,
    })
}

/// The shortest time between two openings, as far as a sample of years and the changes of the clock tell.
pub(in crate::schedule) fn shortest_interval(cron: &CronSchedule) -> Duration {
    let mut shortest = shortest_between(cron, SAMPLE_BEGINS, SAMPLE_ENDS);
    let mut day = SAMPLE_BEGINS;
    while day < CHANGES_END && shortest > SHORTEST {
        let next = day + TimeDelta::days(1);
        if let Some(change) = zone::change_between(cron.zone, day, next) {
            let around = TimeDelta::hours(26);
            shortest = shortest.min(shortest_between(cron, change - around, change + around));
        }
        day = next;
    }
    shortest
}

fn shortest_between(cron: &CronSchedule, from: Timestamp, until: Timestamp) -> Duration {
    let mut shortest = clock::between(SAMPLE_BEGINS, SAMPLE_ENDS);
    let next = |at: &Timestamp| next_after(cron, *at).filter(|next| *next <= until);
    let mut last = None;
    for opening in std::iter::successors(next(&from), next).take(SAMPLE_SIZE) {
        if let Some(last) = last.replace(opening) {
            shortest = shortest.min(clock::between(last, opening));
        }
        if shortest <= SHORTEST {
            break;
        }
    }
    shortest
}
