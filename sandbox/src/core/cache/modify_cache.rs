//! ModifyReplicationGroup: which user groups a cache has.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::clusters::ReplicationGroupOutput;
use super::errors::{cache_not_found, invalid_value};
use super::lenient;
use super::model::AclRule;
use super::propagation::Confirm;
use super::replication::{OneReplicationGroup, check_groups, view_of};
use crate::core::account::NodeUpdate;
use crate::core::operation::Env;
use crate::error::ApiError;

/// Gives a cache user groups and takes them away.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ModifyReplicationGroup {
    /// Which cache.
    pub replication_group_id: String,
    /// Groups to give.
    #[serde(deserialize_with = "lenient::list")]
    pub user_group_ids_to_add: Option<Vec<String>>,
    /// Groups to take.
    #[serde(deserialize_with = "lenient::list")]
    pub user_group_ids_to_remove: Option<Vec<String>>,
    /// Whether to take them all.
    #[serde(deserialize_with = "lenient::flag")]
    pub remove_user_groups: Option<bool>,
    /// Another description.
    pub replication_group_description: Option<String>,
}

super::elasticache!(ModifyReplicationGroup => OneReplicationGroup, "ModifyReplicationGroup", mutates: true,
    |m| Some(&m.replication_group_id), modify);

fn modify(env: &mut Env<'_>, input: ModifyReplicationGroup) -> Result<OneReplicationGroup, ApiError> {
    let id = input.replication_group_id.clone();
    let cache = &env.account.cache;
    let group = cache.caches.get(&id).ok_or_else(|| cache_not_found(&id))?;
    let status = env.cache_status(group);
    if status != "available" {
        return Err(ApiError::bad_request(
            "InvalidReplicationGroupState",
            format!("Replication group {id} has status {status}, not available."),
        ));
    }
    let wanted = wanted(&group.user_group_ids, &input)?;
    check_groups(cache, &group.engine, &wanted, group.tls)?;
    let users_before = users_of(env, &group.user_group_ids);
    let changed = wanted != group.user_group_ids;
    let users: BTreeSet<String> = users_of(env, &wanted).union(&users_before).cloned().collect();
    let nodes: BTreeSet<String> = group.nodes().cloned().collect();
    if let Some(group) = env.account.cache.caches.get_mut(&id) {
        group.user_group_ids = wanted;
        if let Some(text) = input.replication_group_description {
            group.description = text;
        }
    }
    if changed {
        env.replace_views(&id);
        for user in users.iter().filter(|user| *user != "default") {
            env.begin_change(user, &nodes, false);
        }
    }
    env.account.touch();
    Ok(OneReplicationGroup {
        replication_group: ReplicationGroupOutput::of(env, &id)?,
    })
}

fn wanted(now: &[String], input: &ModifyReplicationGroup) -> Result<Vec<String>, ApiError> {
    let remove = input.user_group_ids_to_remove.clone().unwrap_or_default();
    let add = input.user_group_ids_to_add.clone().unwrap_or_default();
    if let Some(id) = remove.iter().find(|id| !now.contains(id)) {
        return Err(invalid_value(format!(
            "User group {id} is not associated with the replication group."
        )));
    }
    let all = input.remove_user_groups == Some(true);
    let mut wanted: Vec<String> = now.iter().filter(|id| !all && !remove.contains(id)).cloned().collect();
    for id in add {
        if !wanted.contains(&id) {
            wanted.push(id);
        }
    }
    Ok(wanted)
}

fn users_of(env: &Env<'_>, groups: &[String]) -> BTreeSet<String> {
    groups
        .iter()
        .filter_map(|id| env.account.cache.groups.get(id))
        .flat_map(|group| group.user_ids.iter().cloned())
        .collect()
}

impl Env<'_> {
    /// Swaps the default user at once. Who `default` is depends on whether a cache has groups at
    /// all, so it is no change to a user; the other users follow as changes do.
    fn replace_views(&mut self, cache_id: &str) {
        let cache = &self.account.cache;
        let Some(group) = cache.caches.get(cache_id) else {
            return;
        };
        let default: Option<AclRule> = view_of(cache, group).remove("default");
        let nodes: Vec<String> = group.nodes().cloned().collect();
        for id in nodes {
            let key = self.account.node_key(&id);
            if let Some(node) = self.account.cache.nodes.get_mut(&id) {
                let view: &mut BTreeMap<String, AclRule> = &mut node.view;
                match &default {
                    Some(rule) => view.insert("default".to_owned(), rule.clone()),
                    None => view.remove("default"),
                };
            }
            if self.account.live {
                self.account.outbox.push(NodeUpdate::SetUser {
                    node: key,
                    user_name: "default".to_owned(),
                    rule: default.clone(),
                    confirm: Confirm {
                        user_id: String::new(),
                        revision: 0,
                    },
                });
            }
        }
    }
}
