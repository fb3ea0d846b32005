//! Worlds at random: whatever befalls them, rekeyd keeps its promises. `make soak` plays more of them.

use std::time::{Duration, Instant};

use crate::support::simulated::exploring::{Exploration, Part, Perturbation, Script, explore, play, shrink};

/// So many worlds are played in every run of the tests, from the first seed on.
const SEEDS: u64 = 5_000;
const FIRST_SEED: u64 = 1;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    variable(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

fn assert_nothing_failed(exploration: &Exploration) {
    print!("{}", exploration.tally);
    println!("{} violations", exploration.failures.len());
    if let Some(report) = exploration.report_of_failures() {
        panic!("{report}");
    }
}

#[test]
fn random_worlds_keep_every_promise() {
    let began = Instant::now();
    let seeds = number("REKEYD_SEEDS").unwrap_or(SEEDS);
    let seconds = number("REKEYD_SECONDS").map(Duration::from_secs);
    let goes_on = |begun| seconds.map_or(begun < seeds, |span| began.elapsed() < span);
    let exploration = explore(number("REKEYD_SEED").unwrap_or(FIRST_SEED), goes_on);
    println!("{:?}", began.elapsed());
    assert_nothing_failed(&exploration);
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    for seed in [3, 5, 8] {
        let script = Script::of(seed);
        assert_eq!(script, Script::of(seed));
        assert_eq!(play(&script), play(&script), "seed {seed}");
    }
}

/// Plays what `REKEYD_SEED` and `REKEYD_KEEP` name, and tells its story.
#[test]
fn replay() {
    let script = Script::of(number("REKEYD_SEED").unwrap_or(FIRST_SEED));
    let kept: Vec<Part> = match variable("REKEYD_KEEP") {
        Some(parts) => parts
            .split(',')
            .map(|part| part.parse().expect("a part of a script"))
            .collect(),
        None => script.parts(),
    };
    let script = script.keeping(&kept).expect("a user and a replica");
    println!("{script:#?}");
    let outcome = play(&script);
    println!("{}", outcome.story);
    assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
}
