//! How long rotations at once take over what AWS's quotas and the propagation of changes set.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rekeyd::engine::control::{Control, RotateOptions};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::Phase;
use rekeyd_sandbox::{Quotas, Settings};

use crate::support::report::report;
use crate::support::simulated::{Policy, Simulation, lifelike, simulate};
use crate::support::world::secret_name;

const MODIFY_USERS_A_SECOND: u32 = 10;
/// The most calls that one rotation may cost, its proof, retirement and polls included.
const MOST_CALLS: f64 = 11.5;

/// The first group's cache has two nodes: see `Simulation::fleet`.
const USERS_ON_TWO_NODES: usize = 99;

const PATIENCE: Duration = Duration::from_secs(3_600);

fn settings() -> Settings {
    Settings {
        quotas: Quotas {
            enabled: true,
            modify_user: Some(MODIFY_USERS_A_SECOND),
            ..Quotas::default()
        },
        ..lifelike()
    }
}

/// When the last change of a schedule has arrived, in seconds, that never lets the quota lie idle while somebody could
/// use it, and takes no time for anything else: the mean over draws of the propagation.
fn floor(users: usize) -> f64 {
    const DRAWS: u32 = 100;
    let mut chance = StdRng::seed_from_u64(1);
    let all: u64 = (0..DRAWS).map(|_| schedule(users, &mut chance)).sum();
    all as f64 / 1_000.0 / f64::from(DRAWS)
}

fn schedule(users: usize, chance: &mut StdRng) -> u64 {
    let propagation = lifelike().propagation_ms;
    let spacing = 1_000 / u64::from(MODIFY_USERS_A_SECOND);
    let mut can_be_sent: BinaryHeap<Reverse<(u64, usize, bool)>> =
        (0..users).map(|user| Reverse((0, user, true))).collect();
    // When the bucket, which holds a second's worth, is full again.
    let (mut full_at, mut end) = (0, 0);
    while let Some(Reverse((ready, user, first))) = can_be_sent.pop() {
        let sent = ready.max((full_at + spacing).saturating_sub(1_000));
        full_at = full_at.max(sent) + spacing;
        let nodes = if user < USERS_ON_TWO_NODES { 2 } else { 1 };
        let propagation = (0..nodes).map(|_| chance.random_range(propagation.min..=propagation.max));
        let arrived = sent + propagation.max().unwrap_or_default();
        match first {
            true => can_be_sent.push(Reverse((arrived, user, false))),
            false => end = end.max(arrived),
        }
    }
    end
}

struct Measured {
    took: f64,
    calls: BTreeMap<String, u64>,
}

async fn rotate_all(sim: &Simulation, count: usize) -> Measured {
    let users = sim.fleet(count).await;
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let policy = Policy::new("orders", &users)
        .with("overlap", "\"none\"")
        .with("canary", "0")
        .with("max_attention", "\"100%\"");
    let machine = sim.machine("rekeyd").policy(policy);
    let replica = machine.daemon("drift_check_interval = \"none\"").start().await;
    sim.run_for(Duration::from_secs(1_300)).await;
    let before = sim.footprint().calls;
    let began_at = sim.world.sandbox.now();
    for user in &users {
        replica.rotate(&secret_name(user), RotateOptions::default()).await;
    }
    let rotated = || {
        let all = replica.engine.secrets().into_iter();
        let rotated = all.filter(|status| status.retired_proof == Some(Proof::Proven) && status.phase == Phase::Idle);
        rotated.count()
    };
    let probe = || (rotated() == count).then_some(());
    sim.until("all are rotated", PATIENCE, probe, || {
        format!("{} of {count}", rotated())
    })
    .await;
    let last = {
        let journal = sim.world.journal();
        let retired = journal
            .iter()
            .filter(|entry| matches!(entry.event, Event::Retired { .. }));
        retired.map(|entry| entry.at).max().unwrap()
    };
    let calls = sim.footprint().calls.into_iter();
    Measured {
        took: (last - began_at).as_seconds_f64(),
        calls: calls
            .map(|(operation, all)| {
                let more = all - before.get(&operation).unwrap_or(&0);
                (operation, more)
            })
            .collect(),
    }
}

#[test]
fn rotations_at_once_take_hardly_longer_than_quotas_and_propagation_set() {
    for (count, most_over) in [(100, 0.15), (600, 0.1)] {
        let measured = simulate(1, settings(), async |sim| rotate_all(&sim, count).await);
        let floor = floor(count);
        let over = measured.took / floor - 1.0;
        let each = measured.calls.values().sum::<u64>() as f64 / count as f64;
        report(&format!(
            "{count} users at once, no overlap: {:.1} s, {:.1} % over the floor of {floor:.1} s, {each:.2} calls each",
            measured.took,
            over * 100.0
        ));
        assert!(
            over <= most_over,
            "{count} users: {:.1} s, {floor:.1} s at least",
            measured.took
        );
        assert!(each <= MOST_CALLS, "{count} users: {:?}", measured.calls);
    }
}
