//! When the next rotation is due by: NextRotationDate, the last second of the next window (Secrets Manager user guide,
//! "Schedule expressions"; botocore's example of DescribeSecret). Nothing here rotates.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};
use serde_json::Value;

use super::model::Rotation;
use super::rules::{self, DAYS, MONTHS};

/// How many days are looked at for a match: every day of a month comes, in some year, within these.
const HORIZON: u64 = 3_700;

impl Rotation {
    /// The date by which the next rotation is due; nothing without a schedule.
    pub(crate) fn next(&self) -> Option<DateTime<Utc>> {
        let rules = self.rules.as_ref()?;
        let schedule = Schedule::of(rules)?;
        let start = schedule.next_window(self.counted_from)?;
        let hours = rules.get("Duration").and_then(Value::as_str).and_then(rules::duration);
        let end = match hours {
            Some(hours) => start.checked_add_signed(TimeDelta::hours(i64::from(hours)))?,
            None if schedule.is_hourly() => start.checked_add_signed(TimeDelta::hours(1))?,
            None => midnight(start.date_naive().succ_opt()?),
        };
        end.checked_sub_signed(TimeDelta::seconds(1))
    }

    /// The rules as replies show them: once a secret was rotated by an expression, with the days that it comes to
    /// (botocore model, `RotationRulesType`).
    pub(crate) fn shown_rules(&self) -> Option<Value> {
        let mut rules = self.rules.clone()?;
        let by_expression = rules.get("ScheduleExpression").is_some();
        if let (true, Some(last), Some(next)) = (by_expression, self.last_rotated, self.next()) {
            let days = next.signed_duration_since(last).num_days().clamp(1, 1000);
            if let Some(rules) = rules.as_object_mut() {
                rules.insert("AutomaticallyAfterDays".to_owned(), days.into());
            }
        }
        Some(rules)
    }
}

enum Schedule<'a> {
    Days(u32),
    Hours(u32),
    Cron {
        hours: Vec<u32>,
        day: &'a str,
        months: Vec<u32>,
        weekday: &'a str,
    },
}

impl<'a> Schedule<'a> {
    /// The schedule of rules that have passed their check.
    fn of(rules: &'a Value) -> Option<Self> {
        if let Some(days) = rules.get("AutomaticallyAfterDays").and_then(Value::as_u64) {
            return u32::try_from(days).ok().map(Self::Days);
        }
        let text = rules.get("ScheduleExpression")?.as_str()?;
        if let Some((number, unit)) = rules::inside(text, "rate(").and_then(|rate| rate.split_once(' ')) {
            let number = rules::number(number)?;
            return Some(if unit.starts_with("hour") {
                Self::Hours(number)
            } else {
                Self::Days(number)
            });
        }
        let fields: Vec<&str> = rules::inside(text, "cron(")?.split(' ').collect();
        let [_, hours, day, months, weekday, _] = fields.as_slice() else {
            return None;
        };
        Some(Self::Cron {
            hours: rules::hours(hours)?,
            day,
            months: rules::values(months, 1, 12, &MONTHS)?,
            weekday,
        })
    }

    /// Whether its windows are open for an hour unless told, and not for the rest of the day.
    fn is_hourly(&self) -> bool {
        match self {
            Self::Days(_) => false,
            Self::Hours(_) => true,
            Self::Cron { hours, .. } => hours.len() > 1,
        }
    }

    /// When the first window opens after a moment.
    fn next_window(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = after.date_naive();
        match self {
            Self::Days(days) => today.checked_add_days(Days::new(u64::from(*days))).map(midnight),
            Self::Hours(hours) => {
                let since = after.signed_duration_since(midnight(today)).num_hours();
                let hours = i64::from(*hours).max(1);
                midnight(today).checked_add_signed(TimeDelta::hours((since / hours + 1) * hours))
            }
            Self::Cron {
                hours,
                day,
                months,
                weekday,
            } => (0..HORIZON)
                .filter_map(|n| today.checked_add_days(Days::new(n)))
                .filter(|date| months.contains(&date.month()) && falls_on(*date, day, weekday))
                .flat_map(|date| hours.iter().filter_map(move |hour| at(date, *hour)))
                .find(|start| *start > after),
        }
    }
}

fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}

fn at(date: NaiveDate, hour: u32) -> Option<DateTime<Utc>> {
    Some(date.and_time(NaiveTime::from_hms_opt(hour, 0, 0)?).and_utc())
}

/// Whether a day is one that the expression names, by its number or by its weekday.
fn falls_on(date: NaiveDate, day: &str, weekday: &str) -> bool {
    if day == "?" {
        return falls_on_weekday(date, weekday);
    }
    match day.strip_suffix('L') {
        Some("") => is_last_week(date) && date.succ_opt().is_none_or(|next| next.month() != date.month()),
        Some(name) => is_last_week(date) && number_of(name) == Some(number(date.weekday())),
        None => rules::values(day, 1, 31, &[]).is_some_and(|days| days.contains(&date.day())),
    }
}

fn falls_on_weekday(date: NaiveDate, field: &str) -> bool {
    let of_date = number(date.weekday());
    if let Some((name, nth)) = field.split_once('#') {
        return number_of(name) == Some(of_date) && rules::number(nth) == Some((date.day() - 1) / 7 + 1);
    }
    match field.strip_suffix('L') {
        // The last day of the week.
        Some("") => of_date == 7,
        Some(name) => is_last_week(date) && number_of(name) == Some(of_date),
        None => rules::values(field, 1, 7, &DAYS).is_some_and(|days| days.contains(&of_date)),
    }
}

/// Weekdays are numbered from Sunday, which is 1.
fn number(weekday: Weekday) -> u32 {
    weekday.number_from_sunday()
}

fn number_of(name: &str) -> Option<u32> {
    rules::value(name, 1, 7, &DAYS)
}

/// Whether the same weekday does not come again in the month.
fn is_last_week(date: NaiveDate) -> bool {
    date.checked_add_days(Days::new(7))
        .is_none_or(|later| later.month() != date.month())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    /// The next date after noon of Wednesday, 2026-04-15.
    fn next(rules: Value) -> String {
        let rotation = Rotation {
            enabled: true,
            lambda_arn: None,
            rules: Some(rules),
            last_rotated: None,
            counted_from: "2026-04-15T12:00:00Z".parse().unwrap(),
            under_way: None,
            external_metadata: None,
            external_role_arn: None,
        };
        rotation.next().unwrap().format("%m-%dT%H:%M:%S").to_string()
    }

    #[test]
    fn the_next_date_is_the_last_second_of_the_next_window() {
        for (schedule, duration, expected) in [
            ("rate(10 days)", None, "04-25T23:59:59"),
            ("rate(10 days)", Some("3h"), "04-25T02:59:59"),
            ("rate(4 hours)", None, "04-15T16:59:59"),
            ("rate(12 hours)", Some("2h"), "04-16T01:59:59"),
            ("cron(0 16 1,15 * ? *)", Some("2h"), "04-15T17:59:59"),
            ("cron(0 8 * * ? *)", None, "04-16T23:59:59"),
            ("cron(0 /8 * * ? *)", None, "04-15T16:59:59"),
            ("cron(0 0 L * ? *)", None, "04-30T23:59:59"),
            ("cron(0 3 SUNL * ? *)", None, "04-26T23:59:59"),
            ("cron(0 1 ? 1/3 SUN#1 *)", None, "07-05T23:59:59"),
            ("cron(0 17 ? * MON-FRI *)", Some("1h"), "04-15T17:59:59"),
            ("cron(0 17 ? * 6L *)", Some("1h"), "04-24T17:59:59"),
            ("cron(0 17 ? * L *)", Some("1h"), "04-18T17:59:59"),
            ("cron(0 0 29 FEB ? *)", None, "02-29T23:59:59"),
        ] {
            let mut rules = json!({"ScheduleExpression": schedule});
            if let Some(duration) = duration {
                rules["Duration"] = json!(duration);
            }
            assert_eq!(next(rules), expected, "{schedule} {duration:?}");
        }
        assert_eq!(next(json!({"AutomaticallyAfterDays": 30})), "05-15T23:59:59");
    }
}
