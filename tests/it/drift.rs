//! Drift: somebody changes what the current password rests on. It is named, ends by itself when the world
//! is right again, and is repaired where the policy says so. In simulated time; `drift_on_redis` has the
//! same on real nodes.

use std::collections::BTreeSet;
use std::time::Duration;

use rekeyd::engine::control::{Control, RotateOptions, Selector};
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::{DriftCause, UnprovenReason};
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd_sandbox::elasticache::{DeleteUser, DescribeUsers, ModifyUser};
use rekeyd_sandbox::{Fault, FaultKind};

use crate::support::simulated::{CrashPoint, Machine, Policy, Replica, Simulation, lifelike, simulate};
use crate::support::world::{document_with, secret_name};

const OLD: &str = "the-first-password-1";
const STRANGE: &str = "a-password-of-a-stranger-2";
const STRANGE_TOO: &str = "another-of-a-stranger-3";
const MINUTES: fn(u64) -> Duration = |minutes| Duration::from_secs(minutes * 60);
const DAY: Duration = Duration::from_secs(86_400);

fn machine(sim: &Simulation, on_drift: &str) -> Machine {
    let policy = Policy::new("orders", &["user1"]).with("overlap", "\"30m\"");
    sim.machine("rekeyd")
        .policy(policy.with("on_drift", &format!("{on_drift:?}")))
}

fn healthy(status: &SecretStatus) -> bool {
    status.phase == Phase::Idle && status.proof == Some(Proof::Proven) && status.drift.is_none()
}

fn has_drifted(cause: DriftCause) -> impl Fn(&SecretStatus) -> bool {
    move |status| status.drift == Some(cause)
}

/// A user whose password was checked, by a rekeyd that does so every six hours.
async fn checked(sim: &Simulation, on_drift: &str) -> (Replica, String) {
    sim.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let replica = machine(sim, on_drift).start().await;
    replica.until(&secret, "checked", DAY, healthy).await;
    (replica, secret)
}

/// The same after one rotation, whose previous password is retired.
async fn rotated(sim: &Simulation, on_drift: &str) -> (Replica, String) {
    let (replica, secret) = checked(sim, on_drift).await;
    replica.rotate(&secret, RotateOptions::default()).await;
    let retired = |status: &SecretStatus| healthy(status) && status.retired_proof == Some(Proof::Proven);
    replica.until(&secret, "rotated and retired", DAY, retired).await;
    (replica, secret)
}

fn labels(sim: &Simulation) -> Vec<&'static str> {
    sim.world.journal().iter().map(|entry| entry.event.label()).collect()
}

fn count(sim: &Simulation, label: &str) -> usize {
    labels(sim).iter().filter(|known| **known == label).count()
}

fn modify_user_calls(sim: &Simulation) -> u64 {
    let calls = sim.world.sandbox.calls();
    calls.get("elasticache.ModifyUser").copied().unwrap_or_default()
}

#[test]
fn each_cause_of_drift_is_named_within_a_heartbeat_and_gone_within_one_once_the_world_is_right_again() {
    type Passwords = &'static [&'static str];
    let cases: [(&str, DriftCause, Passwords); 3] = [
        ("overwritten", DriftCause::Overwritten, &[STRANGE]),
        ("overwritten with two", DriftCause::Overwritten, &[STRANGE, STRANGE_TOO]),
        ("put back", DriftCause::PreviousAccepted, &[OLD]),
    ];
    for (what, cause, passwords) in cases {
        simulate(1, lifelike(), async |sim| {
            let (replica, secret) = rotated(&sim, "halt").await;
            sim.set_passwords("user1", passwords).await;
            let status = replica.until(&secret, what, MINUTES(370), has_drifted(cause)).await;
            assert_eq!(
                (status.phase, status.reason.as_deref()),
                (Phase::Halted, Some("current_password_refused"))
            );
            assert!(status.detail.unwrap().contains(cause.label()));
            let writes = modify_user_calls(&sim);
            sim.run_for(DAY).await;
            assert_eq!(modify_user_calls(&sim), writes, "halt changes nothing");
            let current = sim.password(&secret, "AWSCURRENT").unwrap();
            sim.set_passwords("user1", &[&current]).await;
            replica.until(&secret, "right again", MINUTES(370), healthy).await;
            assert_eq!((count(&sim, "drift_found"), count(&sim, "drift_ended")), (1, 1));
        });
    }
}

#[test]
fn a_user_that_was_deleted_or_turned_to_iam_or_to_no_password_is_named_so() {
    type Change = fn() -> ModifyUser;
    let iam: Change = || ModifyUser {
        user_id: "user1".to_owned(),
        no_password_required: Some(true),
        ..ModifyUser::default()
    };
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = checked(&sim, "repair").await;
        sim.call(iam()).await;
        let passwordless = has_drifted(DriftCause::Passwordless);
        let status = replica.until(&secret, "passwordless", MINUTES(370), passwordless).await;
        assert_eq!(
            (status.phase, status.reason.as_deref()),
            (Phase::Halted, Some("user_passwordless"))
        );
        sim.run_for(DAY).await;
        assert_eq!(
            count(&sim, "repair_started"),
            0,
            "no password may be what somebody wants"
        );
    });
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = checked(&sim, "repair").await;
        sim.call(DeleteUser {
            user_id: "user1".to_owned(),
        })
        .await;
        let deleted = |status: &SecretStatus| {
            has_drifted(DriftCause::UserDeleted)(status) && status.phase == Phase::NeedsAttention
        };
        replica.until(&secret, "deleted", MINUTES(420), deleted).await;
    });
}

#[test]
fn a_user_that_was_switched_off_is_told_of_and_neither_halted_nor_repaired() {
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = checked(&sim, "repair").await;
        sim.switch("user1", false).await;
        let off = has_drifted(DriftCause::UserOff);
        let status = replica.until(&secret, "switched off", MINUTES(370), off).await;
        assert_eq!(status.proof, Some(Proof::Unproven(UnprovenReason::UserOff)));
        sim.run_for(DAY).await;
        let status = replica.status(&secret).unwrap();
        assert_eq!((status.phase, status.drift), (Phase::Idle, Some(DriftCause::UserOff)));
        assert_eq!((count(&sim, "drift_found"), count(&sim, "repair_started")), (1, 0));
        sim.switch("user1", true).await;
        replica.until(&secret, "switched on", MINUTES(30), healthy).await;
    });
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

async fn until_modifiable(sim: &Simulation) {
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

/// Overwritten by a stranger when the rotation is at this point; with the store of one replica.
fn overwritten_when(reached: &str, on_drift: &str) {
    simulate(5, lifelike(), async |sim| {
        let (replica, secret) = checked(&sim, on_drift).await;
        let first = sim.holder(&secret, "AWSCURRENT");
        replica.rotate(&secret, RotateOptions::default()).await;
        let at = || (count(&sim, reached) > 0).then_some(());
        sim.until(reached, MINUTES(30), at, String::new).await;
        until_modifiable(&sim).await;
        sim.set_passwords("user1", &[STRANGE]).await;
        if on_drift == "halt" {
            let status = replica
                .until(&secret, "named", MINUTES(120), has_drifted(DriftCause::Overwritten))
                .await;
            assert_eq!(
                status.reason.as_deref(),
                Some("current_password_refused"),
                "{status:#?}"
            );
            sim.run_for(DAY).await;
            assert_eq!(sim.holder(&secret, "AWSCURRENT"), first, "nothing is promoted");
            assert_eq!(
                sim.logins("user1", STRANGE),
                (3, 3),
                "nor is the stranger's password touched"
            );
        } else {
            let rotated = |status: &SecretStatus| healthy(status) && status.current_version != first;
            replica
                .until(&secret, "repaired and rotated", MINUTES(420), rotated)
                .await;
            let current = sim.password(&secret, "AWSCURRENT").unwrap();
            assert_eq!(
                (sim.logins("user1", &current), sim.logins("user1", STRANGE)),
                ((3, 3), (0, 3))
            );
            let events = labels(&sim);
            let position = |label| events.iter().position(|known| *known == label).unwrap();
            assert!(position("abandoned") < position("repair_started"), "{events:?}");
        }
    });
}

#[test]
fn a_stranger_who_resets_the_password_mid_rotation_is_named_and_nothing_else_happens() {
    for reached in ["password_created", "password_set"] {
        overwritten_when(reached, "halt");
    }
}

#[test]
fn a_stranger_who_resets_the_password_mid_rotation_costs_the_rotation_and_the_repair_comes_after_it() {
    for reached in ["password_created", "password_set"] {
        overwritten_when(reached, "repair");
    }
}

/// A person puts another value into the secret while a password is pending, and gives the user these
/// passwords: theirs is `STRANGE`. Gives what the user's passwords are in the end, with those that logged in.
fn edited_mid_rotation(passwords: &[&str], on_drift: &str) -> (SecretStatus, BTreeSet<String>) {
    simulate(6, lifelike(), async |sim| {
        let (replica, secret) = checked(&sim, on_drift).await;
        replica.rotate(&secret, RotateOptions::default()).await;
        let at = || (count(&sim, "password_set") > 0).then_some(());
        sim.until("the pending password is set", MINUTES(30), at, String::new)
            .await;
        let pending = sim.password(&secret, "AWSPENDING").unwrap();
        let mine = "11111111-2222-4333-8444-555555555555";
        sim.put("user1", mine, &document_with("user1", STRANGE), None).await;
        until_modifiable(&sim).await;
        if !passwords.is_empty() {
            let passwords: Vec<_> = passwords
                .iter()
                .map(|given| given.replace("PENDING", &pending))
                .collect();
            let passwords: Vec<_> = passwords.iter().map(String::as_str).collect();
            sim.set_passwords("user1", &passwords).await;
        }
        sim.run_for(2 * DAY).await;
        assert_eq!(sim.holder(&secret, "AWSPENDING"), None, "{}", sim.story());
        assert_eq!(sim.holder(&secret, "AWSCURRENT").as_deref(), Some(mine));
        let before = replica.status(&secret).unwrap();
        if before.phase == Phase::Idle {
            replica.rotate(&secret, RotateOptions::default()).await;
            let next = |status: &SecretStatus| healthy(status) && status.current_version.as_deref() != Some(mine);
            replica.until(&secret, "rotated on from there", DAY, next).await;
            assert_eq!(sim.logins("user1", &pending).0, 0, "the one that was given up is dead");
        }
        let known = [("OLD", OLD), ("STRANGE", STRANGE), ("PENDING", &pending)];
        let works = known
            .into_iter()
            .filter(|(_, password)| sim.logins("user1", password).0 > 0);
        (before, works.map(|(name, _)| name.to_owned()).collect())
    })
}

#[test]
fn a_pending_version_that_a_person_has_overtaken_is_given_up_and_its_password_retired() {
    for passwords in [&[STRANGE][..], &[STRANGE, "PENDING"], &[STRANGE, OLD]] {
        let (status, works) = edited_mid_rotation(passwords, "halt");
        assert!(status.phase == Phase::Idle && status.drift.is_none(), "{status:#?}");
        assert!(works.is_empty(), "{works:?} still work after the next rotation");
    }
}

#[test]
fn a_secret_that_a_person_edits_mid_rotation_without_telling_the_user_is_named_as_drift_or_repaired() {
    let (status, works) = edited_mid_rotation(&[], "halt");
    assert_eq!(
        (status.phase, status.drift),
        (Phase::Halted, Some(DriftCause::PreviousAccepted))
    );
    assert_eq!(status.reason.as_deref(), Some("current_password_refused"));
    assert!(
        works.contains("OLD") && !works.contains("STRANGE"),
        "nobody was locked out: {works:?}"
    );
    let (status, _) = edited_mid_rotation(&[], "repair");
    assert!(status.phase == Phase::Idle && status.drift.is_none(), "{status:#?}");
}
