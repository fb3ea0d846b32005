//! What the commands need, beside what the daemon does.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::config::{Config, parse_str};

fn config(text: &str) -> Config {
    let head = "[daemon]\nadmin_socket = \"/a\"\nstate = \"sqlite:/s\"\n[aws.main]\nregion = \"us-east-1\"\n";
    let loaded = parse_str("test.toml", &format!("{head}{text}"));
    loaded.unwrap_or_else(|errors| panic!("{errors}")).config
}

/// A policy in `main` with these keys.
fn policy(keys: &str) -> Config {
    config(&format!(
        "[policy.orders]\naws = \"main\"\nschedule = \"30d\"\n{keys}\n"
    ))
}

fn statements(config: &Config, purpose: Purpose) -> Vec<Value> {
    let given = Given {
        purpose,
        account: Some("123456789012".to_owned()),
        ..Given::default()
    };
    let advice = advise(config, &given).unwrap_or_else(|error| panic!("{error}"));
    let documents = advice.policies.iter().map(|policy| policy.document.json());
    documents
        .flat_map(|document| document["Statement"].as_array().cloned().unwrap_or_default())
        .collect()
}

fn statement(config: &Config, purpose: Purpose, sid: &str) -> Value {
    let mut statements = statements(config, purpose).into_iter();
    statements.find(|statement| statement["Sid"] == sid).unwrap_or_default()
}

fn actions(config: &Config, purpose: Purpose) -> BTreeSet<String> {
    let statements = statements(config, purpose);
    let actions = statements.iter().filter_map(|statement| statement["Action"].as_array());
    actions
        .flatten()
        .map(|action| action.as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn a_plan_has_nothing_that_the_daemon_has_not_and_no_write() {
    let config = policy("select = { name_prefix = \"a/\" }\nallow_users = [\"u\"]");
    let (plan, daemon) = (actions(&config, Purpose::Plan), actions(&config, Purpose::Daemon));
    assert!(plan.is_subset(&daemon), "{plan:#?}");
    let writes: Vec<&String> = daemon.difference(&plan).collect();
    assert_eq!(
        writes,
        [
            "elasticache:ModifyUser",
            "secretsmanager:PutSecretValue",
            "secretsmanager:UpdateSecretVersionStage"
        ]
    );
}

#[test]
fn a_secret_that_is_to_be_made_is_covered_by_its_name_alone_and_by_its_arn() {
    let config = policy("secrets = [\"a/b\"]\nallow_users = [\"u\"]");
    let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:a/b";
    assert_eq!(
        statement(&config, Purpose::Onboard, "OnboardSecrets")["Resource"],
        json!([arn, format!("{arn}-??????")])
    );
}

#[test]
fn where_a_policy_selects_by_tags_a_secret_is_made_with_them_and_read_only_if_it_has_them() {
    let config = policy("select = { name_prefix = \"a/\", tags = { team = \"orders\" } }\nallow_users = [\"u\"]");
    let of = |sid: &str| statement(&config, Purpose::Onboard, sid);
    let condition = |key: &str| json!({"StringEquals": {format!("{key}/team"): ["orders"]}});
    assert_eq!(of("MakeTaggedSecrets1")["Condition"], condition("aws:RequestTag"));
    assert_eq!(of("OnboardTaggedSecrets1")["Condition"], condition("aws:ResourceTag"));
    let look = of("LookForTaggedSecrets1");
    assert_eq!(look["Action"], json!(["secretsmanager:DescribeSecret"]));
    assert_eq!(look["Condition"], Value::Null);
    assert_eq!(of("OnboardSecrets"), Value::Null);
}

#[test]
fn users_are_made_and_join_groups_only_as_the_policies_allow() {
    let config = policy("secrets = [\"a\"]\nallow_users = [\"User1\", \"orders-*\"]");
    let users = ["orders-*", "user1"].map(|user| format!("arn:aws:elasticache:us-east-1:123456789012:user:{user}"));
    assert_eq!(
        statement(&config, Purpose::Onboard, "MakeUsers")["Resource"],
        json!(users)
    );
    let joined = &statement(&config, Purpose::Onboard, "JoinGroups")["Resource"];
    let groups = "arn:aws:elasticache:us-east-1:123456789012:usergroup:*";
    assert_eq!(*joined, json!([groups, users[0], users[1]]));
}

#[test]
fn who_logs_in_nowhere_looks_up_no_nodes() {
    let caches =
        ["ReplicationGroups", "CacheClusters", "ServerlessCaches"].map(|kind| format!("elasticache:Describe{kind}"));
    for keys in ["verify = \"api-only\"", "endpoints = [\"h:6379\"]"] {
        let config = policy(&format!("secrets = [\"a\"]\nallow_users = [\"u\"]\n{keys}"));
        for purpose in [Purpose::Onboard, Purpose::Takeover] {
            let actions = actions(&config, purpose);
            assert!(
                caches.iter().all(|action| !actions.contains(action)),
                "{purpose}: {actions:#?}"
            );
        }
        assert!(actions(&config, Purpose::Onboard).contains("elasticache:DescribeUserGroups"));
    }
}

#[test]
fn the_names_of_purposes_are_what_is_typed() {
    for purpose in Purpose::ALL {
        assert_eq!(purpose.label().parse(), Ok(purpose));
    }
    assert!("nobody".parse::<Purpose>().is_err());
}
