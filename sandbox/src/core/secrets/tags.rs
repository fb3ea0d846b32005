//! TagResource and UntagResource.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::errors::invalid_parameter;
use super::limits;
use super::model::SecretTag;
use crate::core::operation::Env;
use crate::error::ApiError;

/// How many tags a secret can have.
const MAX_TAGS: usize = 50;

/// Nothing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Nothing {}

/// Adds tags to a secret.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TagResource {
    /// Which secret.
    pub secret_id: String,
    /// The tags; one with a key that is there already replaces it.
    pub tags: Vec<SecretTag>,
}

/// Takes tags off a secret.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UntagResource {
    /// Which secret.
    pub secret_id: String,
    /// The keys.
    pub tag_keys: Vec<String>,
}

super::secretsmanager!(TagResource => Nothing, "TagResource", mutates: true, |t| Some(&t.secret_id), tag,
    tags: |t| SecretTag::pairs(&t.tags));
super::secretsmanager!(UntagResource => Nothing, "UntagResource", mutates: true, |t| Some(&t.secret_id), untag);

fn tag(env: &mut Env<'_>, input: TagResource) -> Result<Nothing, ApiError> {
    check(&input.tags)?;
    edit(env, &input.secret_id, |tags| {
        *tags = merged(std::mem::take(tags), input.tags)
    })
}

/// Tags with others added; one with a key that is there already replaces it.
pub(crate) fn merged(mut tags: Vec<SecretTag>, added: Vec<SecretTag>) -> Vec<SecretTag> {
    for tag in added {
        match tags.iter_mut().find(|old| old.key == tag.key) {
            Some(old) => *old = tag,
            None => tags.push(tag),
        }
    }
    tags
}

/// Refuses tags that a secret cannot be given (botocore model, `TagKeyType`, `TagValueType`; Secrets Manager quotas for
/// their number; AWS's rules for tags reserve the prefix).
pub(crate) fn check<'a>(tags: impl IntoIterator<Item = &'a SecretTag>) -> Result<(), ApiError> {
    let mut keys = BTreeSet::new();
    for SecretTag { key, value } in tags {
        limits::length("A tag's key", Some(key), 1..=128)?;
        limits::length("A tag's value", Some(value), 0..=256)?;
        check_prefix(key)?;
        keys.insert(key);
    }
    check_number(keys.len())
}

fn check_prefix(key: &str) -> Result<(), ApiError> {
    let reserved = key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    if reserved {
        return Err(invalid_parameter("Tag keys that begin with aws: are reserved."));
    }
    Ok(())
}

fn check_number(tags: usize) -> Result<(), ApiError> {
    if tags > MAX_TAGS {
        return Err(invalid_parameter("A secret can have at most 50 tags."));
    }
    Ok(())
}

fn untag(env: &mut Env<'_>, input: UntagResource) -> Result<Nothing, ApiError> {
    for key in &input.tag_keys {
        limits::length("A tag's key", Some(key), 1..=128)?;
        check_prefix(key)?;
    }
    edit(env, &input.secret_id, |tags| {
        tags.retain(|tag| !input.tag_keys.contains(&tag.key));
    })
}

fn edit(env: &mut Env<'_>, id: &str, change: impl FnOnce(&mut Vec<SecretTag>)) -> Result<Nothing, ApiError> {
    let now = env.now;
    let secret = env.account.writable_secret(id)?;
    let mut tags = secret.tags.clone();
    change(&mut tags);
    check_number(tags.len())?;
    if secret.tags == tags {
        return Ok(Nothing {});
    }
    secret.tags = tags;
    // Tags count as a change (botocore model, LastChangedDate).
    secret.changed = now;
    env.account.touch();
    Ok(Nothing {})
}
