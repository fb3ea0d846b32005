//! Secrets that a policy selects come and go while the real daemon runs.

use rekeyd::rotation::status::Phase;
use rekeyd_sandbox::Delay;

use crate::support::world::{late_replica, secret_name};
use crate::support::{Daemon, OLD, Policy, World, eventually};

async fn tag(world: &World, secret: &str) {
    let tag = aws_sdk_secretsmanager::types::Tag::builder()
        .key("team")
        .value("orders");
    let tagged = world.secrets.tag_resource().secret_id(secret).tags(tag.build());
    tagged.send().await.expect("tag");
}

async fn untag(world: &World, secret: &str) {
    let untagged = world.secrets.untag_resource().secret_id(secret).tag_keys("team");
    untagged.send().await.expect("untag");
}

async fn daemon(world: &World) -> Daemon {
    let policy = Policy {
        name: "orders".to_owned(),
        keys: "select = { tags = { team = \"orders\" } }\nallow_users = [\"user1\"]\n".to_owned(),
    };
    let setup = world.daemon("rekeyd").policy(policy);
    setup.daemon_key("discovery_interval", "\"1s\"").run().await
}

async fn gone(daemon: &Daemon) {
    eventually("no secret is left", || async {
        match daemon.statuses().await? {
            all if all.is_empty() => Ok(()),
            all => Err(format!("{all:#?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_loses_its_tag_in_mid_rotation_is_left_alone_and_comes_back_with_its_record() {
    let world = World::with(late_replica(Delay::Ms(5_000))).await;
    let secret = world.live_user("user1", OLD).await;
    let name = secret_name("user1");
    tag(&world, &name).await;
    let daemon = daemon(&world).await;
    daemon.checked(&name).await;
    daemon.rotate(&name).await;
    daemon
        .wait(&name, "on its way", |status| {
            status.phase == Phase::Rotating && status.reason.as_deref() == Some("modifying")
        })
        .await;
    untag(&world, &name).await;
    gone(&daemon).await;
    let count = || world.count("elasticache.ModifyUser") + world.count("secretsmanager.UpdateSecretVersionStage");
    let before = count();
    world.assert_current_logs_in(&secret, "user1").await;
    let metrics = daemon.get("/metrics").await.body;
    let left = metrics
        .lines()
        .find(|line| line.starts_with("rekeyd_rotations_in_flight "));
    assert_eq!(left, Some("rekeyd_rotations_in_flight 0"));
    assert!(daemon.log_text().contains("in the middle of a rotation"), "it is said");
    let history = daemon.get(&format!("/api/v1/rotations?secret={name}")).await.body;
    assert!(history.contains("rotation_started"), "{history}");
    assert_eq!(count(), before, "nothing is changed any more");

    tag(&world, &name).await;
    daemon
        .wait(&name, "rotated", |status| status.retired_at.is_some())
        .await;
    world.assert_current_logs_in(&secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_secret_leaves_and_one_of_that_name_that_is_made_anew_is_found() {
    let world = World::start().await;
    let first = world.live_user("user1", OLD).await;
    let name = secret_name("user1");
    tag(&world, &name).await;
    let daemon = daemon(&world).await;
    daemon.checked(&name).await;
    let delete = world.secrets.delete_secret().secret_id(&first);
    delete
        .force_delete_without_recovery(true)
        .send()
        .await
        .expect("deleted");
    gone(&daemon).await;
    let history = daemon.get(&format!("/api/v1/rotations?secret={name}")).await.body;
    assert!(history.contains(&first), "its history stays: {history}");
    let document = crate::support::world::document_with("user1", OLD);
    let second = world.create_secret(&name, &document).await;
    tag(&world, &name).await;
    let status = daemon.checked(&name).await;
    assert_eq!(status.arn.as_deref(), Some(second.as_str()));
}
