//! `rekeyd run --once`: what it does, what it waits for, and what its exit code says.

use std::time::Duration;

use rekeyd::rotation::version::version_id;

use crate::support::cli::orders;
use crate::support::world::{document, document_with, secret_name, user_arn};
use crate::support::{OLD, Policy, World};

#[tokio::test(flavor = "multi_thread")]
async fn run_once_drives_what_is_due_and_waits_out_no_overlap() {
    let world = World::start().await;
    // One without a password, as the AWS guide leaves it; one that is asked for; one to leave alone.
    world.create_inactive_user("user1").await;
    world.create_user("user2", OLD).await;
    world.create_user("user3", OLD).await;
    world.create_cache(&["user1", "user2", "user3"]).await;
    let (new, old, idle) = (secret_name("user1"), secret_name("user2"), secret_name("user3"));
    world.create_secret(&new, &document("user1")).await;
    world.create_secret(&old, &document_with("user2", OLD)).await;
    world.create_secret(&idle, &document_with("user3", OLD)).await;
    let before = world.holder(&old, "AWSCURRENT").await.unwrap();
    let setup = orders(&world, &["user1", "user2", "user3"]).default_key("overlap", "\"24h\"");
    // A request that was stored and not carried out yet.
    let paused = orders(&world, &["user1", "user2", "user3"]).env("REKEYD__DAEMON__PAUSED", "true");
    let daemon = paused.run().await;
    daemon
        .wait(&old, "looked at", |status| status.current_version.is_some())
        .await;
    daemon.rotate(&old).await;
    assert_eq!(daemon.end("-TERM").await, Some(0));
    assert_eq!(world.count("secretsmanager.PutSecretValue"), 0, "paused");

    let once = setup.cli(&["run", "--once"]).await.with(0);
    assert_eq!(once.stdout, "");
    assert!(once.took < Duration::from_secs(20), "{:?}", once.took);
    assert_eq!(world.labels(&new).await.len(), 2);
    assert!(world.password(&new, "AWSCURRENT").await.is_some());
    let after = world.holder(&old, "AWSCURRENT").await.unwrap();
    assert_ne!(before, after);
    assert_eq!(world.logins("user2", OLD).await, (3, 3), "the overlap has begun");
    world.assert_current_logs_in(&old, "user2").await;
    assert_eq!(world.labels(&idle).await.len(), 1, "nothing was due here");

    // Again: nothing is due but what waits for its overlap.
    setup.cli(&["run", "--once"]).await.with(0);
    assert_eq!(world.holder(&old, "AWSCURRENT").await.unwrap(), after);
    assert_eq!(world.labels(&new).await.len(), 2);
    assert!(!world.path("rekeyd.sock").exists(), "it serves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn run_once_tells_by_its_exit_code_whether_all_or_some_or_nothing_was_done() {
    let world = World::start().await;
    world.create_inactive_user("user1").await;
    world.create_secret(&secret_name("user1"), &document("user1")).await;
    let broken = format!("{{\"user_arn\": {:?}", user_arn("user2"));
    world.create_secret(&secret_name("user2"), &broken).await;
    let partly = orders(&world, &["user1", "user2"])
        .cli(&["run", "--once"])
        .await
        .with(3);
    assert!(partly.stderr.contains("secret_not_json"), "{}", partly.stderr);
    assert_eq!(world.labels(&secret_name("user1")).await.len(), 2);
    orders(&world, &["user2"]).cli(&["run", "--once"]).await.with(1);

    // Where AWS does not answer, it gives up after propagation_timeout.
    let dead = orders(&world, &["user1"])
        .endpoint("http://127.0.0.1:1")
        .default_key("propagation_timeout", "\"2s\"");
    let dead = dead.cli(&["run", "--once"]).await.with(1);
    assert!(dead.took >= Duration::from_secs(2), "{:?}", dead.took);
    assert!(dead.took < Duration::from_secs(15), "{:?}", dead.took);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_run_does_not_wait_for_a_rotation_that_halts_or_is_paused_in_its_middle() {
    let world = World::start().await;
    world.create_user("user1", OLD).await;
    let secret = secret_name("user1");
    let arn = world.create_secret(&secret, &document_with("user1", OLD)).await;
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let version = version_id(&arn, &first, 0);
    world
        .put_version(&secret, &version, "not a document", &["AWSPENDING"])
        .await;
    for (paused, exit) in [("false", 1), ("true", 0)] {
        let policy = Policy::new("orders", &["user1"]).with("propagation_timeout", "\"10m\"");
        let setup = world.daemon("rekeyd").policy(policy.with("paused", paused));
        let once = setup.command(&["run", "--once"]).output();
        let output = tokio::time::timeout(Duration::from_secs(30), once).await;
        let output = output.expect("it ends long before propagation_timeout").unwrap();
        assert_eq!(output.status.code(), Some(exit), "paused = {paused}: {output:?}");
    }
    world.assert_only_reads("rekeyd");
}
