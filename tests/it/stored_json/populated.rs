//! A record and events with every field set. Whoever adds a field is made to set it here by the compiler.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd::policy::Endpoint;
use rekeyd::rotation::cause::{Cause, CauseKind};
use rekeyd::rotation::drift::{Drift, Repair};
use rekeyd::rotation::event::{Event, Pause, Request};
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::{AttentionReason, DriftCause, HaltReason, RollbackRefusal, UnprovenReason, WaitReason};
use rekeyd::rotation::revocation::{DeadPassword, Revocation};
use rekeyd::rotation::rollback::{MovedBack, Rollback, RollbackOutcome, RollbackRequest, RollbackStart};
use rekeyd::rotation::state::{
    Attention, Check, Failure, Finishing, Halt, MissedWindows, Promotion, Record, Retired, Retirement, Rotation,
    Waiting,
};
use rekeyd::rotation::step::Step;

fn at(second: i64) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2027-01-15T08:00:00.123456789Z".parse().unwrap();
    start + TimeDelta::seconds(second)
}

fn pending() -> String {
    "b1346a80-feb8-8530-8d8b-c088955cc297".to_owned()
}

fn current() -> String {
    "aae5b963-1e6b-4250-91c6-ebd6c47d0d95".to_owned()
}

fn previous() -> String {
    "11111111-2222-4333-8444-555555555555".to_owned()
}

fn nodes() -> BTreeSet<Endpoint> {
    BTreeSet::from([Endpoint {
        host: "master.cache1.use1.cache.amazonaws.com".to_owned(),
        port: 6379,
    }])
}

fn request() -> Request {
    Request {
        at: at(14),
        over: Some(current()),
        now: true,
        revoke_previous: true,
        by: Some("alice".to_owned()),
    }
}

fn pause() -> Pause {
    Pause {
        until: Some(at(30)),
        reason: Some("maintenance".to_owned()),
        by: Some("alice".to_owned()),
    }
}

fn dead() -> Vec<DeadPassword> {
    vec![DeadPassword {
        version: previous(),
        at: at(16),
        proof: Proof::Proven,
        nodes: 3,
    }]
}

fn rotation() -> Rotation {
    Rotation {
        version: pending(),
        parent: current(),
        generation: 1,
        started_at: at(1),
        first_started_at: Some(at(0)),
        found: true,
        created: true,
        set_started: true,
        set_at: Some(at(2)),
        settled_since: Some(at(3)),
        finishing: Some(Finishing {
            proof: Proof::Proven,
            nodes: 3,
            at: at(4),
        }),
        abandoning: Some("older than pending_max_age".to_owned()),
    }
}

fn retirement() -> Retirement {
    Retirement {
        version: current(),
        previous: previous(),
        started_at: at(6),
        removed_at: Some(at(7)),
        settled_since: Some(at(8)),
        refused_by: nodes(),
    }
}

fn retired() -> Retired {
    Retired {
        version: current(),
        all: BTreeSet::from([previous()]),
        previous: previous(),
        at: at(9),
        proof: Proof::EndpointProven,
        nodes: 3,
    }
}

fn rollback() -> Rollback {
    Rollback {
        asked_at: at(19),
        until: at(25),
        version: current(),
        now: true,
        started: Some(RollbackStart {
            at: at(20),
            previous: previous(),
            proof: Proof::Proven,
            nodes: 3,
        }),
        outcome: Some(RollbackOutcome::Refused {
            at: at(21),
            reason: RollbackRefusal::PreviousRefused,
            detail: "refused by master.cache1.use1.cache.amazonaws.com:6379".to_owned(),
        }),
    }
}

fn drift() -> Drift {
    Drift {
        version: current(),
        cause: DriftCause::Overwritten,
        detail: "refused by master.cache1.use1.cache.amazonaws.com:6379".to_owned(),
        since: at(22),
        repair_from: Some(at(23)),
        fought: true,
    }
}

/// A record of a secret to which everything has happened at once.
pub fn record() -> Record {
    Record {
        secret_arn: "arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-eaFois".to_owned(),
        revision: 0,
        first_seen: at(0),
        policy: Some("orders".to_owned()),
        rotation: Some(Box::new(rotation())),
        promotion: Some(Box::new(Promotion {
            version: current(),
            previous: previous(),
            at: at(5),
            started_at: Some(at(4)),
            revoke_previous: true,
            sent_at: Some(at(4)),
        })),
        retirement: Some(Box::new(retirement())),
        retired: Some(Box::new(retired())),
        check: Some(Check {
            version: current(),
            proof: Proof::Unproven(UnprovenReason::UserOff),
            nodes: 0,
            at: at(10),
        }),
        never_set: BTreeSet::from([previous()]),
        settled_at: Some(at(11)),
        open_write: Some(at(12)),
        doubtful_write: Some(at(13)),
        request: Some(Box::new(request())),
        revocation: Some(Box::new(Revocation {
            asked_at: at(14),
            dead: dead(),
            safe: Some(pending()),
            ended_at: Some(at(17)),
        })),
        rollback: Some(Box::new(rollback())),
        missed: Some(Box::new(MissedWindows {
            version: current(),
            opening: at(4),
            count: 2,
        })),
        moved_back: Some(Box::new(MovedBack {
            version: current(),
            at: at(21),
        })),
        waiting: Some(Box::new(Waiting {
            reason: WaitReason::Modifying,
            detail: "user user1".to_owned(),
            since: at(15),
        })),
        failure: Some(Box::new(Failure {
            attempts: 2,
            step: Step::SetSecret,
            message: "ModifyUser of user1: throttled".to_owned(),
            next_attempt_at: at(16),
        })),
        attention: Some(Box::new(Attention {
            reason: AttentionReason::Throttled,
            detail: "ModifyUser of user1".to_owned(),
            since: at(17),
        })),
        halt: Some(Box::new(Halt {
            reason: HaltReason::UnknownPassword,
            detail: "user user1 has 2 passwords".to_owned(),
            subject: pending(),
            since: at(18),
        })),
        acknowledged: BTreeMap::from([(HaltReason::RolledBack, current())]),
        pause: Some(Box::new(pause())),
        drift: Some(Box::new(drift())),
        repair: Some(Box::new(Repair {
            version: current(),
            previous: Some(previous()),
            started_at: at(23),
            set_at: Some(at(24)),
        })),
        repairs: vec![at(24)],
    }
}

/// Every event, every field of it set.
pub fn events() -> Vec<Event> {
    let (version, parent) = (pending(), current());
    let detail = || "in words".to_owned();
    let mut events = of_a_rotation(&version, &parent);
    events.extend(of_drift_and_rollback(&version, &parent));
    events.extend([
        Event::AbandonStarted {
            version: version.clone(),
            cause: detail(),
        },
        Event::Abandoned { version },
        Event::MissedWindow {
            version: current(),
            opening: at(4),
            closed_at: at(5),
            windows: 2,
            why: detail(),
        },
        Event::Waiting {
            reason: WaitReason::Modifying,
            detail: detail(),
        },
        Event::WaitingEnded,
        Event::AttemptFailed {
            step: Step::SetSecret,
            message: detail(),
            next_attempt_at: at(9),
        },
        Event::AttentionRaised {
            reason: AttentionReason::Throttled,
            detail: detail(),
        },
        Event::AttentionCleared,
        Event::Halted {
            reason: HaltReason::UnknownPassword,
            detail: detail(),
            subject: parent.clone(),
        },
        Event::HaltCleared,
        Event::Acknowledged {
            reason: HaltReason::RolledBack,
            subject: parent,
        },
        Event::Paused(pause()),
        Event::Resumed,
    ]);
    events
}

fn of_a_rotation(version: &str, parent: &str) -> Vec<Event> {
    let (version, parent, proof, nodes_there) = (version.to_owned(), parent.to_owned(), Proof::Proven, 3);
    vec![
        Event::Requested(request()),
        Event::RotationStarted {
            version: version.clone(),
            parent: parent.clone(),
            generation: 1,
            cause: Some(Cause {
                kind: CauseKind::Request,
                since: Some(at(14)),
                by: Some("alice".to_owned()),
                retry: true,
            }),
        },
        Event::RotationFound {
            version: version.clone(),
            parent: parent.clone(),
            generation: 1,
        },
        Event::PasswordCreated {
            version: version.clone(),
        },
        Event::WriteStarted,
        Event::WriteRefused,
        Event::PasswordSet {
            version: version.clone(),
        },
        Event::SettlingStarted { step: Step::TestSecret },
        Event::SettlingBroken { step: Step::Retire },
        Event::FinishStarted {
            version: version.clone(),
            proof,
            nodes: nodes_there,
        },
        Event::Promoted {
            version: version.clone(),
            previous: parent.clone(),
            proof: Some(proof),
            nodes: nodes_there,
        },
        Event::Checked {
            version: version.clone(),
            proof,
            nodes: nodes_there,
        },
        Event::RetirementStarted {
            version: version.clone(),
            previous: parent.clone(),
        },
        Event::PreviousRemoved {
            previous: parent.clone(),
        },
        Event::NodesRefusePrevious { nodes: nodes() },
        Event::RetirementDropped,
        Event::RotationDropped,
        Event::Retired {
            version,
            previous: parent,
            proof,
            nodes: nodes_there,
        },
    ]
}

fn of_drift_and_rollback(version: &str, previous: &str) -> Vec<Event> {
    let (version, previous, proof, nodes) = (version.to_owned(), previous.to_owned(), Proof::Proven, 3);
    vec![
        Event::DriftFound {
            version: version.clone(),
            cause: DriftCause::Overwritten,
            detail: "in words".to_owned(),
            repair_from: Some(at(23)),
        },
        Event::DriftEnded {
            version: version.clone(),
            cause: DriftCause::UserOff,
        },
        Event::RepairStarted {
            version: version.clone(),
            previous: Some(previous.clone()),
        },
        Event::PasswordsRestored {
            version: version.clone(),
        },
        Event::Repaired {
            version: version.clone(),
            proof,
            nodes,
        },
        Event::RevocationEnded {
            asked_at: at(14),
            seconds: 2.5,
            dead: dead(),
        },
        Event::RollbackRequested(RollbackRequest {
            at: at(19),
            until: at(25),
            version: version.clone(),
            now: true,
            by: Some("alice".to_owned()),
        }),
        Event::RollbackStarted {
            version: version.clone(),
            previous: previous.clone(),
            proof,
            nodes,
        },
        Event::RolledBack { version, previous },
        Event::RollbackRefused {
            reason: RollbackRefusal::PreviousRefused,
            detail: "in words".to_owned(),
        },
        Event::RollbackExpired,
    ]
}

/// Every proof.
pub fn proofs() -> Vec<Proof> {
    let all = vec![
        Proof::Proven,
        Proof::EndpointProven,
        Proof::Unproven(UnprovenReason::UserOff),
    ];
    // A proof more needs a line above and here.
    for proof in &all {
        match proof {
            Proof::Proven | Proof::EndpointProven | Proof::Unproven(_) => {}
        }
    }
    all
}

/// Every end of a rollback.
pub fn outcomes() -> Vec<RollbackOutcome> {
    let all = vec![
        RollbackOutcome::RolledBack { at: at(21) },
        RollbackOutcome::Refused {
            at: at(21),
            reason: RollbackRefusal::PreviousRefused,
            detail: "in words".to_owned(),
        },
        RollbackOutcome::Expired { at: at(21) },
    ];
    // An outcome more needs a line above and here.
    for outcome in &all {
        match outcome {
            RollbackOutcome::RolledBack { .. } | RollbackOutcome::Refused { .. } | RollbackOutcome::Expired { .. } => {}
        }
    }
    all
}
