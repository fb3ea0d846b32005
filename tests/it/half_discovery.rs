//! Looking for secrets, or for nodes, fails half-way: what was not seen is not taken for absent.

use rekeyd::rotation::status::Phase;

use crate::support::world::{document_with, secret_name};
use crate::support::{Daemon, Fault, FaultKind, Policy, World, eventually};

const OLD: &str = "the-first-password-1";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_before_the_secrets_of_a_place_could_be_listed_once() {
    let world = World::start().await;
    let secret = world.live_user("user1", OLD).await;
    world
        .create_secret("production/ec/twin", &document_with("user1", OLD))
        .await;
    let name = secret_name("user1");
    // The named secret is found; that a second one names the same user only the listing would show.
    world.faults(vec![Fault::next("ListSecrets", FaultKind::Throttle).times(0)]);
    let policy = Policy::new("orders", &["user1"]).with("select", "{ name_prefix = \"production/ec/tw\" }");
    let setup = world.daemon("rekeyd").policy(policy);
    let daemon = setup.default_key("propagation_timeout", "\"30m\"").run().await;
    daemon.rotate(&name).await;
    let told = |detail: &Option<String>| {
        detail
            .as_ref()
            .is_some_and(|text| text.contains("could not be looked up"))
    };
    daemon
        .wait(&name, "due, and waits for the listing", |status| {
            status.phase == Phase::Due && told(&status.detail)
        })
        .await;
    assert_eq!(world.count("secretsmanager.PutSecretValue"), 0);

    world.faults(Vec::new());
    daemon.wait_reason(&name, Phase::Halted, "user_claimed_twice").await;
    assert_eq!(world.count("elasticache.ModifyUser"), 0);
    world.assert_current_logs_in(&secret, "user1").await;
}

/// A listing that never succeeds, beside a secret that is named and due.
async fn unlisted(setting: (&str, &str)) -> (World, Daemon, String) {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    world.faults(vec![Fault::next("ListSecrets", FaultKind::Throttle).times(0)]);
    let policy = Policy::new("orders", &["user1"]).with("select", "{ name_prefix = \"production/other/\" }");
    let setup = world.daemon("rekeyd").policy(policy);
    let daemon = setup.default_key(setting.0, setting.1).run().await;
    (world, daemon, secret_name("user1"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_never_succeeds_is_not_waited_for_longer_than_propagation_timeout() {
    let (_world, daemon, name) = unlisted(("propagation_timeout", "\"5s\"")).await;
    daemon.rotate(&name).await;
    daemon
        .wait(&name, "rotated", |status| status.retired_at.is_some())
        .await;
    // What could not be looked up is still said.
    daemon.wait_reason("select", Phase::NeedsAttention, "throttled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_is_answered_at_once_though_a_listing_fails() {
    let (_world, daemon, name) = unlisted(("propagation_timeout", "\"30m\"")).await;
    daemon.found(&name).await;
    let request = serde_json::json!({"secrets": [name], "now": true, "revoke_previous": true});
    assert_eq!(daemon.post("/api/v1/rotate", &request).await.status, 200);
    daemon
        .wait(&name, "rotated", |status| status.retired_at.is_some())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_missing_is_looked_up_again() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let policy = Policy::new("orders", &["user1", "nobody"]).with("paused", "true");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    daemon
        .wait(&secret_name("user1"), "paused", |status| status.phase == Phase::Paused)
        .await;
    let looks = |name: &str| {
        let log = world.sandbox.sandbox().log();
        let about = |entry: &&rekeyd_sandbox::LogEntry| {
            entry.operation == "DescribeSecret"
                && entry.resource.as_ref().is_some_and(|resource| resource.contains(name))
        };
        log.iter().filter(about).count()
    };
    let before = looks("user1");
    eventually("the missing one is looked up a few times", || async {
        let missing = looks("nobody");
        if missing > 4 {
            Ok(())
        } else {
            Err(format!("{missing} looks"))
        }
    })
    .await;
    assert_eq!(looks("user1"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_before_every_secret_was_read_once() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    world
        .create_secret(&secret_name("twin"), &document_with("user1", OLD))
        .await;
    world.faults(vec![
        Fault::next("GetSecretValue", FaultKind::Throttle).on("twin").times(0),
    ]);
    let policy = Policy::new("orders", &["user1", "twin"]);
    let setup = world.daemon("rekeyd").policy(policy);
    let daemon = setup.default_key("propagation_timeout", "\"30m\"").run().await;
    let (name, twin) = (secret_name("user1"), secret_name("twin"));
    daemon.rotate(&name).await;
    daemon.wait_reason(&twin, Phase::NeedsAttention, "throttled").await;
    daemon
        .wait(&name, "due, and waits", |status| {
            status.phase == Phase::Due && status.detail.as_ref().is_some_and(|text| text.contains("1 to go"))
        })
        .await;
    assert_eq!(world.count("secretsmanager.PutSecretValue"), 0);
    world.faults(Vec::new());
    for name in [&name, &twin] {
        daemon.wait_reason(name, Phase::Halted, "user_claimed_twice").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_does_not_exist_holds_up_no_other() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let name = secret_name("user1");
    let policy = Policy::new("orders", &["user1", "nobody"]);
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    daemon.rotate(&name).await;
    daemon
        .wait(&name, "rotated", |status| status.retired_at.is_some())
        .await;
    let missing = secret_name("nobody");
    daemon
        .wait_reason(&missing, Phase::NeedsAttention, "secret_not_found")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_promoted_while_one_node_of_the_cache_cannot_be_looked_up() {
    let world = World::start().await;
    let secret = world.live_user("user1", OLD).await;
    let name = secret_name("user1");
    let daemon = world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &["user1"]))
        .run()
        .await;
    daemon.wait(&name, "checked", |status| status.proof.is_some()).await;
    let before = world.holder(&secret, "AWSCURRENT").await;
    // One node's own description is refused, and so is a listing, which would show it, too.
    let lookups = || Fault::next("DescribeCacheClusters", FaultKind::Error).times(0);
    world.faults(vec![lookups().on("cache1-002"), lookups()]);
    daemon.rotate(&name).await;
    daemon
        .wait_reason(&name, Phase::NeedsAttention, "aws_unavailable")
        .await;
    assert_eq!(world.holder(&secret, "AWSCURRENT").await, before);
    world.faults(Vec::new());
    daemon
        .wait(&name, "rotated", |status| status.retired_at.is_some())
        .await;
    assert_eq!(world.logins("user1", OLD).await, (0, 3));
    world.assert_current_logs_in(&secret, "user1").await;
}
