//! How a change to a user reaches the nodes, one by one.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::model::{AclRule, Change, Node, Pending};
use crate::core::account::{Event, NodeKey, NodeUpdate};
use crate::core::operation::Env;
use crate::core::random;
use crate::settings::{Delay, Settings};

/// What news are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A user, by id.
    User(String),
    /// The AUTH tokens of a replication group, by its id.
    Tokens(String),
    /// Nothing that anybody waits for.
    Nobody,
}

/// Which message a confirmation answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Confirm {
    pub(crate) subject: Subject,
    pub(crate) revision: u64,
}

/// The delay that holds for a node: its own, one by node id, by replica, by role, or the general one.
fn delay_of(node: &Node, settings: &Settings) -> Delay {
    let by = &settings.node_propagation_ms;
    node.delay
        .or_else(|| by.get(&node.id).copied())
        .or_else(|| by.get(&format!("{}-{}", node.role(), node.index)).copied())
        .or_else(|| by.get(node.role()).copied())
        .unwrap_or(Delay::Range(settings.propagation_ms))
}

impl Env<'_> {
    /// Sends the user's present state to its nodes, and to `also` (nodes that are to forget it).
    pub(crate) fn begin_change(&mut self, user_id: &str, also: &BTreeSet<String>, deleting: bool) {
        let mut nodes = self.account.cache.nodes_of(user_id);
        nodes.extend(also.iter().cloned());
        let now = self.now;
        let Some(user) = self.account.cache.users.get_mut(user_id) else {
            return;
        };
        user.revision += 1;
        let revision = user.revision;
        let mut waiting = BTreeSet::new();
        for node in &nodes {
            if self.send(user_id, node) || self.settings.stuck_nodes_hold_modifying {
                waiting.insert(node.clone());
            }
        }
        let detached = nodes.is_empty();
        let not_before = if detached {
            self.after(self.settings.detached_modifying_ms)
        } else {
            now
        };
        let ends = if !waiting.is_empty() {
            self.after(self.settings.modifying_max_ms)
        } else if detached {
            not_before
        } else {
            self.after(self.settings.settle_extra_ms)
        };
        if let Some(user) = self.account.cache.users.get_mut(user_id) {
            user.change = Some(Change {
                deleting,
                started: now,
                not_before,
                waiting,
            });
        }
        let user = user_id.to_owned();
        self.account.plan(ends, Event::UserSettles { user, revision });
        self.account.touch();
    }

    /// Puts one node's news of a user on their way. Says whether they will arrive without a further order.
    fn send(&mut self, user_id: &str, node_id: &str) -> bool {
        let cache = &self.account.cache;
        let (Some(user), Some(node)) = (cache.users.get(user_id), cache.nodes.get(node_id)) else {
            return false;
        };
        let name = user.name.clone();
        // Whoever is unknown from now on makes room for another of the same name: a cache without user groups has
        // a `default` of its own.
        let rule = if cache.cache_knows(&node.owner, user_id) {
            Some(user.rule())
        } else {
            cache.view_of(&node.owner).remove(&name)
        };
        let confirm = Confirm {
            subject: Subject::User(user_id.to_owned()),
            revision: user.revision,
        };
        self.post(node_id, &name, confirm, rule)
    }

    /// Puts news on their way to a node, in the place of older news of the same name. Says whether they will arrive
    /// without a further order.
    pub(crate) fn post(&mut self, node_id: &str, name: &str, confirm: Confirm, rule: Option<AclRule>) -> bool {
        let Some(node) = self.account.cache.nodes.get_mut(node_id) else {
            return false;
        };
        let mut instead_of = Vec::new();
        if let Some(replaced) = node.pending.remove(name) {
            instead_of = replaced.instead_of;
            if replaced.confirm.subject != confirm.subject {
                instead_of.push(replaced.confirm);
            }
        }
        let pending = Pending {
            confirm,
            rule,
            scheduled: false,
            instead_of,
        };
        node.pending.insert(name.to_owned(), pending);
        self.schedule(node_id, name)
    }

    /// Gives waiting news a time of arrival, if the node's delay has an end and the node runs.
    pub(crate) fn schedule(&mut self, node_id: &str, user_name: &str) -> bool {
        let Some(node) = self.account.cache.nodes.get_mut(node_id) else {
            return false;
        };
        let delay = delay_of(node, self.settings).range();
        let running = node.running;
        let (Some(range), Some(pending)) = (delay, node.pending.get_mut(user_name)) else {
            return false;
        };
        if !running {
            return false;
        }
        pending.scheduled = true;
        let revision = pending.confirm.revision;
        let at = crate::core::operation::later(self.now, random::ms(self.rng, range));
        let event = Event::Deliver {
            node: node_id.to_owned(),
            user_name: user_name.to_owned(),
            revision,
        };
        self.account.plan(at, event);
        true
    }

    /// News arrive at a node.
    pub(crate) fn deliver(&mut self, node_id: &str, user_name: &str, revision: u64) {
        let key = self.account.node_key(node_id);
        let Some(node) = self.account.cache.nodes.get_mut(node_id) else {
            return;
        };
        let due = |p: &Pending| p.confirm.revision == revision && p.scheduled;
        if !node.running || !node.pending.get(user_name).is_some_and(due) {
            return;
        }
        if let Some(pending) = node.pending.remove(user_name) {
            self.apply_news(key, user_name, pending);
        }
    }

    fn apply_news(&mut self, key: NodeKey, user_name: &str, pending: Pending) {
        let Some(node) = self.account.cache.nodes.get_mut(&key.node) else {
            return;
        };
        match &pending.rule {
            Some(rule) => node.view.insert(user_name.to_owned(), rule.clone()),
            None => node.view.remove(user_name),
        };
        for other in &pending.instead_of {
            self.confirm(&key.node, other);
        }
        let confirm = pending.confirm;
        if self.account.live {
            self.account.outbox.push(NodeUpdate::SetUser {
                node: key,
                user_name: user_name.to_owned(),
                rule: pending.rule,
                confirm,
            });
        } else {
            self.confirm(&key.node, &confirm);
        }
    }

    /// A node has the change. After the last one, what was changed settles.
    pub(crate) fn confirm(&mut self, node_id: &str, confirm: &Confirm) {
        match &confirm.subject {
            Subject::User(user) => self.confirm_user(node_id, user, confirm.revision),
            Subject::Tokens(group) => self.confirm_tokens(node_id, group, confirm.revision),
            Subject::Nobody => {}
        }
    }

    fn confirm_user(&mut self, node_id: &str, user_id: &str, revision: u64) {
        let Some(user) = self.account.cache.users.get_mut(user_id) else {
            return;
        };
        if user.revision != revision {
            return;
        }
        let Some(change) = user.change.as_mut() else {
            return;
        };
        if !change.waiting.remove(node_id) || !change.waiting.is_empty() {
            return;
        }
        let not_before = change.not_before;
        let ends: DateTime<Utc> = self.after(self.settings.settle_extra_ms).max(not_before);
        let user = user_id.to_owned();
        self.account.plan(ends, Event::UserSettles { user, revision });
    }

    /// The change is over: the user is active again, or gone.
    pub(crate) fn settle(&mut self, user_id: &str, revision: u64) {
        let cache = &mut self.account.cache;
        let Some(user) = cache.users.get_mut(user_id) else {
            return;
        };
        if user.revision != revision {
            return;
        }
        let deleted = user.change.take().is_some_and(|change| change.deleting);
        if deleted {
            cache.users.remove(user_id);
        }
        for group in cache.groups.values_mut() {
            if group.waiting.remove(user_id) && group.waiting.is_empty() {
                group.pending_add.clear();
                group.pending_remove.clear();
            }
        }
    }

    /// A node's delay was changed: what had no time of arrival may get one, what had one may lose it.
    pub(crate) fn reschedule(&mut self, node_id: &str) {
        let Some(node) = self.account.cache.nodes.get_mut(node_id) else {
            return;
        };
        let names: Vec<String> = node.pending.keys().cloned().collect();
        for pending in node.pending.values_mut() {
            pending.scheduled = false;
        }
        for name in names {
            self.schedule(node_id, &name);
        }
    }

    /// The settings were changed: what had no time of arrival may get one.
    pub(crate) fn schedule_stuck(&mut self) {
        let nodes = self.account.cache.nodes.iter().filter(|(_, node)| node.running);
        let stuck: Vec<(String, String)> = nodes
            .flat_map(|(id, node)| {
                let pending = node.pending.iter().filter(|(_, pending)| !pending.scheduled);
                pending.map(|(name, _)| (id.clone(), name.clone()))
            })
            .collect();
        for (node, name) in stuck {
            self.schedule(&node, &name);
        }
    }

    /// A node that comes back gets everything that it missed, unless its delay never ends.
    pub(crate) fn catch_up(&mut self, node_id: &str) {
        let key = self.account.node_key(node_id);
        let Some(node) = self.account.cache.nodes.get_mut(node_id) else {
            return;
        };
        if delay_of(node, self.settings).range().is_none() {
            return;
        }
        for (name, pending) in std::mem::take(&mut node.pending) {
            self.apply_news(key.clone(), &name, pending);
        }
    }
}
