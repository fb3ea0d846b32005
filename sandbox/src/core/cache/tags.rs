//! Tags of users and user groups, which are named by ARN.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::errors::{group_not_found, invalid_value};
use super::lenient;
use super::model::{Change, Tag};
use crate::core::account::Event;
use crate::core::operation::Env;
use crate::error::ApiError;

/// All tags of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagList {
    /// The tags.
    pub tag_list: Vec<Tag>,
}

/// Shows tags.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListTagsForResource {
    /// Of which thing.
    pub resource_name: String,
}

/// Adds tags.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AddTagsToResource {
    /// To which thing.
    pub resource_name: String,
    /// The tags.
    #[serde(deserialize_with = "lenient::list")]
    pub tags: Option<Vec<Tag>>,
}

/// Takes tags away.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RemoveTagsFromResource {
    /// From which thing.
    pub resource_name: String,
    /// Their keys.
    #[serde(deserialize_with = "lenient::list")]
    pub tag_keys: Option<Vec<String>>,
}

super::elasticache!(ListTagsForResource => TagList, "ListTagsForResource", mutates: false,
    |t| Some(&t.resource_name), list);
super::elasticache!(AddTagsToResource => TagList, "AddTagsToResource", mutates: true,
    |t| Some(&t.resource_name), add);
super::elasticache!(RemoveTagsFromResource => TagList, "RemoveTagsFromResource", mutates: true,
    |t| Some(&t.resource_name), remove);

fn list(env: &mut Env<'_>, input: ListTagsForResource) -> Result<TagList, ApiError> {
    with_tags(env, &input.resource_name, |_| {}).map(|(tags, _)| tags)
}

fn add(env: &mut Env<'_>, input: AddTagsToResource) -> Result<TagList, ApiError> {
    change(env, &input.resource_name, |tags| {
        for tag in input.tags.unwrap_or_default() {
            tags.retain(|old| old.key != tag.key);
            tags.push(tag);
        }
    })
}

fn remove(env: &mut Env<'_>, input: RemoveTagsFromResource) -> Result<TagList, ApiError> {
    let keys = input.tag_keys.unwrap_or_default();
    change(env, &input.resource_name, |tags| {
        tags.retain(|tag| !keys.contains(&tag.key))
    })
}

/// Changes tags; on AWS that makes a user `modifying` for a while (terraform-provider-aws#47638).
fn change(env: &mut Env<'_>, arn: &str, edit: impl FnOnce(&mut Vec<Tag>)) -> Result<TagList, ApiError> {
    let (tags, user) = with_tags(env, arn, edit)?;
    env.account.touch();
    let ms = env.settings.tag_modifying_ms;
    let (ends, now) = (env.after(ms), env.now);
    if let Some(user) = user
        .and_then(|id| env.account.cache.users.get_mut(&id))
        .filter(|_| ms > 0)
    {
        user.revision += 1;
        user.change = Some(Change {
            deleting: false,
            started: now,
            not_before: ends,
            waiting: BTreeSet::new(),
        });
        let event = Event::UserSettles {
            user: user.id.clone(),
            revision: user.revision,
        };
        env.account.plan(ends, event);
    }
    Ok(tags)
}

/// Finds the thing, lets `edit` at its tags, and returns them, with the user's id if it is a user.
fn with_tags(
    env: &mut Env<'_>,
    arn: &str,
    edit: impl FnOnce(&mut Vec<Tag>),
) -> Result<(TagList, Option<String>), ApiError> {
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    let [_, _, "elasticache", region, account, kind, id] = parts.as_slice() else {
        return Err(ApiError::bad_request(
            "InvalidARN",
            format!("{arn} is not a valid ARN."),
        ));
    };
    if *region != env.account.region || *account != env.account.id {
        return Err(ApiError::bad_request(
            "InvalidARN",
            format!("{arn} is of another account or region."),
        ));
    }
    let cache = &mut env.account.cache;
    let (tags, user) = match *kind {
        "user" => {
            // Also while the user is modifying (same issue): 404 with this text.
            let busy = || ApiError::not_found("UserNotFound", format!("{arn} is not available for tagging"));
            let user = cache
                .users
                .get_mut(*id)
                .filter(|user| user.change.is_none())
                .ok_or_else(busy)?;
            (&mut user.tags, Some(user.id.clone()))
        }
        "usergroup" => {
            let group = cache.groups.get_mut(*id).ok_or_else(|| group_not_found(id))?;
            (&mut group.tags, None)
        }
        _ => return Err(invalid_value("The sandbox keeps tags of users and user groups only.")),
    };
    edit(tags);
    let tag_list = tags.clone();
    Ok((TagList { tag_list }, user))
}
