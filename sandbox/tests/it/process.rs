//! The binary: how it begins and how it ends.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::*;

/// The binary.
pub fn sandbox(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeyd-sandbox"));
    command
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Asks it to end.
pub async fn terminate(child: &Child) {
    let pid = child.id().unwrap().to_string();
    Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
}

/// Asks it to end and waits until it has, in order.
pub async fn ended(mut child: Child) {
    terminate(&child).await;
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), child.wait()).await;
    assert!(ended.expect("it ends").unwrap().success());
}

/// All that a stream says until it ends.
pub async fn all_of(mut from: impl AsyncReadExt + Unpin) -> String {
    let mut text = String::new();
    let read = from.read_to_string(&mut text);
    tokio::time::timeout(std::time::Duration::from_secs(60), read)
        .await
        .unwrap()
        .unwrap();
    text
}

/// Starts the binary on a port of its own.
pub async fn started(more: &[&str]) -> (Child, Client) {
    let mut child = sandbox(&[&["--listen", "127.0.0.1:0"], more].concat()).spawn().unwrap();
    let client = ready(&mut child).await;
    (child, client)
}

/// Waits until it says where it is.
pub async fn ready(child: &mut Child) -> Client {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.next_line().await.unwrap().unwrap();
    let addr = ready.split("http://").nth(1).unwrap().split(' ').next().unwrap();
    Client {
        addr: addr.to_owned(),
        headers: String::new(),
    }
}

/// Starts the binary with a cache of two nodes.
async fn running(dir: &Path) -> (Child, Client) {
    let ca = dir.join("authority.pem");
    let dir = dir.to_str().unwrap();
    let (child, client) = started(&["--state-dir", dir, "--ca-file", ca.to_str().unwrap()]).await;
    client.cache_with_user("u", "on ~* +@all", 2).await;
    for node in ["rg-001", "rg-002"] {
        assert_eq!(login(&ca, client.port(node).await, "u", OLD).await, "OK");
    }
    (child, client)
}

/// The servers at work in a folder. Their ports say less: somebody else may have one as soon as it is free.
fn servers(dir: &Path) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap();
    let places = processes.filter_map(|entry| std::fs::read_link(entry.unwrap().path().join("cwd")).ok());
    places.filter(|place| place.starts_with(dir)).count()
}

#[tokio::test]
async fn a_killed_sandbox_leaves_no_servers_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, _client) = running(dir.path()).await;
    assert_eq!(servers(dir.path()), 2);
    // `start_kill` sends SIGKILL.
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    until("the servers are gone", || async { servers(dir.path()) == 0 }).await;
}

#[tokio::test]
async fn sigterm_ends_it_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, _client) = running(dir.path()).await;
    assert_eq!(servers(dir.path()), 2);
    terminate(&child).await;
    assert!(child.wait().await.unwrap().success());
    assert_eq!(servers(dir.path()), 0);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "only the authority's certificate is left: {left:?}");
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused() {
    let output = sandbox(&["--listen", "0.0.0.0:0"]).output().await.unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("not a loopback address"), "{text}");
}

#[tokio::test]
async fn bad_settings_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.toml");
    std::fs::write(&file, "propagation_msx = 1\n").unwrap();
    let output = sandbox(&["--listen", "127.0.0.1:0", "--settings", file.to_str().unwrap()])
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("propagation_msx"));
}

#[tokio::test]
async fn a_missing_redis_server_is_named() {
    let output = sandbox(&["--listen", "127.0.0.1:0"])
        .env("REKEYD_SANDBOX_REDIS_SERVER", "/nonexistent")
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("REKEYD_SANDBOX_REDIS_SERVER"));
}

#[tokio::test]
async fn a_server_that_does_not_start_is_reported_and_holds_nothing_up() {
    let mut child = sandbox(&["--listen", "127.0.0.1:0"])
        .env("REKEYD_SANDBOX_REDIS_SERVER", "/bin/false")
        .spawn()
        .unwrap();
    let client = ready(&mut child).await;
    let form = "ReplicationGroupId=r&ReplicationGroupDescription=d&TransitEncryptionEnabled=true&NumCacheClusters=2";
    client.ec_ok("CreateReplicationGroup", form).await;
    until("the failure shows", || async {
        tag(&client.ec_ok("DescribeReplicationGroups", "").await, "Status") == "create-failed"
    })
    .await;
    ended(child).await;
}
