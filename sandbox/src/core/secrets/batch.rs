//! BatchGetSecretValue.

use serde::{Deserialize, Serialize};

use super::errors::invalid_parameter;
use super::filters::{SecretFilter, check, passes};
use super::get::{GetSecretValueOutput, read};
use super::history::View;
use super::limits;
use super::list::page;
use crate::core::operation::Env;
use crate::error::ApiError;

/// How many secrets are read at once (botocore model).
const MOST: usize = 20;

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
    let (ids, next_token) = choose(env, input)?;
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

/// Which secrets to read, and where to go on.
fn choose(env: &Env<'_>, input: BatchGetSecretValue) -> Result<(Vec<String>, Option<String>), ApiError> {
    match (input.secret_id_list, input.filters) {
        (Some(_), None) if input.max_results.is_some() => {
            Err(invalid_parameter("MaxResults can only be used with Filters."))
        }
        (Some(ids), None) => {
            limits::items("SecretIdList", &ids, 1..=MOST)?;
            Ok((ids, None))
        }
        (None, Some(filters)) => {
            check(&filters)?;
            let readable = env.account.secrets.values().filter(|secret| secret.deleted.is_none());
            let names = readable.filter(|secret| passes(secret, &filters));
            let names = names.map(|secret| secret.name.clone()).collect();
            page(names, input.next_token.as_deref(), input.max_results, MOST)
        }
        _ => Err(invalid_parameter(
            "Either 'SecretIdList' or 'Filters' must be provided, but not both.",
        )),
    }
}
