//! ListSecretVersionIds.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::history::View;
use super::list::page;
use super::model::{epoch, epoch_option};
use crate::core::operation::Env;
use crate::error::ApiError;

/// Shows a secret's versions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListSecretVersionIds {
    /// Of which secret.
    pub secret_id: String,
    /// Whether to show those without labels too.
    pub include_deprecated: Option<bool>,
    /// How many on a page.
    pub max_results: Option<i64>,
    /// Where the last page ended.
    pub next_token: Option<String>,
}

/// One page of versions.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListSecretVersionIdsOutput {
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The versions.
    pub versions: Vec<VersionOutput>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A version in a list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersionOutput {
    /// Its id.
    pub version_id: String,
    /// Its labels; a version without any has no such key (localstack's AWS-validated snapshots).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub version_stages: Vec<String>,
    /// The day on which it was last read.
    #[serde(serialize_with = "epoch_option", skip_serializing_if = "Option::is_none")]
    pub last_accessed_date: Option<DateTime<Utc>>,
    /// When it was put, whenever it became current.
    #[serde(serialize_with = "epoch")]
    pub created_date: DateTime<Utc>,
    /// The keys that it was encrypted with; the service's own goes by `DefaultEncryptionKey` (recorded
    /// replies).
    pub kms_key_ids: Vec<String>,
}

super::secretsmanager!(ListSecretVersionIds => ListSecretVersionIdsOutput, "ListSecretVersionIds",
    mutates: false, |l| Some(&l.secret_id), list);

fn list(env: &mut Env<'_>, input: ListSecretVersionIds) -> Result<ListSecretVersionIdsOutput, ApiError> {
    let view = View::of(env);
    let secret = env.account.secret(&input.secret_id)?;
    let labels = view.labels(secret);
    let deprecated = input.include_deprecated == Some(true);
    // Placeholders without a value are not listed (Secrets Manager user guide).
    let mut versions: Vec<VersionOutput> = secret
        .versions
        .iter()
        .filter(|(id, v)| v.value.is_some() && view.knows(v) && (deprecated || labels.contains_key(*id)))
        .map(|(id, version)| VersionOutput {
            version_id: id.clone(),
            version_stages: labels.get(id).into_iter().flatten().cloned().collect(),
            last_accessed_date: version.accessed,
            created_date: version.created,
            kms_key_ids: vec![
                version
                    .kms_key_id
                    .clone()
                    .unwrap_or_else(|| "DefaultEncryptionKey".to_owned()),
            ],
        })
        .collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.created_date));
    let (versions, next_token) = page(versions, input.next_token.as_deref(), input.max_results, 100)?;
    Ok(ListSecretVersionIdsOutput {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        versions,
        next_token,
    })
}
