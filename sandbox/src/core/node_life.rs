//! How nodes come, stop, are replaced and go.

use std::collections::BTreeMap;

use super::account::{Event, Launch, NodeKey, NodeUpdate};
use super::arrange::Arrangement;
use super::cache::events::Source;
use super::cache::model::{AclRule, Node, Owner, Stage};
use super::cache::propagation::{Confirm, Subject};
use super::operation::Env;

/// Where virtual nodes answer at first; every process that takes a node's place has the next port.
const VIRTUAL_PORT: u16 = 6379;

impl Env<'_> {
    /// Lists a node that has yet to come up.
    pub(crate) fn list_node(&mut self, id: &str, owner: &Owner, index: usize) {
        let host = self.host(id);
        let node = Node {
            id: id.to_owned(),
            owner: owner.clone(),
            index,
            host,
            port: 0,
            replaced: 0,
            status: "creating".to_owned(),
            running: true,
            resumed: false,
            stage: Stage::Starting,
            delay: None,
            view: BTreeMap::new(),
            pending: BTreeMap::new(),
        };
        self.account.cache.nodes.insert(id.to_owned(), node);
    }

    /// A process answers at localhost with a port that is known once it runs. Nothing answers for
    /// what is virtual, so its name is one that cannot exist.
    pub(crate) fn host(&self, name: &str) -> String {
        if self.account.live {
            "localhost".to_owned()
        } else {
            format!("{name}.{}.{}.invalid", self.account.region, self.account.id)
        }
    }

    /// Has a listed node come up, now or after the time that this takes.
    pub(crate) fn begin_later(&mut self, id: &str) {
        match self.settings.node_creating_ms {
            0 => self.begin_node(id),
            ms => {
                let node = id.to_owned();
                self.account.plan(self.after(ms), Event::NodeBegins { node });
            }
        }
    }

    /// Has a listed node come up. It knows the users as they are now.
    pub(crate) fn begin_node(&mut self, id: &str) {
        let Some(node) = self.account.cache.nodes.get(id).filter(|n| n.stage == Stage::Starting) else {
            return;
        };
        let (owner, again) = (node.owner.clone(), node.replaced > 0);
        let view = self.account.cache.view_of(&owner);
        if let Some(node) = self.account.cache.nodes.get_mut(id) {
            node.view = view;
            node.pending.clear();
        }
        self.excuse(id);
        let key = self.account.node_key(id);
        if again {
            let (others, cluster) = self.who_follows(&owner, id);
            let step = Arrangement::Replace {
                node: key,
                others,
                cluster,
            };
            self.arrange(&owner, step);
            return;
        }
        if self.account.live {
            let launch = self.launch(&owner, id);
            self.account.outbox.push(NodeUpdate::Start { node: key, launch });
        } else {
            self.virtual_node_started(id);
        }
        self.join(&owner, id);
    }

    /// How the process behind a node is to be started.
    fn launch(&self, owner: &Owner, id: &str) -> Launch {
        match owner {
            Owner::ReplicationGroup(_) => {
                let group = self.group_of(owner);
                let cluster = group.is_some_and(|g| g.cluster);
                let primary = self.primary_of(owner, id).filter(|primary| !cluster && primary != id);
                Launch {
                    engine: group.map(|g| g.engine.clone()).unwrap_or_default(),
                    tls: group.is_some_and(|g| g.tls),
                    cluster,
                    primary: primary.map(|primary| self.account.node_key(&primary)),
                }
            }
            Owner::Serverless(name) => Launch {
                engine: self
                    .account
                    .cache
                    .serverless
                    .get(name)
                    .map(|c| c.engine.clone())
                    .unwrap_or_default(),
                tls: true,
                cluster: false,
                primary: None,
            },
        }
    }

    /// A newcomer joins the Redis Cluster that its cache is already.
    fn join(&mut self, owner: &Owner, id: &str) {
        let Some(group) = self.group_of(owner).filter(|g| g.cluster && g.formed) else {
            return;
        };
        let Some(primary) = self.primary_of(owner, id) else {
            return;
        };
        let step = Arrangement::Join {
            node: self.account.node_key(id),
            primary: self.account.node_key(&primary),
            others: self.account.all_but(group, id),
        };
        self.arrange(owner, step);
    }

    pub(crate) fn virtual_node_started(&mut self, id: &str) {
        let replaced = self.account.cache.nodes.get(id).map_or(0, |node| node.replaced);
        self.node_started(id, VIRTUAL_PORT.saturating_add(replaced));
    }

    /// A process has come up: the node has an address, and the cache may be available.
    pub(crate) fn node_started(&mut self, id: &str, port: u16) {
        let Some(node) = self.account.cache.nodes.get_mut(id) else {
            return;
        };
        node.port = port;
        let owner = node.owner.clone();
        let (came_up, again) = (node.stage != Stage::Up, node.replaced > 0);
        if came_up {
            node.stage = Stage::Up;
            "available".clone_into(&mut node.status);
        }
        let resumed = std::mem::take(&mut node.resumed);
        if came_up && !resumed && matches!(owner, Owner::ReplicationGroup(_)) {
            let recovered = "Finished recovery for cache nodes 0001";
            let message = if again { recovered } else { "Cache cluster created" };
            self.note(Source::CacheCluster, id, message);
        }
        self.settle_cache(&owner);
    }

    /// A process could not come up at all.
    pub(crate) fn node_failed(&mut self, id: &str) {
        let Some(node) = self.account.cache.nodes.get_mut(id) else {
            return;
        };
        node.stage = Stage::Failed;
        "create-failed".clone_into(&mut node.status);
        let owner = node.owner.clone();
        self.settle_cache(&owner);
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

    /// A node's process ends and another takes its place: the same id at another address, with the
    /// users as they are then. A primary hands its role to a replica first, if one answers.
    pub(crate) fn replace_node(&mut self, id: &str) {
        let Some(owner) = self.account.cache.nodes.get(id).map(|node| node.owner.clone()) else {
            return;
        };
        if self.primary_of(&owner, id).is_some_and(|primary| primary == id)
            && let Some(heir) = self.heir(&owner, id)
        {
            self.promote(&owner, &heir);
        }
        if let Owner::ReplicationGroup(group) = &owner
            && let Some(group) = self.account.cache.caches.get_mut(group)
            && group.status == "available"
        {
            group.status = "modifying";
        }
        if let Some(node) = self.account.cache.nodes.get_mut(id) {
            node.stage = Stage::Starting;
            "modifying".clone_into(&mut node.status);
            node.port = 0;
            node.running = true;
            node.replaced = node.replaced.saturating_add(1);
        }
        self.excuse(id);
        if matches!(owner, Owner::ReplicationGroup(_)) {
            self.note(Source::CacheCluster, id, "Recovering cache nodes 0001");
        }
        let node = self.account.node_key(id);
        self.arrange(&owner, Arrangement::Retire { node });
        self.begin_later(id);
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

    /// Nothing waits for the node any more.
    pub(crate) fn excuse(&mut self, id: &str) {
        let cache = &self.account.cache;
        let users = cache.users.values().filter_map(|user| {
            let change = user.change.as_ref()?;
            let subject = Subject::User(user.id.clone());
            change.waiting.contains(id).then_some((subject, user.revision))
        });
        let tokens = cache.caches.values().filter_map(|group| {
            let change = group.auth.change.as_ref()?;
            let subject = Subject::Tokens(group.id.clone());
            change.waiting.contains(id).then_some((subject, group.auth.revision))
        });
        let waiting: Vec<_> = users.chain(tokens).collect();
        for (subject, revision) in waiting {
            self.confirm(id, &Confirm { subject, revision });
        }
    }

    /// Where the node's users stand, for a process that has just come up.
    pub(crate) fn view_for_process(&self, key: &NodeKey) -> Option<Vec<AclRule>> {
        let node = self.account.cache.nodes.get(&key.node)?;
        Some(node.view.values().cloned().collect())
    }
}
