//! Customer keys of secrets. Nothing is encrypted here; what is modelled is who may use a key.
//!
//! Secrets Manager uses a key in the name of its caller, who needs the right to (Secrets Manager user guide, "Permissions
//! for the KMS key"). Its own key, `aws/secretsmanager`, everybody may use whom the secret itself is open to. Here key
//! policies leave all to IAM, but for keys that the setting `kms_keys` makes worse.

use serde::{Deserialize, Serialize};

use super::condition::RequestKeys;
use super::document::Policies;
use super::{Answer, Question};
use crate::core::CallContext;
use crate::core::account::Account;
use crate::core::operation::{Env, Service};
use crate::error::ApiError;

/// Which actions on its key an operation needs. The second of PutSecretValue is for the comparison with a version
/// that is there already. CreateSecret and UpdateSecret, which rekeyd's daemon never calls, are not checked.
const USES: [(&str, &[&str]); 2] = [
    ("GetSecretValue", &["kms:Decrypt"]),
    ("PutSecretValue", &["kms:GenerateDataKey", "kms:Decrypt"]),
];

/// What is wrong with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KmsKeyState {
    /// Its own policy lets nobody use it.
    Denied,
    /// It is disabled.
    Disabled,
}

/// Refuses a call that needs a key which its caller may not use, or nobody can.
pub(super) fn check(
    env: &Env<'_>,
    ctx: &CallContext,
    (service, operation): (Service, &'static str),
    secret: Option<&str>,
    policies: Option<&Policies>,
) -> Result<(), ApiError> {
    let uses = USES.iter().find(|(name, _)| *name == operation);
    let Some((_, actions)) = uses.filter(|_| service == Service::SecretsManager) else {
        return Ok(());
    };
    // A secret that does not exist is the operation's to report.
    let Ok(secret) = env.account.secret(secret.unwrap_or_default()) else {
        return Ok(());
    };
    let Some(key) = secret.kms_key_id.as_deref().filter(|key| !is_of_the_service(key)) else {
        return Ok(());
    };
    let arn = arn(env.account, key);
    let states = &env.settings.kms_keys;
    match states.get(key).or_else(|| states.get(&arn)) {
        Some(KmsKeyState::Denied) => return Err(denied()),
        Some(KmsKeyState::Disabled) => return Err(disabled(operation)),
        None => {}
    }
    let keys = via_secrets_manager(&ctx.region).with("kms:encryptioncontext:secretarn", &secret.arn);
    let may = |action: &&str| {
        let question = Question {
            action,
            resource: &arn,
            keys: &keys,
        };
        policies.is_none_or(|policies| policies.answer(&question) == Answer::Allowed)
    };
    if actions.iter().all(may) { Ok(()) } else { Err(denied()) }
}

fn is_of_the_service(key: &str) -> bool {
    key.is_empty() || key.ends_with("alias/aws/secretsmanager")
}

/// A key's ARN from how a secret names it. What stands behind an alias is not modelled: it is a resource of its own.
fn arn(account: &Account, key: &str) -> String {
    if key.starts_with("arn:") {
        return key.to_owned();
    }
    let key = if key.starts_with("alias/") {
        key.to_owned()
    } else {
        format!("key/{key}")
    };
    let arn = account.arn("kms", "", "");
    format!("{}:{key}", arn.trim_end_matches(':'))
}

fn via_secrets_manager(region: &str) -> RequestKeys {
    let service = format!("secretsmanager.{region}.amazonaws.com");
    RequestKeys::default()
        .with("kms:viaservice", &service)
        .with("aws:requestedregion", region)
}

/// Code and words as users of external-secrets (issue 390) and aws-cdk (issue 7677) met them.
fn denied() -> ApiError {
    ApiError::bad_request("AccessDeniedException", "Access to KMS is not allowed")
}

/// The codes of the botocore model; no text is reported.
fn disabled(operation: &str) -> ApiError {
    match operation {
        "GetSecretValue" => ApiError::bad_request(
            "DecryptionFailure",
            "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
        ),
        _ => ApiError::bad_request(
            "EncryptionFailure",
            "Secrets Manager can't encrypt the protected secret text using the provided KMS key.",
        ),
    }
}
