//! Whether the simulation would notice: each defect that can be planted in rekeyd is caught, where rekeyd
//! itself does nothing wrong. A simulation that catches nothing proves nothing.

mod scenarios;
mod shipped;

use rekeyd::planted::{PlantedBug, plant};

use crate::support::simulated::Simulation;

/// Plays a bug's scenario in a simulation of its own. Says whether it ended as it should, and what the auditor found.
fn judged(bug: PlantedBug) -> (bool, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let sim = Simulation::new(1, scenarios::settings(bug));
        let ended = scenarios::play(bug, &sim).await;
        sim.world.catch_up();
        let found = sim.world.auditor().take_violations();
        (ended, found)
    })
}

#[test]
fn every_planted_bug_is_caught_in_a_scenario_that_is_clean_without_it() {
    let mut missed = Vec::new();
    for bug in PlantedBug::ALL {
        let (ended, clean) = judged(bug);
        if !ended || !clean.is_empty() {
            missed.push(format!(
                "{} without the bug: ended as it should: {ended}, {clean:#?}",
                bug.label()
            ));
        }
        let planted = plant(bug);
        let (_, found) = judged(bug);
        drop(planted);
        println!("{} | {} | {:?}", bug.label(), scenarios::story(bug), found.first());
        if found.is_empty() {
            missed.push(format!("{} escapes", bug.label()));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
