//! Real redis-server processes, asked over TLS by redis-cli.

use rekeyd_sandbox::{NodeChange, Settings};
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn a_new_password_arrives_node_by_node_and_the_old_one_works_meanwhile() {
    let settings = Settings::default()
        .patched(&json!({"propagation_ms": {"min": 0, "max": 0}, "node_propagation_ms": {"replica-2": 900}}))
        .unwrap();
    let (server, client) = start(settings).await;
    let ca = server.ca_file();
    client.cache_with_user("u", "on ~* +@all", 3).await;
    let (primary, late) = (client.port("rg-001").await, client.port("rg-003").await);
    for node in ["rg-001", "rg-002", "rg-003"] {
        assert_eq!(login(ca, client.port(node).await, "u", OLD).await, "OK", "{node}");
    }
    client
        .ec_ok("ModifyUser", &format!("UserId=u&Passwords.member.1={NEW}"))
        .await;
    until("the primary has it", || async {
        login(ca, primary, "u", NEW).await == "OK"
    })
    .await;
    assert_eq!(login(ca, primary, "u", OLD).await, "WRONGPASS");
    assert_eq!(login(ca, late, "u", OLD).await, "OK");
    assert_eq!(login(ca, late, "u", NEW).await, "WRONGPASS");
    assert_eq!(client.user_status("u").await, "modifying");
    until("the user is active", || async {
        client.user_status("u").await == "active"
    })
    .await;
    // Active means that every node has it, in fact.
    assert_eq!(login(ca, late, "u", NEW).await, "OK");
    assert_eq!(login(ca, late, "u", OLD).await, "WRONGPASS");
    server.shutdown().await;
}

#[tokio::test]
async fn two_passwords_work_and_an_off_user_gets_in_with_neither() {
    let (server, client) = start(Settings {
        propagation_ms: 0.into(),
        ..Settings::default()
    })
    .await;
    let ca = server.ca_file();
    client.cache_with_user("u", "on ~* +get", 1).await;
    let port = client.port("rg-001").await;
    client
        .ec_ok(
            "ModifyUser",
            &format!("UserId=u&Passwords.member.1={NEW}&Passwords.member.2={OLD}"),
        )
        .await;
    until("the user is active", || async {
        client.user_status("u").await == "active"
    })
    .await;
    assert_eq!(login(ca, port, "u", OLD).await, "OK");
    assert_eq!(login(ca, port, "u", NEW).await, "OK");
    client.ec_ok("ModifyUser", "UserId=u&AccessString=off ~* +get").await;
    until("the user is active", || async {
        client.user_status("u").await == "active"
    })
    .await;
    assert_eq!(login(ca, port, "u", NEW).await, "WRONGPASS");
    client
        .ec_ok("ModifyUserGroup", "UserGroupId=g&UserIdsToRemove.member.1=u")
        .await;
    until("the node has forgotten the user", || async {
        let nodes = client.control("GET", "nodes", Value::Null).await;
        nodes[0]["users"].as_array().unwrap().len() == 1
    })
    .await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_stopped_node_catches_up_and_a_stuck_one_keeps_its_view() {
    let (server, client) = start(Settings {
        propagation_ms: 0.into(),
        ..Settings::default()
    })
    .await;
    let ca = server.ca_file();
    client.cache_with_user("u", "on ~* +@all", 2).await;
    let port = client.port("rg-002").await;
    let stop = json!({"running": false, "status": "rebooting cache cluster nodes"});
    client.control("POST", "nodes/rg-002", stop).await;
    assert_ne!(login(ca, port, "u", OLD).await, "OK");
    let shown = client
        .ec_ok("DescribeCacheClusters", "CacheClusterId=rg-002&ShowCacheNodeInfo=true")
        .await;
    assert_eq!(tag(&shown, "CacheNodeStatus"), "rebooting cache cluster nodes");
    client
        .ec_ok("ModifyUser", &format!("UserId=u&Passwords.member.1={NEW}"))
        .await;
    until("the user is active", || async {
        client.user_status("u").await == "active"
    })
    .await;
    let start = NodeChange {
        running: Some(true),
        status: Some("available".into()),
        ..NodeChange::default()
    };
    assert!(server.change_node("rg-002", &start).await.unwrap());
    assert_eq!(client.port("rg-002").await, port, "it keeps its address");
    until("it has caught up", || async { login(ca, port, "u", NEW).await == "OK" }).await;
    client
        .control("POST", "nodes/rg-002", json!({"propagation_ms": "never"}))
        .await;
    client
        .ec_ok("ModifyUser", &format!("UserId=u&Passwords.member.1={OLD}"))
        .await;
    until("the user is active", || async {
        client.user_status("u").await == "active"
    })
    .await;
    assert_eq!(login(ca, port, "u", NEW).await, "OK", "a stuck node has the old view");
    client
        .control("POST", "nodes/rg-002", json!({"propagation_ms": null}))
        .await;
    until("the news arrive", || async { login(ca, port, "u", OLD).await == "OK" }).await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_cache_without_groups_lets_everybody_in_and_replicas_follow() {
    let (server, client) = start(Settings::default()).await;
    let form = "ReplicationGroupId=r&ReplicationGroupDescription=d&TransitEncryptionEnabled=true&NumCacheClusters=2";
    client.ec_ok("CreateReplicationGroup", form).await;
    until("the cache is available", || async {
        tag(&client.ec_ok("DescribeReplicationGroups", "").await, "Status") == "available"
    })
    .await;
    assert_eq!(
        login(server.ca_file(), client.port("r-001").await, "default", "anything").await,
        "OK"
    );
    let ports = (client.port("r-001").await, client.port("r-002").await);
    let cli = |port: u16, words: &'static [&'static str]| {
        let ca = server.ca_file().to_owned();
        async move {
            let output = tokio::process::Command::new("redis-cli")
                .args(["--tls", "--cacert"])
                .arg(ca)
                .args(["-h", "127.0.0.1", "-p", &port.to_string()])
                .args(words)
                .output()
                .await
                .unwrap();
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
    };
    assert_eq!(cli(ports.0, &["SET", "k", "v"]).await, "OK");
    until("the replica has it", || async {
        cli(ports.1, &["GET", "k"]).await == "v"
    })
    .await;
    client.control("POST", "reset", Value::Null).await;
    assert_ne!(cli(ports.0, &["PING"]).await, "PONG", "a reset ends the servers");
    server.shutdown().await;
}

#[tokio::test]
async fn four_sandboxes_at_once_do_not_get_in_each_others_way() {
    let one = || async {
        let (server, client) = start(Settings::default()).await;
        client.cache_with_user("u", "on ~* +@all", 2).await;
        for node in ["rg-001", "rg-002"] {
            let answer = login(server.ca_file(), client.port(node).await, "u", OLD).await;
            assert_eq!(answer, "OK");
        }
        server.shutdown().await;
    };
    tokio::join!(one(), one(), one(), one());
}
