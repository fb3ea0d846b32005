//! ModifyReplicationGroup: which user groups a cache has.

use serde::Deserialize;

use super::clusters::ReplicationGroupOutput;
use super::errors::{cache_not_found, invalid_value};
use super::lenient;
use super::model::Owner;
use super::replication::{OneReplicationGroup, check_groups};
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
    env.check_available(group)?;
    let wanted = wanted(&group.user_group_ids, &input)?;
    check_groups(cache, &group.engine, &wanted, group.tls)?;
    let before = group.user_group_ids.clone();
    let changed = wanted != before;
    if let Some(group) = env.account.cache.caches.get_mut(&id) {
        group.user_group_ids = wanted;
        if let Some(text) = input.replication_group_description {
            group.description = text;
        }
    }
    if changed {
        env.regroup(&Owner::ReplicationGroup(id.clone()), &before);
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
