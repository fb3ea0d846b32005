//! ListSecrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::describe::SecretOutput;
use super::errors::invalid_parameter;
use super::filters::{SecretFilter, passes};
use super::history::View;
use crate::core::operation::Env;
use crate::error::ApiError;

/// Shows secrets.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListSecrets {
    /// Only those that pass all of these.
    pub filters: Option<Vec<SecretFilter>>,
    /// Whether to show those that are marked for deletion too.
    pub include_planned_deletion: Option<bool>,
    /// How many on a page.
    pub max_results: Option<i64>,
    /// Where the last page ended.
    pub next_token: Option<String>,
    /// `asc` or `desc`, by date.
    pub sort_order: Option<String>,
}

/// One page of secrets.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListSecretsOutput {
    /// The secrets.
    pub secret_list: Vec<SecretListEntry>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A secret in a list: as in DescribeSecret, but versions go by another name.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretListEntry {
    /// The secret, without its versions.
    #[serde(flatten)]
    pub secret: SecretOutput,
    /// Versions with labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_versions_to_stages: BTreeMap<String, Vec<String>>,
}

super::secretsmanager!(ListSecrets => ListSecretsOutput, "ListSecrets", mutates: false, |_| None, list);

fn list(env: &mut Env<'_>, input: ListSecrets) -> Result<ListSecretsOutput, ApiError> {
    let ascending = match input.sort_order.as_deref() {
        Some("asc") => true,
        None | Some("desc") => false,
        Some(_) => return Err(invalid_parameter("SortOrder must be asc or desc.")),
    };
    let filters = input.filters.unwrap_or_default();
    let mut chosen = Vec::new();
    for secret in env.listed_secrets() {
        let shown = secret.deleted.is_none() || input.include_planned_deletion == Some(true);
        if shown && passes(secret, &filters)? {
            chosen.push(secret);
        }
    }
    // By date, names deciding between equals; the default order is descending (botocore model, SortOrder).
    chosen.sort_by_key(|secret| secret.created);
    if !ascending {
        chosen.reverse();
    }
    let (page, next_token) = page(chosen, input.next_token.as_deref(), input.max_results)?;
    Ok(ListSecretsOutput {
        secret_list: page
            .into_iter()
            .map(|secret| {
                let mut secret = SecretOutput::of(secret, View::TRUTH);
                secret.replication_status.clear();
                SecretListEntry {
                    secret_versions_to_stages: std::mem::take(&mut secret.version_ids_to_stages),
                    secret,
                }
            })
            .collect(),
        next_token,
    })
}

/// Cuts one page out of everything; up to 100 things (botocore model).
pub(crate) fn page<T>(
    all: Vec<T>,
    token: Option<&str>,
    max: Option<i64>,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let invalid = || ApiError::bad_request("InvalidNextTokenException", "Invalid NextToken.");
    let from = match token {
        None => 0,
        Some(text) => text
            .strip_prefix("page-")
            .and_then(|n| n.parse::<usize>().ok())
            .filter(|from| *from <= all.len())
            .ok_or_else(invalid)?,
    };
    let size = usize::try_from(max.unwrap_or(100))
        .ok()
        .filter(|n| (1..=100).contains(n))
        .ok_or_else(|| invalid_parameter("MaxResults must be between 1 and 100."))?;
    let total = all.len();
    let page: Vec<T> = all.into_iter().skip(from).take(size).collect();
    let end = from + page.len();
    Ok((page, (end < total).then(|| format!("page-{end}"))))
}
