//! CreateSecret, and what holds for every new value.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::errors::{invalid_parameter, invalid_request};
use super::history::History;
use super::model::{CURRENT, Secret, SecretTag, SecretValue, Version};
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
}

super::secretsmanager!(CreateSecret => CreateSecretOutput, "CreateSecret", mutates: true,
    |c| Some(&c.name), create, tags: |c| SecretTag::pairs(c.tags.iter().flatten()));

fn create(env: &mut Env<'_>, input: CreateSecret) -> Result<CreateSecretOutput, ApiError> {
    check_name(&input.name)?;
    let value = value(input.secret_string, input.secret_binary)?;
    let token = match &value {
        Some(value) => {
            check_size(value)?;
            Some(token(input.client_request_token)?)
        }
        None => None,
    };
    if let Some(existing) = env.account.secrets.get(&input.name) {
        return again(existing, token, value);
    }
    let suffix = random::arn_suffix(env.rng);
    let arn = env
        .account
        .arn("secretsmanager", "secret", &format!("{}-{suffix}", input.name));
    let mut secret = Secret {
        name: input.name.clone(),
        arn: arn.clone(),
        description: input.description,
        kms_key_id: input.kms_key_id,
        tags: input.tags.unwrap_or_default(),
        created: env.now,
        changed: env.now,
        accessed: None,
        deleted: None,
        versions: BTreeMap::new(),
        past_labels: History::default(),
        rotation: None,
        owning_service: None,
        replicated_to: Vec::new(),
        primary_region: None,
    };
    if let (Some(id), Some(value)) = (token.clone(), value) {
        let version = Version {
            value: Some(value),
            created: env.now,
            accessed: None,
            labels: BTreeSet::from([CURRENT.to_owned()]),
        };
        secret.versions.insert(id, version);
    }
    env.account.secrets.insert(input.name.clone(), secret);
    env.account.touch();
    Ok(CreateSecretOutput {
        arn,
        name: input.name,
        version_id: token,
    })
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
    let good = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    if name.is_empty() || name.chars().count() > 512 || !name.chars().all(good) {
        // Text from localstack's AWS-validated snapshots.
        return Err(ApiError::bad_request(
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
        ));
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
