//! Nodes that lag, never learn, cannot be reached, or accept anything.

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::Phase;
use rekeyd_sandbox::NodeChange;

use crate::support::status::{promoted_to, proven, proven_retired};
use crate::support::world::{ON, document, late_replica, quick, secret_name};
use crate::support::{Delay, OLD, Policy, Scene, Settings, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_never_learns_the_password_holds_promotion_until_it_does() {
    let scene = Scene::start(&[("propagation_timeout", "\"2s\"")]).await;
    let (world, daemon, secret) = scene.parts();
    world.set_settings(late_replica(Delay::NEVER));
    daemon.rotate(secret).await;

    let (_, address) = world.replica_2();
    let status = daemon.wait_reason(secret, Phase::NeedsAttention, "node_lagging").await;
    assert!(status.detail.as_ref().unwrap().contains(&address), "{status:?}");
    assert_eq!(
        world.holder(&scene.arn, "AWSCURRENT").await.unwrap(),
        scene.first,
        "promoted although a node refuses"
    );
    assert_eq!(
        world.logins("user1", OLD).await,
        (3, 3),
        "the old password still works everywhere"
    );

    world.set_settings(quick());
    let second = scene.successor(0);
    let status = daemon
        .wait(secret, "promoted", |status| {
            promoted_to(&second)(status) && status.phase == Phase::Idle
        })
        .await;
    assert_eq!(status.proof, Some(Proof::Proven));
    assert_eq!(status.reason, None, "what needed attention has cleared itself");
    world.assert_current_logs_in(secret, "user1").await;
}

/// Watches a rotation from outside: AWSCURRENT never names a password that a node refuses.
async fn promoted_only_when_every_node_accepts(scene: &Scene) {
    let (world, version) = (&scene.world, scene.successor(0));
    eventually("AWSCURRENT has moved", || async {
        match scene.current().await == version {
            true => Ok(()),
            false => Err("not yet".to_owned()),
        }
    })
    .await;
    let password = world.password(&scene.secret, "AWSCURRENT").await.unwrap();
    let (accepted, nodes) = world.logins(&scene.user, &password).await;
    assert_eq!(accepted, nodes, "promoted before every node accepted it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_learns_the_password_late_holds_promotion_back() {
    let scene = Scene::start(&[]).await;
    scene.world.set_settings(late_replica(Delay::Ms(3_000)));
    scene.daemon.rotate(&scene.secret).await;
    promoted_only_when_every_node_accepts(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_active_does_not_promote() {
    // DescribeUsers goes on showing the user as it was before: active, with one password.
    let stale = Settings {
        stale_active_ms: 4_000,
        ..late_replica(Delay::Ms(3_000))
    };
    // Here it shows the new password count at once, and `active` all the while.
    let early = Settings {
        modifying_lag_ms: 4_000,
        ..late_replica(Delay::Ms(3_000))
    };
    for settings in [stale, early] {
        let scene = Scene::start(&[]).await;
        scene.world.set_settings(settings);
        scene.daemon.rotate(&scene.secret).await;
        promoted_only_when_every_node_accepts(&scene).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_accepts_any_password_proves_nothing() {
    let world = World::with(late_replica(Delay::NEVER)).await;
    world.create_user_with("user1", "user1", ON, &[]).await;
    world.set_settings(quick());
    world.create_cache(&["user1"]).await;
    assert_eq!(
        world.logins("user1", "anything at all").await,
        (3, 3),
        "a live user without password"
    );
    let secret = secret_name("user1");
    let arn = world.create_secret(&secret, &document("user1")).await;
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();

    world.set_settings(late_replica(Delay::NEVER));
    let policy = Policy::new("orders", &["user1"])
        .with("first_password", "\"any\"")
        .with("propagation_timeout", "\"2s\"");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    let status = daemon
        .wait_reason(&secret, Phase::NeedsAttention, "accepts_any_password")
        .await;
    assert!(status.detail.unwrap().contains(&world.replica_2().1));
    assert_eq!(world.holder(&arn, "AWSCURRENT").await.unwrap(), first);

    world.set_settings(quick());
    daemon.wait(&secret, "proved", proven).await;
    assert_eq!(world.logins("user1", "anything at all").await, (0, 3));
    world.assert_current_logs_in(&secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_be_reached_holds_promotion_back() {
    let scene = Scene::start(&[("propagation_timeout", "\"1s\"")]).await;
    let (world, daemon, secret) = scene.parts();
    let (id, address) = world.replica_2();
    world.set_running(&id, false).await;
    daemon.rotate(secret).await;
    let status = daemon
        .wait_reason(secret, Phase::NeedsAttention, "node_unreachable")
        .await;
    assert!(status.detail.unwrap().contains(&address));
    assert_eq!(world.holder(&scene.arn, "AWSCURRENT").await.unwrap(), scene.first);
    world.set_running(&id, true).await;
    let second = scene.successor(0);
    daemon.wait(secret, "promoted", promoted_to(&second)).await;
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_elasticache_calls_unavailable_permits_promotion_as_unproven_but_no_retirement() {
    let scene = Scene::start(&[("propagation_timeout", "\"2s\"")]).await;
    let (world, daemon, secret) = scene.parts();
    let (id, address) = world.replica_2();
    let status = |status: &str| NodeChange {
        status: Some(status.to_owned()),
        ..NodeChange::default()
    };
    world
        .sandbox
        .change_node(&id, &status("rebooting cache cluster nodes"))
        .await
        .unwrap();
    daemon.rotate(secret).await;
    let second = scene.successor(0);
    let seen = daemon
        .wait_reason(secret, Phase::NeedsAttention, "node_unavailable")
        .await;
    assert_eq!(seen.current_version.as_deref(), Some(second.as_str()));
    assert!(matches!(seen.proof, Some(Proof::Unproven(_))), "{seen:?}");
    assert!(seen.detail.unwrap().contains(&address));
    assert_eq!(
        world.logins("user1", OLD).await,
        (3, 3),
        "the previous password is not retired"
    );
    world.sandbox.change_node(&id, &status("available")).await.unwrap();
    daemon.wait(secret, "retired", proven_retired).await;
    assert_eq!(world.logins("user1", OLD).await, (0, 3));
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_takes_long_is_waited_for_with_few_calls() {
    let scene = Scene::start(&[]).await;
    let (world, daemon, secret) = scene.parts();
    world.set_settings(Settings {
        settle_extra_ms: 5_000,
        ..quick()
    });
    daemon.rotate(secret).await;
    let status = daemon
        .wait(secret, "waiting", |status| {
            status.reason.as_deref() == Some("modifying")
        })
        .await;
    assert_eq!(status.phase, Phase::Rotating);
    let second = scene.successor(0);
    daemon.wait(secret, "promoted", promoted_to(&second)).await;
    let logins = daemon.log_text().matches("login refused").count();
    assert_eq!(
        logins, 0,
        "nobody logs in while the user is modifying, so no failed login alarms anybody"
    );
}
