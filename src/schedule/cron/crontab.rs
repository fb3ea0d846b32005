//! The five fields of a crontab, `minute hour day-of-month month day-of-week`, and `@daily` and its like.
//!
//! As crontab(5) of Vixie cron and its descendants has them, which keeps to POSIX and adds names, steps and nicknames:
//! Sunday is 0 and 7, and where both day fields are restricted, a day that either names is one.

use chrono_tz::Tz;

use super::field::{Field, FieldError, MONTHS, WEEKDAYS};
use super::{Days, Times, build, wrong};
use crate::policy::CronSchedule;
use crate::schedule::ScheduleError;

const MINUTES: Field = Field {
    name: "minutes",
    low: 0,
    high: 59,
    names: &[],
    bare_steps: false,
};
const HOURS: Field = Field {
    name: "hours",
    low: 0,
    high: 23,
    names: &[],
    bare_steps: false,
};
const DAYS: Field = Field {
    name: "days of month",
    low: 1,
    high: 31,
    names: &[],
    bare_steps: false,
};
const MONTH: Field = Field {
    name: "months",
    low: 1,
    high: 12,
    names: &MONTHS,
    bare_steps: false,
};
const WEEKDAY: Field = Field {
    name: "days of week",
    low: 0,
    high: 7,
    names: &WEEKDAYS,
    bare_steps: false,
};

const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Reads a line of a crontab without its command.
pub(in crate::schedule) fn parse(text: &str, zone: Tz) -> Result<CronSchedule, ScheduleError> {
    let written: Vec<&str> = text.split_whitespace().collect();
    let expression = written.join(" ");
    let line = match NICKNAMES.iter().find(|(name, _)| *name == expression) {
        Some((_, line)) => line.split(' ').collect(),
        None if expression.starts_with('@') => return Err(ScheduleError::Nickname(expression)),
        None => written,
    };
    let [minutes, hours, days, months, weekdays] = line[..] else {
        return Err(ScheduleError::CrontabFields(line.len()));
    };
    let read = |field: &Field, text: &str| {
        let values = match text.to_ascii_uppercase().chars().find(|c| "#?".contains(*c)) {
            Some(sign) => Err(FieldError::NotInCrontab(sign)),
            None => field.values(text),
        };
        values.map_err(|error| wrong(field.name, text)(not_of_crontabs(error)))
    };
    let of_week = read(&WEEKDAY, weekdays)?.iter().map(|day| day % 7).collect();
    let times = Times {
        minutes: read(&MINUTES, minutes)?,
        hours: read(&HOURS, hours)?,
        months: read(&MONTH, months)?,
        days: Days::of_crontab(days, &read(&DAYS, days)?, weekdays, &of_week),
    };
    build(expression, &times, zone)
}

/// Signs that other dialects have are better named than called unknown.
fn not_of_crontabs(error: FieldError) -> FieldError {
    match error {
        FieldError::Unknown(text, known) => match text.to_ascii_uppercase().chars().last() {
            Some(sign @ ('L' | 'W'))
                if !WEEKDAYS
                    .iter()
                    .chain(&MONTHS)
                    .any(|name| text.eq_ignore_ascii_case(name)) =>
            {
                FieldError::NotInCrontab(sign)
            }
            _ => FieldError::Unknown(text, known),
        },
        other => other,
    }
}
