//! What a blackout covers, by the clocks of its zone.

use chrono_tz::Tz;

use crate::clock::Timestamp;
use crate::policy::{Blackout, BlackoutSpan};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn blackout(timezone: Tz, spans: &[&str]) -> Blackout {
    let spans = spans.iter().map(|text| BlackoutSpan::parse(text).unwrap());
    Blackout {
        timezone,
        spans: spans.collect(),
    }
}

/// Until when it lasts at each of these moments.
fn ends(blackout: &Blackout, cases: &[(&str, Option<&str>)]) {
    for (now, end) in cases {
        assert_eq!(blackout.end(at(now)), end.map(at), "{now}");
    }
}

#[test]
fn days_are_whole_and_both_count() {
    ends(
        &blackout(Tz::Europe__Berlin, &["2026-12-24/2027-01-02"]),
        &[
            ("2026-12-23T22:59:59Z", None),
            ("2026-12-23T23:00:00Z", Some("2027-01-02T23:00:00Z")),
            ("2027-01-02T22:59:59Z", Some("2027-01-02T23:00:00Z")),
            ("2027-01-02T23:00:00Z", None),
        ],
    );
    ends(
        &blackout(Tz::UTC, &["2026-12-24T18:00/2027-01-02T06:00"]),
        &[
            ("2026-12-24T17:59:59Z", None),
            ("2026-12-24T18:00:00Z", Some("2027-01-02T06:00:00Z")),
            ("2027-01-02T06:00:00Z", None),
        ],
    );
}

#[test]
fn what_comes_every_week_covers_its_days_and_goes_over_midnight() {
    // 5 June 2026 is a Friday.
    ends(
        &blackout(Tz::UTC, &["Fri 16:00-24:00", "Sat-Sun"]),
        &[
            ("2026-06-05T15:59:59Z", None),
            ("2026-06-05T16:00:00Z", Some("2026-06-08T00:00:00Z")),
            ("2026-06-07T23:59:59Z", Some("2026-06-08T00:00:00Z")),
            ("2026-06-08T00:00:00Z", None),
        ],
    );
    ends(
        &blackout(Tz::UTC, &["fri 22:00-06:00"]),
        &[
            ("2026-06-05T05:00:00Z", None),
            ("2026-06-05T22:00:00Z", Some("2026-06-06T06:00:00Z")),
            ("2026-06-06T05:59:59Z", Some("2026-06-06T06:00:00Z")),
            ("2026-06-06T22:30:00Z", None),
        ],
    );
    ends(
        &blackout(Tz::UTC, &["22:00-06:00", "Mon-Fri 08:00-18:00", "Sat-Mon 12:00-13:00"]),
        &[
            ("2026-06-03T03:00:00Z", Some("2026-06-03T06:00:00Z")),
            ("2026-06-03T07:00:00Z", None),
            ("2026-06-03T08:00:00Z", Some("2026-06-03T18:00:00Z")),
            ("2026-06-06T08:00:00Z", None),
            ("2026-06-07T12:00:00Z", Some("2026-06-07T13:00:00Z")),
            ("2026-06-09T19:00:00Z", None),
        ],
    );
}

#[test]
fn an_hour_that_comes_twice_is_covered_twice_and_one_that_is_left_out_is_none() {
    let berlin = Tz::Europe__Berlin;
    // On 25 October 2026 03:00 CEST is followed by 02:00 CET.
    ends(
        &blackout(berlin, &["02:00-03:00"]),
        &[
            ("2026-10-24T23:59:59Z", None),
            ("2026-10-25T00:00:00Z", Some("2026-10-25T02:00:00Z")),
            ("2026-10-25T01:30:00Z", Some("2026-10-25T02:00:00Z")),
            ("2026-10-25T02:00:00Z", None),
        ],
    );
    // On 29 March 2026 02:00 CET is followed by 03:00 CEST.
    ends(&blackout(berlin, &["02:00-03:00"]), &[("2026-03-29T01:00:00Z", None)]);
    ends(
        &blackout(berlin, &["22:00-02:30"]),
        &[
            ("2026-03-29T00:59:59Z", Some("2026-03-29T01:00:00Z")),
            ("2026-03-29T01:00:00Z", None),
        ],
    );
    ends(
        &blackout(berlin, &["Sun 02:30-06:00"]),
        &[
            ("2026-03-29T00:59:59Z", None),
            ("2026-03-29T01:00:00Z", Some("2026-03-29T04:00:00Z")),
        ],
    );
}

#[test]
fn what_is_left_is_what_no_entry_covers() {
    let blackout = blackout(Tz::UTC, &["01:00-02:00", "01:30-03:00", "04:00-05:00"]);
    let (from, until) = (at("2026-06-03T00:30:00Z"), at("2026-06-03T04:30:00Z"));
    let left = [
        (from, at("2026-06-03T01:00:00Z")),
        (at("2026-06-03T03:00:00Z"), at("2026-06-03T04:00:00Z")),
    ];
    assert_eq!(blackout.leaves(from, until), left);
    assert_eq!(Blackout::default().leaves(from, until), [(from, until)]);
    assert_eq!(
        blackout.leaves(at("2026-06-03T01:10:00Z"), at("2026-06-03T02:50:00Z")),
        []
    );
}

#[test]
fn one_that_never_ends_is_looked_at_for_a_year_only() {
    let always = blackout(Tz::UTC, &["Mon-Sun"]);
    let end = always.end(at("2026-06-03T12:00:00Z")).unwrap();
    assert!(
        end > at("2027-06-03T00:00:00Z") && end < at("2027-12-03T00:00:00Z"),
        "{end}"
    );
}

#[test]
fn what_is_no_blackout_says_what_to_write() {
    for (text, told) in [
        ("", "no blackout"),
        ("Christmas", "no blackout"),
        ("2026-12-24", "no blackout"),
        ("2026-02-30/2026-03-01", "no blackout"),
        ("2027-01-02/2026-12-24", "ends before it begins"),
        ("2026-12-24T18:00/2026-12-24T18:00", "ends before it begins"),
        ("Fri 16-24", "no blackout"),
        ("Fri 16:00-24:01", "no blackout"),
        ("Fri 24:00-06:00", "no blackout"),
        ("Fri 9:00-10:00", "no blackout"),
        ("Fry 09:00-10:00", "no blackout"),
        ("Fri 09:00-09:00", "no time at all"),
        ("Fri 09:00 10:00", "no blackout"),
    ] {
        let error = BlackoutSpan::parse(text).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}

#[test]
fn an_entry_is_shown_as_it_can_be_written() {
    for (written, shown) in [
        ("Sat-Sun", "Sat-Sun"),
        ("sun-mon", "Sun-Mon"),
        ("Fri 16:00-24:00", "Fri 16:00-24:00"),
        ("Fri-Mon 22:30-06:05", "Fri-Mon 22:30-06:05"),
        ("22:00-00:00", "22:00-24:00"),
        ("Mon-Sun", "Mon-Sun"),
        ("Wed-Tue 09:00-17:00", "09:00-17:00"),
        ("2026-12-24T18:00/2027-01-02T06:00", "2026-12-24T18:00/2027-01-02T06:00"),
        ("2026-12-24/2027-01-02", "2026-12-24T00:00/2027-01-03T00:00"),
    ] {
        let span = BlackoutSpan::parse(written).unwrap();
        assert_eq!(span.to_string(), shown);
        assert_eq!(BlackoutSpan::parse(shown), Ok(span), "{written}");
    }
}
