//! PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy, ListResourcePolicies and ValidateResourcePolicy. A policy is
//! kept and shown; whom it lets in nobody asks.

use serde::{Deserialize, Serialize};

use super::errors::{invalid_parameter, marked_for_deletion, not_found};
use super::limits;
use super::list::page;
use super::policy_document::{PolicyFinding, PolicyProblem, problems};
use crate::core::operation::Env;
use crate::error::ApiError;

/// The one policy that can be changed (botocore model).
const DEFAULT: &str = "default";

/// Attaches a policy to a secret.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PutResourcePolicy {
    /// Which secret.
    pub secret_id: String,
    /// The policy, as JSON text of up to 20,480 characters.
    pub resource_policy: String,
    /// Its name: `default`.
    pub policy_name: Option<String>,
    /// Whether a policy that lets everybody in is refused.
    pub block_public_policy: Option<bool>,
}

/// Shows a secret's policy.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GetResourcePolicy {
    /// Of which secret.
    pub secret_id: String,
    /// Its name; `default` unless told.
    pub policy_name: Option<String>,
}

/// Takes a secret's policy off.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteResourcePolicy {
    /// Of which secret.
    pub secret_id: String,
    /// Its name: `default`.
    pub policy_name: Option<String>,
}

/// Shows the names of a secret's policies.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListResourcePolicies {
    /// Of which secret.
    pub secret_id: String,
    /// How many on a page.
    pub max_results: Option<i64>,
    /// Where the last page ended.
    pub next_token: Option<String>,
}

/// Says what is wrong with a policy.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ValidateResourcePolicy {
    /// Of which secret, if of one.
    pub secret_id: Option<String>,
    /// The policy, as JSON text.
    pub resource_policy: String,
}

/// The secret whose policy was changed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourcePolicyOutput {
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The policy's name, if the request gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_name: Option<String>,
}

/// A secret and its policy.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetResourcePolicyOutput {
    /// The secret.
    #[serde(flatten)]
    pub secret: ResourcePolicyOutput,
    /// Its policy, as it was given; nothing if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_policy: Option<String>,
}

/// One page of policies.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListResourcePoliciesOutput {
    /// The policies.
    pub resource_policies: Vec<ResourcePolicySummary>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A policy in a list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourcePolicySummary {
    /// Its name.
    pub policy_name: String,
}

/// What the checks of a policy came to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ValidateResourcePolicyOutput {
    /// Whether nothing was found.
    pub policy_validation_passed: bool,
    /// What was found.
    pub validation_errors: Vec<PolicyFinding>,
}

super::secretsmanager!(PutResourcePolicy => ResourcePolicyOutput, "PutResourcePolicy", mutates: true,
    |p| Some(&p.secret_id), put);
super::secretsmanager!(GetResourcePolicy => GetResourcePolicyOutput, "GetResourcePolicy", mutates: false,
    |g| Some(&g.secret_id), get);
super::secretsmanager!(DeleteResourcePolicy => ResourcePolicyOutput, "DeleteResourcePolicy", mutates: true,
    |d| Some(&d.secret_id), delete);
super::secretsmanager!(ListResourcePolicies => ListResourcePoliciesOutput, "ListResourcePolicies", mutates: false,
    |l| Some(&l.secret_id), list);
super::secretsmanager!(ValidateResourcePolicy => ValidateResourcePolicyOutput, "ValidateResourcePolicy", mutates: false,
    |v| v.secret_id.as_deref(), validate);

fn put(env: &mut Env<'_>, input: PutResourcePolicy) -> Result<ResourcePolicyOutput, ApiError> {
    check_size(&input.resource_policy)?;
    check_name(input.policy_name.as_ref())?;
    let found = problems(&input.resource_policy);
    // The code of a lockout is KMS's for the same thing; Secrets Manager's is not known.
    if let Some(problem) = found.iter().find(|problem| problem.is_malformed()) {
        return Err(malformed(*problem));
    }
    if input.block_public_policy == Some(true) && found.contains(&PolicyProblem::BroadAccess) {
        return Err(ApiError::bad_request(
            "PublicPolicyException",
            "You can't attach a resource-based policy that allows broad access to the secret.",
        ));
    }
    change(env, &input.secret_id, Some(input.resource_policy), input.policy_name)
}

fn delete(env: &mut Env<'_>, input: DeleteResourcePolicy) -> Result<ResourcePolicyOutput, ApiError> {
    check_name(input.policy_name.as_ref())?;
    change(env, &input.secret_id, None, input.policy_name)
}

fn change(
    env: &mut Env<'_>,
    id: &str,
    policy: Option<String>,
    policy_name: Option<String>,
) -> Result<ResourcePolicyOutput, ApiError> {
    let now = env.now;
    let secret = env.account.writable_secret(id)?;
    let changed = secret.policy != policy;
    if changed {
        secret.policy = policy;
        secret.changed = now;
    }
    let output = ResourcePolicyOutput {
        arn: secret.arn.clone(),
        name: secret.name.clone(),
        policy_name,
    };
    if changed {
        env.account.touch();
    }
    Ok(output)
}

fn get(env: &mut Env<'_>, input: GetResourcePolicy) -> Result<GetResourcePolicyOutput, ApiError> {
    limits::length("PolicyName", input.policy_name.as_ref(), 1..=64)?;
    let secret = env.account.secret(&input.secret_id)?;
    if secret.deleted.is_some() {
        return Err(marked_for_deletion());
    }
    if input.policy_name.as_ref().is_some_and(|name| name != DEFAULT) {
        return Err(not_found("Secrets Manager can't find the specified resource policy."));
    }
    Ok(GetResourcePolicyOutput {
        secret: ResourcePolicyOutput {
            arn: secret.arn.clone(),
            name: secret.name.clone(),
            policy_name: input.policy_name,
        },
        resource_policy: secret.policy.clone(),
    })
}

fn list(env: &mut Env<'_>, input: ListResourcePolicies) -> Result<ListResourcePoliciesOutput, ApiError> {
    let secret = env.account.secret(&input.secret_id)?;
    if secret.deleted.is_some() {
        return Err(marked_for_deletion());
    }
    let policies = secret.policy.iter().map(|_| ResourcePolicySummary {
        policy_name: DEFAULT.to_owned(),
    });
    let (resource_policies, next_token) =
        page(policies.collect(), input.next_token.as_deref(), input.max_results, 100)?;
    Ok(ListResourcePoliciesOutput {
        resource_policies,
        next_token,
    })
}

/// A text that is no policy is refused; what else is found is reported. (Which of it AWS does how is not known.)
fn validate(env: &mut Env<'_>, input: ValidateResourcePolicy) -> Result<ValidateResourcePolicyOutput, ApiError> {
    check_size(&input.resource_policy)?;
    if let Some(id) = &input.secret_id {
        env.account.secret(id)?;
    }
    let found = problems(&input.resource_policy);
    if found.contains(&PolicyProblem::Syntax) {
        return Err(malformed(PolicyProblem::Syntax));
    }
    Ok(ValidateResourcePolicyOutput {
        policy_validation_passed: found.is_empty(),
        validation_errors: found.into_iter().map(PolicyProblem::finding).collect(),
    })
}

fn malformed(problem: PolicyProblem) -> ApiError {
    ApiError::bad_request("MalformedPolicyDocumentException", problem.to_string())
}

/// Up to 20,480 characters (botocore model; Secrets Manager quotas).
fn check_size(policy: &String) -> Result<(), ApiError> {
    limits::length("ResourcePolicy", Some(policy), 1..=20_480)
}

fn check_name(name: Option<&String>) -> Result<(), ApiError> {
    if name.is_none_or(|name| name == DEFAULT) {
        return Ok(());
    }
    Err(invalid_parameter("You can only change the default resource policy."))
}
