//! A secret that others wait for cannot be read any more, halts, or is gone: they go on without it.

use std::time::Duration;

use rekeyd::engine::control::RotateOptions;
use rekeyd::rotation::event::Event;
use rekeyd::rotation::status::Phase;
use rekeyd_sandbox::secretsmanager as sm;

use crate::support::simulated::{Policy, Simulation, lifelike, simulate};
use crate::support::world::{document_with, secret_name};
use crate::support::{Fault, FaultKind};

const OLD: &str = "the-first-password-1";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

async fn until_begun(sim: &Simulation, arn: &str, at_most: Duration) {
    let probe = || (!sim.starts(arn).is_empty()).then_some(());
    sim.until("it has begun", at_most, probe, || arn.to_owned()).await;
}

/// Secrets of one cache, in the order in which they fall due. Gives their ARNs.
async fn secrets<const N: usize>(sim: &Simulation, users: [&str; N]) -> [String; N] {
    for user in users {
        sim.create_user(user, OLD).await;
    }
    sim.create_cache(&users).await;
    let mut arns = [const { String::new() }; N];
    for (arn, user) in arns.iter_mut().zip(users) {
        *arn = sim.create_secret(&secret_name(user), &document_with(user, OLD)).await;
        sim.run_for(Duration::from_secs(1)).await;
    }
    arns
}

/// Secrets that fall due every day and are kept apart.
fn kept_apart(users: &[&str]) -> Policy {
    Policy::new("orders", users)
        .with("schedule", "\"1d\"")
        .with("overlap", "\"2h\"")
        .with("canary", "0")
        .with("max_attention", "\"100%\"")
        .with("together", "\"all\"")
        .with("never_within", "\"10m\"")
}

async fn delete(sim: &Simulation, user: &str, for_ever: bool) {
    sim.call(sm::DeleteSecret {
        secret_id: secret_name(user),
        recovery_window_in_days: (!for_ever).then_some(7),
        force_delete_without_recovery: for_ever.then_some(true),
    })
    .await;
}

#[test]
fn a_partner_that_cannot_be_read_any_more_holds_nobody() {
    simulate(1, lifelike(), async |sim| {
        let users = ["blue", "green", "red"];
        let [blue, green, _] = secrets(&sim, users).await;
        let replica = sim.replica("rekeyd", kept_apart(&users)).await;
        sim.run_for(DAY - 5 * MINUTE).await;
        replica.rotate(&secret_name("red"), RotateOptions::default()).await;
        sim.run_for(7 * MINUTE).await;
        for user in ["blue", "green"] {
            let held = replica.status(&secret_name(user)).expect("known");
            assert!(held.detail.is_some_and(|detail| detail.contains("together")), "{user}");
        }
        let denied = Fault {
            code: Some("AccessDeniedException".to_owned()),
            ..Fault::next("DescribeSecret", FaultKind::Code)
        };
        sim.faults(vec![denied.on("blue").times(0)]);
        until_begun(&sim, &green, HOUR).await;
        assert!(sim.starts(&blue).is_empty());
        sim.faults(Vec::new());
        until_begun(&sim, &blue, HOUR).await;
    });
}

#[test]
fn a_partner_that_is_gone_mid_way_holds_nobody_longer_than_never_within() {
    for for_ever in [false, true] {
        simulate(2, lifelike(), async |sim| {
            let users = ["blue", "green"];
            let [blue, green] = secrets(&sim, users).await;
            let _replica = sim.replica("rekeyd", kept_apart(&users)).await;
            until_begun(&sim, &blue, 2 * DAY).await;
            sim.run_for(Duration::from_secs(5)).await;
            delete(&sim, "blue", for_ever).await;
            until_begun(&sim, &green, HOUR).await;
            let apart = sim.starts(&green)[0] - sim.starts(&blue)[0];
            assert!(apart >= chrono::Duration::minutes(10), "{apart}");
        });
    }
}

#[test]
fn a_named_canary_that_is_gone_for_ever_gives_up_its_place() {
    simulate(3, lifelike(), async |sim| {
        let users = ["blue", "green"];
        let [blue, green] = secrets(&sim, users).await;
        let policy = Policy::new("orders", &users)
            .with("schedule", "\"1d\"")
            .with("overlap", "\"2h\"")
            .with("max_attention", "\"100%\"");
        let machine = sim.machine("rekeyd").daemon("discovery_interval = \"1m\"");
        let replica = machine.daemon("max_in_flight = 1").policy(policy).start().await;
        until_begun(&sim, &blue, 2 * DAY).await;
        sim.run_for(Duration::from_secs(5)).await;
        delete(&sim, "blue", true).await;
        sim.run_for(4 * MINUTE).await;
        assert!(sim.starts(&green).is_empty(), "it may come back");
        until_begun(&sim, &green, HOUR).await;
        let missing = replica.status(&secret_name("blue")).expect("still told of");
        assert_eq!(missing.phase, Phase::NeedsAttention);
    });
}

#[test]
fn room_that_is_offered_to_one_that_cannot_be_read_goes_to_the_next() {
    simulate(4, lifelike(), async |sim| {
        let users = ["blue", "green", "red"];
        let arns = secrets(&sim, users).await;
        let policy = Policy::new("orders", &users)
            .with("schedule", "\"1d\"")
            .with("overlap", "\"2h\"")
            .with("canary", "0")
            .with("max_attention", "\"100%\"")
            .with("retry", "{ initial = \"3h\", max = \"6h\", jitter = 0.0 }");
        let machine = sim.machine("rekeyd").daemon("max_in_flight = 1");
        let replica = machine.policy(policy).start().await;
        sim.run_for(DAY - MINUTE).await;
        let began = |arn: &String| !sim.starts(arn).is_empty();
        let probe = || (0..3).find(|place| began(&arns[*place]));
        let first = sim.until("one has begun", 2 * MINUTE, probe, String::new).await;
        sim.run_for(Duration::from_secs(5)).await;
        // They fell due in this order.
        let waiting: Vec<usize> = (0..3).filter(|place| *place != first).collect();
        let [unreadable, next] = waiting[..] else {
            unreachable!()
        };
        for user in [users[unreadable], users[next]] {
            let held = replica.status(&secret_name(user)).expect("known");
            let waits = held
                .detail
                .as_ref()
                .is_some_and(|detail| detail.contains("max_in_flight"));
            assert!(waits, "{held:#?}");
        }
        let denied = Fault {
            code: Some("AccessDeniedException".to_owned()),
            ..Fault::next("DescribeSecret", FaultKind::Code)
        };
        sim.faults(vec![denied.on(users[unreadable]).times(0)]);
        until_begun(&sim, &arns[next], HOUR).await;
        assert!(!began(&arns[unreadable]));
        let promoted = {
            let journal = sim.world.journal();
            let mut of_first = journal.iter().filter(|entry| entry.secret_arn == arns[first]);
            of_first
                .find(|entry| matches!(entry.event, Event::Promoted { .. }))
                .expect("promoted")
                .at
        };
        let waited = sim.starts(&arns[next])[0] - promoted;
        assert!(waited < chrono::Duration::seconds(30), "{waited}");
    });
}
