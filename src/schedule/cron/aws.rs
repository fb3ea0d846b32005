//! Secrets Manager's `cron(Minutes Hours Day-of-month Month Day-of-week Year)`.
//!
//! Rules: the Secrets Manager user guide, "Rotation schedules", "Cron expression requirements in Secrets Manager".
//! Where it is silent, what has but one meaning is taken (lists and ranges of hours), and the rest is refused.

use chrono_tz::Tz;

use super::field::{Field, FieldError, MONTHS, WEEKDAYS};
use super::{Days, Times, build, shortest_interval, wrong};
use crate::policy::CronSchedule;
use crate::schedule::{ScheduleError, rate};

const HOURS: Field = Field {
    name: "hours",
    low: 0,
    high: 23,
    names: &[],
    bare_steps: true,
};
const DAYS: Field = Field {
    name: "days of month",
    low: 1,
    high: 31,
    names: &[],
    bare_steps: true,
};
const MONTH: Field = Field {
    name: "months",
    low: 1,
    high: 12,
    names: &MONTHS,
    bare_steps: true,
};
const WEEKDAY: Field = Field {
    name: "days of week",
    low: 1,
    high: 7,
    names: &WEEKDAYS,
    bare_steps: true,
};

/// Secrets Manager rotates no secret more often.
const SHORTEST: std::time::Duration = std::time::Duration::from_secs(rate::MIN_HOURS as u64 * 3_600);

/// Reads what follows `cron`.
pub(in crate::schedule) fn parse(text: &str, zone: Tz) -> Result<CronSchedule, ScheduleError> {
    let inside = text
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or(ScheduleError::AwsBrackets)?;
    let fields: Vec<&str> = inside.split_whitespace().collect();
    let [minutes, hours, days, months, weekdays, year] = fields[..] else {
        return Err(ScheduleError::AwsFields(fields.len()));
    };
    if minutes != "0" {
        return Err(ScheduleError::AwsMinutes(minutes.to_owned()));
    }
    if year != "*" {
        return Err(ScheduleError::AwsYear(year.to_owned()));
    }
    let days = match (days, weekdays) {
        ("?", "?") => return Err(ScheduleError::AwsDays(days.to_owned(), weekdays.to_owned())),
        ("?", weekdays) => of_week(weekdays).map_err(wrong(WEEKDAY.name, weekdays))?,
        (days, "?") => of_month(days).map_err(wrong(DAYS.name, days))?,
        _ => return Err(ScheduleError::AwsDays(days.to_owned(), weekdays.to_owned())),
    };
    let times = Times {
        minutes: [0].into(),
        hours: HOURS.values(hours).map_err(wrong(HOURS.name, hours))?,
        months: MONTH.values(months).map_err(wrong(MONTH.name, months))?,
        days,
    };
    let expression = format!("cron({})", fields.join(" "));
    let cron = build(expression, &times, zone)?;
    // A change of the clock may bring two of them nearer to each other: AWS knows only UTC.
    let on_the_clock = CronSchedule {
        zone: Tz::UTC,
        ..cron.clone()
    };
    match shortest_interval(&on_the_clock) {
        shortest if shortest < SHORTEST => Err(ScheduleError::AwsTooOften(shortest)),
        _ => Ok(cron),
    }
}

fn of_month(text: &str) -> Result<Days, FieldError> {
    let upper = text.to_ascii_uppercase();
    if upper.contains('W') && !upper.contains("WED") {
        return Err(FieldError::NearestWeekday);
    }
    if upper == "L" {
        return Ok(Days::last_of_month());
    }
    match upper.strip_suffix('L') {
        // `SUNL`, the last Sunday of the month, stands here in AWS's own table.
        Some(weekday) if !upper.contains(',') => Ok(Days::last_weekday(WEEKDAY.value(weekday)? - WEEKDAY.low)),
        _ if upper.contains('L') => Err(FieldError::Alone("L".to_owned())),
        _ => Ok(Days::of_month(text, &DAYS.values(text)?)),
    }
}

fn of_week(text: &str) -> Result<Days, FieldError> {
    let upper = text.to_ascii_uppercase();
    let special = upper.contains('#') || upper.contains('L');
    if special && upper.contains([',', '-', '/']) {
        let which = if upper.contains('#') { "#" } else { "L" };
        return Err(FieldError::Alone(which.to_owned()));
    }
    if upper == "L" {
        // The last day of the week, which AWS begins with Sunday.
        return Ok(Days::of_week("L", &[WEEKDAY.high - WEEKDAY.low].into()));
    }
    if let Some(weekday) = upper.strip_suffix('L') {
        return Ok(Days::last_weekday(WEEKDAY.value(weekday)? - WEEKDAY.low));
    }
    if let Some((weekday, occurrence)) = upper.split_once('#') {
        let weekday = WEEKDAY.value(weekday)? - WEEKDAY.low;
        return match occurrence.as_bytes() {
            [nth @ b'1'..=b'5'] => Ok(Days::nth_weekday(weekday, u32::from(nth - b'0'))),
            _ => Err(FieldError::Occurrence(text.to_owned())),
        };
    }
    let values = WEEKDAY.values(text)?;
    Ok(Days::of_week(
        text,
        &values.iter().map(|day| day - WEEKDAY.low).collect(),
    ))
}
