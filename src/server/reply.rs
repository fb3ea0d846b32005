//! Answers that are no success, in one form.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::engine::control::ControlError;
use crate::server::wire::ErrorReply;

/// An answer that is no success: `{"error": "…"}`.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    error: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let error = error.into();
        Self { status, error }
    }

    pub(super) fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    pub(super) fn unavailable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

/// What a failure says, left with its answer for whoever words it otherwise.
#[derive(Clone)]
pub(super) struct Told(pub(super) Arc<str>);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let told = Told(self.error.as_str().into());
        let mut response = (self.status, Json(ErrorReply { error: self.error })).into_response();
        response.extensions_mut().insert(told);
        response
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let status = match &error {
            ControlError::EmptySelector => StatusCode::BAD_REQUEST,
            ControlError::NoSuchSecret(_) | ControlError::NoSuchPolicy(_) => StatusCode::NOT_FOUND,
            ControlError::NotLookedUp { .. } | ControlError::Ambiguous(_) | ControlError::NotLookedAt(_) => {
                StatusCode::CONFLICT
            }
            ControlError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        // A document that does not fit is a bad request like any other, whatever is wrong with it.
        let status = match rejection.status() {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        };
        Self::new(status, rejection.body_text())
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}
