//! `kill -9` at every call, lost replies, throttling: whatever happens, the next run finishes.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::support::cli::ended;
use crate::support::{Fault, FaultKind};

use super::{Burglar, ONBOARD, assert_onboarded, changing, empty, one};

/// What a run that nobody disturbs sends to change anything.
const WRITES: u64 = 7;

/// Runs it until AWS gets its `call`-th call that changes something, kills it then, and runs it again.
async fn killed_at(call: u64, kind: FaultKind) {
    let world = Arc::new(empty().await);
    let burglar = Burglar::at(&world);
    world.faults(vec![Fault::next("mutations", kind).at_call(call)]);
    let mut child = one(&world).command(&ONBOARD).spawn().expect("rekeyd starts");
    world.fault_fired().await;
    child.kill().await.expect("killed");
    world.end_faults();
    one(&world).cli(&ONBOARD).await.with(0);
    burglar.gives_up().await;
    assert_onboarded(&world).await;
}

/// All of them at the same time: they mostly wait.
async fn killed_at_every_write(kind: FaultKind) {
    let mut runs = JoinSet::new();
    for call in 1..=WRITES {
        runs.spawn(killed_at(call, kind));
    }
    runs.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_write_the_next_run_ends_the_same() {
    killed_at_every_write(FaultKind::HoldReply).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_any_write_the_next_run_ends_the_same() {
    killed_at_every_write(FaultKind::Hang).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_or_throttling_of_any_write_is_looked_after_and_nothing_is_done_twice() {
    let mut runs = JoinSet::new();
    for kind in [FaultKind::ReplyLost, FaultKind::Throttle, FaultKind::Error] {
        runs.spawn(disturbed(kind));
    }
    runs.join_all().await;
}

async fn disturbed(kind: FaultKind) {
    let world = Arc::new(empty().await);
    let burglar = Burglar::at(&world);
    let faults = ["CreateUser", "CreateSecret", "ModifyUserGroup"].map(|operation| Fault::next(operation, kind));
    let access = Fault::next("ModifyUser", kind).at_call(2);
    world.faults(faults.into_iter().chain([access]).collect());
    one(&world).cli(&ONBOARD).await.with(0);
    burglar.gives_up().await;
    assert_eq!(world.fired(), [1, 1, 1, 1], "{kind:?}");
    assert_onboarded(&world).await;
    let writes = changing(&world);
    assert_eq!(u64::try_from(writes.len()), Ok(WRITES), "{kind:?}: {writes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_is_named_and_the_next_run_goes_on() {
    let world = empty().await;
    let mut denied = Fault::next("CreateSecret", FaultKind::Code);
    denied.code = Some("AccessDeniedException".to_owned());
    denied.message = Some("not authorized to perform secretsmanager:CreateSecret".to_owned());
    denied.status = Some(400);
    world.faults(vec![denied]);
    let failed = ended(one(&world).command(&ONBOARD)).await.with(1);
    assert!(failed.stdout.contains("CreateSecret"), "{}", failed.stdout);
    world.end_faults();
    one(&world).cli(&ONBOARD).await.with(0);
    assert_onboarded(&world).await;
}
