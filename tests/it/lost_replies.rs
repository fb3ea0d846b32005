//! Faults of single calls: the reply lost after the change was made, throttling, server errors,
//! silence. Every write is thereby made twice.

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::version::version_id;

use crate::support::cli::orders;
use crate::support::faults::refusal;
use crate::support::status::{promoted_to, rotated_to};
use crate::support::world::{document_with, secret_name};
use crate::support::{Fault, FaultKind, OLD, Scene, World};

/// The writes of a rotation with retirement: the operation, and which call to it.
const WRITES: [(&str, u64); 4] = [
    ("PutSecretValue", 1),
    ("ModifyUser", 1),
    ("UpdateSecretVersionStage", 1),
    ("ModifyUser", 2),
];

/// Rotates one user for each write, with a fault of this kind on it, all at once.
async fn rotations_end_right_despite(kind: FaultKind) {
    let world = World::start().await;
    let users: Vec<String> = (1..=WRITES.len()).map(|n| format!("user{n}")).collect();
    let names: Vec<&str> = users.iter().map(String::as_str).collect();
    let mut expected = Vec::new();
    for user in &users {
        world.create_user(user, OLD).await;
        let arn = world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
        let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
        expected.push(version_id(&arn, &first, 0));
    }
    world.create_cache(&names).await;
    let daemon = orders(&world, &names).run().await;
    for user in &users {
        daemon.checked(&secret_name(user)).await;
    }
    let faults = users.iter().zip(WRITES);
    world.faults(
        faults
            .map(|(user, (operation, call))| Fault::next(operation, kind).on(user).at_call(call))
            .collect(),
    );
    daemon.order("rotate", &serde_json::json!({"all": true})).await;
    for (user, version) in users.iter().zip(&expected) {
        let secret = secret_name(user);
        let status = daemon.wait(&secret, "rotated and retired", rotated_to(version)).await;
        assert_eq!(
            (status.proof, status.retired_proof),
            (Some(Proof::Proven), Some(Proof::Proven))
        );
        assert_eq!(world.labels(&secret).await.len(), 2, "{secret} rotated once");
        assert_eq!(world.logins(user, OLD).await, (0, 3));
        world.assert_current_logs_in(&secret, user).await;
    }
    assert_eq!(world.fired(), [1, 1, 1, 1], "every fault struck");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_to_any_write_does_no_harm() {
    rotations_end_right_despite(FaultKind::ReplyLost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_of_any_write_does_no_harm() {
    rotations_end_right_despite(FaultKind::Throttle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_error_to_any_write_does_no_harm() {
    rotations_end_right_despite(FaultKind::Error).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_after_any_write_does_no_harm() {
    rotations_end_right_despite(FaultKind::Hang).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_aws_refuses_is_given_up_for_another() {
    let scene = Scene::start(&[]).await;
    let (world, daemon, secret) = scene.parts();
    world.faults(vec![refusal("ModifyUser", "InvalidParameterValue", 400)]);
    daemon.rotate(secret).await;
    let second = scene.successor(1);
    let status = daemon.wait(secret, "rotated", promoted_to(&second)).await;
    assert_eq!(status.proof, Some(Proof::Proven));
    assert_eq!(world.labels(secret).await[&scene.successor(0)], Vec::<String>::new());
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_that_aws_refuses_again_and_again_halt_the_secret_until_an_operator_resumes() {
    let scene = Scene::start(&[("max_attempts", "2")]).await;
    let (world, daemon, secret) = scene.parts();
    world.faults(vec![refusal("ModifyUser", "InvalidParameterValue", 400).times(2)]);
    daemon.rotate(secret).await;
    daemon.wait_reason(secret, Phase::Halted, "attempts_exhausted").await;
    world.assert_current_logs_in(secret, "user1").await;
    daemon.order("resume", &serde_json::json!({"secrets": [secret]})).await;
    let third = scene.successor(2);
    daemon.wait(secret, "rotated", promoted_to(&third)).await;
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requested_rotation_waits_while_a_write_whose_reply_was_lost_may_still_arrive() {
    let scene = Scene::start(&[("fence", "\"1h\"")]).await;
    let (world, daemon, secret) = scene.parts();
    daemon.rotate(secret).await;
    let second = scene.successor(0);
    daemon.wait(secret, "rotated", rotated_to(&second)).await;

    // Every write was answered, so a request does not wait for the fence of an hour.
    world.faults(vec![Fault::next("ModifyUser", FaultKind::ReplyLost)]);
    daemon.rotate(secret).await;
    let third = version_id(&scene.arn, &second, 0);
    daemon.wait(secret, "rotated again", rotated_to(&third)).await;

    let puts = world.count("secretsmanager.PutSecretValue");
    daemon.rotate(secret).await;
    let held = |status: &SecretStatus| status.phase == Phase::Due && status.requested;
    let status = daemon.wait(secret, "held by the fence", held).await;
    assert!(
        status.detail.as_ref().is_some_and(|detail| detail.contains("--now")),
        "{status:?}"
    );
    assert_eq!(world.count("secretsmanager.PutSecretValue"), puts);
    let body = serde_json::json!({"secrets": [secret], "now": true});
    daemon.order("rotate", &body).await;
    daemon
        .wait(secret, "rotated now", rotated_to(&version_id(&scene.arn, &third, 0)))
        .await;
    world.assert_current_logs_in(secret, "user1").await;
}
