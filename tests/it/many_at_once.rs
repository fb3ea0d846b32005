//! What many rotations at once cost in calls to AWS, and how fast they go.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd::engine::control::{Control, RotateOptions};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd_sandbox::{GroupCollisions, Quotas, Settings};

use crate::support::report::report;
use crate::support::simulated::{Policy, Replica, Simulation, lifelike, simulate};
use crate::support::world::secret_name;

/// How many users of the account have nothing to do with rekeyd: what a listing of all costs rests on them, too.
const OTHERS: usize = 600;

/// How many times the calls a rotation may cost while AWS takes a tenth: fewer share each read then.
const MOST_WHILE_THROTTLED: f64 = 1.2;

/// The most calls that one rotation may cost, its proof, retirement and polls included.
const MOST_CALLS: f64 = 12.0;

const PATIENCE: Duration = Duration::from_secs(6 * 3_600);

/// AWS takes this part of what rekeyd sends when nothing is throttled; of ElastiCache's reads as many as are sent.
fn quotas(part_of: u32) -> Settings {
    Settings {
        quotas: Quotas {
            enabled: true,
            modify_user: Some(10 / part_of),
            secret_writes: 50 / part_of,
            describe_secret: 500 / part_of,
            get_secret_value: 500 / part_of,
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
        all.iter().filter(|status| is_rotated(status)).count()
    };
    let probe = || (rotated() == count).then_some(());
    sim.until("all are rotated", PATIENCE, probe, || {
        format!("{} of {count}", rotated())
    })
    .await;
}

fn is_rotated(status: &SecretStatus) -> bool {
    status.retired_proof == Some(Proof::Proven) && status.phase == Phase::Idle
}

fn per_rotation(calls: &BTreeMap<String, u64>, count: usize) -> f64 {
    calls.values().sum::<u64>() as f64 / count as f64
}

/// How many rotations and retirements were under way at most, told by what was stored.
fn most_in_flight(sim: &Simulation) -> usize {
    let (mut under_way, mut most) = (BTreeMap::<String, bool>::new(), 0);
    for entry in sim.world.journal().iter() {
        let began = match entry.event {
            Event::RotationStarted { .. } | Event::RotationFound { .. } | Event::RetirementStarted { .. } => true,
            Event::Promoted { .. }
            | Event::Abandoned { .. }
            | Event::RotationDropped
            | Event::Retired { .. }
            | Event::RetirementDropped => false,
            _ => continue,
        };
        under_way.insert(entry.secret_arn.clone(), began);
        most = most.max(under_way.values().filter(|began| **began).count());
    }
    most
}

fn each_is_rotated_once(sim: &Simulation, users: &[String]) {
    let versions = sim.versions();
    for user in users {
        assert_eq!(versions[&secret_name(user)], 2, "{user}");
    }
}

#[test]
fn throttled_to_a_tenth_all_are_rotated_for_few_more_calls() {
    const COUNT: usize = 150;
    let measured = [1, 10].map(|part_of| {
        simulate(1, quotas(part_of), async |sim| {
            let users = sim.fleet(COUNT + OTHERS).await;
            let (calls, took) = rotate_all(&sim, &users[..COUNT]).await;
            let raised: Vec<String> = sim.footprint().reasons.into_iter().collect();
            assert!(
                !raised.iter().any(|reason| reason.starts_with("attention")),
                "{raised:?}"
            );
            each_is_rotated_once(&sim, &users[..COUNT]);
            (per_rotation(&calls, COUNT), took.as_secs(), calls)
        })
    });
    let [(free, quick, _), (throttled, slow, calls)] = measured;
    report(&format!(
        "{COUNT} at once, throttled to a tenth: {throttled:.2} calls each instead of {free:.2}, {slow} s instead of {quick} s"
    ));
    assert!(
        throttled <= MOST_WHILE_THROTTLED * free,
        "{throttled} instead of {free}: {calls:?}"
    );
}

#[test]
fn the_users_of_a_group_that_aws_calls_busy_go_one_by_one_and_others_do_not_wait() {
    for (collisions, minutes) in [
        (GroupCollisions::RefusedAsGroupState, 10),
        (GroupCollisions::RefusedAsUserState, 5),
    ] {
        let one_by_one = TimeDelta::minutes(minutes);
        let mut settings = lifelike();
        settings.doubts.group_collisions = collisions;
        simulate(1, settings, async |sim| {
            let users = sim.fleet(100).await;
            let all = &users[91..];
            let replica = sim.replica("rekeyd", policy(all)).await;
            sim.run_for(Duration::from_secs(60)).await;
            for user in all {
                replica.rotate(&secret_name(user), RotateOptions::default()).await;
            }
            let began = sim.world.time.elapsed();
            let alone = secret_name(all.last().expect("the user of the other group"));
            let is_done = || {
                let all = replica.engine.secrets();
                let other = all.into_iter().find(|status| status.secret == alone);
                other.is_some_and(|status| is_rotated(&status)).then_some(())
            };
            let in_vain = || "it waits".to_owned();
            sim.until("the other group's user is rotated", PATIENCE, is_done, in_vain)
                .await;
            let alone_took = sim.world.time.elapsed() - began;
            until_all_rotated(&sim, &replica, all.len()).await;
            let took = sim.world.time.elapsed() - began;
            let members = &all[..all.len() - 1];
            let changes = changes_of(&sim, members);
            let refused: Vec<_> = changes.iter().filter(|(_, taken)| !taken).map(|(at, _)| *at).collect();
            let first = *refused.first().expect("AWS has called the group busy");
            // Whoever was about to send has sent within a second. Perhaps it is over, which is tried now and then.
            let again = |at: &&DateTime<Utc>| (**at - first).num_milliseconds() > 1_000;
            let in_vain = refused.iter().filter(again).filter(|at| **at - first < one_by_one);
            assert_eq!(in_vain.count(), 0, "{changes:?}");
            let refused = refused.len();
            report(&format!(
                "a busy group of {}, {collisions:?}: {refused} changes refused, {} s; a user of another group: {} s",
                all.len() - 1,
                took.as_secs(),
                alone_took.as_secs()
            ));
            assert!(alone_took < Duration::from_secs(180), "{alone_took:?}");
            assert!(refused <= 3 * all.len(), "{refused} changes were refused");
        });
    }
}

/// When each change of these users was sent, and whether AWS took it.
fn changes_of(sim: &Simulation, users: &[String]) -> Vec<(DateTime<Utc>, bool)> {
    let log = sim.world.sandbox.log().into_iter();
    let changes = log.filter(|call| {
        let of = call.resource.as_ref();
        call.operation == "ModifyUser" && of.is_some_and(|of| users.contains(of))
    });
    changes.map(|call| (call.time, call.outcome == "ok")).collect()
}

#[test]
fn the_users_of_a_group_that_aws_does_not_call_busy_go_at_once() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(8).await;
        let replica = sim.replica("rekeyd", policy(&users)).await;
        sim.run_for(Duration::from_secs(60)).await;
        for user in &users {
            replica.rotate(&secret_name(user), RotateOptions::default()).await;
        }
        until_all_rotated(&sim, &replica, users.len()).await;
        let changes = changes_of(&sim, &users);
        assert!(changes.iter().all(|(_, taken)| *taken), "{changes:?}");
        // A change takes 20 seconds at least.
        let with_the_first = changes
            .iter()
            .filter(|(at, _)| *at - changes[0].0 < TimeDelta::seconds(20));
        assert_eq!(with_the_first.count(), users.len(), "{changes:?}");
    });
}

#[test]
fn with_retirements_no_more_are_under_way_than_max_in_flight_at_any_event() {
    for overlap in ["none", "10m"] {
        simulate(1, lifelike(), async |sim| {
            let users = sim.fleet(60).await;
            sim.run_for(Duration::from_secs(40 * 86_400)).await;
            let policy = policy(&users).with("overlap", &format!("{overlap:?}"));
            let machine = sim.machine("rekeyd").policy(policy);
            let replica = machine.daemon("max_in_flight = 7").start().await;
            until_all_rotated(&sim, &replica, users.len()).await;
            assert_eq!(most_in_flight(&sim), 7, "overlap {overlap}");
        });
    }
}

#[test]
fn a_rotation_among_many_costs_twelve_calls_at_most() {
    const COUNT: usize = 100;
    simulate(1, quotas(1), async |sim| {
        let users = sim.fleet(COUNT + OTHERS).await;
        let (calls, took) = rotate_all(&sim, &users[..COUNT]).await;
        let each = per_rotation(&calls, COUNT);
        report(&format!(
            "{COUNT} of {} users at once: {each:.2} calls each, {} s: {calls:?}",
            COUNT + OTHERS,
            took.as_secs()
        ));
        assert!(each <= MOST_CALLS, "{each} calls: {calls:?}");
    });
}
