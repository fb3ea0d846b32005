//! What holds for every schedule at every time.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use rekeyd::clock;
use rekeyd::policy::Schedule;
use rekeyd::schedule::{self, interval, next_after, opening_at_or_before, openings_between};

const EXPRESSIONS: [&str; 16] = [
    "90s",
    "36h",
    "rate(4 hours)",
    "rate(30 days)",
    "* * * * *",
    "*/7 * * * *",
    "30 * * * *",
    "30 2 * * *",
    "0 0 * * *",
    "*/10 2,23 * * *",
    "15 1-3 * * SUN",
    "0 0 13 * FRI",
    "0 0 29 2 *",
    "cron(0 8 1 * ? *)",
    "cron(0 /4 * * ? *)",
    "cron(0 0 ? * SUN#5 *)",
];

const ZONES: [Tz; 8] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::Africa__Cairo,
    Tz::America__Havana,
    Tz::Pacific__Apia,
    Tz::Africa__Casablanca,
];

fn schedules() -> impl Strategy<Value = Schedule> {
    let chosen = (prop::sample::select(&EXPRESSIONS[..]), prop::sample::select(&ZONES[..]));
    chosen.prop_map(|(expression, zone)| schedule::parse(expression, zone).unwrap())
}

/// Nanoseconds within a century around now, whole hours as often as not, so that openings themselves are among them.
fn moments() -> impl Strategy<Value = DateTime<Utc>> {
    let hours = (300_000_i64..1_200_000).prop_map(|hours| hours * 3_600_000_000_000);
    let any = 1_000_000_000_000_000_000_i64..4_000_000_000_000_000_000;
    prop_oneof![hours, any].prop_map(DateTime::from_timestamp_nanos)
}

/// All the time that chrono knows.
fn any_moments() -> impl Strategy<Value = DateTime<Utc>> {
    let (first, last) = (
        DateTime::<Utc>::MIN_UTC.timestamp(),
        DateTime::<Utc>::MAX_UTC.timestamp(),
    );
    (first..=last)
        .prop_map(|seconds| DateTime::from_timestamp(seconds, 999_999_999).unwrap_or(DateTime::<Utc>::MAX_UTC))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_next_opening_is_strictly_later(schedule in schedules(), at in moments()) {
        prop_assert!(next_after(&schedule, at) > at);
    }

    #[test]
    fn the_later_the_last_rotation_the_later_the_next(schedule in schedules(), at in moments(), more in 0_i64..400_000) {
        let later = at + TimeDelta::seconds(more);
        prop_assert!(next_after(&schedule, later) >= next_after(&schedule, at));
    }

    #[test]
    fn a_cron_expression_skips_no_opening(schedule in schedules(), at in moments(), within in 0_i64..200_000) {
        prop_assume!(matches!(schedule, Schedule::Cron(_)));
        let until = at + TimeDelta::seconds(within);
        let all: Vec<_> = openings_between(&schedule, at, until).collect();
        // From wherever one starts within, the rest is the same.
        let middle = at + TimeDelta::seconds(within / 2);
        let rest: Vec<_> = openings_between(&schedule, middle, until).collect();
        let expected: Vec<_> = all.iter().copied().filter(|opening| *opening > middle).collect();
        prop_assert_eq!(rest, expected);
        let just_before = |opening: &DateTime<Utc>| *opening - TimeDelta::nanoseconds(1);
        for opening in &all {
            prop_assert_eq!(next_after(&schedule, just_before(opening)), *opening);
        }
    }

    #[test]
    fn the_latest_opening_is_the_last_of_all(schedule in schedules(), at in moments(), within in 0_i64..400_000) {
        let now = at + TimeDelta::seconds(within);
        let all = openings_between(&schedule, at, now).last();
        prop_assert_eq!(opening_at_or_before(&schedule, at, now), all);
    }

    #[test]
    fn the_latest_opening_of_decades_is_followed_by_one_in_the_future(schedule in schedules(), at in moments()) {
        let last = at - TimeDelta::days(30_000);
        let latest = opening_at_or_before(&schedule, last, at).unwrap();
        prop_assert!(last < latest && latest <= at && next_after(&schedule, latest) > at);
    }

    #[test]
    fn no_two_openings_of_the_coming_years_are_nearer_than_the_interval(schedule in schedules(), hour in 0_i64..15_000) {
        let at = "2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(hour);
        let until = "2027-12-31T00:00:00Z".parse().unwrap();
        let openings: Vec<_> = openings_between(&schedule, at, until).take(50).collect();
        let shortest = interval(&schedule);
        for pair in openings.windows(2) {
            prop_assert!(clock::between(pair[0], pair[1]) >= shortest, "{} {pair:?}", schedule::describe(&schedule));
        }
    }

    #[test]
    fn no_time_is_too_absurd(schedule in schedules(), at in any_moments(), now in any_moments()) {
        let next = next_after(&schedule, at);
        prop_assert!(next > at || next == DateTime::<Utc>::MAX_UTC);
        if let Some(opening) = opening_at_or_before(&schedule, at, now) {
            prop_assert!(at < opening && opening <= now);
        }
        prop_assert!(openings_between(&schedule, at, now).take(3).all(|opening| at < opening && opening <= now));
    }
}
