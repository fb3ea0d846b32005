//! A rotation on each kind of cache: which nodes are found, asked and proved.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::UnprovenReason;
use rekeyd::rotation::status::Phase;
use rekeyd::rotation::version::version_id;
use rekeyd_sandbox::NodeChange;

use crate::support::caches::{Shape, deaf};
use crate::support::mangling_proxy::{How, Mangle, ManglingProxy};
use crate::support::scene::WATCHFUL;
use crate::support::status::{proven, proven_retired, rotated_to};
use crate::support::world::{CACHE, GROUP, ON, quick, secret_name};
use crate::support::{Fault, FaultKind, OLD, Policy, Scene, Settings, World, eventually};

/// A user in use and a group for it, without a cache.
async fn with_group(engine: &str) -> World {
    let world = World::start().await;
    world.create_user("user1", OLD).await;
    world.create_group(GROUP, engine, &["user1"]).await;
    world
}

/// A daemon that looks at the only cache of `user1`.
async fn replicated(engine: &str, shape: Shape, keys: &[(&'static str, &'static str)]) -> Scene {
    let world = with_group(engine).await;
    world.create_replication_group(CACHE, GROUP, engine, shape).await;
    Scene::of_world(world, "user1", keys, &[]).await
}

/// A daemon that looks at a serverless cache of `user1` which hides so many nodes.
async fn serverless(nodes: usize, keys: &[(&'static str, &'static str)]) -> Scene {
    let world = with_group("redis").await;
    world.set_settings(Settings {
        serverless_nodes: nodes,
        ..quick()
    });
    world.create_serverless_cache(CACHE, GROUP, "redis").await;
    Scene::of_world(world, "user1", keys, WATCHFUL).await
}

/// Rotates once to the end of the retirement, and asserts that the new password was tried at just
/// these addresses, works on every node, hidden ones too, and that the old one works on none.
async fn rotates(scene: &Scene, addresses: &BTreeSet<String>, proof: Proof) {
    let (world, daemon, secret) = scene.parts();
    daemon.rotate(secret).await;
    let version = scene.successor(0);
    let status = daemon.wait(secret, "rotated", rotated_to(&version)).await;
    assert_eq!((status.proof, status.retired_proof), (Some(proof), Some(proof)));
    assert_eq!(status.nodes, Some(addresses.len()));
    let asked: BTreeSet<String> = daemon.logins_made(&version).into_keys().collect();
    assert_eq!(&asked, addresses, "where the new password was tried");
    let refused = daemon.logins_made(&scene.first);
    let refused: BTreeSet<String> = refused
        .into_iter()
        .filter(|(_, (_, refused))| *refused > 0)
        .map(|(node, (_, refused))| {
            assert_eq!(refused, 1, "failed logins on purpose at {node}");
            node
        })
        .collect();
    assert_eq!(&refused, addresses, "where the old password was shown dead");
    let (alive, _) = world.logins("user1", OLD).await;
    assert_eq!(alive, 0, "nodes that accept the old password");
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_of_every_shard_is_asked() {
    let scene = replicated("redis", Shape::Shards(3, 1), &[]).await;
    let nodes = scene.world.listed_nodes().await;
    assert_eq!(nodes.len(), 6);
    rotates(&scene, &nodes, Proof::Proven).await;
    let promoted = "rekeyd_rotations_total{outcome=\"promoted\",policy=\"orders\"}";
    assert_eq!(scene.daemon.metric(promoted).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shard_that_learns_late_holds_promotion_back() {
    let scene = replicated("redis", Shape::Shards(2, 1), &[]).await;
    let (world, daemon, secret) = scene.parts();
    let shard = ["cache1-0002-001", "cache1-0002-002"];
    world.set_settings(deaf(&shard));
    daemon.rotate(secret).await;
    let lagging = shard.map(|node| world.address_of(node));
    let held = daemon
        .wait(secret, "held back by the shard", |status| {
            let named = |detail: &String| lagging.iter().all(|node| detail.contains(node));
            status.reason.as_deref() == Some("node_lagging") && status.detail.as_ref().is_some_and(named)
        })
        .await;
    assert_eq!(held.current_version.as_deref(), Some(scene.first.as_str()));
    assert_eq!(world.logins("user1", OLD).await, (4, 4));
    world.set_settings(quick());
    let version = scene.successor(0);
    let status = scene.rotated_to(&version).await;
    assert_eq!(status.nodes, Some(4));
    assert_eq!(world.logins("user1", OLD).await, (0, 4));
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_mode_with_a_single_shard_is_asked_node_by_node() {
    let scene = replicated("redis", Shape::Shards(1, 1), &[]).await;
    let nodes = scene.world.listed_nodes().await;
    assert_eq!(nodes.len(), 2);
    rotates(&scene, &nodes, Proof::Proven).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valkey_cache_is_rotated_like_any_other() {
    let world = World::start().await;
    let request = world.elasticache.create_user().user_id("user1").user_name("user1");
    let request = request.engine("valkey").passwords(OLD).access_string(ON);
    request.send().await.expect("user");
    world.create_group(GROUP, "valkey", &["user1"]).await;
    world
        .create_replication_group(CACHE, GROUP, "valkey", Shape::Nodes(2))
        .await;
    let scene = Scene::of_world(world, "user1", &[], &[]).await;
    let nodes = scene.world.listed_nodes().await;
    rotates(&scene, &nodes, Proof::Proven).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serverless_cache_is_endpoint_proven_and_never_counted_as_proven() {
    let scene = serverless(2, &[]).await;
    let (world, daemon, _) = scene.parts();
    let endpoints = world.endpoints_of(CACHE).await;
    assert_eq!(endpoints.len(), 2, "one for everything, one for reading");
    rotates(&scene, &endpoints, Proof::EndpointProven).await;
    for (endpoint, (accepted, refused)) in daemon.logins_made(&scene.successor(0)) {
        assert!(accepted >= 8 && refused == 0, "{endpoint}: {accepted} {refused}");
    }
    for (outcome, count) in [
        ("promoted", 0.0),
        ("promoted_endpoint_proven", 1.0),
        ("promoted_unproven", 0.0),
    ] {
        let series = format!("rekeyd_rotations_total{{outcome=\"{outcome}\",policy=\"orders\"}}");
        assert_eq!(daemon.metric(&series).await, count, "{outcome}");
    }
    let shown = daemon.get("/api/v1/secrets").await.json();
    assert_eq!(shown["secrets"][0]["proof"]["level"], "endpoint_proven");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_node_that_lags_is_noticed_through_the_endpoint() {
    let scene = serverless(5, &[("propagation_timeout", "\"1s\"")]).await;
    let (world, daemon, secret) = scene.parts();
    world.set_settings(deaf(&["cache1.node-5"]));
    daemon.rotate(secret).await;
    let held = daemon.wait_reason(secret, Phase::NeedsAttention, "node_lagging").await;
    assert_eq!(held.current_version.as_deref(), Some(scene.first.as_str()));
    assert_eq!(world.logins("user1", OLD).await, (5, 5));
    world.set_settings(quick());
    let version = scene.successor(0);
    daemon.wait(secret, "rotated", rotated_to(&version)).await;
    assert_eq!(world.logins("user1", OLD).await, (0, 5));
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_node_that_misses_the_retirement_still_knows_the_current_password() {
    let scene = serverless(2, &[]).await;
    let (world, daemon, secret) = scene.parts();
    world.faults(vec![Fault::next("ModifyUser", FaultKind::Hold).at_call(2)]);
    daemon.rotate(secret).await;
    world.fault_fired().await;
    world.set_settings(deaf(&["cache1.node-2"]));
    world.end_faults();
    daemon
        .wait(
            secret,
            "retired, or held back because the old password lives",
            |status| status.retired_at.is_some() || status.reason.as_deref() == Some("previous_still_accepted"),
        )
        .await;
    assert_eq!(world.logins("user1", OLD).await, (1, 2), "one node has missed it");
    world.assert_current_logs_in(secret, "user1").await;
    world.set_settings(quick());
    let version = scene.successor(0);
    let status = daemon.wait(secret, "retired", rotated_to(&version)).await;
    assert_eq!(status.retired_proof, Some(Proof::EndpointProven));
    eventually("the node has caught up", || async {
        match world.logins("user1", OLD).await {
            (0, 2) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_two_groups_is_proved_on_every_cache_of_both() {
    let world = with_group("redis").await;
    world.create_group("group2", "redis", &["user1"]).await;
    world
        .create_replication_group("single", GROUP, "redis", Shape::Nodes(2))
        .await;
    world
        .create_replication_group("cluster", "group2", "redis", Shape::Shards(2, 0))
        .await;
    world.create_serverless_cache("hidden", "group2", "redis").await;
    let scene = Scene::of_world(world, "user1", &[], &[]).await;
    let mut addresses = scene.world.listed_nodes().await;
    assert_eq!(addresses.len(), 4);
    addresses.extend(scene.world.endpoints_of("hidden").await);
    rotates(&scene, &addresses, Proof::EndpointProven).await;
    assert_eq!(scene.world.addresses().len(), 6, "two of them hidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_caches_is_rotated_unproven_and_proved_once_it_has_one() {
    for group in [None, Some(GROUP)] {
        let world = World::start().await;
        world.create_user("user1", OLD).await;
        if let Some(group) = group {
            world.create_group(group, "redis", &["user1"]).await;
        }
        let keys = &[
            ("settle", "\"600ms\""),
            ("retry", "{ initial = \"100ms\", max = \"1s\" }"),
        ];
        let scene = Scene::of_world(world, "user1", keys, &[]).await;
        let (world, daemon, secret) = scene.parts();
        daemon.rotate(secret).await;
        let settling = daemon
            .wait(secret, "settling", |status| {
                status.reason.as_deref() == Some("settling")
            })
            .await;
        assert_eq!(settling.current_version.as_deref(), Some(scene.first.as_str()));
        let version = scene.successor(0);
        let status = daemon.wait(secret, "rotated", rotated_to(&version)).await;
        let unproven = Some(Proof::Unproven(UnprovenReason::NoEndpoints));
        assert_eq!((status.proof, status.retired_proof), (unproven, unproven), "{group:?}");
        assert_eq!(daemon.metric("rekeyd_policy_unproven{policy=\"orders\"}").await, 1.0);
        assert!(daemon.logins_made(&version).is_empty());

        if group.is_none() {
            world.create_group(GROUP, "redis", &["user1"]).await;
        }
        world
            .create_replication_group(CACHE, GROUP, "redis", Shape::Nodes(1))
            .await;
        daemon.wait(secret, "proved once it has a cache", proven).await;
        assert_eq!(world.logins("user1", OLD).await, (0, 1), "{group:?}: the old password");
        world.assert_current_logs_in(secret, "user1").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_cluster_that_is_not_available_leaves_promotion_unproven_and_holds_retirement() {
    let scene = replicated("redis", Shape::Shards(2, 1), &[("propagation_timeout", "\"2s\"")]).await;
    let (world, daemon, secret) = scene.parts();
    let status = |status: &str| NodeChange {
        status: Some(status.to_owned()),
        ..NodeChange::default()
    };
    let node = "cache1-0002-002";
    let away = status("rebooting cache cluster nodes");
    world.sandbox.change_node(node, &away).await.unwrap();
    daemon.rotate(secret).await;
    let seen = daemon
        .wait_reason(secret, Phase::NeedsAttention, "node_unavailable")
        .await;
    let version = scene.successor(0);
    assert_eq!(seen.current_version.as_deref(), Some(version.as_str()));
    assert_eq!(seen.proof, Some(Proof::Unproven(UnprovenReason::NodeUnavailable)));
    assert!(seen.detail.unwrap().contains(&world.address_of(node)));
    assert_eq!(world.logins("user1", OLD).await, (4, 4), "it is not retired");
    assert_eq!(daemon.logins_made(&version).len(), 3);
    world.sandbox.change_node(node, &status("available")).await.unwrap();
    daemon.wait(secret, "retired", proven_retired).await;
    assert_eq!(daemon.logins_made(&version).len(), 4);
    assert_eq!(world.logins("user1", OLD).await, (0, 4));
    world.assert_current_logs_in(secret, "user1").await;
}

/// Replies about replication groups that tell of no encryption, at this port.
fn in_clear(port: u16) -> Mangle {
    Mangle {
        name: "no encryption".to_owned(),
        how: How::Edit(Arc::new(move |mut reply, _| {
            let text = reply
                .text()
                .replace("<TransitEncryptionEnabled>true<", "<TransitEncryptionEnabled>false<")
                .split("<Port>")
                .map(|part| match part.split_once("</Port>") {
                    Some((_, rest)) => format!("{port}</Port>{rest}"),
                    None => part.to_owned(),
                })
                .collect::<Vec<_>>()
                .join("<Port>");
            reply.body = text.into_bytes();
            Some(reply)
        })),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_without_encryption_halts_before_anything_is_sent_to_it() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    // Where the nodes seem to be, somebody counts who comes.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let proxy = ManglingProxy::start(&world.sandbox.url()).await;
    for operation in ["DescribeReplicationGroups", "DescribeCacheClusters"] {
        proxy.arm(operation, &vec![in_clear(port); 10_000]);
    }
    let setup = world.daemon("rekeyd").endpoint(&proxy.url);
    let setup = WATCHFUL
        .iter()
        .fold(setup, |setup, (key, value)| setup.daemon_key(key, value));
    let daemon = setup.policy(Policy::new("orders", &["user1"])).run().await;
    daemon.rotate(&secret).await;
    daemon
        .wait_reason(&secret, Phase::Halted, "no_transit_encryption")
        .await;
    for outcome in ["accepted", "refused", "unreachable"] {
        let series = format!("rekeyd_login_probes_total{{outcome=\"{outcome}\"}}");
        assert_eq!(daemon.metric(&series).await, 0.0, "{outcome}");
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0, "somebody went to a node");
    world.assert_only_reads("rekeyd");

    proxy.disarm();
    let version = version_id(&arn, &first, 0);
    daemon
        .wait(&secret, "rotated once it is encrypted", rotated_to(&version))
        .await;
    assert_eq!(visits.load(Ordering::SeqCst), 0);
    world.assert_current_logs_in(&secret, "user1").await;
}
