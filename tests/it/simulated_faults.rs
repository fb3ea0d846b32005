//! The faults that a simulation can inject strike where they are told to, and do what they are called.

use std::time::Duration;

use rekeyd::clock::Clock;
use rekeyd::engine::control::{Control, RotateOptions, Selector};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};

use crate::support::simulated::{
    CallFault, CallFaultKind, Deed, Disk, DiskTrouble, Policy, Replica, SaveFault, SaveFaultKind, lifelike, simulate,
};
use crate::support::world::secret_name;

const OLD: &str = "the-first-password-1";
const PATIENCE: Duration = Duration::from_secs(6 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);

fn policy() -> Policy {
    Policy::new("orders", &["user1"]).with("overlap", "\"2m\"")
}

async fn checked(replica: &Replica) {
    let checked = |status: &SecretStatus| status.proof == Some(Proof::Proven);
    replica.until(&secret_name("user1"), "checked", PATIENCE, checked).await;
}

fn is_done(status: &SecretStatus) -> bool {
    status.retired_proof == Some(Proof::Proven) && status.phase == Phase::Idle
}

async fn done(replica: &Replica) {
    replica.until(&secret_name("user1"), "rotated", PATIENCE, is_done).await;
}

async fn request(replica: &Replica) {
    replica.rotate(&secret_name("user1"), RotateOptions::default()).await;
}

/// The number of rekeyd's first `ModifyUser` among its calls.
fn first_modification() -> u64 {
    simulate(1, lifelike(), async |sim| {
        sim.live_user("user1", OLD).await;
        let replica = sim.replica("rekeyd", policy()).await;
        checked(&replica).await;
        request(&replica).await;
        done(&replica).await;
        let deeds = replica.deeds();
        let calls = deeds.into_iter().filter(|deed| matches!(deed, Deed::Call(_)));
        let before = calls.take_while(|deed| *deed != Deed::Call("ModifyUser"));
        u64::try_from(before.count()).unwrap() + 1
    })
}

/// Whether it kills the process, what became of the `ModifyUser` at AWS, and what rekeyd was told, when
/// that call meets a fault.
fn modification_meets(call: u64, kind: CallFaultKind) -> (bool, Option<String>, Option<String>) {
    simulate(1, lifelike(), async |sim| {
        sim.live_user("user1", OLD).await;
        let faults = vec![CallFault { call, kind }];
        let replica = sim.machine("rekeyd").policy(policy()).trips(faults).start().await;
        checked(&replica).await;
        request(&replica).await;
        let struck = || (replica.struck() == 1).then_some(());
        sim.until("struck", PATIENCE, struck, String::new).await;
        let was = sim.world.time.elapsed();
        sim.run_for(8 * MINUTE).await;
        let stalls = matches!(kind, CallFaultKind::StallBefore | CallFaultKind::StallAfter);
        let soon = chrono::DateTime::from_timestamp(1_767_225_600, 0).unwrap() + was + Duration::from_millis(100);
        let journal = sim.world.journal();
        let told = journal.iter().find_map(|entry| match &entry.event {
            Event::AttemptFailed { message, .. } => Some(message.clone()),
            Event::Waiting { detail, .. } => Some(detail.clone()),
            _ => None,
        });
        let log = sim.world.sandbox.log();
        let modified = log.into_iter().find(|entry| entry.operation == "ModifyUser");
        let arrived = modified.filter(|entry| stalls || entry.time <= soon);
        (replica.is_dead(), arrived.map(|entry| entry.outcome), told)
    })
}

#[test]
fn each_kind_of_fault_strikes_the_call_that_it_is_meant_for() {
    use CallFaultKind as Kind;
    let call = first_modification();
    for (kind, dies, at_aws, told) in [
        (Kind::CrashBefore, true, None, None),
        (Kind::CrashAfter, true, Some("ok"), None),
        (Kind::ReplyLost, false, Some("ok"), Some("DispatchFailed")),
        // It is sent again in its turn, and nobody need be told.
        (Kind::Throttled, false, Some("ok"), None),
        (Kind::ServerError, false, None, Some("InternalFailure")),
        (Kind::TimeoutBefore, false, None, Some("Timeout")),
        (Kind::TimeoutAfter, false, Some("ok"), Some("Timeout")),
        (Kind::WrongState, false, None, Some("InvalidUserState")),
        (
            Kind::StallBefore,
            false,
            Some("SignatureDoesNotMatch"),
            Some("Signature expired"),
        ),
        (Kind::StallAfter, false, Some("ok"), None),
    ] {
        let (died, arrived, heard) = modification_meets(call, kind);
        assert_eq!((died, arrived.as_deref()), (dies, at_aws), "{kind:?}: {heard:?}");
        let heard = heard.unwrap_or_default();
        assert!(told.is_none_or(|told| heard.contains(told)), "{kind:?}: {heard}");
    }
}

/// What rekeyd sends in the ten minutes that begin with `halting`.
fn sent_after(halting: impl Fn(&Replica)) -> (Vec<u64>, Duration) {
    simulate(1, lifelike(), async |sim| {
        sim.live_user("user1", OLD).await;
        let replica = sim.replica("rekeyd", policy()).await;
        checked(&replica).await;
        request(&replica).await;
        sim.run_for(Duration::from_secs(10)).await;
        let (began, before) = (sim.world.time.elapsed(), replica.clock().monotonic());
        halting(&replica);
        let mut sent = Vec::new();
        for _ in 0..10 {
            let so_far = replica.deeds().len();
            sim.run_for(MINUTE).await;
            sent.push(u64::try_from(replica.deeds().len() - so_far).unwrap());
        }
        assert_eq!(sim.world.time.elapsed() - began, 10 * MINUTE);
        done(&replica).await;
        (sent, replica.clock().monotonic() - before)
    })
}

#[test]
fn a_stopped_process_does_nothing_until_it_goes_on_and_its_monotonic_clock_runs_only_if_the_machine_does() {
    let (sent, passed) = sent_after(|replica| replica.stall(5 * MINUTE));
    assert!(sent[..5].iter().all(|deeds| *deeds == 0) && sent[5] > 0, "{sent:?}");
    let (sent, shorter) = sent_after(|replica| replica.suspend(5 * MINUTE));
    assert!(sent[..5].iter().all(|deeds| *deeds == 0) && sent[5] > 0, "{sent:?}");
    assert!(shorter + 4 * MINUTE < passed, "{shorter:?} and {passed:?}");
    let (sent, _) = sent_after(|_| ());
    assert!(sent[0] > 0, "{sent:?}");
}

#[test]
fn a_disk_that_cannot_be_written_holds_every_change_back_until_it_can() {
    for trouble in [DiskTrouble::Broken, DiskTrouble::Full, DiskTrouble::ReadOnly] {
        simulate(1, lifelike(), async |sim| {
            sim.live_user("user1", OLD).await;
            let replica = sim.replica("rekeyd", policy().with("schedule", "\"2h\"")).await;
            checked(&replica).await;
            replica.disk().trouble(trouble, Some(3 * 60 * MINUTE));
            sim.run_for(3 * 60 * MINUTE).await;
            assert_eq!(sim.secret(&secret_name("user1")).versions.len(), 1, "{trouble:?}");
            let status = replica.status(&secret_name("user1")).unwrap();
            assert_eq!(status.reason.as_deref(), Some("store_failed"), "{trouble:?}");
            done(&replica).await;
            assert_eq!(sim.logins("user1", OLD), (0, 3));
        });
    }
}

#[test]
fn a_disk_that_fails_now_and_then_delays_a_rotation_and_no_more() {
    simulate(1, lifelike(), async |sim| {
        sim.live_user("user1", OLD).await;
        let replica = sim.replica("rekeyd", policy().with("schedule", "\"2h\"")).await;
        checked(&replica).await;
        replica.disk().trouble(DiskTrouble::Flaky { percent: 40 }, None);
        sim.run_for(150 * MINUTE).await;
        replica.disk().mend();
        done(&replica).await;
        assert_eq!(sim.logins("user1", OLD), (0, 3));
    });
}

async fn entries(replica: &Replica) -> usize {
    replica.engine.history(None, 100).await.unwrap().len()
}

#[test]
fn a_store_in_memory_that_is_lost_under_a_process_is_missed_by_the_next_one_only() {
    simulate(1, lifelike(), async |sim| {
        sim.live_user("user1", OLD).await;
        let replica = sim.machine("rekeyd").policy(policy()).start().await;
        checked(&replica).await;
        replica.lose_store();
        request(&replica).await;
        done(&replica).await;
        assert!(entries(&replica).await > 10);
        let replica = replica.crash().start().await;
        assert_eq!(entries(&replica).await, 0, "the old store is still there");
    });
}

#[test]
fn a_file_that_is_deleted_under_a_process_takes_no_request_and_the_next_process_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    simulate(1, lifelike(), async |sim| {
        sim.live_user("user1", OLD).await;
        let disk = Disk::file(folder.path().join("state.db"));
        let replica = sim.machine("rekeyd").policy(policy()).disk(disk).start().await;
        checked(&replica).await;
        replica.lose_store();
        let selector = Selector {
            all: true,
            ..Selector::default()
        };
        let refused = replica.engine.rotate(&selector, RotateOptions::default()).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("was deleted")));
        sim.run_for(10 * MINUTE).await;
        assert_eq!(
            sim.secret(&secret_name("user1")).versions.len(),
            1,
            "rotated without a store"
        );
        let replica = replica.crash().start().await;
        checked(&replica).await;
        assert_eq!(entries(&replica).await, 1, "more than the check");
        request(&replica).await;
        done(&replica).await;
    });
}

#[test]
fn a_fault_strikes_the_write_of_the_store_that_it_is_meant_for() {
    for kind in SaveFaultKind::ALL {
        simulate(1, lifelike(), async |sim| {
            sim.live_user("user1", OLD).await;
            let faults = vec![SaveFault { save: 2, kind }];
            let replica = sim.machine("rekeyd").policy(policy()).save_trips(faults).start().await;
            sim.run_for(MINUTE).await;
            assert_eq!((replica.struck(), replica.is_dead()), (1, kind.is_fatal()), "{kind:?}");
            let stored = sim.world.journal().len();
            match kind {
                SaveFaultKind::CrashBefore => assert_eq!(stored, 0),
                SaveFaultKind::CrashAfter => assert_eq!(stored, 1),
                _ => checked(&replica).await,
            }
        });
    }
}

#[test]
fn two_replicas_with_a_store_each_share_nothing_but_aws() {
    simulate(1, lifelike(), async |sim| {
        sim.live_user("user1", OLD).await;
        let (one, other) = (sim.replica("one", policy()).await, sim.replica("other", policy()).await);
        checked(&one).await;
        checked(&other).await;
        request(&one).await;
        done(&one).await;
        done(&other).await;
        let requests = async |replica: &Replica| {
            let history = replica.engine.history(None, 100).await.unwrap();
            let requests = history
                .iter()
                .filter(|entry| matches!(entry.event, Event::Requested(_)));
            requests.count()
        };
        assert_eq!((requests(&one).await, requests(&other).await), (1, 0));
        assert_eq!(sim.secret(&secret_name("user1")).versions.len(), 2);
    });
}
