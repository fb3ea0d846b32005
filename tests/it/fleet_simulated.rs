//! Many users at once: beside another replica, behind a long `modifying`, and more than may go at once.

use std::time::Duration;

use chrono::TimeDelta;
use rekeyd::engine::control::Control;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd_sandbox::{Delay, NodeChange, Settings};

use crate::support::report::report;
use crate::support::simulated::{Policy, Replica, Simulation, lifelike, simulate};
use crate::support::status::idle_and_retired;
use crate::support::world::secret_name;

const PATIENCE: Duration = Duration::from_secs(12 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// The engine, the two of its search for secrets, and the tick.
const TASKS_OF_A_REPLICA: usize = 4;

/// What a user that is `modifying` may cost: a fifth more than the 20.0 that it does.
const MOST_CALLS_A_MINUTE: f64 = 24.0;

async fn until_all_retired(sim: &Simulation, replica: &Replica, count: usize) {
    let done = || {
        let all = replica.engine.secrets();
        all.iter().filter(|status| idle_and_retired(status)).count()
    };
    let probe = || (done() == count).then_some(());
    let describe = || {
        let other = replica
            .engine
            .secrets()
            .into_iter()
            .find(|status| !idle_and_retired(status));
        format!("{} of {count}; {other:#?}", done())
    };
    sim.until("all are rotated and retired", PATIENCE, probe, describe)
        .await;
}

#[test]
fn two_replicas_without_a_lease_rotate_each_of_a_hundred_users_once() {
    for (canary, count) in [("1", 100), ("0", 30)] {
        simulate(1, lifelike(), async |sim| {
            let users = sim.overdue_fleet(count).await;
            let policy = || Policy::monthly(&users).with("canary", canary);
            let (one, other) = (sim.replica("one", policy()).await, sim.replica("other", policy()).await);
            until_all_retired(&sim, &one, count).await;
            until_all_retired(&sim, &other, count).await;
            sim.each_is_rotated_once(&users);
            let versions: usize = sim.versions().values().map(|versions| versions - 1).sum();
            report(&format!(
                "two replicas without a lease, canary {canary}: {count} due users, {versions} versions made, each rotated once, \
                 {} calls",
                sim.footprint().total()
            ));
        });
    }
}

#[test]
fn two_replicas_that_die_and_whose_clocks_differ_rotate_each_user_once() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.overdue_fleet(40).await;
        let policy = || Policy::monthly(&users);
        let mut one = sim.replica("one", policy()).await;
        let mut other = sim.replica("other", policy()).await;
        other.clock().step(TimeDelta::minutes(4));
        for seconds in [20, 45, 65, 90, 100, 240] {
            sim.run_for(Duration::from_secs(seconds)).await;
            one = one.crash().start().await;
            sim.run_for(Duration::from_secs(7)).await;
            other = other.crash().start().await;
        }
        until_all_retired(&sim, &one, 40).await;
        until_all_retired(&sim, &other, 40).await;
        sim.each_is_rotated_once(&users);
    });
}

/// Lets every change of the users of this cache take so long, and ElastiCache say `modifying` all
/// the while.
fn slow_down(sim: &Simulation, cache: &str, minutes: u64) {
    for node in ["001", "002"] {
        let change = NodeChange {
            propagation_ms: Some(Some(Delay::Ms(minutes * 60_000))),
            ..NodeChange::default()
        };
        sim.change_node(&format!("{cache}-{node}"), &change);
    }
}

#[test]
fn users_that_hang_in_modifying_for_twenty_minutes_hold_nothing_up_and_end_right() {
    let settings = Settings {
        stuck_nodes_hold_modifying: true,
        modifying_max_ms: 3_600_000,
        ..lifelike()
    };
    simulate(1, settings, async |sim| {
        let users = sim.overdue_fleet(169).await;
        let (hanging, others) = users.split_at(99);
        slow_down(&sim, "fleet0", 20);
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        let machine = sim
            .machine("rekeyd")
            .policy(Policy::monthly(hanging).with("canary", "0"));
        let mut hundred = Policy::monthly(others).with("canary", "0");
        hundred.name = "others".to_owned();
        let replica = machine.policy(hundred).start().await;
        sim.run_for(5 * MINUTE).await;
        let phase_of = |users: &[String], phase: Phase| {
            let all = replica.engine.secrets();
            let of = |status: &&SecretStatus| users.iter().any(|user| secret_name(user) == status.secret);
            all.iter().filter(of).filter(|status| status.phase == phase).count()
        };
        assert_eq!(
            (phase_of(hanging, Phase::Rotating), phase_of(others, Phase::Overlap)),
            (99, 70),
            "more wait than are looked at at once, and more than that have gone past them"
        );
        assert_eq!(in_flight(&replica), 99.0);
        let (calls, mut fewest_tasks, mut fewest_logins) = (sim.footprint().total(), usize::MAX, usize::MAX);
        for _ in 0..100 {
            sim.run_for(Duration::from_secs(6)).await;
            fewest_tasks = fewest_tasks.min(tasks() - before);
            fewest_logins = fewest_logins.min(replica.logins_under_way());
        }
        let each = (sim.footprint().total() - calls) as f64 / 10.0 / 99.0;
        report(&format!(
            "99 users that hang in modifying for 20 minutes: {each:.1} calls a minute for each, {fewest_tasks} tasks and \
             {fewest_logins} logins under way between their looks; 70 others are rotated meanwhile"
        ));
        assert_eq!(phase_of(hanging, Phase::Rotating), 99, "still modifying");
        assert!(each < MOST_CALLS_A_MINUTE, "{each} calls a minute for each");
        // Who is looked at has a task, which holds one of the places for that. So nobody is, at these moments.
        assert_eq!((fewest_tasks, fewest_logins), (TASKS_OF_A_REPLICA, 0));
        until_all_retired(&sim, &replica, users.len()).await;
        assert_eq!(in_flight(&replica), 0.0);
        sim.each_is_rotated_once(&users);
    });
}

fn in_flight(replica: &Replica) -> f64 {
    let metrics = replica.metrics();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("rekeyd_rotations_in_flight "));
    line.expect("the gauge").parse().expect("a number")
}

#[test]
fn many_that_are_due_at_once_never_exceed_max_in_flight() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.overdue_fleet(99).await;
        let machine = sim
            .machine("rekeyd")
            .policy(Policy::monthly(&users))
            .daemon("max_in_flight = 20");
        let replica = machine.start().await;
        // Retirements count, too, and are never held back: only what begins is.
        let mut most = 0;
        for _ in 0..3_600 {
            sim.run_for(Duration::from_secs(5)).await;
            let all = replica.engine.secrets();
            most = most.max(all.iter().filter(|status| status.phase == Phase::Rotating).count());
            if all.iter().all(idle_and_retired) {
                break;
            }
        }
        assert_eq!(most, 20);
        sim.each_is_rotated_once(&users);
    });
}
