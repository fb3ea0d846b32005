//! Secrets Manager's `rate(N hours)` and `rate(N days)`.
//!
//! Rules: the Secrets Manager user guide, "Rotation schedules": a whole number of `hour`, `hours`, `day` or `days`,
//! from every four hours to every 999 days.

use super::ScheduleError;
use crate::clock::Timestamp;
use crate::policy::Schedule;

/// Secrets Manager allows no rotation more often than this.
pub(super) const MIN_HOURS: u32 = 4;

/// Secrets Manager allows none more rarely than this.
const MAX_DAYS: u32 = 999;

/// Reads what follows `rate`.
pub(super) fn parse(text: &str) -> Result<Schedule, ScheduleError> {
    let inside = text
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or(ScheduleError::RateMalformed)?;
    let words: Vec<&str> = inside.split_whitespace().collect();
    let [number, unit] = words[..] else {
        return Err(ScheduleError::RateMalformed);
    };
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ScheduleError::RateMalformed);
    }
    // All digits, so the only way to fail is a number too large for any rate.
    let number: u32 = number.parse().map_err(|_| ScheduleError::RateTooLong)?;
    // AWS's own page shows both forms of the unit; a number has one meaning with either.
    let (rate, hours) = match unit {
        "hour" | "hours" => (Schedule::RateHours(number), number),
        "day" | "days" => (Schedule::RateDays(number), number.saturating_mul(24)),
        other => return Err(ScheduleError::RateUnit(other.to_owned())),
    };
    match hours {
        0..MIN_HOURS => Err(ScheduleError::RateTooShort),
        _ if hours > MAX_DAYS * 24 => Err(ScheduleError::RateTooLong),
        _ => Ok(rate),
    }
}

/// The start of the unit of `unit` seconds that `at` lies in, and `count` units on.
pub(super) fn whole_units_after(at: Timestamp, unit: i64, count: u32) -> Timestamp {
    at.timestamp()
        .div_euclid(unit)
        .checked_add(i64::from(count))
        .and_then(|units| units.checked_mul(unit))
        .and_then(|seconds| Timestamp::from_timestamp(seconds, 0))
        .unwrap_or(Timestamp::MAX_UTC)
}
