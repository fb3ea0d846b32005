//! What a refused current password leads to, decision by decision.

use std::collections::BTreeSet;

use super::tests::{ACCEPTED, answers, decide_under, node, now, observation, policy};
use super::*;
use crate::clock::after;
use crate::policy::{OnDrift, Verify};
use crate::rotation::observation::{Credential, LoginAnswer, Proof, UserSight};
use crate::rotation::reason::DriftCause;
use crate::rotation::version::version_id;

use super::tests::ARN;
const REFUSED: [(u16, LoginAnswer); 3] = [
    (1, LoginAnswer::Refused),
    (2, LoginAnswer::Refused),
    (3, LoginAnswer::Refused),
];

/// Under `on_drift = "repair"`: decides until something is to be done, with the events noted on the way.
fn decided(observation: &Observation, mut record: Record, now: Timestamp, policy: &Policy) -> (Decision, Record) {
    loop {
        match decide_under(policy, observation, &record, now) {
            Decision::Note(event) => record = record.apply(now, &event).unwrap(),
            decision => return (decision, record),
        }
    }
}

fn repairing() -> Policy {
    Policy {
        on_drift: OnDrift::Repair,
        ..policy()
    }
}

/// A secret that rekeyd rotated from `p` to its child, with the user's passwords' number.
fn rotated(password_count: u32) -> (Observation, String) {
    let current = version_id(ARN, "p", 0);
    let seen = observation(&[(&current, &["AWSCURRENT"]), ("p", &["AWSPREVIOUS"])], password_count);
    (seen, current)
}

fn fresh() -> Record {
    Record::new(ARN.to_owned(), now())
}

#[test]
fn a_repair_waits_out_the_fence_and_keeps_the_previous_password_only_if_it_logs_in() {
    for (previous, kept) in [(&REFUSED, None), (&ACCEPTED, Some("p".to_owned()))] {
        let (mut seen, current) = rotated(1);
        answers(&mut seen, &current, &REFUSED);
        answers(&mut seen, "p", previous);
        let policy = repairing();
        let (decision, record) = decided(&seen, fresh(), now(), &policy);
        assert!(
            matches!(
                decision,
                Decision::Halt {
                    reason: HaltReason::CurrentPasswordRefused,
                    ..
                }
            ),
            "{decision:?}"
        );
        assert_eq!(
            record.drift.as_ref().unwrap().repair_from,
            Some(after(now(), policy.fence))
        );
        let early = after(now(), policy.fence - Duration::from_secs(1));
        assert!(matches!(
            decided(&seen, record.clone(), early, &policy).0,
            Decision::Halt { .. }
        ));
        let (decision, _) = decided(&seen, record, after(now(), policy.fence), &policy);
        let repair = Action::Repair {
            user_id: "user1".to_owned(),
            version: current,
            previous: kept,
        };
        assert_eq!(decision, Decision::Act(repair));
    }
}

#[test]
fn a_repair_waits_for_an_answer_of_every_node_and_without_repair_nothing_is_done() {
    let (mut seen, current) = rotated(1);
    let some = [
        (1, LoginAnswer::Refused),
        (2, LoginAnswer::Refused),
        (3, LoginAnswer::Unreachable("down".to_owned())),
    ];
    answers(&mut seen, &current, &some);
    answers(&mut seen, "p", &REFUSED);
    for policy in [repairing(), policy()] {
        let (_, record) = decided(&seen, fresh(), now(), &policy);
        let (decision, _) = decided(&seen, record, after(now(), 3 * policy.fence), &policy);
        assert!(matches!(decision, Decision::Halt { .. }), "{decision:?}");
    }
}

#[test]
fn nodes_that_disagree_are_given_time_to_agree_before_they_are_repaired() {
    let (mut seen, current) = rotated(1);
    let some = [
        (1, LoginAnswer::Accepted),
        (2, LoginAnswer::Accepted),
        (3, LoginAnswer::Refused),
    ];
    answers(&mut seen, &current, &some);
    answers(&mut seen, "p", &REFUSED);
    let policy = repairing();
    let (_, record) = decided(&seen, fresh(), now(), &policy);
    let drift = record.drift.clone().unwrap();
    assert_eq!(
        (drift.cause, drift.detail),
        (DriftCause::NodeOutOfStep, format!("refused by {}", node(3)))
    );
    let timeout = policy.propagation_timeout;
    let early = decided(
        &seen,
        record.clone(),
        after(now(), timeout - Duration::from_secs(1)),
        &policy,
    )
    .0;
    assert!(matches!(early, Decision::Halt { .. }), "{early:?}");
    let late = decided(&seen, record, after(now(), timeout), &policy).0;
    assert!(matches!(late, Decision::Act(Action::Repair { .. })), "{late:?}");
}

#[test]
fn no_repair_is_made_around_the_date_at_which_other_replicas_may_begin_a_rotation() {
    let (mut seen, current) = rotated(1);
    answers(&mut seen, &current, &REFUSED);
    answers(&mut seen, "p", &REFUSED);
    let policy = repairing();
    let due = after(now(), Duration::from_secs(30 * 86_400));
    let found = due - chrono::TimeDelta::minutes(30);
    let (_, record) = decided(&seen, fresh(), found, &policy);
    assert_eq!(
        record.drift.as_ref().unwrap().repair_from,
        Some(after(due, policy.fence))
    );
}

#[test]
fn a_user_that_is_off_or_proved_over_the_api_only_is_never_repaired() {
    let (mut seen, current) = rotated(1);
    answers(&mut seen, &current, &REFUSED);
    answers(&mut seen, "p", &REFUSED);
    let api_only = Policy {
        verify: Verify::ApiOnly,
        ..repairing()
    };
    let mut off = seen.clone();
    if let UserSight::Seen(user) = &mut off.user {
        user.on = false;
    }
    for (observation, policy) in [(&seen, &api_only), (&off, &repairing())] {
        let (_, record) = decided(observation, fresh(), now(), policy);
        let (decision, _) = decided(observation, record, after(now(), 10 * policy.fence), policy);
        assert!(
            !matches!(decision, Decision::Act(Action::Repair { .. })),
            "{decision:?}"
        );
    }
}

#[test]
fn the_previous_password_is_tried_once_and_not_again_while_the_same_nodes_refuse() {
    let (mut seen, current) = rotated(1);
    answers(&mut seen, &current, &REFUSED);
    let wanted = Decision::Look(Look::Logins {
        username: "user1".to_owned(),
        credentials: vec![(Credential::Version("p".to_owned()), BTreeSet::new())],
    });
    let retired = Event::Retired {
        version: current,
        previous: "p".to_owned(),
        proof: Proof::Proven,
        nodes: 3,
    };
    let at_rest = fresh().apply(now(), &retired).unwrap();
    assert_eq!(decided(&seen, at_rest.clone(), now(), &policy()).0, wanted);
    let mut asked = seen.clone();
    answers(&mut asked, "p", &REFUSED);
    let (_, record) = decided(&asked, at_rest, now(), &policy());
    let (decision, _) = decided(&seen, record, after(now(), Duration::from_secs(900)), &policy());
    assert!(matches!(decision, Decision::Halt { .. }), "{decision:?}");
}

#[test]
fn a_pending_version_made_from_a_replaced_one_is_given_up_and_a_strangers_is_not() {
    let ours = version_id(ARN, "a", 0);
    let stranger = version_id("another secret", "a", 0);
    for (pending, given_up) in [(&ours, true), (&stranger, false)] {
        let labels: [(&str, &[&str]); 3] = [
            ("x", &["AWSCURRENT"]),
            ("a", &["AWSPREVIOUS"]),
            (pending, &["AWSPENDING"]),
        ];
        let (decision, _) = decided(&observation(&labels, 2), fresh(), now(), &policy());
        let abandon = Decision::Act(Action::Abandon {
            version: pending.clone(),
        });
        assert_eq!(decision == abandon, given_up, "{decision:?}");
        let foreign = matches!(
            decision,
            Decision::Halt {
                reason: HaltReason::ForeignPending,
                ..
            }
        );
        assert_eq!(foreign, !given_up, "{decision:?}");
    }
}

/// A user that every node refuses the current password of, found so at `now()`.
fn refusing() -> (Observation, Policy, Record) {
    let (mut seen, current) = rotated(1);
    answers(&mut seen, &current, &REFUSED);
    answers(&mut seen, "p", &REFUSED);
    let policy = repairing();
    let (_, record) = decided(&seen, fresh(), now(), &policy);
    (seen, policy, record)
}

#[test]
fn a_user_that_was_off_for_months_is_not_repaired_before_the_fence_of_what_was_found_then() {
    let (seen, policy, _) = refusing();
    let off = Event::DriftFound {
        version: rotated(1).1,
        cause: DriftCause::UserOff,
        detail: "off in its access string".to_owned(),
        repair_from: None,
    };
    let switched_on = after(now(), Duration::from_secs(86_400 * 20));
    let record = fresh().apply(now(), &off).unwrap();
    let (decision, record) = decided(&seen, record, switched_on, &policy);
    assert!(matches!(decision, Decision::Halt { .. }), "{decision:?}");
    let repair_from = record.drift.unwrap().repair_from;
    assert_eq!(repair_from, Some(after(switched_on, policy.fence)));
}

#[test]
fn what_was_undone_three_times_is_not_repaired_after_a_pause_but_after_a_resume_and_more_than_once() {
    let (seen, policy, record) = refusing();
    let undone = Event::Halted {
        reason: HaltReason::RepairsUndone,
        detail: "undone".to_owned(),
        subject: rotated(1).1,
    };
    let days_later = after(now(), Duration::from_secs(86_400 * 2));
    let apply = |record: Record, event: &Event| record.apply(now(), event).unwrap();
    let halted = apply(record, &undone);
    let after_a_pause = apply(halted.clone(), &Event::HaltCleared);
    let (decision, _) = decided(&seen, after_a_pause, days_later, &policy);
    assert!(
        matches!(
            decision,
            Decision::Halt {
                reason: HaltReason::RepairsUndone,
                ..
            }
        ),
        "{decision:?}"
    );
    let resume = Event::Acknowledged {
        reason: HaltReason::RepairsUndone,
        subject: rotated(1).1,
    };
    let mut record = apply(halted, &resume);
    for repair in 1..=2 {
        let at = after(days_later, repair * Duration::from_secs(3 * 3_600));
        let (decision, noted) = decided(&seen, record, at, &policy);
        assert!(
            matches!(decision, Decision::Act(Action::Repair { .. })),
            "repair {repair}: {decision:?}"
        );
        let (version, previous) = (rotated(1).1, None);
        let started = Event::RepairStarted {
            version: version.clone(),
            previous,
        };
        let restored = Event::PasswordsRestored { version };
        record = [started, Event::WriteStarted, restored]
            .iter()
            .fold(noted, |record, event| record.apply(at, event).unwrap());
    }
}
