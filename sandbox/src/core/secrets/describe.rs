//! DescribeSecret.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::history::View;
use super::model::{Rotation, Secret, SecretTag, epoch, epoch_option};
use super::replicas::ReplicationStatus;
use super::rotate::ExternalRotationItem;
use crate::core::operation::Env;
use crate::error::ApiError;

/// Shows everything about a secret but its value.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DescribeSecret {
    /// Which secret.
    pub secret_id: String,
}

/// A secret as replies show it. What was never set up is left out.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretOutput {
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The partner that holds it.
    #[serde(rename = "Type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The key that encrypts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// Whether a Lambda rotates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_enabled: Option<bool>,
    /// Which Lambda.
    #[serde(rename = "RotationLambdaARN", skip_serializing_if = "Option::is_none")]
    pub rotation_lambda_arn: Option<String>,
    /// When it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_rules: Option<Value>,
    /// What the partner that holds it wants to know to rotate it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_secret_rotation_metadata: Option<Vec<ExternalRotationItem>>,
    /// The role to rotate it with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_secret_rotation_role_arn: Option<String>,
    /// When it last did.
    #[serde(serialize_with = "epoch_option", skip_serializing_if = "Option::is_none")]
    pub last_rotated_date: Option<DateTime<Utc>>,
    /// When anything about it last changed.
    #[serde(serialize_with = "epoch")]
    pub last_changed_date: DateTime<Utc>,
    /// The day on which it was last read.
    #[serde(serialize_with = "epoch_option", skip_serializing_if = "Option::is_none")]
    pub last_accessed_date: Option<DateTime<Utc>>,
    /// When it goes.
    #[serde(serialize_with = "epoch_option", skip_serializing_if = "Option::is_none")]
    pub deleted_date: Option<DateTime<Utc>>,
    /// By when it is to do it next: the end of that window.
    #[serde(serialize_with = "epoch_option", skip_serializing_if = "Option::is_none")]
    pub next_rotation_date: Option<DateTime<Utc>>,
    /// Tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<SecretTag>,
    /// Versions with labels, those without a value too. (ListSecrets calls it SecretVersionsToStages.)
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub version_ids_to_stages: BTreeMap<String, Vec<String>>,
    /// The service that manages it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owning_service: Option<String>,
    /// When it was made.
    #[serde(serialize_with = "epoch")]
    pub created_date: DateTime<Utc>,
    /// The region of its primary, if it is replicated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_region: Option<String>,
    /// Its replicas.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replication_status: Vec<ReplicationStatus>,
}

impl SecretOutput {
    pub(crate) fn of(secret: &Secret, view: View) -> Self {
        let rotation = secret.rotation.as_ref();
        let mut labels = view.labels(secret).into_owned();
        labels.retain(|id, _| secret.versions.get(id).is_some_and(|version| view.knows(version)));
        Self {
            arn: secret.arn.clone(),
            name: secret.name.clone(),
            kind: secret.kind.clone(),
            description: secret.description.clone(),
            kms_key_id: secret.kms_key_id.clone(),
            rotation_enabled: rotation.map(|r| r.enabled),
            rotation_lambda_arn: rotation.and_then(|r| r.lambda_arn.clone()),
            rotation_rules: rotation.and_then(Rotation::shown_rules),
            external_secret_rotation_metadata: rotation.and_then(|r| r.external_metadata.clone()),
            external_secret_rotation_role_arn: rotation.and_then(|r| r.external_role_arn.clone()),
            last_rotated_date: rotation.filter(|r| r.enabled).and_then(|r| r.last_rotated),
            next_rotation_date: rotation.filter(|r| r.enabled).and_then(Rotation::next),
            last_changed_date: secret.changed,
            last_accessed_date: secret.accessed,
            deleted_date: secret.deleted,
            tags: secret.tags.clone(),
            version_ids_to_stages: labels
                .into_iter()
                .map(|(id, labels)| (id, labels.into_iter().collect()))
                .collect(),
            owning_service: secret.owning_service.clone(),
            created_date: secret.created,
            primary_region: secret.primary_region.clone(),
            replication_status: secret.replication_status(),
        }
    }
}

super::secretsmanager!(DescribeSecret => SecretOutput, "DescribeSecret", mutates: false,
    |d| Some(&d.secret_id), describe);

/// Works on secrets that are marked for deletion too (botocore model: it declares no InvalidRequest).
fn describe(env: &mut Env<'_>, input: DescribeSecret) -> Result<SecretOutput, ApiError> {
    let view = View::of(env);
    let secret = env.account.secret(&input.secret_id)?;
    Ok(SecretOutput::of(secret, view))
}
