//! CreateUserGroup, DescribeUserGroups, DeleteUserGroup.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::create_user::{check_id, engine, minimum_version};
use super::errors::{group_not_found, invalid_combination, invalid_group_state, missing, user_not_found};
use super::events::Source;
use super::lenient;
use super::model::{AuthType, CacheState, Tag, User, UserGroup};
use super::paging::{Bounds, page};
use super::tags::check_tags;
use crate::core::operation::Env;
use crate::error::ApiError;

/// Groups of an account and region, and users of a group (ElastiCache quotas page).
const MAX_GROUPS: usize = 100;
pub(crate) const MAX_USERS_OF_GROUP: usize = 100;

/// A group as replies show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserGroupOutput {
    /// Its id.
    pub user_group_id: String,
    /// `creating`, `active`, `modifying` or `deleting`.
    pub status: String,
    /// `redis` or `valkey`.
    pub engine: String,
    /// Its users.
    pub user_ids: Vec<String>,
    /// The lowest engine version that knows groups.
    pub minimum_engine_version: String,
    /// What is on its way.
    pub pending_changes: PendingChanges,
    /// The caches that it is given to.
    pub replication_groups: Vec<String>,
    /// The serverless caches that it is given to.
    pub serverless_caches: Vec<String>,
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
}

/// Users on their way into or out of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PendingChanges {
    /// On their way out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_ids_to_remove: Vec<String>,
    /// On their way in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_ids_to_add: Vec<String>,
}

impl UserGroupOutput {
    pub(crate) fn of(env: &Env<'_>, group: &UserGroup) -> Self {
        let cache = &env.account.cache;
        Self {
            user_group_id: group.id.clone(),
            status: env.group_status(group).to_owned(),
            engine: group.engine.clone(),
            user_ids: group.user_ids.clone(),
            minimum_engine_version: minimum_version(&group.engine).to_owned(),
            pending_changes: PendingChanges {
                user_ids_to_remove: group.pending_remove.clone(),
                user_ids_to_add: group.pending_add.clone(),
            },
            replication_groups: cache.caches_of(&group.id).map(|c| c.id.clone()).collect(),
            serverless_caches: cache
                .serverless
                .values()
                .filter(|c| c.user_group_id.as_ref() == Some(&group.id))
                .map(|c| c.name.clone())
                .collect(),
            arn: group.arn.clone(),
        }
    }
}

/// Makes a group.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateUserGroup {
    /// Its id.
    pub user_group_id: String,
    /// `redis` or `valkey`.
    pub engine: String,
    /// Its users.
    #[serde(deserialize_with = "lenient::list")]
    pub user_ids: Option<Vec<String>>,
    /// Tags.
    #[serde(deserialize_with = "lenient::list")]
    pub tags: Option<Vec<Tag>>,
}

super::elasticache!(CreateUserGroup => UserGroupOutput, "CreateUserGroup", mutates: true,
    |c| Some(&c.user_group_id), create, tags: |c| Tag::pairs(c.tags.iter().flatten()));

fn create(env: &mut Env<'_>, input: CreateUserGroup) -> Result<UserGroupOutput, ApiError> {
    // The model: ids are kept in small letters.
    let id = input.user_group_id.to_ascii_lowercase();
    if id.is_empty() {
        return Err(missing("UserGroupId"));
    }
    check_id("UserGroupId", &id)?;
    let engine = engine(&input.engine)?;
    let cache = &env.account.cache;
    if cache.groups.contains_key(&id) {
        return Err(ApiError::bad_request(
            "UserGroupAlreadyExists",
            format!("User group {id} already exists."),
        ));
    }
    if cache.groups.len() >= MAX_GROUPS {
        return Err(quota("user groups", MAX_GROUPS));
    }
    let user_ids = small(input.user_ids);
    check_members(cache, &engine, &user_ids)?;
    // The model's text of this error speaks of users, and ModifyUserGroup does not have it.
    if user_ids.len() > MAX_USERS_OF_GROUP {
        return Err(quota("users of a user group", MAX_USERS_OF_GROUP));
    }
    let tags = input.tags.unwrap_or_default();
    check_tags(&tags)?;
    let group = UserGroup {
        arn: env.account.cache_arn("usergroup", &id),
        id: id.clone(),
        engine,
        user_ids,
        tags,
        creating_until: env.after(env.settings.group_creating_ms),
        waiting: BTreeSet::new(),
        pending_add: Vec::new(),
        pending_remove: Vec::new(),
        deleting: false,
    };
    let mut output = UserGroupOutput::of(env, &group);
    // The reply always says so; how long it stays is a setting.
    "creating".clone_into(&mut output.status);
    env.note(Source::UserGroup, &id, format!("User group {id} created"));
    env.account.cache.groups.insert(id, group);
    env.account.touch();
    Ok(output)
}

/// Ids in small letters, as the model keeps them.
pub(crate) fn small(ids: Option<Vec<String>>) -> Vec<String> {
    let ids = ids.unwrap_or_default();
    ids.into_iter().map(|id| id.to_ascii_lowercase()).collect()
}

fn quota(what: &str, most: usize) -> ApiError {
    let message = format!("The limit of {most} {what} has been reached.");
    ApiError::bad_request("UserGroupQuotaExceeded", message)
}

/// What a group's set of users must look like (ElastiCache RBAC guide).
pub(crate) fn check_members(cache: &CacheState, engine: &str, user_ids: &[String]) -> Result<(), ApiError> {
    let mut names = BTreeSet::new();
    for id in user_ids {
        // One that is being deleted is as good as gone: these operations have no error for its state
        // (botocore's model), and to take it in would bring it back.
        let there = cache.users.get(id).filter(|user| user.status() != "deleting");
        let user = there.ok_or_else(|| user_not_found(id))?;
        if !names.insert(user.name.as_str()) {
            return Err(ApiError::bad_request(
                "DuplicateUserName",
                format!("More than one user with the name {} in the user group.", user.name),
            ));
        }
        check_engine(engine, user)?;
    }
    if engine == "redis" && !names.contains("default") {
        return Err(ApiError::bad_request(
            "DefaultUserRequired",
            "User group must contain a user with the user name default.",
        ));
    }
    Ok(())
}

/// A redis group takes redis users; a valkey group takes users of both engines that have to prove who they are.
pub(crate) fn check_engine(engine: &str, user: &User) -> Result<(), ApiError> {
    if engine == "redis" && user.engine != "redis" {
        return Err(invalid_combination(format!(
            "User {} of engine {} can't be in a user group of engine redis.",
            user.id, user.engine
        )));
    }
    if engine == "valkey" && user.auth == AuthType::NoPassword {
        return Err(invalid_combination(format!(
            "User {} needs no password and can't be in a user group of engine valkey.",
            user.id
        )));
    }
    Ok(())
}

/// Shows groups.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DescribeUserGroups {
    /// Only this one.
    pub user_group_id: Option<String>,
    /// Where the last page ended.
    pub marker: Option<String>,
    /// How many on a page.
    #[serde(deserialize_with = "lenient::number")]
    pub max_records: Option<i64>,
}

/// One page of groups.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeUserGroupsOutput {
    /// The groups.
    pub user_groups: Vec<UserGroupOutput>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

super::elasticache!(DescribeUserGroups => DescribeUserGroupsOutput, "DescribeUserGroups", mutates: false,
    |d| d.user_group_id.as_deref(), describe);

fn describe(env: &mut Env<'_>, input: DescribeUserGroups) -> Result<DescribeUserGroupsOutput, ApiError> {
    let groups = &env.account.cache.groups;
    let chosen: Vec<&UserGroup> = match &input.user_group_id.map(|id| id.to_ascii_lowercase()) {
        Some(id) => vec![groups.get(id).ok_or_else(|| group_not_found(id))?],
        None => groups.values().collect(),
    };
    let (page, marker) = page(
        chosen,
        input.marker.as_deref(),
        &Bounds::undocumented(input.max_records),
        |group| group.id.clone(),
    )?;
    Ok(DescribeUserGroupsOutput {
        user_groups: page.into_iter().map(|g| UserGroupOutput::of(env, g)).collect(),
        marker,
    })
}

/// Deletes a group.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteUserGroup {
    /// Which group.
    pub user_group_id: String,
}

super::elasticache!(DeleteUserGroup => UserGroupOutput, "DeleteUserGroup", mutates: true,
    |d| Some(&d.user_group_id), delete);

fn delete(env: &mut Env<'_>, input: DeleteUserGroup) -> Result<UserGroupOutput, ApiError> {
    let id = input.user_group_id.to_ascii_lowercase();
    let cache = &env.account.cache;
    let group = cache.groups.get(&id).ok_or_else(|| group_not_found(&id))?;
    let status = env.group_status(group);
    if status == "modifying" {
        return Err(invalid_group_state(&id, status));
    }
    let given = cache.serverless.values().any(|c| c.user_group_id.as_ref() == Some(&id));
    if given || cache.caches_of(&id).next().is_some() {
        return Err(invalid_group_state(&id, "active and is associated with a cache"));
    }
    let mut group = group.clone();
    group.deleting = true;
    let output = UserGroupOutput::of(env, &group);
    env.account.cache.groups.remove(&id);
    env.note(Source::UserGroup, &id, format!("User group {id} deleted"));
    env.account.touch();
    Ok(output)
}
