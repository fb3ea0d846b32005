//! From events to what is told.

use super::episode::{Episode, Outcome};
use super::*;
use crate::clock::Timestamp;
use crate::rotation::event::Event;
use crate::rotation::observation::Proof;
use crate::rotation::reason::{HaltReason, UnprovenReason};
use crate::rotation::step::Step;
use crate::store::HistoryEntry;

const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-AbCdEf";

/// The history of these events, a second apart, as it is told: newest first.
fn history(events: Vec<Event>) -> Vec<Told> {
    let mut entries: Vec<HistoryEntry> = events
        .into_iter()
        .enumerate()
        .map(|(second, event)| HistoryEntry {
            at: Timestamp::from_timestamp(1_800_000_000 + second as i64, 0).unwrap(),
            secret_arn: ARN.to_owned(),
            event,
        })
        .collect();
    entries.reverse();
    gather(&entries)
}

fn episodes(told: &[Told]) -> Vec<&Episode> {
    let episodes = told.iter().filter_map(|told| match told {
        Told::Episode(episode) => Some(&**episode),
        Told::Event(_) => None,
    });
    episodes.collect()
}

fn started(version: &str, parent: &str) -> Event {
    Event::RotationStarted {
        version: version.to_owned(),
        parent: parent.to_owned(),
        generation: 0,
        cause: None,
    }
}

fn promoted(version: &str, previous: &str) -> Event {
    Event::Promoted {
        version: version.to_owned(),
        previous: previous.to_owned(),
        proof: Some(Proof::Proven),
        nodes: 3,
    }
}

fn retired(version: &str, previous: &str) -> Event {
    Event::Retired {
        version: version.to_owned(),
        previous: previous.to_owned(),
        proof: Proof::Proven,
        nodes: 3,
    }
}

#[test]
fn a_rotation_begun_again_after_a_crash_is_one_with_two_attempts() {
    let told = history(vec![
        started("v2", "v1"),
        started("v2", "v1"),
        Event::PasswordCreated {
            version: "v2".to_owned(),
        },
        Event::WriteStarted,
        Event::PasswordSet {
            version: "v2".to_owned(),
        },
        promoted("v2", "v1"),
    ]);
    let [rotation] = episodes(&told)[..] else {
        panic!("{told:#?}")
    };
    let steps: Vec<_> = rotation
        .steps
        .iter()
        .map(|stage| (stage.step, stage.attempts))
        .collect();
    assert_eq!(
        steps,
        [(Step::CreateSecret, 2), (Step::SetSecret, 1), (Step::TestSecret, 1)]
    );
    assert_eq!((rotation.seconds, rotation.result), (Some(5.0), Outcome::Promoted));
}

#[test]
fn what_is_older_than_the_history_is_not_made_up() {
    let told = history(vec![
        Event::PreviousRemoved {
            previous: "v1".to_owned(),
        },
        retired("v2", "v1"),
        started("v3", "v2"),
    ]);
    let [newest, oldest] = episodes(&told)[..] else {
        panic!("{told:#?}")
    };
    assert_eq!((newest.result, newest.steps.len()), (Outcome::UnderWay, 1));
    assert_eq!(
        (oldest.began_at, oldest.seconds, oldest.result),
        (None, None, Outcome::Promoted)
    );
    assert!(
        matches!(told.last(), Some(Told::Event(_))),
        "nobody knows whose password went: {told:#?}"
    );
}

#[test]
fn a_halt_on_the_way_says_why_until_it_is_over_and_what_happens_at_rest_stands_by_itself() {
    let halted = Event::Halted {
        reason: HaltReason::ForeignPending,
        detail: "version 9f".to_owned(),
        subject: "9f".to_owned(),
    };
    let told = history(vec![started("v2", "v1"), halted.clone()]);
    let failure = episodes(&told)[0].failure.clone().unwrap();
    assert!(
        failure.starts_with("halted, foreign_pending: ") && failure.contains("version 9f"),
        "{failure}"
    );
    let told = history(vec![
        started("v2", "v1"),
        halted.clone(),
        Event::HaltCleared,
        promoted("v2", "v1"),
    ]);
    assert_eq!(episodes(&told)[0].failure, None);
    let told = history(vec![started("v2", "v1"), promoted("v2", "v1"), halted]);
    assert!(matches!(&told[..], [Told::Event(_), Told::Episode(_)]), "{told:#?}");
}

#[test]
fn a_retirement_belongs_to_the_rotation_that_made_it_necessary_however_much_later_it_was() {
    let told = history(vec![
        started("v2", "v1"),
        promoted("v2", "v1"),
        Event::Resumed,
        Event::RetirementStarted {
            version: "v2".to_owned(),
            previous: "v1".to_owned(),
        },
        Event::WriteStarted,
        Event::PreviousRemoved {
            previous: "v1".to_owned(),
        },
        retired("v2", "v1"),
    ]);
    let [Told::Episode(rotation), Told::Event(_)] = &told[..] else {
        panic!("{told:#?}")
    };
    assert_eq!(rotation.seconds, Some(1.0), "clients had it then");
    let retire = rotation.steps.last().unwrap();
    assert_eq!(
        (retire.step, retire.seconds, retire.nodes),
        (Step::Retire, Some(3.0), Some(3))
    );
}

#[test]
fn what_no_node_proved_is_told_without_nodes() {
    let unproven = Proof::Unproven(UnprovenReason::UserOff);
    let promoted = Event::Promoted {
        version: "v2".to_owned(),
        previous: "v1".to_owned(),
        proof: Some(unproven),
        nodes: 0,
    };
    let checked = Event::Checked {
        version: "v2".to_owned(),
        proof: unproven,
        nodes: 0,
    };
    let told = history(vec![started("v2", "v1"), promoted, checked]);
    let told: String = told
        .iter()
        .map(|told| match told {
            Told::Episode(episode) => words::of_episode(episode).verdict,
            Told::Event(entry) => words::of_event(entry).unwrap().verdict,
        })
        .map(|verdict| verdict + "\n")
        .collect();
    assert!(told.contains("unproven (user_off) then\n"), "{told}");
    assert!(told.contains("checked: unproven (user_off)\n"), "{told}");
    assert!(!told.contains("0 nodes"), "{told}");
}
