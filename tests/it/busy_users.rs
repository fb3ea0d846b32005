//! Users that others change, nodes that other policies name, and requests that are repeated: none of them holds up the
//! rest of a policy.

use std::time::Duration;

use rekeyd::engine::control::{Control, RotateOptions};
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd_sandbox::elasticache::AddTagsToResource;

use crate::support::faults::refusal;
use crate::support::simulated::{Policy, Replica, Simulation, lifelike, simulate};
use crate::support::world::{document_with, secret_name, user_arn};
use crate::support::{OLD, Settings};

const USERS: [&str; 6] = ["user1", "user2", "user3", "user4", "user5", "user6"];
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Users of one group, each with a secret.
async fn users_of_one_group(sim: &Simulation) {
    for user in USERS {
        sim.create_user(user, OLD).await;
        sim.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    sim.create_cache(&USERS).await;
}

fn policy(name: &str, users: &[&str]) -> Policy {
    Policy::new(name, users).with("overlap", "\"none\"")
}

fn is_rotated(status: &SecretStatus) -> bool {
    status.retired_proof == Some(Proof::Proven) && status.phase == Phase::Idle
}

async fn all_checked(replica: &Replica) {
    for user in USERS {
        let checked = |status: &SecretStatus| status.proof == Some(Proof::Proven);
        replica.until(&secret_name(user), "checked", PATIENCE, checked).await;
    }
}

#[test]
fn a_user_that_somebody_else_changes_holds_up_no_other_user_of_its_group() {
    let settings = Settings {
        tag_modifying_ms: 600_000,
        ..lifelike()
    };
    simulate(1, settings, async |sim| {
        users_of_one_group(&sim).await;
        let replica = sim
            .replica("rekeyd", policy("orders", &USERS).with("canary", "0"))
            .await;
        all_checked(&replica).await;
        let mut refused = refusal("ModifyUser", "InvalidUserState", 400);
        refused.resource = Some("user1".to_owned());
        refused.message = Some("User user1 has status modifying. Only active users can be modified.".to_owned());
        sim.faults(vec![refused]);
        for user in USERS {
            replica.rotate(&secret_name(user), RotateOptions::default()).await;
        }
        let began = sim.world.time.elapsed();
        // Somebody tags it: the refusal is on its way still.
        while sim.world.sandbox.faults()[0].fired == 0 {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        sim.call(AddTagsToResource {
            resource_name: user_arn("user1"),
            tags: Some(vec![rekeyd_sandbox::elasticache::Tag {
                key: "team".to_owned(),
                value: Some("orders".to_owned()),
            }]),
        })
        .await;
        for user in &USERS[1..] {
            replica.until(&secret_name(user), "rotated", PATIENCE, is_rotated).await;
        }
        let took = sim.world.time.elapsed() - began;
        assert!(took < Duration::from_secs(300), "the others took {took:?}");
        replica
            .until(&secret_name("user1"), "rotated", PATIENCE, is_rotated)
            .await;
        let refused = sim.world.sandbox.log();
        let refused = refused
            .iter()
            .filter(|call| call.operation == "ModifyUser" && call.outcome != "ok");
        assert_eq!(refused.count(), 1, "the user is let alone until it is active");
    });
}

#[test]
fn nodes_that_one_policy_names_are_not_asked_for_the_users_of_another() {
    simulate(1, lifelike(), async |sim| {
        users_of_one_group(&sim).await;
        // The same nodes, by a policy's word and not by ElastiCache's.
        let nodes = sim.world.sandbox.nodes();
        let nodes: Vec<String> = nodes
            .iter()
            .map(|node| format!("{}:{}", node.host, node.port))
            .collect();
        let named = policy("named", &USERS[..1]).with("endpoints", &format!("{nodes:?}"));
        let machine = sim.machine("rekeyd").policy(named);
        let replica = machine.policy(policy("orders", &USERS[1..])).start().await;
        all_checked(&replica).await;
        for user in USERS {
            replica.rotate(&secret_name(user), RotateOptions::default()).await;
        }
        for user in USERS {
            replica.until(&secret_name(user), "rotated", PATIENCE, is_rotated).await;
        }
        let reasons = sim.footprint().reasons;
        assert!(!reasons.contains("waits: nodes_changing"), "{reasons:?}");
    });
}

#[test]
fn requests_that_are_repeated_hold_nothing_up_and_do_not_pile_up_in_what_status_says() {
    simulate(1, lifelike(), async |sim| {
        users_of_one_group(&sim).await;
        let replica = sim.replica("rekeyd", policy("orders", &USERS)).await;
        all_checked(&replica).await;
        let begun = || {
            let all = replica.engine.secrets();
            all.iter().any(|status| status.phase == Phase::Rotating)
        };
        for _ in 0..200 {
            for user in USERS {
                replica.rotate(&secret_name(user), RotateOptions::default()).await;
            }
            for status in replica.engine.secrets() {
                let told = status.detail.unwrap_or_default();
                assert!(told.len() < 400, "{told}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(begun(), "{:#?}", replica.engine.secrets());
        for user in USERS {
            replica.until(&secret_name(user), "rotated", PATIENCE, is_rotated).await;
        }
    });
}
