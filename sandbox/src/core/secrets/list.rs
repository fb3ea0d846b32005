//! ListSecrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::describe::SecretOutput;
use super::errors::invalid_parameter;
use super::filters::{SecretFilter, check, passes};
use super::history::View;
use super::model::Secret;
use crate::core::operation::Env;
use crate::core::pages::{self, Order};
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
    /// `asc` or `desc`.
    pub sort_order: Option<String>,
    /// By what: `created-date` unless told, `last-accessed-date`, `last-changed-date` or `name`.
    pub sort_by: Option<String>,
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
    check(&filters)?;
    let mut chosen = env.listed_secrets();
    let deleted_too = input.include_planned_deletion == Some(true);
    chosen.retain(|secret| (deleted_too || secret.deleted.is_none()) && passes(secret, &filters));
    sort(&mut chosen, input.sort_by.as_deref())?;
    if !ascending {
        chosen.reverse();
    }
    let order = if ascending { Order::Ascending } else { Order::Descending };
    let by = input.sort_by.as_deref();
    let place = |secret: &&Secret| place(secret, by);
    let size = size(input.max_results, 100)?;
    let page = pages::page(chosen, input.next_token.as_deref(), size, order, place).ok_or_else(invalid_token)?;
    let (page, next_token) = (page.things, page.next);
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

/// By date of creation unless told (botocore model, SortBy), names deciding between equals: they come sorted by name.
/// The order is descending unless told, by whatever it is.
fn sort(secrets: &mut [&Secret], by: Option<&str>) -> Result<(), ApiError> {
    match by {
        None | Some("created-date") => secrets.sort_by_key(|secret| secret.created),
        Some("last-accessed-date") => secrets.sort_by_key(|secret| secret.accessed),
        Some("last-changed-date") => secrets.sort_by_key(|secret| secret.changed),
        Some("name") => secrets.sort_by(|a, b| a.name.cmp(&b.name)),
        Some(_) => {
            return Err(invalid_parameter(
                "SortBy must be created-date, last-accessed-date, last-changed-date or name.",
            ));
        }
    }
    Ok(())
}

/// Where a secret stands in the list, as a text that sorts as the list does.
fn place(secret: &Secret, by: Option<&str>) -> String {
    let date = match by {
        Some("name") => return secret.name.clone(),
        Some("last-accessed-date") => secret.accessed,
        Some("last-changed-date") => Some(secret.changed),
        _ => Some(secret.created),
    };
    // None at all comes first; dates before 1970 and after 2262 are no dates of secrets.
    let nanoseconds = date.map_or(-1, |date| date.timestamp_nanos_opt().unwrap_or(0));
    format!("{:020} {}", nanoseconds + 1, secret.name)
}

fn invalid_token() -> ApiError {
    ApiError::bad_request("InvalidNextTokenException", "Invalid NextToken.")
}

/// How many things a page is to have.
fn size(max: Option<i64>, most: usize) -> Result<usize, ApiError> {
    let size = max.map_or(Some(most), |max| usize::try_from(max).ok());
    size.filter(|n| (1..=most).contains(n))
        .ok_or_else(|| invalid_parameter(format!("MaxResults must be between 1 and {most}.")))
}

/// Cuts one page out of what nobody takes away meanwhile; as many things as fit unless told.
pub(crate) fn page<T>(
    all: Vec<T>,
    token: Option<&str>,
    max: Option<i64>,
    most: usize,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let from = match token {
        None => 0,
        Some(text) => text
            .strip_prefix("page-")
            .and_then(|n| n.parse::<usize>().ok())
            .filter(|from| *from <= all.len())
            .ok_or_else(invalid_token)?,
    };
    let size = size(max, most)?;
    let total = all.len();
    let page: Vec<T> = all.into_iter().skip(from).take(size).collect();
    let end = from + page.len();
    Ok((page, (end < total).then(|| format!("page-{end}"))))
}
