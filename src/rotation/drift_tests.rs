//! When checks are made, and what the record makes of drift.

use std::collections::BTreeMap;

use super::*;
use crate::clock::after;
use crate::rotation::reason::HaltReason;
use crate::rotation::rollback::RollbackRequest;

const HOUR: Duration = Duration::from_secs(3_600);

fn arn(number: usize) -> String {
    format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:s{number}-abcdef")
}

fn start() -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
}

fn found(repair_from: Option<Timestamp>) -> Event {
    Event::DriftFound {
        version: "a".to_owned(),
        cause: DriftCause::Overwritten,
        detail: "refused by node:1".to_owned(),
        repair_from,
    }
}

fn drifted(repair_from: Option<Timestamp>) -> Record {
    Record::new(arn(1), start())
        .apply(start(), &found(repair_from))
        .unwrap()
}

#[test]
fn ten_thousand_checks_that_are_due_at_a_start_are_spread_over_minutes_and_one_is_made_at_once() {
    let mut by_second: BTreeMap<u64, u32> = BTreeMap::new();
    for secret in 0..10_000 {
        *by_second
            .entry(check_after_start(&arn(secret), 10_000).as_secs())
            .or_default() += 1;
    }
    assert!(by_second.len() >= 190, "{} seconds", by_second.len());
    assert!(by_second.values().all(|checks| *checks <= 100), "{by_second:?}");
    assert_eq!(check_after_start(&arn(1), 1), Duration::ZERO);
    assert_eq!(check_after_start(&arn(7), 10_000), check_after_start(&arn(7), 10_000));
}

#[test]
fn secrets_that_were_checked_together_drift_apart_and_none_is_checked_later_than_promised() {
    let (first, last) = (0..1_000)
        .map(|secret| heartbeat_of(&arn(secret), 6 * HOUR))
        .fold((6 * HOUR, Duration::ZERO), |(first, last), due| {
            (first.min(due), last.max(due))
        });
    assert!(last <= 6 * HOUR && first >= 6 * HOUR * 9 / 10);
    assert!(last - first > HOUR / 2, "{first:?} to {last:?}");
}

#[test]
fn looks_at_a_drifted_secret_grow_rarer_and_end_at_the_heartbeat() {
    let (record, discovery) = (drifted(None), HOUR / 4);
    let pause = |hours| record.halted_pause(after(start(), hours * HOUR), discovery, Some(6 * HOUR));
    assert_eq!(pause(0), discovery);
    assert_eq!(pause(4), 2 * HOUR);
    assert_eq!(pause(1_000), 6 * HOUR);
    let fresh = Record::new(arn(1), start());
    assert_eq!(fresh.halted_pause(start(), discovery, None), discovery);
}

#[test]
fn a_repair_that_is_to_come_is_not_slept_over() {
    let record = drifted(Some(after(start(), HOUR / 2)));
    let pause = record.halted_pause(
        after(start(), HOUR / 2 - Duration::from_secs(60)),
        HOUR / 4,
        Some(6 * HOUR),
    );
    assert_eq!(pause, Duration::from_secs(61));
    assert_eq!(
        record.halted_pause(after(start(), 9 * HOUR), HOUR / 4, Some(6 * HOUR)),
        HOUR / 4
    );
}

#[test]
fn three_repairs_within_a_day_are_enough_until_a_day_has_passed_or_an_operator_resumes() {
    let mut record = drifted(None);
    for hour in 0..3 {
        let at = after(start(), hour * HOUR);
        assert!(!record.repairs_used_up(at), "before repair {hour}");
        let repair = [
            Event::RepairStarted {
                version: "a".to_owned(),
                previous: None,
            },
            Event::WriteStarted,
            Event::PasswordsRestored {
                version: "a".to_owned(),
            },
        ];
        record = repair
            .iter()
            .fold(record, |record, event| record.apply(at, event).unwrap());
    }
    assert!(record.repairs_used_up(after(start(), 3 * HOUR)));
    assert!(!record.repairs_used_up(after(start(), 24 * HOUR)));
    let resumed = Event::Acknowledged {
        reason: HaltReason::RepairsUndone,
        subject: "a".to_owned(),
    };
    let record = record.apply(after(start(), 3 * HOUR), &resumed).unwrap();
    assert!(!record.repairs_used_up(after(start(), 3 * HOUR)));
}

#[test]
fn drift_keeps_its_date_when_it_is_worded_anew_and_its_end_starts_the_fence() {
    let later = after(start(), HOUR);
    let record = drifted(None).apply(later, &found(Some(later))).unwrap();
    assert_eq!(record.drift.as_ref().unwrap().since, start());
    let ended = Event::DriftEnded {
        version: "a".to_owned(),
        cause: DriftCause::Overwritten,
    };
    let record = record.apply(later, &ended).unwrap();
    assert_eq!((record.drift, record.settled_at), (None, Some(later)));
}

fn applied(record: Record, at: Timestamp, events: &[Event]) -> Record {
    events
        .iter()
        .fold(record, |record, event| record.apply(at, event).unwrap())
}

fn repair_started() -> Event {
    Event::RepairStarted {
        version: "a".to_owned(),
        previous: None,
    }
}

#[test]
fn drift_that_a_repair_heals_has_a_date_of_its_own_after_drift_that_none_does() {
    let off = Event::DriftFound {
        version: "a".to_owned(),
        cause: DriftCause::UserOff,
        detail: "off in its access string".to_owned(),
        repair_from: None,
    };
    let later = after(start(), 3_000 * HOUR);
    let record = applied(Record::new(arn(1), start()), start(), &[off]);
    assert_eq!(record.drifted_since("a", DriftCause::Passwordless), Some(start()));
    assert_eq!(record.drifted_since("a", DriftCause::Overwritten), None);
    assert_eq!(record.drifted_since("b", DriftCause::UserOff), None);
    let record = applied(record, later, &[found(None)]);
    assert_eq!(record.drift.as_ref().unwrap().since, later);
    assert_eq!(record.drifted_since("a", DriftCause::NodeOutOfStep), Some(later));
}

#[test]
fn a_repair_that_was_never_sent_is_not_spreading_whatever_write_before_it_was_never_answered() {
    let before = applied(drifted(None), start(), &[Event::WriteStarted]);
    let later = after(start(), HOUR);
    let begun = applied(before, later, &[repair_started()]);
    assert_eq!(begun.repair_made_at(), None);
    let sent = applied(begun, later, &[Event::WriteStarted]);
    assert_eq!(sent.repair_made_at(), Some(later));
}

#[test]
fn a_repair_that_is_never_answered_is_not_taken_for_a_move_of_a_rollback_that_was_given_up() {
    let asked = |at| {
        Event::RollbackRequested(RollbackRequest {
            at,
            until: after(at, HOUR),
            version: "a".to_owned(),
            now: false,
            by: None,
        })
    };
    let moved = Event::RollbackStarted {
        version: "a".to_owned(),
        previous: "p".to_owned(),
        proof: Proof::Proven,
        nodes: 3,
    };
    let record = applied(
        Record::new(arn(1), start()),
        start(),
        &[asked(start()), moved, Event::WriteRefused, Event::RollbackExpired],
    );
    let again = applied(record.clone(), start(), &[asked(start())]);
    assert!(again.rollback.unwrap().started.is_some(), "its own move is known");
    let later = after(start(), HOUR);
    let repaired = applied(record, later, &[found(None), repair_started(), Event::WriteStarted]);
    assert_eq!(repaired.doubtful_rollback(), None);
    let again = applied(repaired, later, &[asked(later)]);
    assert_eq!(
        again.rollback.unwrap().started,
        None,
        "the repair's write is not its own"
    );
    assert_eq!(again.open_write, Some(later));
}

#[test]
fn only_an_operator_or_the_end_of_the_drift_allows_repairs_again_after_they_were_undone() {
    let undone = Event::Halted {
        reason: HaltReason::RepairsUndone,
        detail: "again".to_owned(),
        subject: "a".to_owned(),
    };
    let record = applied(drifted(None), start(), &[undone]);
    let fought = |record: &Record| record.drift.as_ref().map(|drift| drift.fought);
    let later = after(start(), 100 * HOUR);
    let paused = Event::Halted {
        reason: HaltReason::SecretDeleted,
        detail: "for a while".to_owned(),
        subject: "a".to_owned(),
    };
    for passes in [
        vec![Event::HaltCleared],
        vec![paused, Event::HaltCleared],
        vec![found(Some(later))],
    ] {
        assert_eq!(
            fought(&applied(record.clone(), later, &passes)),
            Some(true),
            "{passes:?}"
        );
    }
    let resumed = Event::Acknowledged {
        reason: HaltReason::RepairsUndone,
        subject: "a".to_owned(),
    };
    assert_eq!(fought(&applied(record.clone(), later, &[resumed])), Some(false));
    let ended = Event::DriftEnded {
        version: "a".to_owned(),
        cause: DriftCause::Overwritten,
    };
    assert_eq!(fought(&applied(record, later, &[ended, found(None)])), Some(false));
}
