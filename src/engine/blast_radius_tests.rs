use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(seconds, 0).unwrap()
}

fn due(seconds: i64) -> Member {
    Member {
        begins_at: Some(at(seconds)),
        opening: Some(at(seconds)),
        ..Member::default()
    }
}

fn under_way(seconds: i64) -> Member {
    Member {
        under_way: true,
        ..due(seconds)
    }
}

fn promoted(seconds: i64) -> Member {
    Member {
        proof: Some((at(seconds), false)),
        ..due(seconds + 1_000_000)
    }
}

fn in_trouble(trouble: bool) -> Member {
    Member {
        in_trouble: trouble,
        ..due(1)
    }
}

/// A policy of `a`, `b`, `c` and `d`, due one after the other from 101 s on.
fn four(canary: usize) -> BlastRadius {
    let mut radius = BlastRadius::new(canary, MaxAttention::Secrets(100));
    for (key, seconds) in [("d", 104), ("c", 103), ("b", 102), ("a", 101)] {
        radius.set(key, due(seconds));
    }
    radius
}

const GO: Option<HoldReason> = None;
const WAIT: Option<HoldReason> = Some(HoldReason::Canary);
const STOP: Option<HoldReason> = Some(HoldReason::MaxAttention);

#[test]
fn of_many_that_ask_at_the_same_moment_as_many_go_as_there_are_canaries() {
    for (canary, wanted) in [(1, vec!["d"]), (2, vec!["d", "c"]), (0, vec!["d", "c", "b", "a"])] {
        let mut radius = four(canary);
        let keys = ["d", "c", "b", "a"].into_iter();
        let went: Vec<&str> = keys.filter(|key| radius.ask(key) == GO).collect();
        assert_eq!(went, wanted);
    }
}

#[test]
fn who_is_due_first_goes_first_of_those_that_are_looked_at_together() {
    let mut radius = four(1);
    for key in ["d", "a", "b"] {
        radius.drive_begins(key, at(200));
    }
    assert_eq!((radius.ask("d"), radius.ask("b")), (WAIT, WAIT));
    assert_eq!(radius.ask("a"), GO);
    assert_eq!(radius.ask("a"), GO, "asked again in the same drive");
    assert_eq!(radius.goes_first(), Some("a"));
}

#[test]
fn one_that_is_not_due_stands_in_nobodys_way() {
    let mut radius = four(1);
    radius.drive_begins("a", at(100));
    assert_eq!(radius.ask("b"), GO);
}

#[test]
fn a_canary_that_changes_nothing_gives_its_place_to_the_next() {
    let mut radius = four(1);
    assert_eq!((radius.ask("a"), radius.ask("c"), radius.ask("b")), (GO, WAIT, WAIT));
    radius.drive_ended("b", true);
    radius.drive_ended("a", false);
    assert_eq!(radius.take_released(), ["b"]);
    assert_eq!((radius.ask("b"), radius.ask("a")), (GO, WAIT));
}

#[test]
fn a_canary_that_has_begun_keeps_its_place_until_it_is_proved() {
    let mut radius = four(1);
    assert_eq!(radius.ask("a"), GO);
    radius.set("a", under_way(101));
    radius.drive_ended("a", false);
    assert_eq!((radius.ask("b"), radius.ask("c")), (WAIT, WAIT));
    radius.set(
        "a",
        Member {
            in_trouble: true,
            ..under_way(101)
        },
    );
    assert_eq!((radius.ask("b"), radius.take_released()), (WAIT, vec![]));

    radius.set("a", promoted(150));
    assert_eq!(radius.take_released(), ["b", "c"]);
    assert_eq!((radius.ask("b"), radius.ask("c"), radius.ask("d")), (GO, GO, GO));
}

#[test]
fn what_falls_due_after_a_proof_waits_for_another() {
    let mut radius = four(1);
    radius.set("a", promoted(102));
    assert_eq!(radius.ask("b"), GO, "due at the very moment");
    assert_eq!(radius.ask("c"), GO, "the next canary");
    assert_eq!(radius.ask("d"), WAIT);
}

#[test]
fn a_promotion_without_proof_frees_its_place_and_nobody_else() {
    let mut radius = four(1);
    assert_eq!(radius.ask("a"), GO);
    radius.set("a", under_way(101));
    assert_eq!((radius.ask("b"), radius.ask("c")), (WAIT, WAIT));
    radius.set("a", due(1_000));
    assert_eq!(radius.take_released(), ["b"]);
    assert_eq!((radius.ask("b"), radius.ask("c")), (GO, WAIT));
}

#[test]
fn proof_without_a_login_counts_for_first_passwords_only() {
    let mut radius = four(1);
    radius.set(
        "b",
        Member {
            first_password: true,
            ..due(102)
        },
    );
    let unproved = Member {
        proof: Some((at(150), true)),
        ..due(9_999)
    };
    radius.set("a", unproved);
    assert_eq!((radius.ask("c"), radius.ask("d"), radius.ask("b")), (GO, WAIT, GO));
}

#[test]
fn what_was_proved_before_a_secret_was_heard_of_proves_nothing_for_it() {
    let mut radius = four(1);
    radius.set("a", promoted(150));
    for key in ["c", "d"] {
        radius.set(
            key,
            Member {
                first_seen: at(160),
                ..due(5)
            },
        );
    }
    assert_eq!((radius.ask("b"), radius.ask("c"), radius.ask("d")), (GO, GO, WAIT));
}

#[test]
fn rotations_that_a_restart_finds_under_way_hold_their_places() {
    let mut radius = four(1);
    radius.set("c", under_way(103));
    assert_eq!((radius.ask("a"), radius.goes_first()), (WAIT, Some("c")));

    let mut later = four(1);
    later.set("a", promoted(150));
    later.set("c", under_way(103));
    later.set("d", due(200));
    assert_eq!(later.ask("d"), GO, "c is a straggler of the wave before");
}

#[test]
fn a_canary_that_leaves_the_policy_leaves_its_place() {
    let mut radius = four(1);
    radius.set("a", under_way(101));
    assert_eq!(radius.ask("b"), WAIT);
    radius.remove("a");
    assert_eq!(radius.take_released(), ["b"]);
    assert_eq!(radius.ask("b"), GO);
}

#[test]
fn more_in_trouble_than_may_be_stop_everybody_until_there_are_fewer() {
    let mut radius = BlastRadius::new(0, MaxAttention::Percent(5));
    for n in 0..30 {
        radius.set(format!("secret{n}"), in_trouble(n < 2));
    }
    assert_eq!((radius.trouble(), radius.ask("secret9")), ((2, 2, 30), GO));
    radius.set("secret2", in_trouble(true));
    assert_eq!((radius.ask("secret9"), radius.ask("secret2")), (STOP, STOP));
    radius.drive_ended("secret9", true);
    radius.set("secret0", in_trouble(false));
    assert_eq!(radius.take_released(), ["secret2", "secret9"]);
    assert_eq!(radius.ask("secret9"), GO);

    radius.set("secret3", in_trouble(true));
    assert_eq!(radius.ask("secret9"), STOP);
    radius.remove("secret3");
    assert_eq!(radius.take_released(), ["secret9"]);
}

#[test]
fn one_secret_may_always_be_in_trouble() {
    for (most, secrets, allowed) in [
        (MaxAttention::Percent(5), 1, 1),
        (MaxAttention::Percent(5), 10, 1),
        (MaxAttention::Percent(5), 20, 1),
        (MaxAttention::Percent(5), 21, 2),
        (MaxAttention::Percent(100), 7, 7),
        (MaxAttention::Secrets(3), 2, 3),
    ] {
        assert_eq!(most.of(secrets), allowed, "{most:?} of {secrets}");
    }
}

#[test]
fn other_limits_let_those_go_that_may_go_under_them_and_leave_places_that_are_taken() {
    let mut radius = four(1);
    assert_eq!((radius.ask("a"), radius.ask("b"), radius.ask("c")), (GO, WAIT, WAIT));
    radius.set("a", under_way(101));
    radius.set_limits(2, MaxAttention::Secrets(100));
    assert_eq!(radius.take_released(), ["b"], "one more place, for who is due first");
    assert_eq!((radius.ask("c"), radius.ask("b")), (WAIT, GO));
    radius.set_limits(0, MaxAttention::Secrets(100));
    assert_eq!(radius.take_released(), ["c"]);
    assert_eq!(radius.ask("c"), GO);
    // Whoever is under way takes a place again.
    radius.set_limits(1, MaxAttention::Secrets(100));
    assert_eq!(radius.ask("d"), WAIT);
    radius.set("a", promoted(105));
    assert_eq!(radius.take_released(), ["d"]);
}

#[test]
fn a_higher_max_attention_lets_those_go_that_it_stopped_and_a_lower_one_stops_them() {
    let mut radius = BlastRadius::new(0, MaxAttention::Secrets(0));
    radius.set("bad", in_trouble(true));
    radius.set("a", due(101));
    assert_eq!(radius.ask("a"), STOP);
    radius.set_limits(0, MaxAttention::Secrets(1));
    assert_eq!(radius.take_released(), ["a"]);
    assert_eq!(radius.ask("a"), GO);
    radius.set_limits(0, MaxAttention::Secrets(0));
    assert_eq!((radius.take_released(), radius.ask("a")), (Vec::new(), STOP));
}
