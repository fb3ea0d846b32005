//! `--state`: what is there comes back at the next start, however the last one ended.

mod contents;

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{TimeDelta, TimeZone, Utc};
use rekeyd_sandbox::{Caches, ManualClock, SandboxServer, ServerConfig, ServerError, Settings, StateFileError};
use serde_json::json;
use tokio::process::Child;

use self::contents::{all_available, fill_caches, fill_secrets, replies};
use crate::process::{all_of, ended, sandbox, started, terminate};
use crate::support::*;

const SETTINGS: &str = "propagation_ms = {min = 0, max = 0}\ndetached_modifying_ms = 0\n";

/// A folder with settings, and the arguments that use it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("settings.toml"), SETTINGS).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.path("state.json")
    }

    async fn start(&self) -> (Child, Client) {
        let text = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let (state, ca, settings) = (text("state.json"), text("ca.pem"), text("settings.toml"));
        started(&[
            "--log",
            "warn",
            "--state",
            &state,
            "--ca-file",
            &ca,
            "--settings",
            &settings,
        ])
        .await
    }

    /// Waits until the file says something.
    async fn says(&self, what: &str) {
        until(what, || async {
            std::fs::read_to_string(self.file()).is_ok_and(|text| text.contains(what))
        })
        .await;
    }
}

fn config(file: &Path) -> ServerConfig {
    ServerConfig {
        settings: Settings {
            caches: Caches::Virtual,
            detached_modifying_ms: 0,
            propagation_ms: 0.into(),
            ..Settings::default()
        },
        state_file: Some(file.to_owned()),
        ..ServerConfig::default()
    }
}

async fn in_process(file: &Path) -> (SandboxServer, Client) {
    let server = SandboxServer::start(config(file)).await.unwrap();
    let client = Client::of(&server);
    (server, client)
}

/// Why a sandbox with this file does not start.
async fn refused(file: &Path) -> StateFileError {
    match SandboxServer::start(config(file)).await {
        Err(ServerError::StateFile(error)) => error,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it started with {}", file.display()),
    }
}

fn same(now: &[String], before: &[String]) {
    assert_eq!(now.len(), before.len());
    for (now, before) in now.iter().zip(before) {
        assert_eq!(now, before);
    }
}

async fn logs_in(place: &Place, client: &Client, password: &str) {
    let ca = place.path("ca.pem");
    for node in [
        "rg-001",
        "rg-002",
        "shards-0001-001",
        "shards-0002-001",
        "less.node-1",
        "less.node-2",
    ] {
        assert_eq!(login(&ca, client.port(node).await, "u", password).await, "OK", "{node}");
        assert_eq!(
            login(&ca, client.port(node).await, "u", "another-password").await,
            "WRONGPASS",
            "{node}"
        );
    }
}

#[tokio::test]
async fn everything_is_there_again_after_a_sigterm_and_after_a_kill_and_logins_work_with_the_same_passwords() {
    let place = Place::new();
    let (mut child, client) = place.start().await;
    fill_secrets(&client).await;
    fill_caches(&client).await;
    let before = replies(&client, false).await;
    terminate(&child).await;
    assert!(child.wait().await.unwrap().success());

    let (mut child, client) = place.start().await;
    all_available(&client).await;
    same(&replies(&client, false).await, &before);
    logs_in(&place, &client, OLD).await;

    client
        .ec_ok("ModifyUser", &format!("UserId=u&Passwords.member.1={NEW}"))
        .await;
    client
        .sm_ok(
            "CreateSecret",
            json!({"Name": "last", "SecretString": "x", "ClientRequestToken": TOKEN_1}),
        )
        .await;
    until("the user is active", || async {
        client.user_status("u").await == "active"
    })
    .await;
    let before = replies(&client, false).await;
    // Whatever the file says once it knows of this, it knows all that was before.
    let third =
        "authorization: AWS4-HMAC-SHA256 Credential=333333333333/20260101/us-east-1/secretsmanager/aws4_request, X=y";
    let marker = json!({"Name": "marker", "SecretString": "x", "ClientRequestToken": TOKEN_1});
    client.with_header(third).sm_ok("CreateSecret", marker).await;
    place.says("\"marker\"").await;
    // `start_kill` sends SIGKILL.
    child.start_kill().unwrap();
    child.wait().await.unwrap();

    let (_child, client) = place.start().await;
    all_available(&client).await;
    same(&replies(&client, false).await, &before);
    logs_in(&place, &client, NEW).await;
}

#[tokio::test]
async fn replies_of_a_sandbox_without_processes_are_the_same_to_the_last_port() {
    let place = Place::new();
    let (server, client) = in_process(&place.file()).await;
    fill_secrets(&client).await;
    fill_caches(&client).await;
    client.control("POST", "nodes/rg-002", json!({"replace": true})).await;
    let before = replies(&client, true).await;
    server.shutdown().await;
    let (_server, client) = in_process(&place.file()).await;
    same(&replies(&client, true).await, &before);
}

#[tokio::test]
async fn what_is_in_flight_has_arrived_at_the_next_start() {
    let place = Place::new();
    let (server, client) = in_process(&place.file()).await;
    client.cache_with_user("u", "on ~* +@all", 1).await;
    client
        .ec_ok(
            "CreateUser",
            "UserId=gone&UserName=gone&Engine=redis&AccessString=off&NoPasswordRequired=true",
        )
        .await;
    let slow = json!({"propagation_ms": {"min": 3_600_000, "max": 3_600_000}, "detached_modifying_ms": u64::MAX});
    client.control("PUT", "settings", slow).await;
    client
        .ec_ok("ModifyUser", &format!("UserId=u&Passwords.member.1={NEW}"))
        .await;
    client.ec_ok("DeleteUser", "UserId=gone").await;
    assert_eq!(client.user_status("u").await, "modifying");
    // Dropped without a word, as a test that fails does.
    drop(server);
    let (server, client) = in_process(&place.file()).await;
    assert_eq!(client.user_status("u").await, "active");
    assert_eq!(
        client.ec_err("DescribeUsers", "UserId=gone").await,
        (404, "UserNotFound".to_owned())
    );
    assert_eq!(
        server.sandbox().node_accepts("rg-001", "u", NEW),
        rekeyd_sandbox::LoginAnswer::Ok
    );
    assert_eq!(
        server.sandbox().node_accepts("rg-001", "u", OLD),
        rekeyd_sandbox::LoginAnswer::WrongPass
    );
}

#[tokio::test]
async fn a_secret_that_is_marked_for_deletion_goes_at_its_time_whether_the_sandbox_runs_then_or_not() {
    let start = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
    for away in [TimeDelta::days(1), TimeDelta::days(9)] {
        let place = Place::new();
        let clock = ManualClock::new(start);
        let config = ServerConfig {
            clock: Arc::new(clock.clone()),
            ..config(&place.file())
        };
        let server = SandboxServer::start(config.clone()).await.unwrap();
        let client = Client::of(&server);
        let secret = json!({"Name": "s", "SecretString": "x", "ClientRequestToken": TOKEN_1});
        client.sm_ok("CreateSecret", secret).await;
        client
            .sm_ok("DeleteSecret", json!({"SecretId": "s", "RecoveryWindowInDays": 8}))
            .await;
        server.shutdown().await;
        clock.advance(away);
        let server = SandboxServer::start(config).await.unwrap();
        let client = Client::of(&server);
        let there = client.sm("DescribeSecret", json!({"SecretId": "s"})).await.0 == 200;
        assert_eq!(there, away < TimeDelta::days(8));
        clock.advance(TimeDelta::days(9));
        assert_eq!(client.sm("DescribeSecret", json!({"SecretId": "s"})).await.0, 400);
    }
}

#[tokio::test]
async fn random_names_are_others_after_each_start() {
    let place = Place::new();
    let mut names = BTreeSet::new();
    for _ in 0..3 {
        let (server, client) = in_process(&place.file()).await;
        let secret = json!({"Name": "s", "SecretString": "x", "ClientRequestToken": TOKEN_1});
        let made = client.sm_ok("CreateSecret", secret).await;
        assert!(names.insert(made["ARN"].to_string()), "{names:?} {made}");
        client
            .sm_ok(
                "DeleteSecret",
                json!({"SecretId": "s", "ForceDeleteWithoutRecovery": true}),
            )
            .await;
        server.shutdown().await;
    }
}

#[tokio::test]
async fn only_the_owner_may_read_the_file_and_a_reset_empties_it() {
    let place = Place::new();
    // As others may have made it.
    std::fs::write(place.file(), "").unwrap();
    std::fs::set_permissions(place.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let (_server, client) = in_process(&place.file()).await;
    let secret = json!({"Name": "kept", "SecretString": OLD, "ClientRequestToken": TOKEN_1});
    client.sm_ok("CreateSecret", secret).await;
    place.says(OLD).await;
    assert_eq!(std::fs::metadata(place.file()).unwrap().mode() & 0o777, 0o600);
    client.control("POST", "reset", json!(null)).await;
    until("the file is empty again", || async {
        !std::fs::read_to_string(place.file()).unwrap().contains(OLD)
    })
    .await;
}

#[tokio::test]
async fn many_changes_are_written_together() {
    let place = Place::new();
    let (_server, client) = in_process(&place.file()).await;
    let begin = tokio::time::Instant::now();
    let mut files = BTreeSet::new();
    for n in 0..300 {
        let secret = json!({"Name": format!("s{n}"), "SecretString": "x", "ClientRequestToken": TOKEN_1});
        client.sm_ok("CreateSecret", secret).await;
        files.insert(std::fs::metadata(place.file()).unwrap().mtime_nsec());
    }
    // The one of the start, the first change's, and one for each second.
    let most = 3 + usize::try_from(begin.elapsed().as_secs()).unwrap();
    assert!(files.len() <= most, "{} writes", files.len());
    place.says("\"s299\"").await;
}

#[tokio::test]
async fn a_file_that_is_broken_or_of_a_later_release_is_refused_and_left_as_it_is() {
    let place = Place::new();
    let (server, client) = in_process(&place.file()).await;
    client
        .sm_ok(
            "CreateSecret",
            json!({"Name": "s", "SecretString": OLD, "ClientRequestToken": TOKEN_1}),
        )
        .await;
    server.shutdown().await;
    let whole = std::fs::read_to_string(place.file()).unwrap();
    let half = &whole[..whole.len() / 2];
    let odd = whole.replace("\"accounts\":[", &format!("\"accounts\":[\"{OLD}\","));
    let renamed = whole.replace("\"name\":\"s\"", "\"name\":\"t\"");
    let newer = whole.replace("\"rekeyd_sandbox_state\":1", "\"rekeyd_sandbox_state\":2");
    for (text, why) in [
        (half, "ends too soon"),
        (odd.as_str(), "wrong type"),
        ("not JSON", "not JSON"),
        ("{}", "missing"),
        (newer.as_str(), "later release"),
        (renamed.as_str(), "secret t stands under s"),
    ] {
        std::fs::write(place.file(), text).unwrap();
        let error = refused(&place.file()).await.to_string();
        assert!(error.contains(why) && error.contains("state.json"), "{error}");
        assert!(!error.contains(OLD), "{error}");
        assert_eq!(std::fs::read_to_string(place.file()).unwrap(), text);
    }
    std::fs::write(place.file(), &whole).unwrap();
    let (_server, client) = in_process(&place.file()).await;
    client.sm_ok("GetSecretValue", json!({"SecretId": "s"})).await;
}

#[tokio::test]
async fn a_file_that_names_what_is_not_there_is_refused() {
    let place = Place::new();
    let (server, client) = in_process(&place.file()).await;
    client
        .ec_ok(
            "CreateUserGroup",
            "UserGroupId=orders&Engine=redis&UserIds.member.1=default",
        )
        .await;
    server.shutdown().await;
    let whole = std::fs::read_to_string(place.file()).unwrap();
    std::fs::write(
        place.file(),
        whole.replace("\"user_ids\":[\"default\"]", "\"user_ids\":[\"nobody\"]"),
    )
    .unwrap();
    let error = refused(&place.file()).await.to_string();
    assert!(error.contains("user group orders names user nobody"), "{error}");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_named_at_the_start() {
    let place = Place::new();
    let missing = place.path("no/such/folder/state.json");
    assert!(
        refused(&missing)
            .await
            .to_string()
            .contains("no/such/folder/state.json")
    );
    // A folder has its place.
    let error = refused(place.dir.path()).await.to_string();
    assert!(error.contains("cannot read the state file"), "{error}");
}

#[tokio::test]
async fn one_sandbox_at_a_time_has_the_file() {
    let place = Place::new();
    let (mut child, _client) = place.start().await;
    let state = place.file();
    let output = sandbox(&["--listen", "127.0.0.1:0", "--state", state.to_str().unwrap()])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("state.json is in use") && text.contains("another rekeyd-sandbox"),
        "{text}"
    );
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    let (child, _client) = place.start().await;
    ended(child).await;
}

#[tokio::test]
async fn what_could_not_be_written_is_written_later_and_at_the_end_it_is_an_error() {
    let place = Place::new();
    let folder = place.path("folder");
    let state = folder.join("state.json");
    std::fs::create_dir(&folder).unwrap();
    let (mut child, client) = started(&["--log", "error", "--state", state.to_str().unwrap()]).await;
    let secret = |name: &str| json!({"Name": name, "SecretString": "x", "ClientRequestToken": TOKEN_1});
    std::fs::remove_dir_all(&folder).unwrap();
    client.sm_ok("CreateSecret", secret("first")).await;
    std::fs::create_dir(&folder).unwrap();
    until("it is written after all", || async {
        std::fs::read_to_string(&state).is_ok_and(|text| text.contains("first"))
    })
    .await;
    std::fs::remove_dir_all(&folder).unwrap();
    client.sm_ok("CreateSecret", secret("second")).await;
    terminate(&child).await;
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
    let text = all_of(child.stderr.take().unwrap()).await;
    assert!(
        text.contains("rekeyd-sandbox: cannot write the state file") && text.contains("folder/state.json"),
        "{text}"
    );
}
