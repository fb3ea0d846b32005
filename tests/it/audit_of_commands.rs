//! The audit log of the commands that change AWS themselves: `rekeyd onboard` and `rekeyd takeover`.

use std::path::Path;

use aws_sdk_secretsmanager::types::RotationRulesType;
use rekeyd::rotation::status::Phase;
use rekeyd_sandbox::LogEntry;
use serde_json::{Value, json};

use crate::support::cli::orders;
use crate::support::daemon::Setup;
use crate::support::world::{GROUP, document_with, user_arn};
use crate::support::{Fault, FaultKind, OLD, OTHER, World};

const SECRET: &str = "production/ec/user1";
const PENDING: &str = "00000000-0000-4000-8000-000000000007";

const ONBOARD: [&str; 13] = [
    "onboard",
    "--policy",
    "orders",
    "--user-id",
    "user1",
    "--secret",
    SECRET,
    "--access-string",
    "on ~app:* +@read",
    "--group",
    GROUP,
    "--tag",
    "team=orders",
];

fn audited(world: &World) -> Setup<'_> {
    std::fs::create_dir_all(world.path("logs")).unwrap();
    let log = format!("{:?}", log(world));
    orders(world, &["user1"])
        .default_key("overlap", "\"24h\"")
        .daemon_key("audit_log", &log)
}

fn log(world: &World) -> std::path::PathBuf {
    world.path("logs/audit.jsonl")
}

async fn empty() -> World {
    let world = World::start().await;
    world.create_cache(&[]).await;
    world
}

/// A user in use, whose secret a function rotates; nothing is pending.
async fn rotated_by_a_function() -> World {
    let world = World::of(&["user1"]).await;
    world.create_secret(SECRET, &document_with("user1", OLD)).await;
    let rules = RotationRulesType::builder()
        .schedule_expression("rate(30 days)")
        .build();
    let rotate = world.secrets.rotate_secret().secret_id(SECRET).rotation_rules(rules);
    let rotate = rotate
        .rotation_lambda_arn("arn:aws:lambda:us-east-1:123456789012:function:rotate")
        .client_request_token(PENDING)
        .rotate_immediately(false);
    rotate.send().await.expect("rotation");
    world
}

/// The same, stopped when every node accepted the new password.
async fn stopped_in_the_middle() -> World {
    let world = rotated_by_a_function().await;
    let pending = document_with("user1", OTHER);
    world.put_version(SECRET, PENDING, &pending, &["AWSPENDING"]).await;
    world.set_passwords("user1", &[OTHER, OLD]).await;
    world
}

/// The lines of the log, each of which is one of JSON.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let parsed = text.lines().map(serde_json::from_str);
    parsed
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn changing(world: &World) -> Vec<LogEntry> {
    world
        .calls_by("rekeyd")
        .into_iter()
        .filter(|call| call.mutated)
        .collect()
}

/// Asserts that each call that changed something was announced before it came, by a line of its own that has an end
/// under the same id; gives the changes that were announced, in order, of whoever made them.
fn announced(world: &World, by: &str) -> Vec<String> {
    let lines = lines(&log(world));
    let mut free: Vec<&Value> = lines.iter().filter(|line| line["outcome"] == "begun").collect();
    let begun: Vec<&Value> = free.iter().copied().filter(|line| line["by"] == by).collect();
    for call in changing(world) {
        let before = |line: &&Value| {
            let at: chrono::DateTime<chrono::Utc> = line["time"].as_str().unwrap().parse().unwrap();
            line["change"] == call.operation.as_str() && at <= call.time
        };
        let line = free.iter().position(before);
        let line = free.remove(line.unwrap_or_else(|| panic!("{call:?} was not announced: {lines:#?}")));
        let end = lines
            .iter()
            .find(|end| end["id"] == line["id"] && end["outcome"] != "begun");
        let end = end.unwrap_or_else(|| panic!("no end: {line}"));
        assert!(end["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{end}");
        assert_eq!(end["outcome"], "done", "{end}");
    }
    begun
        .iter()
        .map(|line| line["change"].as_str().unwrap().to_owned())
        .collect()
}

async fn assert_holds_no_password(world: &World) {
    let text = std::fs::read_to_string(log(world)).unwrap();
    for label in ["AWSCURRENT", "AWSPREVIOUS"] {
        if let Some(password) = world.password(SECRET, label).await {
            assert!(!text.contains(&password), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_an_onboarding_is_announced_with_who_runs_it_and_without_a_password() {
    let world = empty().await;
    audited(&world)
        .cli(&[&ONBOARD[..], &["--dry-run"]].concat())
        .await
        .with(0);
    assert_eq!(lines(&log(&world)), Vec::<Value>::new(), "a look has no line");

    audited(&world).cli(&ONBOARD).await.with(0);
    assert_eq!(
        announced(&world, "operator"),
        ["onboard", "CreateUser", "CreateSecret", "ModifyUserGroup", "ModifyUser"]
    );
    assert_eq!(
        announced(&world, "rekeyd"),
        ["PutSecretValue", "ModifyUser", "UpdateSecretVersionStage"],
        "the first rotation, in the daemon's place"
    );
    let lines = lines(&log(&world));
    let of_operator = lines.iter().filter(|line| line["by"] == "operator");
    for line in of_operator {
        let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());
        assert_eq!(line["operator_uid"], uid, "{line}");
        assert!(line["operator_pid"].as_u64().is_some_and(|pid| pid > 1), "{line}");
        assert!(line["operator_user"].is_string(), "{line}");
        assert_eq!((&line["policy"], &line["place"]), (&json!("orders"), &json!("main")));
        assert!(
            line["secret"].as_str().is_some_and(|secret| secret.contains(SECRET)),
            "{line}"
        );
    }
    let of = |change: &str, outcome: &str| {
        let fits = |line: &&Value| line["change"] == change && line["outcome"] == outcome && line["by"] == "operator";
        lines.iter().find(fits).unwrap_or_else(|| panic!("{change} {outcome}"))
    };
    assert_eq!(of("onboard", "begun")["request"]["access_string"], "on ~app:* +@read");
    assert_eq!(of("onboard", "begun")["id"], of("onboard", "done")["id"]);
    assert!(of("onboard", "done").get("error").is_none());
    assert_eq!(of("CreateUser", "begun")["user"], user_arn("user1"));
    assert_eq!(of("CreateSecret", "begun")["request"]["tags"]["team"], "orders");
    assert_eq!(of("ModifyUserGroup", "begun")["request"]["user_group"], GROUP);
    assert_eq!(
        of("ModifyUser", "begun")["request"]["access_string"],
        "on ~app:* +@read"
    );
    assert_holds_no_password(&world).await;

    audited(&world).cli(&ONBOARD).await.with(0);
    assert_eq!(
        self::lines(&log(&world)).len(),
        lines.len(),
        "nothing is changed the second time"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_beside_a_daemon_is_announced_in_the_same_file() {
    let world = rotated_by_a_function().await;
    let daemon = audited(&world).run().await;
    daemon.wait_reason(SECRET, Phase::Halted, "rotation_enabled").await;
    audited(&world).cli(&["takeover", SECRET, "--rotate"]).await.with(0);
    assert_eq!(announced(&world, "operator"), ["takeover", "CancelRotateSecret"]);
    assert_eq!(
        announced(&world, "rekeyd"),
        ["PutSecretValue", "ModifyUser", "UpdateSecretVersionStage"]
    );
    assert_eq!(announced(&world, "peer"), ["reload", "rotate"]);
    let lines = lines(&log(&world));
    let ended = lines.iter().rfind(|line| line["change"] == "takeover").expect("a line");
    assert_eq!(
        (&ended["outcome"], &ended["request"]["rotate"]),
        (&json!("done"), &json!(true))
    );
    assert_holds_no_password(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_a_takeover_moves_is_told_of_with_both_versions() {
    let world = stopped_in_the_middle().await;
    let first = world.holder(SECRET, "AWSCURRENT").await.unwrap();
    audited(&world).cli(&["takeover", SECRET, "--now"]).await.with(0);
    assert_eq!(
        announced(&world, "operator"),
        ["takeover", "CancelRotateSecret", "UpdateSecretVersionStage"]
    );
    let lines = lines(&log(&world));
    let moved = lines.iter().find(|line| line["change"] == "UpdateSecretVersionStage");
    let moved = moved.expect("a line");
    assert_eq!(
        (&moved["version"], &moved["previous"], &moved["label"]),
        (&json!(PENDING), &json!(first), &json!("AWSCURRENT"))
    );
    assert_holds_no_password(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_refuses_is_told_with_its_code() {
    let world = empty().await;
    world.faults(vec![Fault {
        code: Some("AccessDeniedException".to_owned()),
        status: Some(400),
        ..Fault::next("CreateSecret", FaultKind::Code)
    }]);
    let refused = audited(&world).cli(&ONBOARD).await.with(1);
    assert!(refused.stdout.contains("AccessDenied"), "{}", refused.stdout);
    let lines = lines(&log(&world));
    for (change, outcome) in [
        ("CreateUser", "done"),
        ("CreateSecret", "failed"),
        ("onboard", "failed"),
    ] {
        let line = lines
            .iter()
            .find(|line| line["change"] == change && line["outcome"] == outcome);
        let line = line.unwrap_or_else(|| panic!("{change} {outcome}: {lines:#?}"));
        assert_eq!(line["error"].is_string(), outcome == "failed", "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_killed_in_a_call_leaves_its_announcement() {
    let world = empty().await;
    world.faults(vec![Fault::next("CreateSecret", FaultKind::HoldReply)]);
    let mut child = audited(&world).command(&ONBOARD).spawn().expect("rekeyd starts");
    world.fault_fired().await;
    child.kill().await.expect("killed");
    world.end_faults();
    let left = lines(&log(&world));
    let last = left.last().expect("a line");
    assert_eq!(
        (&last["change"], &last["outcome"], &last["by"]),
        (&json!("CreateSecret"), &json!("begun"), &json!("operator"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_onboarded_while_the_audit_log_cannot_be_written() {
    let world = empty().await;
    let setup = audited(&world);
    std::fs::remove_dir_all(world.path("logs")).unwrap();
    let refused = setup.cli(&ONBOARD).await.with(1);
    assert!(refused.stderr.contains("logs/audit.jsonl"), "{}", refused.stderr);
    world.assert_only_reads("rekeyd");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_stops_where_the_audit_log_can_be_written_no_more_and_goes_on_when_it_can() {
    let world = stopped_in_the_middle().await;
    let setup = audited(&world);
    let folder = world.path("logs");
    std::fs::remove_dir_all(&folder).unwrap();
    let refused = setup.cli(&["takeover", SECRET, "--now"]).await.with(1);
    assert!(
        refused.stderr.contains("logs/audit.jsonl") && refused.stderr.contains("the daemon's user"),
        "{}",
        refused.stderr
    );
    world.assert_only_reads("rekeyd");

    // Lost on the way: the call that was announced is made, and none after it.
    let setup = audited(&world);
    world.faults(vec![Fault::next("CancelRotateSecret", FaultKind::Hold)]);
    let (ended, ()) = tokio::join!(setup.cli(&["takeover", SECRET, "--now"]), async {
        world.fault_fired().await;
        std::fs::remove_dir_all(&folder).unwrap();
        world.end_faults();
    });
    let operations: Vec<_> = changing(&world).into_iter().map(|call| call.operation).collect();
    assert_eq!(operations, ["CancelRotateSecret"]);
    assert!(ended.with(3).stdout.contains("nothing is changed without it"));
    audited(&world).cli(&["takeover", SECRET, "--now"]).await.with(0);
    assert_eq!(world.holder(SECRET, "AWSCURRENT").await.as_deref(), Some(PENDING));
}
