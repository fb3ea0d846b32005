//! DeleteSecret and RestoreSecret.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::errors::{has_replicas, invalid_parameter, replica_write};
use super::limits;
use super::model::{Secret, epoch};
use super::stages::UpdateSecretVersionStageOutput as SecretName;
use crate::core::account::Event;
use crate::core::operation::Env;
use crate::core::random;
use crate::error::ApiError;

/// Marks a secret for deletion, or deletes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteSecret {
    /// Which secret.
    pub secret_id: String,
    /// How many days it can be had back: 7 to 30.
    pub recovery_window_in_days: Option<i64>,
    /// Whether it goes at once.
    pub force_delete_without_recovery: Option<bool>,
}

/// The secret and when it goes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteSecretOutput {
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// Its name.
    pub name: String,
    /// When it goes.
    #[serde(serialize_with = "epoch")]
    pub deletion_date: DateTime<Utc>,
}

super::secretsmanager!(DeleteSecret => DeleteSecretOutput, "DeleteSecret", mutates: true,
    |d| Some(&d.secret_id), delete);

fn delete(env: &mut Env<'_>, input: DeleteSecret) -> Result<DeleteSecretOutput, ApiError> {
    let force = input.force_delete_without_recovery == Some(true);
    if force && input.recovery_window_in_days.is_some() {
        return Err(invalid_parameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        ));
    }
    let days = input.recovery_window_in_days.unwrap_or(30);
    if !(7..=30).contains(&days) {
        return Err(invalid_parameter(
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
        ));
    }
    if force {
        limits::secret_id(&input.secret_id)?;
        return delete_at_once(env, &input.secret_id);
    }
    let now = env.now;
    let secret = env.account.writable_secret(&input.secret_id)?;
    check_replicas(secret, &input.secret_id)?;
    let at = now + TimeDelta::days(days);
    secret.deleted = Some(at);
    secret.changed = now;
    let (name, arn) = (secret.name.clone(), secret.arn.clone());
    let event = Event::SecretExpires {
        name: name.clone(),
        arn: arn.clone(),
    };
    env.account.plan(at, event);
    env.account.touch();
    Ok(DeleteSecretOutput {
        arn,
        name,
        deletion_date: at,
    })
}

/// Succeeds for a secret that is not there, too, so that it can be repeated (botocore, DeleteSecretRequest:
/// no ResourceNotFoundException for what is deleted already or never was; localstack's AWS-validated test
/// `delete_non_existent_secret_returns_as_if_secret_exists`).
fn delete_at_once(env: &mut Env<'_>, id: &str) -> Result<DeleteSecretOutput, ApiError> {
    let found = env.account.secret_name(id).ok();
    if let Some(secret) = found.as_ref().and_then(|name| env.account.secrets.get(name)) {
        check_replicas(secret, id)?;
        if secret
            .primary_region
            .as_ref()
            .is_some_and(|home| *home != env.account.region)
        {
            return Err(replica_write());
        }
    }
    let removed = found.and_then(|name| env.account.secrets.remove(&name));
    let (arn, name) = match removed {
        Some(secret) => {
            env.account.touch();
            (secret.arn, secret.name)
        }
        None => arn_and_name_of_nothing(env, id),
    };
    Ok(DeleteSecretOutput {
        arn,
        name,
        deletion_date: env.now,
    })
}

/// A secret goes after its replicas (botocore model, DeleteSecret).
fn check_replicas(secret: &Secret, id: &str) -> Result<(), ApiError> {
    let regions: Vec<&str> = secret.replicas.iter().map(|replica| replica.region.as_str()).collect();
    if regions.is_empty() {
        Ok(())
    } else {
        Err(has_replicas(id, &regions))
    }
}

fn arn_and_name_of_nothing(env: &mut Env<'_>, id: &str) -> (String, String) {
    let prefix = env.account.arn("secretsmanager", "secret", "");
    match id.strip_prefix(prefix.as_str()) {
        Some(rest) => {
            let name = rest.rsplit_once('-').map_or(rest, |(name, _)| name);
            (id.to_owned(), name.to_owned())
        }
        None => (format!("{prefix}{id}-{}", random::arn_suffix(env.rng)), id.to_owned()),
    }
}

/// Takes the mark for deletion off.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestoreSecret {
    /// Which secret.
    pub secret_id: String,
}

super::secretsmanager!(RestoreSecret => SecretName, "RestoreSecret", mutates: true,
    |r| Some(&r.secret_id), restore);

fn restore(env: &mut Env<'_>, input: RestoreSecret) -> Result<SecretName, ApiError> {
    let now = env.now;
    let secret = env.account.secret_mut(&input.secret_id)?;
    let changed = secret.deleted.take().is_some();
    let output = SecretName {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
    };
    if changed {
        secret.changed = now;
        env.account.touch();
    }
    Ok(output)
}

impl Env<'_> {
    /// The recovery window of a secret is over.
    pub(crate) fn expire_secret(&mut self, name: &str, arn: &str) {
        self.changing(Some(name), |env| {
            let expired = |s: &Secret| s.arn == arn && s.deleted.is_some_and(|at| at <= env.now);
            if env.account.secrets.get(name).is_some_and(expired) {
                env.account.secrets.remove(name);
                env.account.touch();
            }
        });
    }
}
