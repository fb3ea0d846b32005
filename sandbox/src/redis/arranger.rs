//! Carries out what nodes of one cache have to do together, one thing after the other.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::cluster;
use super::member::{Member, NodeError};
use super::node::Order;
use crate::core::account::NodeKey;
use crate::core::arrange::{Arrangement, CacheKey, NewShard};
use crate::sandbox::Sandbox;

/// An arrangement with those who take part in it.
pub(crate) struct Step {
    pub(crate) arrangement: Arrangement,
    pub(crate) members: BTreeMap<NodeKey, Member>,
}

/// Works until nobody can ask for anything more.
pub(crate) async fn run(sandbox: Sandbox, cache: CacheKey, mut steps: mpsc::UnboundedReceiver<Step>) {
    while let Some(step) = steps.recv().await {
        let result = step.carry_out().await;
        if let Err(error) = &result {
            tracing::warn!(cache = ?cache.owner, step = step.arrangement.name(), %error, "nodes could not be arranged");
        }
        sandbox.arranged(&cache, &step.arrangement, result.is_ok());
    }
}

impl Step {
    async fn carry_out(&self) -> Result<(), NodeError> {
        match &self.arrangement {
            Arrangement::Form { shards } => self.form(shards).await,
            Arrangement::Join { node, primary, others } => {
                cluster::join(self.member(node)?, self.member(primary)?, &self.members_of(others)).await
            }
            Arrangement::Leave { node, others } => self.leave(node, others).await,
            Arrangement::Promote {
                node,
                others,
                cluster: true,
            } => cluster::promote(self.member(node)?, &self.members_of(others)).await,
            Arrangement::Promote { node, others, .. } => {
                let heir = self.member(node)?;
                heir.follow(None).await?;
                self.follow(heir, others).await
            }
            Arrangement::Retire { node } => self.member(node)?.run(false).await,
            Arrangement::Replace { node, others, cluster } => {
                let member = self.member(node)?;
                member.replace().await?;
                if *cluster {
                    return cluster::moved(member, &self.members_of(others)).await;
                }
                self.follow(member, others).await
            }
        }
    }

    async fn form(&self, shards: &[NewShard]) -> Result<(), NodeError> {
        let mut formed = Vec::new();
        for shard in shards {
            let nodes: Result<Vec<_>, _> = shard.nodes.iter().map(|key| self.member(key)).collect();
            formed.push(cluster::Shard {
                slots: shard.slots,
                nodes: nodes?,
            });
        }
        cluster::form(&formed).await
    }

    async fn leave(&self, node: &NodeKey, others: &[NodeKey]) -> Result<(), NodeError> {
        let member = self.member(node)?;
        let id = match others {
            [] => None,
            _ => member.ask(&["CLUSTER", "MYID"]).await.ok(),
        };
        let _ = member.orders.send(Order::End);
        member.orders.closed().await;
        if let Some(id) = id {
            cluster::forget(&id, &self.members_of(others)).await;
        }
        Ok(())
    }

    async fn follow(&self, primary: &Member, followers: &[NodeKey]) -> Result<(), NodeError> {
        for follower in self.members_of(followers) {
            follower.follow(Some(primary.clone())).await?;
        }
        Ok(())
    }

    fn member(&self, key: &NodeKey) -> Result<&Member, NodeError> {
        self.members.get(key).ok_or(NodeError::Gone)
    }

    /// Those who are still there.
    fn members_of(&self, keys: &[NodeKey]) -> Vec<&Member> {
        keys.iter().filter_map(|key| self.members.get(key)).collect()
    }
}
