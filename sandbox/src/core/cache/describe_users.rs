//! DescribeUsers, and what a user looks like from outside.

use serde::{Deserialize, Serialize};

use super::create_user::minimum_version;
use super::errors::{invalid_combination, user_not_found};
use super::lenient;
use super::model::{AuthType, User};
use super::paging::{Bounds, page};
use crate::core::operation::{Env, later};
use crate::error::ApiError;
use crate::settings::NoPasswordSpelling;

/// A user as replies show it: no password, only how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserOutput {
    /// Its id.
    pub user_id: String,
    /// The name that it logs in with.
    pub user_name: String,
    /// `active`, `modifying` or `deleting`.
    pub status: String,
    /// `redis` or `valkey`.
    pub engine: String,
    /// The lowest engine version that knows users.
    pub minimum_engine_version: String,
    /// What it may do, in AWS's order.
    pub access_string: String,
    /// The groups that it is in.
    pub user_group_ids: Vec<String>,
    /// How it authenticates.
    pub authentication: AuthenticationOutput,
    /// Its ARN, which ends in its id.
    #[serde(rename = "ARN")]
    pub arn: String,
}

/// How a user authenticates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AuthenticationOutput {
    /// `password`, `no-password` or `iam`.
    pub r#type: String,
    /// How many passwords it has, if it is of the kind that has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_count: Option<usize>,
}

impl UserOutput {
    /// The user as it is now.
    pub(crate) fn truth(env: &Env<'_>, id: &str) -> Result<Self, ApiError> {
        let user = env.account.cache.users.get(id).ok_or_else(|| user_not_found(id))?;
        let count = user.passwords.len();
        Ok(Self::build(
            env,
            user,
            user.status(),
            (user.auth, count, &user.access_string),
        ))
    }

    /// The user as DescribeUsers shows it, which may be late.
    fn shown(env: &Env<'_>, user: &User) -> Self {
        if let Some(stale) = user.stale.as_ref().filter(|stale| env.now < stale.until) {
            let seen = (stale.auth, stale.password_count, &stale.access_string);
            return Self::build(env, user, "active", seen);
        }
        let lagging = user
            .change
            .as_ref()
            .is_some_and(|change| !change.deleting && env.now < later(change.started, env.settings.modifying_lag_ms));
        let status = if lagging { "active" } else { user.status() };
        let seen = (user.auth, user.passwords.len(), &user.access_string);
        Self::build(env, user, status, seen)
    }

    fn build(
        env: &Env<'_>,
        user: &User,
        status: &str,
        (auth, count, access_string): (AuthType, usize, &String),
    ) -> Self {
        let groups = env.account.cache.groups_of(&user.id);
        Self {
            user_id: user.id.clone(),
            user_name: user.name.clone(),
            status: status.to_owned(),
            engine: user.engine.clone(),
            minimum_engine_version: minimum_version(&user.engine).to_owned(),
            access_string: access_string.clone(),
            user_group_ids: groups.map(|group| group.id.clone()).collect(),
            authentication: AuthenticationOutput {
                r#type: spelled(auth, env.settings.doubts.no_password_spelling).to_owned(),
                password_count: (auth == AuthType::Password).then_some(count),
            },
            arn: user.arn.clone(),
        }
    }
}

/// How replies name a way to authenticate. (Requests say `no-password-required`.)
fn spelled(auth: AuthType, no_password: NoPasswordSpelling) -> &'static str {
    match (auth, no_password) {
        (AuthType::Password, _) => "password",
        (AuthType::Iam, _) => "iam",
        (AuthType::NoPassword, NoPasswordSpelling::Hyphen) => "no-password",
        (AuthType::NoPassword, NoPasswordSpelling::Underscore) => "no_password",
    }
}

/// Shows users.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DescribeUsers {
    /// Only this one.
    pub user_id: Option<String>,
    /// Only of this engine.
    pub engine: Option<String>,
    /// Only those that pass all filters.
    #[serde(deserialize_with = "lenient::list")]
    pub filters: Option<Vec<Filter>>,
    /// Where the last page ended.
    pub marker: Option<String>,
    /// How many on a page.
    #[serde(deserialize_with = "lenient::number")]
    pub max_records: Option<i64>,
}

/// A filter: passes what has one of the values.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Filter {
    /// What to look at, such as `user-id`.
    pub name: String,
    /// What to look for.
    #[serde(default)]
    pub values: Vec<String>,
}

/// One page of users.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeUsersOutput {
    /// The users.
    pub users: Vec<UserOutput>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

super::elasticache!(DescribeUsers => DescribeUsersOutput, "DescribeUsers", mutates: false,
    |d| d.user_id.as_deref(), describe);

fn describe(env: &mut Env<'_>, input: DescribeUsers) -> Result<DescribeUsersOutput, ApiError> {
    let users = &env.account.cache.users;
    let chosen: Vec<&User> = match &input.user_id.map(|id| id.to_ascii_lowercase()) {
        Some(id) => vec![users.get(id).ok_or_else(|| user_not_found(id))?],
        None => users.values().collect(),
    };
    let filters = input.filters.unwrap_or_default();
    let mut passed = Vec::new();
    for user in chosen {
        let engine = input.engine.as_ref();
        if engine.is_none_or(|e| user.engine.eq_ignore_ascii_case(e)) && passes(env, user, &filters)? {
            passed.push(user);
        }
    }
    let (page, marker) = page(
        passed,
        input.marker.as_deref(),
        &Bounds::undocumented(input.max_records),
        |user| user.id.clone(),
    )?;
    Ok(DescribeUsersOutput {
        users: page.into_iter().map(|user| UserOutput::shown(env, user)).collect(),
        marker,
    })
}

/// Filter names are not enumerated anywhere; these follow the fields, spelled either way.
fn passes(env: &Env<'_>, user: &User, filters: &[Filter]) -> Result<bool, ApiError> {
    for filter in filters {
        if filter.values.is_empty() {
            return Err(invalid_combination(format!(
                "The filter {} has no values.",
                filter.name
            )));
        }
        let name = filter.name.to_ascii_lowercase().replace(['-', '_'], "");
        let any = |value: &str| filter.values.iter().any(|v| v == value);
        let pass = match name.as_str() {
            "userid" => any(&user.id),
            "username" => any(&user.name),
            "engine" => any(&user.engine),
            "status" => any(&UserOutput::shown(env, user).status),
            "usergroupid" => env.account.cache.groups_of(&user.id).any(|g| any(&g.id)),
            _ => {
                return Err(invalid_combination(format!("Invalid filter name: {}", filter.name)));
            }
        };
        if !pass {
            return Ok(false);
        }
    }
    Ok(true)
}
