//! The one table of error classes for all services. What a class means to a rotation is the
//! engine's business; which class a code belongs to is decided here and nowhere else.
//!
//! Sources: the codes and their HTTP statuses are those of botocore's service models
//! (`secretsmanager/2017-10-17`, `elasticache/2015-02-02`, `dynamodb/2012-08-10`) and of the services' common-errors
//! pages; the throttling codes are those that the AWS SDKs agree on.

use std::time::Duration;

use crate::rotation::reason::AttentionReason;

/// What a failed call means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ErrorClass {
    /// AWS asks for fewer requests.
    Throttled,
    /// A server error, a time-out, a lost connection: a write may or may not have been applied.
    Unavailable,
    /// The user or its group is busy with another change: wait.
    Busy,
    /// Nodes or caches come or go, so that they cannot all be listed: wait.
    Changing,
    /// What the write took for granted is no longer so: look again.
    Conflict,
    /// The request's date is outside of AWS's signature window.
    Expired,
    /// There is no such user, secret, version, group or cache.
    NotFound,
    /// The caller may not do that.
    Denied,
    /// The KMS key cannot be used.
    Kms,
    /// A quota is used up.
    Quota,
    /// AWS calls the request invalid; sending it again would not help.
    Invalid,
}

impl ErrorClass {
    /// Every class.
    pub const ALL: [Self; 11] = [
        Self::Throttled,
        Self::Unavailable,
        Self::Busy,
        Self::Changing,
        Self::Conflict,
        Self::Expired,
        Self::NotFound,
        Self::Denied,
        Self::Kms,
        Self::Quota,
        Self::Invalid,
    ];

    /// Its name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Busy => "busy",
            Self::Changing => "changing",
            Self::Conflict => "conflict",
            Self::Expired => "expired",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Kms => "kms",
            Self::Quota => "quota",
            Self::Invalid => "invalid",
        }
    }
}

/// What is known of a failed call, as [`classify`] takes it.
#[derive(Clone, Copy, Default, Debug)]
pub struct Failure<'a> {
    /// The operation, such as `ModifyUser`.
    pub operation: &'a str,
    /// AWS's error code, if the reply held one.
    pub code: Option<&'a str>,
    /// AWS's words; they alone tell an expired signature from a wrong one.
    pub message: Option<&'a str>,
    /// The HTTP status, if there was a reply.
    pub status: Option<u16>,
    /// What went wrong outside of AWS's reply.
    pub transport: Option<Transport>,
}

/// What can go wrong with a call besides AWS refusing it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// No answer in time.
    Timeout,
    /// The connection failed or broke.
    Io,
    /// The answer could not be read.
    Response,
    /// The request could not be built or sent: an endpoint that is no URL, a missing parameter.
    Request,
    /// There are no credentials, or they were refused.
    Credentials,
    /// Credentials could not be fetched just now.
    CredentialsUnavailable,
    /// Anything else that kept the request from being answered.
    Other,
}

impl Transport {
    /// What stands in an [`AwsError`] where AWS's code would.
    pub fn code(self) -> &'static str {
        match self {
            Self::Timeout => "Timeout",
            Self::Io => "ConnectionFailed",
            Self::Response => "UnreadableResponse",
            Self::Request => "RequestNotBuilt",
            Self::Credentials => "NoCredentials",
            Self::CredentialsUnavailable => "CredentialsUnavailable",
            Self::Other => "DispatchFailed",
        }
    }

    fn class(self) -> ErrorClass {
        match self {
            Self::Request => ErrorClass::Invalid,
            Self::Credentials => ErrorClass::Denied,
            Self::Timeout | Self::Io | Self::Response | Self::CredentialsUnavailable | Self::Other => {
                ErrorClass::Unavailable
            }
        }
    }
}

/// Fewer requests, please. `LimitExceededException` is not among them although SDKs count it as
/// throttling: Secrets Manager means the quota of versions or labels by it, which waiting does not
/// refill.
const THROTTLING: &[&str] = &[
    "APICallRateForCustomerExceeded",
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// AWS's own trouble, whatever the HTTP status.
const UNAVAILABLE: &[&str] = &[
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalServiceError",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
];

/// Another change is under way.
const BUSY: &[&str] = &["InvalidUserState", "InvalidUserGroupState"];

/// The date of the signature is outside of the window.
const EXPIRED: &[&str] = &["RequestExpired", "RequestTimeTooSkewed"];

/// What a bad signature is called; its message says whether it is only too old.
const SIGNATURE: &[&str] = &["InvalidSignatureException", "SignatureDoesNotMatch"];

/// Who we are is unknown, or not allowed that.
const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

/// The key of the secret is disabled, gone or not ours to use.
const KMS: &[&str] = &[
    "DecryptionFailure",
    "DecryptionFailureException",
    "EncryptionFailure",
    "EncryptionFailureException",
];

/// Used up, until something is deleted or AWS raises it.
const QUOTA: &[&str] = &[
    "LimitExceededException",
    "TagQuotaPerResourceExceeded",
    "UserGroupQuotaExceeded",
    "UserQuotaExceeded",
];

/// The class of a failed call.
///
/// A code outranks the HTTP status, except that no status of 500 and above is taken for a refusal:
/// such a request may have been applied. A reply without a code is not AWS's (a proxy's page, a
/// cut body), so it says nothing about the request either.
pub fn classify(failure: &Failure<'_>) -> ErrorClass {
    if let Some(transport) = failure.transport {
        return transport.class();
    }
    let server_error = failure.status.is_some_and(|status| status >= 500);
    match failure.code {
        Some(code) if THROTTLING.contains(&code) => ErrorClass::Throttled,
        None if failure.status == Some(429) => ErrorClass::Throttled,
        None => ErrorClass::Unavailable,
        Some(code) if server_error || UNAVAILABLE.contains(&code) => ErrorClass::Unavailable,
        Some(code) => refusal(failure.operation, code, failure.message.unwrap_or_default()),
    }
}

/// The class of a request that AWS read and refused.
fn refusal(operation: &str, code: &str, message: &str) -> ErrorClass {
    match (operation, code) {
        // A version with this id is there already, with another value.
        ("PutSecretValue", "ResourceExistsException") => ErrorClass::Conflict,
        // The label is elsewhere than the request says. Which of the two codes AWS answers depends
        // on the case; a secret marked for deletion gives the second, and looking again shows it.
        ("UpdateSecretVersionStage", "InvalidParameterException" | "InvalidRequestException") => ErrorClass::Conflict,
        // The item is not as the write wanted it.
        ("UpdateItem" | "DeleteItem", "ConditionalCheckFailedException") => ErrorClass::Conflict,
        _ if BUSY.contains(&code) => ErrorClass::Busy,
        _ if EXPIRED.contains(&code) => ErrorClass::Expired,
        _ if SIGNATURE.contains(&code) => signature(message),
        _ if DENIED.contains(&code) && speaks_of_kms(message) => ErrorClass::Kms,
        _ if DENIED.contains(&code) => ErrorClass::Denied,
        _ if KMS.contains(&code) => ErrorClass::Kms,
        _ if QUOTA.contains(&code) => ErrorClass::Quota,
        _ if code.contains("NotFound") => ErrorClass::NotFound,
        _ => ErrorClass::Invalid,
    }
}

/// Secrets Manager uses the caller's own right to a secret's key. Where that is lacking it answers `AccessDeniedException`
/// too, with "Access to KMS is not allowed" or KMS's own words about `kms:Decrypt`.
fn speaks_of_kms(message: &str) -> bool {
    message.contains("KMS") || message.contains("kms:")
}

/// AWS's signature check says "Signature expired: … is now earlier than …", or "Signature not yet
/// current: …" from a clock that is ahead; anything else is a wrong key.
fn signature(message: &str) -> ErrorClass {
    let message = message.to_ascii_lowercase();
    if message.contains("expired") || message.contains("not yet current") {
        ErrorClass::Expired
    } else {
        ErrorClass::Denied
    }
}

/// The longest message that is kept, in characters.
const MESSAGE_LIMIT: usize = 300;

/// Somebody else's words, made fit for a log line: no control characters, not too long.
pub fn plain(text: &str) -> String {
    let mut plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE_LIMIT)
        .collect();
    if text.chars().nth(MESSAGE_LIMIT).is_some() {
        plain.push('…');
    }
    plain
}

/// A call to AWS that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation} on {resource}: {code}: {message}")]
pub struct AwsError {
    /// What it means.
    pub class: ErrorClass,
    /// The operation, such as `ModifyUser`.
    pub operation: &'static str,
    /// What it was about: a secret, user, group or cache.
    pub resource: String,
    /// AWS's error code, or what went wrong before there was one, such as `Timeout`.
    pub code: String,
    /// AWS's words. AWS does not put passwords into them; ours never hold one.
    pub message: String,
    /// How long AWS asks to wait.
    pub retry_after: Option<Duration>,
}

impl AwsError {
    /// Whether there were no credentials to sign it with, for good or for now.
    pub fn lacks_credentials(&self) -> bool {
        let codes = [Transport::Credentials, Transport::CredentialsUnavailable].map(Transport::code);
        codes.contains(&self.code.as_str())
    }

    /// A defect of ours, reported instead of a panic: nothing was sent.
    pub(crate) fn internal(operation: &'static str, message: &str) -> Self {
        Self {
            class: ErrorClass::Unavailable,
            operation,
            resource: String::new(),
            code: "Internal".to_owned(),
            message: message.to_owned(),
            retry_after: None,
        }
    }

    /// Whether the same call may well succeed a little later, without anybody doing anything.
    pub fn passes_by_itself(&self) -> bool {
        matches!(
            self.class,
            ErrorClass::Throttled | ErrorClass::Unavailable | ErrorClass::Changing | ErrorClass::Expired
        )
    }

    /// What a person should look at if it goes on.
    pub fn attention(&self) -> AttentionReason {
        match self.class {
            ErrorClass::Throttled => AttentionReason::Throttled,
            ErrorClass::Unavailable => AttentionReason::AwsUnavailable,
            ErrorClass::Busy => AttentionReason::StillModifying,
            ErrorClass::Changing => AttentionReason::NodesChanging,
            ErrorClass::Expired => AttentionReason::RequestExpired,
            ErrorClass::NotFound if self.code.starts_with("UserNotFound") => AttentionReason::UserNotFound,
            ErrorClass::NotFound if self.code.starts_with("ResourceNotFound") => AttentionReason::SecretNotFound,
            ErrorClass::Denied => AttentionReason::AccessDenied,
            ErrorClass::Kms => AttentionReason::KmsUnavailable,
            ErrorClass::Quota => AttentionReason::QuotaExceeded,
            ErrorClass::Conflict | ErrorClass::Invalid | ErrorClass::NotFound => AttentionReason::RequestRefused,
        }
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
