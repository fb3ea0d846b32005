//! BatchGetSecretValue.

use serde::{Deserialize, Serialize};

use super::errors::invalid_parameter;
use super::filters::{SecretFilter, passes};
use super::get::{GetSecretValueOutput, read};
use super::history::View;
use super::list::page;
use crate::core::operation::Env;
use crate::error::ApiError;

/// Reads the current values of up to 20 secrets.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BatchGetSecretValue {
    /// Which secrets.
    pub secret_id_list: Option<Vec<String>>,
    /// Or those that pass all of these.
    pub filters: Option<Vec<SecretFilter>>,
    /// How many on a page, with filters.
    pub max_results: Option<i64>,
    /// Where the last page ended.
    pub next_token: Option<String>,
}

/// What could be read and what could not.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchGetSecretValueOutput {
    /// The values.
    pub secret_values: Vec<GetSecretValueOutput>,
    /// The errors.
    pub errors: Vec<BatchError>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Why one secret could not be read.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchError {
    /// The secret, as it was asked for.
    pub secret_id: String,
    /// The code.
    pub error_code: String,
    /// The text.
    pub message: String,
}

super::secretsmanager!(BatchGetSecretValue => BatchGetSecretValueOutput, "BatchGetSecretValue",
    mutates: false, |_| None, get);

fn get(env: &mut Env<'_>, input: BatchGetSecretValue) -> Result<BatchGetSecretValueOutput, ApiError> {
    let (ids, next_token) = match (input.secret_id_list, input.filters) {
        (Some(ids), None) => (ids, None),
        (None, Some(filters)) => {
            let mut names = Vec::new();
            for secret in env.account.secrets.values().filter(|s| s.deleted.is_none()) {
                if passes(secret, &filters)? {
                    names.push(secret.name.clone());
                }
            }
            let max = input.max_results.unwrap_or(20);
            page(names, input.next_token.as_deref(), Some(max))?
        }
        _ => {
            return Err(invalid_parameter(
                "Either 'SecretIdList' or 'Filters' must be provided, but not both.",
            ));
        }
    };
    if ids.len() > 20 {
        return Err(invalid_parameter("At most 20 secrets can be read at once."));
    }
    let (now, view) = (env.now, View::of(env));
    let mut output = BatchGetSecretValueOutput {
        secret_values: Vec::new(),
        errors: Vec::new(),
        next_token,
    };
    for id in ids {
        let secret = env.account.secret_mut(&id);
        match secret.and_then(|secret| read(secret, None, None, view, now)) {
            Ok(value) => {
                if value.first_today {
                    env.account.mark();
                }
                output.secret_values.push(value);
            }
            Err(error) => output.errors.push(BatchError {
                secret_id: id,
                error_code: error.code,
                message: error.message,
            }),
        }
    }
    Ok(output)
}
