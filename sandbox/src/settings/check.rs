//! What is wrong with settings that can be read.

use serde_json::Value;

use super::{Delay, POLICIES, Range, Settings};

/// Why settings were refused. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A key that does not exist or a value of the wrong type.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The same, or text that is not TOML.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// What was given is not a table of settings.
    #[error("settings must be a JSON object, by key")]
    NoTable,
    /// An array; no setting is one.
    #[error("{0} is an array, which no setting is")]
    Array(String),
    /// A span that ends before it begins.
    #[error("{key}: min {min} is more than max {max}")]
    Span {
        /// Which setting.
        key: String,
        /// Its `min`.
        min: u64,
        /// Its `max`.
        max: u64,
    },
    /// A serverless cache without nodes could not answer.
    #[error("serverless_nodes must be at least 1")]
    NoServerlessNodes,
}

/// Refuses values that have the right type and make no sense.
pub(super) fn check(settings: &Settings) -> Result<(), SettingsError> {
    check_span("propagation_ms", settings.propagation_ms)?;
    for (node, delay) in &settings.node_propagation_ms {
        check_delay(&format!("node_propagation_ms.{node}"), *delay)?;
    }
    if settings.serverless_nodes == 0 {
        return Err(SettingsError::NoServerlessNodes);
    }
    Ok(())
}

/// Refuses a delay whose span ends before it begins.
pub(crate) fn check_delay(key: &str, delay: Delay) -> Result<(), SettingsError> {
    delay.range().map_or(Ok(()), |span| check_span(key, span))
}

fn check_span(key: &str, Range { min, max }: Range) -> Result<(), SettingsError> {
    if min <= max {
        return Ok(());
    }
    let key = key.to_owned();
    Err(SettingsError::Span { key, min, max })
}

/// Refuses arrays, from which serde would read a table's keys by position. `path` is the key of `value`. Policies are
/// IAM's, have arrays of their own and are read by hand.
pub(super) fn check_tables(path: &str, value: &Value) -> Result<(), SettingsError> {
    match value {
        Value::Object(_) if path == POLICIES => Ok(()),
        Value::Array(_) => Err(SettingsError::Array(path.to_owned())),
        Value::Object(table) => table.iter().try_for_each(|(key, value)| {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            check_tables(&path, value)
        }),
        _ => Ok(()),
    }
}
