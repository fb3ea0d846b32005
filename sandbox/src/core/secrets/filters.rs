//! Filters of ListSecrets and BatchGetSecretValue.

use serde::{Deserialize, Serialize};

use super::errors::invalid_parameter;
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

/// Whether a secret passes all filters (botocore model, `Filter`).
pub(crate) fn passes(secret: &Secret, filters: &[SecretFilter]) -> Result<bool, ApiError> {
    for filter in filters {
        if filter.values.is_empty() {
            return Err(invalid_parameter("Filter values must not be empty."));
        }
        let (not, want): (Vec<&str>, Vec<&str>) = filter
            .values
            .iter()
            .map(String::as_str)
            .partition(|v| v.starts_with('!'));
        let mut wanted = want.is_empty();
        for value in want {
            wanted |= matches(secret, &filter.key, value)?;
        }
        for value in not {
            wanted &= !matches(secret, &filter.key, value.trim_start_matches('!'))?;
        }
        if !wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `name`, tags and services begin with the value, in its case; words of a description or of
/// anything at all do so in any case.
fn matches(secret: &Secret, key: &str, value: &str) -> Result<bool, ApiError> {
    let keys = || secret.tags.iter().any(|tag| tag.key.starts_with(value));
    let values = || secret.tags.iter().any(|tag| tag.value.starts_with(value));
    let description = || secret.description.as_deref().is_some_and(|d| has_word(d, value));
    Ok(match key {
        "name" => secret.name.starts_with(value),
        "tag-key" => keys(),
        "tag-value" => values(),
        "description" => description(),
        "primary-region" => {
            let region = secret.primary_region.as_deref();
            region.is_some_and(|r| r.starts_with(value))
        }
        "owning-service" => {
            let service = secret.owning_service.as_deref();
            service.is_some_and(|s| s.starts_with(value))
        }
        "all" => {
            let tags = secret.tags.iter().flat_map(|tag| [&tag.key, &tag.value]);
            has_word(&secret.name, value) || description() || tags.into_iter().any(|text| has_word(text, value))
        }
        _ => return Err(invalid_parameter(format!("Invalid filter key: {key}"))),
    })
}

fn has_word(text: &str, beginning: &str) -> bool {
    let (text, beginning) = (text.to_lowercase(), beginning.to_lowercase());
    text.starts_with(&beginning)
        || text
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| !word.is_empty() && word.starts_with(&beginning))
}
