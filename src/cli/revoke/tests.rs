//! What is said of passwords that died, and of those that no login could prove dead.

use super::*;
use crate::engine::control::Accepted;
use crate::rotation::reason::UnprovenReason;
use crate::server::testing::{arn, at, status};
use crate::words::facts::death;

fn dead(proof: Proof) -> DeadPassword {
    DeadPassword {
        version: "v1".to_owned(),
        at: at(90),
        proof,
        nodes: 3,
    }
}

fn watched(standing: Standing, dead: Vec<DeadPassword>) -> Watched {
    let mut status = status("a");
    status.revocation = Some(Revocation {
        asked_at: at(0),
        dead,
        safe: None,
        ended_at: (standing == Standing::Done).then(|| at(91)),
    });
    let accepted = Accepted {
        secret: "a".to_owned(),
        arn: arn("a"),
        current_version: Some("v1".to_owned()),
        requested_at: Some(at(0)),
    };
    Watched::ended(accepted, status, standing)
}

fn told(watched: &[Watched]) -> String {
    let header = ["SECRET", "USER", "RESULT", "AFTER", "PROOF", "NODES", "DETAIL"];
    let rows: Vec<_> = watched.iter().flat_map(rows).collect();
    format!("{}\n{}", table(header, &rows, false), Summary::of(watched).told())
}

#[test]
fn where_nothing_is_over_nothing_is_called_dead() {
    let told = told(&[watched(Standing::Failed("paused".to_owned()), Vec::new())]);
    assert!(told.contains("Dead in 0 of 1 secrets:"), "{told}");
    assert!(!told.contains("is dead"), "{told}");
    assert!(told.contains("1 FAILED"), "{told}");
}

#[test]
fn a_password_that_no_login_proves_dead_is_called_removed() {
    let unproven = dead(Proof::Unproven(UnprovenReason::UserOff));
    let words = told(&[watched(Standing::Done, vec![unproven.clone()])]);
    assert!(words.contains("removed") && !words.contains("dead "), "{words}");
    assert!(words.contains("no login could prove dead"), "{words}");
    let proven = dead(Proof::Proven);
    let words = told(&[watched(Standing::Done, vec![proven.clone()])]);
    assert!(words.contains("dead ") && !words.contains("removed"), "{words}");

    let all = Revocation {
        asked_at: at(0),
        dead: Vec::new(),
        safe: None,
        ended_at: None,
    };
    assert!(death(&all, &unproven).contains("v1 is removed after 90.0 s"));
    assert!(death(&all, &proven).contains("v1 is dead after 90.0 s"));
}
