//! CreateUser.

use serde::Deserialize;

use super::access_string;
use super::describe_users::UserOutput;
use super::errors::{invalid_combination, invalid_value, missing};
use super::events::Source;
use super::lenient;
use super::model::{AuthType, CacheState, Tag, User};
use super::passwords::{AuthenticationMode, Wish};
use super::tags::check_tags;
use crate::core::operation::Env;
use crate::error::ApiError;
use crate::sensitive::Sensitive;

/// Users of an account and region (ElastiCache quotas page).
const MAX_USERS: usize = 1_000;

/// Makes a user.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateUser {
    /// Its id.
    pub user_id: String,
    /// The name that it logs in with.
    pub user_name: String,
    /// `redis` or `valkey`, in any case.
    pub engine: String,
    /// Up to two passwords.
    #[serde(deserialize_with = "lenient::list")]
    pub passwords: Option<Vec<Sensitive>>,
    /// What it may do.
    pub access_string: String,
    /// Whether it needs no password.
    #[serde(deserialize_with = "lenient::flag")]
    pub no_password_required: Option<bool>,
    /// The newer way to say how it authenticates.
    pub authentication_mode: Option<AuthenticationMode>,
    /// Tags.
    #[serde(deserialize_with = "lenient::list")]
    pub tags: Option<Vec<Tag>>,
}

super::elasticache!(CreateUser => UserOutput, "CreateUser", mutates: true, |c| Some(&c.user_id), create,
    tags: |c| Tag::pairs(c.tags.iter().flatten()));

fn create(env: &mut Env<'_>, mut input: CreateUser) -> Result<UserOutput, ApiError> {
    // The model: the id is kept in small letters.
    input.user_id.make_ascii_lowercase();
    check_names(&input)?;
    let engine = engine(&input.engine)?;
    let wish = Wish {
        passwords: input.passwords,
        no_password_required: input.no_password_required,
        mode: input.authentication_mode,
    };
    let auth = wish.resolve(env.settings)?.ok_or_else(|| {
        // Text from moto.
        invalid_value(
            "No password was provided. If you want to create/update the user without password, \
             please use the NoPasswordRequired flag.",
        )
    })?;
    if auth.kind == AuthType::Iam && input.user_id != input.user_name {
        return Err(invalid_value(
            "UserId and UserName must be the same for users with IAM authentication.",
        ));
    }
    if engine == "valkey" && auth.kind == AuthType::NoPassword {
        return Err(invalid_combination(
            "Users of engine valkey must authenticate with a password or with IAM.",
        ));
    }
    let access_string = access_string::normalise(&input.access_string)?;
    check_free(&env.account.cache, &input.user_id)?;
    let tags = input.tags.unwrap_or_default();
    check_tags(&tags)?;
    let user = User {
        arn: env.account.cache_arn("user", &input.user_id),
        id: input.user_id,
        name: input.user_name,
        engine,
        access_string,
        auth: auth.kind,
        passwords: auth.passwords,
        tags,
        revision: 0,
        change: None,
        stale: None,
    };
    let id = user.id.clone();
    env.account.cache.users.insert(id.clone(), user);
    env.note(Source::User, &id, format!("User {id} created"));
    env.account.touch();
    UserOutput::truth(env, &id)
}

/// The id is new and there is room.
fn check_free(cache: &CacheState, id: &str) -> Result<(), ApiError> {
    let users = &cache.users;
    if users.contains_key(id) {
        return Err(ApiError::bad_request(
            "UserAlreadyExists",
            format!("User {id} already exists."),
        ));
    }
    if users.len() >= MAX_USERS {
        return Err(ApiError::bad_request(
            "UserQuotaExceeded",
            format!("The limit of {MAX_USERS} users has been reached."),
        ));
    }
    Ok(())
}

fn check_names(input: &CreateUser) -> Result<(), ApiError> {
    for (name, value) in [
        ("UserId", &input.user_id),
        ("UserName", &input.user_name),
        ("Engine", &input.engine),
        ("AccessString", &input.access_string),
    ] {
        if value.is_empty() {
            return Err(missing(name));
        }
    }
    // Redis takes no such name, and a user that it does not take would keep a cache from coming up.
    if input.user_name.contains(|c: char| c.is_whitespace() || c == '\0') {
        return Err(invalid_value("The parameter UserName must not contain white space."));
    }
    check_id("UserId", &input.user_id)
}

/// The pattern of the botocore model: a letter, then letters, digits and hyphens.
pub(crate) fn check_id(parameter: &str, id: &str) -> Result<(), ApiError> {
    let good =
        id.starts_with(|c: char| c.is_ascii_alphabetic()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if good {
        Ok(())
    } else {
        Err(invalid_value(format!(
            "The parameter {parameter} must begin with a letter and contain only letters, digits and hyphens."
        )))
    }
}

/// The lowest version of an engine that knows users (ElastiCache RBAC guide).
pub(crate) fn minimum_version(engine: &str) -> &'static str {
    if engine == "valkey" { "7.2" } else { "6.0" }
}

/// Engines are sent in any case and come back in small letters.
pub(crate) fn engine(text: &str) -> Result<String, ApiError> {
    match text.to_ascii_lowercase().as_str() {
        engine @ ("redis" | "valkey") => Ok(engine.to_owned()),
        _ => Err(invalid_value("Engine must be redis or valkey.")),
    }
}
