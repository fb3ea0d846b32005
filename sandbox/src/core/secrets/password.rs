//! GetRandomPassword.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::errors::invalid_parameter;
use super::limits;
use crate::core::operation::Env;
use crate::core::random;
use crate::error::ApiError;
use crate::sensitive::Sensitive;

/// The characters of the botocore model, by type.
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// Makes a password up.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GetRandomPassword {
    /// How long; 32 unless told.
    pub password_length: Option<i64>,
    /// Characters to leave out.
    pub exclude_characters: Option<String>,
    /// Whether to leave out digits.
    pub exclude_numbers: Option<bool>,
    /// Whether to leave out punctuation.
    pub exclude_punctuation: Option<bool>,
    /// Whether to leave out capitals.
    pub exclude_uppercase: Option<bool>,
    /// Whether to leave out small letters.
    pub exclude_lowercase: Option<bool>,
    /// Whether the space is a character too.
    pub include_space: Option<bool>,
    /// Whether there must be one of each type; yes unless told.
    pub require_each_included_type: Option<bool>,
}

/// A password.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetRandomPasswordOutput {
    /// The password.
    pub random_password: Sensitive,
}

super::secretsmanager!(GetRandomPassword => GetRandomPasswordOutput, "GetRandomPassword", mutates: false,
    |_| None, make);

fn make(env: &mut Env<'_>, input: GetRandomPassword) -> Result<GetRandomPasswordOutput, ApiError> {
    let length = usize::try_from(input.password_length.unwrap_or(32))
        .ok()
        .filter(|n| (1..=4096).contains(n))
        .ok_or_else(|| invalid_parameter("PasswordLength must be between 1 and 4096."))?;
    limits::length("ExcludeCharacters", input.exclude_characters.as_ref(), 0..=4096)?;
    let types = types(&input);
    let each = input.require_each_included_type != Some(false);
    if types.is_empty() {
        return Err(invalid_parameter("No characters are left to make a password of."));
    }
    if each && length < types.len() {
        return Err(invalid_parameter(
            "Password length is too short based on the required types.",
        ));
    }
    let all: Vec<u8> = types.concat();
    let mut password: Vec<char> = (0..length).map(|_| random::pick(env.rng, &all)).collect();
    if each {
        // One of each type at places of its own.
        let mut places: Vec<usize> = (0..length).collect();
        for kind in &types {
            let place = places.swap_remove(env.rng.random_range(0..places.len()));
            if let Some(slot) = password.get_mut(place) {
                *slot = random::pick(env.rng, kind);
            }
        }
    }
    let text: String = password.into_iter().collect();
    Ok(GetRandomPasswordOutput {
        random_password: text.into(),
    })
}

fn types(input: &GetRandomPassword) -> Vec<Vec<u8>> {
    let excluded = input.exclude_characters.as_deref().unwrap_or_default();
    let yes = |flag: Option<bool>| flag == Some(true);
    [
        (LOWER, !yes(input.exclude_lowercase)),
        (UPPER, !yes(input.exclude_uppercase)),
        (DIGITS, !yes(input.exclude_numbers)),
        (PUNCTUATION, !yes(input.exclude_punctuation)),
        (" ", yes(input.include_space)),
    ]
    .into_iter()
    .filter(|(_, included)| *included)
    .map(|(set, _)| set.bytes().filter(|b| !excluded.as_bytes().contains(b)).collect())
    .filter(|set: &Vec<u8>| !set.is_empty())
    .collect()
}
