//! How the binary meets people: help, errors, what it needs, and what it logs.

use std::process::Output;

use serde_json::{Value, json};

use crate::process::{all_of, sandbox, started, terminate};
use crate::python;
use crate::support::*;

async fn said(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = sandbox(args).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// The options that a text lists.
fn options(help: &str) -> Vec<&str> {
    let words = help.lines().filter_map(|line| line.trim_start().split_once("--"));
    let lists = words.filter(|(before, _)| before.is_empty() || before.ends_with(", "));
    lists.map(|(_, rest)| rest.split(' ').next().unwrap()).collect()
}

#[tokio::test]
async fn help_has_every_option_with_its_default_the_environment_examples_and_exit_codes() {
    let (code, help, _) = said(&["--help"]).await;
    assert_eq!(code, Some(0));
    let found = options(help.split("Environment:").next().unwrap());
    for option in [
        "listen",
        "allow-remote",
        "state",
        "settings",
        "state-dir",
        "ca-file",
        "seed",
        "log",
    ] {
        assert!(found.contains(&option), "{found:?} {option}");
    }
    // Those two take no value.
    let defaults = help.matches("[default: ").count() + help.matches("the default refuses").count();
    assert!(defaults >= 8, "{help}");
    for part in [
        "REKEYD_SANDBOX_REDIS_SERVER",
        "TMPDIR",
        "Examples:",
        "Exit codes:",
        "CLEAR TEXT",
        "0600",
        "127.0.0.1:4566",
    ] {
        assert!(help.contains(part), "{part}: {help}");
    }
}

#[tokio::test]
async fn the_readme_has_every_option() {
    let (_, help, _) = said(&["--help"]).await;
    let readme = std::fs::read_to_string(python::workspace().join("sandbox/README.md")).unwrap();
    for option in options(help.split("Environment:").next().unwrap()) {
        let standard = ["help", "version"].contains(&option);
        assert!(standard || readme.contains(&format!("| `--{option}")), "{option}");
    }
}

#[tokio::test]
async fn the_version_is_that_of_the_crate_and_a_wrong_option_ends_with_two() {
    let (code, text, _) = said(&["--version"]).await;
    assert_eq!(
        (code, text.trim()),
        (Some(0), concat!("rekeyd-sandbox ", env!("CARGO_PKG_VERSION")))
    );
    let (code, _, text) = said(&["--no-such-option"]).await;
    assert_eq!(code, Some(2));
    assert!(text.contains("--no-such-option"), "{text}");
    for log in ["infos", "rekeyd_sandbox==x", "foo[bar"] {
        let (code, _, text) = said(&["--log", log]).await;
        assert_eq!(code, Some(2), "{log}");
        assert!(text.contains("--log"), "{text}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let (code, _, text) = said(&["--listen", &addr]).await;
    assert_eq!(code, Some(1));
    assert!(text.contains(&addr) && text.contains("--listen 127.0.0.1:0"), "{text}");
}

#[tokio::test]
async fn settings_that_are_not_there_are_named() {
    let (code, _, text) = said(&["--settings", "/nonexistent/settings.toml"]).await;
    assert_eq!(code, Some(1));
    assert!(
        text.contains("settings in /nonexistent/settings.toml: No such file"),
        "{text}"
    );
}

/// The processes that a process has started and that are still there.
fn children(pid: u32) -> Vec<String> {
    let stats = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        std::fs::read_to_string(path.join("stat")).ok()
    });
    let parent = |stat: &String| {
        let rest = stat.rsplit_once(") ").map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split(' ').nth(1)) == Some(pid.to_string().as_str())
    };
    stats.filter(parent).collect()
}

#[tokio::test]
async fn it_is_ready_without_having_started_a_process_and_needs_no_redis_server_until_a_cache_is_made() {
    let mut child = sandbox(&["--listen", "127.0.0.1:0"])
        .env("PATH", "/nonexistent")
        .spawn()
        .unwrap();
    let client = crate::process::ready(&mut child).await;
    assert_eq!(children(child.id().unwrap()), Vec::<String>::new());
    let secret = json!({"Name": "s", "SecretString": "x", "ClientRequestToken": TOKEN_1});
    client.sm_ok("CreateSecret", secret).await;
    let form = "ReplicationGroupId=r&ReplicationGroupDescription=d&TransitEncryptionEnabled=true";
    client.ec_ok("CreateReplicationGroup", form).await;
    until("the failure shows", || async {
        tag(&client.ec_ok("DescribeReplicationGroups", "").await, "Status") == "create-failed"
    })
    .await;
    terminate(&child).await;
    let text = all_of(child.stderr.take().unwrap()).await;
    let hints = text
        .matches("install one, name it in REKEYD_SANDBOX_REDIS_SERVER")
        .count();
    // At the start, and when the node does not come up.
    assert_eq!(hints, 2, "{text}");
}

#[tokio::test]
async fn each_call_has_a_line_with_its_outcome_and_duration_and_no_line_has_a_value_or_a_password() {
    let (mut child, client) = started(&["--log", "trace"]).await;
    let key = "authorization: AWS4-HMAC-SHA256 Credential=AKIAME/20260101/eu-west-1/elasticache/aws4_request, X=y";
    let client = client.with_header(key);
    client
        .sm_ok(
            "CreateSecret",
            json!({"Name": "s", "SecretString": OLD, "ClientRequestToken": TOKEN_1}),
        )
        .await;
    client
        .ec_ok(
            "CreateUser",
            &format!("UserId=u&UserName=u&Engine=redis&AccessString=on&Passwords.member.1={NEW}"),
        )
        .await;
    // Whatever is wrong with a request, what it brings stays out of the log.
    assert_eq!(
        client
            .sm("PutSecretValue", json!({"SecretId": "s", "SecretString": {OLD: OLD}}))
            .await
            .0,
        400
    );
    assert_eq!(client.sm("NoSuchOperation", json!({"SecretString": OLD})).await.0, 400);
    assert_eq!(
        client
            .ec(
                "CreateUser",
                &format!("UserId=u&Passwords={NEW}&NoPasswordRequired=perhaps")
            )
            .await
            .0,
        400
    );
    client
        .http(
            "POST",
            "/",
            "x-amz-target: secretsmanager.CreateSecret\r\n",
            &format!("{{\"SecretString\": \"{OLD}"),
        )
        .await;
    client
        .control(
            "POST",
            "stranger",
            json!({"region": "eu-west-1", "act": {"kind": "reset_password", "user": "u", "password": NEW.repeat(2)}}),
        )
        .await;
    let log = client.control("GET", "log", Value::Null).await;
    terminate(&child).await;
    let text = all_of(child.stderr.take().unwrap()).await;
    for hidden in [OLD, NEW] {
        assert!(!text.contains(hidden) && !log.to_string().contains(hidden), "{text}");
    }
    let line = text
        .lines()
        .find(|line| line.contains("operation=\"CreateUser\""))
        .unwrap();
    for part in [
        "service=\"elasticache\"",
        "resource=\"u\"",
        "account=\"123456789012\"",
        "region=\"eu-west-1\"",
        "access_key=\"AKIAME\"",
        "status=200",
        "outcome=\"ok\"",
        "duration_ms=",
        "request_id=\"",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(
        text.lines()
            .any(|line| line.contains("NoSuchOperation") && line.contains("UnknownOperationException"))
    );
}

#[tokio::test]
async fn the_control_log_has_durations_and_the_request_ids_of_the_replies() {
    let (_server, client) = virtual_server().await;
    client.control("PUT", "settings", json!({"latency_ms": 30})).await;
    let target = "x-amz-target: secretsmanager.ListSecrets\r\n";
    let (head, _) = client.exchange("POST", "/", target, "{}").await.unwrap();
    let id = head
        .lines()
        .find_map(|line| line.strip_prefix("x-amzn-requestid: "))
        .unwrap();
    let (head, body) = client.exchange("POST", "/", "", "Action=DescribeUsers").await.unwrap();
    let second = head
        .lines()
        .find_map(|line| line.strip_prefix("x-amzn-requestid: "))
        .unwrap();
    assert_eq!(tag(&body, "RequestId"), second);
    assert_ne!(id, second);
    assert_eq!(client.sm("NoSuchOperation", json!({})).await.0, 400);
    let log = client.control("GET", "log", Value::Null).await;
    let ids: Vec<&str> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["request_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids[..2], [id, second]);
    for call in [&log[0], &log[1]] {
        let took = call["duration_ms"].as_f64().unwrap();
        assert!((30.0..60_000.0).contains(&took), "{call}");
    }
    assert_eq!(log[2]["operation"], "NoSuchOperation");
    assert_eq!(log[2]["outcome"], "UnknownOperationException");
}

#[tokio::test]
async fn a_call_that_is_held_has_no_duration_yet() {
    let (_server, client) = virtual_server().await;
    client.fault(json!({"operation": "ListSecrets", "kind": "hold"})).await;
    let held = tokio::spawn({
        let client = client.clone();
        async move { client.sm_ok("ListSecrets", json!({})).await }
    });
    let logged = || async { client.control("GET", "log", Value::Null).await[0].clone() };
    until("the call is held", || async { logged().await["outcome"] == "pending" }).await;
    assert_eq!(logged().await["duration_ms"], Value::Null);
    client.control("POST", "release", Value::Null).await;
    held.await.unwrap();
    assert!(logged().await["duration_ms"].as_f64().is_some());
}

#[tokio::test]
async fn the_index_of_control_paths_is_what_there_is() {
    let (_server, client) = virtual_server().await;
    for path in ["/_sandbox", "/_sandbox/"] {
        let (status, body) = client.http("GET", path, "", "").await.unwrap();
        assert_eq!(status, 200, "{body}");
        let index: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(index["version"], env!("CARGO_PKG_VERSION"));
        for path in index["paths"].as_array().unwrap() {
            let (method, path) = (path["method"].as_str().unwrap(), path["path"].as_str().unwrap());
            let answer = client.http(method, path, "", "").await.unwrap();
            // Without what it needs, it may refuse; it is there.
            assert!(
                !answer.1.contains("no such control path"),
                "{method} {path}: {answer:?}"
            );
        }
    }
    for path in ["/_sandbox/nothing", "/_sandboxed"] {
        assert_eq!(client.http("GET", path, "", "").await.unwrap().0, 404);
    }
}
