//! Nodes that are added, removed, promoted, replaced, or killed by somebody else.

use chrono::TimeDelta;
use rekeyd_sandbox::elasticache::{
    DecreaseReplicaCount, DescribeReplicationGroups, IncreaseReplicaCount, ModifyUser, ReplicationGroupOutput,
    TestFailover,
};
use rekeyd_sandbox::{CallContext, LoginAnswer, ManualClock, NodeChange, Sandbox, Settings};
use serde_json::json;

use crate::in_process;
use crate::kinds::*;
use crate::support::*;

fn quick() -> Settings {
    Settings {
        propagation_ms: 0.into(),
        ..Settings::default()
    }
}

const COUNT: &str = "ReplicationGroupId=rg&ApplyImmediately=true&NewReplicaCount=";

#[tokio::test]
async fn roles_follow_a_failover_and_users_keep_their_passwords() {
    let (server, client) = start(quick()).await;
    let ca = server.ca_file();
    user_in_group(&client).await;
    replication_group(&client, "NumCacheClusters=3").await;
    available(&client).await;
    client
        .ec_ok("ModifyUser", &format!("UserId=u&Passwords.member.1={NEW}"))
        .await;
    active(&client).await;
    let user = Some(("u", NEW));
    let info = |node: &'static str| {
        let client = client.clone();
        async move { cli(ca, client.port(node).await, user, &["INFO", "replication"]).await }
    };
    assert!(info("rg-001").await.contains("role:master"));

    client
        .ec_ok("TestFailover", "ReplicationGroupId=rg&NodeGroupId=0001")
        .await;
    available(&client).await;
    let shown = group(&client).await;
    assert_eq!(tags(&shown, "CurrentRole"), ["replica", "primary", "replica"]);
    let primary = client.port("rg-002").await;
    assert_eq!(tag(&tag(&shown, "PrimaryEndpoint"), "Port"), primary.to_string());
    assert!(info("rg-002").await.contains("role:master"));
    for replica in ["rg-001", "rg-003"] {
        until("the others follow the new primary", || async {
            let info = info(replica).await;
            info.contains(&format!("master_port:{primary}")) && info.contains("master_link_status:up")
        })
        .await;
    }
    for node in ["rg-001", "rg-002", "rg-003"] {
        let port = client.port(node).await;
        assert_eq!(login(ca, port, "u", NEW).await, "OK");
        assert_eq!(login(ca, port, "u", OLD).await, "WRONGPASS");
    }
    // The old primary is a replica for good: it follows when it comes back, too.
    client.control("POST", "nodes/rg-001", json!({"running": false})).await;
    client.control("POST", "nodes/rg-001", json!({"running": true})).await;
    assert!(info("rg-001").await.contains("role:slave"));
    server.shutdown().await;
}

#[tokio::test]
async fn a_new_node_and_a_replaced_one_know_the_users_as_they_are_now() {
    let settings = Settings {
        node_creating_ms: 300,
        ..quick()
    };
    let (server, client) = start(settings).await;
    let ca = server.ca_file();
    user_in_group(&client).await;
    replication_group(&client, "NumCacheClusters=1").await;
    available(&client).await;
    client
        .ec_ok("ModifyUser", &format!("UserId=u&Passwords.member.1={NEW}"))
        .await;
    active(&client).await;

    let reply = client.ec_ok("IncreaseReplicaCount", &format!("{COUNT}1")).await;
    assert_eq!(tag(&reply, "Status"), "modifying");
    assert_eq!(tags(&reply, "CacheClusterId"), ["rg-001", "rg-002"]);
    assert_eq!(tags(&reply, "ReadEndpoint").len(), 1, "the new node has no address yet");
    assert!(reply.contains("<PrimaryEndpoint>"), "the primary is where it was");
    available(&client).await;
    let (first, second) = (client.port("rg-001").await, client.port("rg-002").await);
    assert_eq!(login(ca, second, "u", NEW).await, "OK");
    assert_eq!(login(ca, second, "u", OLD).await, "WRONGPASS");

    client.control("POST", "nodes/rg-001", json!({"replace": true})).await;
    assert_eq!(tag(&group(&client).await, "Status"), "modifying");
    available(&client).await;
    let replaced = client.port("rg-001").await;
    assert_ne!(replaced, first);
    assert!(
        tokio::net::TcpStream::connect(("127.0.0.1", first)).await.is_err(),
        "the old process has ended"
    );
    assert_eq!(login(ca, replaced, "u", NEW).await, "OK");
    assert_eq!(login(ca, replaced, "u", OLD).await, "WRONGPASS");
    assert_eq!(
        tags(&group(&client).await, "CurrentRole"),
        ["replica", "primary"],
        "the replica has taken over"
    );

    client.ec_ok("DecreaseReplicaCount", &format!("{COUNT}0")).await;
    available(&client).await;
    assert_eq!(tags(&group(&client).await, "CacheClusterId"), ["rg-002"]);
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", replaced)).await.is_err());
    server.shutdown().await;
}

#[tokio::test]
async fn a_server_that_somebody_kills_or_suspends_does_not_hold_the_sandbox_up() {
    let (server, client) = start(quick()).await;
    let ca = server.ca_file();
    user_in_group(&client).await;
    replication_group(&client, "NumCacheClusters=2").await;
    available(&client).await;
    let port = client.port("rg-002").await;
    signal(ca, port, "-KILL").await;
    until("the sandbox notices", || async {
        nodes(&client).await[1]["running"] == false
    })
    .await;
    let shown = client.ec_ok("DescribeCacheClusters", "CacheClusterId=rg-002").await;
    assert_eq!(
        tag(&shown, "CacheClusterStatus"),
        "available",
        "ElastiCache would not know"
    );
    client
        .ec_ok("ModifyUser", &format!("UserId=u&Passwords.member.1={NEW}"))
        .await;
    active(&client).await;
    client.control("POST", "nodes/rg-002", json!({"running": true})).await;
    assert_eq!(client.port("rg-002").await, port, "it is back where it was");
    until("it has caught up", || async { login(ca, port, "u", NEW).await == "OK" }).await;
    assert_eq!(login(ca, port, "u", OLD).await, "WRONGPASS");

    signal(ca, port, "-STOP").await;
    server.shutdown().await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

/// Sends the server at a port a signal.
async fn signal(ca: &std::path::Path, port: u16, signal: &str) {
    let info = [("u", OLD), ("u", NEW)].map(|user| async move { cli(ca, port, Some(user), &["INFO", "server"]).await });
    let mut texts = String::new();
    for info in info {
        texts.push_str(&info.await);
    }
    let pid = texts
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"))
        .unwrap()
        .trim()
        .to_owned();
    let sent = tokio::process::Command::new("kill")
        .args([signal, &pid])
        .status()
        .await
        .unwrap();
    assert!(sent.success());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_as_on_aws() {
    let (_server, client) = virtual_server().await;
    user_in_group(&client).await;
    replication_group(&client, "NumCacheClusters=2").await;
    for (action, form, code) in [
        ("IncreaseReplicaCount", format!("{COUNT}1"), "NoOperationFault"),
        ("IncreaseReplicaCount", format!("{COUNT}0"), "InvalidParameterValue"),
        ("IncreaseReplicaCount", format!("{COUNT}6"), "InvalidParameterValue"),
        ("DecreaseReplicaCount", format!("{COUNT}2"), "InvalidParameterValue"),
        (
            "DecreaseReplicaCount",
            "ReplicationGroupId=rg&ApplyImmediately=true&ReplicasToRemove.member.1=rg-001".into(),
            "InvalidParameterValue",
        ),
        (
            "IncreaseReplicaCount",
            "ReplicationGroupId=rg&ApplyImmediately=false&NewReplicaCount=2".into(),
            "InvalidParameterValue",
        ),
    ] {
        assert_eq!(
            client.ec_err(action, &form).await,
            (400, code.to_owned()),
            "{action} {form}"
        );
    }
    let shard = |id| format!("ReplicationGroupId=rg&NodeGroupId={id}");
    let missing = client.ec_err("TestFailover", &shard("0002")).await;
    assert_eq!(missing, (404, "NodeGroupNotFoundFault".into()));
    client.control("POST", "nodes/rg-002", json!({"running": false})).await;
    let alone = client.ec_err("TestFailover", &shard("0001")).await;
    assert_eq!(alone, (400, "TestFailoverNotAvailableFault".into()));
    let unknown = client
        .ec_err("IncreaseReplicaCount", &format!("{COUNT}2").replace("rg", "other"))
        .await;
    assert_eq!(unknown, (404, "ReplicationGroupNotFoundFault".into()));
}

/// A cache of one shard with two nodes in the model, in which a change takes 1 s to a node.
async fn model(settings: serde_json::Value) -> (Sandbox, ManualClock, CallContext) {
    in_process::with_cache(&settings, "u", 2).await
}

async fn shown(sandbox: &Sandbox, ctx: &CallContext) -> ReplicationGroupOutput {
    let all = sandbox
        .describe_replication_groups(ctx, DescribeReplicationGroups::default())
        .await;
    all.unwrap().replication_groups.remove(0)
}

#[tokio::test]
async fn the_model_changes_nodes_without_waiting() {
    let (sandbox, _clock, ctx) = model(json!({"propagation_ms": {"min": 1000, "max": 1000}})).await;
    let failover = TestFailover {
        replication_group_id: "rg".into(),
        node_group_id: "0001".into(),
    };
    sandbox.test_failover(&ctx, failover).await.unwrap();
    let group = shown(&sandbox, &ctx).await;
    assert_eq!(group.status, "available");
    let members = &group.node_groups[0].node_group_members;
    assert_eq!(members[1].current_role.as_deref(), Some("primary"));
    assert_eq!(group.node_groups[0].primary_endpoint, members[1].read_endpoint);

    let password = ModifyUser {
        user_id: "u".into(),
        passwords: Some(vec![NEW.into()]),
        ..ModifyUser::default()
    };
    sandbox.modify_user(&ctx, password).await.unwrap();
    let more = IncreaseReplicaCount {
        replication_group_id: "rg".into(),
        new_replica_count: Some(2),
        apply_immediately: Some(true),
        ..IncreaseReplicaCount::default()
    };
    sandbox.increase_replica_count(&ctx, more).await.unwrap();
    let replace = NodeChange {
        replace: true,
        ..NodeChange::default()
    };
    let before = members[0].read_endpoint.clone().unwrap();
    assert!(sandbox.change_node("rg-001", &replace));
    assert_eq!(
        sandbox.node_at(&before.address, before.port),
        None,
        "nobody is there any more"
    );
    // Those that came up after the change have it; the one that was there waits for the news.
    for (node, password, answer) in [
        ("rg-001", NEW, LoginAnswer::Ok),
        ("rg-001", OLD, LoginAnswer::WrongPass),
        ("rg-002", NEW, LoginAnswer::WrongPass),
        ("rg-003", NEW, LoginAnswer::Ok),
    ] {
        assert_eq!(sandbox.node_accepts(node, "u", password), answer, "{node}");
    }
    let fewer = DecreaseReplicaCount {
        replication_group_id: "rg".into(),
        replicas_to_remove: Some(vec!["rg-001".into()]),
        apply_immediately: Some(true),
        ..DecreaseReplicaCount::default()
    };
    sandbox.decrease_replica_count(&ctx, fewer).await.unwrap();
    assert_eq!(shown(&sandbox, &ctx).await.member_clusters, ["rg-002", "rg-003"]);
}

#[tokio::test]
async fn a_node_of_the_model_can_take_its_time_to_come_up() {
    let (sandbox, clock, ctx) = model(json!({"node_creating_ms": 5000})).await;
    let replace = NodeChange {
        replace: true,
        ..NodeChange::default()
    };
    assert!(sandbox.change_node("rg-002", &replace));
    let group = shown(&sandbox, &ctx).await;
    assert_eq!(group.status, "modifying");
    assert_eq!(group.node_groups[0].node_group_members[1].read_endpoint, None);
    assert_eq!(sandbox.node_accepts("rg-002", "u", OLD), LoginAnswer::Down);
    clock.advance(TimeDelta::seconds(5));
    let group = shown(&sandbox, &ctx).await;
    assert_eq!(group.status, "available");
    let endpoint = group.node_groups[0].node_group_members[1]
        .read_endpoint
        .clone()
        .unwrap();
    assert_eq!(
        sandbox.node_at(&endpoint.address, endpoint.port).as_deref(),
        Some("rg-002")
    );
    assert_eq!(sandbox.node_accepts("rg-002", "u", OLD), LoginAnswer::Ok);
}
