//! CreateServerlessCache, ModifyServerlessCache and DeleteServerlessCache.
//!
//! A serverless cache has one endpoint and any number of nodes behind it that nobody sees. Where a
//! connection leads, the cache decides.

use serde::{Deserialize, Serialize};

use super::create_user::{check_id, engine};
use super::errors::{invalid_combination, missing, serverless_not_found};
use super::events::Source;
use super::lenient;
use super::model::{Owner, ServerlessCache, Tag};
use super::replication::check_groups;
use super::show_serverless::ServerlessCacheOutput;
use super::tags::check_tags;
use crate::core::account::NodeUpdate;
use crate::core::operation::Env;
use crate::error::ApiError;

/// The ports of a serverless cache on AWS: for writing, and for reading only (ElastiCache guide).
const PORT: u16 = 6379;
const READER_PORT: u16 = 6380;

/// Makes a serverless cache.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateServerlessCache {
    /// Its name, which is kept in small letters.
    pub serverless_cache_name: String,
    /// `redis` or `valkey`.
    pub engine: String,
    /// Shown, and nothing else.
    pub major_engine_version: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whose users it knows.
    pub user_group_id: Option<String>,
    /// Tags.
    #[serde(deserialize_with = "lenient::list")]
    pub tags: Option<Vec<Tag>>,
}

/// Changes a serverless cache.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ModifyServerlessCache {
    /// Which cache.
    pub serverless_cache_name: String,
    /// What it is for from now on.
    pub description: Option<String>,
    /// Whose users it knows from now on.
    pub user_group_id: Option<String>,
    /// Whether it is to know no users and let everybody in.
    #[serde(deserialize_with = "lenient::flag")]
    pub remove_user_group: Option<bool>,
}

/// Deletes a serverless cache.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteServerlessCache {
    /// Which cache.
    pub serverless_cache_name: String,
}

/// The reply of the operations on one serverless cache.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OneServerlessCache {
    /// The cache.
    pub serverless_cache: ServerlessCacheOutput,
}

super::elasticache!(CreateServerlessCache => OneServerlessCache, "CreateServerlessCache", mutates: true,
    |c| Some(&c.serverless_cache_name), create, tags: |c| Tag::pairs(c.tags.iter().flatten()));
super::elasticache!(ModifyServerlessCache => OneServerlessCache, "ModifyServerlessCache", mutates: true,
    |m| Some(&m.serverless_cache_name), modify);
super::elasticache!(DeleteServerlessCache => OneServerlessCache, "DeleteServerlessCache", mutates: true,
    |d| Some(&d.serverless_cache_name), delete);

fn create(env: &mut Env<'_>, input: CreateServerlessCache) -> Result<OneServerlessCache, ApiError> {
    let name = input.serverless_cache_name.to_ascii_lowercase();
    if name.is_empty() {
        return Err(missing("ServerlessCacheName"));
    }
    if input.engine.is_empty() {
        return Err(missing("Engine"));
    }
    check_id("ServerlessCacheName", &name)?;
    if env.account.cache.serverless.contains_key(&name) {
        return Err(ApiError::bad_request(
            "ServerlessCacheAlreadyExistsFault",
            format!("Serverless cache {name} already exists."),
        ));
    }
    let engine = engine(&input.engine)?;
    check_groups(&env.account.cache, &engine, input.user_group_id.as_slice(), true)?;
    let tags = input.tags.unwrap_or_default();
    check_tags(&tags)?;
    // The engine's present version on AWS; nothing depends on it.
    let version = if engine == "valkey" { "8" } else { "7" };
    // A dot cannot be in the name of a node that is not hidden.
    let nodes: Vec<String> = (1..=env.settings.serverless_nodes.max(1))
        .map(|n| format!("{name}.node-{n}"))
        .collect();
    let cache = ServerlessCache {
        arn: env.account.cache_arn("serverlesscache", &name),
        host: env.host(&format!("{name}.serverless")),
        name: name.clone(),
        description: input.description.unwrap_or_default(),
        engine,
        major_version: input.major_engine_version.unwrap_or_else(|| version.to_owned()),
        status: "CREATING",
        user_group_id: input.user_group_id,
        port: 0,
        reader_port: 0,
        nodes: nodes.clone(),
        led: 0,
        created: env.now,
        tags,
    };
    env.account.cache.serverless.insert(name.clone(), cache);
    start_nodes(env, &name, &nodes);
    env.note(
        Source::ServerlessCache,
        &name,
        format!("Serverless cache {name} created"),
    );
    env.account.touch();
    reply(env, &name, "CREATING")
}

/// Lists the nodes of a new cache, has them come up, and opens the endpoint before them.
fn start_nodes(env: &mut Env<'_>, name: &str, nodes: &[String]) {
    let owner = Owner::Serverless(name.to_owned());
    for node in nodes {
        env.list_node(node, &owner, 0);
    }
    for node in nodes {
        env.begin_node(node);
    }
    open_endpoint(env, &owner, nodes);
    env.regroup(&owner, &[]);
}

pub(crate) fn open_endpoint(env: &mut Env<'_>, owner: &Owner, nodes: &[String]) {
    if env.account.live {
        let nodes = nodes.iter().map(|node| env.account.node_key(node)).collect();
        let cache = env.account.cache_key(owner);
        env.account.outbox.push(NodeUpdate::OpenEndpoint { cache, nodes });
    } else {
        env.endpoint_opened(owner, PORT, READER_PORT);
    }
}

fn modify(env: &mut Env<'_>, input: ModifyServerlessCache) -> Result<OneServerlessCache, ApiError> {
    let name = input.serverless_cache_name.to_ascii_lowercase();
    let cache = changeable(env, &name)?;
    let remove = input.remove_user_group == Some(true);
    if remove && input.user_group_id.is_some() {
        return Err(invalid_combination(
            "UserGroupId and RemoveUserGroup can't be given together.",
        ));
    }
    check_groups(&env.account.cache, &cache.engine, input.user_group_id.as_slice(), true)?;
    let before = cache.user_group_id.clone();
    let wanted = if remove {
        None
    } else {
        input.user_group_id.or(before.clone())
    };
    let regrouped = wanted != before;
    if let Some(cache) = env.account.cache.serverless.get_mut(&name) {
        cache.user_group_id = wanted;
        cache.description = input.description.unwrap_or(std::mem::take(&mut cache.description));
    }
    if regrouped {
        env.regroup(&Owner::Serverless(name.clone()), before.as_slice());
    }
    env.note(
        Source::ServerlessCache,
        &name,
        format!("Serverless cache {name} modified"),
    );
    env.account.touch();
    reply(env, &name, "MODIFYING")
}

fn delete(env: &mut Env<'_>, input: DeleteServerlessCache) -> Result<OneServerlessCache, ApiError> {
    let name = input.serverless_cache_name.to_ascii_lowercase();
    let nodes = changeable(env, &name)?.nodes.clone();
    let output = reply(env, &name, "DELETING")?;
    let owner = Owner::Serverless(name.clone());
    env.account.cache.serverless.remove(&name);
    for node in &nodes {
        env.forget_node(node);
        if env.account.live {
            let node = env.account.node_key(node);
            env.account.outbox.push(NodeUpdate::Remove { node });
        }
    }
    if env.account.live {
        let cache = env.account.cache_key(&owner);
        env.account.outbox.push(NodeUpdate::Disband { cache });
    }
    env.note(
        Source::ServerlessCache,
        &name,
        format!("Serverless cache {name} deleted"),
    );
    env.account.touch();
    Ok(output)
}

/// The cache, if it may be changed or deleted now.
fn changeable<'a>(env: &'a Env<'_>, name: &str) -> Result<&'a ServerlessCache, ApiError> {
    let cache = env.account.cache.serverless.get(name);
    let cache = cache.ok_or_else(|| serverless_not_found(name))?;
    if cache.status == "CREATING" {
        return Err(ApiError::bad_request(
            "InvalidServerlessCacheStateFault",
            format!("Serverless cache {name} has status {}, not AVAILABLE.", cache.status),
        ));
    }
    Ok(cache)
}

fn reply(env: &Env<'_>, name: &str, status: &str) -> Result<OneServerlessCache, ApiError> {
    let cache = env.account.cache.serverless.get(name);
    let mut output = ServerlessCacheOutput::of(cache.ok_or_else(|| serverless_not_found(name))?);
    status.clone_into(&mut output.status);
    Ok(OneServerlessCache {
        serverless_cache: output,
    })
}
