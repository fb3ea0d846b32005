//! Two secrets that name one user, and what ends that.

use std::time::Duration;

use rekeyd::engine::control::{Control, RotateOptions, Selector};
use rekeyd::rotation::status::SecretStatus;
use rekeyd_sandbox::secretsmanager as sm;

use crate::support::simulated::{Policy, Replica, Simulation, lifelike, simulate};
use crate::support::status::idle_and_retired;
use crate::support::world::{document_with, secret_name};

const USER: &str = "user1";
/// The name of the other secret, as if it were another user's.
const ROGUE: &str = "rogue";
const OLD: &str = "the-password-before-001";
const PATIENCE: Duration = Duration::from_secs(2 * 3_600);
/// Far less than `discovery_interval`, and than anything that rests for a halt.
const SOON: Duration = Duration::from_secs(60);

fn claimed_twice(status: &SecretStatus) -> bool {
    status.reason.as_deref() == Some("user_claimed_twice")
}

/// A user with its secret, a second secret that names it, and a replica that has halted both.
async fn both_halted(sim: &Simulation) -> Replica {
    sim.live_user(USER, OLD).await;
    sim.create_secret(&secret_name(ROGUE), &document_with(USER, OLD)).await;
    sim.create_user("user2", OLD).await;
    let policy = Policy {
        name: "orders".to_owned(),
        keys: "select = { name_prefix = \"production/ec/\" }\nallow_users = [\"*\"]\noverlap = \"none\"\n".to_owned(),
    };
    let machine = sim.machine("rekeyd").daemon("drift_check_interval = \"none\"");
    let replica = machine.policy(policy).start().await;
    for secret in [USER, ROGUE] {
        replica
            .until(&secret_name(secret), "halted", PATIENCE, claimed_twice)
            .await;
    }
    sim.run_for(Duration::from_secs(1_000)).await;
    replica
}

async fn resume(replica: &Replica, user: &str) {
    let selector = Selector {
        secrets: vec![secret_name(user)],
        ..Selector::default()
    };
    replica.engine.resume(&selector).await.unwrap();
}

/// Asks for a rotation, and waits for its end.
async fn rotates(replica: &Replica) {
    let name = secret_name(USER);
    replica
        .until(&name, "not halted", SOON, |status| !claimed_twice(status))
        .await;
    replica.rotate(&name, RotateOptions::default()).await;
    let version = |status: &SecretStatus| idle_and_retired(status) && status.last_rotation_at.is_some();
    replica.until(&name, "rotated", PATIENCE, version).await;
}

async fn delete_the_rogue(sim: &Simulation, for_ever: bool) {
    sim.call(sm::DeleteSecret {
        secret_id: secret_name(ROGUE),
        recovery_window_in_days: (!for_ever).then_some(7),
        force_delete_without_recovery: for_ever.then_some(true),
    })
    .await;
}

#[test]
fn when_the_other_secret_is_gone_a_resume_of_either_lets_the_first_go_on_at_once() {
    for resumed in [USER, ROGUE] {
        simulate(1, lifelike(), async |sim| {
            let replica = both_halted(&sim).await;
            delete_the_rogue(&sim, true).await;
            resume(&replica, resumed).await;
            rotates(&replica).await;
            assert_eq!(sim.versions()[&secret_name(USER)], 2);
        });
    }
}

#[test]
fn when_the_other_secret_names_another_user_a_resume_of_either_lets_both_go_on_at_once() {
    for resumed in [USER, ROGUE] {
        simulate(1, lifelike(), async |sim| {
            let replica = both_halted(&sim).await;
            let mended = document_with("user2", OLD);
            sim.put(ROGUE, "a-version-that-names-another-user-01", &mended, None)
                .await;
            resume(&replica, resumed).await;
            for secret in [USER, ROGUE] {
                replica
                    .until(&secret_name(secret), "not halted", SOON, |status| {
                        !claimed_twice(status)
                    })
                    .await;
            }
            rotates(&replica).await;
        });
    }
}

#[test]
fn a_resume_of_two_secrets_that_still_name_one_user_halts_them_again() {
    simulate(1, lifelike(), async |sim| {
        let replica = both_halted(&sim).await;
        for secret in [USER, ROGUE] {
            resume(&replica, secret).await;
        }
        sim.run_for(SOON).await;
        for secret in [USER, ROGUE] {
            assert!(
                claimed_twice(&replica.status(&secret_name(secret)).unwrap()),
                "{secret}"
            );
        }
        assert!(sim.versions().values().all(|versions| *versions == 1));
    });
}

#[test]
fn a_secret_that_is_only_marked_for_deletion_may_come_back_and_keeps_its_claim_while_its_policy_has_it() {
    simulate(1, lifelike(), async |sim| {
        let replica = both_halted(&sim).await;
        delete_the_rogue(&sim, false).await;
        for secret in [ROGUE, USER] {
            resume(&replica, secret).await;
        }
        sim.run_for(SOON).await;
        assert!(claimed_twice(&replica.status(&secret_name(USER)).unwrap()));
        let secret_id = secret_name(ROGUE);
        sim.call(sm::RestoreSecret { secret_id }).await;
        resume(&replica, ROGUE).await;
        sim.run_for(SOON).await;
        for secret in [ROGUE, USER] {
            assert!(
                claimed_twice(&replica.status(&secret_name(secret)).unwrap()),
                "{secret}"
            );
        }
    });
}
