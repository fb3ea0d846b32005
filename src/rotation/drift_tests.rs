//! When checks are made, and what the record makes of drift.

use std::collections::BTreeMap;

use super::*;
use crate::clock::after;
use crate::rotation::reason::HaltReason;

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
