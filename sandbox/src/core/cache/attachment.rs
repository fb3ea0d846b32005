//! What happens to users and nodes when a cache's user groups change.

use std::collections::BTreeSet;

use super::model::Owner;
use super::propagation::{Confirm, Subject};
use crate::core::account::NodeUpdate;
use crate::core::operation::Env;

impl Env<'_> {
    /// The cache had the groups `before` and has others now: whoever was or is concerned changes on its nodes. That
    /// makes these users `modifying`, of a serverless cache too (terraform-provider-aws#49976). A `default` that has
    /// AUTH tokens, or had, is not swapped here: it travels as a change of them.
    pub(crate) fn regroup(&mut self, owner: &Owner, before: &[String]) {
        let mut users = self.members_of(before);
        users.extend(self.members_of(self.account.cache.groups_given(owner)));
        let nodes = self.account.cache.nodes_in(owner);
        if !self.tokens_travel(owner) {
            self.swap_default(owner, &nodes);
        }
        let nodes: BTreeSet<String> = nodes.into_iter().collect();
        for user in users.iter().filter(|user| *user != "default") {
            self.begin_change(user, &nodes, false);
        }
    }

    fn members_of(&self, groups: &[String]) -> BTreeSet<String> {
        groups
            .iter()
            .filter_map(|id| self.account.cache.groups.get(id))
            .flat_map(|group| group.user_ids.iter().cloned())
            .collect()
    }

    /// Swaps the default user at once. Who `default` is depends on whether a cache has groups at
    /// all, so it is no change to a user; the other users follow as changes do.
    fn swap_default(&mut self, owner: &Owner, nodes: &[String]) {
        let default = self.account.cache.view_of(owner).remove("default");
        for id in nodes {
            let key = self.account.node_key(id);
            if let Some(node) = self.account.cache.nodes.get_mut(id) {
                match &default {
                    Some(rule) => node.view.insert("default".to_owned(), rule.clone()),
                    None => node.view.remove("default"),
                };
            }
            if self.account.live {
                self.account.outbox.push(NodeUpdate::SetUser {
                    node: key,
                    user_name: "default".to_owned(),
                    rule: default.clone(),
                    confirm: Confirm {
                        subject: Subject::Nobody,
                        revision: 0,
                    },
                });
            }
        }
    }
}
