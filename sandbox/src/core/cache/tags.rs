//! Tags of users, user groups and caches, which are named by ARN.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::errors::{cache_not_found, group_not_found, invalid_value, serverless_not_found};
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
    |t| Some(&t.resource_name), add, tags: |t| Tag::pairs(t.tags.iter().flatten()));
super::elasticache!(RemoveTagsFromResource => TagList, "RemoveTagsFromResource", mutates: true,
    |t| Some(&t.resource_name), remove);

/// The most tags of one thing, and the most characters of a key and of a value (botocore model; AWS's guide to tags).
const MOST: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// Refuses tags that nothing can have: too many, too long, without a key, one key twice, or a key that is AWS's own.
pub(crate) fn check_tags(tags: &[Tag]) -> Result<(), ApiError> {
    let mut keys = BTreeSet::new();
    for tag in tags {
        let value = tag.value.as_deref().unwrap_or_default();
        if tag.key.is_empty() || tag.key.chars().count() > LONGEST_KEY {
            return Err(invalid_value("A tag key must have between 1 and 128 characters."));
        }
        if value.chars().count() > LONGEST_VALUE {
            return Err(invalid_value("A tag value must have at most 256 characters."));
        }
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid_value("Tag keys that begin with aws: are reserved."));
        }
        if !keys.insert(&tag.key) {
            return Err(invalid_value(format!(
                "The tag key {} is given more than once.",
                tag.key
            )));
        }
    }
    check_number(tags)
}

fn check_number(tags: &[Tag]) -> Result<(), ApiError> {
    if tags.len() > MOST {
        let message = format!("A resource can have at most {MOST} tags.");
        return Err(ApiError::bad_request("TagQuotaPerResourceExceeded", message));
    }
    Ok(())
}

fn list(env: &mut Env<'_>, input: ListTagsForResource) -> Result<TagList, ApiError> {
    let (tags, _) = tags_of(env, &input.resource_name)?;
    Ok(TagList { tag_list: tags.clone() })
}

fn add(env: &mut Env<'_>, input: AddTagsToResource) -> Result<TagList, ApiError> {
    let new = input.tags.unwrap_or_default();
    check_tags(&new)?;
    change(env, &input.resource_name, |tags| {
        tags.retain(|old| new.iter().all(|tag| tag.key != old.key));
        tags.extend(new);
        check_number(tags)
    })
}

fn remove(env: &mut Env<'_>, input: RemoveTagsFromResource) -> Result<TagList, ApiError> {
    let keys = input.tag_keys.unwrap_or_default();
    change(env, &input.resource_name, |tags| {
        if let Some(missing) = keys.iter().find(|key| tags.iter().all(|tag| tag.key != **key)) {
            return Err(ApiError::not_found("TagNotFound", format!("Tag {missing} not found.")));
        }
        tags.retain(|tag| !keys.contains(&tag.key));
        Ok(())
    })
}

/// Changes tags; on AWS that makes a user `modifying` for a while (terraform-provider-aws#47638).
fn change(
    env: &mut Env<'_>,
    arn: &str,
    edit: impl FnOnce(&mut Vec<Tag>) -> Result<(), ApiError>,
) -> Result<TagList, ApiError> {
    let (tags, user) = tags_of(env, arn)?;
    let mut tag_list = tags.clone();
    edit(&mut tag_list)?;
    tags.clone_from(&tag_list);
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
    Ok(TagList { tag_list })
}

/// The tags of the thing that an ARN names, with the user's id if it is a user.
fn tags_of<'a>(env: &'a mut Env<'_>, arn: &str) -> Result<(&'a mut Vec<Tag>, Option<String>), ApiError> {
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
    match *kind {
        "user" => {
            // Also while the user is modifying (same issue): 404 with this text.
            let busy = || ApiError::not_found("UserNotFound", format!("{arn} is not available for tagging"));
            let user = cache.users.get_mut(*id).filter(|user| user.change.is_none());
            let user = user.ok_or_else(busy)?;
            Ok((&mut user.tags, Some(user.id.clone())))
        }
        "usergroup" => {
            let group = cache.groups.get_mut(*id).ok_or_else(|| group_not_found(id))?;
            Ok((&mut group.tags, None))
        }
        "replicationgroup" => {
            let group = cache.caches.get_mut(*id).ok_or_else(|| cache_not_found(id))?;
            Ok((&mut group.tags, None))
        }
        "serverlesscache" => {
            let found = cache.serverless.get_mut(*id).ok_or_else(|| serverless_not_found(id))?;
            Ok((&mut found.tags, None))
        }
        _ => Err(invalid_value(
            "The sandbox keeps tags of users, user groups, replication groups and serverless caches only.",
        )),
    }
}
