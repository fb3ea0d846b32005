//! RotateSecret and CancelRotateSecret. No Lambda is ever run.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::create::token;
use super::errors::{invalid_parameter, invalid_request};
use super::model::{CURRENT, PENDING, Rotation, Secret, Version};
use super::{limits, rules};
use crate::core::operation::Env;
use crate::error::ApiError;

/// Sets rotation up and begins one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RotateSecret {
    /// Which secret.
    pub secret_id: String,
    /// The id of the version to come.
    pub client_request_token: Option<String>,
    /// The Lambda.
    #[serde(rename = "RotationLambdaARN")]
    pub rotation_lambda_arn: Option<String>,
    /// The schedule.
    pub rotation_rules: Option<Value>,
    /// Whether to begin now; yes unless told.
    pub rotate_immediately: Option<bool>,
    /// What the partner that holds the secret wants to know.
    pub external_secret_rotation_metadata: Option<Vec<ExternalRotationItem>>,
    /// The role to rotate such a secret with.
    pub external_secret_rotation_role_arn: Option<String>,
}

/// Something that a partner wants to know to rotate a secret that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExternalRotationItem {
    /// Its name.
    pub key: String,
    /// What it is.
    pub value: String,
}

/// The secret and the version to come.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RotateSecretOutput {
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The version to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
}

super::secretsmanager!(RotateSecret => RotateSecretOutput, "RotateSecret", mutates: true,
    |r| Some(&r.secret_id), rotate);
super::secretsmanager!(CancelRotateSecret => RotateSecretOutput, "CancelRotateSecret", mutates: true,
    |c| Some(&c.secret_id), cancel);

fn rotate(env: &mut Env<'_>, mut input: RotateSecret) -> Result<RotateSecretOutput, ApiError> {
    // Here a missing token is InvalidParameter, unlike elsewhere (localstack's AWS-validated tests).
    let token = token(input.client_request_token.take()).map_err(|e| invalid_parameter(e.message))?;
    // A request that is wrong in itself is refused before anything is looked at. (AWS's order is not known.)
    check(&input)?;
    if let Some(rules) = &input.rotation_rules {
        rules::check(rules, env.settings.doubts.cron_hour_lists)?;
    }
    let now = env.now;
    let secret = env.account.writable_secret(&input.secret_id)?;
    let old = secret.rotation.as_ref();
    let lambda = input.rotation_lambda_arn.clone().filter(|arn| !arn.is_empty());
    let lambda = lambda.or_else(|| old.and_then(|old| old.lambda_arn.clone()));
    // What a partner holds is rotated by the service itself.
    if lambda.is_none() && secret.kind.is_none() {
        return Err(invalid_request(
            "No Lambda rotation function ARN is associated with this secret.",
        ));
    }
    let pending = secret.holder(PENDING).cloned();
    let busy = pending
        .as_ref()
        .is_some_and(|p| secret.holder(CURRENT) != Some(p) && *p != token);
    if busy {
        return Err(invalid_request(
            "A previous rotation isn't complete. That rotation will be reattempted.",
        ));
    }
    let begins = input.rotate_immediately != Some(false) && !secret.versions.contains_key(&token);
    secret.configure_rotation(input, lambda, now);
    if begins {
        let placeholder = Version::new(None, now, secret.kms_key_id.clone());
        secret.versions.insert(token.clone(), placeholder);
        secret.attach(PENDING, &token);
        if let Some(rotation) = &mut secret.rotation {
            rotation.under_way = Some(token.clone());
        }
    }
    secret.changed = now;
    let output = RotateSecretOutput {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        version_id: Some(token),
    };
    env.account.touch();
    Ok(output)
}

fn check(input: &RotateSecret) -> Result<(), ApiError> {
    limits::length("RotationLambdaARN", input.rotation_lambda_arn.as_ref(), 0..=2048)?;
    let role = input.external_secret_rotation_role_arn.as_ref();
    limits::length("ExternalSecretRotationRoleArn", role, 20..=2048)?;
    for item in input.external_secret_rotation_metadata.iter().flatten() {
        limits::length("A metadata key", Some(&item.key), 1..=256)?;
        limits::length("A metadata value", Some(&item.value), 1..=2048)?;
    }
    Ok(())
}

impl Secret {
    /// Turns rotation on; what the request does not give stays as it was.
    fn configure_rotation(&mut self, input: RotateSecret, lambda_arn: Option<String>, now: DateTime<Utc>) {
        let rules = input.rotation_rules.as_ref().map(rules::known);
        let rotation = self.rotation.get_or_insert_with(|| Rotation {
            enabled: false,
            lambda_arn: None,
            rules: None,
            last_rotated: None,
            counted_from: now,
            under_way: None,
            external_metadata: None,
            external_role_arn: None,
        });
        if rules.is_some() || !rotation.enabled {
            // Another schedule, or one that begins again, counts from now.
            rotation.counted_from = now;
        }
        rotation.enabled = true;
        rotation.lambda_arn = lambda_arn;
        rotation.rules = rules.or(rotation.rules.take());
        let metadata = input.external_secret_rotation_metadata;
        rotation.external_metadata = metadata.or(rotation.external_metadata.take());
        let role = input.external_secret_rotation_role_arn;
        rotation.external_role_arn = role.or(rotation.external_role_arn.take());
    }

    /// Notes that the rotation is over whose version is current now, and says whether one is. The service has then
    /// rotated, which dates it, and takes AWSPENDING off (localstack's AWS-validated snapshots of a rotation).
    ///
    /// Where another version has become current meanwhile, the service abandons its rotation and takes AWSPENDING off
    /// (Secrets Manager user guide, the CloudTrail event RotationAbandoned).
    pub(crate) fn finish_rotation(&mut self, now: DateTime<Utc>, moved: bool) -> bool {
        let current = self.holder(CURRENT).cloned();
        let pending = self.holder(PENDING).cloned();
        let Some(rotation) = self.rotation.as_mut().filter(|rotation| rotation.enabled) else {
            return false;
        };
        let Some(version) = rotation.under_way.take_if(|_| moved) else {
            return false;
        };
        if current.as_ref() == Some(&version) {
            rotation.last_rotated = Some(now);
            rotation.counted_from = now;
            return true;
        }
        if pending == Some(version) {
            self.detach(PENDING);
        }
        false
    }
}

/// Turns rotation off. A version that was on its way stays, AWSPENDING too (botocore model).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CancelRotateSecret {
    /// Which secret.
    pub secret_id: String,
}

fn cancel(env: &mut Env<'_>, input: CancelRotateSecret) -> Result<RotateSecretOutput, ApiError> {
    let now = env.now;
    let secret = env.account.writable_secret(&input.secret_id)?;
    let Some(rotation) = secret.rotation.as_mut() else {
        return Err(invalid_request(
            "You tried to cancel the rotation of a secret that has none.",
        ));
    };
    rotation.enabled = false;
    rotation.under_way = None;
    secret.changed = now;
    let output = RotateSecretOutput {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        version_id: secret.holder(PENDING).cloned(),
    };
    env.account.touch();
    Ok(output)
}
