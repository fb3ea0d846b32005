//! Thousands of expressions that nobody wrote, around changes of the clock and far from them.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use rekeyd::schedule::{self, ScheduleError};

use super::oracle::{Case, ask, assert_agreed};

/// Changed in the night, at midnight, in the evening before, by half an hour and by two, in both hemispheres, in
/// Ramadan, no longer, and never.
const ZONES: [Tz; 18] = [
    Tz::UTC,
    Tz::America__New_York,
    Tz::Europe__Berlin,
    Tz::Europe__London,
    Tz::Australia__Sydney,
    Tz::Australia__Lord_Howe,
    Tz::America__Sao_Paulo,
    Tz::America__Havana,
    Tz::America__Santiago,
    Tz::America__St_Johns,
    Tz::America__Nuuk,
    Tz::Africa__Cairo,
    Tz::Africa__Casablanca,
    Tz::Asia__Beirut,
    Tz::Asia__Tehran,
    Tz::Asia__Kathmandu,
    Tz::Antarctica__Troll,
    Tz::Pacific__Auckland,
];

/// By zone, the days on which its clock was set on or back from 2015 to 2030.
fn changes() -> BTreeMap<&'static str, Vec<DateTime<Utc>>> {
    ZONES.iter().map(|zone| (zone.name(), changes_of(*zone))).collect()
}

fn changes_of(zone: Tz) -> Vec<DateTime<Utc>> {
    let offset = |at: &DateTime<Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    let first = date(2015, 1, 1);
    let days = (0..16 * 365).map(|day| first + TimeDelta::days(day));
    days.filter(|day| offset(day) != offset(&(*day + TimeDelta::days(1))))
        .collect()
}

fn date(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
    date.and_hms_opt(0, 0, 0).unwrap().and_utc()
}

fn pick<T: Copy>(chance: &mut StdRng, from: &[T]) -> T {
    *from.choose(chance).unwrap()
}

/// A field of a crontab in any of its forms; a bare star `star` times of ten.
fn field(chance: &mut StdRng, low: u32, high: u32, star: u32) -> String {
    if chance.random_range(0..10) < star {
        return "*".to_owned();
    }
    let one = |chance: &mut StdRng| {
        let from = chance.random_range(low..=high);
        let to = chance.random_range(from..=high);
        let step = chance.random_range(1..=(high - low) / 2 + 1);
        match chance.random_range(0..6) {
            0..3 => from.to_string(),
            3 => format!("{from}-{to}"),
            // A range of one and a step: some take it for a step from that value on.
            4 if to > from => format!("{from}-{to}/{step}"),
            4 => to.to_string(),
            _ => format!("*/{step}"),
        }
    };
    let items: Vec<String> = (0..chance.random_range(1..=3)).map(|_| one(chance)).collect();
    items.join(",")
}

fn crontab(chance: &mut StdRng) -> String {
    let months = ["JAN", "feb-Jul", "*", "*", "1-12/5", "*/3"];
    let weekdays = ["MON", "mon-FRI", "FRI-SUN", "5-7", "0", "7", "*/2", "SAT,SUN", "0-7/3"];
    let month = match chance.random_range(0..4) {
        0 => field(chance, 1, 12, 3),
        _ => pick(chance, &months).to_owned(),
    };
    let weekday = match chance.random_range(0..3) {
        0 => pick(chance, &weekdays).to_owned(),
        1 => field(chance, 0, 7, 3),
        _ => "*".to_owned(),
    };
    format!(
        "{} {} {} {month} {weekday}",
        field(chance, 0, 59, 1),
        field(chance, 0, 23, 2),
        field(chance, 1, 31, 7)
    )
}

fn aws(chance: &mut StdRng) -> String {
    let hour = chance.random_range(0..24);
    let hours = match chance.random_range(0..4) {
        0 => format!("{hour}/{}", chance.random_range(4..24)),
        1 => format!("/{}", chance.random_range(4..24)),
        2 => format!("{hour},{}", chance.random_range(0..24)),
        _ => hour.to_string(),
    };
    let days = [
        "*", "1", "1,15", "1-7", "1/7", "L", "SUNL", "6L", "/10", "*/5", "29", "31", "28-31", "10-20/3",
    ];
    let weekdays = [
        "*", "MON", "2", "MON-FRI", "2-6", "1/2", "TUE#3", "3#2", "sun#1", "FRI#5", "6L", "L", "FRIL", "1,4",
        "SUN,WED", "/3",
    ];
    let months = [
        "*",
        "*",
        "*",
        "1/3",
        "1/11",
        "JAN,APR,JUL,OCT",
        "2",
        "1-3",
        "*/5",
        "JUN-SEP/2",
    ];
    let month = pick(chance, &months);
    if chance.random() {
        format!("cron(0 {hours} {} {month} ? *)", pick(chance, &days))
    } else {
        format!("cron(0 {hours} ? {month} {} *)", pick(chance, &weekdays))
    }
}

/// The first of what `make` gives that has dates and that Secrets Manager would take.
fn readable(chance: &mut StdRng, zone: Tz, make: fn(&mut StdRng) -> String) -> String {
    loop {
        let expression = make(chance);
        match schedule::parse(&expression, zone) {
            Ok(_) => return expression,
            Err(ScheduleError::Never(_) | ScheduleError::AwsTooOften(_)) => {}
            Err(error) => panic!("{expression}: {error}"),
        }
    }
}

/// Mostly some days before a change of the clock, if there is any.
fn moment(chance: &mut StdRng, near: &[DateTime<Utc>], days_before: i64) -> DateTime<Utc> {
    let day = match near.choose(chance) {
        Some(change) if chance.random_range(0..5) > 0 => *change - TimeDelta::days(days_before),
        _ => date(2015, 1, 1) + TimeDelta::days(chance.random_range(0..5_000)),
    };
    day + TimeDelta::seconds(chance.random_range(0..86_400))
}

#[test]
fn crontabs_open_when_a_copy_of_debians_cron_would_run_them() {
    let changes = changes();
    let mut chance = StdRng::seed_from_u64(1);
    let cases: Vec<Case> = (0..3_000)
        .map(|_| {
            // Where an hour is cut in half, cronsim leaves out minutes that the clock shows again.
            let zone = pick(
                &mut chance,
                &ZONES.map(|zone| {
                    if zone == Tz::Australia__Lord_Howe {
                        Tz::UTC
                    } else {
                        zone
                    }
                }),
            );
            let expression = readable(&mut chance, zone, crontab);
            let after = moment(&mut chance, &changes[zone.name()], 1);
            Case {
                expression,
                zone,
                after,
                until: after + TimeDelta::days(40_000),
                most: 20,
            }
        })
        .collect();
    let answers = ask(&cases, &[]);
    assert_agreed(&cases, &answers.crontab);
}

#[test]
fn what_is_refused_for_want_of_dates_has_none_for_a_copy_of_debians_cron_either() {
    let never = [
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
        "* * 30-31 FEB *",
        "0 0 31 */2,*/11 */7",
    ];
    let case = |expression: &str| Case {
        expression: expression.to_owned(),
        zone: Tz::UTC,
        after: date(2026, 1, 1),
        until: date(2126, 1, 1),
        most: 1,
    };
    let cases = never.map(case);
    let dates = ask(&cases, &[]).crontab;
    for (expression, dates) in never.iter().zip(dates) {
        let refused = matches!(schedule::parse(expression, Tz::UTC), Err(ScheduleError::Never(_)));
        assert_eq!(refused, dates.is_empty(), "{expression}: {dates:?}");
    }
    assert!(matches!(
        schedule::parse(never[0], Tz::UTC),
        Err(ScheduleError::Never(_))
    ));
}

#[test]
fn crontabs_open_when_the_clock_on_the_wall_first_shows_or_passes_their_times() {
    let changes = changes();
    let mut chance = StdRng::seed_from_u64(2);
    let mut cases = Vec::new();
    for zone in ZONES {
        for _ in 0..6 {
            // One walk along the clock serves many expressions.
            let after = moment(&mut chance, &changes[zone.name()], 1);
            for _ in 0..12 {
                let expression = readable(&mut chance, zone, crontab);
                cases.push(Case {
                    expression,
                    zone,
                    after,
                    until: after + TimeDelta::days(3),
                    most: usize::MAX >> 12,
                });
            }
        }
    }
    let answers = ask(&[], &cases);
    assert_agreed(&cases, &answers.walk);
}

#[test]
fn secrets_managers_expressions_open_when_the_user_guide_says() {
    let changes = changes();
    let mut chance = StdRng::seed_from_u64(3);
    let mut cases = Vec::new();
    for zone in ZONES {
        let years = if zone == Tz::UTC { 5 } else { 0 };
        for _ in 0..3 {
            let after = moment(&mut chance, &changes[zone.name()], 30);
            for _ in 0..15 {
                let expression = readable(&mut chance, zone, aws);
                cases.push(Case {
                    expression,
                    zone,
                    after,
                    until: after + TimeDelta::days(45 + years * 100),
                    most: usize::MAX >> 12,
                });
            }
        }
    }
    let answers = ask(&[], &cases);
    assert_agreed(&cases, &answers.walk);
}
