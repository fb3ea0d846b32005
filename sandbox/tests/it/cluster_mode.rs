//! Replication groups with cluster mode on: real Redis Clusters, and their like in the model.

use std::collections::BTreeSet;

use rekeyd_sandbox::Settings;
use serde_json::{Value, json};

use crate::kinds::*;
use crate::support::*;

const IDS: [&str; 6] = [
    "rg-0001-001",
    "rg-0001-002",
    "rg-0002-001",
    "rg-0002-002",
    "rg-0003-001",
    "rg-0003-002",
];

fn quick() -> Settings {
    Settings {
        propagation_ms: 0.into(),
        ..Settings::default()
    }
}

#[tokio::test]
async fn three_shards_serve_all_keys_and_a_new_password_reaches_every_node() {
    let (server, client) = start(quick()).await;
    let ca = server.ca_file();
    user_in_group(&client).await;
    let made = replication_group(&client, "NumNodeGroups=3&ReplicasPerNodeGroup=1").await;
    assert_eq!(
        (tag(&made, "Status"), tag(&made, "ClusterEnabled")),
        ("creating".into(), "true".into())
    );
    available(&client).await;

    let mut ports = Vec::new();
    for id in IDS {
        ports.push(client.port(id).await);
    }
    let user = Some(("u", OLD));
    for port in &ports {
        let info = cli(ca, *port, user, &["CLUSTER", "INFO"]).await;
        assert!(
            info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384"),
            "{info}"
        );
        assert_eq!(login(ca, *port, "u", NEW).await, "WRONGPASS");
    }
    // Keys of all three shards through any one node, by its redirections.
    let entry: u16 = tag(&group(&client).await, "Port").parse().unwrap();
    let mut redirected = BTreeSet::new();
    for n in 0..24 {
        let (key, value) = (format!("key-{n}"), format!("value-{n}"));
        assert_eq!(cli(ca, entry, user, &["-c", "SET", &key, &value]).await, "OK");
        assert_eq!(cli(ca, ports[4], user, &["-c", "GET", &key]).await, value);
        let moved = cli(ca, entry, user, &["GET", &key]).await;
        if let Some(address) = moved.strip_prefix("MOVED ").and_then(|rest| rest.split(' ').nth(1)) {
            redirected.insert(address.to_owned());
        }
    }
    let primaries = [ports[2], ports[4]].map(|port| format!("127.0.0.1:{port}"));
    assert_eq!(
        redirected,
        BTreeSet::from(primaries),
        "redirections lead to the primaries of the other shards"
    );

    client
        .ec_ok("ModifyUser", &format!("UserId=u&Passwords.member.1={NEW}"))
        .await;
    active(&client).await;
    for port in &ports {
        assert_eq!(login(ca, *port, "u", NEW).await, "OK");
        assert_eq!(login(ca, *port, "u", OLD).await, "WRONGPASS");
    }
    let refused = cli(ca, entry, Some(("u", NEW)), &["CLUSTER", "FLUSHSLOTS"]).await;
    assert!(refused.contains("NOPERM"), "{refused}");
    server.shutdown().await;
    for port in ports {
        let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
        assert!(connected.is_err(), "no server is left");
    }
}

#[tokio::test]
async fn a_cluster_shows_its_nodes_addresses_only_among_the_cache_clusters() {
    let (_server, client) = virtual_server().await;
    user_in_group(&client).await;
    replication_group(&client, "NumNodeGroups=3&ReplicasPerNodeGroup=1").await;
    let shown = group(&client).await;
    assert_eq!(tag(&shown, "ClusterEnabled"), "true");
    assert_eq!(tag(&shown, "ClusterMode"), "enabled");
    assert_eq!(tags(&shown, "NodeGroupId"), ["0001", "0002", "0003"]);
    assert_eq!(tags(&shown, "Slots"), ["0-5460", "5461-10921", "10922-16383"]);
    assert_eq!(tags(&shown, "CacheClusterId"), IDS);
    assert_eq!(tags(&shown, "ClusterId"), IDS);
    for absent in ["PrimaryEndpoint", "ReaderEndpoint", "ReadEndpoint", "CurrentRole"] {
        assert!(!shown.contains(absent), "{absent}");
    }
    let endpoint = tag(&shown, "ConfigurationEndpoint");
    let clusters = client.ec_ok("DescribeCacheClusters", "ShowCacheNodeInfo=true").await;
    let addresses = tags(&clusters, "Endpoint");
    assert_eq!(addresses.len(), 6);
    assert_eq!(
        endpoint, addresses[0],
        "the configuration endpoint is an address that answers"
    );
}

#[tokio::test]
async fn one_shard_is_a_cluster_by_its_parameter_group_or_by_request() {
    let (_server, client) = virtual_server().await;
    for (id, more, node) in [
        ("a", "CacheParameterGroupName=default.redis7.cluster.on", "a-0001-001"),
        ("b", "ClusterMode=enabled&NumNodeGroups=1", "b-0001-001"),
        ("c", "ClusterMode=disabled&NumNodeGroups=1", "c-001"),
    ] {
        let form = format!("ReplicationGroupId={id}&ReplicationGroupDescription=d&{more}");
        let shown = client.ec_ok("CreateReplicationGroup", &form).await;
        assert_eq!(tag(&shown, "ClusterId"), node);
        assert_eq!(tag(&shown, "ClusterEnabled"), (id != "c").to_string());
    }
    for (more, code) in [
        ("NumNodeGroups=2&ClusterMode=disabled", "InvalidParameterCombination"),
        ("NumNodeGroups=2&ReplicasPerNodeGroup=6", "InvalidParameterValue"),
        ("NumNodeGroups=0", "InvalidParameterValue"),
        ("NumNodeGroups=91", "NodeQuotaForClusterExceeded"),
    ] {
        let form = format!("ReplicationGroupId=d&ReplicationGroupDescription=d&{more}");
        let refused = client.ec_err("CreateReplicationGroup", &form).await;
        assert_eq!(refused, (400, code.to_owned()), "{more}");
    }
    let form = "ReplicationGroupId=a-0001&ReplicationGroupDescription=d";
    let refused = client.ec_err("CreateReplicationGroup", form).await;
    assert_eq!(
        refused,
        (400, "ReplicationGroupAlreadyExists".into()),
        "its node would be a-0001-001"
    );
}

#[tokio::test]
async fn a_failover_changes_roles_in_the_cluster_and_a_replaced_primary_comes_back_as_a_replica() {
    let (server, client) = start(quick()).await;
    let ca = server.ca_file();
    user_in_group(&client).await;
    replication_group(&client, "NumNodeGroups=3&ReplicasPerNodeGroup=1").await;
    available(&client).await;
    let failover = "ReplicationGroupId=rg&NodeGroupId=0002";
    let reply = client.ec_ok("TestFailover", failover).await;
    assert_eq!(tag(&reply, "Status"), "modifying");
    assert_eq!(
        client.ec_err("TestFailover", failover).await,
        (400, "InvalidReplicationGroupState".into())
    );
    available(&client).await;
    assert!(replication(&client, ca, "rg-0002-002").await.contains("role:master"));
    assert!(replication(&client, ca, "rg-0002-001").await.contains("role:slave"));

    let before = client.port("rg-0002-002").await;
    client
        .control("POST", "nodes/rg-0002-002", json!({"replace": true}))
        .await;
    available(&client).await;
    let after = client.port("rg-0002-002").await;
    assert_ne!(before, after);
    assert!(replication(&client, ca, "rg-0002-002").await.contains("role:slave"));
    assert!(replication(&client, ca, "rg-0002-001").await.contains("role:master"));
    assert_eq!(login(ca, after, "u", OLD).await, "OK");
    assert_eq!(login(ca, after, "u", NEW).await, "WRONGPASS");
    let roles: Vec<Value> = nodes(&client)
        .await
        .into_iter()
        .map(|node| node["role"].clone())
        .collect();
    assert_eq!(
        json!(roles),
        json!(["primary", "replica", "primary", "replica", "primary", "replica"])
    );

    // Another replica for each shard, and away again.
    let count = |n: u8| format!("ReplicationGroupId=rg&ApplyImmediately=true&NewReplicaCount={n}");
    client.ec_ok("IncreaseReplicaCount", &count(2)).await;
    available(&client).await;
    let new = client.port("rg-0003-003").await;
    assert!(
        replication(&client, ca, "rg-0003-003")
            .await
            .contains("master_link_status:up")
    );
    let value = cli(ca, new, Some(("u", OLD)), &["-c", "SET", "some", "value"]).await;
    assert_eq!(value, "OK", "it redirects to the others");
    client.ec_ok("DecreaseReplicaCount", &count(1)).await;
    available(&client).await;
    assert_eq!(tags(&group(&client).await, "CacheClusterId"), IDS);
    let list = cli(ca, after, Some(("u", OLD)), &["CLUSTER", "NODES"]).await;
    assert_eq!(list.lines().count(), 6, "nobody remembers the replicas: {list}");
    server.shutdown().await;
}
