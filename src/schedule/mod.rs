//! When rotations are due: expressions and the dates that follow from them. Pure: the last
//! rotation goes in, the next one comes out, and no clock is read.
//!
//! A schedule counts from the last rotation that really happened, so a restart, a lost store or a
//! second replica never makes anything due early.

pub mod blackout;
mod cron;
pub mod duration;
mod error;
mod openings;
mod rate;
pub mod window;
pub mod zone;

#[cfg(test)]
mod blackout_tests;
#[cfg(test)]
mod cron_tests;
#[cfg(test)]
mod openings_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod window_tests;

pub use cron::FieldError;
pub use error::ScheduleError;
pub use openings::{opening_at_or_before, openings_between, upcoming};

use std::time::Duration;

use chrono_tz::Tz;

use crate::clock::{self, Timestamp};
use crate::policy::Schedule;

/// The shortest plain duration: anything less asks for a rotation that never ends.
pub const SHORTEST_EVERY: Duration = Duration::from_secs(1);

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Reads a schedule: a duration, Secrets Manager's `rate(...)` and `cron(...)`, or the five fields of a crontab.
///
/// `zone` is the one in which cron expressions are read; the other forms have none.
///
/// # Errors
/// A [`ScheduleError`] that says what to write instead.
pub fn parse(text: &str, zone: Tz) -> Result<Schedule, ScheduleError> {
    let text = text.trim();
    if let Some(inside) = text.strip_prefix("rate") {
        return rate::parse(inside.trim());
    }
    if let Some(inside) = text.strip_prefix("cron") {
        return cron::parse_aws(inside.trim(), zone).map(Schedule::Cron);
    }
    if is_crontab(text) {
        return cron::parse_crontab(text, zone).map(Schedule::Cron);
    }
    let every = duration::parse(text)?;
    if every < SHORTEST_EVERY {
        return Err(ScheduleError::TooShort);
    }
    Ok(Schedule::Every(every))
}

/// Whether someone meant a line of a crontab: `@daily` and its like, a star, or as many words as it has fields.
fn is_crontab(text: &str) -> bool {
    text.starts_with('@') || text.contains('*') || text.split_whitespace().count() >= 5
}

/// When the next rotation is due, given the last one: the next opening strictly after it.
///
/// Rates follow Secrets Manager's windows: those in hours open on the hour, those in days at
/// midnight UTC. A date past the end of time is the end of time; for cron expressions, time ends with the year 4999.
pub fn next_after(schedule: &Schedule, last_rotation: Timestamp) -> Timestamp {
    match schedule {
        Schedule::Every(every) => clock::after(last_rotation, *every),
        Schedule::RateHours(hours) => rate::whole_units_after(last_rotation, HOUR, *hours),
        Schedule::RateDays(days) => rate::whole_units_after(last_rotation, DAY, *days),
        Schedule::Cron(cron) => cron::next_after(cron, last_rotation).unwrap_or(Timestamp::MAX_UTC),
    }
}

/// The shortest time from one rotation to the next when each happens as soon as it is due.
///
/// That of a cron expression is measured over some years, with the changes of its zone's clock.
pub fn interval(schedule: &Schedule) -> Duration {
    let units = |unit: i64, count: u32| Duration::from_secs(unit.unsigned_abs().saturating_mul(u64::from(count)));
    match schedule {
        Schedule::Every(every) => *every,
        Schedule::RateHours(hours) => units(HOUR, *hours),
        Schedule::RateDays(days) => units(DAY, *days),
        Schedule::Cron(cron) => cron::shortest_interval(cron),
    }
}

/// The schedule as it would be written; [`parse`] reads it back in the same zone.
pub fn describe(schedule: &Schedule) -> String {
    let plural = |count: u32| if count == 1 { "" } else { "s" };
    match schedule {
        Schedule::Every(every) => duration::format(*every),
        Schedule::RateHours(hours) => format!("rate({hours} hour{})", plural(*hours)),
        Schedule::RateDays(days) => format!("rate({days} day{})", plural(*days)),
        Schedule::Cron(cron) => cron.expression.clone(),
    }
}

/// The zone whose clock the schedule follows; `None` if it follows none.
pub fn zone_of(schedule: &Schedule) -> Option<Tz> {
    match schedule {
        Schedule::Cron(cron) => Some(cron.zone),
        Schedule::Every(_) | Schedule::RateHours(_) | Schedule::RateDays(_) => None,
    }
}
