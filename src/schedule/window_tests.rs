//! In which window a secret may begin, and when within it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;

use super::*;
use crate::policy::{Blackout, BlackoutSpan, Window};
use crate::schedule::window::{Timing, Turn};

const HOURS_3: Duration = Duration::from_secs(3 * 3_600);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Daily at 03:00 UTC, for three hours.
fn daily() -> Schedule {
    parse("cron(0 3 * * ? *)", Tz::UTC).unwrap()
}

fn timing<'a>(schedule: &'a Schedule, blackout: &'a Blackout, arn: &'a str, last: &str) -> Timing<'a> {
    Timing {
        schedule,
        window: Some(Window::new(HOURS_3, Duration::ZERO)),
        blackout,
        arn,
        last: at(last),
    }
}

fn turn_at(now: &str) -> Turn {
    let (schedule, blackout) = (daily(), Blackout::default());
    timing(&schedule, &blackout, "arn:a", "2026-06-01T03:30:00Z").turn(at(now))
}

#[test]
fn without_a_window_a_rotation_is_due_at_the_opening_and_for_ever() {
    let (schedule, blackout) = (daily(), Blackout::default());
    let timing = Timing {
        window: None,
        ..timing(&schedule, &blackout, "arn:a", "2026-06-01T03:30:00Z")
    };
    let turn = timing.turn(at("2026-06-09T12:00:00Z"));
    assert_eq!(turn.begins_at, at("2026-06-02T03:00:00Z"));
    assert_eq!((turn.due_at, turn.closes_at), (turn.begins_at, None));
    assert_eq!(
        timing
            .closed(at("2026-01-01T00:00:00Z"), None, at("2026-06-09T12:00:00Z"))
            .count(),
        0
    );
}

#[test]
fn a_window_that_is_missed_gives_way_to_the_one_that_is_open_or_else_the_next() {
    let before = turn_at("2026-06-01T04:00:00Z");
    assert_eq!(before.opening, at("2026-06-02T03:00:00Z"));
    assert_eq!(before.due_at, before.begins_at);
    let open = turn_at("2026-06-04T03:00:01Z");
    assert_eq!(open.opening, at("2026-06-04T03:00:00Z"));
    assert_eq!(open.closes_at, Some(at("2026-06-04T06:00:00Z")));
    assert_eq!(open.due_at, before.due_at, "due since its first window");
    assert_ne!(
        open.begins_at - open.opening,
        before.begins_at - before.opening,
        "each opening spreads anew"
    );
    let closed = turn_at("2026-06-04T06:00:00Z");
    assert_eq!(closed.opening, at("2026-06-05T03:00:00Z"));
    assert!(closed.begins_at >= closed.opening);
}

#[test]
fn a_thousand_secrets_are_spread_evenly_and_never_to_the_close() {
    let (schedule, blackout) = (daily(), Blackout::default());
    let arns: Vec<String> = (0..1_000).map(|number| format!("arn:{number}")).collect();
    let mut tenths = BTreeMap::new();
    for arn in &arns {
        let turn = timing(&schedule, &blackout, arn, "2026-06-01T03:30:00Z").turn(at("2026-06-02T00:00:00Z"));
        let offset = turn.begins_at - turn.opening;
        assert!(
            offset >= chrono::Duration::zero() && offset < chrono::Duration::minutes(170),
            "{offset}"
        );
        *tenths.entry(offset.num_minutes() / 17).or_insert(0) += 1;
    }
    assert_eq!(tenths.len(), 10);
    assert!(tenths.values().all(|count| (70..=135).contains(count)), "{tenths:?}");
}

#[test]
fn starts_are_spread_over_what_a_blackout_leaves_of_the_window() {
    let schedule = daily();
    let blackout = Blackout {
        timezone: Tz::UTC,
        spans: vec![BlackoutSpan::parse("03:30-05:30").unwrap()],
    };
    let mut free = [0, 0];
    for number in 0..200 {
        let arn = format!("arn:{number}");
        let turn = timing(&schedule, &blackout, &arn, "2026-06-01T02:00:00Z").turn(at("2026-06-01T02:30:00Z"));
        let minutes = (turn.begins_at - at("2026-06-01T03:00:00Z")).num_minutes();
        assert!((0..30).contains(&minutes) || (150..170).contains(&minutes), "{minutes}");
        free[usize::from(minutes >= 150)] += 1;
    }
    assert!(free.iter().all(|count| *count > 40), "{free:?}");
    let all_night = Blackout {
        timezone: Tz::UTC,
        spans: vec![BlackoutSpan::parse("22:00-08:00").unwrap()],
    };
    let turn = timing(&schedule, &all_night, "arn:a", "2026-06-01T02:00:00Z").turn(at("2026-06-02T00:00:00Z"));
    assert!(turn.begins_at >= turn.opening, "it has a date even so");
}

#[test]
fn every_window_that_closed_counts_once_and_none_from_before() {
    let (schedule, blackout) = (daily(), Blackout::default());
    let timing = timing(&schedule, &blackout, "arn:a", "2026-06-01T03:30:00Z");
    let closed = |since: &str, counted: Option<&str>, now: &str| -> Vec<String> {
        let windows = timing.closed(at(since), counted.map(at), at(now));
        windows.map(|(opening, _)| opening.format("%d").to_string()).collect()
    };
    let ever = "2026-01-01T00:00:00Z";
    assert_eq!(closed(ever, None, "2026-06-02T05:59:59Z"), Vec::<String>::new());
    assert_eq!(closed(ever, None, "2026-06-02T06:00:00Z"), ["02"]);
    assert_eq!(closed(ever, None, "2026-06-05T00:00:00Z"), ["02", "03", "04"]);
    assert_eq!(
        closed(ever, Some("2026-06-03T03:00:00Z"), "2026-06-05T00:00:00Z"),
        ["04"]
    );
    assert_eq!(closed("2026-06-03T06:00:00Z", None, "2026-06-05T00:00:00Z"), ["04"]);
    assert_eq!(
        closed("2026-06-03T05:59:00Z", None, "2026-06-05T00:00:00Z"),
        ["03", "04"]
    );
}

#[test]
fn a_window_over_a_change_of_the_clocks_opens_once_and_lasts_as_long() {
    let schedule = parse("30 2 * * *", Tz::Europe__Berlin).unwrap();
    let blackout = Blackout::default();
    for (last, change) in [
        ("2026-03-28T02:00:00Z", "2026-03-29"),
        ("2026-10-24T02:00:00Z", "2026-10-25"),
    ] {
        let timing = timing(&schedule, &blackout, "arn:a", last);
        let turn = timing.turn(at(last));
        assert_eq!(turn.opening.format("%F").to_string(), change);
        assert_eq!(turn.closes_at, Some(turn.opening + chrono::Duration::hours(3)));
        let next = timing.turn(turn.closes_at.unwrap());
        assert!(
            next.opening - turn.opening > chrono::Duration::hours(23),
            "once that day"
        );
    }
}

/// Rotated on a Friday evening, every week; the blackout covers that evening.
fn weekly(blackout: &str) -> (Schedule, Blackout) {
    let spans = vec![BlackoutSpan::parse(blackout).unwrap()];
    let timezone = Tz::UTC;
    (parse("7d", Tz::UTC).unwrap(), Blackout { timezone, spans })
}

#[test]
fn a_window_of_an_interval_that_a_blackout_covers_each_time_opens_when_that_ends() {
    let (schedule, blackout) = weekly("Fri 16:00-24:00");
    // 2026-06-05 is a Friday.
    let timing = timing(&schedule, &blackout, "arn:a", "2026-06-05T18:00:00Z");
    let midnight = at("2026-06-13T00:00:00Z");
    for now in ["2026-06-05T19:00:00Z", "2026-06-12T22:00:00Z", "2026-06-13T02:59:00Z"] {
        let turn = timing.turn(at(now));
        assert_eq!(
            (turn.opening, turn.closes_at),
            (midnight, Some(midnight + HOURS_3)),
            "{now}"
        );
        assert!((midnight..midnight + HOURS_3).contains(&turn.begins_at), "{turn:?}");
        assert_eq!(turn.due_at, turn.begins_at);
    }
    let missed = timing.turn(at("2026-06-13T03:00:00Z"));
    assert_eq!(missed.opening, at("2026-06-20T00:00:00Z"));
    let closed = |counted: Option<&str>, now: &str| -> Vec<Timestamp> {
        let windows = timing.closed(at("2026-06-12T22:00:00Z"), counted.map(at), at(now));
        windows.map(|(opening, _)| opening).collect()
    };
    assert_eq!(closed(None, "2026-06-13T02:59:59Z"), Vec::<Timestamp>::new());
    assert_eq!(closed(None, "2026-06-13T03:00:00Z"), [midnight]);
    assert_eq!(
        closed(None, "2026-06-20T03:00:00Z"),
        [midnight, at("2026-06-20T00:00:00Z")]
    );
    assert_eq!(
        closed(Some("2026-06-13T00:00:00Z"), "2026-06-20T02:00:00Z"),
        Vec::<Timestamp>::new()
    );
}

#[test]
fn whenever_it_was_rotated_an_interval_has_a_start_that_no_blackout_covers_and_windows_in_order() {
    for (schedule, blackout) in [
        ("7d", "Fri 16:00-24:00"),
        ("7d", "Sat-Thu"),
        ("1d", "22:00-21:00"),
        ("4h", "Mon-Fri"),
        ("rate(4 hours)", "00:10-23:50"),
    ] {
        let (_, blackout) = weekly(blackout);
        let schedule = parse(schedule, Tz::UTC).unwrap();
        for hour in 0..7 * 24 {
            let last = at("2026-06-01T00:20:00Z") + chrono::Duration::hours(hour);
            let timing = timing(&schedule, &blackout, "arn:a", &last.to_rfc3339());
            let mut now = last;
            for _ in 0..12 {
                let turn = timing.turn(now);
                assert!(
                    turn.begins_at >= turn.opening && turn.begins_at < turn.closes_at.unwrap(),
                    "{turn:?}"
                );
                assert_eq!(blackout.end(turn.begins_at), None, "{schedule:?} {turn:?}");
                assert_eq!(
                    timing.turn(turn.begins_at).begins_at,
                    turn.begins_at,
                    "it stays until then"
                );
                now = turn.closes_at.unwrap();
            }
            let windows: Vec<_> = timing.closed(last, None, now).collect();
            assert!(
                windows.len() >= 12 && windows.windows(2).all(|pair| pair[0].1 <= pair[1].0),
                "{windows:?}"
            );
        }
    }
}

#[test]
fn with_until_next_rotation_the_last_start_leaves_time_for_retirement_and_fence() {
    let window = Window::new(HOURS_3, Duration::from_secs(1_800));
    assert_eq!(window.spread, Duration::from_secs(9_000));
    assert_eq!(Window::new(HOURS_3, Duration::ZERO).spread, Duration::from_secs(10_200));
    assert_eq!(
        Window::new(Duration::from_secs(60), Duration::ZERO).spread,
        Duration::from_secs(54)
    );
}
