//! `rekeyd iam-policy`: the least IAM policies that a configuration needs.

use std::path::Path;

use serde_json::{Value, json};

use super::{CliError, Reply, complain};
use crate::cli::args::IamPolicyArgs;
use crate::cli::exit::Exit;
use crate::cli::run::read;
use crate::iam::{Advice, Given, GivenError, IamPolicy, advise, cloudformation, terraform};

/// Prints them. What should be known about them goes to standard error.
pub(super) fn iam_policy(config: &Path, args: IamPolicyArgs) -> Result<Reply, CliError> {
    let config = read(config)?.config;
    let given = Given {
        purpose: args.purpose,
        place: args.place,
        account: args.account,
        principal: args.principal,
        kms_keys: args.kms_keys,
    };
    let unfit = |error: GivenError| CliError::Usage(error.to_string());
    let mut advice = advise(&config, &given).map_err(unfit)?;
    if let Some(name) = &args.document {
        keep(&mut advice, name)?;
    }
    let text = if args.terraform {
        terraform(&advice)
    } else if args.cloudformation {
        cloudformation(&advice)
    } else {
        advice.warn_of_open_accounts();
        if args.json {
            whole(&advice)?
        } else {
            documents(&advice)?
        }
    };
    for warning in advice.warnings.iter().filter(|_| !args.json) {
        complain(&format!("rekeyd: warning: {warning}"));
    }
    Ok(Reply::new(Exit::Done, text))
}

/// Leaves only the policy of that name.
fn keep(advice: &mut Advice, name: &str) -> Result<(), CliError> {
    let names: Vec<String> = advice.policies.iter().map(|policy| policy.name.clone()).collect();
    advice.policies.retain(|policy| policy.name == name);
    if advice.policies.is_empty() {
        let names = names.join(", ");
        return Err(CliError::Usage(format!("there is no policy {name}; there are {names}")));
    }
    Ok(())
}

/// The documents, one after the other. Which is which is said if there are several.
fn documents(advice: &Advice) -> Result<String, CliError> {
    let mut text = String::new();
    for policy in &advice.policies {
        if advice.policies.len() > 1 {
            complain(&format!("{}: for {}{}", policy.name, policy.holder, in_account(policy)));
        }
        text += &serde_json::to_string_pretty(&policy.document.json())?;
        text.push('\n');
    }
    Ok(text)
}

fn in_account(policy: &IamPolicy) -> String {
    let account = policy.account.known();
    account.map_or_else(String::new, |account| format!(", in account {account}"))
}

/// Everything as one object.
fn whole(advice: &Advice) -> Result<String, CliError> {
    let policies = advice.policies.iter().map(|policy| {
        json!({
            "name": policy.name,
            "kind": policy.kind.label(),
            "for": policy.holder,
            "account": policy.account.known(),
            "characters": policy.document.characters(),
            "document": policy.document.json(),
        })
    });
    let policies: Vec<Value> = policies.collect();
    let mut text = serde_json::to_string_pretty(&json!({"policies": policies, "warnings": advice.warnings}))?;
    text.push('\n');
    Ok(text)
}
