//! What many rotations at once cost in calls to AWS, and how fast they go.

use std::collections::BTreeMap;
use std::time::Duration;

use rekeyd::engine::control::Control;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::Phase;
use rekeyd_sandbox::{Quotas, Settings};

use crate::support::report::report;
use crate::support::simulated::{Policy, Replica, Simulation, lifelike, simulate};

/// How many users of the account have nothing to do with rekeyd: what a listing of all costs rests on them, too.
const OTHERS: usize = 600;

/// The most calls that one rotation may cost, its proof, retirement and polls included.
const MOST_CALLS: f64 = 12.0;

const PATIENCE: Duration = Duration::from_secs(6 * 3_600);

fn quotas(modify_user: u32, secret_writes: u32) -> Settings {
    Settings {
        quotas: Quotas {
            enabled: true,
            modify_user: Some(modify_user),
            secret_writes,
            ..Quotas::default()
        },
        ..lifelike()
    }
}

fn policy(users: &[String]) -> Policy {
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    Policy::new("orders", &users)
        .with("overlap", "\"none\"")
        .with("schedule", "\"30d\"")
        .with("canary", "0")
        .with("max_attention", "\"100%\"")
}

/// Starts rekeyd shortly before all these users are due, and waits until all are rotated. Gives the calls by
/// operation since they became due, and how long it took.
async fn rotate_all(sim: &Simulation, users: &[String]) -> (BTreeMap<String, u64>, Duration) {
    let made = sim.world.time.elapsed();
    // Users of a fleet are made within seconds, and a rotation is due 30 days later.
    sim.run_for(Duration::from_secs(30 * 86_400).saturating_sub(made) - Duration::from_secs(120))
        .await;
    let machine = sim.machine("rekeyd").policy(policy(users));
    let replica = machine.daemon("drift_check_interval = \"none\"").start().await;
    sim.run_for(Duration::from_secs(60)).await;
    let before = sim.footprint().calls;
    let began = sim.world.time.elapsed();
    until_all_rotated(sim, &replica, users.len()).await;
    let took = sim.world.time.elapsed() - began;
    let mut calls = sim.footprint().calls;
    for (operation, count) in &mut calls {
        *count -= before.get(operation).copied().unwrap_or(0);
    }
    (calls, took)
}

async fn until_all_rotated(sim: &Simulation, replica: &Replica, count: usize) {
    let rotated = || {
        let all = replica.engine.secrets();
        let done = |status: &&rekeyd::rotation::status::SecretStatus| {
            status.retired_proof == Some(Proof::Proven) && status.phase == Phase::Idle
        };
        all.iter().filter(done).count()
    };
    let probe = || (rotated() == count).then_some(());
    sim.until("all are rotated", PATIENCE, probe, || {
        format!("{} of {count}", rotated())
    })
    .await;
}

fn per_rotation(calls: &BTreeMap<String, u64>, count: usize) -> f64 {
    calls.values().sum::<u64>() as f64 / count as f64
}

#[test]
fn a_rotation_among_many_costs_twelve_calls_at_most() {
    for count in [100, 300] {
        simulate(1, quotas(10, 50), async |sim| {
            let users = sim.fleet(count + OTHERS).await;
            let (calls, took) = rotate_all(&sim, &users[..count]).await;
            let each = per_rotation(&calls, count);
            report(&format!(
                "{count} of {} users at once: {each:.2} calls each, {} s: {calls:?}",
                count + OTHERS,
                took.as_secs()
            ));
            assert!(each <= MOST_CALLS, "{each} calls: {calls:?}");
        });
    }
}
