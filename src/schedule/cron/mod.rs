//! Cron expressions: two dialects, one way to compute their dates.
//!
//! Each dialect is read by its own documented rules into [`Times`]; croner then finds the dates that match, on a clock
//! that knows no zone, and `dates` says when the zone's clock shows them.

mod aws;
mod crontab;
mod dates;
mod field;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono_tz::Tz;
use croner::parser::CronParser;

use super::ScheduleError;
use crate::policy::CronSchedule;

pub(super) use aws::parse as parse_aws;
pub(super) use crontab::parse as parse_crontab;
pub(super) use dates::{next_after, shortest_interval};
pub use field::FieldError;

/// What an expression of either dialect names.
struct Times {
    minutes: BTreeSet<u32>,
    hours: BTreeSet<u32>,
    months: BTreeSet<u32>,
    days: Days,
}

/// The day fields in croner's terms: days of the month, days of the week from 0 for Sunday, and whether a day must be
/// of both.
struct Days {
    of_month: String,
    of_week: String,
    both: bool,
}

impl Days {
    /// The days that a field of days of the month names; the other names none.
    fn of_month(text: &str, days: &BTreeSet<u32>) -> Self {
        Self::of_crontab(text, days, "*", &BTreeSet::new())
    }

    /// The days that a field of days of the week names; the other names none.
    fn of_week(text: &str, weekdays: &BTreeSet<u32>) -> Self {
        Self::of_crontab("*", &BTreeSet::new(), text, weekdays)
    }

    fn last_of_month() -> Self {
        Self::only("L".to_owned(), "*".to_owned())
    }

    fn last_weekday(weekday: u32) -> Self {
        Self::only("*".to_owned(), format!("{weekday}L"))
    }

    fn nth_weekday(weekday: u32, nth: u32) -> Self {
        Self::only("*".to_owned(), format!("{weekday}#{nth}"))
    }

    /// Days that either field names, or both must: Vixie cron asks for both as soon as one of the fields *begins* with
    /// a star, be it `*/2`.
    fn of_crontab(days_text: &str, days: &BTreeSet<u32>, weekdays_text: &str, weekdays: &BTreeSet<u32>) -> Self {
        let croner = |text: &str, values| if text == "*" { "*".to_owned() } else { list(values) };
        Self {
            both: days_text.starts_with('*') || weekdays_text.starts_with('*'),
            ..Self::only(croner(days_text, days), croner(weekdays_text, weekdays))
        }
    }

    fn only(of_month: String, of_week: String) -> Self {
        Self {
            of_month,
            of_week,
            both: true,
        }
    }
}

fn list(values: &BTreeSet<u32>) -> String {
    let mut text = String::new();
    for value in values {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{value}");
    }
    text
}

/// Makes the schedule of what an expression names.
fn build(expression: String, times: &Times, zone: Tz) -> Result<CronSchedule, ScheduleError> {
    let pattern = format!(
        "{} {} {} {} {}",
        list(&times.minutes),
        list(&times.hours),
        times.days.of_month,
        list(&times.months),
        times.days.of_week
    );
    let parsed = CronParser::builder()
        .dom_and_dow(times.days.both)
        .build()
        .parse(&pattern)
        .map_err(|error| ScheduleError::Uncomputable(expression.clone(), error.to_string()))?;
    let cron = CronSchedule {
        expression,
        zone,
        times: Arc::new(parsed),
        every_hour: times.hours.len() == 24,
    };
    match dates::next_after(&cron, dates::SAMPLE_BEGINS) {
        Some(_) => Ok(cron),
        None => Err(ScheduleError::Never(cron.expression)),
    }
}

/// Names the field that an error is about.
fn wrong(field: &'static str, text: &str) -> impl FnOnce(FieldError) -> ScheduleError {
    let text = text.to_owned();
    move |error| ScheduleError::Field { field, text, error }
}
