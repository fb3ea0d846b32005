//! Whether the simulation would notice: each defect that can be planted in rekeyd is caught, where rekeyd itself does
//! nothing wrong. A simulation that catches nothing proves nothing.

mod catches;
mod scenarios;
mod search;
mod shipped;

use std::time::Duration;

use rekeyd::planted::{PlantedBug, plant};

use crate::support::report::report;
use crate::support::simulated::{Simulation, paused_runtime};
use catches::{CATCHES, Catch};

/// Plays a bug's scenario in a simulation of its own. Says whether it ended as it should, and what the auditor found.
fn judged(bug: PlantedBug) -> (bool, Vec<String>) {
    paused_runtime().block_on(async {
        let sim = Simulation::new(1, scenarios::settings(bug));
        let ended = scenarios::play(bug, &sim).await;
        sim.audit_end(scenarios::exempt(bug), Duration::from_secs(600));
        let found = sim.world.auditor().take_violations();
        (ended, found)
    })
}

#[test]
fn every_planted_bug_is_caught_in_a_scenario_that_is_clean_without_it() {
    let (mut wrong, mut caught_all) = (Vec::new(), 0);
    for catch in CATCHES {
        let Catch { bug, promise, .. } = catch;
        let (ended, found) = judged(bug);
        if !ended || !found.is_empty() {
            wrong.push(format!("{} without the bug: {ended}, {found:#?}", bug.label()));
        }
        let planted = plant(bug);
        let (_, found) = judged(bug);
        drop(planted);
        let caught = found
            .iter()
            .find(|violation| violation.contains(&format!("{promise}: ")));
        println!("{caught:?}");
        report(&catch.line(caught.is_some()));
        match caught {
            Some(_) => caught_all += 1,
            None => wrong.push(format!("{} escapes: {found:#?}", bug.label())),
        }
    }
    report(&format!(
        "planted bugs: {caught_all} of {} caught, each in a scenario that is clean without it",
        CATCHES.len()
    ));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_of_planted_bugs_in_the_documents_says_what_catches_them() {
    let bugs: Vec<PlantedBug> = CATCHES.iter().map(|catch| catch.bug).collect();
    assert_eq!(bugs, PlantedBug::ALL);
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SEMANTICS.md")).unwrap();
    let rows: Vec<String> = CATCHES.iter().map(Catch::row).collect();
    let table = page
        .split_once("<!-- planted bugs -->\n")
        .and_then(|(_, rest)| rest.split_once("\n<!-- end -->"));
    let written: Vec<&str> = table.expect("a table").0.lines().skip(2).collect();
    assert_eq!(written, rows, "docs/SEMANTICS.md should say:\n{}", rows.join("\n"));
}
