//! Secrets Manager's errors. All client errors are HTTP 400, not-found too: no error shape of the
//! botocore model carries another status, and localstack's AWS-validated tests agree. Texts as
//! observed there and in moto's AWS-verified tests.

use crate::error::ApiError;

pub(crate) fn secret_not_found() -> ApiError {
    not_found("Secrets Manager can't find the specified secret.")
}

/// Text from localstack's AWS-validated snapshots.
pub(crate) fn not_a_name() -> ApiError {
    ApiError::bad_request(
        "ValidationException",
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    )
}

pub(crate) fn not_found(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("ResourceNotFoundException", message)
}

pub(crate) fn no_value_for_label(label: &str) -> ApiError {
    not_found(format!(
        "Secrets Manager can't find the specified secret value for staging label: {label}"
    ))
}

pub(crate) fn no_value_for_version(version: &str) -> ApiError {
    not_found(format!(
        "Secrets Manager can't find the specified secret value for VersionId: {version}"
    ))
}

pub(crate) fn invalid_parameter(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("InvalidParameterException", message)
}

pub(crate) fn invalid_request(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("InvalidRequestException", message)
}

pub(crate) fn limit(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("LimitExceededException", message)
}

pub(crate) fn token_in_use(token: &str, arn: &str) -> ApiError {
    ApiError::bad_request(
        "ResourceExistsException",
        format!(
            "You can't use ClientRequestToken {token} because that value is already in use for a version of secret {arn}."
        ),
    )
}

pub(crate) fn marked_for_deletion() -> ApiError {
    invalid_request("You can't perform this operation on the secret because it was marked for deletion.")
}

/// Code and text as moto has them; AWS's are not known.
pub(crate) fn has_replicas(id: &str, regions: &[&str]) -> ApiError {
    let regions = regions.join(",");
    invalid_parameter(format!(
        "You can't delete secret {id} that still has replica regions [{regions}]"
    ))
}

pub(crate) fn replica_write() -> ApiError {
    invalid_parameter("Operation not permitted on a replica secret. Call must be made in primary secret's region.")
}
