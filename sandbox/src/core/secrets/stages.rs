//! UpdateSecretVersionStage: labels move, AWSCURRENT by compare-and-swap.

use serde::{Deserialize, Serialize};

use super::errors::{invalid_parameter, no_value_for_version};
use super::model::{CURRENT, Secret};
use crate::core::operation::Env;
use crate::error::ApiError;
use crate::settings::WrongRemoveFromCode;

/// Moves a label, or takes it off.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UpdateSecretVersionStage {
    /// Of which secret.
    pub secret_id: String,
    /// The label.
    pub version_stage: String,
    /// The version that has it.
    pub remove_from_version_id: Option<String>,
    /// The version that gets it.
    pub move_to_version_id: Option<String>,
}

/// The secret.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateSecretVersionStageOutput {
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// Its name.
    pub name: String,
}

super::secretsmanager!(UpdateSecretVersionStage => UpdateSecretVersionStageOutput, "UpdateSecretVersionStage",
    mutates: true, |u| Some(&u.secret_id), update);

fn update(env: &mut Env<'_>, input: UpdateSecretVersionStage) -> Result<UpdateSecretVersionStageOutput, ApiError> {
    check_stage(&input.version_stage)?;
    let now = env.now;
    let doubts = &env.settings.doubts;
    let secret = env.account.writable_secret(&input.secret_id)?;
    let holder = secret.holder(&input.version_stage).cloned();
    check(secret, &input, holder.as_ref(), doubts.wrong_remove_from_code)?;
    let changed = match &input.move_to_version_id {
        Some(to) => {
            secret.check_labels(std::slice::from_ref(&input.version_stage), to, None)?;
            secret.attach(&input.version_stage, to);
            holder.as_ref() != Some(to)
        }
        None => {
            secret.detach(&input.version_stage);
            true
        }
    };
    if changed && doubts.label_move_changes_last_changed_date {
        secret.changed = now;
    }
    if changed && doubts.label_move_sets_last_rotated_date && input.version_stage == CURRENT {
        let rotation = secret.rotation.as_mut().filter(|rotation| rotation.enabled);
        if let Some(rotation) = rotation {
            rotation.last_rotated = Some(now);
        }
    }
    let output = UpdateSecretVersionStageOutput {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
    };
    if changed {
        env.account.touch();
    }
    Ok(output)
}

/// Labels have 1 to 256 characters (botocore model, SecretVersionStageType).
pub(crate) fn check_stage(label: &str) -> Result<(), ApiError> {
    if (1..=256).contains(&label.chars().count()) {
        Ok(())
    } else {
        Err(invalid_parameter("VersionStage must be 1-256 characters long."))
    }
}

/// A label that sits on a version leaves it only when the request names that version. That it
/// must be named was observed (moto's AWS-verified tests); that another one fails is in the
/// parameter's documentation, with no word on the code.
fn check(
    secret: &Secret,
    input: &UpdateSecretVersionStage,
    holder: Option<&String>,
    wrong_code: WrongRemoveFromCode,
) -> Result<(), ApiError> {
    let label = &input.version_stage;
    let (from, to) = (&input.remove_from_version_id, &input.move_to_version_id);
    if from.is_none() && to.is_none() {
        return Err(invalid_parameter(
            "You must provide MoveToVersionId, RemoveFromVersionId or both.",
        ));
    }
    for id in [from, to].into_iter().flatten() {
        if !secret.versions.contains_key(id) {
            return Err(no_value_for_version(id));
        }
    }
    match (from, holder) {
        (None, Some(holder)) if to.as_ref() != Some(holder) => {
            return Err(invalid_parameter(format!(
                "The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to \
                 version {holder}, so you must explicitly reference that version in RemoveFromVersionId."
            )));
        }
        (Some(from), holder) if holder != Some(from) => {
            let held = holder.map_or("no version".to_owned(), |v| format!("version {v}"));
            return Err(ApiError::bad_request(
                wrong_code.name(),
                format!("Staging label {label} is not attached to version {from} but to {held}."),
            ));
        }
        _ => {}
    }
    if to.is_none() && label == CURRENT {
        return Err(invalid_parameter(
            "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
        ));
    }
    Ok(())
}
