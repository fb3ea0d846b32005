//! RotateSecret and CancelRotateSecret. No Lambda is ever run.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::create::token;
use super::errors::{invalid_parameter, invalid_request};
use super::model::{CURRENT, PENDING, Rotation, Version};
use super::rules;
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

fn rotate(env: &mut Env<'_>, input: RotateSecret) -> Result<RotateSecretOutput, ApiError> {
    // Here a missing token is InvalidParameter, unlike elsewhere (localstack's AWS-validated tests).
    let token = token(input.client_request_token).map_err(|e| invalid_parameter(e.message))?;
    // A request that is wrong in itself is refused before anything is looked at. (AWS's order is not known.)
    if let Some(rules) = &input.rotation_rules {
        rules::check(rules, env.settings.doubts.cron_hour_lists)?;
    }
    let now = env.now;
    let secret = env.account.writable_secret(&input.secret_id)?;
    let known = secret.rotation.as_ref().and_then(|r| r.lambda_arn.clone());
    let Some(lambda) = input.rotation_lambda_arn.or(known) else {
        return Err(invalid_request(
            "No Lambda rotation function ARN is associated with this secret.",
        ));
    };
    let pending = secret.holder(PENDING).cloned();
    let busy = pending
        .as_ref()
        .is_some_and(|p| secret.holder(CURRENT) != Some(p) && *p != token);
    if busy {
        return Err(invalid_request(
            "A previous rotation isn't complete. That rotation will be reattempted.",
        ));
    }
    let old = secret.rotation.take();
    secret.rotation = Some(Rotation {
        enabled: true,
        lambda_arn: Some(lambda),
        rules: input.rotation_rules.or(old.as_ref().and_then(|r| r.rules.clone())),
        last_rotated: old.and_then(|r| r.last_rotated),
    });
    if input.rotate_immediately != Some(false) && !secret.versions.contains_key(&token) {
        let placeholder = Version {
            value: None,
            created: now,
            accessed: None,
            labels: BTreeSet::new(),
        };
        secret.versions.insert(token.clone(), placeholder);
        secret.attach(PENDING, &token);
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
    secret.changed = now;
    let output = RotateSecretOutput {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        version_id: secret.holder(PENDING).cloned(),
    };
    env.account.touch();
    Ok(output)
}
