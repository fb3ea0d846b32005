//! Decisions on which a lockout would hang, without any I/O.

mod fixtures;
mod revoking;
mod rollback;
mod windows;

use std::time::Duration;

use super::*;
use crate::clock::after;
use crate::policy::Overlap;
use crate::rotation::observation::{LoginAnswer, Proof, UserSight};
use crate::rotation::version::version_id;

pub(super) use fixtures::{
    ACCEPTED, ARN, answers, decide, decide_at, decide_under, document, node, now, observation, policy, record, set,
    waits_for,
};

#[test]
fn a_promotion_needs_an_answer_of_every_node_to_both_passwords() {
    let pending = version_id(ARN, "a", 0);
    let labels: [(&str, &[&str]); 2] = [("a", &["AWSCURRENT"]), (&pending, &["AWSPENDING"])];
    let record = set(&pending);
    let mut complete = observation(&labels, 2);
    answers(&mut complete, &pending, &ACCEPTED);
    answers(&mut complete, "a", &ACCEPTED);
    let decision = decide(&complete, &record);
    assert!(
        matches!(
            decision,
            Decision::Act(Action::FinishSecret {
                proof: Proof::Proven,
                nodes: 3,
                ..
            })
        ),
        "{decision:?}"
    );

    for (credential, other) in [(pending.as_str(), "a"), ("a", pending.as_str())] {
        for given in 0..3 {
            let mut partial = observation(&labels, 2);
            answers(&mut partial, other, &ACCEPTED);
            answers(&mut partial, credential, &ACCEPTED[..given]);
            waits_for(&decide(&partial, &record), WaitReason::NodeUnreachable);
        }
    }
}

#[test]
fn one_node_that_refuses_the_pending_password_holds_promotion() {
    let pending = version_id(ARN, "a", 0);
    let mut seen = observation(&[("a", &["AWSCURRENT"]), (&pending, &["AWSPENDING"])], 2);
    answers(&mut seen, "a", &ACCEPTED);
    let mut given = ACCEPTED;
    given[2].1 = LoginAnswer::Refused;
    answers(&mut seen, &pending, &given);
    waits_for(&decide(&seen, &set(&pending)), WaitReason::NodeLagging);
}

#[test]
fn the_previous_password_is_not_called_dead_before_every_node_refused_it() {
    let current = version_id(ARN, "a", 0);
    let labels: [(&str, &[&str]); 2] = [(&current, &["AWSCURRENT"]), ("a", &["AWSPREVIOUS"])];
    let retiring = record(&[
        Event::RetirementStarted {
            version: current.clone(),
            previous: "a".to_owned(),
        },
        Event::WriteStarted,
        Event::PreviousRemoved {
            previous: "a".to_owned(),
        },
    ]);
    for given in 0..3 {
        let mut seen = observation(&labels, 1);
        answers(&mut seen, &current, &ACCEPTED);
        let refused: Vec<_> = (1..=given).map(|port| (port, LoginAnswer::Refused)).collect();
        answers(&mut seen, "a", &refused);
        let decision = decide(&seen, &retiring);
        assert!(
            !matches!(decision, Decision::Note(Event::Retired { .. })),
            "{given}: {decision:?}"
        );
    }
    let mut seen = observation(&labels, 1);
    answers(&mut seen, &current, &ACCEPTED);
    answers(
        &mut seen,
        "a",
        &[
            (1, LoginAnswer::Refused),
            (2, LoginAnswer::Refused),
            (3, LoginAnswer::Refused),
        ],
    );
    let decision = decide(&seen, &retiring);
    assert!(
        matches!(
            decision,
            Decision::Note(Event::Retired {
                proof: Proof::Proven,
                ..
            })
        ),
        "{decision:?}"
    );
}

#[test]
fn a_password_that_was_given_up_leaves_the_user_only_after_the_fence() {
    let given_up = version_id(ARN, "a", 0);
    let mut seen = observation(&[("a", &["AWSCURRENT"]), (&given_up, &[])], 2);
    seen.secret.last_changed = Some(now());
    answers(&mut seen, "a", &ACCEPTED);
    answers(&mut seen, &given_up, &ACCEPTED);
    let request = crate::rotation::event::Request {
        at: now(),
        over: Some("a".to_owned()),
        now: true,
        revoke_previous: false,
        by: None,
    };
    let record = record(&[
        Event::Abandoned {
            version: given_up.clone(),
        },
        Event::Requested(request),
    ]);
    let fence = policy().fence;
    // Not even for one who does not want to wait: its promotion may still be on its way.
    let early = decide_at(&seen, &record, after(now(), fence - Duration::from_secs(1)));
    assert!(
        matches!(early, Decision::Rest { until, .. } if until == after(now(), fence)),
        "{early:?}"
    );
    let late = decide_at(&seen, &record, after(now(), fence));
    let wanted = |action: &Action| matches!(action, Action::Retire { version, previous, .. } if version == "a" && *previous == given_up);
    assert!(matches!(&late, Decision::Act(action) if wanted(action)), "{late:?}");
}

#[test]
fn a_version_without_a_date_is_not_due_for_that() {
    let mut seen = observation(&[("a", &["AWSCURRENT"])], 1);
    seen.secret.versions.get_mut("a").unwrap().created = None;
    waits_for(&decide(&seen, &record(&[])), WaitReason::StatusUnsettled);
}

#[test]
fn a_promotion_whose_labels_are_read_late_is_not_made_again() {
    let pending = version_id(ARN, "a", 0);
    let promoted = Event::Promoted {
        version: pending.clone(),
        previous: "a".to_owned(),
        proof: Some(Proof::Proven),
        nodes: 3,
    };
    let record = set(&pending).apply(now(), &promoted).unwrap();
    let stale = observation(&[("a", &["AWSCURRENT"]), (&pending, &["AWSPENDING"])], 2);
    waits_for(&decide(&stale, &record), WaitReason::StatusUnsettled);
}

#[test]
fn a_password_that_was_given_up_is_not_mistaken_for_the_previous_one() {
    let given_up = version_id(ARN, "b", 0);
    let versions: [(&str, &[&str]); 3] = [("a", &["AWSPREVIOUS"]), ("b", &["AWSCURRENT"]), (&given_up, &[])];
    let mut seen = observation(&versions, 2);
    let refused = [
        (1, LoginAnswer::Refused),
        (2, LoginAnswer::Refused),
        (3, LoginAnswer::Refused),
    ];
    answers(&mut seen, "a", &refused);
    answers(&mut seen, "b", &ACCEPTED);
    answers(&mut seen, &given_up, &ACCEPTED);
    // The store is new, so nothing is known of what was retired.
    let due = after(now(), Duration::from_secs(31 * 86_400));
    let decision = decide_at(&seen, &record(&[]), due);
    let wanted = |action: &Action| matches!(action, Action::Retire { previous, .. } if *previous == given_up);
    assert!(
        matches!(&decision, Decision::Act(action) if wanted(action)),
        "{decision:?}"
    );

    answers(&mut seen, &given_up, &refused);
    let decision = decide_at(&seen, &record(&[]), due);
    assert!(
        matches!(
            decision,
            Decision::Halt {
                reason: HaltReason::UnknownPassword,
                ..
            }
        ),
        "a person's password stays: {decision:?}"
    );
}

#[test]
fn a_change_that_aws_refused_does_not_pass_a_strangers_password_off_as_ours() {
    let pending = version_id(ARN, "a", 0);
    let version = pending.clone();
    let refused = record(&[
        Event::RotationStarted {
            version: version.clone(),
            parent: "a".to_owned(),
            generation: 0,
            cause: None,
        },
        Event::PasswordCreated { version },
        Event::WriteStarted,
        Event::WriteRefused,
    ]);
    let mut seen = observation(&[("a", &["AWSCURRENT"]), (&pending, &["AWSPENDING"])], 2);
    answers(&mut seen, "a", &ACCEPTED);
    answers(
        &mut seen,
        &pending,
        &[
            (1, LoginAnswer::Refused),
            (2, LoginAnswer::Refused),
            (3, LoginAnswer::Refused),
        ],
    );
    let decision = decide(&seen, &refused);
    assert!(
        matches!(
            decision,
            Decision::Halt {
                reason: HaltReason::UnknownPassword,
                ..
            }
        ),
        "{decision:?}"
    );
}

#[test]
fn a_retirement_is_dropped_when_awscurrent_moved_on() {
    let begun = record(&[Event::RetirementStarted {
        version: "b".to_owned(),
        previous: "a".to_owned(),
    }]);
    let seen = observation(&[("a", &[]), ("b", &["AWSPREVIOUS"]), ("c", &["AWSCURRENT"])], 1);
    assert_eq!(decide(&seen, &begun), Decision::Note(Event::RetirementDropped));
    assert_eq!(begun.apply(now(), &Event::RetirementDropped).unwrap().retirement, None);
}
