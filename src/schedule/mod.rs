//! When rotations are due: expressions and the dates that follow from them. Pure: the last
//! rotation goes in, the next one comes out, and no clock is read.
//!
//! A schedule counts from the last rotation that really happened, so a restart, a lost store or a
//! second replica never makes anything due early.

pub mod blackout;
pub mod duration;
mod openings;
pub mod window;

#[cfg(test)]
mod blackout_tests;
#[cfg(test)]
mod openings_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod window_tests;

pub use openings::{opening_at_or_before, openings_between, upcoming};

use std::time::Duration;

use crate::clock::{self, Timestamp};
use crate::policy::Schedule;

use duration::DurationError;

/// The shortest plain duration: anything less asks for a rotation that never ends.
pub const SHORTEST_EVERY: Duration = Duration::from_secs(1);

/// Secrets Manager allows no rotation more often than this.
const MIN_RATE_HOURS: u32 = 4;

/// Secrets Manager allows none more rarely than this.
const MAX_RATE_DAYS: u32 = 999;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Why an expression is no schedule.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ScheduleError {
    /// Neither a duration nor anything that looks like another form.
    #[error("not a schedule: write a duration (\"30d\", \"12h\") or rate(N hours|days): {0}")]
    Unknown(#[from] DurationError),
    /// A duration under [`SHORTEST_EVERY`].
    #[error("too short: the shortest schedule is 1s")]
    TooShort,
    /// A cron expression, of either kind.
    #[error(
        "cron expressions are not supported yet; write a duration (\"30d\") or rate(N hours|days), \
         which count from the last rotation"
    )]
    CronUnsupported,
    /// The text inside `rate(...)` is not `N unit`.
    #[error("not a rate: write rate(N hours) or rate(N days) with a whole number, like rate(30 days)")]
    RateMalformed,
    /// `rate(...)` in something other than hours or days.
    #[error("`{0}` is no unit of a rate: Secrets Manager takes hours and days")]
    RateUnit(String),
    /// Under four hours.
    #[error("too short: Secrets Manager's rates begin at rate(4 hours)")]
    RateTooShort,
    /// Over 999 days.
    #[error("too long: Secrets Manager's rates end at rate(999 days)")]
    RateTooLong,
}

/// Reads a schedule: a duration, or Secrets Manager's `rate(N hours)` and `rate(N days)`.
///
/// # Errors
/// A [`ScheduleError`] that says what to write instead.
pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
    let text = text.trim();
    if is_cron(text) {
        return Err(ScheduleError::CronUnsupported);
    }
    if let Some(inside) = text.strip_prefix("rate") {
        return parse_rate(inside.trim());
    }
    let every = duration::parse(text)?;
    if every < SHORTEST_EVERY {
        return Err(ScheduleError::TooShort);
    }
    Ok(Schedule::Every(every))
}

/// Whether someone meant a cron expression: `cron(...)`, `@daily` and its like, or five to seven
/// fields of what cron fields are made of.
fn is_cron(text: &str) -> bool {
    let fields = text.split_whitespace().count();
    let of_cron = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "*/,-?#".contains(c);
    text.starts_with("cron") || text.starts_with('@') || ((5..=7).contains(&fields) && text.chars().all(of_cron))
}

fn parse_rate(text: &str) -> Result<Schedule, ScheduleError> {
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
        0..MIN_RATE_HOURS => Err(ScheduleError::RateTooShort),
        _ if hours > MAX_RATE_DAYS * 24 => Err(ScheduleError::RateTooLong),
        _ => Ok(rate),
    }
}

/// When the next rotation is due, given the last one.
///
/// Rates follow Secrets Manager's windows: those in hours open on the hour, those in days at
/// midnight UTC. A date past the end of time is the end of time.
pub fn next_after(schedule: &Schedule, last_rotation: Timestamp) -> Timestamp {
    match schedule {
        Schedule::Every(every) => clock::after(last_rotation, *every),
        Schedule::RateHours(hours) => whole_units_after(last_rotation, HOUR, *hours),
        Schedule::RateDays(days) => whole_units_after(last_rotation, DAY, *days),
    }
}

/// The start of the unit of `unit` seconds that `at` lies in, and `count` units on.
fn whole_units_after(at: Timestamp, unit: i64, count: u32) -> Timestamp {
    at.timestamp()
        .div_euclid(unit)
        .checked_add(i64::from(count))
        .and_then(|units| units.checked_mul(unit))
        .and_then(|seconds| Timestamp::from_timestamp(seconds, 0))
        .unwrap_or(Timestamp::MAX_UTC)
}

/// The time from one rotation to the next when each happens as soon as it is due.
pub fn interval(schedule: &Schedule) -> Duration {
    let units = |unit: i64, count: u32| Duration::from_secs(unit.unsigned_abs().saturating_mul(u64::from(count)));
    match schedule {
        Schedule::Every(every) => *every,
        Schedule::RateHours(hours) => units(HOUR, *hours),
        Schedule::RateDays(days) => units(DAY, *days),
    }
}

/// The schedule as it would be written; [`parse`] reads it back.
pub fn describe(schedule: &Schedule) -> String {
    let plural = |count: u32| if count == 1 { "" } else { "s" };
    match schedule {
        Schedule::Every(every) => duration::format(*every),
        Schedule::RateHours(hours) => format!("rate({hours} hour{})", plural(*hours)),
        Schedule::RateDays(days) => format!("rate({days} day{})", plural(*days)),
    }
}
