//! One goes first: canaries, and policies in which too many secrets are in trouble.

use std::time::Duration;

use rekeyd::engine::control::{Control, RotateOptions, Selector};
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::HoldReason;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::version::version_id;
use rekeyd_sandbox::{Delay, Fault, FaultKind, Never, NodeChange};

use crate::support::report::report;
use crate::support::simulated::{FLEET_PASSWORD, Policy, Replica, Simulation, lifelike, simulate};
use crate::support::status::idle_and_retired;
use crate::support::world::{document, document_with, secret_name};

const PATIENCE: Duration = Duration::from_secs(12 * 3_600);
const HOUR: Duration = Duration::from_secs(3_600);

fn policy(users: &[String]) -> Policy {
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    Policy::new("orders", &users).with("overlap", "\"1h\"")
}

/// Lets everything that exists fall due before a replica starts.
async fn fall_due(sim: &Simulation) {
    sim.run_for(Duration::from_secs(40 * 86_400)).await;
}

fn statuses(replica: &Replica, wanted: impl Fn(&SecretStatus) -> bool) -> usize {
    replica.engine.secrets().iter().filter(|status| wanted(status)).count()
}

fn holds(replica: &Replica) -> Vec<HoldReason> {
    let policies = replica.engine.policies();
    policies[0].held.iter().map(|hold| hold.reason).collect()
}

async fn until_all(sim: &Simulation, replica: &Replica, what: &str, wanted: fn(&SecretStatus) -> bool) {
    let all = sim.versions().len();
    let probe = || (statuses(replica, wanted) == all).then_some(());
    let describe = || {
        let other = replica.engine.secrets().into_iter().find(|status| !wanted(status));
        format!("{} of {all}; {other:#?}", statuses(replica, wanted))
    };
    sim.until(what, PATIENCE, probe, describe).await;
}

fn set_propagation(sim: &Simulation, node: &str, delay: Option<Delay>) {
    let change = NodeChange {
        propagation_ms: Some(delay),
        ..NodeChange::default()
    };
    sim.change_node(node, &change);
}

/// A fleet whose canary is stopped by a node that breaks before and is mended after.
fn a_bad_node_stops_the_canary(count: usize, spoil: fn(&Simulation), mend: fn(&Simulation), told: &'static str) {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(count).await;
        fall_due(&sim).await;
        spoil(&sim);
        let replica = sim.replica("rekeyd", policy(&users).with("schedule", "\"30d\"")).await;
        sim.run_for(2 * HOUR).await;
        assert_eq!(sim.begun(), 1, "one canary");
        let canary = replica.status(&secret_name("user0000")).unwrap();
        assert_eq!(
            (canary.phase, canary.reason.as_deref()),
            (Phase::NeedsAttention, Some(told))
        );
        let waiting = statuses(&replica, |status| {
            let detail = status.detail.as_deref().unwrap_or_default();
            status.phase == Phase::Due && detail.contains(&secret_name("user0000")) && detail.contains("canary")
        });
        assert_eq!(waiting, count - 1);
        assert_eq!(holds(&replica), [HoldReason::Canary]);
        report(&format!(
            "a node that never learns passwords: {} of {count} due users begun within two hours, {waiting} wait for the canary",
            sim.begun()
        ));

        mend(&sim);
        until_all(&sim, &replica, "rotated without a person", |status| {
            status.phase == Phase::Overlap
        })
        .await;
        assert!(sim.versions().values().all(|versions| *versions == 2));
        assert_eq!(holds(&replica), []);
    });
}

#[test]
fn a_node_that_never_learns_passwords_stops_one_rotation_and_no_more() {
    a_bad_node_stops_the_canary(
        200,
        |sim| set_propagation(sim, "fleet0-002", Some(Delay::Never(Never::Never))),
        |sim| set_propagation(sim, "fleet0-002", None),
        "node_lagging",
    );
}

#[test]
fn a_node_that_is_down_while_it_is_called_available_stops_every_rotation() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(20).await;
        fall_due(&sim).await;
        let run = |running| {
            let change = NodeChange {
                running: Some(running),
                ..NodeChange::default()
            };
            sim.change_node("fleet0-001", &change);
        };
        run(false);
        let replica = sim.replica("rekeyd", policy(&users).with("schedule", "\"30d\"")).await;
        sim.run_for(2 * HOUR).await;
        assert_eq!(
            sim.begun(),
            0,
            "nothing is begun before the current password was proved"
        );
        assert_eq!(
            holds(&replica),
            [HoldReason::MaxAttention],
            "who was tried and could not begin is in trouble"
        );
        run(true);
        until_all(&sim, &replica, "rotated without a person", idle_and_retired).await;
    });
}

#[test]
fn all_who_fall_due_at_one_moment_wait_for_the_first_of_them() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(40).await;
        let _replica = sim.replica("rekeyd", policy(&users).with("schedule", "\"2h\"")).await;
        sim.run_for(HOUR).await;
        assert_eq!(sim.begun(), 0);
        let mut most = 0;
        let promoted = |number: usize| sim.holder(&secret_name(&users[number]), "AWSPREVIOUS").is_some();
        for _ in 0..2 * HOUR.as_secs() {
            if promoted(0) {
                break;
            }
            most = most.max(sim.begun());
            sim.run_for(Duration::from_secs(1)).await;
        }
        assert_eq!((most, promoted(0)), (1, true), "one before the proof");
        sim.run_for(Duration::from_secs(300)).await;
        assert_eq!(sim.begun(), 40, "and nobody waits for a tick after it");
    });
}

#[test]
fn a_request_for_many_sends_one_first_and_now_sends_all() {
    for (now, at_once) in [(false, 1), (true, 30)] {
        simulate(1, lifelike(), async |sim| {
            let users = sim.fleet(30).await;
            let replica = sim.replica("rekeyd", policy(&users)).await;
            until_all(&sim, &replica, "checked", |status| status.proof == Some(Proof::Proven)).await;
            let selector = Selector {
                all: true,
                ..Selector::default()
            };
            let options = RotateOptions {
                now,
                ..RotateOptions::default()
            };
            for user in &users {
                let at = sim.world.sandbox.now();
                sim.world.auditor().requested(at, &secret_name(user), false);
            }
            replica.engine.rotate(&selector, options).await.unwrap();
            sim.run_for(Duration::from_secs(15)).await;
            assert_eq!(sim.begun(), at_once);
            until_all(&sim, &replica, "rotated", idle_and_retired).await;
        });
    }
}

#[test]
fn first_passwords_wait_for_the_first_of_them() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.inactive_fleet(30).await;
        let replica = sim.replica("rekeyd", policy(&users)).await;
        sim.run_for(Duration::from_secs(120)).await;
        assert_eq!(sim.begun(), 1);
        until_all(&sim, &replica, "given a password", |status| {
            status.last_rotation_at.is_some() && status.phase == Phase::Idle
        })
        .await;
        let took = sim.world.time.elapsed();
        assert!(took < HOUR, "one after the other: {took:?}");
    });
}

#[test]
fn a_restart_and_a_lost_store_send_no_second_canary() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(30).await;
        fall_due(&sim).await;
        set_propagation(&sim, "fleet0-002", Some(Delay::Never(Never::Never)));
        let mut replica = sim.replica("rekeyd", policy(&users).with("schedule", "\"30d\"")).await;
        for lost in [false, true, false, true] {
            sim.run_for(HOUR).await;
            assert_eq!(sim.begun(), 1, "lost: {lost}");
            let machine = replica.crash();
            let machine = if lost { machine.empty_disk() } else { machine };
            replica = machine.start().await;
        }
        set_propagation(&sim, "fleet0-002", None);
        until_all(&sim, &replica, "rotated", idle_and_retired).await;
        assert!(sim.versions().values().all(|versions| *versions == 2));
    });
}

#[test]
fn a_secret_that_halts_before_anything_is_changed_lets_the_next_go_first() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(30).await;
        fall_due(&sim).await;
        sim.set_passwords("user0000", &["somebody-elses-password-1"]).await;
        sim.run_for(HOUR).await;
        let replica = sim.replica("rekeyd", policy(&users).with("schedule", "\"30d\"")).await;
        let done = |status: &SecretStatus| idle_and_retired(status) || status.phase == Phase::Halted;
        until_all(&sim, &replica, "rotated or halted", done).await;
        assert_eq!(sim.begun(), 29);
        assert_eq!(statuses(&replica, |status| status.phase == Phase::Halted), 1);
    });
}

#[test]
fn a_policy_with_too_many_in_trouble_starts_nothing_until_they_are_fewer() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(30).await;
        for user in ["user0027", "user0028", "user0029"] {
            sim.put(
                user,
                &format!("broken-version-of-{user:->30}"),
                &document("somebody"),
                None,
            )
            .await;
        }
        fall_due(&sim).await;
        let replica = sim
            .replica("rekeyd", policy(&users).with("schedule", "\"30d\"").with("canary", "0"))
            .await;
        sim.run_for(2 * HOUR).await;
        assert_eq!((sim.begun() - 3, holds(&replica)), (0, vec![HoldReason::MaxAttention]));
        let metrics = replica.metrics();
        assert!(
            metrics.contains("rekeyd_policy_held{policy=\"orders\",reason=\"max_attention\"} 1")
                && metrics.contains("rekeyd_policy_held{policy=\"orders\",reason=\"canary\"} 0"),
            "{metrics}"
        );
        let status = replica.status(&secret_name("user0001")).unwrap();
        assert!(
            status.phase == Phase::Due
                && status
                    .detail
                    .as_deref()
                    .unwrap()
                    .contains("3 are halted or need attention, 2 may"),
            "{status:#?}"
        );
        let urgent = RotateOptions {
            now: true,
            ..RotateOptions::default()
        };
        replica.rotate(&secret_name("user0001"), urgent).await;
        replica
            .until(
                &secret_name("user0001"),
                "rotated with --now",
                PATIENCE,
                idle_and_retired,
            )
            .await;
        assert_eq!(sim.begun() - 3, 1);

        sim.put(
            "user0029",
            "mended-version-of-user0029-----------",
            &document_with("user0029", FLEET_PASSWORD),
            None,
        )
        .await;
        let done = |status: &SecretStatus| status.phase == Phase::Halted || status.phase == Phase::Idle;
        until_all(&sim, &replica, "rotated or halted", done).await;
        assert_eq!((sim.begun() - 3, holds(&replica)), (27, vec![]));
    });
}

#[test]
fn a_canary_that_aws_refuses_backs_off_and_stays_in_trouble_beside_one_that_halts() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(3).await;
        fall_due(&sim).await;
        sim.set_passwords("user0000", &["somebody-elses-password-1"]).await;
        sim.run_for(HOUR).await;
        let denied = Fault {
            code: Some("AccessDeniedException".to_owned()),
            status: Some(400),
            times: 0,
            ..Fault::next("PutSecretValue", FaultKind::Code)
        };
        sim.faults(vec![denied]);
        let replica = sim.replica("rekeyd", policy(&users).with("schedule", "\"30d\"")).await;
        let phase = |user: &str| replica.status(&secret_name(user)).map(|status| status.phase);
        let both = || {
            let both = [phase("user0000"), phase("user0001")];
            (both == [Some(Phase::Halted), Some(Phase::NeedsAttention)]).then_some(())
        };
        sim.until("both are in trouble", HOUR, both, || {
            format!("{:#?}", replica.engine.secrets())
        })
        .await;
        assert!(holds(&replica).contains(&HoldReason::MaxAttention));

        let puts = || sim.world.sandbox.calls()["secretsmanager.PutSecretValue"];
        let before = puts();
        for _ in 0..24 * 60 {
            sim.run_for(Duration::from_secs(60)).await;
            assert_eq!(phase("user0001"), Some(Phase::NeedsAttention), "{}", sim.story());
        }
        let tried = puts() - before;
        // After the first minutes one each ten minutes, give or take the jitter.
        assert!((120..250).contains(&tried), "{tried} attempts in a day");
        assert_eq!(phase("user0002"), Some(Phase::Due));
        assert!(holds(&replica).contains(&HoldReason::MaxAttention));

        sim.faults(vec![]);
        let done = |status: &SecretStatus| idle_and_retired(status) || status.phase == Phase::Halted;
        until_all(&sim, &replica, "rotated or halted", done).await;
        assert_eq!(sim.begun(), 2);
    });
}

#[test]
fn one_whose_password_was_given_up_and_that_is_not_due_holds_up_nobody() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(4).await;
        fall_due(&sim).await;
        let (secret, young) = (secret_name("user0000"), "a-young-version-of-user0000----------");
        let document = document_with("user0000", FLEET_PASSWORD);
        sim.put("user0000", young, &document, None).await;
        let given_up = version_id(&sim.secret(&secret).arn, young, 0);
        sim.put("user0000", &given_up, &document, Some(&["GIVEN-UP"])).await;
        let replica = sim.replica("rekeyd", policy(&users).with("schedule", "\"30d\"")).await;
        let others = || (statuses(&replica, idle_and_retired) == 3).then_some(());
        sim.until("the others are rotated", PATIENCE, others, || {
            format!("{:#?}", replica.engine.secrets())
        })
        .await;
        assert_eq!(sim.holder(&secret, "AWSCURRENT").as_deref(), Some(young));
    });
}
