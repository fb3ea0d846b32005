//! ElastiCache's errors. Codes and statuses are those of the botocore model (the code is the shape's
//! name without `Fault`, but for the few that keep it); texts as reported by users of Terraform's
//! AWS provider where known.

use crate::error::ApiError;

pub(crate) fn invalid_value(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("InvalidParameterValue", message)
}

pub(crate) fn invalid_combination(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("InvalidParameterCombination", message)
}

pub(crate) fn user_not_found(id: &str) -> ApiError {
    ApiError::not_found("UserNotFound", format!("User {id} not found."))
}

pub(crate) fn group_not_found(id: &str) -> ApiError {
    ApiError::not_found("UserGroupNotFound", format!("User group {id} not found."))
}

/// Wording from terraform-provider-aws#49726.
pub(crate) fn invalid_user_state(id: &str, status: &str) -> ApiError {
    ApiError::bad_request(
        "InvalidUserState",
        format!("User {id} has status {status}. Only active users can be modified."),
    )
}

/// Wording from terraform-provider-aws#28688.
pub(crate) fn invalid_group_state(id: &str, status: &str) -> ApiError {
    ApiError::bad_request(
        "InvalidUserGroupState",
        format!("User group {id} has status {status}. Only active user groups can be modified."),
    )
}

pub(crate) fn cache_not_found(id: &str) -> ApiError {
    ApiError::not_found(
        "ReplicationGroupNotFoundFault",
        format!("ReplicationGroup {id} not found."),
    )
}

pub(crate) fn invalid_cache_state(id: &str, status: &str) -> ApiError {
    ApiError::bad_request(
        "InvalidReplicationGroupState",
        format!("Replication group {id} has status {status}, not available."),
    )
}

pub(crate) fn serverless_not_found(name: &str) -> ApiError {
    ApiError::not_found(
        "ServerlessCacheNotFoundFault",
        format!("Serverless cache {name} not found."),
    )
}

pub(crate) fn missing(parameter: &str) -> ApiError {
    ApiError::bad_request(
        "MissingParameter",
        format!("The request must contain the parameter {parameter}."),
    )
}
