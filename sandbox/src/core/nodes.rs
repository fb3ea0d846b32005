//! Nodes as the control door and the simulation see them.

use serde::{Deserialize, Deserializer, Serialize};

use super::account::NodeKey;
use super::cache::model::{AclRule, Node};
use super::cache::propagation::Confirm;
use super::operation::Env;
use crate::settings::Delay;

/// A node as `GET /_sandbox/nodes` shows it: how many passwords a user has there, not which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeView {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Its id.
    pub id: String,
    /// The cache that it belongs to.
    pub replication_group: String,
    /// Its host.
    pub host: String,
    /// Its port; 0 until it has come up.
    pub port: u16,
    /// `primary` or `replica`.
    pub role: String,
    /// The status that ElastiCache reports.
    pub status: String,
    /// Whether it runs.
    pub running: bool,
    /// Its own delay, if it has one.
    pub propagation_ms: Option<Delay>,
    /// The users that it knows, by name.
    pub users: Vec<NodeUserView>,
    /// The names of users of whom it has yet to hear news.
    pub pending: Vec<String>,
}

/// A user as a node knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeUserView {
    /// The name.
    pub name: String,
    /// Whether it may log in.
    pub on: bool,
    /// Whether any password will do.
    pub nopass: bool,
    /// How many passwords it has.
    pub passwords: usize,
    /// What it may do.
    pub access_string: String,
}

/// What a node says to a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum LoginAnswer {
    /// Come in.
    Ok,
    /// WRONGPASS: no such user, or off, or another password.
    WrongPass,
    /// Nobody answers.
    Down,
}

/// `POST /_sandbox/nodes/{id}`: what is to change about a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeChange {
    /// The status to report.
    pub status: Option<String>,
    /// Whether it is to run.
    pub running: Option<bool>,
    /// Its own delay; `Some(None)` (JSON `null`) takes it away.
    #[serde(deserialize_with = "present")]
    pub propagation_ms: Option<Option<Delay>>,
}

/// Tells a `null` from a key that is not there.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Delay>>, D::Error> {
    Option::<Delay>::deserialize(from).map(Some)
}

impl NodeView {
    pub(crate) fn of(account: &super::account::Account, node: &Node) -> Self {
        let user = |rule: &AclRule| NodeUserView {
            name: rule.user_name.clone(),
            on: rule.is_on(),
            nopass: rule.nopass,
            passwords: rule.passwords.len(),
            access_string: rule.access_string.clone(),
        };
        Self {
            account: account.id.clone(),
            region: account.region.clone(),
            id: node.id.clone(),
            replication_group: node.replication_group.clone(),
            host: node.host.clone(),
            port: node.port,
            role: node.role().to_owned(),
            status: node.status.clone(),
            running: node.running,
            propagation_ms: node.delay,
            users: node.view.values().map(user).collect(),
            pending: node.pending.keys().cloned().collect(),
        }
    }
}

impl Node {
    /// What it says to a login now.
    pub(crate) fn login(&self, user_name: &str, password: &str) -> LoginAnswer {
        if !self.running || !self.started {
            LoginAnswer::Down
        } else if self.view.get(user_name).is_some_and(|rule| rule.accepts(password)) {
            LoginAnswer::Ok
        } else {
            LoginAnswer::WrongPass
        }
    }
}

impl Env<'_> {
    /// A process has come up: the node has an address, and the cache is available with its last node.
    pub(crate) fn node_started(&mut self, id: &str, port: u16) {
        let cache = &mut self.account.cache;
        let Some(node) = cache.nodes.get_mut(id) else {
            return;
        };
        node.port = port;
        if !node.started {
            node.started = true;
            "available".clone_into(&mut node.status);
        }
        let group = node.replication_group.clone();
        if let Some(group) = cache.caches.get_mut(&group) {
            let all = group
                .shards
                .iter()
                .flat_map(|shard| &shard.nodes)
                .all(|id| cache.nodes.get(id).is_some_and(|node| node.started));
            if all {
                group.status = "available";
            }
        }
    }

    /// A process could not come up at all.
    pub(crate) fn node_failed(&mut self, id: &str) {
        let cache = &mut self.account.cache;
        let Some(node) = cache.nodes.get_mut(id) else {
            return;
        };
        "create-failed".clone_into(&mut node.status);
        if let Some(group) = cache.caches.get_mut(&node.replication_group) {
            group.status = "create-failed";
        }
    }

    /// Changes what a node reports and how news reach it.
    pub(crate) fn change_node(&mut self, id: &str, change: &NodeChange) {
        let Some(node) = self.account.cache.nodes.get_mut(id) else {
            return;
        };
        if let Some(status) = &change.status {
            status.clone_into(&mut node.status);
        }
        if let Some(delay) = change.propagation_ms {
            node.delay = delay;
            self.reschedule(id);
            if delay == Some(Delay::NEVER) && !self.settings.stuck_nodes_hold_modifying {
                self.excuse(id);
            }
        }
    }

    /// A node stops, or is back. One that is back learns at once what it missed.
    pub(crate) fn set_running(&mut self, id: &str, running: bool) {
        let Some(node) = self.account.cache.nodes.get_mut(id) else {
            return;
        };
        let was = std::mem::replace(&mut node.running, running);
        if running && !was {
            self.catch_up(id);
        } else if !running && was {
            self.give_up_on(id);
        }
    }

    /// A node that is gone, or stopped unless stopped nodes count, no longer keeps users waiting.
    fn give_up_on(&mut self, id: &str) {
        if let Some(node) = self.account.cache.nodes.get_mut(id) {
            for pending in node.pending.values_mut() {
                pending.scheduled = false;
            }
        }
        if !self.settings.stuck_nodes_hold_modifying {
            self.excuse(id);
        }
    }

    pub(crate) fn forget_node(&mut self, id: &str) {
        self.account.cache.nodes.remove(id);
        self.excuse(id);
    }

    fn excuse(&mut self, id: &str) {
        let waiting: Vec<Confirm> = self
            .account
            .cache
            .users
            .values()
            .filter(|user| user.change.as_ref().is_some_and(|c| c.waiting.contains(id)))
            .map(|user| Confirm {
                user_id: user.id.clone(),
                revision: user.revision,
            })
            .collect();
        for confirm in waiting {
            self.confirm(id, &confirm);
        }
    }

    /// Where the node's users stand, for a process that has just come up.
    pub(crate) fn view_for_process(&self, key: &NodeKey) -> Option<Vec<AclRule>> {
        let node = self.account.cache.nodes.get(&key.node)?;
        Some(node.view.values().cloned().collect())
    }
}
