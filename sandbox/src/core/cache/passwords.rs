//! Which passwords a user may have, and how a request says so.

use serde::Deserialize;

use super::errors::{invalid_combination, invalid_value};
use super::lenient;
use super::model::AuthType;
use crate::error::ApiError;
use crate::sensitive::Sensitive;
use crate::settings::{EqualPasswords, Settings};

/// The `AuthenticationMode` parameter.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AuthenticationMode {
    /// `password`, `no-password-required` or `iam`.
    pub r#type: Option<String>,
    /// Up to two passwords.
    #[serde(deserialize_with = "lenient::list")]
    pub passwords: Option<Vec<Sensitive>>,
}

/// The three ways in which a request can speak of authentication.
pub(crate) struct Wish {
    pub(crate) passwords: Option<Vec<Sensitive>>,
    pub(crate) no_password_required: Option<bool>,
    pub(crate) mode: Option<AuthenticationMode>,
}

/// How a user is to be authenticated.
pub(crate) struct Authentication {
    pub(crate) kind: AuthType,
    pub(crate) passwords: Vec<Sensitive>,
}

impl Wish {
    /// What is wished for; nothing when the request does not speak of it. Texts as moto has them.
    pub(crate) fn resolve(self, settings: &Settings) -> Result<Option<Authentication>, ApiError> {
        let no_password = self.no_password_required == Some(true);
        let given = self.passwords.filter(|list| !list.is_empty());
        let Some(mode) = self.mode else {
            return match (given, no_password) {
                (Some(_), true) => Err(invalid_combination(
                    "Passwords are not allowed together with NoPasswordRequired.",
                )),
                (Some(list), false) => with_passwords(list, settings).map(Some),
                (None, true) => Ok(Some(without(AuthType::NoPassword))),
                (None, false) => Ok(None),
            };
        };
        let listed = mode.passwords.filter(|list| !list.is_empty());
        if given.is_some() && listed.is_some() {
            return Err(invalid_combination(
                "Passwords provided via multiple arguments. Use only one argument",
            ));
        }
        let passwords = listed.or(given);
        let kind = mode.r#type.unwrap_or_default().to_ascii_lowercase();
        match (kind.as_str(), passwords) {
            ("password", _) if no_password => Err(invalid_combination(
                "NoPasswordRequired contradicts the authentication mode.",
            )),
            ("password", Some(list)) => with_passwords(list, settings).map(Some),
            ("password", None) => Err(invalid_combination(
                "A user with Authentication Mode: password, must have at least one password",
            )),
            ("no-password-required" | "iam", Some(_)) => Err(invalid_combination(format!(
                "Password field is not allowed with authentication type: {kind}"
            ))),
            ("no-password-required", None) => Ok(Some(without(AuthType::NoPassword))),
            ("iam", None) => Ok(Some(without(AuthType::Iam))),
            _ => Err(invalid_value(
                "AuthenticationMode Type must be one of password, no-password-required, iam.",
            )),
        }
    }
}

fn without(kind: AuthType) -> Authentication {
    Authentication {
        kind,
        passwords: Vec::new(),
    }
}

/// At most two, 16 to 128 printable characters, and not the four that the RBAC guide forbids.
fn with_passwords(list: Vec<Sensitive>, settings: &Settings) -> Result<Authentication, ApiError> {
    if list.len() > 2 {
        return Err(invalid_value("A user can have at most two passwords."));
    }
    for password in &list {
        let text = password.expose();
        // Text from terraform-provider-aws#24273.
        if !(16..=128).contains(&text.chars().count()) {
            return Err(invalid_value("Passwords length must be between 16-128 characters."));
        }
        if !text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
            return Err(invalid_value("Passwords must be printable characters."));
        }
        if settings.enforce_password_characters && text.contains([',', '"', '/', '@']) {
            return Err(invalid_value(
                "Passwords may not contain any of the characters , \" / @",
            ));
        }
    }
    Ok(Authentication {
        kind: AuthType::Password,
        passwords: without_equals(list, settings.doubts.equal_passwords)?,
    })
}

/// What becomes of a password that is given twice.
fn without_equals(list: Vec<Sensitive>, equals: EqualPasswords) -> Result<Vec<Sensitive>, ApiError> {
    let mut passwords: Vec<Sensitive> = Vec::new();
    for password in list {
        let known = passwords.contains(&password);
        match equals {
            EqualPasswords::Refused if known => return Err(invalid_value("Passwords must be different.")),
            EqualPasswords::Merged if known => {}
            _ => passwords.push(password),
        }
    }
    Ok(passwords)
}
