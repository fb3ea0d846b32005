//! What is said of a rollback, and when it is called lost.

use super::*;
use crate::rotation::observation::Proof;
use crate::rotation::reason::UnprovenReason;
use crate::rotation::rollback::RollbackStart;
use crate::server::testing::{arn, at};

fn accepted() -> Accepted {
    Accepted {
        secret: "a".to_owned(),
        arn: arn("a"),
        current_version: Some("v2".to_owned()),
        requested_at: Some(at(0)),
    }
}

fn ended(sent: Option<Proof>, outcome: RollbackOutcome) -> Ended {
    let started = sent.map(|proof| RollbackStart {
        at: at(1),
        previous: "v1".to_owned(),
        proof,
        nodes: 0,
    });
    let rollback = Rollback {
        asked_at: at(0),
        until: at(60),
        version: "v2".to_owned(),
        now: false,
        started,
        outcome: Some(outcome),
    };
    Ended {
        rollback: Some(rollback),
        status: None,
    }
}

#[test]
fn a_rollback_that_no_login_proves_promises_no_login_and_no_rotation_before_one_is_due() {
    let unproven = Proof::Unproven(UnprovenReason::UserOff);
    let (exit, words) = ended(Some(unproven), RollbackOutcome::RolledBack { at: at(2) }).told("a");
    assert_eq!(exit, Exit::Done);
    assert!(!words.contains("log in"), "{words}");
    for told in ["keeps both passwords", "when it is due or asked for"] {
        assert!(words.contains(told), "{told}: {words}");
    }
}

#[test]
fn a_move_that_was_sent_and_not_confirmed_in_time_may_still_arrive_and_is_not_called_off() {
    let expired = || RollbackOutcome::Expired { at: at(61) };
    let sent = ended(Some(Proof::Proven), expired());
    let (exit, words) = sent.told("a");
    assert_eq!(exit, Exit::Failed);
    assert!(
        words.contains("may still arrive") && !words.contains("will not be any more"),
        "{words}"
    );
    assert_eq!(sent.report(&accepted()).result, "unknown");

    let never_sent = ended(None, expired());
    let (exit, words) = never_sent.told("a");
    assert_eq!(exit, Exit::Failed);
    assert!(words.contains("will not be any more"), "{words}");
    assert_eq!(never_sent.report(&accepted()).result, "expired");
}
