//! What tests ask of advice.

use serde_json::Value;

use super::{Given, Purpose, advise};
use crate::config::parse_str;

/// The account of tests.
const ACCOUNT: &str = "123456789012";

/// All statements that a purpose needs with this configuration, each with the name of its policy; and the warnings.
pub(super) fn advised(configuration: &str, purpose: Purpose) -> (Vec<(String, Value)>, Vec<String>) {
    let loaded = parse_str("test.toml", configuration).unwrap_or_else(|errors| panic!("{errors}"));
    let given = Given {
        account: Some(ACCOUNT.to_owned()),
        purpose,
        ..Given::default()
    };
    let advice = advise(&loaded.config, &given).unwrap_or_else(|error| panic!("{error}"));
    let statements = advice.policies.iter().flat_map(|policy| {
        let document = policy.document.json();
        let statements = document["Statement"].as_array().cloned().unwrap_or_default();
        statements.into_iter().map(|statement| (policy.name.clone(), statement))
    });
    (statements.collect(), advice.warnings)
}
