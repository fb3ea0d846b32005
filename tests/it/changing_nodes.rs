//! Nodes that come, go, move or change roles while a password is proved on them.

use std::collections::BTreeSet;

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd_sandbox::NodeChange;

use crate::support::caches::deaf;
use crate::support::scene::WATCHFUL;
use crate::support::status::{proven, proven_retired};
use crate::support::world::{CACHE, quick};
use crate::support::{Fault, FaultKind, OLD, Scene, Settings};

/// What happens to the cache while the logins of a proof are made.
#[derive(Clone, Copy)]
enum Change {
    Replicas(i32),
    Replace(&'static str),
    Failover,
}

impl Change {
    async fn happen(self, scene: &Scene) {
        let world = &scene.world;
        match self {
            Self::Replicas(count) if count < world.addresses().len() as i32 => {
                let request = world.elasticache.decrease_replica_count().replication_group_id(CACHE);
                let request = request.new_replica_count(count).apply_immediately(true);
                request.send().await.expect("decrease-replica-count");
            }
            Self::Replicas(count) => {
                let request = world.elasticache.increase_replica_count().replication_group_id(CACHE);
                let request = request.new_replica_count(count).apply_immediately(true);
                request.send().await.expect("increase-replica-count");
            }
            Self::Replace(node) => {
                let change = NodeChange {
                    replace: true,
                    ..NodeChange::default()
                };
                world.sandbox.change_node(node, &change).await.expect("replaced");
            }
            Self::Failover => {
                let request = world.elasticache.test_failover().replication_group_id(CACHE);
                request.node_group_id("0001").send().await.expect("test-failover");
            }
        }
    }
}

/// Lets a cache change between the logins of the next proof and the reading of the node list that
/// follows them.
async fn change_during_the_proof(scene: &Scene, change: Change, wait_until_whole: bool) {
    hold_the_reading_after_logins(scene).await;
    change.happen(scene).await;
    if wait_until_whole {
        scene.world.cache_available(CACHE).await;
    }
}

/// Lets the daemon go on until it has logged in and reads the list of nodes anew, which is held before it
/// is answered.
async fn hold_the_reading_after_logins(scene: &Scene) {
    let world = &scene.world;
    let logins = || scene.daemon.log_text().matches("\"message\":\"login ").count();
    let before = logins();
    loop {
        world.faults(vec![Fault::next("DescribeReplicationGroups", FaultKind::Hold)]);
        world.sandbox.sandbox().release();
        world.fault_fired().await;
        if logins() > before {
            return;
        }
        // The list that it had read before was too old, and is read before the logins too.
    }
}

/// Waits until the daemon has changed the user, and holds the reply back.
async fn user_changed(scene: &Scene) {
    scene.world.fault_fired().await;
}

fn next_change_of_the_user() -> Fault {
    Fault::next("ModifyUser", FaultKind::HoldReply)
}

/// A rotation, in whose proof and in whose retirement the nodes change; whole again when the list is
/// read after the logins, or on the way.
async fn changes_in_both_proofs(changes: [Change; 2], whole: bool, nodes: [usize; 2]) {
    let scene = Scene::start(&[]).await;
    let (world, daemon, secret) = scene.parts();
    world.set_settings(Settings {
        node_creating_ms: if whole { 0 } else { 1_000 },
        ..quick()
    });
    world.faults(vec![next_change_of_the_user()]);
    daemon.rotate(secret).await;
    user_changed(&scene).await;
    change_during_the_proof(&scene, changes[0], whole).await;
    let current = world.holder(secret, "AWSCURRENT").await.unwrap();
    assert_eq!(current, scene.first, "promoted on half a proof");

    // Go on, up to the change of the user that begins the retirement.
    world.faults(vec![next_change_of_the_user()]);
    world.sandbox.sandbox().release();
    user_changed(&scene).await;
    assert!(told_of_changing_nodes(&scene), "{}", daemon.log_text());
    let version = scene.successor(0);
    assert_eq!(scene.current().await, version);
    assert_eq!(promotion(&scene), ("proven".to_owned(), nodes[0] as u64));
    let password = world.password(secret, "AWSCURRENT").await.unwrap();
    assert_eq!(world.logins("user1", &password).await, (nodes[0], nodes[0]));

    let seen = daemon.log_text().len();
    change_during_the_proof(&scene, changes[1], whole).await;
    let retired = |status: &SecretStatus| status.retired_at.is_some();
    assert!(
        !daemon.statuses().await.unwrap().iter().any(retired),
        "retired on half a proof"
    );
    world.end_faults();
    daemon.wait(secret, "retired", proven_retired).await;
    assert!(
        daemon.log_text()[seen..].contains("\"reason\":\"nodes_changing\""),
        "the retirement's proof was not whole"
    );
    world.cache_available(CACHE).await;
    assert_eq!(world.logins("user1", OLD).await, (0, nodes[1]));
    world.assert_current_logs_in(secret, "user1").await;
    let listed = world.listed_nodes().await;
    let tried: BTreeSet<String> = daemon.logins_made(&version).into_keys().collect();
    assert!(listed.is_subset(&tried), "{listed:?} {tried:?}");
}

/// What the promotion was called, and on how many nodes it was proved, by the daemon's log: status is
/// shown when the daemon next waits, and its change of the user is held.
fn promotion(scene: &Scene) -> (String, u64) {
    let text = scene.daemon.log_text();
    let line = text
        .lines()
        .find(|line| line.contains("AWSCURRENT moved"))
        .expect("a promotion");
    let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    let field = |key: &str| line["fields"].get(key).unwrap_or(&line[key]).clone();
    (
        field("proof").as_str().unwrap().to_owned(),
        field("nodes").as_u64().unwrap(),
    )
}

fn told_of_changing_nodes(scene: &Scene) -> bool {
    scene.daemon.log_text().contains("\"reason\":\"nodes_changing\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_added_during_a_proof_is_proved_too() {
    changes_in_both_proofs([Change::Replicas(3), Change::Replicas(4)], true, [4, 5]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_no_address_yet_is_waited_for() {
    changes_in_both_proofs([Change::Replicas(3), Change::Replicas(4)], false, [4, 5]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_removed_during_a_proof_holds_nothing_up() {
    changes_in_both_proofs([Change::Replicas(1), Change::Replicas(0)], true, [2, 1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_replaced_during_a_proof_is_proved_at_its_new_address() {
    let replica = Change::Replace("cache1-003");
    let primary = Change::Replace("cache1-001");
    changes_in_both_proofs([replica, primary], true, [3, 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_changes_no_list_and_the_proof_stands() {
    let scene = Scene::start(&[]).await;
    let (world, daemon, secret) = scene.parts();
    world.faults(vec![next_change_of_the_user()]);
    daemon.rotate(secret).await;
    user_changed(&scene).await;
    change_during_the_proof(&scene, Change::Failover, true).await;
    world.end_faults();
    let version = scene.successor(0);
    let status = scene.rotated_to(&version).await;
    assert_eq!((status.proof, status.nodes), (Some(Proof::Proven), Some(3)));
    assert!(!told_of_changing_nodes(&scene));
    let tried: BTreeSet<String> = daemon.logins_made(&version).into_keys().collect();
    assert_eq!(tried, world.listed_nodes().await);
    assert_eq!(world.logins("user1", OLD).await, (0, 3));
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_removed_between_two_calls_of_one_reading_is_waited_for() {
    let scene = Scene::start(&[]).await;
    let (world, daemon, secret) = scene.parts();
    // The list still names the node whose description is asked for next.
    world.faults(vec![
        Fault::next("DescribeCacheClusters", FaultKind::Hold).on("cache1-003"),
    ]);
    daemon.rotate(secret).await;
    world.fault_fired().await;
    Change::Replicas(1).happen(&scene).await;
    world.cache_available(CACHE).await;
    world.end_faults();
    let status = scene.rotated_to(&scene.successor(0)).await;
    assert_eq!(status.nodes, Some(2));
    assert!(told_of_changing_nodes(&scene));
    assert!(!daemon.log_text().contains("attention_raised"), "{}", daemon.log_text());
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_added_after_the_retirement_knows_the_current_password_only() {
    let scene = Scene::new("user1", &[], WATCHFUL).await;
    let (world, daemon, secret) = scene.parts();
    daemon.rotate(secret).await;
    scene.rotated_to(&scene.successor(0)).await;
    Change::Replicas(3).happen(&scene).await;
    world.cache_available(CACHE).await;
    let four = |status: &SecretStatus| proven(status) && status.nodes == Some(4);
    daemon.wait(secret, "proved on the new node", four).await;
    assert_eq!(world.logins("user1", OLD).await, (0, 4));
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_added_before_the_password_is_set_and_misses_it_holds_promotion_back() {
    let scene = Scene::start(&[("propagation_timeout", "\"1s\"")]).await;
    let (world, daemon, secret) = scene.parts();
    scene.rotate_until_created().await;
    world.set_settings(deaf(&["cache1-004"]));
    Change::Replicas(3).happen(&scene).await;
    world.cache_available(CACHE).await;
    world.end_faults();
    let held = daemon.wait_reason(secret, Phase::NeedsAttention, "node_lagging").await;
    assert!(held.detail.unwrap().contains(&world.address_of("cache1-004")));
    assert_eq!(held.current_version.as_deref(), Some(scene.first.as_str()));
    assert_eq!(world.logins("user1", OLD).await, (4, 4));
    world.set_settings(quick());
    let status = scene.rotated_to(&scene.successor(0)).await;
    assert_eq!(status.nodes, Some(4));
    assert_eq!(world.logins("user1", OLD).await, (0, 4));
    world.assert_current_logs_in(secret, "user1").await;
}
