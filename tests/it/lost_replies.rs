//! Faults of single calls: the reply lost after the change was made, throttling, server errors,
//! silence. Every write is thereby made twice.

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::Phase;
use rekeyd::rotation::version::version_id;

use crate::support::world::{document_with, secret_name};
use crate::support::{Fault, FaultKind, Policy, World};

const OLD: &str = "the-first-password-1";

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
    let daemon = world.daemon("rekeyd").policy(Policy::new("orders", &names)).run().await;
    for user in &users {
        daemon
            .wait(&secret_name(user), "checked", |status| {
                status.proof == Some(Proof::Proven)
            })
            .await;
    }
    let faults = users.iter().zip(WRITES);
    world.faults(
        faults
            .map(|(user, (operation, call))| Fault::next(operation, kind).on(user).at_call(call))
            .collect(),
    );
    let answer = daemon.post("/api/v1/rotate", &serde_json::json!({"all": true})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for (user, version) in users.iter().zip(&expected) {
        let secret = secret_name(user);
        let done = |status: &rekeyd::rotation::status::SecretStatus| {
            status.current_version.as_ref() == Some(version)
                && status.retired_at.is_some()
                && status.phase == Phase::Idle
        };
        let status = daemon.wait(&secret, "rotated and retired", done).await;
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
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let secret = secret_name("user1");
    let daemon = world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &["user1"]))
        .run()
        .await;
    daemon
        .wait(&secret, "checked", |status| status.proof == Some(Proof::Proven))
        .await;
    let mut refusal = Fault::next("ModifyUser", FaultKind::Code);
    refusal.code = Some("InvalidParameterValue".to_owned());
    refusal.message = Some("Passwords contain a character that is not allowed.".to_owned());
    refusal.status = Some(400);
    world.faults(vec![refusal]);
    daemon.rotate(&secret).await;
    let second = version_id(&arn, &first, 1);
    let status = daemon
        .wait(&secret, "rotated", |status| {
            status.current_version.as_deref() == Some(&second)
        })
        .await;
    assert_eq!(status.proof, Some(Proof::Proven));
    assert_eq!(
        world.labels(&secret).await[&version_id(&arn, &first, 0)],
        Vec::<String>::new()
    );
    world.assert_current_logs_in(&secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_that_aws_refuses_again_and_again_halt_the_secret_until_an_operator_resumes() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let secret = secret_name("user1");
    let policy = Policy::new("orders", &["user1"]).with("max_attempts", "2");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    daemon
        .wait(&secret, "checked", |status| status.proof == Some(Proof::Proven))
        .await;
    let mut refusal = Fault::next("ModifyUser", FaultKind::Code).times(2);
    refusal.code = Some("InvalidParameterValue".to_owned());
    refusal.status = Some(400);
    world.faults(vec![refusal]);
    daemon.rotate(&secret).await;
    daemon.wait_reason(&secret, Phase::Halted, "attempts_exhausted").await;
    world.assert_current_logs_in(&secret, "user1").await;
    let answer = daemon
        .post("/api/v1/resume", &serde_json::json!({"secrets": [secret]}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let third = version_id(&arn, &first, 2);
    daemon
        .wait(&secret, "rotated", |status| {
            status.current_version.as_deref() == Some(&third)
        })
        .await;
    world.assert_current_logs_in(&secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requested_rotation_waits_while_a_write_whose_reply_was_lost_may_still_arrive() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let secret = secret_name("user1");
    let policy = Policy::new("orders", &["user1"]).with("fence", "\"1h\"");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    daemon
        .wait(&secret, "checked", |status| status.proof == Some(Proof::Proven))
        .await;
    let idle_on = |version: String| {
        move |status: &rekeyd::rotation::status::SecretStatus| {
            status.current_version.as_ref() == Some(&version)
                && status.phase == Phase::Idle
                && status.retired_at.is_some()
        }
    };
    daemon.rotate(&secret).await;
    let second = version_id(&arn, &first, 0);
    daemon.wait(&secret, "rotated", idle_on(second.clone())).await;

    // Every write was answered, so a request does not wait for the fence of an hour.
    world.faults(vec![Fault::next("ModifyUser", FaultKind::ReplyLost)]);
    daemon.rotate(&secret).await;
    let third = version_id(&arn, &second, 0);
    daemon.wait(&secret, "rotated again", idle_on(third.clone())).await;

    let puts = world.count("secretsmanager.PutSecretValue");
    daemon.rotate(&secret).await;
    let held = |status: &rekeyd::rotation::status::SecretStatus| status.phase == Phase::Due && status.requested;
    let status = daemon.wait(&secret, "held by the fence", held).await;
    assert!(
        status.detail.as_ref().is_some_and(|detail| detail.contains("--now")),
        "{status:?}"
    );
    assert_eq!(world.count("secretsmanager.PutSecretValue"), puts);
    let body = serde_json::json!({"secrets": [secret], "now": true});
    let answer = daemon.post("/api/v1/rotate", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    daemon
        .wait(&secret, "rotated now", idle_on(version_id(&arn, &third, 0)))
        .await;
    world.assert_current_logs_in(&secret, "user1").await;
}
