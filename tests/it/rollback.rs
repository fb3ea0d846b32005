//! `rekeyd rollback`: AWSCURRENT goes back to the previous version, and nobody is locked out.

use std::time::Duration;

use rekeyd::engine::control::{Control, RollbackOptions, RotateOptions, Selector};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::RollbackRefusal;
use rekeyd::rotation::rollback::RollbackOutcome;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::version::version_id;
use rekeyd_sandbox::{Fault, FaultKind};

use crate::support::simulated::{CrashPoint, Machine, Policy, Replica, Simulation, lifelike, simulate};
use crate::support::status::promoted_to;
use crate::support::world::{document_with, secret_name};
use crate::support::{OLD, Scene};

const USER: &str = "user1";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const PATIENCE: Duration = Duration::from_secs(12 * 3_600);

/// A user in an overlap of six hours that has just begun.
struct Overlapping<'a> {
    sim: &'a Simulation,
    replica: Replica,
    secret: String,
    arn: String,
    first: String,
    second: String,
    new: String,
}

fn policy() -> Policy {
    Policy::new("orders", &[USER]).with("overlap", "\"6h\"")
}

fn is_checked(status: &SecretStatus) -> bool {
    status.proof == Some(Proof::Proven)
}

async fn overlapping(sim: &Simulation) -> Overlapping<'_> {
    let arn = sim.live_user(USER, OLD).await;
    let secret = secret_name(USER);
    let first = sim.holder(&secret, "AWSCURRENT").unwrap();
    let replica = sim.replica("rekeyd", policy()).await;
    replica.until(&secret, "checked", PATIENCE, is_checked).await;
    replica.rotate(&secret, RotateOptions::default()).await;
    let second = version_id(&arn, &first, 0);
    let overlapping = |status: &SecretStatus| promoted_to(&second)(status) && status.phase == Phase::Overlap;
    replica.until(&secret, "in its overlap", PATIENCE, overlapping).await;
    let new = sim.password(&secret, "AWSCURRENT").unwrap();
    Overlapping {
        sim,
        replica,
        secret,
        arn,
        first,
        second,
        new,
    }
}

/// Asks for a rollback. A process that dies on the request acknowledges nothing.
async fn ask(sim: &Simulation, replica: &Replica, secret: &str, options: RollbackOptions) {
    sim.world.auditor().allow_rollback(secret);
    let asking = replica.engine.rollback(secret, options);
    if let Ok(answer) = tokio::time::timeout(Duration::from_secs(1), asking).await {
        answer.unwrap_or_else(|error| panic!("{error}"));
    }
}

fn is_rolled_back(status: &SecretStatus) -> bool {
    let done = status.rollback.as_ref().is_some_and(|rollback| rollback.is_done());
    done && status.phase == Phase::Halted && status.reason.as_deref() == Some("rolled_back")
}

fn refusal(status: &SecretStatus) -> Option<RollbackRefusal> {
    match status.rollback.as_ref()?.outcome.as_ref()? {
        RollbackOutcome::Refused { reason, .. } => Some(*reason),
        _ => None,
    }
}

impl Overlapping<'_> {
    async fn ask(&self) {
        ask(self.sim, &self.replica, &self.secret, RollbackOptions::default()).await;
    }

    async fn until(&self, what: &str, wanted: impl Fn(&SecretStatus) -> bool) -> SecretStatus {
        self.replica.until(&self.secret, what, PATIENCE, wanted).await
    }

    async fn refused(&self, wanted: RollbackRefusal) {
        let status = self.until("answered", |status| refusal(status).is_some()).await;
        assert_eq!(refusal(&status), Some(wanted), "{status:?}");
    }

    fn only(&self) -> Selector {
        Selector {
            secrets: vec![self.secret.clone()],
            ..Selector::default()
        }
    }

    fn current(&self) -> Option<String> {
        self.sim.holder(&self.secret, "AWSCURRENT")
    }

    fn assert_both_log_in(&self) {
        for password in [OLD, &self.new] {
            assert_eq!(self.sim.logins(USER, password), (3, 3), "{}", self.sim.story());
        }
    }
}

#[test]
fn a_rollback_keeps_both_passwords_until_it_is_resumed_and_then_rotates_to_the_next_generation() {
    simulate(1, lifelike(), async |sim| {
        let scene = overlapping(&sim).await;
        scene.ask().await;
        let status = scene.until("rolled back", is_rolled_back).await;
        let detail = status.detail.unwrap();
        assert!(detail.contains("rolled back by an operator through rekeyd"), "{detail}");
        assert_eq!(scene.current(), Some(scene.first.clone()));
        assert_eq!(sim.holder(&scene.secret, "AWSPREVIOUS"), Some(scene.second.clone()));
        sim.run_for(24 * HOUR).await;
        scene.assert_both_log_in();
        assert_eq!(sim.secret(&scene.secret).versions.len(), 2, "rotated behind the halt");

        // Asked for again, it is refused: nothing goes forward.
        scene.ask().await;
        scene.refused(RollbackRefusal::AlreadyRolledBack).await;
        let told = scene.until("told", |status| refusal(status).is_some()).await.rollback;
        let made = format!("it was moved back from version {} at ", scene.second);
        assert!(
            format!("{told:?}").contains(&made),
            "the one that was made is told: {told:?}"
        );
        assert_eq!(scene.current(), Some(scene.first.clone()));

        scene.replica.engine.resume(&scene.only()).await.unwrap();
        scene.replica.rotate(&scene.secret, RotateOptions::default()).await;
        let third = version_id(&scene.arn, &scene.first, 1);
        scene.until("rotated on", promoted_to(&third)).await;
        assert_eq!(sim.logins(USER, &scene.new), (0, 3), "what was rolled back is gone");
    });
}

#[test]
fn a_lost_reply_or_a_refusal_to_the_move_changes_nothing_of_its_end() {
    for kind in [
        FaultKind::ReplyLost,
        FaultKind::Throttle,
        FaultKind::Error,
        FaultKind::Hang,
    ] {
        simulate(2, lifelike(), async |sim| {
            let scene = overlapping(&sim).await;
            sim.faults(vec![Fault::next("UpdateSecretVersionStage", kind)]);
            scene.ask().await;
            scene.until("rolled back", is_rolled_back).await;
            assert_eq!(sim.world.sandbox.faults()[0].fired, 1, "the fault struck");
            assert_eq!(scene.current(), Some(scene.first.clone()));
            sim.run_for(12 * HOUR).await;
            scene.assert_both_log_in();
        });
    }
}

#[test]
fn a_process_may_die_at_any_point_of_a_rollback_with_its_store_or_without() {
    type Point = fn(u64) -> CrashPoint;
    // The move is the one request. Stored are what was asked for, the intent and the outcome at least.
    let points: [(&str, Point, u64); 4] = [
        ("before a request", CrashPoint::BeforeRequest, 1),
        ("after a request", CrashPoint::AfterRequest, 1),
        ("before a write", CrashPoint::BeforeSave, 3),
        ("after a write", CrashPoint::AfterSave, 3),
    ];
    for (what, point, least) in points {
        for kept in [true, false] {
            let dies_at = |n: u64| {
                simulate(3, lifelike(), async |sim| {
                    dies(&sim, point(n), kept, &format!("{what} {n}, store kept: {kept}")).await
                })
            };
            let survived = (1..100).find(|n| !dies_at(*n)).expect("a rollback ends");
            assert!(survived > least, "{what}: the process survived {survived} of them");
            println!("{what}, store kept: {kept}: {} deaths", survived - 1);
        }
    }
}

/// Says whether the process died.
async fn dies(sim: &Simulation, point: CrashPoint, kept: bool, what: &str) -> bool {
    let scene = overlapping(sim).await;
    let Overlapping {
        replica,
        secret,
        first,
        second,
        new,
        ..
    } = scene;
    let machine: Machine = replica.end().await.dies(point);
    let replica = machine.start().await;
    sim.run_for(MINUTE).await;
    let looked_at = !replica.is_dead() && replica.status(&secret).as_ref().is_some_and(promoted_to(&second));
    if looked_at {
        ask(sim, &replica, &secret, RollbackOptions::default()).await;
    }
    sim.run_for(MINUTE).await;
    let died = replica.is_dead();
    let at_death = sim.holder(&secret, "AWSCURRENT").unwrap();
    let machine = replica.crash();
    let machine = if kept { machine } else { machine.empty_disk() };
    let replica = machine.start().await;
    sim.run_for(2 * HOUR).await;
    let current = sim.holder(&secret, "AWSCURRENT").unwrap();
    let journal = sim.world.journal();
    let stored = journal
        .iter()
        .any(|entry| matches!(entry.event, Event::RollbackRequested(_)));
    drop(journal);
    assert!(
        stored || at_death == second,
        "{what}: nobody asked for it\n{}",
        sim.story()
    );
    let wanted = if kept && stored { &first } else { &at_death };
    assert_eq!(current, *wanted, "{what}\n{}", sim.story());
    if current == first {
        let status = replica.status(&secret).unwrap();
        assert_eq!(status.reason.as_deref(), Some("rolled_back"), "{what}: {status:?}");
    }
    for password in [OLD, &new] {
        assert_eq!(sim.logins(USER, password), (3, 3), "{what}\n{}", sim.story());
    }
    died
}

#[test]
fn beside_a_replica_that_retires_at_the_end_of_the_overlap_a_rollback_is_refused_before_it_is_late() {
    for (before_the_end, goes) in [(30 * MINUTE, true), (19 * MINUTE, false), (2 * MINUTE, false)] {
        simulate(4, lifelike(), async |sim| {
            let scene = overlapping(&sim).await;
            let other = sim.replica("other", policy()).await;
            other
                .until(&scene.secret, "looked at", PATIENCE, promoted_to(&scene.second))
                .await;
            let end = scene.replica.status(&scene.secret).unwrap().overlap_until.unwrap();
            let left = (end - sim.world.sandbox.now()).to_std().unwrap();
            sim.run_for(left - before_the_end).await;
            scene.ask().await;
            if goes {
                scene.until("rolled back", is_rolled_back).await;
                sim.run_for(6 * HOUR).await;
                assert_eq!(scene.current(), Some(scene.first.clone()));
                scene.assert_both_log_in();
            } else {
                scene.refused(RollbackRefusal::OverlapEnding).await;
                sim.run_for(6 * HOUR).await;
                assert_eq!(scene.current(), Some(scene.second.clone()));
                assert_eq!(sim.logins(USER, OLD), (0, 3), "retired in the end");
            }
        });
    }
}

#[test]
fn a_store_that_was_just_lost_makes_a_rollback_wait_for_the_fence() {
    simulate(5, lifelike(), async |sim| {
        let scene = overlapping(&sim).await;
        let (secret, first, second) = (scene.secret.clone(), scene.first.clone(), scene.second.clone());
        let replica = scene.replica.crash().empty_disk().start().await;
        replica
            .until(&secret, "looked at", PATIENCE, promoted_to(&second))
            .await;
        ask(&sim, &replica, &secret, RollbackOptions::default()).await;
        let status = replica
            .until(&secret, "answered", PATIENCE, |status| refusal(status).is_some())
            .await;
        assert_eq!(refusal(&status), Some(RollbackRefusal::WriteInDoubt));
        sim.run_for(21 * MINUTE).await;
        ask(&sim, &replica, &secret, RollbackOptions::default()).await;
        replica.until(&secret, "rolled back", PATIENCE, is_rolled_back).await;
        assert_eq!(sim.holder(&secret, "AWSCURRENT"), Some(first));
    });
}

#[test]
fn a_rollback_that_cannot_begin_in_time_is_given_up_and_not_made_up_for() {
    simulate(6, lifelike(), async |sim| {
        let scene = overlapping(&sim).await;
        sim.faults(vec![Fault::next("DescribeUsers", FaultKind::Throttle).times(0)]);
        scene.ask().await;
        sim.run_for(45 * MINUTE).await;
        sim.faults(Vec::new());
        let expired = |status: &SecretStatus| {
            let outcome = status.rollback.as_ref().and_then(|rollback| rollback.outcome.as_ref());
            matches!(outcome, Some(RollbackOutcome::Expired { .. }))
        };
        scene.until("given up", expired).await;
        sim.run_for(HOUR).await;
        assert_eq!(scene.current(), Some(scene.second.clone()));
    });
}

#[test]
fn a_stranger_who_moves_the_labels_meanwhile_wins() {
    simulate(7, lifelike(), async |sim| {
        let scene = overlapping(&sim).await;
        sim.faults(vec![Fault::next("DescribeUsers", FaultKind::Throttle).times(0)]);
        scene.ask().await;
        sim.run_for(MINUTE).await;
        let theirs = "11111111-2222-4333-8444-555555555555";
        sim.put(USER, theirs, &document_with(USER, OLD), None).await;
        sim.faults(Vec::new());
        scene.refused(RollbackRefusal::MovedOn).await;
        assert_eq!(scene.current().as_deref(), Some(theirs));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_rolls_back_once_and_says_why_it_does_not_twice() {
    let scene = Scene::start(&[("overlap", "\"24h\"")]).await;
    let (world, daemon, secret) = scene.parts();
    let setup = crate::support::cli::orders(world, &[USER]);
    let refused = setup.cli(&["rollback", secret]).await.with(13);
    assert!(refused.stdout.contains("nothing_previous"), "{}", refused.stdout);

    daemon.rotate(secret).await;
    let second = scene.successor(0);
    let overlapping = |status: &SecretStatus| promoted_to(&second)(status) && status.phase == Phase::Overlap;
    daemon.wait(secret, "in the overlap", overlapping).await;
    let new = world.password(secret, "AWSCURRENT").await.unwrap();
    let done = setup.cli(&["rollback", secret, "--json"]).await.with(0).json();
    assert_eq!(done["result"], "rolled_back", "{done:#}");
    assert_eq!(done["previous_version"], scene.first.as_str());
    assert_eq!((&done["proof"]["level"], &done["nodes"]), (&"proven".into(), &3.into()));
    assert_eq!(scene.current().await, scene.first);
    for password in [OLD, &new] {
        assert_eq!(world.logins(USER, password).await, (3, 3));
    }
    scene.halted("rolled_back").await;

    let twice = setup.cli(&["rollback", secret]).await.with(13);
    assert!(
        twice.stdout.contains("already_rolled_back") && twice.stdout.contains("rekeyd resume"),
        "{}",
        twice.stdout
    );
    assert_eq!(scene.current().await, scene.first);
    let unknown = setup.cli(&["rollback", "none"]).await.with(13);
    assert!(unknown.stderr.contains("\"none\""), "{}", unknown.stderr);
    let history = setup.cli(&["history", secret, "--events"]).await.with(0).stdout;
    for event in [
        "rollback_requested",
        "rollback_started",
        "rolled_back",
        "rollback_refused",
    ] {
        assert!(history.contains(event), "{event}: {history}");
    }
    let metrics = daemon.get("/metrics").await.body;
    let counted = "rekeyd_rotations_total{outcome=\"rolled_back\",policy=\"orders\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}
