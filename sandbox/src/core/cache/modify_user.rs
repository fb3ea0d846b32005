//! ModifyUser.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::access_string;
use super::create_user::engine;
use super::describe_users::UserOutput;
use super::errors::{invalid_user_state, invalid_value, missing, user_not_found};
use super::events::Source;
use super::groups::check_engine;
use super::lenient;
use super::model::{AuthType, Stale, User};
use super::passwords::{Authentication, AuthenticationMode, Wish};
use crate::core::operation::Env;
use crate::error::ApiError;
use crate::sensitive::Sensitive;

/// Changes a user. Given passwords replace all that it had.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ModifyUser {
    /// Which user.
    pub user_id: String,
    /// A new access string.
    pub access_string: Option<String>,
    /// Rules to put at the end of the access string.
    pub append_access_string: Option<String>,
    /// Up to two passwords, instead of all that the user had.
    #[serde(deserialize_with = "lenient::list")]
    pub passwords: Option<Vec<Sensitive>>,
    /// Whether it needs no password.
    #[serde(deserialize_with = "lenient::flag")]
    pub no_password_required: Option<bool>,
    /// The newer way to say how it authenticates.
    pub authentication_mode: Option<AuthenticationMode>,
    /// Another engine.
    pub engine: Option<String>,
}

super::elasticache!(ModifyUser => UserOutput, "ModifyUser", mutates: true, |m| Some(&m.user_id), modify);

fn modify(env: &mut Env<'_>, input: ModifyUser) -> Result<UserOutput, ApiError> {
    if input.user_id.is_empty() {
        return Err(missing("UserId"));
    }
    let id = input.user_id.to_ascii_lowercase();
    let user = modifiable(env, &id)?;
    let access = new_access_string(user, &input)?;
    let engine = input.engine.as_deref().map(engine).transpose()?;
    let wish = Wish {
        passwords: input.passwords,
        no_password_required: input.no_password_required,
        mode: input.authentication_mode,
    };
    let auth = wish.resolve(env.settings)?;
    if auth.as_ref().is_some_and(|a| a.kind == AuthType::Iam) && user.id != user.name {
        return Err(invalid_value(
            "UserId and UserName must be the same for users with IAM authentication.",
        ));
    }
    check_groups(env, user, engine.as_deref(), auth.as_ref())?;
    let same = auth
        .as_ref()
        .is_some_and(|auth| unchanged(user, access.as_ref(), engine.as_ref(), auth));
    if same && !env.settings.doubts.unchanged_passwords_modify {
        return UserOutput::truth(env, &id);
    }
    let stale = Stale {
        until: env.after(env.settings.stale_active_ms),
        auth: user.auth,
        password_count: user.passwords.len(),
        access_string: user.access_string.clone(),
    };
    if let Some(user) = env.account.cache.users.get_mut(&id) {
        change(user, access, engine, auth);
        user.stale = Some(stale);
    }
    env.begin_change(&id, &BTreeSet::new(), false);
    env.note(Source::User, &id, format!("User {id} modified"));
    UserOutput::truth(env, &id)
}

/// The user, if it may be modified now.
fn modifiable<'a>(env: &'a Env<'_>, id: &str) -> Result<&'a User, ApiError> {
    let user = env.account.cache.users.get(id).ok_or_else(|| user_not_found(id))?;
    // ElastiCache RBAC guide: the user with the id `default` cannot be modified. The code is the
    // one of the operation's modelled errors that fits.
    if id == "default" {
        return Err(invalid_value("The default user can't be modified."));
    }
    if user.change.is_some() {
        return Err(invalid_user_state(id, user.status()));
    }
    env.check_collision(id)?;
    Ok(user)
}

/// Whether the user still fits its groups: a redis group takes no valkey user, a valkey group none without password;
/// and a valkey user needs one in any case.
fn check_groups(
    env: &Env<'_>,
    user: &User,
    engine: Option<&str>,
    auth: Option<&Authentication>,
) -> Result<(), ApiError> {
    let mut wanted = user.clone();
    wanted.engine = engine.unwrap_or(&user.engine).to_owned();
    wanted.auth = auth.map_or(user.auth, |auth| auth.kind);
    if wanted.engine == "valkey" {
        check_engine("valkey", &wanted)?;
    }
    let mut groups = env.account.cache.groups_of(&user.id);
    groups.try_for_each(|group| check_engine(&group.engine, &wanted))
}

fn new_access_string(user: &User, input: &ModifyUser) -> Result<Option<String>, ApiError> {
    match (&input.access_string, &input.append_access_string) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(super::errors::invalid_combination(
            "AccessString and AppendAccessString can't be given together.",
        )),
        (Some(text), None) => access_string::normalise(text).map(Some),
        (None, Some(more)) => access_string::normalise(&format!("{} {more}", user.access_string)).map(Some),
    }
}

/// Whether a request that speaks of authentication asks for nothing new.
fn unchanged(user: &User, access: Option<&String>, engine: Option<&String>, auth: &Authentication) -> bool {
    access.is_none_or(|access| *access == user.access_string)
        && engine.is_none_or(|engine| *engine == user.engine)
        && auth.kind == user.auth
        && auth.passwords.len() == user.passwords.len()
        && auth.passwords.iter().all(|password| user.passwords.contains(password))
}

fn change(user: &mut User, access: Option<String>, engine: Option<String>, auth: Option<Authentication>) {
    if let Some(access) = access {
        user.access_string = access;
    }
    if let Some(engine) = engine {
        user.engine = engine;
    }
    if let Some(auth) = auth {
        user.auth = auth.kind;
        user.passwords = auth.passwords;
    }
}
