//! PutSecretValue and UpdateSecret: new versions.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::create::{check_size, token, value};
use super::errors::{invalid_parameter, invalid_request, replica_write, token_in_use};
use super::limits;
use super::model::{CURRENT, PENDING, PREVIOUS, Secret, SecretValue, Version};
use super::stages::check_stage;
use crate::core::operation::Env;
use crate::error::ApiError;
use crate::sensitive::Sensitive;

/// Makes a version.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PutSecretValue {
    /// Of which secret.
    pub secret_id: String,
    /// The version's id.
    pub client_request_token: Option<String>,
    /// Its value, as text.
    pub secret_string: Option<Sensitive>,
    /// Its value, as bytes in base64.
    pub secret_binary: Option<Sensitive>,
    /// The labels to move to it; none means AWSCURRENT.
    pub version_stages: Option<Vec<String>>,
}

/// The version that was made, or was there already.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutSecretValueOutput {
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The version.
    pub version_id: String,
    /// The labels that it has.
    pub version_stages: Vec<String>,
}

super::secretsmanager!(PutSecretValue => PutSecretValueOutput, "PutSecretValue", mutates: true,
    |p| Some(&p.secret_id), put);

fn put(env: &mut Env<'_>, input: PutSecretValue) -> Result<PutSecretValueOutput, ApiError> {
    let token = token(input.client_request_token)?;
    // Code and text as users of Terraform met them on AWS.
    let value = value(input.secret_string, input.secret_binary)?
        .ok_or_else(|| invalid_request("You must provide either SecretString or SecretBinary."))?;
    check_size(&value)?;
    let stages = input.version_stages.as_deref();
    if stages.is_some_and(<[_]>::is_empty) {
        return Err(invalid_parameter("You must provide at least one VersionStage."));
    }
    limits::items("VersionStages", stages.unwrap_or_default(), 0..=20)?;
    input
        .version_stages
        .iter()
        .flatten()
        .try_for_each(|stage| check_stage(stage))?;
    let now = env.now;
    let secret = env.account.writable_secret(&input.secret_id)?;
    let changed = secret.add_version(&token, value, input.version_stages, now)?;
    let labels = secret.versions.get(&token).map(|v| v.labels.iter().cloned().collect());
    let output = PutSecretValueOutput {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        version_id: token,
        version_stages: labels.unwrap_or_default(),
    };
    if changed {
        env.account.touch();
    }
    Ok(output)
}

impl Secret {
    /// Adds a version and moves labels to it. The same content under the same token changes
    /// nothing, labels included; other content is refused (moto's AWS-verified tests). Says whether
    /// anything changed.
    pub(crate) fn add_version(
        &mut self,
        token: &str,
        value: SecretValue,
        stages: Option<Vec<String>>,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<bool, ApiError> {
        let placeholder = match self.versions.get(token).map(|version| &version.value) {
            Some(Some(old)) if *old == value => return Ok(false),
            Some(Some(_)) => return Err(token_in_use(token, &self.arn)),
            // RotateSecret made it; the rotation function fills it (rotation guide).
            Some(None) => true,
            None => false,
        };
        let default = stages.is_none();
        let mut stages = stages.unwrap_or_else(|| vec![CURRENT.to_owned()]);
        if self.holder(CURRENT).is_none() && !stages.iter().any(|s| s == CURRENT) {
            // The first version is always current (botocore model, VersionStages).
            stages.push(CURRENT.to_owned());
        }
        // A version that was current and pending at once loses AWSPENDING with a default put
        // (localstack's AWS-validated snapshots).
        let before = self.holder(CURRENT).filter(|before| default && *before != token);
        let dropped = (before.is_some() && self.holder(PENDING) == before).then_some(PENDING);
        self.check_labels(&stages, token, dropped)?;
        if !placeholder {
            self.prune(now)?;
        }
        let labels = self
            .versions
            .get(token)
            .map_or_else(BTreeSet::new, |v| v.labels.clone());
        let mut version = Version::new(Some(value), now, self.kms_key_id.clone());
        version.labels = labels;
        self.versions.insert(token.to_owned(), version);
        for stage in &stages {
            self.attach(stage, token);
        }
        if let Some(label) = dropped {
            self.detach(label);
        }
        self.changed = now;
        self.count_manual_rotation(token, now);
        Ok(true)
    }

    /// A new current value put by hand counts as a rotation, where days are counted (botocore model,
    /// `RotationRulesType`).
    fn count_manual_rotation(&mut self, token: &str, now: chrono::DateTime<chrono::Utc>) {
        let current = self.holder(CURRENT).is_some_and(|holder| holder == token);
        let Some(rotation) = self.rotation.as_mut().filter(|_| current) else {
            return;
        };
        let by_days = rotation
            .rules
            .as_ref()
            .and_then(|rules| rules.get("AutomaticallyAfterDays"));
        if by_days.is_some_and(|days| !days.is_null()) {
            rotation.counted_from = now;
        }
    }
}

/// Changes a secret's description and key, and its value if one is given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UpdateSecret {
    /// Which secret.
    pub secret_id: String,
    /// The id of the version to make.
    pub client_request_token: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// Another key.
    pub kms_key_id: Option<String>,
    /// A value, as text.
    pub secret_string: Option<Sensitive>,
    /// A value, as bytes in base64.
    pub secret_binary: Option<Sensitive>,
    /// The partner that holds it.
    #[serde(rename = "Type")]
    pub kind: Option<String>,
}

/// The secret, and the version if one was made.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateSecretOutput {
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
}

super::secretsmanager!(UpdateSecret => UpdateSecretOutput, "UpdateSecret", mutates: true,
    |u| Some(&u.secret_id), update);

fn update(env: &mut Env<'_>, input: UpdateSecret) -> Result<UpdateSecretOutput, ApiError> {
    let value = value(input.secret_string, input.secret_binary)?;
    limits::description(input.description.as_ref())?;
    limits::kms_key(input.kms_key_id.as_ref())?;
    limits::length("Type", input.kind.as_ref(), 0..=256)?;
    let now = env.now;
    let key_only = value.is_none() && input.description.is_none() && input.kind.is_none();
    let secret = match env.account.writable_secret(&input.secret_id) {
        // A replica's key is its own (Secrets Manager user guide, "Multi-Region secrets").
        Err(error) if key_only && error == replica_write() => env.account.secret_mut(&input.secret_id)?,
        other => other?,
    };
    let mut version_id = None;
    let mut changed = input.description.is_some() || input.kms_key_id.is_some() || input.kind.is_some();
    if let Some(key) = input.kms_key_id {
        secret.encrypt_with(key);
    }
    if let Some(value) = value {
        check_size(&value)?;
        let token = token(input.client_request_token)?;
        changed |= secret.add_version(&token, value, None, now)?;
        version_id = Some(token);
    }
    if let Some(text) = input.description {
        secret.description = Some(text);
    }
    if let Some(kind) = input.kind {
        secret.kind = Some(kind).filter(|kind| !kind.is_empty());
    }
    if changed {
        secret.changed = now;
    }
    let output = UpdateSecretOutput {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        version_id,
    };
    if changed {
        env.account.touch();
    }
    Ok(output)
}

impl Secret {
    /// Takes another key; an empty name stands for the service's own. Versions with one of the service's labels are
    /// encrypted again (botocore model, UpdateSecret).
    fn encrypt_with(&mut self, key: String) {
        self.kms_key_id = Some(key).filter(|key| !key.is_empty());
        for version in self.versions.values_mut() {
            if [CURRENT, PENDING, PREVIOUS]
                .iter()
                .any(|label| version.labels.contains(*label))
            {
                version.kms_key_id.clone_from(&self.kms_key_id);
            }
        }
    }
}
