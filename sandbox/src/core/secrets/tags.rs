//! TagResource and UntagResource.

use serde::{Deserialize, Serialize};

use super::errors::invalid_parameter;
use super::model::SecretTag;
use crate::core::operation::Env;
use crate::error::ApiError;

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
    edit(env, &input.secret_id, |tags| {
        for tag in input.tags {
            match tags.iter_mut().find(|old| old.key == tag.key) {
                Some(old) => *old = tag,
                None => tags.push(tag),
            }
        }
    })
}

fn untag(env: &mut Env<'_>, input: UntagResource) -> Result<Nothing, ApiError> {
    edit(env, &input.secret_id, |tags| {
        tags.retain(|tag| !input.tag_keys.contains(&tag.key));
    })
}

fn edit(env: &mut Env<'_>, id: &str, change: impl FnOnce(&mut Vec<SecretTag>)) -> Result<Nothing, ApiError> {
    let now = env.now;
    let secret = env.account.writable_secret(id)?;
    let mut tags = secret.tags.clone();
    change(&mut tags);
    if tags.len() > 50 {
        return Err(invalid_parameter("A secret can have at most 50 tags."));
    }
    secret.tags = tags;
    // Tags count as a change (botocore model, LastChangedDate).
    secret.changed = now;
    env.account.touch();
    Ok(Nothing {})
}
