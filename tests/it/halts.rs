//! Halts over time: when they are looked at again, what clears them, and what a person must resume.

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::UnprovenReason;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::version::version_id;

use crate::support::scene::WATCHFUL;
use crate::support::status::{promoted_to, proven, proven_retired};
use crate::support::world::{ACCOUNT, GROUP, ON, REGION, document_with, secret_name};
use crate::support::{OLD, OTHER, Policy, Scene, World, eventually};

/// A policy's key that takes up every secret of the tests.
const EVERY_SECRET: (&str, &str) = ("select", "{ name_prefix = \"production/ec/\" }");

#[tokio::test(flavor = "multi_thread")]
async fn a_user_named_default_is_rotated_where_the_policy_allows_it() {
    let world = World::start().await;
    world.create_user_with("own-default", "default", ON, &[OLD]).await;
    let group = world.elasticache.create_user_group().user_group_id(GROUP);
    group
        .engine("redis")
        .user_ids("own-default")
        .send()
        .await
        .expect("group");
    let secret = secret_name("own-default");
    let value = document_with("own-default", OLD).replace("\"username\":\"own-default\"", "\"username\":\"default\"");
    let arn = world.create_secret(&secret, &value).await;
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let policy = || Policy::new("orders", &["own-default"]);
    let daemon = world.daemon("rekeyd").policy(policy()).run().await;
    daemon.rotate(&secret).await;
    daemon.wait_reason(&secret, Phase::Halted, "user_is_default").await;
    daemon.kill().await;
    world.assert_only_reads("rekeyd");

    let policy = policy().with("allow_default_user", "true");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    let second = version_id(&arn, &first, 0);
    // The request was stored, so it need not be made again.
    daemon
        .wait(&secret, "rotated", |status| {
            status.current_version.as_ref() == Some(&second)
                && status.proof == Some(Proof::Unproven(UnprovenReason::NoEndpoints))
                && status.reason.is_none()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_is_looked_at_again_at_every_discovery_and_no_sooner() {
    let world = World::start().await;
    world.create_user("user1", OLD).await;
    let secret = secret_name("user1");
    world.create_secret(&secret, "not a document").await;
    let setup = world.daemon("rekeyd").policy(Policy::new("orders", &["user1"]));
    let setup = setup.daemon_key("discovery_interval", "\"1s\"");
    let daemon = setup.run().await;
    daemon.wait_reason(&secret, Phase::Halted, "secret_not_json").await;
    let looks = || world.looks_by("rekeyd");
    let (before, since) = (looks(), tokio::time::Instant::now());
    let again = eventually("it was looked at four times more", || async {
        match looks() - before {
            again if again < 4 => Err(again.to_string()),
            again => Ok(again),
        }
    })
    .await;
    let at_most = usize::try_from(since.elapsed().as_secs()).unwrap() + 1;
    assert!(again <= at_most, "{again} looks in {:?}", since.elapsed());
    let halts = daemon.log_text().matches("secret_not_json").count();
    assert_eq!(halts, 1, "a halt that stands is logged once");
    world.assert_only_reads("rekeyd");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_do_to_a_secret_while_rekeyd_runs_is_refused_and_clears_itself() {
    let scene = Scene::new("user1", &[EVERY_SECRET], WATCHFUL).await;
    let (world, daemon, secret) = scene.parts();
    let healthy = |status: &SecretStatus| status.phase == Phase::Idle && proven(status);

    let delete = world.secrets.delete_secret().secret_id(secret);
    delete.recovery_window_in_days(7).send().await.unwrap();
    daemon.wait_reason(secret, Phase::Halted, "secret_deleted").await;
    world.secrets.restore_secret().secret_id(secret).send().await.unwrap();
    daemon.wait(secret, "restored", healthy).await;

    let lambda = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotator");
    let rotate = world.secrets.rotate_secret().secret_id(secret);
    let rotate = rotate.rotation_lambda_arn(lambda).rotate_immediately(false);
    rotate.send().await.unwrap();
    daemon.wait_reason(secret, Phase::Halted, "rotation_enabled").await;
    world
        .secrets
        .cancel_rotate_secret()
        .secret_id(secret)
        .send()
        .await
        .unwrap();
    daemon.wait(secret, "its rotation cancelled", healthy).await;

    let rival = secret_name("rival");
    world.create_secret(&rival, &document_with("user1", OLD)).await;
    for name in [secret, &rival] {
        daemon.wait_reason(name, Phase::Halted, "user_claimed_twice").await;
    }
    let delete = world.secrets.delete_secret().secret_id(&rival);
    delete.force_delete_without_recovery(true).send().await.unwrap();
    daemon.wait(secret, "alone again", healthy).await;

    // Drift: somebody else sets another password.
    world.set_passwords("user1", &[OTHER]).await;
    let status = daemon
        .wait_reason(secret, Phase::Halted, "current_password_refused")
        .await;
    for (host, port) in world.addresses() {
        assert!(
            status.detail.as_ref().unwrap().contains(&format!("{host}:{port}")),
            "{status:?}"
        );
    }
    daemon.rotate(secret).await;
    daemon
        .wait(secret, "still refused, though requested", |status| {
            status.requested && status.reason.as_deref() == Some("current_password_refused")
        })
        .await;
    world.assert_only_reads("rekeyd");
    assert_eq!(world.logins("user1", OTHER).await, (3, 3));
    world.set_passwords("user1", &[OLD]).await;
    // Repaired by hand, it clears itself, and what was asked for is done.
    daemon.wait(secret, "rotated", proven_retired).await;
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_secret_for_a_user_stops_the_first_at_once() {
    // Without drift checks, nothing but the newcomer makes the first secret look again.
    let policy = [("secrets", "[]"), EVERY_SECRET];
    let daemon = &[("discovery_interval", "\"1s\""), ("drift_check_interval", "\"none\"")];
    let scene = Scene::new("user1", &policy, daemon).await;
    let (world, daemon, secret) = scene.parts();
    let rival = secret_name("rival");
    world.create_secret(&rival, &document_with("user1", OLD)).await;
    for name in [secret, &rival] {
        daemon.wait_reason(name, Phase::Halted, "user_claimed_twice").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_by_hand_halts_until_resumed_and_then_goes_on_as_generation_1() {
    let overlap = ("overlap", "\"until-next-rotation\"");
    let scene = Scene::new("user1", &[overlap], WATCHFUL).await;
    let (world, daemon, secret) = (&scene.world, &scene.daemon, scene.secret.as_str());
    daemon.rotate(secret).await;
    let second = scene.successor(0);
    let overlapping = |status: &SecretStatus| promoted_to(&second)(status) && status.phase == Phase::Overlap;
    daemon.wait(secret, "in the overlap", overlapping).await;
    let replaced = world.password(secret, "AWSCURRENT").await.unwrap();

    world.move_current(secret, &second, &scene.first).await;
    let status = scene.halted("rolled_back").await;
    assert!(status.detail.unwrap().contains(&second));
    let before = scene.writes();
    daemon.rotate(secret).await;
    scene.looked_at_again().await;
    let status = scene.halted("rolled_back").await;
    assert!(status.requested, "{status:?}");
    assert_eq!(
        scene.writes(),
        before,
        "a rollback is not undone before it is acknowledged"
    );
    assert_eq!(world.logins("user1", OLD).await, (3, 3));
    assert_eq!(world.logins("user1", &replaced).await, (3, 3));

    daemon.order("resume", &serde_json::json!({"secrets": [secret]})).await;
    let third = scene.successor(1);
    let done = |status: &SecretStatus| promoted_to(&third)(status) && status.phase == Phase::Overlap && proven(status);
    daemon.wait(secret, "rotated on from the first version", done).await;
    world.assert_current_logs_in(secret, "user1").await;
    assert_eq!(
        world.logins("user1", &replaced).await,
        (0, 3),
        "what was rolled back is gone"
    );
    assert_eq!(world.labels(secret).await.len(), 3);
}
