//! IAM policies of tests: made from a configuration, enforced by the sandbox, and without an action.

use std::collections::BTreeSet;

use rekeyd::config::Config;
use rekeyd::iam::{Given, PolicyKind, advise};
use rekeyd_sandbox::{LogEntry, Policies, Sandbox, Settings};
use serde_json::Value;

use super::world::ACCOUNT;

/// What rekeyd's own policies are for this configuration, which has one place, in the tests' account.
pub fn documents_for(config: &Config, given: Given) -> Vec<Value> {
    let given = Given {
        account: Some(ACCOUNT.to_owned()),
        ..given
    };
    let advice = advise(config, &given).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(advice.warnings, Vec::<String>::new());
    assert!(
        advice
            .policies
            .iter()
            .all(|policy| policy.kind == PolicyKind::Permissions)
    );
    advice.policies.iter().map(|policy| policy.document.json()).collect()
}

/// Lets the caller with this access key do what these documents allow and nothing else.
pub fn enforce(sandbox: &Sandbox, access_key: &str, documents: &[Value]) {
    let policies = Policies::try_from(Value::Array(documents.to_vec()));
    let policies = policies.unwrap_or_else(|defect| panic!("{defect}"));
    let mut settings: Settings = sandbox.settings();
    settings.policies.insert(access_key.to_owned(), policies);
    sandbox.set_settings(settings);
}

fn statements(documents: &[Value]) -> impl Iterator<Item = &Value> {
    documents
        .iter()
        .flat_map(|document| document["Statement"].as_array().expect("statements"))
}

/// The actions that documents allow.
pub fn actions(documents: &[Value]) -> BTreeSet<String> {
    let actions = statements(documents).flat_map(|statement| statement["Action"].as_array().expect("actions"));
    actions
        .map(|action| action.as_str().expect("a name").to_owned())
        .collect()
}

/// The same documents without one action. A statement that had no other goes, too.
pub fn without(documents: &[Value], action: &str) -> Vec<Value> {
    let mut documents = documents.to_vec();
    for document in &mut documents {
        let statements = document["Statement"].as_array_mut().expect("statements");
        for statement in statements.iter_mut() {
            let actions = statement["Action"].as_array_mut().expect("actions");
            actions.retain(|other| other != action);
        }
        statements.retain(|statement| statement["Action"] != serde_json::json!([]));
    }
    documents
}

/// The calls of whoever has this access key.
pub fn calls(sandbox: &Sandbox, access_key: &str) -> Vec<LogEntry> {
    let log = sandbox.log();
    log.into_iter().filter(|entry| entry.access_key == access_key).collect()
}

/// The actions that these calls were, and those that were refused, each on what.
pub fn actions_of(calls: &[LogEntry]) -> (BTreeSet<String>, Vec<String>) {
    let action = |entry: &LogEntry| format!("{}:{}", entry.service.name(), entry.operation);
    let refused = calls.iter().filter(|entry| entry.outcome.starts_with("AccessDenied"));
    let refused = refused.map(|entry| format!("{} on {:?}", action(entry), entry.resource));
    (calls.iter().map(action).collect(), refused.collect())
}
