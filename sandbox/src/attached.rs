//! What the processes behind the nodes tell the model.

use crate::core::account::NodeKey;
use crate::core::arrange::{Arrangement, CacheKey};
use crate::core::cache::model::AclRule;
use crate::core::cache::propagation::Confirm;
use crate::sandbox::Sandbox;

impl Sandbox {
    pub(crate) fn confirm(&self, node: &NodeKey, confirm: &Confirm) {
        self.with(|state, now| {
            let mut env = state.env(now, &node.account, &node.region);
            env.confirm(&node.node, confirm);
        });
    }

    pub(crate) fn node_started(&self, node: &NodeKey, port: u16) {
        self.with(|state, now| {
            state
                .env(now, &node.account, &node.region)
                .node_started(&node.node, port);
        });
    }

    pub(crate) fn node_failed(&self, node: &NodeKey) {
        self.with(|state, now| {
            state.env(now, &node.account, &node.region).node_failed(&node.node);
        });
    }

    /// The process behind a node has ended by itself. ElastiCache would go on reporting the status.
    pub(crate) fn node_died(&self, node: &NodeKey) {
        self.with(|state, now| {
            let mut env = state.env(now, &node.account, &node.region);
            env.set_running(&node.node, false);
        });
    }

    pub(crate) fn arranged(&self, cache: &CacheKey, step: &Arrangement, done: bool) {
        self.with(|state, now| {
            // Roles may have changed.
            state.revise();
            let mut env = state.env(now, &cache.account, &cache.region);
            env.arranged(&cache.owner, step, done);
        });
    }

    pub(crate) fn endpoint_opened(&self, cache: &CacheKey, port: u16, reader_port: u16) {
        self.with(|state, now| {
            let mut env = state.env(now, &cache.account, &cache.region);
            env.endpoint_opened(&cache.owner, port, reader_port);
        });
    }

    /// What a process that has just come up has to know; nothing if its node is gone.
    pub(crate) fn node_rules(&self, node: &NodeKey) -> Option<Vec<AclRule>> {
        self.with(|state, now| state.env(now, &node.account, &node.region).view_for_process(node))
    }
}
