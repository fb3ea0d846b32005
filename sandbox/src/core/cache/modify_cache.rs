//! ModifyReplicationGroup: which user groups or AUTH tokens a cache has.

use serde::Deserialize;

use super::auth_token::wish;
use super::clusters::ReplicationGroupOutput;
use super::errors::{cache_not_found, invalid_value};
use super::events::Source;
use super::lenient;
use super::looks::LooksInput;
use super::model::Owner;
use super::replication::{OneReplicationGroup, check_groups};
use crate::core::operation::Env;
use crate::error::ApiError;
use crate::sensitive::Sensitive;

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
    /// Another AUTH token.
    pub auth_token: Option<Sensitive>,
    /// `ROTATE` (unless told), `SET` or `DELETE`.
    pub auth_token_update_strategy: Option<String>,
    /// Whether a change of AUTH tokens, one from before too, is to happen now. Everything else does in any case.
    #[serde(deserialize_with = "lenient::flag")]
    pub apply_immediately: Option<bool>,
    /// What else it shows, of which nothing depends.
    #[serde(flatten)]
    pub looks: LooksInput,
}

super::elasticache!(ModifyReplicationGroup => OneReplicationGroup, "ModifyReplicationGroup", mutates: true,
    |m| Some(&m.replication_group_id), modify);

fn modify(env: &mut Env<'_>, input: ModifyReplicationGroup) -> Result<OneReplicationGroup, ApiError> {
    let id = input.replication_group_id.to_ascii_lowercase();
    let cache = &env.account.cache;
    let group = cache.caches.get(&id).ok_or_else(|| cache_not_found(&id))?;
    env.check_available(group)?;
    let wanted = wanted(&group.user_group_ids, &input)?;
    check_groups(cache, &group.engine, &wanted, group.tls)?;
    let tokens = wish(env.settings, group, &input, &wanted)?;
    let before = group.user_group_ids.clone();
    let regrouped = wanted != before;
    // Users and tokens go together where one takes the other's place.
    let now = input.apply_immediately == Some(true) || regrouped;
    let mut due = None;
    if let Some(group) = env.account.cache.caches.get_mut(&id) {
        group.user_group_ids = wanted;
        group.looks.change(input.looks);
        group.description = input
            .replication_group_description
            .unwrap_or(std::mem::take(&mut group.description));
        group.auth.wanted = tokens.or(group.auth.wanted.take());
        due = group.auth.wanted.take_if(|_| now);
    }
    let changes_tokens = due.is_some();
    if let Some(change) = due {
        env.change_tokens(&id, change);
    }
    if regrouped {
        env.regroup(&Owner::ReplicationGroup(id.clone()), &before);
    }
    env.note(
        Source::ReplicationGroup,
        &id,
        format!("Replication group {id} modified"),
    );
    env.account.touch();
    let mut output = ReplicationGroupOutput::of(env, &id)?;
    if changes_tokens {
        "modifying".clone_into(&mut output.status);
    }
    Ok(OneReplicationGroup {
        replication_group: output,
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
