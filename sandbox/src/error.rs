//! What a call can come to other than its result.

use serde::Serialize;

use crate::core::operation::Service;

/// An error that AWS answers with: its code as the service's model spells it, its text and its HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{code}: {message} (HTTP {status})")]
pub struct ApiError {
    /// The code on the wire, such as `UserNotFound` or `ResourceNotFoundException`.
    pub code: String,
    /// The text for people.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
}

impl ApiError {
    /// An error with HTTP status 400, which is what nearly all of them have.
    pub fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::with_status(400, code, message)
    }

    /// An error with HTTP status 404, which only ElastiCache uses.
    pub fn not_found(code: &str, message: impl Into<String>) -> Self {
        Self::with_status(404, code, message)
    }

    /// A service's word for too many calls. ElastiCache: HTTP 400 `Throttling` (re:Post
    /// "elasticache-fix-status-code-400"). Secrets Manager is a JSON service and uses the
    /// `ThrottlingException` that the SDKs know.
    pub fn throttled(service: Service) -> Self {
        let code = match service {
            Service::SecretsManager => "ThrottlingException",
            Service::ElastiCache => "Throttling",
        };
        Self::bad_request(code, "Rate exceeded")
    }

    /// An error with a status of its own.
    pub fn with_status(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            status,
        }
    }
}

/// How an in-process call can fail. Over HTTP the last two are a closed connection and silence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// AWS answered with an error.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The request may have been applied; nobody answered.
    #[error("the connection was closed without a reply")]
    ReplyLost,
    /// The request was not applied, and no answer ever comes. The caller decides how long to wait for it.
    #[error("no reply")]
    Hang,
}

impl CallError {
    /// The AWS error code, if AWS answered.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Api(error) => Some(&error.code),
            Self::ReplyLost | Self::Hang => None,
        }
    }
}
