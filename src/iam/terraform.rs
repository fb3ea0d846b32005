//! The policies as Terraform: a data source for each document, and the managed policies that are made of them.

use std::fmt::Write as _;

use super::advice::{Advice, IamPolicy, PolicyKind};
use super::document::{Account, Resource, Statement};

/// What stands for the account of whoever runs Terraform.
const OWN_ACCOUNT: &str = "${data.aws_caller_identity.current.account_id}";

/// HCL for the AWS provider. Where an account is not known it is the one that Terraform works in.
pub fn terraform(advice: &Advice) -> String {
    let mut text = String::from("# Made by `rekeyd iam-policy --terraform`.\n");
    if advice
        .policies
        .iter()
        .any(|policy| policy.document.leaves_account_open())
    {
        text.push_str("\ndata \"aws_caller_identity\" \"current\" {}\n");
    }
    for policy in &advice.policies {
        data(&mut text, policy);
        if policy.kind != PolicyKind::Trust {
            managed(&mut text, policy);
        }
    }
    text
}

/// A policy's name as an identifier. Names differ in more than what is replaced.
fn identifier(name: &str) -> String {
    let fits = |character: char| character.is_ascii_alphanumeric() || character == '_';
    name.replace('-', "__")
        .chars()
        .map(|character| if fits(character) { character } else { '_' })
        .collect()
}

fn data(text: &mut String, policy: &IamPolicy) {
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(text, "\n# For {}{}.", policy.holder, in_account(policy));
    let _ = writeln!(
        text,
        "data \"aws_iam_policy_document\" \"{}\" {{",
        identifier(&policy.name)
    );
    for (index, statement) in policy.document.statements.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        block(text, statement);
    }
    text.push_str("}\n");
}

fn in_account(policy: &IamPolicy) -> String {
    match &policy.account {
        Account::Known(id) => format!(", in account {id}"),
        Account::Own => String::new(),
    }
}

fn managed(text: &mut String, policy: &IamPolicy) {
    let id = identifier(&policy.name);
    let _ = writeln!(text, "\nresource \"aws_iam_policy\" \"{id}\" {{");
    let _ = writeln!(text, "  name   = {}", quoted(&policy.name));
    let _ = writeln!(text, "  policy = data.aws_iam_policy_document.{id}.json");
    text.push_str("}\n");
}

fn block(text: &mut String, statement: &Statement) {
    let _ = writeln!(text, "  statement {{\n    sid = {}", quoted(&statement.sid));
    let actions: Vec<String> = statement.actions.iter().map(|action| quoted(action)).collect();
    list(text, 4, "actions", &actions);
    if let Some(principal) = &statement.principal {
        text.push_str("    principals {\n      type = \"AWS\"\n");
        list(text, 6, "identifiers", &[quoted(principal)]);
        text.push_str("    }\n");
    }
    if !statement.resources.is_empty() {
        let resources: Vec<String> = statement.resources.iter().map(resource).collect();
        list(text, 4, "resources", &resources);
    }
    for condition in &statement.conditions {
        let values: Vec<String> = condition.values.iter().map(|value| quoted(value)).collect();
        let operator = super::Condition::OPERATOR;
        let _ = writeln!(text, "    condition {{\n      test     = {}", quoted(operator));
        let _ = writeln!(text, "      variable = {}", quoted(&condition.key));
        list(text, 6, "values", &values);
        text.push_str("    }\n");
    }
    text.push_str("  }\n");
}

fn list(text: &mut String, indent: usize, name: &str, items: &[String]) {
    let _ = writeln!(text, "{:indent$}{name} = [", "");
    for item in items {
        let _ = writeln!(text, "{:indent$}  {item},", "");
    }
    let _ = writeln!(text, "{:indent$}]", "");
}

fn resource(resource: &Resource) -> String {
    match resource {
        Resource::All => quoted("*"),
        Resource::Arn(arn) if arn.account == Account::Own => {
            let (before, after) = (arn.with_own_account("\0"), OWN_ACCOUNT);
            let parts: Vec<String> = before.split('\0').map(escaped).collect();
            format!("\"{}\"", parts.join(after))
        }
        Resource::Arn(arn) => quoted(&arn.with_own_account("")),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// The inside of a quoted string: HCL's escapes, and no template.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            control if control.is_control() => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(control));
            }
            other => escaped.push(other),
        }
    }
    escaped.replace("${", "$${").replace("%{", "%%{")
}
