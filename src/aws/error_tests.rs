use super::ErrorClass::*;
use super::*;

fn class(operation: &str, code: &str, status: u16) -> ErrorClass {
    classify(&Failure {
        operation,
        code: Some(code),
        status: Some(status),
        ..Failure::default()
    })
}

#[test]
fn every_code_has_the_class_of_the_table() {
    let table = [
        ("ModifyUser", "Throttling", 400, Throttled),
        ("DescribeUsers", "RequestLimitExceeded", 503, Throttled),
        ("GetSecretValue", "ThrottlingException", 400, Throttled),
        ("PutSecretValue", "TooManyRequestsException", 429, Throttled),
        ("PutSecretValue", "LimitExceededException", 400, Quota),
        ("UpdateSecretVersionStage", "LimitExceededException", 400, Quota),
        ("CreateUser", "UserQuotaExceeded", 400, Quota),
        ("ModifyUser", "InvalidUserState", 400, Busy),
        ("ModifyUser", "InvalidUserGroupState", 400, Busy),
        ("ModifyUserGroup", "InvalidUserGroupState", 400, Busy),
        ("ModifyUser", "UserNotFound", 404, NotFound),
        ("DescribeUserGroups", "UserGroupNotFound", 404, NotFound),
        (
            "DescribeReplicationGroups",
            "ReplicationGroupNotFoundFault",
            404,
            NotFound,
        ),
        ("GetSecretValue", "ResourceNotFoundException", 400, NotFound),
        ("PutSecretValue", "ResourceExistsException", 400, Conflict),
        ("CreateSecret", "ResourceExistsException", 400, Invalid),
        ("UpdateSecretVersionStage", "InvalidParameterException", 400, Conflict),
        ("UpdateSecretVersionStage", "InvalidRequestException", 400, Conflict),
        ("PutSecretValue", "InvalidRequestException", 400, Invalid),
        ("PutSecretValue", "InvalidParameterException", 400, Invalid),
        ("ModifyUser", "InvalidParameterValue", 400, Invalid),
        ("ModifyUser", "InvalidParameterCombination", 400, Invalid),
        ("ModifyUser", "SomethingNew", 400, Invalid),
        ("GetSecretValue", "DecryptionFailure", 400, Kms),
        ("PutSecretValue", "EncryptionFailure", 400, Kms),
        ("ModifyUser", "AccessDenied", 403, Denied),
        ("GetSecretValue", "AccessDeniedException", 400, Denied),
        ("GetSecretValue", "UnrecognizedClientException", 400, Denied),
        ("ModifyUser", "InvalidClientTokenId", 403, Denied),
        ("ModifyUser", "ExpiredToken", 403, Denied),
        ("GetSecretValue", "ExpiredTokenException", 400, Denied),
        ("ModifyUser", "RequestExpired", 400, Expired),
        ("ModifyUser", "RequestTimeTooSkewed", 403, Expired),
        ("GetSecretValue", "InternalServiceError", 500, Unavailable),
        ("ModifyUser", "InternalFailure", 500, Unavailable),
        ("ModifyUser", "ServiceUnavailable", 503, Unavailable),
        ("ModifyUser", "RequestTimeout", 400, Unavailable),
        ("ModifyUser", "SomethingNew", 502, Unavailable),
        ("ModifyUser", "InvalidUserState", 500, Unavailable),
    ];
    for (operation, code, status, expected) in table {
        assert_eq!(class(operation, code, status), expected, "{operation} {code} {status}");
    }
}

#[test]
fn a_signature_is_expired_only_if_the_message_says_so() {
    let table = [
        (
            "InvalidSignatureException",
            "Signature expired: 20261122T100000Z is now earlier than …",
            Expired,
        ),
        (
            "SignatureDoesNotMatch",
            "Signature expired: 20261122T100000Z is now earlier than …",
            Expired,
        ),
        (
            "SignatureDoesNotMatch",
            "Signature not yet current: 20261122T100000Z is still later than …",
            Expired,
        ),
        (
            "InvalidSignatureException",
            "The request signature we calculated does not match …",
            Denied,
        ),
        ("SignatureDoesNotMatch", "", Denied),
    ];
    for (code, message, expected) in table {
        let failure = Failure {
            operation: "ModifyUser",
            code: Some(code),
            message: Some(message),
            status: Some(403),
            transport: None,
        };
        assert_eq!(classify(&failure), expected, "{code} {message}");
    }
}

#[test]
fn a_reply_without_a_code_says_nothing_about_the_request() {
    for (status, expected) in [
        (200, Unavailable),
        (403, Unavailable),
        (404, Unavailable),
        (429, Throttled),
        (503, Unavailable),
    ] {
        let failure = Failure {
            operation: "ModifyUser",
            status: Some(status),
            ..Failure::default()
        };
        assert_eq!(classify(&failure), expected, "{status}");
    }
}

#[test]
fn what_fails_outside_of_aws_has_its_class() {
    let table = [
        (Transport::Timeout, Unavailable),
        (Transport::Io, Unavailable),
        (Transport::Response, Unavailable),
        (Transport::Other, Unavailable),
        (Transport::CredentialsUnavailable, Unavailable),
        (Transport::Credentials, Denied),
        (Transport::Request, Invalid),
    ];
    for (transport, expected) in table {
        let failure = Failure {
            transport: Some(transport),
            ..Failure::default()
        };
        assert_eq!(classify(&failure), expected, "{transport:?}");
    }
}

#[test]
fn messages_are_cut_and_stripped_of_control_characters() {
    assert_eq!(plain("a\r\nb\u{1b}[31m"), "a  b [31m");
    assert_eq!(plain(&"ü".repeat(300)), "ü".repeat(300));
    assert_eq!(plain(&"ü".repeat(301)), format!("{}…", "ü".repeat(300)));
}

#[test]
fn a_refusal_of_the_key_is_told_from_one_of_the_action() {
    let refused = |message: &'static str| {
        classify(&Failure {
            operation: "GetSecretValue",
            code: Some("AccessDeniedException"),
            message: Some(message),
            status: Some(400),
            ..Failure::default()
        })
    };
    assert_eq!(refused("Access to KMS is not allowed"), Kms);
    assert_eq!(
        refused("User: u is not authorized to perform: secretsmanager:GetSecretValue"),
        Denied
    );
}
