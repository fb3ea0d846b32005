//! Actions in words: for a dry run, for progress and for reports.

use std::collections::BTreeMap;

use serde::Serialize;

use super::plan::{Action, FirstPassword};
use super::request::Request;

/// One step of a plan, as reports show it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Step {
    /// The AWS operations, in their order.
    pub calls: Vec<&'static str>,
    /// What they are about: a user, a secret or a group.
    pub on: String,
    /// What they do to it.
    pub detail: String,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.calls.join(", "), self.on, self.detail)
    }
}

/// An action in words.
pub fn words(action: &Action, request: &Request) -> Step {
    let (user, secret) = (&request.user_id, &request.secret);
    let on = match action {
        Action::CreateUser { .. } | Action::SetAccessString { .. } => user,
        Action::AddToGroup { group } => group,
        _ => secret,
    };
    Step {
        calls: calls(action),
        on: on.clone(),
        detail: detail(action, request),
    }
}

fn calls(action: &Action) -> Vec<&'static str> {
    match action {
        Action::CreateUser { .. } => vec!["CreateUser"],
        Action::CreateSecret { .. } => vec!["CreateSecret"],
        Action::CompleteDocument { .. } => vec!["PutSecretValue", "UpdateSecretVersionStage"],
        Action::TagSecret { .. } => vec!["TagResource"],
        Action::Rotate { .. } => vec!["PutSecretValue", "ModifyUser", "UpdateSecretVersionStage"],
        Action::AddToGroup { .. } => vec!["ModifyUserGroup"],
        Action::SetAccessString { .. } => vec!["ModifyUser"],
    }
}

fn detail(action: &Action, request: &Request) -> String {
    let user = &request.user_id;
    match action {
        Action::CreateUser {
            name,
            engine,
            access_string,
            password,
        } => {
            let (with, tags) = (with(*password), tags(&request.tags));
            format!("named {name}, engine {engine}, {access_string:?}, {with}{tags}")
        }
        Action::CreateSecret { user_name, password } => {
            let key = request.kms_key_id.as_ref();
            let key = key.map_or_else(String::new, |key| format!(", key {key}"));
            let (with, tags) = (with(*password), tags(&request.tags));
            format!("bound to user {user} named {user_name}, {with}{key}{tags}")
        }
        Action::CompleteDocument { keys, .. } => {
            let keys = keys.join(", ");
            format!("writes {keys} beside what it holds, in a new current version")
        }
        Action::TagSecret { tags } => self::tags(tags).trim_start_matches(", ").to_owned(),
        Action::Rotate { on_request: true } => {
            "first rotation; the password from before goes on working for the overlap".to_owned()
        }
        Action::Rotate { on_request: false } => "first rotation; the user gets its first password".to_owned(),
        Action::AddToGroup { .. } => format!("adds user {user}"),
        Action::SetAccessString { access_string } => {
            format!("access string {access_string:?}; its passwords stay")
        }
    }
}

fn with(password: FirstPassword) -> &'static str {
    match password {
        FirstPassword::None => "without a password",
        FirstPassword::Known => "with the password that you gave",
        FirstPassword::MadeUp => "with a password made up for now",
        FirstPassword::OfSecret => "with the secret's password",
    }
}

fn tags(tags: &BTreeMap<String, String>) -> String {
    let tags: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    match tags.is_empty() {
        true => String::new(),
        false => format!(", tags {}", tags.join(", ")),
    }
}
