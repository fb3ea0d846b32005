//! Random exploration: worlds drawn from seeds, played, judged, and shrunk when they fail.
//!
//! ```text
//!   seed ─► Script ─► play ─► Outcome ─► shrink ─► the least script that fails
//!           (data)    (a simulation of its own)
//! ```

mod bystanders;
mod closing;
mod drawing;
mod embellishing;
mod kinds;
mod meddling;
mod outcome;
mod perturbing;
mod running;
mod script;
mod shrinking;
mod stage;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rekeyd::rotation::event::Event;

use super::Simulation;
pub use outcome::{Outcome, Tally};
pub use running::{Exploration, explore, explore_scripts};
pub use script::{Part, Perturbation, Script};
pub use shrinking::shrink;
use stage::{Stage, settings};

/// How often the scheduler ticks: what falls due by date begins that late.
const TICK: Duration = Duration::from_secs(20);

/// Plays a script to its end. A panic is a violation too.
pub fn play(script: &Script) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let simulation = {
        let _entered = runtime.enter();
        Simulation::new(script.seed, settings(script)).ticking(TICK)
    };
    let played = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut stage = Stage::set(script, simulation.clone()).await;
            stage.perform().await;
            let violations = stage.close().await;
            if script.files {
                stage.tally.count("world with stores in files");
            }
            (violations, stage.tally)
        })
    }));
    let (violations, tally) = played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = format!("panic: {}", text.unwrap_or_default());
        (vec![what], Tally::default())
    });
    let _entered = runtime.enter();
    judged(&simulation, script.has_strangers(), violations, tally)
}

fn judged(simulation: &Simulation, strange: bool, at_the_end: Vec<String>, tally: Tally) -> Outcome {
    let world = &simulation.world;
    let mut violations = world.auditor().take_violations();
    violations.extend(at_the_end);
    let promoted: BTreeSet<_> = world
        .journal()
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Promoted { version, .. } => Some((entry.secret_arn.clone(), version.clone())),
            _ => None,
        })
        .collect();
    let mut tally = tally;
    for entry in world.journal().iter() {
        match &entry.event {
            Event::Halted { reason, .. } => {
                let who = if strange {
                    "after strangers"
                } else {
                    "without strangers"
                };
                tally.count(&format!("in answer, halts {who}: {reason}"));
            }
            Event::Repaired { .. } => tally.count("in answer, repaired"),
            Event::RolledBack { .. } => tally.count("in answer, rolled back"),
            Event::RevocationEnded { .. } => tally.count("in answer, revoked"),
            _ => {}
        }
    }
    let tally = Tally {
        worlds: 1,
        simulated: world.time.elapsed(),
        rotations: u64::try_from(promoted.len()).unwrap_or(u64::MAX),
        calls: world.sandbox.calls().values().sum(),
        ..tally
    };
    let story = if violations.is_empty() {
        String::new()
    } else {
        simulation.story()
    };
    Outcome {
        violations,
        tally,
        story,
    }
}
