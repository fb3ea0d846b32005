//! CreateSecret, and what holds for every new value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::errors::{invalid_parameter, invalid_request, not_a_name};
use super::history::History;
use super::model::{CURRENT, Secret, SecretTag, SecretValue, Version};
use super::replicas::{self, ReplicaNews, ReplicaRegion, ReplicationStatus};
use super::{limits, tags};
use crate::core::operation::Env;
use crate::core::random;
use crate::error::ApiError;
use crate::sensitive::Sensitive;

/// The largest value (Secrets Manager quotas page).
const MAX_VALUE: usize = 65_536;

/// Makes a secret.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateSecret {
    /// Its name.
    pub name: String,
    /// The id of its first version.
    pub client_request_token: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The key that encrypts it. Nothing is encrypted here.
    pub kms_key_id: Option<String>,
    /// Its value, as text.
    pub secret_string: Option<Sensitive>,
    /// Its value, as bytes in base64.
    pub secret_binary: Option<Sensitive>,
    /// Tags.
    pub tags: Option<Vec<SecretTag>>,
    /// Other regions to have it in.
    pub add_replica_regions: Option<Vec<ReplicaRegion>>,
    /// Whether a secret of the same name there is overwritten.
    pub force_overwrite_replica_secret: Option<bool>,
    /// The partner that holds it, for secrets that others manage.
    #[serde(rename = "Type")]
    pub kind: Option<String>,
    /// The primary in another account. There are no such replicas here.
    #[serde(rename = "CrossAccountPrimaryARN")]
    pub cross_account_primary_arn: Option<String>,
}

/// The secret that was made, or was there already.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateSecretOutput {
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its first version, if it was given a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Its replicas in other regions, if it was given any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replication_status: Vec<ReplicationStatus>,
}

super::secretsmanager!(CreateSecret => CreateSecretOutput, "CreateSecret", mutates: true,
    |c| Some(&c.name), create, tags: |c| SecretTag::pairs(c.tags.iter().flatten()));

fn create(env: &mut Env<'_>, mut input: CreateSecret) -> Result<CreateSecretOutput, ApiError> {
    check_name(&input.name)?;
    check(&input, &env.account.region)?;
    let value = value(input.secret_string.take(), input.secret_binary.take())?;
    let token = match &value {
        Some(value) => {
            check_size(value)?;
            Some(token(input.client_request_token.take())?)
        }
        None => None,
    };
    if let Some(existing) = env.account.secrets.get(&input.name) {
        return again(existing, token, value);
    }
    let secret = new_secret(env, input, token.clone().zip(value));
    let output = CreateSecretOutput {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        version_id: token,
        replication_status: secret.replication_status(),
    };
    if secret.has_followers() {
        let name = secret.name.clone();
        env.account.replication.push(ReplicaNews::Changed { name });
    }
    env.account.secrets.insert(secret.name.clone(), secret);
    env.account.touch();
    Ok(output)
}

/// Refuses what the model does not allow, and replicas of secrets in other accounts.
fn check(input: &CreateSecret, home: &str) -> Result<(), ApiError> {
    limits::description(input.description.as_ref())?;
    limits::kms_key(input.kms_key_id.as_ref())?;
    limits::length("Type", input.kind.as_ref(), 0..=256)?;
    tags::check(input.tags.iter().flatten())?;
    replicas::check(input.add_replica_regions.as_deref().unwrap_or_default(), home)?;
    if input.cross_account_primary_arn.is_some() {
        return Err(invalid_request(
            "The sandbox has no replicas of secrets in other accounts.",
        ));
    }
    Ok(())
}

fn new_secret(env: &mut Env<'_>, input: CreateSecret, first: Option<(String, SecretValue)>) -> Secret {
    let suffix = random::arn_suffix(env.rng);
    let arn = format!("{}-{suffix}", input.name);
    let kms_key_id = input.kms_key_id.filter(|key| !key.is_empty());
    let mut secret = Secret {
        arn: env.account.arn("secretsmanager", "secret", &arn),
        name: input.name,
        description: input.description,
        tags: tags::merged(Vec::new(), input.tags.unwrap_or_default()),
        created: env.now,
        changed: env.now,
        accessed: None,
        deleted: None,
        versions: BTreeMap::new(),
        past_labels: History::default(),
        rotation: None,
        owning_service: None,
        replicas: Vec::new(),
        primary_region: None,
        kind: input.kind.filter(|kind| !kind.is_empty()),
        policy: None,
        kms_key_id: kms_key_id.clone(),
    };
    if let Some((id, value)) = first {
        let mut version = Version::new(Some(value), env.now, kms_key_id);
        version.labels.insert(CURRENT.to_owned());
        secret.versions.insert(id, version);
    }
    let overwrites = input.force_overwrite_replica_secret == Some(true);
    let regions = input.add_replica_regions.unwrap_or_default();
    secret.replicate_to(regions, overwrites, &env.account.region);
    secret
}

/// The same request once more succeeds and changes nothing (moto's AWS-verified tests).
fn again(secret: &Secret, token: Option<String>, value: Option<SecretValue>) -> Result<CreateSecretOutput, ApiError> {
    if secret.deleted.is_some() {
        return Err(invalid_request(
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        ));
    }
    let same = token.as_ref().and_then(|token| secret.versions.get(token));
    match (same, token) {
        (Some(version), Some(token)) if version.value == value => Ok(CreateSecretOutput {
            arn: secret.arn.clone(),
            name: secret.name.clone(),
            version_id: Some(token),
            replication_status: secret.replication_status(),
        }),
        (Some(_), Some(token)) => Err(super::errors::token_in_use(&token, &secret.arn)),
        _ => Err(ApiError::bad_request(
            "ResourceExistsException",
            format!(
                "The operation failed because the secret {} already exists.",
                secret.name
            ),
        )),
    }
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.is_empty() || name.chars().count() > 512 || !name.chars().all(limits::is_of_names) {
        return Err(not_a_name());
    }
    Ok(())
}

/// The token that becomes the version's id. SDKs make one up; a bare request without one fails
/// (localstack's AWS-validated tests).
pub(crate) fn token(token: Option<String>) -> Result<String, ApiError> {
    let token = token.ok_or_else(|| {
        invalid_request("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
    })?;
    if (32..=64).contains(&token.chars().count()) {
        Ok(token)
    } else {
        Err(invalid_parameter("ClientRequestToken must be 32-64 characters long."))
    }
}

/// Text or bytes, not both.
pub(crate) fn value(text: Option<Sensitive>, binary: Option<Sensitive>) -> Result<Option<SecretValue>, ApiError> {
    match (text, binary) {
        (Some(_), Some(_)) => Err(invalid_parameter(
            "You can't specify both a binary secret value and a string secret value in the same secret.",
        )),
        (Some(text), None) => Ok(Some(SecretValue::Text(text))),
        (None, Some(bytes)) => Ok(Some(SecretValue::Binary(bytes))),
        (None, None) => Ok(None),
    }
}

pub(crate) fn check_size(value: &SecretValue) -> Result<(), ApiError> {
    let size = match value {
        SecretValue::Text(text) => text.expose().len(),
        SecretValue::Binary(text) => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD
                .decode(text.expose())
                .map_err(|_| invalid_parameter("SecretBinary is not valid base64."))?
                .len()
        }
    };
    if size == 0 || size > MAX_VALUE {
        return Err(invalid_parameter(format!(
            "The secret value must be between 1 and {MAX_VALUE} bytes long."
        )));
    }
    Ok(())
}
