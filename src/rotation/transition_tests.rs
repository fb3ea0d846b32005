//! Which version serves which request, and what a record keeps that cannot be believed as a whole.

use chrono::TimeDelta;

use super::*;
use crate::rotation::drift::{Drift, Repair};
use crate::rotation::observation::Proof;
use crate::rotation::reason::DriftCause;
use crate::rotation::revocation::Revocation;
use crate::rotation::rollback::{MovedBack, RollbackRequest};

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn record(events: &[(i64, Event)]) -> Record {
    let new = Record::new("arn".to_owned(), at(-3_600));
    events
        .iter()
        .fold(new, |record, (second, event)| record.apply(at(*second), event).unwrap())
}

fn asked(second: i64, revoke_previous: bool) -> (i64, Event) {
    let request = Request {
        at: at(second),
        over: Some("a".to_owned()),
        now: false,
        revoke_previous,
        by: None,
    };
    (second, Event::Requested(request))
}

fn started(second: i64, version: &str, parent: &str) -> (i64, Event) {
    let event = Event::RotationStarted {
        version: version.to_owned(),
        parent: parent.to_owned(),
        generation: 0,
        cause: None,
    };
    (second, event)
}

fn found(second: i64, version: &str, parent: &str) -> (i64, Event) {
    let event = Event::RotationFound {
        version: version.to_owned(),
        parent: parent.to_owned(),
        generation: 0,
    };
    (second, event)
}

fn promoted(second: i64, version: &str, previous: &str) -> (i64, Event) {
    let event = Event::Promoted {
        version: version.to_owned(),
        previous: previous.to_owned(),
        proof: Some(Proof::Proven),
        nodes: 3,
    };
    (second, event)
}

fn stands(record: &Record, version: &str, created: i64) -> bool {
    record.standing_request(version, Some(at(created))).is_some()
}

#[test]
fn a_request_from_before_the_rotation_is_served_by_it_and_one_from_during_it_by_the_next() {
    let before = record(&[asked(0, false), started(1, "b", "a"), promoted(60, "b", "a")]);
    assert_eq!(before.request, None);
    let mut during = record(&[started(0, "b", "a"), asked(1, false), promoted(60, "b", "a")]);
    // AWS's clock may be ahead, so that the version looks younger than the request.
    assert!(stands(&during, "b", 90));
    for (second, event) in [started(61, "c", "b"), promoted(120, "c", "b")] {
        during = during.apply(at(second), &event).unwrap();
    }
    assert_eq!(during.request, None);
}

#[test]
fn a_version_that_another_replica_put_first_serves_no_request_by_the_date_of_our_try() {
    for revoke_previous in [false, true] {
        // Our put conflicts, so the version is found; it may be older than the request, or younger.
        let record = record(&[
            asked(2, revoke_previous),
            started(3, "b", "a"),
            found(4, "b", "a"),
            promoted(60, "b", "a"),
        ]);
        assert!(stands(&record, "b", 1), "made before it was asked for");
        assert!(!stands(&record, "b", 3), "two that are both asked make one version");
    }
}

#[test]
fn a_rotation_that_begins_again_for_the_same_version_serves_only_what_was_asked_before_its_first_beginning() {
    let again = |second| [started(0, "b", "a"), asked(second, true), started(3, "b", "a")];
    let record = record(&[again(1).as_slice(), &[promoted(60, "b", "a")]].concat());
    assert!(stands(&record, "b", 90));
    assert!(record.revokes("b"), "the version may be older than the revocation");
}

#[test]
fn a_request_whose_date_a_set_back_clock_makes_future_is_served_by_the_next_rotation_and_then_is_over() {
    let mut record = record(&[started(0, "b", "a"), asked(30, true), promoted(-20, "b", "a")]);
    assert!(stands(&record, "b", 90));
    for (second, event) in [started(-10, "c", "b"), promoted(10, "c", "b")] {
        record = record.apply(at(second), &event).unwrap();
    }
    assert_eq!(record.request, None);
    assert!(!record.revokes("c"), "it was made for the request");
}

#[test]
fn a_plain_request_while_a_revoking_one_is_served_keeps_its_own_overlap() {
    let mut record = record(&[
        asked(0, true),
        started(1, "b", "a"),
        asked(10, false),
        promoted(60, "b", "a"),
    ]);
    assert!(record.promotion.as_ref().unwrap().revoke_previous);
    let request = record.request.clone().unwrap();
    assert!(!request.revoke_previous && request.over.as_deref() == Some("b"));
    for (second, event) in [started(70, "c", "b"), promoted(130, "c", "b")] {
        record = record.apply(at(second), &event).unwrap();
    }
    assert!(!record.promotion.as_ref().unwrap().revoke_previous);
    assert!(!record.revokes("b"));
}

#[test]
fn a_request_over_the_version_just_replaced_is_about_the_one_that_replaced_it() {
    let record = record(&[started(0, "b", "a"), promoted(60, "b", "a"), asked(61, false)]);
    assert!(stands(&record, "b", 90), "{:?}", record.request);
}

#[test]
fn what_revokes_outlives_an_edit_by_a_person_and_what_does_not_is_judged_by_the_age() {
    assert!(stands(&record(&[asked(0, true)]), "theirs", 60));
    assert!(!stands(&record(&[asked(0, false)]), "theirs", 60));
}

#[test]
fn a_record_from_the_future_is_forgotten_but_not_what_it_revokes() {
    let lies: [fn(&mut Record); 8] = [
        |record| {
            let request = RollbackRequest {
                at: at(7_200),
                until: at(9_000),
                version: "b".to_owned(),
                now: false,
                by: None,
            };
            *record = record
                .clone()
                .apply(at(7_200), &Event::RollbackRequested(request))
                .unwrap();
        },
        |record| {
            record.moved_back = Some(Box::new(MovedBack {
                version: "b".to_owned(),
                at: at(7_200),
            }));
        },
        |record| {
            record.drift = Some(Box::new(Drift {
                version: "b".to_owned(),
                cause: DriftCause::Overwritten,
                detail: String::new(),
                since: at(7_200),
                repair_from: None,
                fought: false,
            }));
        },
        |record| {
            record.repair = Some(Box::new(Repair {
                version: "b".to_owned(),
                previous: None,
                started_at: at(7_200),
                set_at: None,
            }));
        },
        |record| record.repairs.push(at(7_200)),
        |record| record.promotion.as_mut().unwrap().sent_at = Some(at(7_200)),
        |record| record.first_seen = at(7_200),
        |record| {
            let mut later = asked(7_200, false);
            later.0 = 0;
            *record = record.clone().apply(at(0), &later.1).unwrap();
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let mut lying = record(&[promoted(-60, "b", "a"), asked(0, true)]);
        assert!(lying.clone().believed(at(0)).promotion.is_some());
        lie(&mut lying);
        let believed = lying.believed(at(0));
        assert_eq!(believed.promotion, None, "{number}");
        let revocation = believed.revocation.as_deref();
        assert!(revocation.is_some_and(Revocation::is_open), "{number}");
        assert_eq!(believed.clone().believed(at(0)), believed, "{number}: forgotten twice");
    }
    let far = record(&[asked(0, true)]).believed(at(0) - TimeDelta::hours(2));
    assert!(far.revocation.is_none() && far.request.is_none());
}

#[test]
fn a_rotation_that_begins_after_a_request_serves_it_whatever_the_clock_of_the_replica_that_was_asked() {
    let (_, of_a_fast_clock) = asked(600, false);
    let events = [(600, of_a_fast_clock), started(1, "b", "a"), promoted(60, "b", "a")];
    assert_eq!(record(&events).request, None);
}

#[test]
fn a_plain_request_over_a_rotation_that_has_made_no_version_yet_is_served_by_the_version_that_it_makes_later() {
    let again = [
        started(0, "b", "a"),
        asked(30, false),
        started(60, "b", "a"),
        promoted(120, "b", "a"),
    ];
    let known = record(&again);
    assert_eq!(known.standing_request("b", Some(at(60))), None);
    // An attempt before the request may have made it, and its reply was lost.
    assert!(known.standing_request("b", Some(at(1))).is_some());
    let never_stopped = record(&[started(0, "b", "a"), asked(30, false), promoted(120, "b", "a")]);
    assert!(never_stopped.standing_request("b", Some(at(60))).is_some());
}

#[test]
fn a_request_from_before_any_version_was_seen_is_about_the_one_that_was_made_just_before_it() {
    let (second, event) = asked(0, false);
    let Event::Requested(request) = event else {
        unreachable!()
    };
    let known = record(&[(second, Event::Requested(Request { over: None, ..request }))]);
    assert!(
        stands(&known, "a", 299),
        "the machine's clock may be five minutes behind AWS's"
    );
    assert!(!stands(&known, "a", 301));
}
