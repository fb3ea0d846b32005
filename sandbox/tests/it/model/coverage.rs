//! What has to come up, so that a generator that only ever meets errors, or never does, is caught.

use super::call::{OPERATIONS, is_about_secrets};
use super::tally::Tally;

const TOKEN: [&str; 3] = [
    "InvalidParameterException",
    "InvalidRequestException",
    "ResourceExistsException",
];

/// The errors that each operation has to have given, besides those of faults.
fn errors(operation: &str) -> Vec<&'static str> {
    const NOT_FOUND: &str = "ResourceNotFoundException";
    const REQUEST: &str = "InvalidRequestException";
    const PARAMETER: &str = "InvalidParameterException";
    const LIMIT: &str = "LimitExceededException";
    const VALUE: &str = "InvalidParameterValue";
    const COMBINATION: &str = "InvalidParameterCombination";
    const GROUP_STATE: &str = "InvalidUserGroupState";
    match operation {
        "CreateSecret" => TOKEN.to_vec(),
        "PutSecretValue" | "UpdateSecret" => [&TOKEN[..], &[NOT_FOUND, LIMIT]].concat(),
        "UpdateSecretVersionStage" => vec![NOT_FOUND, REQUEST, PARAMETER, LIMIT],
        "GetSecretValue" | "TagResource" | "UntagResource" => vec![NOT_FOUND, REQUEST],
        "DeleteSecret" => vec![NOT_FOUND, REQUEST, PARAMETER],
        "DescribeSecret" | "ListSecretVersionIds" | "RestoreSecret" => vec![NOT_FOUND],
        "CreateUser" => vec!["UserAlreadyExists", VALUE, COMBINATION],
        "ModifyUser" => vec!["UserNotFound", "InvalidUserState", VALUE, COMBINATION],
        "DescribeUsers" => vec!["UserNotFound"],
        "DeleteUser" => vec!["UserNotFound", "InvalidUserState", "DefaultUserAssociatedToUserGroup"],
        "CreateUserGroup" => {
            vec![
                "UserNotFound",
                "UserGroupAlreadyExists",
                "DuplicateUserName",
                "DefaultUserRequired",
            ]
        }
        "ModifyUserGroup" => vec![
            "UserGroupNotFound",
            "UserNotFound",
            "DuplicateUserName",
            "DefaultUserRequired",
            GROUP_STATE,
            VALUE,
            COMBINATION,
        ],
        "DescribeUserGroups" => vec!["UserGroupNotFound"],
        "DeleteUserGroup" => vec!["UserGroupNotFound", GROUP_STATE],
        other => panic!("nothing is said about {other}"),
    }
}

/// Panics over an operation that never worked or never lost its reply, an error that it never gave, and a fault
/// that never hit its service.
pub fn check(tally: &Tally) {
    for operation in OPERATIONS {
        for outcome in errors(operation).into_iter().chain(["ok", "reply lost"]) {
            assert!(
                tally.of(operation, outcome) > 0,
                "no {operation} came to {outcome}:\n{tally}"
            );
        }
    }
    for (about_secrets, codes) in [
        (
            true,
            ["ThrottlingException", "InternalServiceError", "AccessDeniedException"],
        ),
        (false, ["Throttling", "InternalFailure", "AccessDenied"]),
    ] {
        let operations = || {
            OPERATIONS
                .into_iter()
                .filter(|name| is_about_secrets(name) == about_secrets)
        };
        for code in codes {
            assert!(
                operations().any(|name| tally.of(name, code) > 0),
                "nothing came to {code}:\n{tally}"
            );
        }
    }
}
