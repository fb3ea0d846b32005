//! Rotations under way when the process ended: the next one knows them at once, and touches one only when
//! a policy was seen to have it.

use std::time::Duration;

use rekeyd::engine::control::{Control, RotateOptions};
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd_sandbox::secretsmanager as sm;
use rekeyd_sandbox::{Fault, FaultKind};

use crate::support::simulated::{Machine, Policy, Simulation, lifelike, simulate};
use crate::support::world::secret_name;

const PATIENCE: Duration = Duration::from_secs(6 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);

fn selecting(name: &str, select: &str) -> Policy {
    Policy {
        name: name.to_owned(),
        keys: format!("select = {select}\nallow_users = [\"user*\"]\noverlap = \"30m\"\ncanary = 0\n"),
    }
}

async fn tag(sim: &Simulation, user: &str) {
    let tag = sm::SecretTag {
        key: "team".to_owned(),
        value: "orders".to_owned(),
    };
    sim.call(sm::TagResource {
        secret_id: secret_name(user),
        tags: vec![tag],
    })
    .await;
}

fn by_tag(sim: &Simulation) -> Machine {
    let policy = selecting("orders", "{ tags = { team = \"orders\" } }");
    let machine = sim.machine("rekeyd").daemon("discovery_interval = \"1m\"");
    machine.daemon("drift_check_interval = \"none\"").policy(policy)
}

/// So many users with a secret that has the tag, each in the middle of a rotation when the process is killed.
async fn killed_amid_rotations(sim: &Simulation, users: usize) -> (Machine, Vec<String>) {
    let users = sim.fleet(users).await;
    for user in &users {
        tag(sim, user).await;
    }
    let replica = by_tag(sim).start().await;
    for user in &users {
        let idle = |status: &SecretStatus| status.phase == Phase::Idle;
        replica.until(&secret_name(user), "looked at", PATIENCE, idle).await;
        replica.rotate(&secret_name(user), RotateOptions::default()).await;
    }
    for user in &users {
        let set = |status: &SecretStatus| status.phase == Phase::Rotating && status.pending_version.is_some();
        replica.until(&secret_name(user), "rotating", PATIENCE, set).await;
    }
    (replica.crash(), users.iter().map(|user| secret_name(user)).collect())
}

fn calls_about_secrets(sim: &Simulation) -> usize {
    let log = sim.world.sandbox.log();
    log.iter().filter(|entry| entry.operation != "ListSecrets").count()
}

fn retired(status: &SecretStatus) -> bool {
    status.retired_proof == Some(Proof::Proven) && status.phase == Phase::Idle
}

#[test]
fn all_are_known_before_anything_was_looked_up_and_untouched_while_no_look_up_succeeds() {
    simulate(1, lifelike(), async |sim| {
        let (machine, secrets) = killed_amid_rotations(&sim, 3).await;
        sim.faults(vec![Fault::next("ListSecrets", FaultKind::Throttle).times(0)]);
        let before = calls_about_secrets(&sim);
        let replica = machine.start().await;
        let shown = replica.engine.secrets();
        let shown: Vec<_> = shown.iter().map(|status| (&status.secret, status.phase)).collect();
        let all: Vec<_> = secrets.iter().map(|secret| (secret, Phase::Rotating)).collect();
        assert_eq!(shown, all);
        assert!(
            replica.metrics().contains("rekeyd_rotations_in_flight 3"),
            "{}",
            replica.metrics()
        );

        sim.run_for(10 * MINUTE).await;
        assert_eq!(calls_about_secrets(&sim), before);
        sim.faults(Vec::new());
        for secret in &secrets {
            replica.until(secret, "retired", PATIENCE, retired).await;
            assert_eq!(sim.secret(secret).versions.len(), 2, "rotated once");
        }
    });
}

#[test]
fn one_that_its_policy_selects_no_more_stays_as_it_is_until_it_is_selected_again() {
    simulate(1, lifelike(), async |sim| {
        let (machine, secrets) = killed_amid_rotations(&sim, 2).await;
        sim.call(sm::UntagResource {
            secret_id: secrets[0].clone(),
            tag_keys: vec!["team".to_owned()],
        })
        .await;
        let version = sim.holder(&secrets[0], "AWSCURRENT");
        let replica = machine.start().await;
        replica.until(&secrets[1], "retired", PATIENCE, retired).await;
        assert!(replica.status(&secrets[0]).is_none(), "it has no policy");
        assert_eq!(sim.holder(&secrets[0], "AWSCURRENT"), version);
        assert_eq!(replica.engine.policies()[0].secrets, 1);

        tag(&sim, "user0000").await;
        replica.until(&secrets[0], "retired", PATIENCE, retired).await;
        assert_eq!(sim.secret(&secrets[0]).versions.len(), 2, "rotated once");
    });
}

#[test]
fn one_that_no_name_in_the_configuration_fits_any_more_is_not_even_shown() {
    simulate(1, lifelike(), async |sim| {
        let (machine, secrets) = killed_amid_rotations(&sim, 1).await;
        for policy in [
            selecting("orders", "{ name_prefix = \"production/other/\" }"),
            selecting("stock", "{ tags = { team = \"stock\" } }"),
        ] {
            let replica = machine.clone().policies(vec![policy]).start().await;
            assert!(replica.engine.secrets().is_empty());
            sim.run_for(2 * MINUTE).await;
            assert!(replica.status(&secrets[0]).is_none());
            replica.crash();
        }
    });
}

#[test]
fn one_that_another_policy_selects_by_now_is_finished_under_that_one() {
    simulate(1, lifelike(), async |sim| {
        let (machine, secrets) = killed_amid_rotations(&sim, 1).await;
        let before = selecting("orders", "{ tags = { team = \"nobody\" } }");
        let heir = selecting("stock", "{ tags = { team = \"orders\" } }");
        let replica = machine.policies(vec![before, heir]).start().await;
        let status = replica.until(&secrets[0], "retired", PATIENCE, retired).await;
        assert_eq!(status.policy, "stock");
        assert_eq!(sim.secret(&secrets[0]).versions.len(), 2, "rotated once");
    });
}
