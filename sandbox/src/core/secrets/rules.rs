//! RotationRules: which schedules RotateSecret takes (Secrets Manager user guide, "Schedule expressions"). AWS's own
//! texts are not known.

use serde_json::Value;

use super::errors::invalid_parameter;
use crate::error::ApiError;

pub(super) const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
pub(super) const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The shortest time between rotations, in hours, and the longest, in days.
const MIN_HOURS: u32 = 4;
const MAX_DAYS: u32 = 999;

/// Refuses rules that Secrets Manager would not take. Whether it takes lists and ranges of hours is not documented;
/// `hour_lists` says so.
pub(crate) fn check(rules: &Value, hour_lists: bool) -> Result<(), ApiError> {
    if !rules.is_object() {
        return Err(ApiError::bad_request(
            "SerializationException",
            "RotationRules is not an object.",
        ));
    }
    let days = rules.get("AutomaticallyAfterDays").filter(|v| !v.is_null());
    let schedule = rules.get("ScheduleExpression").filter(|v| !v.is_null());
    // How long a window may be, in hours.
    let room = match (days, schedule) {
        (Some(_), Some(_)) => {
            return Err(invalid_parameter(
                "You can't specify both AutomaticallyAfterDays and ScheduleExpression.",
            ));
        }
        (Some(days), None) => {
            if !days.as_i64().is_some_and(|days| (1..=1000).contains(&days)) {
                return Err(invalid_parameter("AutomaticallyAfterDays must be between 1 and 1000."));
            }
            24
        }
        (None, Some(schedule)) => window_room(schedule.as_str().unwrap_or_default(), hour_lists).ok_or_else(|| {
            invalid_parameter("ScheduleExpression is not a rate() or cron() expression that rotation can have.")
        })?,
        (None, None) => 24,
    };
    match rules.get("Duration").filter(|v| !v.is_null()) {
        None => Ok(()),
        Some(text) => match text.as_str().and_then(duration) {
            Some(hours) if hours <= room => Ok(()),
            _ => Err(invalid_parameter(format!(
                "Duration must be written as hours, such as 3h, and the window must be over within {room} hours."
            ))),
        },
    }
}

/// Rules without what is no member of them.
pub(crate) fn known(rules: &Value) -> Value {
    let members = ["AutomaticallyAfterDays", "Duration", "ScheduleExpression"];
    let given = members
        .iter()
        .filter_map(|name| Some((*name, rules.get(name).filter(|v| !v.is_null())?)));
    given.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// `3h`; two or three characters (botocore model, `DurationType`).
pub(super) fn duration(text: &str) -> Option<u32> {
    let digits = text
        .strip_suffix('h')
        .filter(|digits| (1..=2).contains(&digits.len()))?;
    number(digits).filter(|hours| *hours > 0)
}

/// Checks an expression and says how long a window of it may be, in hours.
fn window_room(text: &str, hour_lists: bool) -> Option<u32> {
    if let Some(rate) = inside(text, "rate(") {
        return rate_room(rate);
    }
    let cron: Vec<&str> = inside(text, "cron(")?.split(' ').collect();
    let [minutes, hours, day, month, weekday, year] = cron.as_slice() else {
        return None;
    };
    let days = match (*day, *weekday) {
        ("?", weekday) => weekday != "?" && is_weekdays(weekday),
        (day, "?") => is_days(day),
        _ => false,
    };
    let rest = *minutes == "0" && *year == "*" && values(month, 1, 12, &MONTHS).is_some();
    (days && rest).then(|| hours_room(hours, hour_lists)).flatten()
}

pub(super) fn inside<'a>(text: &'a str, begin: &str) -> Option<&'a str> {
    text.strip_prefix(begin)?.strip_suffix(')')
}

fn rate_room(rate: &str) -> Option<u32> {
    let (number_text, unit) = rate.split_once(' ')?;
    let n = number(number_text)?;
    match unit {
        "hour" | "hours" => (MIN_HOURS..=MAX_DAYS * 24).contains(&n).then_some(n),
        "day" | "days" => (1..=MAX_DAYS).contains(&n).then_some(24),
        _ => None,
    }
}

/// One hour leaves a window the rest of the day; several leave it the time to the next.
fn hours_room(field: &str, lists: bool) -> Option<u32> {
    if !lists && field.contains([',', '-']) {
        return None;
    }
    let hours = hours(field)?;
    let gaps = hours.iter().zip(hours.iter().skip(1)).map(|(a, b)| b - a);
    match (gaps.min(), hours.as_slice()) {
        (Some(gap), _) => (gap >= MIN_HOURS).then_some(gap),
        (None, [hour]) => Some(24 - hour),
        (None, _) => None,
    }
}

/// The hours of a cron expression. `/8` is short for `0/8` (example of the guide).
pub(super) fn hours(field: &str) -> Option<Vec<u32>> {
    match field.strip_prefix('/') {
        Some(step) => values(&format!("0/{step}"), 0, 23, &[]),
        None => values(field, 0, 23, &[]),
    }
}

fn is_days(field: &str) -> bool {
    let last = |part: &str| part == "L" || part.strip_suffix('L').is_some_and(|day| DAYS.contains(&day));
    last(field) || values(field, 1, 31, &[]).is_some()
}

fn is_weekdays(field: &str) -> bool {
    if let Some((day, nth)) = field.split_once('#') {
        return value(day, 1, 7, &DAYS).is_some() && value(nth, 1, 5, &[]).is_some();
    }
    let last = |day: &str| day.is_empty() || value(day, 1, 7, &DAYS).is_some();
    field.strip_suffix('L').is_some_and(last) || values(field, 1, 7, &DAYS).is_some()
}

/// The values of a field of numbers, ranges, lists and steps, in order.
pub(super) fn values(field: &str, low: u32, high: u32, names: &[&str]) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(number(step).filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (value(from, low, high, names)?, value(to, low, high, names)?),
            None if range == "*" => (low, high),
            None => {
                let from = value(range, low, high, names)?;
                (from, if step.is_some() { high } else { from })
            }
        };
        let step = usize::try_from(step.unwrap_or(1)).ok()?;
        all.extend((from..=to).step_by(step));
    }
    all.sort_unstable();
    all.dedup();
    (!all.is_empty()).then_some(all)
}

pub(super) fn value(text: &str, low: u32, high: u32, names: &[&str]) -> Option<u32> {
    let named = names.iter().position(|name| *name == text);
    let value = match named {
        Some(at) => u32::try_from(at).ok()? + low,
        None => number(text)?,
    };
    (low..=high).contains(&value).then_some(value)
}

/// Digits only: no sign, no space.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn takes(schedule: &str) -> bool {
        check(&json!({"ScheduleExpression": schedule}), true).is_ok()
    }

    #[test]
    fn the_guides_examples_are_taken() {
        for schedule in [
            "rate(4 hours)",
            "rate(10 days)",
            "rate(1 day)",
            "cron(0 8 * * ? *)",
            "cron(0 0 L * ? *)",
            "cron(0 1 ? 1/3 SUN#1 *)",
            "cron(0 /8 * * ? *)",
            "cron(0 2/10 * * ? *)",
            "cron(0 0 ? 1/11 2#1 *)",
            "cron(0 17 ? * MON-FRI *)",
            "cron(0 3 SUNL * ? *)",
            "cron(0 3 1,15 JAN,JUL ? *)",
        ] {
            assert!(takes(schedule), "{schedule}");
        }
    }

    #[test]
    fn what_the_guide_rules_out_is_refused() {
        for schedule in [
            "",
            "rate(3 hours)",
            "rate(0 days)",
            "rate(1000 days)",
            "rate(+5 days)",
            "rate(30 minutes)",
            "cron(5 8 * * ? *)",
            "cron(0 8 * * * *)",
            "cron(0 8 ? * ? *)",
            "cron(0 8 * * ? 2030)",
            "cron(0 24 * * ? *)",
            "cron(0 /3 * * ? *)",
            "cron(0 * * * ? *)",
            "cron(0 8 15W * ? *)",
            "cron(0 8 * 13 ? *)",
            "cron(0 8 * * ?)",
        ] {
            assert!(!takes(schedule), "{schedule}");
        }
    }

    #[test]
    fn hours_in_lists_and_ranges_are_taken_only_if_asked_to() {
        for hours in ["8,20", "0-23/6"] {
            let rules = json!({"ScheduleExpression": format!("cron(0 {hours} * * ? *)")});
            assert!(check(&rules, true).is_ok(), "{hours}");
            assert!(check(&rules, false).is_err(), "{hours}");
        }
        assert!(!takes("cron(0 8,10 * * ? *)"), "less than four hours apart");
    }

    #[test]
    fn a_window_must_end_before_the_next_and_before_the_day() {
        let with = |schedule: &str, duration: &str| {
            check(&json!({"ScheduleExpression": schedule, "Duration": duration}), true).is_ok()
        };
        assert!(with("rate(4 hours)", "4h") && !with("rate(4 hours)", "5h"));
        assert!(with("cron(0 20 * * ? *)", "4h") && !with("cron(0 20 * * ? *)", "5h"));
        assert!(with("rate(10 days)", "24h") && !with("rate(10 days)", "25h"));
        for duration in ["3", "h", "0h", "3m", "100h"] {
            assert!(!with("rate(10 days)", duration), "{duration}");
        }
    }

    #[test]
    fn days_are_counted_to_a_thousand_and_stand_alone() {
        let days = |n: Value| check(&json!({"AutomaticallyAfterDays": n}), true);
        assert!(days(json!(1)).is_ok() && days(json!(1000)).is_ok());
        assert!(days(json!(0)).is_err() && days(json!(1001)).is_err() && days(json!("30")).is_err());
        let both = json!({"AutomaticallyAfterDays": 30, "ScheduleExpression": "rate(30 days)"});
        assert_eq!(check(&both, true).unwrap_err().code, "InvalidParameterException");
    }
}
