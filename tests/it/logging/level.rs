//! The level of the log of a running daemon, and what no level lets through.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::rotation::lines;
use crate::support::cli::orders;
use crate::support::daemon::Setup;
use crate::support::status::idle_and_retired;
use crate::support::world::secret_name;
use crate::support::{Daemon, OLD, World, eventually};

/// Everything, by every way of asking for it that there is.
const EVERYTHING: &str = "trace,aws_smithy_runtime=trace,aws_smithy_http_client=trace,aws_sdk_elasticache=trace,\
                          aws_sdk_secretsmanager=trace,hyper=trace,hyper_util=trace,h2=trace,rustls=trace,redis=trace,\
                          axum=trace,rusqlite=trace,tokio=trace,[rotation]=trace,[secret]=trace";

/// A daemon whose level nobody types.
fn setup<'a>(world: &'a World, level: &str) -> Setup<'a> {
    let setup = orders(world, &["user1"]).env("RUST_LOG", "");
    setup.daemon_key("log_level", &format!("{level:?}"))
}

async fn level(daemon: &Daemon) -> Value {
    daemon.get("/api/v1/log-level").await.json()
}

fn said(level: &str, by: &str) -> Value {
    json!({"level": level, "by": by, "ends_in_seconds": null})
}

async fn rotated(world: &World, daemon: &Daemon, passwords: &mut BTreeSet<String>) {
    let secret = secret_name("user1");
    let before = world.holder(&secret, "AWSCURRENT").await.unwrap();
    daemon.rotate(&secret).await;
    daemon
        .wait(&secret, "rotated", |status| {
            status.current_version.as_ref() != Some(&before) && idle_and_retired(status)
        })
        .await;
    passwords.insert(world.password(&secret, "AWSCURRENT").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_the_level_and_a_senseless_one_is_refused() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let daemon = setup(&world, "info").run().await;
    daemon.checked(&secret_name("user1")).await;
    assert_eq!(level(&daemon).await, said("info", "daemon.log_level"));
    assert!(!daemon.log_text().contains("\"DEBUG\""), "{}", daemon.log_text());
    setup(&world, "info,rekeyd=debug").write_config();
    setup(&world, "info,rekeyd=debug").cli(&["reload"]).await.with(0);
    assert_eq!(level(&daemon).await, said("info,rekeyd=debug", "daemon.log_level"));
    rotated(&world, &daemon, &mut BTreeSet::new()).await;
    assert!(
        daemon.log_text().contains("\"login_accepted\""),
        "{}",
        daemon.log_text()
    );

    setup(&world, "inof").write_config();
    let answer = daemon.post("/api/v1/reload", &json!({})).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("no level"), "{}", answer.body);
    assert_eq!(level(&daemon).await, said("info,rekeyd=debug", "daemon.log_level"));
    let refused = setup(&world, "inof").cli(&["check"]).await.with(78);
    assert!((refused.stdout + &refused.stderr).contains("log_level"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_or_stands_in_the_environment_holds_and_a_reload_says_so() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let daemon = setup(&world, "info").env("RUST_LOG", "warn").run().await;
    assert_eq!(level(&daemon).await, said("warn", "RUST_LOG"));
    setup(&world, "debug").write_config();
    let reply = daemon.post("/api/v1/reload", &json!({})).await.json();
    let wanted = "daemon.log_level \"debug\" is not in force: RUST_LOG says \"warn\"";
    let warnings = reply["configuration"]["warnings"].as_array().unwrap();
    assert!(warnings.contains(&json!(wanted)), "{warnings:?}");
    assert!(daemon.log_text().contains("is not in force"), "{}", daemon.log_text());
    assert_eq!(level(&daemon).await, said("warn", "RUST_LOG"));
    for typo in ["inof", "rekeyd=loud"] {
        let refused = setup(&world, "info")
            .cli(&["--log-level", typo, "status"])
            .await
            .with(2);
        assert!(refused.stderr.contains("--log-level"), "{}", refused.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_changes_the_level_for_a_while_and_is_audited() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let daemon = setup(&world, "warn").run().await;
    let ask = async |arguments: &[&str]| {
        let arguments: Vec<&str> = ["log-level"].iter().chain(arguments).copied().collect();
        setup(&world, "warn").cli(&arguments).await
    };
    assert_eq!(ask(&[]).await.with(0).stdout, "warn (by daemon.log_level)\n");
    let asked = ask(&["debug", "--for", "2s", "--json"]).await.with(0).json();
    assert_eq!(
        (&asked["level"], &asked["by"]),
        (&json!("debug"), &json!("rekeyd log-level"))
    );
    assert!((1..=2).contains(&asked["ends_in_seconds"].as_u64().unwrap()), "{asked}");
    eventually("it ends by itself", || async {
        let level = level(&daemon).await;
        if level == said("warn", "daemon.log_level") {
            Ok(())
        } else {
            Err(level.to_string())
        }
    })
    .await;
    ask(&["trace", "--for", "1h"]).await.with(0);
    assert_eq!(level(&daemon).await["by"], "rekeyd log-level");
    assert_eq!(ask(&["--end"]).await.with(0).stdout, "");
    assert_eq!(level(&daemon).await, said("warn", "daemon.log_level"));
    for wrong in [&["inof"][..], &["debug", "--for", "25h"], &["debug", "--end"]] {
        ask(wrong).await.with(2);
    }
    for (body, words) in [
        (json!({"level": "inof", "for_seconds": 60}), "no level"),
        (json!({"level": "info"}), "for how long"),
        (json!({"for_seconds": 60}), "which level"),
        (json!({"level": "info", "for_seconds": 86_401}), "24 hours"),
    ] {
        let refused = daemon.post("/api/v1/log-level", &body).await;
        assert!(
            refused.status == 400 && refused.body.contains(words),
            "{}",
            refused.body
        );
    }
    let log = lines(&daemon.log_text());
    let audited: Vec<&Value> = log.iter().filter(|line| line["change"] == "log-level").collect();
    let outcomes: Vec<&str> = audited.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["begun", "done", "begun", "done", "begun", "done"]);
    assert!(
        audited
            .iter()
            .all(|line| line["by"] == "peer" && line["peer_uid"].is_u64()),
        "{audited:?}"
    );
    let changes = log.iter().filter(|line| line["event"] == "log_level_changed").count();
    assert_eq!(
        changes, 5,
        "the configured one, each change and each end are told of at any level"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_of_asking_for_everything_lets_a_library_trace_or_a_password_through() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let mut passwords = BTreeSet::from([OLD.to_owned()]);
    // By the configuration, by a reload, by a command, by the environment, by the command line.
    let daemon = setup(&world, EVERYTHING).run().await;
    daemon.checked(&secret_name("user1")).await;
    rotated(&world, &daemon, &mut passwords).await;
    setup(&world, "info").write_config();
    setup(&world, "info").cli(&["reload"]).await.with(0);
    setup(&world, EVERYTHING).write_config();
    setup(&world, EVERYTHING).cli(&["reload"]).await.with(0);
    rotated(&world, &daemon, &mut passwords).await;
    setup(&world, EVERYTHING)
        .cli(&["log-level", EVERYTHING, "--for", "1h"])
        .await
        .with(0);
    rotated(&world, &daemon, &mut passwords).await;
    let log = daemon.log.clone();
    assert_eq!(daemon.end("-TERM").await, Some(0));
    let daemon = setup(&world, "info").env("RUST_LOG", EVERYTHING).run().await;
    rotated(&world, &daemon, &mut passwords).await;
    assert_eq!(daemon.end("-TERM").await, Some(0));

    assert_eq!(passwords.len(), 5);
    let text = std::fs::read_to_string(log).unwrap();
    for line in lines(&text) {
        let of_library = !line["target"].as_str().unwrap().starts_with("rekeyd");
        assert!(!(of_library && line["level"] == "TRACE"), "{line}");
    }
    assert!(
        text.contains("\"aws_smithy_runtime::client::orchestrator\""),
        "libraries are heard at DEBUG"
    );
    for password in passwords {
        assert!(!text.contains(&password), "a password is in the log");
    }
}
