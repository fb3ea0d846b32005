//! Serverless caches: one endpoint, hidden nodes behind it.

use std::collections::BTreeMap;

use rekeyd_sandbox::elasticache::{CreateServerlessCache, DescribeServerlessCaches};
use rekeyd_sandbox::{LoginAnswer, NodeChange, Settings};
use serde_json::{Value, json};

use crate::in_process;
use crate::kinds::*;
use crate::support::*;

const NAME: &str = "ServerlessCacheName=s";

async fn cache(client: &Client) -> String {
    client.ec_ok("DescribeServerlessCaches", NAME).await
}

/// A serverless cache with the users of `g`; gives the ports of its endpoint and its reader endpoint.
async fn serverless(client: &Client) -> (u16, u16) {
    user_in_group(client).await;
    let made = client
        .ec_ok(
            "CreateServerlessCache",
            "ServerlessCacheName=S&Engine=redis&UserGroupId=g&Tags.Tag.1.Key=k",
        )
        .await;
    assert_eq!(
        (tag(&made, "Status"), tag(&made, "ServerlessCacheName")),
        ("CREATING".into(), "s".into())
    );
    until("the cache is available", || async {
        tag(&cache(client).await, "Status") == "AVAILABLE"
    })
    .await;
    let shown = cache(client).await;
    let port = |name: &str| tag(&tag(&shown, name), "Port").parse().unwrap();
    (port("Endpoint"), port("ReaderEndpoint"))
}

#[tokio::test]
async fn each_connection_to_the_endpoint_leads_to_the_next_hidden_node() {
    let settings = Settings {
        propagation_ms: 0.into(),
        ..Settings::default()
    };
    let (server, client) = start(settings).await;
    let ca = server.ca_file();
    let (port, reader) = serverless(&client).await;
    assert_ne!(port, reader);
    active(&client).await;
    assert_eq!(
        client
            .ec_ok("DescribeCacheClusters", "")
            .await
            .matches("<CacheClusterId>")
            .count(),
        0
    );
    let groups = client.ec_ok("DescribeUserGroups", "UserGroupId=g").await;
    assert!(
        groups.contains("<ServerlessCaches><member>s</member></ServerlessCaches>"),
        "{groups}"
    );
    let hidden = nodes(&client).await;
    assert_eq!(hidden.len(), 2);
    assert!(
        hidden
            .iter()
            .all(|node| node["serverless_cache"] == "s" && node["replication_group"] == Value::Null)
    );
    for endpoint in [port, port, reader, reader] {
        assert_eq!(login(ca, endpoint, "u", OLD).await, "OK");
        assert_eq!(login(ca, endpoint, "u", NEW).await, "WRONGPASS");
    }

    client
        .control("POST", "nodes/s.node-2", json!({"propagation_ms": "never"}))
        .await;
    client
        .ec_ok("ModifyUser", &format!("UserId=u&Passwords.member.1={NEW}"))
        .await;
    active(&client).await;
    let mut answers = BTreeMap::new();
    for _ in 0..6 {
        *answers.entry(login(ca, port, "u", NEW).await).or_insert(0) += 1;
    }
    let halves = BTreeMap::from([("OK".to_owned(), 3), ("WRONGPASS".to_owned(), 3)]);
    assert_eq!(answers, halves, "a login proves one node");

    client
        .control("POST", "nodes/s.node-2", json!({"propagation_ms": null}))
        .await;
    until("it has learnt", || async {
        nodes(&client).await[1]["pending"] == json!([])
    })
    .await;
    client
        .control("POST", "nodes/s.node-1", json!({"running": false}))
        .await;
    for _ in 0..3 {
        assert_eq!(
            login(ca, port, "u", NEW).await,
            "OK",
            "it leads past a node that is down"
        );
    }
    client.control("POST", "nodes/s.node-1", json!({"replace": true})).await;
    until("it is back", || async { nodes(&client).await[0]["port"] != 0 }).await;
    for _ in 0..2 {
        assert_eq!(login(ca, port, "u", NEW).await, "OK");
        assert_eq!(login(ca, port, "u", OLD).await, "WRONGPASS");
    }
    let deleted = client.ec_ok("DeleteServerlessCache", NAME).await;
    assert_eq!(tag(&deleted, "Status"), "DELETING");
    until("nobody listens", || async {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err()
    })
    .await;
    server.shutdown().await;
    for node in hidden {
        let port = u16::try_from(node["port"].as_u64().unwrap()).unwrap();
        assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
    }
}

#[tokio::test]
async fn users_come_and_go_with_their_group() {
    let (_server, client) = virtual_server().await;
    serverless(&client).await;
    client
        .control(
            "PUT",
            "settings",
            json!({"propagation_ms": {"min": 60000, "max": 60000}}),
        )
        .await;
    assert_eq!(client.user_status("u").await, "active");
    let both = client
        .ec_err(
            "ModifyServerlessCache",
            &format!("{NAME}&UserGroupId=g&RemoveUserGroup=true"),
        )
        .await;
    assert_eq!(both, (400, "InvalidParameterCombination".into()));
    let busy = client.ec_err("DeleteUserGroup", "UserGroupId=g").await;
    assert_eq!(busy, (400, "InvalidUserGroupState".into()));

    let changed = client
        .ec_ok(
            "ModifyServerlessCache",
            &format!("{NAME}&RemoveUserGroup=true&Description=new"),
        )
        .await;
    assert_eq!(
        (tag(&changed, "Status"), tag(&changed, "Description")),
        ("MODIFYING".into(), "new".into())
    );
    assert_eq!(
        client.user_status("u").await,
        "modifying",
        "its nodes have yet to forget it"
    );
    assert!(!cache(&client).await.contains("UserGroupId"));
    let deleted = client.ec_ok("DeleteServerlessCache", NAME).await;
    assert_eq!(tag(&deleted, "Status"), "DELETING");
    until("nobody waits for the nodes any more", || async {
        client.user_status("u").await == "active"
    })
    .await;
    assert!(nodes(&client).await.is_empty());
}

#[tokio::test]
async fn what_is_not_there_or_there_twice_is_refused_as_on_aws() {
    let (_server, client) = virtual_server().await;
    serverless(&client).await;
    for (action, form, error) in [
        (
            "CreateServerlessCache",
            "ServerlessCacheName=s&Engine=redis",
            (400, "ServerlessCacheAlreadyExistsFault"),
        ),
        (
            "CreateServerlessCache",
            "ServerlessCacheName=t&Engine=redis&UserGroupId=h",
            (404, "UserGroupNotFound"),
        ),
        (
            "CreateServerlessCache",
            "ServerlessCacheName=t&Engine=memcached",
            (400, "InvalidParameterValue"),
        ),
        (
            "ModifyServerlessCache",
            "ServerlessCacheName=t&Description=d",
            (404, "ServerlessCacheNotFoundFault"),
        ),
        (
            "ModifyServerlessCache",
            "ServerlessCacheName=s&UserGroupId=h",
            (404, "UserGroupNotFound"),
        ),
        (
            "DeleteServerlessCache",
            "ServerlessCacheName=t",
            (404, "ServerlessCacheNotFoundFault"),
        ),
    ] {
        let refused = client.ec_err(action, form).await;
        assert_eq!(refused, (error.0, error.1.to_owned()), "{action} {form}");
    }
}

#[tokio::test]
async fn the_models_endpoint_leads_to_its_nodes_in_turn() {
    let settings = json!({"serverless_nodes": 3});
    let (sandbox, _clock, ctx) = in_process::with_group(&settings, "u", "valkey", &["u"]).await;
    let cache = CreateServerlessCache {
        serverless_cache_name: "s".into(),
        engine: "valkey".into(),
        user_group_id: Some("g".into()),
        ..CreateServerlessCache::default()
    };
    sandbox.create_serverless_cache(&ctx, cache).await.unwrap();
    let shown = sandbox
        .describe_serverless_caches(&ctx, DescribeServerlessCaches::default())
        .await;
    let shown = shown.unwrap().serverless_caches.remove(0);
    assert_eq!(shown.status, "AVAILABLE");
    let (writers, readers) = (shown.endpoint.unwrap(), shown.reader_endpoint.unwrap());
    assert_eq!((writers.port, readers.port), (6379, 6380));
    assert_eq!(writers.address, readers.address);
    let lead = |port| sandbox.node_at(&writers.address, port).unwrap();
    assert_eq!(
        [lead(6379), lead(6380), lead(6379)],
        ["s.node-1", "s.node-2", "s.node-3"]
    );
    assert_eq!(sandbox.node_accepts("s.node-3", "u", OLD), LoginAnswer::Ok);
    assert_eq!(sandbox.node_accepts("s.node-3", "u", NEW), LoginAnswer::WrongPass);
    let stop = NodeChange {
        running: Some(false),
        ..NodeChange::default()
    };
    for node in ["s.node-1", "s.node-3"] {
        assert!(sandbox.change_node(node, &stop));
    }
    assert_eq!([lead(6379), lead(6379)], ["s.node-2", "s.node-2"]);
    assert!(sandbox.change_node("s.node-2", &stop));
    assert_eq!(sandbox.node_at(&writers.address, 6379), None);
}
