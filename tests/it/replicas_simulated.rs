//! Replicas that share a table, simulated: with leases, and without.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use rekeyd::clock::Timestamp;
use rekeyd::engine::control::Control;
use rekeyd::rotation::event::Event;
use rekeyd::rotation::status::SecretStatus;
use rekeyd::store::ownership::Ownership;

use crate::support::report::report;
use crate::support::simulated::{
    Disk, Machine, Policy, Replica, SharedTable, Simulation, TableTrouble, lifelike, simulate,
};
use crate::support::status::idle_and_retired;

const PATIENCE: Duration = Duration::from_secs(12 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// Machines called `a`, `b`, … that share a table.
fn machines(sim: &Simulation, table: &SharedTable, count: usize, policy: &Policy) -> Vec<Machine> {
    let names = ["a", "b", "c", "d"];
    let machine = |name: &&str| sim.machine(name).disk(Disk::shared(table)).policy(policy.clone());
    names.iter().take(count).map(machine).collect()
}

async fn started(machines: Vec<Machine>) -> Vec<Replica> {
    let mut replicas = Vec::new();
    for machine in machines {
        replicas.push(machine.start().await);
    }
    replicas
}

/// Waits until each replica says of every secret that it is rotated and retired.
async fn until_all_agree(sim: &Simulation, replicas: &[&Replica], count: usize, wanted: fn(&SecretStatus) -> bool) {
    let unfit = |replica: &Replica| {
        let all = replica.engine.secrets();
        let unfit = all.iter().find(|status| !wanted(status)).cloned();
        (all.len() != count || unfit.is_some()).then_some(unfit)
    };
    let probe = || replicas.iter().all(|replica| unfit(replica).is_none()).then_some(());
    let describe = || {
        let of = |replica: &&Replica| format!("{:#?}", unfit(replica));
        replicas.iter().map(of).collect::<Vec<_>>().join("\n")
    };
    sim.until("all replicas say that all is done", PATIENCE, probe, describe)
        .await;
}

#[test]
fn replicas_that_share_a_table_and_have_no_leases_rotate_each_user_once() {
    for (canary, count) in [("1", 30), ("0", 30)] {
        simulate(1, lifelike(), async |sim| {
            let users = sim.overdue_fleet(count).await;
            let policy = Policy::monthly(&users).with("canary", canary);
            let table = SharedTable::without_leases();
            let replicas = started(machines(&sim, &table, 2, &policy)).await;
            let all: Vec<&Replica> = replicas.iter().collect();
            until_all_agree(&sim, &all, count, idle_and_retired).await;
            sim.each_is_rotated_once(&users);
            report(&format!(
                "two replicas on one table without leases, canary {canary}: {count} users, {} calls",
                sim.footprint().total()
            ));
        });
    }
}

#[test]
fn replicas_with_leases_share_the_users_and_rotate_each_once() {
    for (canary, count) in [("1", 30), ("0", 60)] {
        simulate(1, lifelike(), async |sim| {
            let users = sim.overdue_fleet(count).await;
            let policy = Policy::monthly(&users).with("canary", canary);
            let replicas = started(machines(&sim, &SharedTable::with_leases(), 3, &policy)).await;
            let all: Vec<&Replica> = replicas.iter().collect();
            until_all_agree(&sim, &all, count, idle_and_retired).await;
            sim.each_is_rotated_once(&users);
            let shares: Vec<usize> = replicas.iter().map(leases_of).collect();
            assert_eq!(shares.iter().sum::<usize>(), count, "{shares:?}");
            assert!(shares.iter().all(|share| *share > count / 10), "{shares:?}");
            report(&format!(
                "three replicas with leases, canary {canary}: {count} users shared as {shares:?}, {} calls",
                sim.footprint().total()
            ));
        });
    }
}

#[test]
fn with_leases_crashes_clocks_apart_and_a_table_that_fails_lead_to_no_violation() {
    for seed in 1..=3 {
        simulate(seed, lifelike(), async |sim| {
            let users = sim.overdue_fleet(12).await;
            let mut machines = machines(&sim, &SharedTable::with_leases(), 3, &Policy::monthly(&users));
            machines[1].clock().step(TimeDelta::minutes(4));
            let mut replicas = started(std::mem::take(&mut machines)).await;
            for (round, seconds) in [10, 35, 65, 90, 240].into_iter().enumerate() {
                let flaky = TableTrouble::Flaky { percent: 10 };
                replicas[0].disk().way().unwrap().trouble(flaky, Some(MINUTE));
                sim.run_for(Duration::from_secs(seconds)).await;
                let killed = replicas.remove(0);
                replicas.push(killed.crash().start().await);
                replicas[0]
                    .disk()
                    .way()
                    .unwrap()
                    .trouble(TableTrouble::CutOff, Some(MINUTE / 2));
                if round % 2 == 0 {
                    replicas[1].stall(MINUTE);
                }
                sim.run_for(Duration::from_secs(7)).await;
            }
            let all: Vec<&Replica> = replicas.iter().collect();
            until_all_agree(&sim, &all, 12, idle_and_retired).await;
            sim.each_is_rotated_once(&users);
        });
    }
}

/// What was stored of all secrets, in order: the secret's ARN and the moment.
fn stored(sim: &Simulation, wanted: fn(&Event) -> bool) -> Vec<(String, Timestamp)> {
    let journal = sim.world.journal();
    let wanted = journal.iter().filter(|entry| wanted(&entry.event));
    wanted.map(|entry| (entry.secret_arn.clone(), entry.at)).collect()
}

fn begins(event: &Event) -> bool {
    matches!(event, Event::RotationStarted { .. })
}

fn promotes(event: &Event) -> bool {
    matches!(event, Event::Promoted { .. })
}

#[test]
fn of_all_replicas_secrets_that_are_due_at_once_one_goes_first() {
    for seed in 1..=8 {
        simulate(seed, lifelike(), async |sim| {
            let users = sim.overdue_fleet(12).await;
            let replicas = started(machines(&sim, &SharedTable::with_leases(), 3, &Policy::monthly(&users))).await;
            let all: Vec<&Replica> = replicas.iter().collect();
            until_all_agree(&sim, &all, 12, idle_and_retired).await;
            let (_, proved_at) = stored(&sim, promotes)[0].clone();
            let early = stored(&sim, begins).into_iter().filter(|(_, at)| *at < proved_at);
            let early: BTreeSet<String> = early.map(|(secret, _)| secret).collect();
            assert_eq!(early.len(), 1, "{early:?}");
        });
    }
}

#[test]
fn secrets_that_are_kept_apart_are_so_on_different_replicas_too() {
    for seed in 1..=4 {
        simulate(seed, lifelike(), async |sim| {
            let users = sim.overdue_fleet(6).await;
            let policy = Policy::monthly(&users)
                .with("canary", "0")
                .with("overlap", "\"none\"")
                .with("together", "\"all\"")
                .with("never_within", "\"10m\"");
            let replicas = started(machines(&sim, &SharedTable::with_leases(), 3, &policy)).await;
            let all: Vec<&Replica> = replicas.iter().collect();
            until_all_agree(&sim, &all, 6, idle_and_retired).await;
            let mut began: Vec<Timestamp> = stored(&sim, begins).into_iter().map(|(_, at)| at).collect();
            began.sort();
            let apart = began.windows(2).map(|two| two[1] - two[0]);
            assert!(
                apart.clone().all(|apart| apart >= TimeDelta::minutes(10)),
                "{:?}",
                apart.collect::<Vec<_>>()
            );
        });
    }
}

fn leases_of(replica: &Replica) -> usize {
    let leases = replica.leases.as_ref().expect("it asks for leases");
    leases.leases().unwrap_or_default()
}

#[test]
fn without_leases_crashes_clocks_apart_and_a_table_that_fails_lead_to_no_violation() {
    for seed in 1..=3 {
        simulate(seed, lifelike(), async |sim| {
            let users = sim.overdue_fleet(12).await;
            let table = SharedTable::without_leases();
            let mut machines = machines(&sim, &table, 2, &Policy::monthly(&users));
            machines[1].clock().step(TimeDelta::minutes(4));
            let mut one = machines.remove(0).start().await;
            let mut other = machines.remove(0).start().await;
            for seconds in [10, 35, 65, 90, 240] {
                one.disk()
                    .way()
                    .unwrap()
                    .trouble(TableTrouble::Flaky { percent: 10 }, Some(MINUTE));
                sim.run_for(Duration::from_secs(seconds)).await;
                one = one.crash().start().await;
                other
                    .disk()
                    .way()
                    .unwrap()
                    .trouble(TableTrouble::CutOff, Some(MINUTE / 3));
                sim.run_for(Duration::from_secs(7)).await;
                other = other.crash().start().await;
            }
            until_all_agree(&sim, &[&one, &other], 12, idle_and_retired).await;
            sim.each_is_rotated_once(&users);
        });
    }
}
