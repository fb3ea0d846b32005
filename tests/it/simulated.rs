//! The simulation itself: it repeats itself, and its processes die where they are told to.

use std::time::Duration;

use chrono::TimeDelta;
use rekeyd::engine::control::RotateOptions;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::version::version_id;
use rekeyd_sandbox::{Fault, FaultKind};

use crate::support::simulated::{CrashPoint, Disk, Machine, Policy, Simulation, lifelike, simulate};
use crate::support::world::secret_name;

const OLD: &str = "the-first-password-1";
const PATIENCE: Duration = Duration::from_secs(6 * 3_600);

fn machine(sim: &Simulation) -> Machine {
    let policy = Policy::new("orders", &["user1"]).with("overlap", "\"30m\"");
    sim.machine("rekeyd").policy(policy)
}

fn is_checked(status: &SecretStatus) -> bool {
    status.phase == Phase::Idle && status.proof == Some(Proof::Proven)
}

/// One requested rotation to its end, by a process that may die on the way and is then started again. Says
/// whether it died.
async fn rotation(sim: &Simulation, machine: Machine) -> bool {
    let arn = sim.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let first = sim.holder(&secret, "AWSCURRENT").unwrap();
    let mut replica = machine.start().await;
    let mut died = false;
    let mut asked = false;
    let second = version_id(&arn, &first, 0);
    for _ in 0..PATIENCE.as_secs() / 10 {
        if replica.is_dead() {
            died = true;
            replica = replica.crash().start().await;
        }
        let status = replica.status(&secret);
        if !asked && status.as_ref().is_some_and(is_checked) {
            // A process that dies on a request has not acknowledged it.
            let asking = replica.rotate(&secret, RotateOptions::default());
            let _ = tokio::time::timeout(Duration::from_secs(1), asking).await;
            asked = !replica.is_dead();
        }
        let retired = |status: SecretStatus| status.retired_proof == Some(Proof::Proven) && status.phase == Phase::Idle;
        if !replica.is_dead() && replica.status(&secret).is_some_and(retired) {
            assert_eq!(sim.holder(&secret, "AWSCURRENT"), Some(second));
            assert_eq!(sim.secret(&secret).versions.len(), 2, "rotated once");
            let password = sim.password(&secret, "AWSCURRENT").unwrap();
            assert_eq!(
                (sim.logins("user1", &password), sim.logins("user1", OLD)),
                ((3, 3), (0, 3))
            );
            return died;
        }
        sim.run_for(Duration::from_secs(10)).await;
    }
    panic!("not rotated\n{}", sim.story());
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_one_another() {
    let run = |seed| {
        simulate(seed, lifelike(), async |sim| {
            sim.faults(vec![Fault::next("ModifyUser", FaultKind::ReplyLost)]);
            rotation(&sim, machine(&sim)).await;
            let looks = sim.world.auditor().looks();
            (sim.story(), sim.password(&secret_name("user1"), "AWSCURRENT"), looks)
        })
    };
    let (one, other) = (run(1), run(2));
    assert_eq!(one, run(1));
    assert!(one.2 > 10, "the auditor looked {} times", one.2);
    assert!(one.0 != other.0 && one.1 != other.1);
}

#[test]
fn a_store_in_a_file_makes_no_difference_to_a_run_with_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let disks = [Disk::empty(), Disk::file(folder.path().join("state.db"))];
    let [memory, file] = disks.map(|disk| {
        simulate(1, lifelike(), async |sim| {
            let machine = machine(&sim).disk(disk).dies(CrashPoint::AfterSave(6));
            assert!(rotation(&sim, machine).await);
            sim.story()
        })
    });
    assert_eq!(memory, file);
}

#[test]
fn a_process_may_die_at_any_request_and_at_any_write_of_its_store() {
    type Point = fn(u64) -> CrashPoint;
    let points: [(&str, Point); 4] = [
        ("before a request", CrashPoint::BeforeRequest),
        ("after a request", CrashPoint::AfterRequest),
        ("before a write", CrashPoint::BeforeSave),
        ("after a write", CrashPoint::AfterSave),
    ];
    for (what, point) in points {
        let died = |n: &u64| {
            simulate(*n, lifelike(), async |sim| {
                rotation(&sim, machine(&sim).dies(point(*n))).await
            })
        };
        let deaths = (1..=40).take_while(died).count();
        println!("{deaths} deaths {what}");
        assert!(
            if what.ends_with("request") {
                deaths == 4
            } else {
                deaths >= 12
            },
            "{deaths} deaths {what}"
        );
    }
}

#[test]
fn a_clock_beyond_the_signature_window_changes_nothing_until_it_is_set() {
    simulate(1, lifelike(), async |sim| {
        sim.live_user("user1", OLD).await;
        let secret = secret_name("user1");
        let replica = machine(&sim).start().await;
        replica.until(&secret, "checked", PATIENCE, is_checked).await;
        replica.clock().step(TimeDelta::minutes(-6));
        replica.rotate(&secret, RotateOptions::default()).await;
        let expired = |status: &SecretStatus| status.reason.as_deref() == Some("request_expired");
        replica.until(&secret, "named", PATIENCE, expired).await;
        sim.run_for(Duration::from_secs(3_600)).await;
        assert_eq!(sim.secret(&secret).versions.len(), 1);
        replica.clock().step(TimeDelta::minutes(10));
        let retired = |status: &SecretStatus| status.retired_proof == Some(Proof::Proven);
        replica
            .until(&secret, "rotated four minutes ahead", PATIENCE, retired)
            .await;
        assert_eq!(sim.logins("user1", OLD), (0, 3));
    });
}

#[test]
fn a_process_that_is_told_to_end_finishes_its_call_and_the_next_one_goes_on() {
    simulate(1, lifelike(), async |sim| {
        let arn = sim.live_user("user1", OLD).await;
        let secret = secret_name("user1");
        let replica = machine(&sim).start().await;
        replica.until(&secret, "checked", PATIENCE, is_checked).await;
        let second = version_id(&arn, &sim.holder(&secret, "AWSCURRENT").unwrap(), 0);
        sim.faults(vec![Fault {
            ms: Some(3_000),
            ..Fault::next("PutSecretValue", FaultKind::Delay)
        }]);
        replica.rotate(&secret, RotateOptions::default()).await;
        sim.run_for(Duration::from_secs(2)).await;
        let machine = replica.end().await;
        assert_eq!(
            sim.holder(&secret, "AWSPENDING"),
            Some(second.clone()),
            "cut off in a call"
        );
        sim.run_for(Duration::from_secs(600)).await;
        assert_eq!(
            sim.world.sandbox.calls().get("elasticache.ModifyUser"),
            None,
            "went on after its end"
        );
        let replica = machine.start().await;
        let retired = |status: &SecretStatus| status.retired_proof == Some(Proof::Proven);
        let status = replica.until(&secret, "rotated", PATIENCE, retired).await;
        assert_eq!(status.current_version, Some(second));
    });
}
