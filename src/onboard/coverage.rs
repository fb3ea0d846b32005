//! Whether the configuration covers a secret and its user, and the lines that it lacks.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Config;
use crate::policy::{Policy, Selection};

use super::refusal::Refusal;

/// What to do with the lines of a policy that is not there.
pub const ADD: &str = "add these lines to the configuration";

/// The policy of that name, if it has the secret, alone, and allows the user.
///
/// # Errors
/// [`Refusal::NotConfigured`] with the TOML that would cover it; [`Refusal::Secret`] where two policies have it.
pub fn covering<'a>(
    config: &'a Config,
    policy: &str,
    user_id: &str,
    secret: &str,
    tags: &BTreeMap<String, String>,
) -> Result<&'a Policy, Refusal> {
    let Some(found) = config.policies.get(policy) else {
        check_policy_name(policy).map_err(Refusal::Request)?;
        let known: Vec<&str> = config.policies.keys().map(String::as_str).collect();
        return Err(Refusal::NotConfigured {
            problem: format!("no policy is called {policy:?} (known: {})", known.join(", ")),
            remedy: ADD.to_owned(),
            lines: new_policy(config, policy, user_id, secret),
        });
    };
    let (has, allows) = (has(&found.selection, secret, tags), found.allows_user(user_id));
    if !has || !allows {
        let problem = match (has, allows) {
            (false, true) => format!("policy {policy} does not select secret {secret}"),
            (true, false) => format!("policy {policy} does not allow user {user_id}"),
            _ => format!("policy {policy} neither selects secret {secret} nor allows user {user_id}"),
        };
        return Err(Refusal::NotConfigured {
            problem,
            remedy: format!("set this in [policy.{policy}], which is there already,"),
            lines: missing_lines(found, (!has).then_some(secret), (!allows).then_some(user_id)),
        });
    }
    let others = config
        .policies
        .values()
        .filter(|other| other.name != found.name && other.place == found.place);
    match others
        .map(|other| (other, self::has(&other.selection, secret, tags)))
        .find(|(_, has)| *has)
    {
        Some((other, _)) => Err(Refusal::secret(
            secret,
            format!(
                "policies {policy} and {} both have it; let only one name or select it",
                other.name
            ),
        )),
        None => Ok(found),
    }
}

/// Whether a selection has a secret of that name with those tags.
pub fn has(selection: &Selection, secret: &str, tags: &BTreeMap<String, String>) -> bool {
    let named = |name: &String| name == secret || crate::secret::secret_arn_name(name) == Some(secret);
    selection.secrets.iter().any(named) || selection.covers(secret, tags)
}

/// Whether a new policy can be printed under this name: a bare key of TOML.
///
/// # Errors
/// How such names are written.
pub fn check_policy_name(name: &str) -> Result<(), String> {
    let good = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    match !name.is_empty() && name.chars().all(good) {
        true => Ok(()),
        false => Err(format!(
            "{name:?} is no name for a new policy: ASCII letters, digits, - and _"
        )),
    }
}

/// The keys of a policy that is there, with what they lack.
fn missing_lines(policy: &Policy, secret: Option<&str>, user_id: Option<&str>) -> String {
    let mut lines = String::new();
    if let Some(secret) = secret {
        let known = policy.selection.secrets.iter().map(String::as_str);
        lines += &array("secrets", known.chain([secret]).collect());
    }
    if let Some(user_id) = user_id {
        let known = policy.allow_users.iter().map(|pattern| pattern.0.as_str());
        lines += &array("allow_users", known.chain([user_id]).collect());
    }
    lines
}

fn new_policy(config: &Config, policy: &str, user_id: &str, secret: &str) -> String {
    let place = config.places.keys().next().map_or("main", String::as_str);
    format!(
        "[policy.{policy}]\naws = {}\nschedule = \"30d\"\n{}{}",
        quoted(place),
        array("secrets", [secret].into()),
        array("allow_users", [user_id].into())
    )
}

/// A key with an array of texts, as TOML.
pub fn array(key: &str, texts: BTreeSet<&str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(quoted).collect();
    format!("{key} = [{}]\n", texts.join(", "))
}

/// A text as TOML writes it.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
