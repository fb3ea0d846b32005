use super::duration::{DurationError, format, parse as parse_duration};
use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn parse(text: &str) -> Result<Schedule, ScheduleError> {
    super::parse(text, Tz::UTC)
}

/// A small generator of the same numbers on every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

#[test]
fn durations_are_read_in_every_unit() {
    for (text, millis) in [
        ("250ms", 250),
        ("2s", 2_000),
        ("10m", 600_000),
        ("1h30m", 5_400_000),
        ("24h", 86_400_000),
        ("30d", 2_592_000_000),
        ("1d2h3m4s5ms", 93_784_005),
        ("0s", 0),
        ("36500d", 3_153_600_000_000),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
    }
}

#[test]
fn what_is_no_duration_is_refused_with_the_reason() {
    for (text, error) in [
        ("", DurationError::Empty),
        ("10", DurationError::UnitMissing("10".into())),
        ("1h30", DurationError::UnitMissing("30".into())),
        ("2 parsecs", DurationError::UnitUnknown(" parsecs".into())),
        ("2w", DurationError::UnitUnknown("w".into())),
        ("1.5h", DurationError::UnitUnknown(".".into())),
        ("-1h", DurationError::NumberExpected("-1h".into())),
        ("+1h", DurationError::NumberExpected("+1h".into())),
        ("h", DurationError::NumberExpected("h".into())),
        ("30m1h", DurationError::Order("1h".into())),
        ("1h1h", DurationError::Order("1h".into())),
        ("36501d", DurationError::TooLong),
        ("18446744073709551615d", DurationError::TooLong),
        ("99999999999999999999999s", DurationError::TooLong),
        ("١s", DurationError::NumberExpected("١s".into())),
    ] {
        assert_eq!(parse_duration(text), Err(error), "{text}");
    }
}

#[test]
fn a_formatted_duration_reads_back_as_itself() {
    let mut numbers = Numbers(1);
    for round in 0..20_000 {
        let limit = [10, 5_000, 10_000_000, 3_153_600_000_000][round % 4];
        let duration = Duration::from_millis(numbers.below(limit));
        assert_eq!(parse_duration(&format(duration)), Ok(duration), "{duration:?}");
    }
    assert_eq!(format(Duration::from_secs(86_400)), "24h");
    assert_eq!(format(Duration::from_secs(30 * 86_400)), "30d");
    assert_eq!(format(Duration::from_secs(5_400)), "1h30m");
}

#[test]
fn schedules_are_read() {
    for (text, schedule) in [
        ("30d", Schedule::Every(Duration::from_secs(2_592_000))),
        ("90s", Schedule::Every(Duration::from_secs(90))),
        (" 1s ", Schedule::Every(Duration::from_secs(1))),
        ("rate(4 hours)", Schedule::RateHours(4)),
        ("rate(5 hour)", Schedule::RateHours(5)),
        ("rate(23976 hours)", Schedule::RateHours(23_976)),
        ("rate(1 day)", Schedule::RateDays(1)),
        ("rate( 999  days )", Schedule::RateDays(999)),
    ] {
        assert_eq!(parse(text), Ok(schedule), "{text}");
    }
}

#[test]
fn rates_outside_the_limits_of_secrets_manager_are_refused() {
    for (text, error) in [
        ("rate(3 hours)", ScheduleError::RateTooShort),
        ("rate(0 days)", ScheduleError::RateTooShort),
        ("rate(0 hours)", ScheduleError::RateTooShort),
        ("rate(1000 days)", ScheduleError::RateTooLong),
        ("rate(23977 hours)", ScheduleError::RateTooLong),
        ("rate(4294967295 days)", ScheduleError::RateTooLong),
        ("rate(99999999999 days)", ScheduleError::RateTooLong),
        ("rate(5 minutes)", ScheduleError::RateUnit("minutes".into())),
        ("rate(-4 hours)", ScheduleError::RateMalformed),
        ("rate(1.5 days)", ScheduleError::RateMalformed),
        ("rate(4hours)", ScheduleError::RateMalformed),
        ("rate(4 hours", ScheduleError::RateMalformed),
        ("rate 4 hours", ScheduleError::RateMalformed),
        ("rate()", ScheduleError::RateMalformed),
        ("500ms", ScheduleError::TooShort),
        ("0s", ScheduleError::TooShort),
    ] {
        assert_eq!(parse(text), Err(error), "{text}");
    }
}

#[test]
fn nonsense_is_refused_with_the_forms_that_exist() {
    let error = parse("whenever").unwrap_err().to_string();
    assert!(error.contains("rate(N hours|days)"), "{error}");
}

#[test]
fn a_plain_duration_counts_from_the_last_rotation() {
    let last = at("2026-03-01T08:15:30Z");
    assert_eq!(
        next_after(&Schedule::Every(Duration::from_secs(90)), last),
        at("2026-03-01T08:17:00Z")
    );
}

#[test]
fn rates_in_hours_fall_on_the_hour() {
    let last = at("2026-03-01T08:59:59.999Z");
    assert_eq!(next_after(&Schedule::RateHours(4), last), at("2026-03-01T12:00:00Z"));
    assert_eq!(
        next_after(&Schedule::RateHours(4), at("1969-12-31T23:30:00Z")),
        at("1970-01-01T03:00:00Z")
    );
}

#[test]
fn rates_in_days_fall_on_midnight_utc() {
    assert_eq!(
        next_after(&Schedule::RateDays(1), at("2026-02-28T23:59:00Z")),
        at("2026-03-01T00:00:00Z")
    );
    assert_eq!(
        next_after(&Schedule::RateDays(30), at("2026-01-31T00:00:00Z")),
        at("2026-03-02T00:00:00Z")
    );
}

#[test]
fn the_end_of_time_is_the_latest_date() {
    for schedule in [
        Schedule::Every(Duration::MAX),
        Schedule::RateHours(u32::MAX),
        Schedule::RateDays(u32::MAX),
    ] {
        assert_eq!(next_after(&schedule, Timestamp::MAX_UTC), Timestamp::MAX_UTC);
        assert!(upcoming(&schedule, Timestamp::MAX_UTC, usize::MAX).is_empty());
        next_after(&schedule, Timestamp::MIN_UTC);
    }
    assert!(upcoming(&Schedule::Every(Duration::ZERO), at("2026-01-01T00:00:00Z"), 5).is_empty());
}

#[test]
fn upcoming_dates_rise_by_one_interval_each() {
    let mut numbers = Numbers(2);
    for _ in 0..2_000 {
        let schedule = any_schedule(&mut numbers);
        let seconds = i64::try_from(numbers.below(4_000_000_000)).unwrap();
        let last = Timestamp::from_timestamp(seconds, 0).unwrap();
        let dates = upcoming(&schedule, last, 5);
        assert_eq!(dates.len(), 5, "{schedule:?}");
        assert!(dates[0] > last && dates[0] <= clock::after(last, interval(&schedule)));
        for pair in dates.windows(2) {
            assert_eq!(clock::between(pair[0], pair[1]), interval(&schedule), "{schedule:?}");
        }
    }
}

#[test]
fn a_described_schedule_reads_back_as_itself() {
    let mut numbers = Numbers(3);
    for _ in 0..5_000 {
        let schedule = any_schedule(&mut numbers);
        assert_eq!(parse(&describe(&schedule)), Ok(schedule));
    }
    assert_eq!(describe(&Schedule::RateDays(1)), "rate(1 day)");
}

#[test]
fn no_text_makes_the_parser_panic() {
    const PIECES: [&str; 16] = [
        "rate(",
        ")",
        " ",
        "4",
        "hours",
        "days",
        "d",
        "h",
        "ms",
        "99999999999",
        "cron(",
        "*",
        "é",
        "\u{0}",
        "-",
        "@",
    ];
    let mut numbers = Numbers(4);
    for _ in 0..20_000 {
        let pieces = numbers.below(8);
        let text: String = (0..pieces).map(|_| PIECES[numbers.below(16) as usize]).collect();
        if let Ok(schedule) = parse(&text) {
            assert_eq!(parse(&describe(&schedule)), Ok(schedule), "{text}");
        }
    }
}

fn any_schedule(numbers: &mut Numbers) -> Schedule {
    match numbers.below(3) {
        0 => Schedule::Every(Duration::from_millis(1_000 + numbers.below(100_000_000_000))),
        1 => Schedule::RateHours(4 + numbers.below(23_973) as u32),
        _ => Schedule::RateDays(1 + numbers.below(999) as u32),
    }
}
