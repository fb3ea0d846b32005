//! A Redis Cluster's life: its nodes meet, join, forget each other and change roles.
//!
//! Every step waits until the nodes agree that it has been done, so that a cache is not shown as
//! available before it is.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::member::{Member, NodeError};

/// How long nodes may take to agree. Redis makes a new cluster wait two seconds; the rest is for a
/// machine that has other things to do.
const AGREEMENT: Duration = Duration::from_secs(60);

/// How long a primary may take to hand over in good order before the replica just takes its place.
const HANDING_OVER: Duration = Duration::from_secs(3);

/// Milliseconds without an answer after which a node counts as failed. Nodes tell each other news in
/// pings, of which everybody gets one in half this time at the latest: short while news matter, else
/// long, so that a busy machine does not look like a broken cluster.
const TALKATIVE: &str = "1000";
pub(crate) const PATIENT: &str = "30000";

const POLL: Duration = Duration::from_millis(40);

/// A shard that is to be: its slots, its primary and then its replicas.
pub(crate) struct Shard<'a> {
    pub(crate) slots: (u16, u16),
    pub(crate) nodes: Vec<&'a Member>,
}

/// Makes a Redis Cluster of nodes that know nothing of each other.
pub(crate) async fn form(shards: &[Shard<'_>]) -> Result<(), NodeError> {
    for (shard, epoch) in shards.iter().zip(1_u32..) {
        let (first, last) = (shard.slots.0.to_string(), shard.slots.1.to_string());
        if let Some(primary) = shard.nodes.first() {
            primary.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await?;
            // Different epochs, or the primaries would have to find that out by themselves.
            primary
                .ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()])
                .await?;
        }
    }
    let all: Vec<&Member> = shards.iter().flat_map(|shard| shard.nodes.iter().copied()).collect();
    for (n, node) in all.iter().enumerate() {
        meet(node, all.get(n + 1..).unwrap_or_default()).await?;
    }
    for node in &all {
        until("the nodes have met", || has_met(node, all.len())).await?;
    }
    for shard in shards {
        if let Some((primary, replicas)) = shard.nodes.split_first() {
            for replica in replicas {
                replicate(replica, primary).await?;
            }
        }
    }
    be(&all, TALKATIVE).await?;
    for node in &all {
        until("the slots are served", || is_whole(node, all.len())).await?;
    }
    be(&all, PATIENT).await
}

/// Adds a node that knows nobody as a replica.
pub(crate) async fn join(node: &Member, primary: &Member, others: &[&Member]) -> Result<(), NodeError> {
    let mut all = running(others).await;
    meet(node, &all).await?;
    all.push(node);
    until("the node has met the others", || has_met(node, all.len())).await?;
    replicate(node, primary).await?;
    be(&all, TALKATIVE).await?;
    known(node, others, "slave").await?;
    be(&all, PATIENT).await
}

/// Waits until the others know where a node is that has come back at another address.
pub(crate) async fn moved(node: &Member, others: &[&Member]) -> Result<(), NodeError> {
    known(node, others, "").await
}

/// Waits until a node serves and all others that run know its address and its role.
async fn known(node: &Member, others: &[&Member], role: &str) -> Result<(), NodeError> {
    let id = node.ask(&["CLUSTER", "MYID"]).await?;
    let port = format!(":{}@", node.address().await?.port);
    for other in running(others).await {
        until("the node's address is known", || async {
            let nodes = other.ask(&["CLUSTER", "NODES"]).await?;
            let line = line_of(&nodes, &id);
            Ok(line.is_some_and(|line| line.contains(&port) && line.contains(role)))
        })
        .await?;
    }
    until("the node serves", || serves(node)).await
}

/// Has the others forget a node, by the id that it has given.
pub(crate) async fn forget(id: &str, others: &[&Member]) {
    for other in others {
        // Who does not run, or never knew it, need not forget it.
        let _ = other.ask(&["CLUSTER", "FORGET", id]).await;
    }
}

/// Makes a replica the primary of its shard.
pub(crate) async fn promote(replica: &Member, others: &[&Member]) -> Result<(), NodeError> {
    let is_primary = || async { Ok(info(replica, "replication").await?.contains("role:master")) };
    // The primary stops writing and lets the replica catch up. One that is down cannot.
    let handed_over = replica.ask(&["CLUSTER", "FAILOVER"]).await.is_ok()
        && within(HANDING_OVER, "the primary hands over", is_primary).await.is_ok();
    if !handed_over {
        replica.ask(&["CLUSTER", "FAILOVER", "TAKEOVER"]).await?;
        until("the replica takes over", is_primary).await?;
    }
    let id = replica.ask(&["CLUSTER", "MYID"]).await?;
    for other in running(others).await {
        until("the new primary is followed", || async {
            let following = info(other, "replication").await?.contains("role:slave");
            let nodes = other.ask(&["CLUSTER", "NODES"]).await?;
            Ok(following && line_of(&nodes, &id).is_some_and(|line| line.contains("master")))
        })
        .await?;
    }
    Ok(())
}

async fn be(nodes: &[&Member], timeout: &str) -> Result<(), NodeError> {
    for node in nodes {
        node.ask(&["CONFIG", "SET", "cluster-node-timeout", timeout]).await?;
    }
    Ok(())
}

async fn meet(node: &Member, others: &[&Member]) -> Result<(), NodeError> {
    for other in others {
        let address = other.address().await?;
        let (port, bus) = (address.port.to_string(), address.bus.to_string());
        node.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await?;
    }
    Ok(())
}

/// Makes a node a replica, as soon as it has got to know the primary.
async fn replicate(node: &Member, primary: &Member) -> Result<(), NodeError> {
    let id = primary.ask(&["CLUSTER", "MYID"]).await?;
    until("the replica knows its primary", || async {
        match node.ask(&["CLUSTER", "REPLICATE", &id]).await {
            Ok(_) => Ok(true),
            // A refusal; anything else would not pass.
            Err(NodeError::Io(error)) if error.kind() == std::io::ErrorKind::Other => Ok(false),
            Err(error) => Err(error),
        }
    })
    .await
}

/// Whether a node knows so many nodes, or more, and none of them only by hearsay.
async fn has_met(node: &Member, nodes: usize) -> Result<bool, NodeError> {
    let list = node.ask(&["CLUSTER", "NODES"]).await?;
    Ok(list.lines().count() >= nodes && !list.contains("handshake"))
}

/// Whether a node sees all nodes of a new cluster and all slots served.
async fn is_whole(node: &Member, nodes: usize) -> Result<bool, NodeError> {
    let state = node.ask(&["CLUSTER", "INFO"]).await?;
    let known = format!("cluster_known_nodes:{nodes}\r");
    Ok(state.contains(&known) && state.contains("cluster_slots_ok:16384") && serves(node).await?)
}

/// Whether a node takes commands, has met everybody, and has its primary's data.
async fn serves(node: &Member) -> Result<bool, NodeError> {
    let state = node.ask(&["CLUSTER", "INFO"]).await?;
    let list = node.ask(&["CLUSTER", "NODES"]).await?;
    let replication = info(node, "replication").await?;
    Ok(state.contains("cluster_state:ok")
        && !list.contains("handshake")
        && (replication.contains("role:master") || replication.contains("master_link_status:up")))
}

async fn info(node: &Member, section: &str) -> Result<String, NodeError> {
    node.ask(&["INFO", section]).await
}

/// A line of CLUSTER NODES begins with the node's id.
fn line_of<'a>(nodes: &'a str, id: &str) -> Option<&'a str> {
    nodes.lines().find(|line| line.starts_with(id))
}

async fn running<'a>(nodes: &[&'a Member]) -> Vec<&'a Member> {
    let mut running = Vec::new();
    for node in nodes {
        if node.ask(&["PING"]).await.is_ok() {
            running.push(*node);
        }
    }
    running
}

async fn until<F>(what: &'static str, condition: impl Fn() -> F) -> Result<(), NodeError>
where
    F: Future<Output = Result<bool, NodeError>>,
{
    within(AGREEMENT, what, condition).await
}

async fn within<F>(time: Duration, what: &'static str, condition: impl Fn() -> F) -> Result<(), NodeError>
where
    F: Future<Output = Result<bool, NodeError>>,
{
    let deadline = Instant::now() + time;
    while !condition().await? {
        if Instant::now() > deadline {
            return Err(NodeError::NoAgreement(what));
        }
        sleep(POLL).await;
    }
    Ok(())
}
