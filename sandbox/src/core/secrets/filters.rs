//! Filters of ListSecrets and BatchGetSecretValue.

use serde::{Deserialize, Serialize};

use super::errors::invalid_parameter;
use super::limits;
use super::model::Secret;
use crate::error::ApiError;

/// A filter: passes a secret that has one of the values and none of those with `!` before them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretFilter {
    /// What to look at.
    pub key: String,
    /// What to look for, at the beginning.
    #[serde(default)]
    pub values: Vec<String>,
}

const KEYS: [&str; 7] = [
    "description",
    "name",
    "tag-key",
    "tag-value",
    "primary-region",
    "owning-service",
    "all",
];

/// Refuses filters that the model does not allow, whatever there is to look through.
pub(crate) fn check(filters: &[SecretFilter]) -> Result<(), ApiError> {
    limits::items("Filters", filters, 0..=10)?;
    for filter in filters {
        if !KEYS.contains(&filter.key.as_str()) {
            return Err(invalid_parameter("A filter's key is none of those that there are."));
        }
        limits::items("A filter's Values", &filter.values, 1..=10)?;
        for value in &filter.values {
            limits::length("A filter's value", Some(value), 0..=512)?;
            if !value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || " :_@/+=.-!".contains(c))
            {
                return Err(invalid_parameter(
                    "A filter's value has a character that it cannot have.",
                ));
            }
        }
    }
    Ok(())
}

/// Whether a secret passes all filters (botocore model, `Filter`; localstack's AWS-validated tests).
pub(crate) fn passes(secret: &Secret, filters: &[SecretFilter]) -> bool {
    filters.iter().all(|filter| {
        let (not, want): (Vec<&str>, Vec<&str>) = filter
            .values
            .iter()
            .map(String::as_str)
            .partition(|value| value.starts_with('!'));
        let wanted = want.is_empty() || want.iter().any(|value| matches(secret, &filter.key, value));
        let unwanted = |value: &&str| matches(secret, &filter.key, value.strip_prefix('!').unwrap_or(value));
        wanted && !not.iter().any(unwanted)
    })
}

/// Names, tags, regions and services begin with the value, in its case. Of a description, and of everything together,
/// each word of the value begins a word, in any case.
fn matches(secret: &Secret, key: &str, value: &str) -> bool {
    let begins = |text: Option<&String>| text.is_some_and(|text| text.starts_with(value));
    match key {
        "name" => secret.name.starts_with(value),
        "tag-key" => secret.tags.iter().any(|tag| tag.key.starts_with(value)),
        "tag-value" => secret.tags.iter().any(|tag| tag.value.starts_with(value)),
        "primary-region" => begins(secret.primary_region.as_ref()),
        "owning-service" => begins(secret.owning_service.as_ref()),
        "description" => has_words(secret.description.iter(), value),
        _ => {
            let tags = secret.tags.iter().flat_map(|tag| [&tag.key, &tag.value]);
            let rest = [&secret.description, &secret.primary_region, &secret.owning_service];
            let texts = std::iter::once(&secret.name).chain(rest.into_iter().flatten());
            has_words(texts.chain(tags), value)
        }
    }
}

fn has_words<'a>(texts: impl Iterator<Item = &'a String>, value: &str) -> bool {
    let texts: Vec<String> = texts.map(|text| text.to_lowercase()).collect();
    let value = value.to_lowercase();
    let begins = |text: &String, word: &str| {
        text.starts_with(word)
            || text
                .split(|c: char| !c.is_alphanumeric())
                .any(|part| part.starts_with(word))
    };
    value
        .split_whitespace()
        .all(|word| texts.iter().any(|text| begins(text, word)))
}
