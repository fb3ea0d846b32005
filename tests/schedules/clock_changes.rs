//! What happens when the clock is set on or back: the table of docs/SCHEDULES.md, row by row.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use rekeyd::schedule::{self, openings_between};

/// A zone and the day of its calendar on which the clock is changed between midnight and four.
type Day = (Tz, &'static str);

/// 02:30 does not exist on it.
const NIGHTS_WITHOUT_HALF_PAST_TWO: [Day; 4] = [
    (Tz::Europe__Berlin, "2026-03-29"),
    (Tz::America__New_York, "2026-03-08"),
    (Tz::Australia__Sydney, "2026-10-04"),
    (Tz::Pacific__Auckland, "2026-09-27"),
];
/// 02:30 comes twice on it.
const NIGHTS_WITH_HALF_PAST_TWO_TWICE: [Day; 3] = [
    (Tz::Europe__Berlin, "2026-10-25"),
    (Tz::Australia__Sydney, "2026-04-05"),
    (Tz::Pacific__Auckland, "2026-04-05"),
];
/// It begins at 01:00: midnight does not exist.
const DAYS_WITHOUT_MIDNIGHT: [Day; 6] = [
    (Tz::America__Sao_Paulo, "2018-11-04"),
    (Tz::Africa__Cairo, "2026-04-24"),
    (Tz::Asia__Beirut, "2026-03-29"),
    (Tz::America__Havana, "2026-03-08"),
    (Tz::America__Santiago, "2026-09-06"),
    (Tz::America__Asuncion, "2023-10-01"),
];
/// It begins twice: at one, the clock is set back to midnight.
const DAYS_WITH_MIDNIGHT_TWICE: [Day; 2] = [
    (Tz::America__Havana, "2026-11-01"),
    (Tz::Atlantic__Azores, "2026-10-25"),
];
/// The evening before it comes twice: at midnight, the clock is set back to eleven.
const DAYS_AFTER_A_SECOND_EVENING: [Day; 4] = [
    (Tz::America__Sao_Paulo, "2019-02-17"),
    (Tz::Africa__Cairo, "2026-10-30"),
    (Tz::Asia__Beirut, "2026-10-25"),
    (Tz::America__Santiago, "2026-04-05"),
];

fn midnight(date: &str) -> NaiveDateTime {
    date.parse::<NaiveDate>().unwrap().and_hms_opt(0, 0, 0).unwrap()
}

/// The openings of a day of the zone's calendar, as its clock shows them, with the distance to UTC.
fn on_day(expression: &str, zone: Tz, date: &str) -> Vec<String> {
    let schedule = schedule::parse(expression, zone).unwrap();
    let day = midnight(date).and_utc();
    openings_between(&schedule, day - TimeDelta::hours(40), day + TimeDelta::hours(64))
        .map(|opening| opening.with_timezone(&zone))
        .filter(|opening| opening.date_naive() == midnight(date).date())
        .map(|opening| opening.format("%H:%M%:z").to_string())
        .collect()
}

/// The times of those, without the distance.
fn times(expression: &str, zone: Tz, date: &str) -> Vec<String> {
    let mut openings = on_day(expression, zone, date);
    openings.iter_mut().for_each(|opening| opening.truncate(5));
    openings
}

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn a_job_at_half_past_two_runs_at_three_when_there_is_no_half_past_two() {
    for (zone, date) in NIGHTS_WITHOUT_HALF_PAST_TWO {
        assert_eq!(times("30 2 * * *", zone, date), ["03:00"], "{zone}");
        assert_eq!(times("cron(0 2 * * ? *)", zone, date), ["03:00"], "{zone}");
    }
}

#[test]
fn a_job_at_half_past_two_runs_the_first_time_when_it_comes_twice() {
    for (zone, date) in NIGHTS_WITH_HALF_PAST_TWO_TWICE {
        assert_eq!(times("30 2 * * *", zone, date), ["02:30"], "{zone}");
        assert_eq!(times("cron(0 2 * * ? *)", zone, date), ["02:00"], "{zone}");
    }
    assert_eq!(on_day("30 2 * * *", Tz::Europe__Berlin, "2026-10-25"), ["02:30+02:00"]);
    assert_eq!(
        on_day("30 1 * * *", Tz::America__New_York, "2026-11-01"),
        ["01:30-04:00"]
    );
}

#[test]
fn a_job_at_midnight_runs_at_one_when_the_day_begins_there() {
    for (zone, date) in DAYS_WITHOUT_MIDNIGHT {
        for expression in ["0 0 * * *", "@daily", "cron(0 0 * * ? *)"] {
            assert_eq!(times(expression, zone, date), ["01:00"], "{zone} {expression}");
        }
    }
}

#[test]
fn a_job_at_midnight_runs_once_when_the_day_begins_twice_or_the_evening_before_it_does() {
    for (zone, date) in DAYS_WITH_MIDNIGHT_TWICE.into_iter().chain(DAYS_AFTER_A_SECOND_EVENING) {
        assert_eq!(times("0 0 * * *", zone, date), ["00:00"], "{zone}");
    }
}

#[test]
fn a_job_in_the_evening_that_comes_twice_runs_once() {
    for (zone, date) in DAYS_AFTER_A_SECOND_EVENING {
        let eve = (midnight(date).date() - TimeDelta::days(1)).to_string();
        assert_eq!(times("30 23 * * *", zone, &eve), ["23:30"], "{zone}");
    }
}

#[test]
fn a_daily_job_runs_once_on_each_day_of_years_with_changes() {
    let days = NIGHTS_WITHOUT_HALF_PAST_TWO
        .iter()
        .chain(&DAYS_WITHOUT_MIDNIGHT)
        .chain(&DAYS_WITH_MIDNIGHT_TWICE)
        .chain(&DAYS_AFTER_A_SECOND_EVENING);
    for (zone, date) in days {
        for expression in ["30 2 * * *", "0 0 * * *", "30 23 * * *"] {
            let schedule = schedule::parse(expression, *zone).unwrap();
            let first = midnight(date).and_utc() - TimeDelta::days(300);
            let openings = openings_between(&schedule, first, first + TimeDelta::days(600));
            let dates: Vec<NaiveDate> = openings.map(|at| at.with_timezone(zone).date_naive()).collect();
            let consecutive = dates.windows(2).all(|pair| pair[0].succ_opt() == Some(pair[1]));
            assert!(consecutive && dates.len() >= 599, "{expression} in {zone}");
        }
    }
}

#[test]
fn an_hourly_job_runs_in_every_hour_that_passes() {
    let schedule = schedule::parse("0 * * * *", Tz::America__New_York).unwrap();
    for (day, hours) in [("2026-03-08", 23), ("2026-11-01", 25), ("2026-07-01", 24)] {
        let openings = on_day("0 * * * *", Tz::America__New_York, day);
        assert_eq!(openings.len(), hours, "{openings:?}");
    }
    let week: Vec<_> = openings_between(
        &schedule,
        moment("2026-10-30T00:00:00Z"),
        moment("2026-11-06T00:00:00Z"),
    )
    .collect();
    assert!(week.windows(2).all(|pair| pair[1] - pair[0] == TimeDelta::hours(1)));
}

#[test]
fn a_job_of_every_ten_minutes_goes_on_through_both_changes() {
    for day in ["2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z"] {
        let schedule = schedule::parse("*/10 * * * *", Tz::Europe__Berlin).unwrap();
        let openings: Vec<_> = openings_between(&schedule, moment(day), moment(day) + TimeDelta::hours(4)).collect();
        assert_eq!(openings.len(), 24);
        assert!(
            openings
                .windows(2)
                .all(|pair| pair[1] - pair[0] == TimeDelta::minutes(10))
        );
    }
}

#[test]
fn a_job_of_some_minutes_of_one_hour_runs_once_if_they_are_skipped_and_once_each_if_they_are_repeated() {
    let zone = Tz::Europe__Berlin;
    assert_eq!(times("*/20 2 * * *", zone, "2026-03-29"), ["03:00"]);
    assert_eq!(
        on_day("*/20 2 * * *", zone, "2026-10-25"),
        ["02:00+02:00", "02:20+02:00", "02:40+02:00"]
    );
}

#[test]
fn a_job_of_every_second_hour_loses_none_and_gains_none() {
    let zone = Tz::America__New_York;
    assert_eq!(
        times("0 */2 * * *", zone, "2026-03-08")[..3],
        ["00:00", "03:00", "04:00"]
    );
    assert_eq!(times("0 1-23/2 * * *", zone, "2026-11-01")[..2], ["01:00", "03:00"]);
    for day in ["2026-03-08", "2026-11-01"] {
        assert_eq!(times("0 */2 * * *", zone, day).len(), 12, "{day}");
    }
}

#[test]
fn two_jobs_that_the_same_gap_moves_are_one() {
    assert_eq!(
        times("0,30 2,3 * * *", Tz::Europe__Berlin, "2026-03-29"),
        ["03:00", "03:30"]
    );
}

#[test]
fn half_an_hour_and_two_hours_are_skipped_and_repeated_alike() {
    assert_eq!(times("15 2 * * *", Tz::Australia__Lord_Howe, "2026-10-04"), ["02:30"]);
    assert_eq!(
        on_day("45 1 * * *", Tz::Australia__Lord_Howe, "2026-04-05"),
        ["01:45+11:00"]
    );
    assert_eq!(times("30 1 * * *", Tz::Antarctica__Troll, "2026-03-29"), ["03:00"]);
    assert_eq!(
        on_day("30 2 * * *", Tz::Antarctica__Troll, "2026-10-25"),
        ["02:30+02:00"]
    );
}

#[test]
fn a_day_that_a_calendar_leaves_out_is_made_up_for_when_the_next_one_begins() {
    // Samoa went from the 29th of December 2011 straight to the 31st.
    assert_eq!(times("0 8 30 12 *", Tz::Pacific__Apia, "2011-12-31"), ["00:00"]);
}
