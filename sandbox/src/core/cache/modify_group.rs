//! ModifyUserGroup.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::create_user::engine;
use super::errors::{group_not_found, invalid_combination, invalid_group_state, invalid_value};
use super::events::Source;
use super::groups::{MAX_USERS_OF_GROUP, UserGroupOutput, check_members, small};
use super::lenient;
use super::model::ReplicationGroup;
use crate::core::operation::Env;
use crate::error::ApiError;

/// Adds users to a group and takes users out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ModifyUserGroup {
    /// Which group.
    pub user_group_id: String,
    /// Who comes.
    #[serde(deserialize_with = "lenient::list")]
    pub user_ids_to_add: Option<Vec<String>>,
    /// Who goes.
    #[serde(deserialize_with = "lenient::list")]
    pub user_ids_to_remove: Option<Vec<String>>,
    /// Another engine: `valkey` instead of `redis`.
    pub engine: Option<String>,
}

super::elasticache!(ModifyUserGroup => UserGroupOutput, "ModifyUserGroup", mutates: true,
    |m| Some(&m.user_group_id), modify);

fn modify(env: &mut Env<'_>, input: ModifyUserGroup) -> Result<UserGroupOutput, ApiError> {
    let id = input.user_group_id.to_ascii_lowercase();
    let (add, remove) = (small(input.user_ids_to_add), small(input.user_ids_to_remove));
    let wanted = input.engine.as_deref().map(engine).transpose()?;
    let members = new_members(env, &id, (&add, &remove), wanted.as_deref())?;
    let cache = &mut env.account.cache;
    let nodes: BTreeSet<String> = cache.nodes_of_group(&id).cloned().collect();
    let Some(group) = cache.groups.get_mut(&id) else {
        return Err(group_not_found(&id));
    };
    group.user_ids = members;
    group.engine = wanted.unwrap_or(std::mem::take(&mut group.engine));
    group.waiting = add.iter().chain(&remove).cloned().collect();
    group.pending_add.clone_from(&add);
    group.pending_remove.clone_from(&remove);
    // Two users may share a name when one replaces the other: whoever goes is dealt with first, so
    // that the news of whoever comes are the ones that last.
    for user in remove.iter().chain(&add) {
        env.begin_change(user, &nodes, false);
    }
    env.note(Source::UserGroup, &id, format!("User group {id} modified"));
    env.account.touch();
    let group = env.account.cache.groups.get(&id).ok_or_else(|| group_not_found(&id))?;
    Ok(UserGroupOutput::of(env, group))
}

/// The group's users after the change, if it may be made.
fn new_members(
    env: &Env<'_>,
    id: &str,
    (add, remove): (&[String], &[String]),
    engine: Option<&str>,
) -> Result<Vec<String>, ApiError> {
    let cache = &env.account.cache;
    let group = cache.groups.get(id).ok_or_else(|| group_not_found(id))?;
    let status = env.group_status(group);
    if status != "active" {
        return Err(invalid_group_state(id, status));
    }
    if add.is_empty() && remove.is_empty() && engine.is_none() {
        return Err(invalid_combination("No changes were requested."));
    }
    let engine = engine.unwrap_or(&group.engine);
    // AWS goes from Redis OSS to Valkey; a cache of Redis OSS takes no group of Valkey's.
    let redis = |cache: &ReplicationGroup| cache.engine == "redis";
    if group.engine != engine && (engine == "redis" || cache.caches_of(id).any(redis)) {
        return Err(invalid_combination(format!(
            "The engine of user group {id} can't be changed to {engine}."
        )));
    }
    // Texts after terraform-provider-aws#49945.
    if let Some(user) = remove.iter().find(|user| !group.user_ids.contains(user)) {
        return Err(invalid_value(format!("{user} is not a member of user group {id}.")));
    }
    if let Some(user) = add.iter().find(|user| group.user_ids.contains(user)) {
        return Err(invalid_value(format!("{user} is already a member of user group {id}.")));
    }
    let mut members = group.user_ids.clone();
    members.retain(|user| !remove.contains(user));
    members.extend(add.iter().cloned());
    check_members(cache, engine, &members)?;
    if members.len() > MAX_USERS_OF_GROUP {
        return Err(invalid_value(format!(
            "A user group can hold at most {MAX_USERS_OF_GROUP} users."
        )));
    }
    Ok(members)
}
