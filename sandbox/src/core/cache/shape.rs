//! How many shards and nodes a new cache has, and what they are called.

use super::errors::{invalid_combination, invalid_value};
use super::model::Shard;
use super::replication::CreateReplicationGroup;
use crate::error::ApiError;

/// Hash slots of a Redis Cluster.
const SLOTS: u32 = 16_384;

/// Nodes of a replication group with cluster mode on, and without (ElastiCache quotas page and the
/// botocore model: a primary and five replicas).
const MAX_NODES: i64 = 90;
pub(crate) const MAX_REPLICAS: i64 = 5;

/// What a cache is to look like.
pub(crate) struct Shape {
    pub(crate) cluster: bool,
    pub(crate) shards: Vec<Shard>,
}

impl Shape {
    /// What a request asks for. Cluster mode is on with more than one shard, when the request says so,
    /// or by a parameter group that has it on, of which AWS's own end in `.cluster.on`.
    pub(crate) fn of(input: &CreateReplicationGroup) -> Result<Self, ApiError> {
        let shards = input.num_node_groups.unwrap_or(1);
        let cluster = cluster_mode(input, shards)?;
        let replicas = match (input.replicas_per_node_group, input.num_cache_clusters) {
            (Some(replicas), _) => replicas,
            // The model: not used if there is more than one node group.
            (None, Some(nodes)) if shards == 1 => nodes.saturating_sub(1),
            _ => 0,
        };
        if !(0..=MAX_REPLICAS).contains(&replicas) {
            return Err(invalid_value("A node group has between 0 and 5 replicas."));
        }
        if shards < 1 {
            return Err(invalid_value("NumNodeGroups must be at least 1."));
        }
        if shards.saturating_mul(replicas + 1) > MAX_NODES {
            return Err(ApiError::bad_request(
                "NodeQuotaForClusterExceeded",
                format!("A replication group has at most {MAX_NODES} nodes."),
            ));
        }
        let shards = (1..=shards)
            .map(|n| shard(&input.replication_group_id, n, shards, replicas, cluster))
            .collect();
        Ok(Self { cluster, shards })
    }
}

fn cluster_mode(input: &CreateReplicationGroup, shards: i64) -> Result<bool, ApiError> {
    let on = input
        .cache_parameter_group_name
        .as_ref()
        .is_some_and(|name| name.ends_with(".cluster.on"));
    match input.cluster_mode.as_deref() {
        None => Ok(on || shards > 1),
        Some("enabled") => Ok(true),
        Some("disabled") if on || shards > 1 => Err(invalid_combination(
            "Cluster mode can't be disabled with more than one node group or a parameter group that enables it.",
        )),
        Some("disabled") => Ok(false),
        Some("compatible") => Err(invalid_value("The sandbox knows no cluster mode between on and off.")),
        Some(_) => Err(invalid_value("ClusterMode must be enabled, disabled or compatible.")),
    }
}

fn shard(cache: &str, number: i64, of: i64, replicas: i64, cluster: bool) -> Shard {
    let id = format!("{number:04}");
    let nodes = (1..=replicas + 1).map(|n| node_id(cache, &id, cluster, n)).collect();
    Shard {
        slots: cluster.then(|| slots(number, of)),
        nodes,
        id,
    }
}

/// `CACHE-SHARD-001` in cluster mode, else `CACHE-001`.
pub(crate) fn node_id(cache: &str, shard: &str, cluster: bool, number: i64) -> String {
    if cluster {
        format!("{cache}-{shard}-{number:03}")
    } else {
        format!("{cache}-{number:03}")
    }
}

/// An even share of the slots: the first and the last.
fn slots(number: i64, of: i64) -> (u16, u16) {
    let bound = |n: i64| {
        let (n, of) = (u32::try_from(n).unwrap_or(0), u32::try_from(of).unwrap_or(1).max(1));
        SLOTS * n / of
    };
    let narrow = |slot: u32| u16::try_from(slot).unwrap_or(u16::MAX);
    (narrow(bound(number - 1)), narrow(bound(number) - 1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn input() -> CreateReplicationGroup {
        CreateReplicationGroup {
            replication_group_id: "c".into(),
            ..CreateReplicationGroup::default()
        }
    }

    #[test]
    fn shards_share_all_slots_and_their_nodes_are_named_after_them() {
        let shape = Shape::of(&CreateReplicationGroup {
            num_node_groups: Some(3),
            replicas_per_node_group: Some(1),
            ..input()
        })
        .unwrap();
        let slots: Vec<_> = shape.shards.iter().filter_map(|shard| shard.slots).collect();
        assert_eq!(slots, [(0, 5460), (5461, 10921), (10922, 16383)]);
        assert_eq!(shape.shards[1].nodes, ["c-0002-001", "c-0002-002"]);
    }

    #[test]
    fn one_shard_is_a_cluster_if_the_request_or_the_parameter_group_says_so() {
        let by_word = CreateReplicationGroup {
            cluster_mode: Some("enabled".into()),
            ..input()
        };
        let by_parameters = CreateReplicationGroup {
            cache_parameter_group_name: Some("default.redis7.cluster.on".into()),
            ..input()
        };
        for input in [by_word, by_parameters] {
            let shape = Shape::of(&input).unwrap();
            assert!(shape.cluster);
            assert_eq!(shape.shards[0].nodes, ["c-0001-001"]);
        }
        let plain = Shape::of(&input()).unwrap();
        assert!(!plain.cluster);
        assert_eq!(plain.shards[0].nodes, ["c-001"]);
    }
}
