//! The repair of drift, where the policy asks for it, and what looking at drift costs. In simulated time:
//! `drift_causes` has what each cause is called, `drift_mid_rotation` what a rotation does in the midst of it,
//! and `drift_on_redis` the same on real nodes.

use std::time::Duration;

use rekeyd::engine::control::{Control, RotateOptions, Selector};
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::DriftCause;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd_sandbox::elasticache::DescribeUsers;
use rekeyd_sandbox::{Fault, FaultKind};

use crate::support::simulated::{CrashPoint, Machine, Policy, Replica, Simulation, lifelike, simulate};
use crate::support::world::secret_name;

pub const OLD: &str = "the-first-password-1";
pub const STRANGE: &str = "a-password-of-a-stranger-2";
pub const STRANGE_TOO: &str = "another-of-a-stranger-3";
pub const MINUTES: fn(u64) -> Duration = |minutes| Duration::from_secs(minutes * 60);
pub const DAY: Duration = Duration::from_secs(86_400);

pub fn machine(sim: &Simulation, on_drift: &str) -> Machine {
    let policy = Policy::new("orders", &["user1"]).with("overlap", "\"30m\"");
    sim.machine("rekeyd")
        .policy(policy.with("on_drift", &format!("{on_drift:?}")))
}

pub fn healthy(status: &SecretStatus) -> bool {
    status.phase == Phase::Idle && status.proof == Some(Proof::Proven) && status.drift.is_none()
}

pub fn has_drifted(cause: DriftCause) -> impl Fn(&SecretStatus) -> bool {
    move |status| status.drift == Some(cause)
}

/// A user whose password was checked, by a rekeyd that does so every six hours.
pub async fn checked(sim: &Simulation, on_drift: &str) -> (Replica, String) {
    sim.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let replica = machine(sim, on_drift).start().await;
    replica.until(&secret, "checked", DAY, healthy).await;
    (replica, secret)
}

/// The same after one rotation, whose previous password is retired.
pub async fn rotated(sim: &Simulation, on_drift: &str) -> (Replica, String) {
    let (replica, secret) = checked(sim, on_drift).await;
    replica.rotate(&secret, RotateOptions::default()).await;
    let retired = |status: &SecretStatus| healthy(status) && status.retired_proof == Some(Proof::Proven);
    replica.until(&secret, "rotated and retired", DAY, retired).await;
    (replica, secret)
}

pub async fn until_modifiable(sim: &Simulation) {
    loop {
        let described = sim.call(DescribeUsers {
            user_id: Some("user1".to_owned()),
            ..DescribeUsers::default()
        });
        if described.await.users[0].status == "active" {
            return;
        }
        sim.run_for(Duration::from_secs(1)).await;
    }
}

pub fn labels(sim: &Simulation) -> Vec<&'static str> {
    sim.world.journal().iter().map(|entry| entry.event.label()).collect()
}

pub fn count(sim: &Simulation, label: &str) -> usize {
    labels(sim).iter().filter(|known| **known == label).count()
}

pub fn modify_user_calls(sim: &Simulation) -> u64 {
    let calls = sim.world.sandbox.calls();
    calls.get("elasticache.ModifyUser").copied().unwrap_or_default()
}

#[test]
fn a_heartbeat_costs_no_refused_login_and_drift_one_for_each_node_look_and_password() {
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = rotated(&sim, "halt").await;
        let refused = |sim: &Simulation| sim.refused().values().copied().max().unwrap_or_default();
        let before = refused(&sim);
        sim.run_for(DAY).await;
        assert_eq!(refused(&sim), before, "heartbeats");
        sim.set_passwords("user1", &[STRANGE]).await;
        let drifted = has_drifted(DriftCause::Overwritten);
        replica.until(&secret, "overwritten", MINUTES(370), drifted).await;
        assert_eq!(
            refused(&sim) - before,
            2,
            "one with the current password, one with the previous"
        );
        sim.run_for(4 * DAY).await;
        let looks = refused(&sim) - before - 2;
        assert!(
            (16..40).contains(&looks),
            "{looks} looks in four days: rarer and rarer, up to the heartbeat"
        );
    });
}

#[test]
fn a_repair_gives_clients_their_password_back_once_the_fence_is_over() {
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = rotated(&sim, "repair").await;
        let current = sim.password(&secret, "AWSCURRENT").unwrap();
        sim.set_passwords("user1", &[STRANGE, STRANGE_TOO]).await;
        let drifted = has_drifted(DriftCause::Overwritten);
        replica.until(&secret, "overwritten", MINUTES(370), drifted).await;
        let status = replica.until(&secret, "repaired", MINUTES(30), healthy).await;
        assert_eq!(
            (sim.logins("user1", &current), sim.logins("user1", STRANGE)),
            ((3, 3), (0, 3))
        );
        assert_eq!((status.reason, status.nodes), (None, Some(3)));
        assert_eq!(
            (
                count(&sim, "repair_started"),
                count(&sim, "passwords_restored"),
                count(&sim, "repaired")
            ),
            (1, 1, 1)
        );
        assert_eq!(sim.secret(&secret).versions.len(), 2, "no new version");
        replica.rotate(&secret, RotateOptions::default()).await;
        let other = |status: &SecretStatus| healthy(status) && status.current_version.as_deref() != Some(&current);
        replica.until(&secret, "rotated after it", DAY, other).await;
    });
}

#[test]
fn a_previous_password_that_logs_in_is_kept_by_the_repair_and_retired_again() {
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = rotated(&sim, "repair").await;
        let current = sim.password(&secret, "AWSCURRENT").unwrap();
        sim.set_passwords("user1", &[OLD]).await;
        let drifted = has_drifted(DriftCause::PreviousAccepted);
        replica.until(&secret, "put back", MINUTES(370), drifted).await;
        let probe = || (sim.logins("user1", &current) == (3, 3)).then_some(());
        sim.until("the current password works", MINUTES(40), probe, String::new)
            .await;
        assert_eq!(
            sim.logins("user1", OLD),
            (3, 3),
            "nobody who uses it is cut by the repair itself"
        );
        let retired = |status: &SecretStatus| healthy(status) && status.retired_proof == Some(Proof::Proven);
        replica.until(&secret, "retired again", MINUTES(60), retired).await;
        assert_eq!(
            (sim.logins("user1", OLD), sim.logins("user1", &current)),
            ((0, 3), (3, 3))
        );
    });
}

#[test]
fn a_paused_secret_is_not_repaired_before_it_is_resumed() {
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = checked(&sim, "repair").await;
        let all = Selector {
            all: true,
            ..Selector::default()
        };
        replica.engine.pause(&all, None, None).await.unwrap();
        sim.set_passwords("user1", &[STRANGE]).await;
        sim.run_for(DAY).await;
        assert_eq!(count(&sim, "repair_started"), 0);
        replica.engine.resume(&all).await.unwrap();
        replica
            .until(&secret, "repaired", MINUTES(60), |status| {
                healthy(status) && sim.logins("user1", OLD).0 == 3
            })
            .await;
    });
}

#[test]
fn a_writer_that_undoes_each_repair_is_named_and_fought_no_more() {
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = checked(&sim, "repair").await;
        let undone = |status: &SecretStatus| status.reason.as_deref() == Some("repairs_undone");
        for repair in 1..=3 {
            sim.set_passwords("user1", &[STRANGE]).await;
            replica
                .until(&secret, "repaired", MINUTES(420), |status| {
                    healthy(status) && count(&sim, "repaired") == repair
                })
                .await;
        }
        sim.set_passwords("user1", &[STRANGE]).await;
        replica.until(&secret, "given up", MINUTES(420), undone).await;
        sim.run_for(3 * DAY).await;
        assert!(undone(&replica.status(&secret).unwrap()), "still after days");
        assert_eq!(count(&sim, "repair_started"), 3);
        let all = Selector {
            all: true,
            ..Selector::default()
        };
        replica.engine.resume(&all).await.unwrap();
        replica
            .until(&secret, "repaired for the operator", MINUTES(60), healthy)
            .await;
    });
}

/// A user that a stranger overwrites, and a repair by a process that dies at this point and is started
/// again, with its store or without. Says whether it died.
fn repaired_in_spite_of(crash: CrashPoint, store_lost: bool) -> bool {
    simulate(2, lifelike(), async |sim| {
        let (replica, secret) = rotated(&sim, "repair").await;
        let machine = replica.end().await;
        sim.set_passwords("user1", &[STRANGE]).await;
        sim.run_for(MINUTES(5)).await;
        let mut replica = machine.dies(crash).start().await;
        let mut died = false;
        for _ in 0..600 {
            if replica.is_dead() {
                died = true;
                let machine = replica.crash();
                let machine = if store_lost { machine.empty_disk() } else { machine };
                replica = machine.start().await;
            }
            let current = sim.password(&secret, "AWSCURRENT").unwrap();
            let works = sim.logins("user1", &current) == (3, 3);
            if works && replica.status(&secret).as_ref().is_some_and(healthy) {
                assert_eq!(sim.logins("user1", STRANGE), (0, 3));
                return died;
            }
            sim.run_for(MINUTES(1)).await;
        }
        panic!("not repaired after {crash:?}\n{}", sim.story());
    })
}

#[test]
fn a_repair_that_is_killed_at_any_call_and_any_write_of_its_store_ends_with_the_password_working() {
    type Point = fn(u64) -> CrashPoint;
    let points: [(&str, Point, usize); 4] = [
        ("before a request", CrashPoint::BeforeRequest, 1),
        ("after a request", CrashPoint::AfterRequest, 1),
        ("before a write of the store", CrashPoint::BeforeSave, 6),
        ("after a write of the store", CrashPoint::AfterSave, 6),
    ];
    for store_lost in [false, true] {
        for (what, point, least) in points {
            let deaths = (1..=40)
                .take_while(|n| repaired_in_spite_of(point(*n), store_lost))
                .count();
            println!("{deaths} deaths {what}, store lost: {store_lost}");
            assert!(deaths >= least, "{deaths} deaths {what}");
        }
    }
}

#[test]
fn a_repair_whose_reply_is_lost_or_refused_is_made_good() {
    let kinds = [
        FaultKind::ReplyLost,
        FaultKind::Throttle,
        FaultKind::Error,
        FaultKind::Hang,
    ];
    for kind in kinds {
        simulate(3, lifelike(), async |sim| {
            let (replica, secret) = rotated(&sim, "repair").await;
            sim.set_passwords("user1", &[STRANGE]).await;
            sim.faults(vec![Fault::next("ModifyUser", kind)]);
            let current = sim.password(&secret, "AWSCURRENT").unwrap();
            let repaired = |status: &SecretStatus| healthy(status) && count(&sim, "repaired") == 1;
            replica.until(&secret, "repaired", MINUTES(500), repaired).await;
            assert_eq!(sim.logins("user1", &current), (3, 3));
        });
    }
}

#[test]
fn two_replicas_without_a_common_store_may_both_repair_and_lock_nobody_out() {
    simulate(4, lifelike(), async |sim| {
        let (replica, secret) = rotated(&sim, "repair").await;
        let policy = Policy::new("orders", &["user1"]).with("overlap", "\"30m\"");
        let other = sim
            .machine("other")
            .policy(policy.with("on_drift", "\"repair\""))
            .start()
            .await;
        other.until(&secret, "checked", DAY, healthy).await;
        sim.set_passwords("user1", &[STRANGE]).await;
        let current = sim.password(&secret, "AWSCURRENT").unwrap();
        let works = || (sim.logins("user1", &current) == (3, 3)).then_some(());
        sim.until("it works again", MINUTES(420), works, String::new).await;
        for replica in [&replica, &other] {
            replica.until(&secret, "at peace", MINUTES(420), healthy).await;
        }
        replica.rotate(&secret, RotateOptions::default()).await;
        let version = replica.status(&secret).unwrap().current_version;
        let next = |status: &SecretStatus| healthy(status) && status.current_version != version;
        replica.until(&secret, "rotated", DAY, next).await;
        sim.run_for(DAY).await;
    });
}

#[test]
fn a_pause_does_not_take_up_a_fight_that_was_given_up() {
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = checked(&sim, "repair").await;
        for repair in 1..=3 {
            sim.set_passwords("user1", &[STRANGE]).await;
            let repaired = |status: &SecretStatus| healthy(status) && count(&sim, "repaired") == repair;
            replica.until(&secret, "repaired", MINUTES(420), repaired).await;
        }
        sim.set_passwords("user1", &[STRANGE]).await;
        let undone = |status: &SecretStatus| status.reason.as_deref() == Some("repairs_undone");
        replica.until(&secret, "given up", MINUTES(420), undone).await;
        let all = Selector {
            all: true,
            ..Selector::default()
        };
        replica.engine.pause(&all, Some(MINUTES(25 * 60)), None).await.unwrap();
        let paused = |status: &SecretStatus| status.phase == Phase::Paused;
        replica.until(&secret, "paused", MINUTES(60), paused).await;
        sim.run_for(3 * DAY).await;
        assert!(undone(&replica.status(&secret).unwrap()), "{}", sim.story());
        assert_eq!(count(&sim, "repair_started"), 3);
    });
}

#[test]
fn a_repair_whose_look_grows_too_old_is_not_begun() {
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = checked(&sim, "repair").await;
        sim.set_passwords("user1", &[STRANGE]).await;
        let drifted = has_drifted(DriftCause::Overwritten);
        replica.until(&secret, "overwritten", MINUTES(370), drifted).await;
        // The first of these reads begins the look, and the last one before the write ends it.
        let slow = Fault {
            ms: Some(6_000),
            times: 0,
            ..Fault::next("DescribeSecret", FaultKind::Delay)
        };
        sim.faults(vec![slow]);
        sim.run_for(3 * MINUTES(60)).await;
        assert_eq!(count(&sim, "repair_started"), 0, "nothing that is not sent is begun");
        sim.faults(vec![]);
        replica.until(&secret, "repaired", MINUTES(120), healthy).await;
    });
}
