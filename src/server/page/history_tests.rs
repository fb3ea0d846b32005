//! The history of a secret, in words and as a picture.

use super::secret;
use super::tests::plain;
use super::timeline::timeline;
use crate::history::{Told, gather};
use crate::rotation::event::Event;
use crate::rotation::observation::Proof;
use crate::rotation::reason::WaitReason;
use crate::server::testing::{arn, at, status};
use crate::store::HistoryEntry;

fn entries(events: Vec<(i64, Event)>) -> Vec<HistoryEntry> {
    let entries = events.into_iter().rev().map(|(second, event)| HistoryEntry {
        at: at(second),
        secret_arn: arn("a"),
        event,
    });
    entries.collect()
}

/// A rotation that took a minute, half of which it waited, with a day's overlap and a retirement under way.
fn rotation() -> Vec<HistoryEntry> {
    let version = || "v2".to_owned();
    let previous = || "v1".to_owned();
    entries(vec![
        (
            -100_000,
            Event::RotationStarted {
                version: version(),
                parent: previous(),
                generation: 0,
                cause: None,
            },
        ),
        (-99_990, Event::PasswordCreated { version: version() }),
        (-99_985, Event::PasswordSet { version: version() }),
        (
            -99_980,
            Event::Waiting {
                reason: WaitReason::NodeLagging,
                detail: "node1".to_owned(),
            },
        ),
        (-99_950, Event::WaitingEnded),
        (
            -99_945,
            Event::FinishStarted {
                version: version(),
                proof: Proof::Proven,
                nodes: 3,
            },
        ),
        (
            -99_940,
            Event::Promoted {
                version: version(),
                previous: previous(),
                proof: Some(Proof::Proven),
                nodes: 3,
            },
        ),
        (
            -60,
            Event::RetirementStarted {
                version: version(),
                previous: previous(),
            },
        ),
    ])
}

#[test]
fn the_picture_has_a_bar_for_each_step_as_wide_as_it_took() {
    let told = gather(&rotation());
    let [Told::Episode(episode)] = &told[..] else {
        panic!("{told:?}")
    };
    let picture = timeline(episode, 1, None, at(0)).unwrap();
    let text = plain(&picture);
    assert!(
        text.starts_with("Steps of the rotation that began at 2027-01-14 04:13:20Z create: "),
        "{text}"
    );
    for part in [
        "create: the new password is written: 10.0 s",
        "set: ElastiCache takes it: 5.0 s",
        "test: every node accepts it: 40.0 s, 30.0 s waiting",
        "finish: AWSCURRENT moves: 5.0 s",
        "overlap: both passwords log in: 27 h",
        "retire: the previous one is removed: 60.0 s so far",
        "60.0 s from 2027-01-14 04:13:20Z. After that: 27 h so far from 2027-01-14 04:14:20Z.",
        "Hollow: waiting.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for bar in [
        "class=\"step\" x=\"0.00%\" y=\"20\" width=\"16.67%\"",
        "class=\"step\" x=\"25.00%\" y=\"92\" width=\"66.67%\"",
        "class=\"wait\" x=\"33.33%\" y=\"94\" width=\"50.00%\"",
        "class=\"overlap\" x=\"0.00%\" y=\"164\" width=\"99.94%\"",
        "class=\"retire\" x=\"99.20%\" y=\"200\" width=\"0.80%\"",
    ] {
        assert!(picture.0.contains(bar), "{bar}: {}", picture.0);
    }
}

#[test]
fn an_overlap_that_has_not_ended_is_drawn_only_where_the_previous_password_still_logs_in() {
    let promoted = rotation().split_off(1);
    let told = gather(&promoted);
    let [Told::Episode(episode)] = &told[..] else {
        panic!("{told:?}")
    };
    let picture = |overlaps| plain(&timeline(episode, 1, overlaps, at(0)).unwrap());
    assert!(picture(Some("v2")).contains("overlap: both passwords log in: 27 h so far"));
    assert!(
        !picture(None).contains("overlap"),
        "a first password has nothing before it"
    );
    assert!(!picture(Some("v3")).contains("overlap"), "another version's");
}

#[test]
fn the_history_of_a_secret_is_told_with_its_picture_and_proofs_in_a_row_once() {
    let check = |proof| Event::Checked {
        version: "v2".to_owned(),
        proof,
        nodes: 3,
    };
    let mut events = entries(vec![
        (-30, check(Proof::EndpointProven)),
        (-20, check(Proof::Proven)),
        (-10, check(Proof::Proven)),
        (-5, check(Proof::Proven)),
    ]);
    events.extend(rotation());
    let page = secret::secret(&[status("a")], &Ok(events), at(0));
    assert_eq!(page.0.matches("role=\"img\"").count(), 1);
    let text = plain(&page);
    assert!(
        text.contains("Current password checked: proven on 3 nodes 2027-01-15 07:59:55Z (5 s ago), and 2 times before"),
        "{text}"
    );
    assert_eq!(text.matches("Current password checked").count(), 2, "{text}");
    assert!(text.contains("Rotated in 60.0 s, proven on 3 nodes"), "{text}");
    let failed = secret::secret(&[status("a")], &Err("the store is gone".to_owned()), at(0));
    assert!(plain(&failed).contains("It cannot be told: the store is gone"));
}
