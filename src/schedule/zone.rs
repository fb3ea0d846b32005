//! Time zones: what a clock on the wall shows, and when it shows it.
//!
//! Every clock change is one of two: it skips a range of times (spring, as a rule), or shows one a second time
//! (autumn). The changes are those of the IANA database within chrono-tz.

use chrono::{LocalResult, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use crate::clock::Timestamp;

/// The release of the IANA database by which local times are computed.
pub const DATABASE: &str = chrono_tz::IANA_TZDB_VERSION;

/// No clock is further than this from UTC, and none has been set on or back by more (the line of date).
const FURTHEST: TimeDelta = TimeDelta::hours(48);

/// The zone of an IANA name, such as `Europe/Berlin`, in the database's spelling.
pub fn named(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// The name that was meant: the same but for case, or the only one of a city.
pub fn meant(name: &str) -> Option<&'static str> {
    let city_of = |zone: &'static str| zone.rsplit('/').next().unwrap_or(zone);
    let same = names().find(|zone| zone.eq_ignore_ascii_case(name));
    same.or_else(|| {
        let mut cities = names().filter(|zone| city_of(zone).eq_ignore_ascii_case(name));
        cities.next().filter(|_| cities.next().is_none())
    })
}

/// All names of the database.
pub fn names() -> impl Iterator<Item = &'static str> {
    chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())
}

/// What the clock shows at a moment.
pub(super) fn shown(zone: Tz, at: Timestamp) -> NaiveDateTime {
    at.with_timezone(&zone).naive_local()
}

/// When a clock shows a time.
pub(super) enum Moments {
    /// As nearly always.
    Once(Timestamp),
    /// Before and after it was set back.
    Twice(Timestamp, Timestamp),
    /// It was set on from before that time to after it.
    Never,
}

/// When the clock shows `time`.
pub(super) fn moments(zone: Tz, time: NaiveDateTime) -> Moments {
    match zone.from_local_datetime(&time) {
        LocalResult::Single(at) => Moments::Once(at.to_utc()),
        LocalResult::Ambiguous(earlier, later) => Moments::Twice(earlier.to_utc(), later.to_utc()),
        LocalResult::None => Moments::Never,
    }
}

/// The first moment at which the clock has passed a time that it never shows.
pub(super) fn end_of_gap(zone: Tz, skipped: NaiveDateTime) -> Option<Timestamp> {
    let (before, after) = (
        skipped.and_utc().checked_sub_signed(FURTHEST)?,
        skipped.and_utc().checked_add_signed(FURTHEST)?,
    );
    Some(first_second(before, after, |at| shown(zone, at) > skipped))
}

/// When the clock is set back or on between two moments that it does not show alike.
pub(super) fn change_between(zone: Tz, earlier: Timestamp, later: Timestamp) -> Option<Timestamp> {
    let offset = |at: Timestamp| shown(zone, at) - at.naive_utc();
    let old = offset(earlier);
    (offset(later) != old).then(|| first_second(earlier, later, |at| offset(at) != old))
}

/// The first whole second at which something holds that does not at `before` and does at `after`.
fn first_second(before: Timestamp, after: Timestamp, holds: impl Fn(Timestamp) -> bool) -> Timestamp {
    let (mut low, mut high) = (before.timestamp(), after.timestamp());
    let moment = |seconds| Timestamp::from_timestamp(seconds, 0).unwrap_or(after);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(moment(middle)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    moment(high)
}
