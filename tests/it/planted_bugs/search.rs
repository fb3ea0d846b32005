//! The searches that know nothing of the bugs, crash points and random worlds, find them too: each is played again at
//! the point and with the seed at which it was found first.

use rekeyd::planted::{PlantedBug, plant};

use super::catches::{CATCHES, Catch};
use crate::crash_points::point::{Point, Rotation};
use crate::crash_points::{points, run};
use crate::support::environment::number;
use crate::support::report::report;
use crate::support::simulated::exploring::{Script, play};

/// Says how many points and seeds are searched for each bug, instead of playing those that are known.
const SEARCH: &str = "REKEYD_SEARCH";

/// With a bug or without.
fn with<T>(bug: Option<PlantedBug>, run: impl FnOnce() -> T) -> T {
    let _planted = bug.map(plant);
    run()
}

fn wrong_at(point: &Point, bug: Option<PlantedBug>) -> Vec<String> {
    with(bug, || run::run(point).wrong)
}

fn wrong_with(seed: u64, bug: Option<PlantedBug>) -> Vec<String> {
    with(bug, || play(&Script::of(seed)).violations)
}

/// The first finding that names a promise.
fn caught(found: &[String]) -> Option<&String> {
    let names_a_promise = |found: &&String| (1..=8).any(|number| found.contains(&format!(" P{number}: ")));
    found.iter().find(names_a_promise)
}

#[test]
fn crash_points_and_random_worlds_catch_the_bugs_that_they_are_said_to_catch() {
    if let Some(far) = number(SEARCH) {
        return search(far);
    }
    let (mut wrong, mut places) = (Vec::new(), 0);
    for Catch { bug, point, seed, .. } in CATCHES {
        let point = point.map(|name| (name.to_owned(), name.parse().expect("a point")));
        let at_point =
            point.map(|(name, point): (String, Point)| (name, [Some(bug), None].map(|bug| wrong_at(&point, bug))));
        let with_seed = seed.map(|seed| {
            (
                format!("seed {seed}"),
                [Some(bug), None].map(|bug| wrong_with(seed, bug)),
            )
        });
        for (place, [planted, clean]) in at_point.into_iter().chain(with_seed) {
            places += 1;
            println!("{} | {place} | {:?}", bug.label(), caught(&planted));
            if caught(&planted).is_none() || !clean.is_empty() {
                wrong.push(format!(
                    "{} at {place}: {planted:#?}; without it {clean:#?}",
                    bug.label()
                ));
            }
        }
    }
    report(&format!(
        "planted bugs: {} of {places} crash points and seeds catch the bug that they are said to catch, and find nothing without it",
        places - wrong.len()
    ));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Finds the lowest seeds and the first points anew, among so many.
fn search(far: u64) {
    let points: Vec<Point> = [Rotation::Requested, Rotation::Scheduled, Rotation::First]
        .into_iter()
        .flat_map(|rotation| points::all(rotation).0)
        .take(usize::try_from(far).unwrap_or(usize::MAX))
        .collect();
    // A thread for each, so that a bug that hides well holds no other up.
    std::thread::scope(|scope| {
        for bug in PlantedBug::ALL {
            let points = &points;
            scope.spawn(move || {
                let point = points
                    .iter()
                    .find(|point| caught(&wrong_at(point, Some(bug))).is_some());
                println!("{} | point | {:?}", bug.label(), point.map(ToString::to_string));
            });
            scope.spawn(move || {
                let seed = (1..=far).find(|seed| caught(&wrong_with(*seed, Some(bug))).is_some());
                println!("{} | seed | {seed:?}", bug.label());
            });
        }
    });
}
