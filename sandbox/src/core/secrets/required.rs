//! What a request must have in it (botocore model, `required`).

use serde_json::Value;

use crate::error::ApiError;

/// The members that an operation requires; the others require `SecretId` alone.
const REQUIRED: [(&str, &[&str]); 12] = [
    ("BatchGetSecretValue", &[]),
    ("CreateSecret", &["Name"]),
    ("GetRandomPassword", &[]),
    ("ListSecrets", &[]),
    ("PutResourcePolicy", &["SecretId", "ResourcePolicy"]),
    ("RemoveRegionsFromReplication", &["SecretId", "RemoveReplicaRegions"]),
    ("ReplicateSecretToRegions", &["SecretId", "AddReplicaRegions"]),
    ("TagResource", &["SecretId", "Tags"]),
    ("UntagResource", &["SecretId", "TagKeys"]),
    ("UpdateSecretVersionStage", &["SecretId", "VersionStage"]),
    ("ValidateResourcePolicy", &["ResourcePolicy"]),
    ("", &["SecretId"]),
];

/// Refuses a request that lacks a member, in the words that AWS's JSON services share. (None was reported from this one:
/// SDKs do not send such requests.)
pub(crate) fn check(operation: &str, input: &Value) -> Result<(), ApiError> {
    let of = |name: &str| REQUIRED.iter().find(|(known, _)| *known == name);
    let required = of(operation).or_else(|| of("")).map_or(&[][..], |(_, members)| members);
    let missing = required
        .iter()
        .find(|member| input.get(member).is_none_or(Value::is_null));
    let Some(member) = missing else {
        return Ok(());
    };
    let (first, rest) = member.split_at(1);
    Err(ApiError::bad_request(
        "ValidationException",
        format!(
            "1 validation error detected: Value null at '{}{rest}' failed to satisfy constraint: Member must not be null",
            first.to_ascii_lowercase()
        ),
    ))
}
