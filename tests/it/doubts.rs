//! What nobody outside AWS knows, both ways: every scenario under every side of every switch that the
//! sandbox has for it.

mod scenarios;
mod scene;
mod sides;

use std::panic::{AssertUnwindSafe, catch_unwind};

use rekeyd_sandbox::{Switch, switches};
use serde_json::{Value, json};

use crate::support::simulated::{Footprint, lifelike, simulate};
use scenarios::Scenario;

/// What a switch is set to here. Its own times suit tests that wait for them; a change takes a minute here and
/// not half a second.
fn other_side(switch: &Switch) -> Value {
    slowed(&switch.other_side)
}

fn slowed(patch: &Value) -> Value {
    match patch {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), slowed(value))).collect(),
        Value::Number(ms) => json!(ms.as_u64().expect("milliseconds") * 100),
        other => other.clone(),
    }
}

/// Switches that change what rekeyd does, as far as others can see. `sides` shows how, for each of them. No
/// other switch changes anything in any scenario.
const SEEN: [&str; 11] = [
    "modifying_lag_ms",
    "stale_active_ms",
    "modifying_max_ms",
    "stuck_nodes_hold_modifying",
    "tag_modifying_ms",
    "doubts.group_collisions",
    "doubts.pending_label_swept_after_ms",
    "doubts.stale_labels_ms",
    "doubts.new_version_hidden_ms",
    "doubts.list_secrets_lag_ms",
    "doubts.label_move_changes_last_changed_date",
];

fn play(scenario: Scenario, patch: &Value) -> Result<Footprint, String> {
    let settings = lifelike().patched(patch).expect("a switch of the sandbox");
    let played = catch_unwind(AssertUnwindSafe(|| {
        simulate(1, settings, async |sim| {
            scenario.play(&sim).await;
            sim.footprint()
        })
    }));
    played.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or(panic.downcast_ref::<&str>().copied())
            .unwrap_or("a panic")
            .to_owned()
    })
}

/// Plays these scenarios on every side of every switch.
fn on_every_side(scenarios: &[Scenario]) {
    let (mut runs, mut failures) = (0, Vec::new());
    for scenario in scenarios {
        let usual = play(*scenario, &json!({}));
        println!("{scenario:?}: {usual:?}");
        runs += 1;
        for switch in switches() {
            runs += 1;
            match (&usual, play(*scenario, &other_side(&switch))) {
                (_, Err(failure)) => failures.push(format!("{scenario:?} with {}: {failure}", switch.other_side)),
                (Err(_), Ok(_)) => {}
                (Ok(usual), Ok(other)) => {
                    let Some(difference) = usual.compared_with(&other) else {
                        continue;
                    };
                    println!("  {} {}: {difference}", switch.name, switch.other_side);
                    if !SEEN.contains(&switch.name) {
                        failures.push(format!(
                            "{scenario:?} is another with {}: {difference}",
                            switch.other_side
                        ));
                    }
                }
            }
        }
        if let Err(failure) = usual {
            failures.push(format!("{scenario:?}: {failure}"));
        }
    }
    println!(
        "{runs} runs: {} scenarios on {} sides",
        scenarios.len(),
        switches().len() + 1
    );
    assert!(
        failures.is_empty(),
        "{} of {runs} runs failed:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

#[test]
fn rotations_end_as_they_should_on_every_side_of_every_switch() {
    on_every_side(&Scenario::OF_ROTATIONS);
}

#[test]
fn lost_replies_do_no_harm_on_any_side_of_any_switch() {
    on_every_side(&Scenario::OF_LOST_REPLIES);
}

#[test]
fn crashes_do_no_harm_on_any_side_of_any_switch() {
    on_every_side(&Scenario::of_crashes());
}
