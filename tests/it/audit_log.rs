//! The audit log: nothing is changed that it does not tell of, and it holds no secret.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rekeyd::rotation::status::{Phase, SecretStatus};
use serde_json::{Value, json};

use crate::support::daemon::Setup;
use crate::support::status::{idle_and_retired, promoted_to};
use crate::support::world::{secret_name, user_arn};
use crate::support::{Fault, FaultKind, OLD, OTHER, Policy, World, eventually};

const USER: &str = "user1";

fn setup(world: &World) -> Setup<'_> {
    setup_with(world, "\"1h\"")
}

fn setup_with<'a>(world: &'a World, overlap: &str) -> Setup<'a> {
    let policy = Policy::new("orders", &[USER])
        .with("overlap", overlap)
        .with("on_drift", "\"repair\"");
    world
        .daemon("rekeyd")
        .policy(policy)
        .daemon_key("audit_log", &format!("{:?}", world.path("audit.jsonl")))
        .daemon_key("discovery_interval", "\"1s\"")
        .daemon_key("drift_check_interval", "\"1s\"")
}

/// The whole lines of a log.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn told<'a>(lines: &'a [Value], change: &str, outcome: &str) -> Vec<&'a Value> {
    let fits = |line: &&Value| line["change"] == change && line["outcome"] == outcome;
    lines.iter().filter(fits).collect()
}

/// Asserts that every call of the daemon's that changed something was announced before it arrived, each by a line of
/// its own, and that each line names what it is about.
fn assert_every_change_was_announced(world: &World, lines: &[Value]) {
    let changes: Vec<_> = world
        .calls_by("rekeyd")
        .into_iter()
        .filter(|call| call.mutated)
        .collect();
    assert!(!changes.is_empty());
    let mut free: Vec<&Value> = lines.iter().filter(|line| line["outcome"] == "begun").collect();
    for call in &changes {
        let announced = free.iter().position(|line| {
            let at: chrono::DateTime<chrono::Utc> = line["time"].as_str().unwrap().parse().unwrap();
            line["change"] == call.operation.as_str() && at <= call.time
        });
        let announced = announced.unwrap_or_else(|| panic!("{call:?} was not announced: {lines:#?}"));
        let line = free.remove(announced);
        assert_eq!(
            (&line["by"], &line["policy"]),
            (&json!("rekeyd"), &json!("orders")),
            "{line}"
        );
        assert!(line["secret"].as_str().unwrap().contains(&secret_name(USER)), "{line}");
        assert!(!line["version"].as_str().unwrap().is_empty(), "{line}");
        if call.operation == "ModifyUser" {
            assert_eq!(line["user"], user_arn(USER), "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_whole_life_is_announced_and_told_of_without_a_password() {
    let world = World::of(&[USER]).await;
    let secret = secret_name(USER);
    let arn = world
        .create_secret(&secret, &crate::support::world::document_with(USER, OLD))
        .await;
    let daemon = setup(&world).run().await;
    let cli = setup(&world);
    daemon.checked(&secret).await;

    // A rotation, a rollback, the rotation on from there, a leak, and drift.
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    cli.cli(&["rotate", &secret, "--wait"]).await.with(0);
    let second = world.holder(&secret, "AWSCURRENT").await.unwrap();
    cli.cli(&["rollback", &secret, "--now"]).await.with(0);
    cli.cli(&["resume", &secret]).await.with(0);
    cli.cli(&["rotate", &secret, "--revoke-previous", "--now"])
        .await
        .with(0);
    world.set_passwords(USER, &[OTHER]).await;
    eventually("the drift is repaired", || async {
        match told(&lines(&world.path("audit.jsonl")), "ModifyUser", "done")
            .iter()
            .any(|line| line["step"] == "repair")
        {
            true => Ok(()),
            false => Err(format!("{:?}", daemon.statuses().await)),
        }
    })
    .await;
    cli.cli(&["pause", &secret, "--reason", "enough"]).await.with(0);
    cli.cli(&["rotate", "none"]).await.with(13);
    cli.cli(&["reload"]).await.with(0);
    daemon.signal("-HUP");
    let log = world.path("audit.jsonl");
    eventually("the reload by signal is told", || async {
        match told(&lines(&log), "reload", "done").len() {
            2 => Ok(()),
            reloads => Err(format!("{reloads} reloads")),
        }
    })
    .await;

    let text = std::fs::read_to_string(&log).unwrap();
    let lines = lines(&log);
    assert_eq!(text.lines().count(), lines.len(), "every line is one of JSON");
    assert_every_change_was_announced(&world, &lines);
    let steps: BTreeSet<&str> = lines.iter().filter_map(|line| line["step"].as_str()).collect();
    for step in [
        "createSecret",
        "setSecret",
        "finishSecret",
        "rollback",
        "retire",
        "repair",
    ] {
        assert!(steps.contains(step), "{step}: {steps:?}");
    }
    // What was announced has an end, with AWS's id of the request.
    for begun in lines
        .iter()
        .filter(|line| line["outcome"] == "begun" && line["by"] == "rekeyd")
    {
        let end = lines
            .iter()
            .find(|line| line["id"] == begun["id"] && line["outcome"] != "begun");
        let end = end.unwrap_or_else(|| panic!("no end: {begun}"));
        assert!(
            end["outcome"] != "done" || end["request_id"].as_str().is_some_and(|id| !id.is_empty()),
            "{end}"
        );
    }
    let finish = lines.iter().find(|line| line["step"] == "finishSecret").unwrap();
    assert_eq!(
        (
            &finish["version"],
            &finish["previous"],
            &finish["label"],
            &finish["secret"]
        ),
        (&json!(second), &json!(first), &json!("AWSCURRENT"), &json!(arn))
    );

    // Who asked for what, and what came of it.
    let uid = rustix_uid();
    for (change, outcome) in [
        ("rotate", "accepted"),
        ("rollback", "accepted"),
        ("resume", "accepted"),
        ("pause", "accepted"),
        ("rotate", "refused"),
    ] {
        let line = told(&lines, change, outcome);
        let line = line.first().unwrap_or_else(|| panic!("no {change} {outcome}: {text}"));
        assert_eq!(
            (&line["by"], &line["peer_uid"]),
            (&json!("peer"), &json!(uid)),
            "{line}"
        );
        assert!(
            line["peer_pid"].as_i64().unwrap() > 1 && line["peer_user"].is_string(),
            "{line}"
        );
    }
    assert!(
        told(&lines, "rotate", "refused")[0]["error"]
            .as_str()
            .unwrap()
            .contains("none")
    );
    assert_eq!(told(&lines, "pause", "begun")[0]["request"]["reason"], "enough");
    assert_eq!(told(&lines, "rotate", "begun")[1]["request"]["revoke_previous"], true);
    let reloads: Vec<_> = told(&lines, "reload", "done")
        .iter()
        .map(|line| line["by"].clone())
        .collect();
    assert_eq!(reloads, ["peer", "signal"]);

    let mut passwords = BTreeSet::from([OLD.to_owned(), OTHER.to_owned()]);
    for version in world.labels(&secret).await.into_keys() {
        passwords.insert(world.version_password(&secret, &version).await);
    }
    assert!(passwords.len() >= 4, "{}", passwords.len());
    assert!(passwords.iter().all(|password| !text.contains(password.as_str())));
}

fn rustix_uid() -> u32 {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_in_a_call_leaves_its_announcement() {
    let world = World::of(&[USER]).await;
    let secret = secret_name(USER);
    world
        .create_secret(&secret, &crate::support::world::document_with(USER, OLD))
        .await;
    let log = world.path("audit.jsonl");
    let mut daemon = setup_with(&world, "\"none\"").run().await;
    daemon.checked(&secret).await;
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    for operation in ["PutSecretValue", "ModifyUser", "UpdateSecretVersionStage"] {
        world.faults(vec![Fault::next(operation, FaultKind::HoldReply)]);
        if operation == "PutSecretValue" {
            daemon.rotate(&secret).await;
        }
        world.fault_fired().await;
        daemon.kill().await;
        world.faults(Vec::new());
        world.end_faults();
        let left = lines(&log);
        let last = left.last().unwrap();
        assert_eq!(
            (&last["change"], &last["outcome"]),
            (&json!(operation), &json!("begun")),
            "{last}"
        );
        assert_every_change_was_announced(&world, &left);
        daemon = setup_with(&world, "\"none\"").run().await;
    }
    let rotated = |status: &SecretStatus| idle_and_retired(status) && !promoted_to(&first)(status);
    daemon.wait(&secret, "rotated", rotated).await;
    assert_every_change_was_announced(&world, &lines(&log));
    let ids: BTreeSet<String> = lines(&log).iter().map(|line| line["id"].to_string()).collect();
    let begun = lines(&log).iter().filter(|line| line["outcome"] == "begun").count();
    assert_eq!(ids.len(), begun, "no two processes give the same id");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_while_the_audit_log_cannot_be_written() {
    let world = World::of(&[USER]).await;
    let secret = secret_name(USER);
    world
        .create_secret(&secret, &crate::support::world::document_with(USER, OLD))
        .await;
    let folder = world.path("logs");
    std::fs::create_dir(&folder).unwrap();
    let log = folder.join("audit.jsonl");
    let audited = || {
        let policy = Policy::new("orders", &[USER]);
        let key = format!("{log:?}");
        world.daemon("rekeyd").policy(policy).daemon_key("audit_log", &key)
    };
    let daemon = audited().run().await;
    let cli = audited();
    daemon.checked(&secret).await;

    // A request is refused, and stored nowhere.
    std::fs::remove_dir_all(&folder).unwrap();
    let refused = cli.cli(&["rotate", &secret]).await.with(1);
    assert!(
        refused.stderr.contains("audit log") && refused.stderr.contains("logs/audit.jsonl"),
        "{}",
        refused.stderr
    );
    let status = daemon.checked(&secret).await;
    assert!(!status.requested && status.phase == Phase::Idle, "{status:?}");
    let metrics = daemon.get("/metrics").await.body;
    assert!(metrics.contains("rekeyd_audit_errors_total 1"), "{metrics}");

    // One that was stored waits, and needs a person; nothing is changed meanwhile.
    std::fs::create_dir(&folder).unwrap();
    world.faults(vec![Fault::next("DescribeSecret", FaultKind::Hold)]);
    cli.cli(&["rotate", &secret]).await.with(0);
    world.fault_fired().await;
    std::fs::remove_dir_all(&folder).unwrap();
    world.end_faults();
    daemon.wait_reason(&secret, Phase::NeedsAttention, "audit_failed").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.assert_only_reads("rekeyd");
    let told = cli.cli(&["status"]).await.with(0).stdout;
    assert!(
        told.contains("needs a person") && told.contains("logs/audit.jsonl"),
        "{told}"
    );

    // It goes on by itself when the log can be written.
    std::fs::create_dir(&folder).unwrap();
    daemon.wait(&secret, "rotated", idle_and_retired).await;
    assert_every_change_was_announced(&world, &lines(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_reopened_by_a_reload_and_without_a_file_the_lines_are_in_the_log() {
    let world = World::of(&[USER]).await;
    let secret = secret_name(USER);
    world
        .create_secret(&secret, &crate::support::world::document_with(USER, OLD))
        .await;
    let (log, moved) = (world.path("audit.jsonl"), world.path("audit.jsonl.1"));
    let daemon = setup_with(&world, "\"none\"")
        .env("RUST_LOG", "warn,rekeyd=info")
        .run()
        .await;
    daemon.checked(&secret).await;
    std::fs::rename(&log, &moved).unwrap();
    setup_with(&world, "\"none\"").cli(&["reload"]).await.with(0);
    assert_eq!(told(&lines(&moved), "reload", "begun").len(), 1);
    assert_eq!(told(&lines(&log), "reload", "done").len(), 1);

    // A reload that is refused opens it anew, too.
    std::fs::rename(&log, &moved).unwrap();
    let broken = setup_with(&world, "\"never\"").cli(&["reload"]).await;
    assert_eq!(broken.code, Some(13), "{}", broken.stderr);
    let refused = told(&lines(&log), "reload", "refused")[0].clone();
    assert!(refused["error"].as_str().unwrap().contains("never"), "{refused}");

    // Without the key, from the next reload on: whatever level the log has.
    let policy = Policy::new("orders", &[USER]).with("overlap", "\"none\"");
    let quiet = world.daemon("rekeyd").policy(policy);
    quiet.cli(&["reload"]).await.with(0);
    let kept = lines(&log).len();
    quiet.cli(&["rotate", &secret, "--wait"]).await.with(0);
    daemon.wait(&secret, "retired", idle_and_retired).await;
    assert_eq!(lines(&log).len(), kept);
    let logged: Vec<Value> = daemon
        .log_text()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["target"] == "rekeyd::audit")
        .collect();
    for (change, outcome) in [
        ("reload", "done"),
        ("rotate", "accepted"),
        ("PutSecretValue", "done"),
        ("UpdateSecretVersionStage", "done"),
        ("ModifyUser", "done"),
    ] {
        let line = told(&logged, change, outcome);
        let line = line
            .first()
            .unwrap_or_else(|| panic!("no {change} {outcome}: {logged:#?}"));
        assert!(line["id"].is_string() && line["by"].is_string(), "{line}");
    }
}
