//! Worlds at random: whatever befalls them, rekeyd keeps its promises. `make soak` plays more of them.

use std::time::Duration;

use rekeyd::clock::{Clock, SystemClock};
use rekeyd::planted::{PlantedBug, plant};

use crate::support::report::report;
use crate::support::simulated::exploring::{
    Exploration, Part, Perturbation, Script, explore, explore_scripts, play, shrink,
};

/// So many worlds are played in every run of the tests, from the first seed on.
const SEEDS: u64 = 5_000;
const FIRST_SEED: u64 = 1;

/// So many worlds of replicas that share a table, without leases and with them.
const SHARED_SEEDS: u64 = 100;
const LEASED_SEEDS: u64 = 12;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    variable(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

fn assert_nothing_failed(exploration: &Exploration) {
    print!("{}", exploration.tally);
    let summary = exploration.tally.to_string();
    let summary = summary.lines().next().unwrap_or_default();
    report(&format!(
        "random worlds: {summary}, {} violations",
        exploration.failures.len()
    ));
    if let Some(report) = exploration.report_of_failures() {
        panic!("{report}");
    }
}

/// `REKEYD_SECONDS` plays fresh worlds for so long instead, from `REKEYD_SEED` on.
#[test]
fn random_worlds_keep_every_promise() {
    if let Some(seconds) = number("REKEYD_SECONDS") {
        let first = number("REKEYD_SEED").expect("REKEYD_SEED, the first seed");
        let (clock, span) = (SystemClock::new(), Duration::from_secs(seconds));
        return assert_nothing_failed(&explore(first, |_| clock.monotonic() < span));
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

/// The worlds of several replicas, which share one table. `REKEYD_SEEDS` says how many.
fn explore_shared(leases: bool, seeds: u64) {
    let several: Vec<u64> = (FIRST_SEED..)
        .filter(|seed| Script::of(*seed).replicas.len() > 1)
        .take(usize::try_from(number("REKEYD_SEEDS").unwrap_or(seeds)).expect("a number of worlds"))
        .collect();
    let index = |number: u64| usize::try_from(number).expect("an index");
    let goes_on = |begun| index(begun) < several.len();
    let script = |number: u64| Script::of(several[index(number)]).sharing(leases);
    assert_nothing_failed(&explore_scripts(0, goes_on, script));
}

#[test]
fn random_worlds_whose_replicas_share_a_table_without_leases_keep_every_promise() {
    explore_shared(false, SHARED_SEEDS);
}

#[test]
fn random_worlds_whose_replicas_share_the_work_by_leases_keep_every_promise() {
    explore_shared(true, LEASED_SEEDS);
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
    let script = match variable("REKEYD_SHARING") {
        Some(leases) => script.sharing(leases == "leases"),
        None => script,
    };
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

#[test]
fn the_report_of_a_failure_names_what_plays_it_again() {
    const SEED: u64 = 1;
    let planted = plant(PlantedBug::PromoteBeforeProof);
    let outcome = play(&Script::of(SEED));
    let of_proof = |found: &String| found.contains(" P2: ");
    assert!(outcome.violations.iter().any(of_proof), "{:#?}", outcome.violations);
    let exploration = Exploration {
        tally: outcome.tally.clone(),
        failures: vec![(Script::of(SEED), outcome)],
    };
    let report = exploration.report_of_failures().expect("a report");
    let told = |name: &str| {
        let rest = report.split_once(&format!("{name}=")).expect("a variable").1;
        rest.split_whitespace().next().expect("its value").to_owned()
    };
    assert_eq!(told("REKEYD_SEED"), SEED.to_string());
    let kept: Vec<Part> = told("REKEYD_KEEP")
        .split(',')
        .map(|part| part.parse().expect("a part"))
        .collect();
    assert!(kept.len() <= 4, "shrunk to {kept:?}");
    let least = Script::of(SEED).keeping(&kept).expect("a user and a replica");
    assert!(play(&least).violations.iter().any(of_proof), "{report}");
    drop(planted);
    assert_eq!(play(&least).violations, [""; 0], "without the bug");
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
        let kept = shrink(&script.parts(), 400, fails);
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
