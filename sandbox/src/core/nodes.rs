//! Nodes as the control door and the simulation see them.

use serde::{Deserialize, Deserializer, Serialize};

use super::cache::model::{AclRule, Node, Owner};
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
    /// The replication group that it belongs to.
    pub replication_group: Option<String>,
    /// The serverless cache behind whose endpoint it is hidden.
    pub serverless_cache: Option<String>,
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
    /// Whether another process is to take its place: the same id, another address. The replication
    /// group is `modifying` until that is done, which is not waited for. `running` is then ignored.
    pub replace: bool,
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
        let (replication_group, serverless_cache) = match node.owner.clone() {
            Owner::ReplicationGroup(id) => (Some(id), None),
            Owner::Serverless(name) => (None, Some(name)),
        };
        Self {
            account: account.id.clone(),
            region: account.region.clone(),
            id: node.id.clone(),
            replication_group,
            serverless_cache,
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
        if !self.answers() {
            LoginAnswer::Down
        } else if self.view.get(user_name).is_some_and(|rule| rule.accepts(password)) {
            LoginAnswer::Ok
        } else {
            LoginAnswer::WrongPass
        }
    }
}

impl Env<'_> {
    /// Changes a node.
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
        if change.replace {
            self.replace_node(id);
        } else if let Some(running) = change.running {
            self.set_running(id, running);
        }
    }
}
