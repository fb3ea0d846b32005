//! GetSecretValue.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::errors::{invalid_request, marked_for_deletion, no_value_for_label, no_value_for_version};
use super::history::{Labels, View};
use super::model::{CURRENT, Secret, SecretValue, epoch};
use crate::core::operation::Env;
use crate::error::ApiError;
use crate::sensitive::Sensitive;

/// Reads a version's value: by id, by label, or the current one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GetSecretValue {
    /// Of which secret.
    pub secret_id: String,
    /// Which version.
    pub version_id: Option<String>,
    /// With which label.
    pub version_stage: Option<String>,
}

/// A value.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetSecretValueOutput {
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The version.
    pub version_id: String,
    /// The value, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_string: Option<Sensitive>,
    /// The value in base64, if it is bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_binary: Option<Sensitive>,
    /// The version's labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub version_stages: Vec<String>,
    /// When the version was made.
    #[serde(serialize_with = "epoch")]
    pub created_date: DateTime<Utc>,
    /// Whether nobody had read it on this day.
    #[serde(skip)]
    pub(crate) first_today: bool,
}

super::secretsmanager!(GetSecretValue => GetSecretValueOutput, "GetSecretValue", mutates: false,
    |g| Some(&g.secret_id), get);

fn get(env: &mut Env<'_>, input: GetSecretValue) -> Result<GetSecretValueOutput, ApiError> {
    let (now, view) = (env.now, View::of(env));
    let secret = env.account.secret_mut(&input.secret_id)?;
    let output = read(secret, input.version_id, input.version_stage, view, now)?;
    if output.first_today {
        env.account.mark();
    }
    Ok(output)
}

/// Reads a version and notes the day.
pub(crate) fn read(
    secret: &mut Secret,
    version_id: Option<String>,
    stage: Option<String>,
    view: View,
    now: DateTime<Utc>,
) -> Result<GetSecretValueOutput, ApiError> {
    if secret.deleted.is_some() {
        return Err(marked_for_deletion());
    }
    let labels = view.labels(secret).into_owned();
    let id = find(secret, version_id, stage, view, &labels)?;
    // Access is kept by the day (botocore model).
    let day = now.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let seen = secret.accessed.replace(day) == Some(day);
    let missing = || no_value_for_version(&id);
    let version = secret.versions.get_mut(&id).ok_or_else(missing)?;
    let first_today = version.accessed.replace(day) != Some(day) || !seen;
    let (text, bytes) = match version.value.clone().ok_or_else(missing)? {
        SecretValue::Text(text) => (Some(text), None),
        SecretValue::Binary(bytes) => (None, Some(bytes)),
    };
    Ok(GetSecretValueOutput {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        secret_string: text,
        secret_binary: bytes,
        version_stages: labels.get(&id).into_iter().flatten().cloned().collect(),
        created_date: version.created,
        version_id: id,
        first_today,
    })
}

/// Which version is meant.
fn find(
    secret: &Secret,
    version_id: Option<String>,
    stage: Option<String>,
    view: View,
    labels: &Labels,
) -> Result<String, ApiError> {
    let filled = |id: &String| secret.versions.get(id).is_some_and(|v| v.value.is_some());
    let Some(id) = version_id else {
        let stage = stage.unwrap_or_else(|| CURRENT.to_owned());
        let mut holders = labels.iter().filter(|(_, labels)| labels.contains(&stage));
        let holder = holders.next().map(|(id, _)| id.clone());
        return holder.filter(filled).ok_or_else(|| no_value_for_label(&stage));
    };
    if !secret.versions.get(&id).is_some_and(|version| view.knows(version)) {
        return Err(no_value_for_version(&id));
    }
    if !filled(&id) {
        return Err(match stage {
            Some(stage) => no_value_for_label(&stage),
            None => no_value_for_version(&id),
        });
    }
    if stage.is_some_and(|stage| !labels.get(&id).is_some_and(|labels| labels.contains(&stage))) {
        return Err(invalid_request(
            "You provided a VersionStage that is not associated to the provided VersionId.",
        ));
    }
    Ok(id)
}
