//! The policies as CloudFormation templates: one for each account, for a stack is in one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::advice::{Advice, IamPolicy, PolicyKind};
use super::document::{Account, Condition, Resource, Statement, VERSION};

/// YAML. Where an account is not known it is the stack's. Several templates are documents of their own. Trust policies
/// belong to their roles' templates and are left out, which a comment says.
pub fn cloudformation(advice: &Advice) -> String {
    let mut stacks: BTreeMap<&Account, Vec<&IamPolicy>> = BTreeMap::new();
    for policy in &advice.policies {
        stacks.entry(&policy.account).or_default().push(policy);
    }
    let templates: Vec<String> = stacks
        .into_iter()
        .map(|(account, policies)| template(account, &policies))
        .collect();
    templates.join("---\n")
}

fn template(account: &Account, policies: &[&IamPolicy]) -> String {
    let mut text = String::from("# Made by `rekeyd iam-policy --cloudformation`.\n");
    // Writing to a String cannot fail, here and below.
    if let Account::Known(id) = account {
        let _ = writeln!(text, "# For a stack in account {id}.");
    }
    let (trusts, managed): (Vec<&IamPolicy>, Vec<&IamPolicy>) =
        policies.iter().partition(|policy| policy.kind == PolicyKind::Trust);
    for trust in trusts {
        let _ = writeln!(
            text,
            "# Not here: {}. `rekeyd iam-policy --document {}` prints it.",
            trust.holder, trust.name
        );
    }
    text.push_str("AWSTemplateFormatVersion: \"2010-09-09\"\n");
    text.push_str("Description: \"The least policies that rekeyd needs\"\nResources:\n");
    for policy in managed {
        resource(&mut text, policy);
    }
    text
}

/// A name of letters and digits: each word begins with a capital, and what separates words is counted out.
fn logical_id(name: &str) -> String {
    let mut id = String::new();
    let mut begins = true;
    for character in name.chars() {
        match character {
            '-' => begins = true,
            plain if plain.is_ascii_alphanumeric() => {
                id.push(if begins { plain.to_ascii_uppercase() } else { plain });
                begins = false;
            }
            // Place names have underscores; a word of its own keeps `a_b` and `ab` apart.
            other => {
                let _ = write!(id, "X{:x}X", u32::from(other));
            }
        }
    }
    id
}

fn resource(text: &mut String, policy: &IamPolicy) {
    let _ = writeln!(text, "  # For {}.", policy.holder);
    let _ = writeln!(
        text,
        "  {}:\n    Type: \"AWS::IAM::ManagedPolicy\"",
        logical_id(&policy.name)
    );
    let _ = writeln!(
        text,
        "    Properties:\n      ManagedPolicyName: {}",
        quoted(&policy.name)
    );
    let _ = writeln!(text, "      PolicyDocument:\n        Version: {}", quoted(VERSION));
    text.push_str("        Statement:\n");
    for statement in &policy.document.statements {
        block(text, statement);
    }
}

fn block(text: &mut String, statement: &Statement) {
    let _ = writeln!(text, "          - Sid: {}", quoted(&statement.sid));
    text.push_str("            Effect: \"Allow\"\n            Action:\n");
    for action in &statement.actions {
        let _ = writeln!(text, "              - {}", quoted(action));
    }
    text.push_str("            Resource:\n");
    for resource in &statement.resources {
        let _ = writeln!(text, "              - {}", value(resource));
    }
    if statement.conditions.is_empty() {
        return;
    }
    let _ = writeln!(text, "            Condition:\n              {}:", Condition::OPERATOR);
    for condition in &statement.conditions {
        let _ = writeln!(text, "                {}:", quoted(&condition.key));
        for value in &condition.values {
            let _ = writeln!(text, "                  - {}", quoted(value));
        }
    }
}

fn value(resource: &Resource) -> String {
    match resource {
        Resource::All => quoted("*"),
        Resource::Arn(arn) if arn.account == Account::Own => {
            let parts = arn.with_own_account("\0").replace("${", "${!");
            format!("!Sub {}", quoted(&parts.replace('\0', "${AWS::AccountId}")))
        }
        Resource::Arn(arn) => quoted(&arn.with_own_account("")),
    }
}

/// A string as JSON has it, which YAML takes in double quotes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
