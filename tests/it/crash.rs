//! `kill -9` of the real binary at every point of a rotation, and a restart.

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::Phase;
use rekeyd::rotation::version::version_id;

use crate::support::daemon::{Setup, delete_store};
use crate::support::status::rotated_to;
use crate::support::world::{document_with, secret_name};
use crate::support::{Fault, FaultKind, OLD, Policy, World, eventually};

fn setup<'a>(world: &'a World, user: &str) -> Setup<'a> {
    world.daemon(user).policy(Policy::new("orders", &[user]))
}

/// One rotation, killed when AWS gets its `call`-th call of this kind: before the call is applied,
/// or after it and before the reply. False when the rotation makes no such call.
async fn rotation_survives(world: &World, user: &str, fault: Fault, lose_store: bool) -> bool {
    let secret = secret_name(user);
    let arn = world.create_secret(&secret, &document_with(user, OLD)).await;
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let daemon = setup(world, user).run().await;
    daemon.checked(&secret).await;
    let place = format!("{fault:?}, store lost: {lose_store}");
    world.faults(vec![fault]);
    daemon.rotate(&secret).await;
    let struck = eventually("the fault strikes, or the rotation ends", || async {
        if world.fired()[0] > 0 {
            return Ok(true);
        }
        let status = daemon.statuses().await?.remove(0);
        if status.retired_at.is_some() && status.phase == Phase::Idle {
            Ok(false)
        } else {
            Err(format!("{status:?}"))
        }
    })
    .await;
    if !struck {
        return false;
    }
    let state_file = daemon.state_file.clone();
    daemon.kill().await;
    world.end_faults();
    world.settled(user).await;
    world.assert_current_logs_in(&secret, user).await;
    let begun = world.labels(&secret).await.len() > 1;
    if lose_store {
        delete_store(&state_file);
    }

    let daemon = setup(world, user).run().await;
    if lose_store && !begun {
        // The request was in the store. Nothing else may start a rotation.
        daemon.wait(&secret, "idle", |status| status.phase == Phase::Idle).await;
        assert_eq!(
            world.labels(&secret).await.len(),
            1,
            "rotated because the store was lost: {place}"
        );
        daemon.rotate(&secret).await;
    }
    let second = version_id(&arn, &first, 0);
    let status = daemon
        .wait(&secret, &format!("rotated after {place}"), rotated_to(&second))
        .await;
    assert_eq!(
        (status.proof, status.retired_proof),
        (Some(Proof::Proven), Some(Proof::Proven)),
        "{place}"
    );
    assert_eq!(world.labels(&secret).await.len(), 2, "rotated once: {place}");
    assert_eq!(world.logins(user, OLD).await, (0, 3), "{place}");
    world.assert_current_logs_in(&secret, user).await;
    assert_eq!(daemon.end("-TERM").await, Some(0));
    true
}

async fn world_of(users: &[String]) -> World {
    World::of(&users.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// Kills at each of the rotation's writes: the put, the set, the finish, the retirement.
async fn killed_at_each_write(kind: FaultKind, lose_store: bool) {
    let users: Vec<String> = (1..=4).map(|call| format!("user{call}")).collect();
    let world = world_of(&users).await;
    for (call, user) in (1..).zip(&users) {
        let fault = Fault::next("mutations", kind).at_call(call);
        assert!(
            rotation_survives(&world, user, fault, lose_store).await,
            "a rotation makes four writes"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_killed_before_any_of_its_writes_ends_once_with_the_same_version() {
    killed_at_each_write(FaultKind::Hold, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_killed_after_any_of_its_writes_ends_once_with_the_same_version() {
    killed_at_each_write(FaultKind::HoldReply, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_killed_before_any_of_its_writes_ends_so_without_its_store_too() {
    killed_at_each_write(FaultKind::Hang, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_killed_after_any_of_its_writes_ends_so_without_its_store_too() {
    killed_at_each_write(FaultKind::HoldReply, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_killed_at_any_call_at_all_ends_once_with_the_same_version() {
    let users: Vec<String> = (1..=60).map(|call| format!("user{call}")).collect();
    let world = world_of(&users).await;
    let mut covered = 0;
    for (call, user) in (1..).zip(&users) {
        let fault = Fault::next("*", FaultKind::HoldReply).on(user).at_call(call);
        if !rotation_survives(&world, user, fault, call % 2 == 0).await {
            break;
        }
        covered = call;
    }
    println!("killed at each of the {covered} calls of a rotation");
    assert!((10..60).contains(&covered), "{covered} calls");
}
