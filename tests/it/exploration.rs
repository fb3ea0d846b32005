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

/// `REKEYD_SECONDS` plays fresh worlds for so long instead, from `REKEYD_SEED` on.
#[test]
fn random_worlds_keep_every_promise() {
    if let Some(seconds) = number("REKEYD_SECONDS") {
        let first = number("REKEYD_SEED").expect("REKEYD_SEED, the first seed");
        let ends = Instant::now() + Duration::from_secs(seconds);
        return assert_nothing_failed(&explore(first, |_| Instant::now() < ends));
    }
    let seeds = number("REKEYD_SEEDS").unwrap_or(SEEDS);
    let exploration = explore(number("REKEYD_SEED").unwrap_or(FIRST_SEED), |begun| begun < seeds);
    assert_nothing_failed(&exploration);
    let faults = &exploration.tally.faults;
    let missing: Vec<String> = Perturbation::kinds()
        .into_iter()
        .filter(|kind| !faults.contains_key(kind))
        .collect();
    assert!(missing.is_empty() || seeds < SEEDS, "never happened: {missing:?}");
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

/// A judge who takes offence at two things that come together, and at nothing else.
fn condemns(script: &Script) -> bool {
    let is = |wanted: fn(&Perturbation) -> bool| script.happenings.iter().any(|one| wanted(&one.what));
    is(|what| matches!(what, Perturbation::Stall { .. })) && is(|what| matches!(what, Perturbation::Request { .. }))
}

#[test]
fn a_failing_script_is_shrunk_to_what_the_failure_needs() {
    let failing: Vec<Script> = (0..3_000).map(Script::of).filter(condemns).take(10).collect();
    assert_eq!(failing.len(), 10);
    for script in failing {
        let fails = |parts: &[Part]| script.keeping(parts).is_some_and(|script| condemns(&script));
        let kept = shrink(&script.parts(), Duration::from_secs(60), fails);
        let least = script.keeping(&kept).expect("a script that fails");
        assert_eq!(
            (
                least.happenings.len(),
                least.users.len(),
                least.replicas.len(),
                least.sides.len()
            ),
            (2, 1, 1, 0),
            "{least:#?}"
        );
        let told: Vec<Part> = kept
            .iter()
            .map(|part| part.to_string().parse().expect("a part"))
            .collect();
        assert_eq!(told, kept, "the command that plays it again names its parts");
    }
}
