//! What a start does with all that came about while nobody was at work. `windows` has what becomes of windows.

use std::time::Duration;

use chrono::TimeDelta;
use rekeyd::engine::control::RotateOptions;
use rekeyd::rotation::status::{Phase, SecretStatus};

use crate::support::simulated::{FLEET_PASSWORD, Policy, lifelike, simulate};
use crate::support::status::{idle_and_proven, idle_and_retired};
use crate::support::world::{document_with, secret_name};
use crate::support::{Fault, FaultKind};

const OLD: &str = "the-first-password-1";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn an_overlap_that_ended_while_nobody_was_at_work_is_retired_at_once_and_not_before() {
    for store_lost in [false, true] {
        simulate(1, lifelike(), async |sim| {
            sim.live_user("user1", OLD).await;
            let name = secret_name("user1");
            let policy = Policy::new("orders", &["user1"]).with("overlap", "\"2h\"");
            let replica = sim.replica("rekeyd", policy).await;
            replica.until(&name, "checked", HOUR, idle_and_proven).await;
            replica.rotate(&name, RotateOptions::default()).await;
            let overlaps = |status: &SecretStatus| status.phase == Phase::Overlap;
            replica.until(&name, "promoted", HOUR, overlaps).await;
            sim.run_for(HOUR).await;
            let machine = replica.crash();
            sim.run_for(5 * HOUR).await;
            assert_eq!(sim.logins("user1", OLD), (3, 3), "nobody was there to remove it");
            let machine = if store_lost { machine.empty_disk() } else { machine };
            let replica = machine.start().await;
            replica.until(&name, "retired", 5 * MINUTE, idle_and_retired).await;
            assert_eq!(sim.logins("user1", OLD), (0, 3), "store lost: {store_lost}");
            assert_eq!(sim.versions()[&name], 2);
        });
    }
}

#[test]
fn what_fell_due_without_a_window_while_nobody_was_at_work_is_rotated_at_once_and_once() {
    simulate(1, lifelike(), async |sim| {
        let arn = sim.live_user("user1", OLD).await;
        let name = secret_name("user1");
        let policy = Policy::new("orders", &["user1"])
            .with("schedule", "\"1d\"")
            .with("overlap", "\"2h\"");
        let replica = sim.replica("rekeyd", policy).await;
        replica.until(&name, "checked", HOUR, idle_and_proven).await;
        let machine = replica.crash();
        sim.run_for(3 * DAY).await;
        assert_eq!(sim.starts(&arn).len(), 0);
        let replica = machine.start().await;
        let started = sim.world.sandbox.now();
        sim.run_for(MINUTE).await;
        assert_eq!(sim.starts(&arn).len(), 1, "{:#?}", replica.status(&name));
        let retired = replica.until(&name, "rotated", 3 * HOUR, idle_and_retired).await;
        let next = retired.next_rotation_at.expect("a date") - started;
        assert!(
            (TimeDelta::days(1)..TimeDelta::days(1) + TimeDelta::minutes(1)).contains(&next),
            "a day after this one: {next}"
        );
        sim.run_for(12 * HOUR).await;
        assert_eq!(
            (sim.starts(&arn).len(), sim.versions()[&name]),
            (1, 2),
            "days that were missed are not made up for"
        );
        assert_eq!(retired.missed_windows, 0);
    });
}

#[test]
fn a_start_among_many_under_way_begins_nothing_before_each_was_read_in_a_place_that_may_be_the_same_too() {
    const COUNT: usize = 40;
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(COUNT).await;
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let policy = |policy: Policy| {
            policy
                .with("schedule", "\"1h\"")
                .with("overlap", "\"none\"")
                .with("canary", "0")
                .with("max_attention", "\"100%\"")
        };
        let twin = "production/ec/twin";
        let beside = Policy {
            name: "beside".to_owned(),
            keys: format!("secrets = [{twin:?}]\nallow_users = [\"*\"]\naws = \"again\"\n"),
        };
        let machine = sim.machine("rekeyd").place("again", "us-east-1");
        let machine = machine
            .policy(policy(Policy::new("orders", &users)))
            .policy(policy(beside));
        let replica = machine.daemon("max_in_flight = 999").start().await;
        sim.faults(vec![Fault::next("ModifyUser", FaultKind::Throttle).times(0)]);
        // More than prepare a change at the same time at first.
        let half = || (sim.begun() >= COUNT / 2).then_some(());
        let so_far = || sim.begun().to_string();
        sim.until("many are under way", 12 * HOUR, half, so_far).await;
        let machine = replica.crash();
        let under_way = |user: &&&str| sim.versions()[&secret_name(user)] == 2;
        let of = users.iter().rev().find(under_way).expect("one");
        sim.create_secret(twin, &document_with(of, FLEET_PASSWORD)).await;
        sim.run_for(2 * HOUR).await;
        sim.faults(Vec::new());
        let replica = machine.start().await;
        sim.run_for(10 * MINUTE).await;
        let told = replica.status(twin).expect("known");
        assert_eq!(told.reason.as_deref(), Some("user_claimed_twice"), "{told:#?}");
        assert_eq!(sim.versions()[twin], 1, "it never began");
    });
}
