//! Replicas that share a table and rotate many users at once, where AWS's quotas are the limit: what they take
//! together, beside one alone.

use std::time::Duration;

use rekeyd::engine::control::Control;
use rekeyd_sandbox::{Quotas, Settings};

use crate::support::report::report;
use crate::support::simulated::{Disk, Policy, Replica, SharedTable, Simulation, lifelike, simulate};
use crate::support::status::idle_and_retired;

/// How many times the time that one replica takes three may take.
const MOST_TIME: f64 = 1.1;
/// The same of its calls to AWS.
const MOST_CALLS: f64 = 1.2;

const PATIENCE: Duration = Duration::from_secs(6 * 3_600);

/// AWS takes what rekeyd's budgets let go.
fn quotas() -> Settings {
    Settings {
        quotas: Quotas {
            enabled: true,
            modify_user: Some(10),
            ..Quotas::default()
        },
        ..lifelike()
    }
}

/// What rotating all took.
#[derive(Clone, Copy, Default)]
struct Took {
    seconds: f64,
    calls: f64,
    throttled: f64,
}

async fn rotate_all(sim: &Simulation, replicas: usize, count: usize) -> Took {
    let users = sim.fleet(count).await;
    let made = sim.world.time.elapsed();
    // Users of a fleet are made within seconds, and a rotation is due 30 days later.
    sim.run_for(Duration::from_secs(30 * 86_400).saturating_sub(made) - Duration::from_secs(180))
        .await;
    let policy = Policy::monthly(&users)
        .with("overlap", "\"none\"")
        .with("canary", "0")
        .with("max_attention", "\"100%\"");
    let table = SharedTable::with_leases();
    let mut started: Vec<Replica> = Vec::new();
    for name in ["a", "b", "c"].iter().take(replicas) {
        let machine = sim.machine(name).disk(Disk::shared(&table)).policy(policy.clone());
        started.push(machine.daemon("drift_check_interval = \"none\"").start().await);
    }
    sim.run_for(Duration::from_secs(120)).await;
    let (before, throttled) = (sim.footprint().total(), throttled_calls(sim));
    let begun = || (sim.begun() > 0).then_some(());
    sim.until("a rotation has begun", PATIENCE, begun, String::new).await;
    let began = sim.world.time.elapsed();
    let unfit = || {
        let all = started[0].engine.secrets().into_iter();
        all.filter(|status| !idle_and_retired(status)).count()
    };
    let probe = || (unfit() == 0).then_some(());
    sim.until("all are rotated", PATIENCE, probe, || format!("{} are not", unfit()))
        .await;
    sim.each_is_rotated_once(&users);
    let of_each = |calls: u64| calls as f64 / count as f64;
    Took {
        seconds: (sim.world.time.elapsed() - began).as_secs_f64(),
        calls: of_each(sim.footprint().total() - before),
        throttled: of_each(throttled_calls(sim) - throttled),
    }
}

fn throttled_calls(sim: &Simulation) -> u64 {
    let log = sim.world.sandbox.log();
    log.iter()
        .filter(|call| format!("{:?}", call.outcome).contains("Throttling"))
        .count() as u64
}

/// The mean of some runs.
fn mean(replicas: usize, count: usize, seeds: u64) -> Took {
    let mut sum = Took::default();
    for seed in 1..=seeds {
        let took = simulate(seed, quotas(), async |sim| rotate_all(&sim, replicas, count).await);
        sum.seconds += took.seconds / seeds as f64;
        sum.calls += took.calls / seeds as f64;
        sum.throttled += took.throttled / seeds as f64;
    }
    sum
}

#[test]
fn three_replicas_rotate_nearly_as_fast_as_one_and_for_few_more_calls() {
    for (count, seeds) in [(120, 2), (400, 1)] {
        let (one, three) = (mean(1, count, seeds), mean(3, count, seeds));
        let (time, calls) = (three.seconds / one.seconds, three.calls / one.calls);
        report(&format!(
            "{count} at once: one replica {:.0} s, {:.2} calls each ({:.3} throttled); three {:.0} s, {:.2} calls ({:.3} \
             throttled): {time:.3} of the time, {calls:.3} of the calls",
            one.seconds, one.calls, one.throttled, three.seconds, three.calls, three.throttled
        ));
        assert!(time <= MOST_TIME, "{count} at once take {time:.3} of the time");
        assert!(calls <= MOST_CALLS, "{count} at once take {calls:.3} of the calls");
    }
}
