//! Nodes that lag, never learn, cannot be reached, or accept anything.

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::Phase;
use rekeyd::rotation::version::version_id;
use rekeyd_sandbox::NodeChange;

use crate::support::world::{document, quick, secret_name};
use crate::support::{Delay, Policy, Settings, World, eventually};

const OLD: &str = "the-first-password-1";

fn with_replica_2(delay: Delay) -> Settings {
    Settings {
        node_propagation_ms: [("replica-2".to_owned(), delay)].into(),
        ..quick()
    }
}

/// The address of the second replica.
fn replica_2(world: &World) -> (String, String) {
    let nodes = world.sandbox.sandbox().nodes();
    let node = nodes.last().expect("three nodes");
    (node.id.clone(), format!("{}:{}", node.host, node.port))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_never_learns_the_password_holds_promotion_until_it_does() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let secret = secret_name("user1");
    let policy = Policy::new("orders", &["user1"]).with("propagation_timeout", "\"2s\"");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    daemon
        .wait(&secret, "checked", |status| status.proof == Some(Proof::Proven))
        .await;
    world.sandbox.sandbox().set_settings(with_replica_2(Delay::NEVER));
    daemon.rotate(&secret).await;

    let (_, address) = replica_2(&world);
    let status = daemon.wait_reason(&secret, Phase::NeedsAttention, "node_lagging").await;
    assert!(status.detail.as_ref().unwrap().contains(&address), "{status:?}");
    assert_eq!(
        world.holder(&arn, "AWSCURRENT").await.unwrap(),
        first,
        "promoted although a node refuses"
    );
    assert_eq!(
        world.logins("user1", OLD).await,
        (3, 3),
        "the old password still works everywhere"
    );

    world.sandbox.sandbox().set_settings(quick());
    let second = version_id(&arn, &first, 0);
    let status = daemon
        .wait(&secret, "promoted", |status| {
            status.current_version.as_deref() == Some(&second) && status.phase == Phase::Idle
        })
        .await;
    assert_eq!(status.proof, Some(Proof::Proven));
    assert_eq!(status.reason, None, "what needed attention has cleared itself");
    world.assert_current_logs_in(&secret, "user1").await;
}

/// Watches a rotation from outside: AWSCURRENT never names a password that a node refuses.
async fn promoted_only_when_every_node_accepts(world: &World, arn: &str, user: &str, version: &str) {
    eventually("AWSCURRENT has moved", || async {
        if world.holder(arn, "AWSCURRENT").await.as_deref() != Some(version) {
            return Err("not yet".to_owned());
        }
        Ok(())
    })
    .await;
    let password = world.password(arn, "AWSCURRENT").await.unwrap();
    let (accepted, nodes) = world.logins(user, &password).await;
    assert_eq!(accepted, nodes, "promoted before every node accepted it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_learns_the_password_late_holds_promotion_back() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let daemon = world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &["user1"]))
        .run()
        .await;
    daemon
        .wait(&secret_name("user1"), "checked", |status| {
            status.proof == Some(Proof::Proven)
        })
        .await;
    world.sandbox.sandbox().set_settings(with_replica_2(Delay::Ms(3_000)));
    daemon.rotate(&secret_name("user1")).await;
    promoted_only_when_every_node_accepts(&world, &arn, "user1", &version_id(&arn, &first, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_active_does_not_promote() {
    // DescribeUsers goes on showing the user as it was before: active, with one password.
    let stale = Settings {
        stale_active_ms: 4_000,
        ..with_replica_2(Delay::Ms(3_000))
    };
    // Here it shows the new password count at once, and `active` all the while.
    let early = Settings {
        modifying_lag_ms: 4_000,
        ..with_replica_2(Delay::Ms(3_000))
    };
    for (user, settings) in [("user1", stale), ("user2", early)] {
        let world = World::start().await;
        let arn = world.live_user(user, OLD).await;
        let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
        let daemon = world
            .daemon("rekeyd")
            .policy(Policy::new("orders", &[user]))
            .run()
            .await;
        daemon
            .wait(&secret_name(user), "checked", |status| {
                status.proof == Some(Proof::Proven)
            })
            .await;
        world.sandbox.sandbox().set_settings(settings);
        daemon.rotate(&secret_name(user)).await;
        promoted_only_when_every_node_accepts(&world, &arn, user, &version_id(&arn, &first, 0)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_accepts_any_password_proves_nothing() {
    let world = World::with(with_replica_2(Delay::NEVER)).await;
    world
        .elasticache
        .create_user()
        .user_id("user1")
        .user_name("user1")
        .engine("redis")
        .no_password_required(true)
        .access_string("on ~keys* -@all +get")
        .send()
        .await
        .unwrap();
    world.sandbox.sandbox().set_settings(quick());
    world.create_cache(&["user1"]).await;
    assert_eq!(
        world.logins("user1", "anything at all").await,
        (3, 3),
        "a live user without password"
    );
    let secret = secret_name("user1");
    let arn = world.create_secret(&secret, &document("user1")).await;
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();

    world.sandbox.sandbox().set_settings(with_replica_2(Delay::NEVER));
    let policy = Policy::new("orders", &["user1"])
        .with("first_password", "\"any\"")
        .with("propagation_timeout", "\"2s\"");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    let status = daemon
        .wait_reason(&secret, Phase::NeedsAttention, "accepts_any_password")
        .await;
    assert!(status.detail.unwrap().contains(&replica_2(&world).1));
    assert_eq!(world.holder(&arn, "AWSCURRENT").await.unwrap(), first);

    world.sandbox.sandbox().set_settings(quick());
    daemon
        .wait(&secret, "proved", |status| status.proof == Some(Proof::Proven))
        .await;
    assert_eq!(world.logins("user1", "anything at all").await, (0, 3));
    world.assert_current_logs_in(&secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_be_reached_holds_promotion_back() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let secret = secret_name("user1");
    let policy = Policy::new("orders", &["user1"]).with("propagation_timeout", "\"1s\"");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    daemon
        .wait(&secret, "checked", |status| status.proof == Some(Proof::Proven))
        .await;
    let (id, address) = replica_2(&world);
    let down = NodeChange {
        running: Some(false),
        ..NodeChange::default()
    };
    world.sandbox.change_node(&id, &down).await.unwrap();
    daemon.rotate(&secret).await;
    let status = daemon
        .wait_reason(&secret, Phase::NeedsAttention, "node_unreachable")
        .await;
    assert!(status.detail.unwrap().contains(&address));
    assert_eq!(world.holder(&arn, "AWSCURRENT").await.unwrap(), first);
    let up = NodeChange {
        running: Some(true),
        ..NodeChange::default()
    };
    world.sandbox.change_node(&id, &up).await.unwrap();
    let second = version_id(&arn, &first, 0);
    daemon
        .wait(&secret, "promoted", |status| {
            status.current_version.as_deref() == Some(&second)
        })
        .await;
    world.assert_current_logs_in(&secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_elasticache_calls_unavailable_permits_promotion_as_unproven_but_no_retirement() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let secret = secret_name("user1");
    let policy = Policy::new("orders", &["user1"]).with("propagation_timeout", "\"2s\"");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    daemon
        .wait(&secret, "checked", |status| status.proof == Some(Proof::Proven))
        .await;
    let (id, address) = replica_2(&world);
    let status = |status: &str| NodeChange {
        status: Some(status.to_owned()),
        ..NodeChange::default()
    };
    world
        .sandbox
        .change_node(&id, &status("rebooting cache cluster nodes"))
        .await
        .unwrap();
    daemon.rotate(&secret).await;
    let second = version_id(&arn, &first, 0);
    let seen = daemon
        .wait_reason(&secret, Phase::NeedsAttention, "node_unavailable")
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
    daemon
        .wait(&secret, "retired", |status| status.retired_proof == Some(Proof::Proven))
        .await;
    assert_eq!(world.logins("user1", OLD).await, (0, 3));
    world.assert_current_logs_in(&secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_takes_long_is_waited_for_with_few_calls() {
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
    world.sandbox.sandbox().set_settings(Settings {
        settle_extra_ms: 5_000,
        ..quick()
    });
    daemon.rotate(&secret).await;
    let status = daemon
        .wait(&secret, "waiting", |status| {
            status.reason.as_deref() == Some("modifying")
        })
        .await;
    assert_eq!(status.phase, Phase::Rotating);
    let second = version_id(&arn, &first, 0);
    daemon
        .wait(&secret, "promoted", |status| {
            status.current_version.as_deref() == Some(&second)
        })
        .await;
    let logins = daemon.log_text().matches("login refused").count();
    assert_eq!(
        logins, 0,
        "nobody logs in while the user is modifying, so no failed login alarms anybody"
    );
}
