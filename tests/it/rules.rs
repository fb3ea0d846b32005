//! Rules of a rotation that single calls and single nodes do not show.

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::UnprovenReason;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::version::version_id;

use crate::support::cli::orders;
use crate::support::status::{promoted_to, proven};
use crate::support::world::{document_with, late_replica, quick, secret_name};
use crate::support::{Delay, OLD, Policy, Scene, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn an_overlap_until_the_next_rotation_is_ended_by_it() {
    let scene = Scene::start(&[("overlap", "\"until-next-rotation\"")]).await;
    let (world, daemon, secret) = scene.parts();
    daemon.rotate(secret).await;
    let second = scene.successor(0);
    let overlapping = |status: &SecretStatus| promoted_to(&second)(status) && status.phase == Phase::Overlap;
    let status = daemon.wait(secret, "in its overlap", overlapping).await;
    assert_eq!((status.overlap_until, status.retired_at), (None, None));
    assert_eq!(world.logins("user1", OLD).await, (3, 3));
    let middle = world.password(&scene.arn, "AWSCURRENT").await.unwrap();

    daemon.rotate(secret).await;
    let third = version_id(&scene.arn, &second, 0);
    let again = |status: &SecretStatus| promoted_to(&third)(status) && status.phase == Phase::Overlap;
    let status = daemon.wait(secret, "in the next overlap", again).await;
    assert_eq!(
        status.retired_proof,
        Some(Proof::Proven),
        "the one before was proved dead first"
    );
    assert_eq!(world.logins("user1", OLD).await, (0, 3));
    assert_eq!(world.logins("user1", &middle).await, (3, 3));
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_asked_for_during_the_overlap_waits_for_it_unless_the_previous_password_is_revoked() {
    let scene = Scene::start(&[("overlap", "\"24h\"")]).await;
    let (world, daemon, secret) = scene.parts();
    daemon.rotate(secret).await;
    let second = scene.successor(0);
    daemon.wait(secret, "promoted", promoted_to(&second)).await;
    daemon.rotate(secret).await;
    let held = |status: &SecretStatus| status.phase == Phase::Overlap && status.requested && status.detail.is_some();
    let status = daemon.wait(secret, "held by its overlap", held).await;
    assert!(
        status
            .detail
            .as_ref()
            .is_some_and(|detail| detail.contains("--revoke-previous")),
        "{status:?}"
    );
    assert_eq!(world.logins("user1", OLD).await, (3, 3));

    let middle = world.password(&scene.arn, "AWSCURRENT").await.unwrap();
    let body = serde_json::json!({"secrets": [secret], "revoke_previous": true});
    daemon.order("rotate", &body).await;
    let third = version_id(&scene.arn, &second, 0);
    let done = |status: &SecretStatus| promoted_to(&third)(status) && status.phase == Phase::Idle;
    daemon
        .wait(secret, "rotated, both earlier passwords revoked", done)
        .await;
    for dead in [OLD, &middle] {
        assert_eq!(world.logins("user1", dead).await, (0, 3));
    }
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_path_a_rotation_is_called_unproven_and_nobody_logs_in() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let policy = Policy::new("orders", &["user1"])
        .with("verify", "\"api-only\"")
        .with("settle", "\"1500ms\"");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    let api_only = Proof::Unproven(UnprovenReason::ApiOnly);
    daemon
        .wait(&secret, "checked", |status| status.proof == Some(api_only))
        .await;
    daemon.rotate(&secret).await;
    let settling = |status: &SecretStatus| status.reason.as_deref() == Some("settling");
    daemon.wait(&secret, "settling", settling).await;
    assert_eq!(
        world.holder(&arn, "AWSCURRENT").await.unwrap(),
        first,
        "not before it has looked settled for a while"
    );
    let second = version_id(&arn, &first, 0);
    let done = |status: &SecretStatus| promoted_to(&second)(status) && status.retired_at.is_some();
    let status = daemon.wait(&secret, "rotated and retired", done).await;
    assert_eq!((status.proof, status.retired_proof), (Some(api_only), Some(api_only)));
    assert_eq!(world.logins("user1", OLD).await, (0, 3));
    world.assert_current_logs_in(&secret, "user1").await;
    let log = daemon.log_text();
    assert!(
        !log.contains("login accepted") && !log.contains("login refused"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_caches_is_rotated_and_called_unproven() {
    let world = World::start().await;
    world.create_user("user1", OLD).await;
    let secret = secret_name("user1");
    let arn = world.create_secret(&secret, &document_with("user1", OLD)).await;
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let daemon = orders(&world, &["user1"]).run().await;
    daemon.wait(&secret, "checked", |status| status.proof.is_some()).await;
    daemon.rotate(&secret).await;
    let second = version_id(&arn, &first, 0);
    let status = daemon.wait(&secret, "rotated", promoted_to(&second)).await;
    assert_eq!(status.proof, Some(Proof::Unproven(UnprovenReason::NoEndpoints)));
    world.create_cache(&["user1"]).await;
    daemon.wait(&secret, "proved once it has a cache", proven).await;
    world.assert_current_logs_in(&secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_password_that_grows_too_old_is_given_up_retired_and_replaced() {
    let scene = Scene::start(&[
        ("pending_max_age", "\"4s\""),
        ("propagation_timeout", "\"2s\""),
        ("fence", "\"2s\""),
    ])
    .await;
    let (world, daemon, secret) = scene.parts();
    world.set_settings(late_replica(Delay::NEVER));
    daemon.rotate(secret).await;
    let abandoned = scene.successor(0);
    eventually("the first one is given up", || async {
        let labels = world.labels(&scene.arn).await;
        match labels.get(&abandoned) {
            Some(stages) if stages.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let count = world.user("user1").await.authentication.unwrap().password_count;
    assert_eq!(
        count,
        Some(2),
        "it stays on the user for the fence: its promotion might still arrive"
    );
    assert_eq!(world.holder(&scene.arn, "AWSCURRENT").await.unwrap(), scene.first);
    assert_eq!(world.logins("user1", OLD).await, (3, 3));
    world.set_settings(quick());
    let second = scene.successor(1);
    let done = |status: &SecretStatus| promoted_to(&second)(status) && status.phase == Phase::Idle;
    eventually("the one given up is retired before another is tried", || async {
        match daemon.statuses().await?.remove(0).retired_version {
            Some(version) if version == abandoned => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let status = daemon.wait(secret, "rotated with another password", done).await;
    assert_eq!(status.proof, Some(Proof::Proven));
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_endpoints_are_asked_instead_of_those_that_elasticache_names() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let endpoints: Vec<String> = world
        .addresses()
        .iter()
        .map(|(host, port)| format!("{host}:{port}"))
        .collect();
    let policy = Policy::new("orders", &["user1"]).with("endpoints", &format!("{:?}", &endpoints[..2]));
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    daemon.checked(&secret).await;
    daemon.rotate(&secret).await;
    let second = version_id(&arn, &first, 0);
    let status = daemon.wait(&secret, "rotated", promoted_to(&second)).await;
    assert_eq!((status.proof, status.nodes), (Some(Proof::Proven), Some(2)));
}
