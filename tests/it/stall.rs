//! A process stopped between its observation and its write, and woken after other rotations.

use rekeyd::rotation::status::Phase;
use rekeyd::rotation::version::version_id;

use crate::support::status::{promoted_to, rotated_to};
use crate::support::world::{quick, secret_name};
use crate::support::{Fault, FaultKind, OLD, Policy, Settings, World};

/// Stops one daemon right before its ModifyUser, lets another one finish that rotation and make
/// the next, and wakes the first. Gives the outcomes of the first one's ModifyUser calls.
async fn woken_after_other_rotations(write_deadline: &str) -> Vec<String> {
    let world = World::with(Settings {
        signature_window_s: 2,
        ..quick()
    })
    .await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let policy = || Policy::new("orders", &["user1"]).with("fence", "\"3s\"");
    let stalled = world
        .daemon("stalled")
        .policy(policy().with("write_deadline", &format!("{write_deadline:?}")))
        .run()
        .await;
    stalled.checked(&secret).await;
    // Its next call after the put is the ModifyUser, which rests on the same observation.
    world.faults(vec![Fault::next("PutSecretValue", FaultKind::HoldReply)]);
    stalled.rotate(&secret).await;
    world.fault_fired().await;
    stalled.stop();
    world.end_faults();

    // Scheduled, since that is what the fence holds back: a request to a daemon with a store of its
    // own would not wait for a stranger's writes.
    let other = world
        .daemon("other")
        .policy(policy().with("schedule", "\"4s\""))
        .run()
        .await;
    let second = version_id(&arn, &first, 0);
    let third = version_id(&arn, &second, 0);
    let retired = rotated_to(&third);
    other
        .wait(&secret, "rotated twice", |status| {
            retired(status) && status.retired_at > status.proved_at
        })
        .await;
    assert_eq!(other.end("-TERM").await, Some(0));

    stalled.go_on();
    stalled
        .wait(&secret, "awake, and sees the newest version", |status| {
            promoted_to(&third)(status) && status.phase == Phase::Idle
        })
        .await;
    world.assert_current_logs_in(&secret, "user1").await;
    world.settled("user1").await;
    world.assert_current_logs_in(&secret, "user1").await;
    let calls = world.calls_by("stalled").into_iter();
    let modified = calls.filter(|call| call.operation == "ModifyUser");
    modified.map(|call| call.outcome).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_write_is_refused_by_aws_because_it_is_dated_with_its_observation() {
    // The process's own check is as good as switched off: only the date of the signature is left.
    let outcomes = woken_after_other_rotations("14m").await;
    assert_eq!(outcomes, ["SignatureDoesNotMatch"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_process_drops_a_write_that_rests_on_an_old_observation() {
    assert_eq!(woken_after_other_rotations("1s").await, Vec::<String>::new());
}
