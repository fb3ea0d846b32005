//! DeleteUser.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::describe_users::UserOutput;
use super::errors::{invalid_user_state, invalid_value, missing, user_not_found};
use super::events::Source;
use crate::core::operation::Env;
use crate::error::ApiError;

/// Deletes a user; it leaves its groups.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteUser {
    /// Which user.
    pub user_id: String,
}

super::elasticache!(DeleteUser => UserOutput, "DeleteUser", mutates: true, |d| Some(&d.user_id), delete);

fn delete(env: &mut Env<'_>, input: DeleteUser) -> Result<UserOutput, ApiError> {
    let id = input.user_id.to_ascii_lowercase();
    if id.is_empty() {
        return Err(missing("UserId"));
    }
    let cache = &env.account.cache;
    let user = cache.users.get(&id).ok_or_else(|| user_not_found(&id))?;
    if id == "default" {
        return Err(invalid_value("The default user can't be deleted."));
    }
    if user.change.is_some() {
        return Err(invalid_user_state(&id, user.status()));
    }
    let needed = |engine: &str| engine == "redis" && user.name == "default";
    if cache.groups_of(&id).any(|group| needed(&group.engine)) {
        return Err(ApiError::bad_request(
            "DefaultUserAssociatedToUserGroup",
            format!("User {id} is the default user of a user group."),
        ));
    }
    let nodes: BTreeSet<String> = cache.nodes_of(&id);
    let groups: Vec<String> = cache.groups_of(&id).map(|g| g.id.clone()).collect();
    for group in groups {
        if let Some(group) = env.account.cache.groups.get_mut(&group) {
            group.user_ids.retain(|member| *member != id);
        }
    }
    env.begin_change(&id, &nodes, true);
    env.note(Source::User, &id, format!("User {id} deleted"));
    UserOutput::truth(env, &id)
}
