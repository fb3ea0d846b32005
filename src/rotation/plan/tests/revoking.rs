//! What a revocation waits for, and what it does not end with.

use super::*;
use crate::rotation::event::Request;
use crate::rotation::reason::RollbackRefusal;
use crate::rotation::rollback::RollbackRequest;

const MINUTE: Duration = Duration::from_secs(60);
const REFUSED: [(u16, LoginAnswer); 3] = [
    (1, LoginAnswer::Refused),
    (2, LoginAnswer::Refused),
    (3, LoginAnswer::Refused),
];

fn fence() -> Duration {
    policy().fence
}

fn revoke(over: &str, hurried: bool) -> Event {
    Event::Requested(Request {
        at: now(),
        over: Some(over.to_owned()),
        now: hurried,
        revoke_previous: true,
        by: None,
    })
}

fn rollback_of(version: &str) -> Event {
    Event::RollbackRequested(RollbackRequest {
        at: now(),
        until: after(now(), 30 * MINUTE),
        version: version.to_owned(),
        now: true,
        by: None,
    })
}

/// `a` under AWSPREVIOUS, its child under AWSCURRENT, and both passwords on the user.
fn overlapping() -> (String, Observation) {
    let current = version_id(ARN, "a", 0);
    let mut seen = observation(&[(&current, &["AWSCURRENT"]), ("a", &["AWSPREVIOUS"])], 2);
    answers(&mut seen, &current, &ACCEPTED);
    answers(&mut seen, "a", &ACCEPTED);
    (current, seen)
}

#[track_caller]
fn rests_until(decision: &Decision, wanted: Timestamp) {
    assert!(
        matches!(decision, Decision::Rest { until, .. } if *until == wanted),
        "{decision:?}"
    );
}

#[track_caller]
fn retires(decision: &Decision, wanted: &str) {
    assert!(
        matches!(decision, Decision::Act(Action::Retire { previous, .. }) if previous == wanted),
        "{decision:?}"
    );
}

#[test]
fn in_a_new_store_a_revocation_waits_until_no_rollback_of_an_earlier_process_can_arrive() {
    let (current, seen) = overlapping();
    let patient = record(&[revoke(&current, false)]);
    rests_until(&decide_at(&seen, &patient, after(now(), MINUTE)), after(now(), fence()));
    retires(&decide_at(&seen, &patient, after(now(), fence())), "a");
    let hurried = record(&[revoke(&current, true)]);
    retires(&decide_at(&seen, &hurried, after(now(), MINUTE)), "a");
}

#[test]
fn a_second_password_that_a_rollback_may_still_need_is_not_taken_away_even_for_now() {
    let (current, _) = overlapping();
    let given_up = version_id(ARN, &current, 0);
    let versions: [(&str, &[&str]); 3] = [(&current, &["AWSCURRENT"]), ("a", &["AWSPREVIOUS"]), (&given_up, &[])];
    let mut seen = observation(&versions, 2);
    answers(&mut seen, &current, &ACCEPTED);
    answers(&mut seen, "a", &ACCEPTED);
    answers(&mut seen, &given_up, &REFUSED);
    let sent = record(&[
        rollback_of(&current),
        Event::RollbackStarted {
            version: current.clone(),
            previous: "a".to_owned(),
            proof: Proof::Proven,
            nodes: 3,
        },
        Event::RollbackExpired,
        revoke(&current, true),
    ]);
    rests_until(&decide_at(&seen, &sent, after(now(), MINUTE)), after(now(), fence()));
    retires(&decide_at(&seen, &sent, after(now(), fence())), "a");
}

#[test]
fn a_person_who_edits_the_document_does_not_end_the_revocation_of_the_password_in_it() {
    let mut seen = observation(&[("theirs", &["AWSCURRENT"]), ("a", &["AWSPREVIOUS"])], 1);
    seen.values.insert("theirs".to_owned(), Ok(document("password of a")));
    seen.secret.versions.get_mut("theirs").unwrap().created = Some(after(now(), MINUTE));
    answers(&mut seen, "theirs", &ACCEPTED);
    let decision = decide_at(&seen, &record(&[revoke("a", false)]), after(now(), fence() + MINUTE));
    assert!(
        matches!(&decision, Decision::Act(Action::CreateSecret { parent, .. }) if parent == "theirs"),
        "{decision:?}"
    );
}

#[test]
fn what_was_retired_is_looked_at_again_once_an_unanswered_write_has_arrived_or_never_will() {
    let (current, seen) = overlapping();
    let (version, previous) = (current.clone(), "a".to_owned());
    let events = [
        Event::RotationStarted {
            version: version.clone(),
            parent: previous.clone(),
            generation: 0,
            cause: None,
        },
        Event::WriteStarted,
        Event::WriteStarted,
        Event::PasswordSet {
            version: version.clone(),
        },
        Event::Promoted {
            version: version.clone(),
            previous: previous.clone(),
            proof: Some(Proof::Proven),
            nodes: 3,
        },
        Event::Retired {
            version,
            previous,
            proof: Proof::Proven,
            nodes: 3,
        },
    ];
    let answered = events.iter().filter(|event| **event != Event::WriteStarted).cloned();
    let answered = record(&answered.collect::<Vec<_>>());
    let due = after(now(), Duration::from_secs(30 * 86_400));
    rests_until(&decide_at(&seen, &answered, after(now(), MINUTE)), due);

    let doubtful = record(&events);
    let arrival = after(now(), fence());
    rests_until(&decide_at(&seen, &doubtful, after(now(), MINUTE)), arrival);
    retires(&decide_at(&seen, &doubtful, arrival), "a");
    // Looked at once, it is left alone.
    let checked = Event::Checked {
        version: current,
        proof: Proof::Proven,
        nodes: 3,
    };
    let looked = doubtful.apply(arrival, &checked).unwrap();
    rests_until(&decide_at(&seen, &looked, after(arrival, MINUTE)), due);
}

#[test]
fn no_rollback_is_made_while_a_revocation_is_only_asked_for() {
    let (current, seen) = overlapping();
    let mut asked = record(&[revoke(&current, false), rollback_of(&current)]);
    // As a record that lost all else keeps it.
    asked.revocation = None;
    let decision = decide(&seen, &asked);
    assert!(
        matches!(
            &decision,
            Decision::Note(Event::RollbackRefused {
                reason: RollbackRefusal::RevocationOpen,
                ..
            })
        ),
        "{decision:?}"
    );
}

#[test]
fn a_revocation_ends_where_another_replica_promoted_its_rotation_and_rotated_again_meanwhile() {
    let ours = version_id(ARN, "a", 0);
    let theirs = version_id(ARN, &ours, 0);
    let newest = version_id(ARN, &theirs, 0);
    let once = observation(&[(&theirs, &["AWSCURRENT"]), (&ours, &["AWSPREVIOUS"]), ("a", &[])], 2);
    let versions: [(&str, &[&str]); 4] = [
        (&newest, &["AWSCURRENT"]),
        (&theirs, &["AWSPREVIOUS"]),
        (&ours, &[]),
        ("a", &[]),
    ];
    let twice = observation(&versions, 2);
    let policy = Policy {
        overlap: Overlap::UntilNextRotation,
        ..policy()
    };
    let later = after(now(), 2 * fence());
    for mut seen in [once, twice] {
        for version in [&newest, &theirs, &ours] {
            answers(&mut seen, version, &ACCEPTED);
        }
        let started = Event::RotationStarted {
            version: ours.clone(),
            parent: "a".to_owned(),
            generation: 0,
            cause: None,
        };
        let created = Event::PasswordCreated { version: ours.clone() };
        let mut known = record(&[revoke("a", false), started, created]);
        for noted in ["promoted", "revocation_ended", "checked"] {
            let decision = decide_under(&policy, &seen, &known, later);
            let Decision::Note(event) = &decision else {
                panic!("{decision:?}")
            };
            assert_eq!(event.label(), noted);
            known = known.apply(later, event).unwrap();
        }
        // What was made after the order goes no sooner than any other.
        let decision = decide_under(&policy, &seen, &known, later);
        let rests = matches!(
            &decision,
            Decision::Rest {
                phase: Phase::Overlap,
                ..
            }
        );
        assert!(rests, "{decision:?}");
    }
}
