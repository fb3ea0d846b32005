//! What is told of every event, once and by its right name.

use std::collections::BTreeSet;

use super::*;
use crate::clock::Timestamp;
use crate::rotation::event::{Pause, Request};
use crate::rotation::observation::Proof;
use crate::rotation::reason::{AttentionReason, DriftCause, HaltReason, RollbackRefusal, WaitReason};
use crate::rotation::rollback::RollbackRequest;
use crate::rotation::step::Step;

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn halted(reason: HaltReason, detail: &str) -> Event {
    Event::Halted {
        reason,
        detail: detail.to_owned(),
        subject: String::new(),
    }
}

fn attention(reason: AttentionReason, detail: &str) -> Event {
    Event::AttentionRaised {
        reason,
        detail: detail.to_owned(),
    }
}

fn drift(cause: DriftCause) -> Event {
    Event::DriftFound {
        version: "v1".to_owned(),
        cause,
        detail: "3 nodes".to_owned(),
        repair_from: None,
    }
}

fn promoted(version: &str) -> Event {
    Event::Promoted {
        version: version.to_owned(),
        previous: "v1".to_owned(),
        proof: Some(Proof::Proven),
        nodes: 3,
    }
}

/// What each of these tells, one after the other.
fn told(events: &[Event]) -> Vec<Vec<NoticeKind>> {
    let mut record = Record::new("arn".to_owned(), at(0));
    let mut told = Vec::new();
    for (second, event) in (1..).zip(events) {
        let after = record.clone().apply(at(second), event).unwrap();
        told.push(notices(&record, event, &after));
        record = after;
    }
    told
}

/// What an event tells by itself, whatever the record was. Whoever adds an event is made to decide here.
fn by_itself(event: &Event) -> &'static [NoticeKind] {
    match event {
        Event::Promoted { .. } => &[NoticeKind::Succeeded],
        Event::Retired { .. } => &[NoticeKind::Retired],
        Event::RolledBack { .. } => &[NoticeKind::RolledBack],
        Event::RevocationEnded { .. } => &[NoticeKind::Revoked],
        Event::Halted { .. } => &[NoticeKind::Halted],
        Event::AttentionRaised { .. } => &[NoticeKind::NeedsAttention],
        Event::DriftFound { .. } => &[NoticeKind::Drift],
        Event::Requested(_)
        | Event::RotationStarted { .. }
        | Event::RotationFound { .. }
        | Event::PasswordCreated { .. }
        | Event::WriteStarted
        | Event::WriteRefused
        | Event::PasswordSet { .. }
        | Event::SettlingStarted { .. }
        | Event::SettlingBroken { .. }
        | Event::FinishStarted { .. }
        | Event::Checked { .. }
        | Event::RetirementStarted { .. }
        | Event::PreviousRemoved { .. }
        | Event::NodesRefusePrevious { .. }
        | Event::RetirementDropped
        | Event::RotationDropped
        | Event::DriftEnded { .. }
        | Event::RepairStarted { .. }
        | Event::PasswordsRestored { .. }
        | Event::Repaired { .. }
        | Event::RollbackRequested(_)
        | Event::RollbackStarted { .. }
        | Event::RollbackRefused { .. }
        | Event::RollbackExpired
        | Event::AbandonStarted { .. }
        | Event::Abandoned { .. }
        | Event::MissedWindow { .. }
        | Event::Waiting { .. }
        | Event::WaitingEnded
        | Event::AttemptFailed { .. }
        | Event::AttentionCleared
        | Event::HaltCleared
        | Event::Acknowledged { .. }
        | Event::Paused(_)
        | Event::Resumed => &[],
    }
}

/// A whole life: every event that there is, in an order that a record allows.
fn life() -> Vec<Event> {
    let version = || "v2".to_owned();
    let mut life = rotation();
    life.extend([
        Event::RollbackRequested(RollbackRequest {
            at: at(0),
            until: at(90),
            version: version(),
            now: false,
            by: None,
        }),
        Event::RollbackRefused {
            reason: RollbackRefusal::Halted,
            detail: String::new(),
        },
        Event::RollbackExpired,
        Event::RollbackStarted {
            version: version(),
            previous: "v1".to_owned(),
            proof: Proof::Proven,
            nodes: 3,
        },
        Event::RolledBack {
            version: version(),
            previous: "v1".to_owned(),
        },
        Event::RevocationEnded {
            asked_at: at(0),
            seconds: 2.0,
            dead: Vec::new(),
        },
    ]);
    life.extend(trouble());
    life
}

fn rotation() -> Vec<Event> {
    let version = || "v2".to_owned();
    let parent = || "v1".to_owned();
    let started = || Event::RotationStarted {
        version: version(),
        parent: parent(),
        generation: 0,
        cause: None,
    };
    vec![
        Event::Requested(Request {
            at: at(0),
            over: None,
            now: false,
            revoke_previous: true,
            by: None,
        }),
        started(),
        Event::RotationDropped,
        Event::RotationFound {
            version: version(),
            parent: parent(),
            generation: 0,
        },
        Event::PasswordCreated { version: version() },
        Event::WriteStarted,
        Event::WriteRefused,
        Event::PasswordSet { version: version() },
        Event::SettlingStarted { step: Step::SetSecret },
        Event::SettlingBroken { step: Step::SetSecret },
        Event::AbandonStarted {
            version: version(),
            cause: String::new(),
        },
        Event::Abandoned { version: version() },
        started(),
        Event::FinishStarted {
            version: version(),
            proof: Proof::Proven,
            nodes: 3,
        },
        promoted("v2"),
        Event::RetirementStarted {
            version: version(),
            previous: parent(),
        },
        Event::RetirementDropped,
        Event::RetirementStarted {
            version: version(),
            previous: parent(),
        },
        Event::PreviousRemoved { previous: parent() },
        Event::NodesRefusePrevious { nodes: BTreeSet::new() },
        Event::Retired {
            version: version(),
            previous: parent(),
            proof: Proof::Proven,
            nodes: 3,
        },
    ]
}

fn trouble() -> Vec<Event> {
    let version = || "v1".to_owned();
    vec![
        Event::Waiting {
            reason: WaitReason::Modifying,
            detail: String::new(),
        },
        Event::WaitingEnded,
        Event::AttemptFailed {
            step: Step::SetSecret,
            message: String::new(),
            next_attempt_at: at(99),
        },
        attention(AttentionReason::Throttled, "a"),
        halted(HaltReason::UnknownPassword, "a"),
        Event::Acknowledged {
            reason: HaltReason::RolledBack,
            subject: String::new(),
        },
        Event::Paused(Pause {
            until: None,
            reason: None,
            by: None,
        }),
        Event::Resumed,
        Event::MissedWindow {
            version: version(),
            opening: at(0),
            closed_at: at(1),
            windows: 1,
            why: String::new(),
        },
        drift(DriftCause::Overwritten),
        Event::RepairStarted {
            version: version(),
            previous: None,
        },
        Event::PasswordsRestored { version: version() },
    ]
}

#[test]
fn every_event_tells_what_it_should_and_nothing_else() {
    let life = life();
    let expected: Vec<Vec<NoticeKind>> = life.iter().map(|event| by_itself(event).to_vec()).collect();
    for ((event, told), expected) in life.iter().zip(told(&life)).zip(expected) {
        assert_eq!(told, expected, "{}", event.label());
    }
    // What ends something is tried below; all others are in that life.
    let ends = [
        "attention_cleared",
        "halt_cleared",
        "drift_ended",
        "repaired",
        "checked",
    ];
    let tried: BTreeSet<&str> = life.iter().map(Event::label).chain(ends).collect();
    assert_eq!(tried.len(), 42, "an event that is not tried here: {tried:?}");
    let kinds: BTreeSet<NoticeKind> = told(&life).into_iter().flatten().collect();
    let of_ends = [
        NoticeKind::AttentionEnded,
        NoticeKind::HaltEnded,
        NoticeKind::DriftEnded,
    ];
    let all: BTreeSet<NoticeKind> = NoticeKind::ALL.iter().copied().collect();
    assert_eq!(kinds.into_iter().chain(of_ends).collect::<BTreeSet<_>>(), all);
}

#[test]
fn trouble_is_told_when_it_begins_when_its_reason_changes_and_when_it_is_over_and_never_for_new_words() {
    let told = told(&[
        halted(HaltReason::UnknownPassword, "2 passwords"),
        halted(HaltReason::UnknownPassword, "3 passwords"),
        halted(HaltReason::ForeignPending, "v7"),
        Event::HaltCleared,
        Event::HaltCleared,
        attention(AttentionReason::Throttled, "a"),
        attention(AttentionReason::Throttled, "b"),
        attention(AttentionReason::AccessDenied, "b"),
        Event::AttentionCleared,
        Event::AttentionCleared,
        drift(DriftCause::Network),
        drift(DriftCause::Network),
        drift(DriftCause::Overwritten),
        Event::DriftEnded {
            version: "v1".to_owned(),
            cause: DriftCause::Overwritten,
        },
    ]);
    use NoticeKind::{AttentionEnded, Drift, DriftEnded, HaltEnded, Halted, NeedsAttention};
    let expected: [&[NoticeKind]; 14] = [
        &[Halted],
        &[],
        &[Halted],
        &[HaltEnded],
        &[],
        &[NeedsAttention],
        &[],
        &[NeedsAttention],
        &[AttentionEnded],
        &[],
        &[Drift],
        &[],
        &[Drift],
        &[DriftEnded],
    ];
    assert_eq!(told, expected.map(<[NoticeKind]>::to_vec));
}

#[test]
fn a_promotion_that_is_seen_twice_is_told_once_and_ends_a_drift() {
    let told = told(&[
        drift(DriftCause::Overwritten),
        promoted("v2"),
        promoted("v2"),
        promoted("v3"),
    ]);
    assert_eq!(told[1], [NoticeKind::Succeeded, NoticeKind::DriftEnded]);
    assert_eq!(told[2], []);
    assert_eq!(told[3], [NoticeKind::Succeeded]);
}

#[test]
fn a_repair_or_a_login_that_succeeds_ends_a_drift() {
    let repaired = Event::Repaired {
        version: "v1".to_owned(),
        proof: Proof::Proven,
        nodes: 3,
    };
    let started = Event::RepairStarted {
        version: "v1".to_owned(),
        previous: None,
    };
    let checked = Event::Checked {
        version: "v1".to_owned(),
        proof: Proof::Proven,
        nodes: 3,
    };
    let of_repair = told(&[drift(DriftCause::Overwritten), started, repaired]);
    assert_eq!(of_repair[1..], [vec![], vec![NoticeKind::DriftEnded]]);
    let of_login = told(&[drift(DriftCause::Overwritten), checked]);
    assert_eq!(of_login[1], [NoticeKind::DriftEnded]);
}
