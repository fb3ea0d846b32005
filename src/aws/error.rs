//! The one table of error classes for both services. What a class means to a rotation is the
//! engine's business; which class a code belongs to is decided here and nowhere else.

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
    /// Its name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Busy => "busy",
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
    /// What a person should look at if it goes on.
    pub fn attention(&self) -> AttentionReason {
        match self.class {
            ErrorClass::Throttled => AttentionReason::Throttled,
            ErrorClass::Unavailable => AttentionReason::AwsUnavailable,
            ErrorClass::Busy => AttentionReason::StillModifying,
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
