//! What windows, blackouts and too many versions hold back, and what they do not.

use super::*;
use crate::policy::{Blackout, BlackoutSpan, Window};
use crate::rotation::event::Request;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Monthly, for an hour.
fn windowed() -> Policy {
    Policy {
        window: Some(Window::new(HOUR, Duration::ZERO)),
        ..policy()
    }
}

fn blacked_out(span: &str) -> Policy {
    Policy {
        blackout: Blackout {
            timezone: chrono_tz::Tz::UTC,
            spans: vec![BlackoutSpan::parse(span).unwrap()],
        },
        ..policy()
    }
}

/// When the first window after `now()` closes.
fn close() -> Timestamp {
    after(now(), 30 * DAY + HOUR)
}

fn current() -> Observation {
    let mut seen = observation(&[("a", &["AWSCURRENT"])], 1);
    answers(&mut seen, "a", &ACCEPTED);
    seen
}

fn checked(events: &[Event]) -> Record {
    let check = Event::Checked {
        version: "a".to_owned(),
        proof: Proof::Proven,
        nodes: 3,
    };
    record(&[&[check], events].concat())
}

fn request(now_at_once: bool, revoke_previous: bool) -> Event {
    Event::Requested(Request {
        at: after(now(), Duration::from_secs(1)),
        over: Some("a".to_owned()),
        now: now_at_once,
        revoke_previous,
        by: None,
    })
}

fn begins(decision: &Decision) -> bool {
    matches!(decision, Decision::Act(Action::CreateSecret { .. }))
}

fn rests(decision: &Decision, wanted: Phase, told: &str) {
    let fits = matches!(
        decision,
        Decision::Rest { phase, detail, .. } if *phase == wanted && detail.as_deref().unwrap_or_default().contains(told)
    );
    assert!(fits, "{decision:?}");
}

/// The record after the missed windows are noted, and how many they were.
fn noted(seen: &Observation, record: Record, at: Timestamp) -> (Record, u32) {
    match decide_under(&windowed(), seen, &record, at) {
        Decision::Note(event @ Event::MissedWindow { windows, .. }) => (record.apply(at, &event).unwrap(), windows),
        _ => (record, 0),
    }
}

#[test]
fn a_rotation_begins_inside_its_window_only_and_each_that_closes_is_noted_once() {
    let (seen, policy) = (current(), windowed());
    let decide = |record: &Record, at: Timestamp| decide_under(&policy, &seen, record, at);
    let record = checked(&[]);
    assert!(begins(&decide(&record, after(now(), 30 * DAY + HOUR * 59 / 60))));
    let (record, windows) = noted(&seen, record, close());
    assert_eq!(windows, 1);
    rests(&decide(&record, close()), Phase::Due, "1 missed");
    let (record, windows) = noted(&seen, record, after(close(), 65 * DAY));
    assert_eq!((windows, record.missed.as_ref().unwrap().count), (2, 3));
    assert_eq!(noted(&seen, record, after(close(), 65 * DAY)).1, 0);
}

#[test]
fn a_pause_is_why_a_window_was_missed_and_hides_no_count() {
    let (seen, policy) = (current(), windowed());
    let claims = Claims::default();
    let context = Context {
        policy: &policy,
        region: "us-east-1",
        now: close(),
        claims: &claims,
        other_policies: Vec::new(),
        shared_store: false,
        waited_for: "paused",
        paused: true,
        hold: None,
        drift_check: None,
        checks_from: close(),
        recheck: HOUR,
    };
    let decision = plan(&seen, &checked(&[]), &context);
    assert!(
        matches!(&decision, Decision::Note(Event::MissedWindow { why, .. }) if why == "paused"),
        "{decision:?}"
    );
}

#[test]
fn what_began_within_a_window_goes_on_after_its_close_and_a_new_try_waits_for_the_next() {
    let policy = windowed();
    let pending = version_id(ARN, "a", 0);
    let mut seen = observation(&[("a", &["AWSCURRENT"]), (&pending, &["AWSPENDING"])], 1);
    let begun_at = after(now(), 30 * DAY + HOUR / 2);
    seen.secret.versions.get_mut(&pending).unwrap().created = Some(begun_at);
    answers(&mut seen, "a", &ACCEPTED);
    let under_way = checked(&[
        Event::RotationStarted {
            version: pending.clone(),
            parent: "a".to_owned(),
            generation: 0,
            cause: None,
        },
        Event::PasswordCreated {
            version: pending.clone(),
        },
    ]);
    let later = after(close(), DAY);
    let decision = decide_under(&policy, &seen, &under_way, later);
    assert!(
        matches!(decision, Decision::Act(Action::SetSecret { .. })),
        "{decision:?}"
    );

    // Given up, with its password on the user: that goes, and the next password waits for a window.
    seen.secret.versions.get_mut(&pending).unwrap().stages.clear();
    let given_up = under_way
        .apply(
            begun_at,
            &Event::Abandoned {
                version: pending.clone(),
            },
        )
        .unwrap();
    assert_eq!(noted(&seen, given_up.clone(), later).1, 0, "it began in that window");
    rests(
        &decide_under(&policy, &seen, &given_up, later),
        Phase::Due,
        "1 pending passwords were given up",
    );
    if let UserSight::Seen(user) = &mut seen.user {
        user.password_count = 2;
    }
    answers(&mut seen, &pending, &ACCEPTED);
    let decision = decide_under(&policy, &seen, &given_up, later);
    assert!(matches!(decision, Decision::Act(Action::Retire { .. })), "{decision:?}");
}

#[test]
fn a_request_waits_for_no_window_and_for_a_blackout_unless_it_presses() {
    let seen = current();
    let soon = after(now(), HOUR);
    for (now_at_once, revoke, in_blackout) in [(false, false, false), (true, false, true), (false, true, true)] {
        let record = checked(&[request(now_at_once, revoke)]);
        assert!(begins(&decide_under(&windowed(), &seen, &record, soon)));
        let decision = decide_under(&blacked_out("Mon-Sun"), &seen, &record, soon);
        assert_eq!(begins(&decision), in_blackout, "{decision:?}");
        if !in_blackout {
            rests(&decision, Phase::Due, "`rotate --now` does not wait");
        }
    }
}

#[test]
fn a_first_password_waits_for_a_blackout_and_for_no_window() {
    let mut seen = observation(&[("a", &["AWSCURRENT"])], 0);
    let empty = format!(r#"{{"username":"user1","user_arn":"{}"}}"#, fixtures::USER);
    let empty = crate::secret::SecretDocument::parse(&empty).unwrap();
    seen.values.insert("a".to_owned(), Ok(empty));
    if let UserSight::Seen(user) = &mut seen.user {
        user.on = false;
    }
    let record = record(&[]);
    assert!(begins(&decide_under(&windowed(), &seen, &record, now())));
    rests(
        &decide_under(&blacked_out("Mon-Sun"), &seen, &record, now()),
        Phase::Due,
        "the end of a blackout",
    );
}

#[test]
fn versions_of_the_last_day_count_whoever_put_them() {
    let policy = Policy {
        max_versions_per_day: 2,
        ..policy()
    };
    let mut seen = observation(&[("a", &["AWSCURRENT"]), ("stranger", &[])], 1);
    answers(&mut seen, "a", &ACCEPTED);
    let record = |press| checked(&[request(press, false)]);
    let soon = after(now(), HOUR);
    rests(
        &decide_under(&policy, &seen, &record(false), soon),
        Phase::Due,
        &after(now(), DAY).format("until %F %TZ").to_string(),
    );
    assert!(begins(&decide_under(&policy, &seen, &record(true), soon)));
    seen.secret.versions.get_mut("stranger").unwrap().created = Some(now() - chrono::Duration::days(2));
    assert!(begins(&decide_under(&policy, &seen, &record(false), soon)));
}

#[test]
fn what_was_only_written_down_is_dropped_when_its_window_closes_or_a_blackout_begins() {
    let seen = current();
    let started = Event::RotationStarted {
        version: version_id(ARN, "a", 0),
        parent: "a".to_owned(),
        generation: 0,
        cause: None,
    };
    let during = after(now(), 30 * DAY + HOUR / 2);
    let record = || checked(std::slice::from_ref(&started));
    assert!(
        begins(&decide_under(&windowed(), &seen, &record(), during)),
        "while it may"
    );
    for (policy, at) in [
        (windowed(), after(close(), HOUR)),
        (blacked_out("00:00-24:00"), after(close(), HOUR)),
    ] {
        let decision = decide_under(&policy, &seen, &record(), at);
        assert_eq!(decision, Decision::Note(Event::RotationDropped));
        let dropped = record().apply(at, &Event::RotationDropped).unwrap();
        assert_eq!(dropped.rotation, None);
    }
    // The window that it was written down in counts like any other that closed without a start.
    let dropped = record().apply(close(), &Event::RotationDropped).unwrap();
    let (_, missed) = noted(&seen, dropped, after(close(), HOUR));
    assert_eq!(missed, 1);
    // What was put has begun.
    let put = checked(&[
        started.clone(),
        Event::PasswordCreated {
            version: version_id(ARN, "a", 0),
        },
    ]);
    let decision = decide_under(&windowed(), &seen, &put, after(close(), HOUR));
    assert_ne!(decision, Decision::Note(Event::RotationDropped));
}
