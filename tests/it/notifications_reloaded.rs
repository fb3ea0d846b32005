//! Targets of notifications come, change and go with a reload, and a daemon without its keys does not run.

use std::path::Path;

use serde_json::json;

use crate::support::daemon::Setup;
use crate::support::receiver::{Receiver, Reply};
use crate::support::status::proven_retired;
use crate::support::world::secret_name;
use crate::support::{Daemon, OLD, Policy, World, eventually};

fn setup<'a>(world: &'a World, tables: &str) -> Setup<'a> {
    world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &["user1"]))
        .more(tables)
}

/// Puts another configuration into force.
async fn reload(world: &World, daemon: &Daemon, tables: &str) {
    setup(world, tables).write_config();
    let answer = daemon.post("/api/v1/reload", &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

async fn rotated(daemon: &Daemon, secret: &str) {
    let before = daemon.checked(secret).await.current_version;
    daemon.rotate(secret).await;
    daemon
        .wait(secret, "rotated", |status| {
            proven_retired(status) && status.current_version != before
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_come_change_and_go_without_a_restart() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let (first, second) = (Receiver::start(), Receiver::start());
    let daemon = setup(&world, "").run().await;
    daemon.checked(&secret).await;

    let events = ["succeeded"];
    reload(&world, &daemon, &world.webhook("oncall", &first.url(), &events)).await;
    rotated(&daemon, &secret).await;
    first.got(1).await;

    // Another address under the same name has what the first did not take.
    first.replies(Reply::status(500));
    rotated(&daemon, &secret).await;
    first.got(2).await;
    reload(&world, &daemon, &world.webhook("oncall", &second.url(), &events)).await;
    let moved = second.got(1).await;
    assert_eq!(moved[0].id(), first.requests()[1].id());

    second.replies(Reply::status(500));
    rotated(&daemon, &secret).await;
    second.got(2).await;
    reload(&world, &daemon, "").await;
    let log = daemon.log_text();
    assert!(
        log.contains("notify_target_gone") && log.contains("no [notify.oncall] is configured"),
        "{log}"
    );
    assert!(!daemon.get("/metrics").await.body.contains("oncall"));
    second.replies(Reply::status(200));
    let before = second.requests().len();
    reload(&world, &daemon, &world.webhook("oncall", &second.url(), &events)).await;
    rotated(&daemon, &secret).await;
    let told = second.got(before + 1).await;
    assert_eq!(told.len(), before + 1, "what waited when it went is gone: {told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_missing_or_none_keeps_a_daemon_from_starting_and_a_reload_from_being_taken() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let table = world.webhook("oncall", &receiver.url(), &["succeeded"]);
    let key = world.path("signing.key");
    for (text, told) in [
        (None, "is not there"),
        (Some("whsec_CANARY-CANARY"), "line 1 is no key"),
    ] {
        match text {
            None => std::fs::remove_file(&key).unwrap(),
            Some(text) => std::fs::write(&key, text).unwrap(),
        }
        let ended = setup(&world, &table).cli(&["run"]).await;
        assert_eq!(ended.code, Some(78), "{}", ended.stderr);
        assert_names(&ended.stderr, &key, told);
        let checked = setup(&world, &table).cli(&["check"]).await;
        assert_eq!(checked.code, Some(0), "{}", checked.stderr);
        assert_names(&checked.stdout, &key, told);
    }

    let mut daemon = setup(&world, "").start();
    daemon.ready().await;
    setup(&world, &table).write_config();
    let answer = daemon.post("/api/v1/reload", &json!({})).await;
    assert_ne!(answer.status, 200);
    assert_names(&answer.body, &key, "line 1 is no key");
    eventually("it is told in the log", || async {
        let log = daemon.log_text();
        if log.contains("the one before stays in force") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    assert!(!daemon.get("/metrics").await.body.contains("oncall"));
}

#[track_caller]
fn assert_names(text: &str, key: &Path, told: &str) {
    assert!(text.contains("rekeyd.toml:"), "{text}");
    assert!(text.contains("notify.oncall.secret_file"), "{text}");
    assert!(
        text.contains(&key.display().to_string()) && text.contains(told),
        "{text}"
    );
    assert!(!text.contains("CANARY"), "{text}");
}
