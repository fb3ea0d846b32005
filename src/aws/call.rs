//! One call through the SDK: timed, counted, and its failure put into our words.
//!
//! Nothing here may format an SDK error, input or request with `Debug`: ElastiCache's inputs print
//! their passwords (`ModifyUserInput` derives `Debug`). Text comes from an error's code and
//! message, and from `Display`, which shows neither input nor request.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{DispatchFailure, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::AwsResult;
use super::credentials::Refusals;
use super::error::{AwsError, ErrorClass, Failure, Transport, classify, plain};
use super::request_id;
use crate::clock::SharedClock;
use crate::metrics::Metrics;

/// What a call is, in metrics and errors.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    /// `secretsmanager`, `elasticache`, `events` or `dynamodb`, as in their endpoints.
    pub(crate) service: &'static str,
    /// The operation's name.
    pub(crate) name: &'static str,
}

/// Times and counts calls.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(super) clock: SharedClock,
    pub(super) metrics: Arc<Metrics>,
    /// Told of every refusal, so that refused credentials are not kept.
    pub(super) refusals: Refusals,
}

/// The outcome of a call that AWS answered as asked; the others are the labels of error classes.
const OK: &str = "ok";

impl Calls {
    /// For credentials that nobody renews.
    pub(crate) fn new(clock: SharedClock, metrics: Arc<Metrics>) -> Self {
        Self {
            clock,
            metrics,
            refusals: Refusals::default(),
        }
    }

    /// Makes the metrics of operations exist before they are called.
    pub(crate) fn announce(&self, operations: impl IntoIterator<Item = Operation>) {
        let outcomes = || std::iter::once(OK).chain(ErrorClass::ALL.map(ErrorClass::label));
        for operation in operations {
            self.metrics
                .aws_operation(operation.service, operation.name, outcomes());
        }
    }

    /// Waits for a call and notes how it went.
    pub(crate) async fn run<T: RequestId, E: ProvideErrorMetadata>(
        &self,
        operation: Operation,
        resource: &str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> AwsResult<T> {
        let result = self.run_keeping(operation, resource, call).await;
        result.map_err(|(error, _)| error)
    }

    /// The same, and the service's own error beside ours where there is one: some tell more than words.
    pub(crate) async fn run_keeping<T: RequestId, E: ProvideErrorMetadata>(
        &self,
        operation: Operation,
        resource: &str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, (AwsError, Option<E>)> {
        let start = self.clock.monotonic();
        let answer = call.await;
        request_id::note(match &answer {
            Ok(reply) => reply.request_id(),
            Err(error) => error.request_id(),
        });
        let result = answer.map_err(|error| {
            let described = describe(operation.name, resource, &error);
            let kept = match error {
                SdkError::ServiceError(service) => Some(service.into_err()),
                _ => None,
            };
            (described, kept)
        });
        let took = self.clock.monotonic().saturating_sub(start);
        if let Err((error, _)) = &result {
            self.refusals.note(error);
        }
        let outcome = result.as_ref().err().map_or(OK, |(error, _)| error.class.label());
        tracing::debug!(
            event = "aws_call",
            service = operation.service,
            operation = operation.name,
            resource,
            outcome,
            seconds = took.as_secs_f64(),
            "called AWS"
        );
        self.metrics
            .aws_request(operation.service, operation.name, outcome, took);
        result
    }
}

fn describe<E: ProvideErrorMetadata>(
    operation: &'static str,
    resource: &str,
    error: &SdkError<E, HttpResponse>,
) -> AwsError {
    let (code, message, transport) = match error {
        SdkError::ServiceError(service) => (service.err().code(), service.err().message(), None),
        _ => (None, None, Some(transport(error))),
    };
    let response = error.raw_response();
    let status = response.map(|response| response.status().as_u16());
    let class = classify(&Failure {
        operation,
        code,
        message,
        status,
        transport,
    });
    let fallback = transport.unwrap_or(Transport::Response).code();
    AwsError {
        class,
        operation,
        resource: resource.to_owned(),
        code: code.map_or_else(|| fallback.to_owned(), plain),
        message: message.map_or_else(|| without_message(error, status), plain),
        retry_after: response.and_then(retry_after),
    }
}

/// Where a call failed that AWS did not answer, or not legibly.
fn transport<E>(error: &SdkError<E, HttpResponse>) -> Transport {
    match error {
        SdkError::TimeoutError(_) => Transport::Timeout,
        SdkError::ConstructionFailure(_) => Transport::Request,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Transport::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_io() => Transport::Io,
        SdkError::DispatchFailure(failure) if failure.is_user() => Transport::Request,
        SdkError::DispatchFailure(failure) => credentials(&cause(failure)),
        _ => Transport::Response,
    }
}

/// Tells failures of the credential chain apart by the words of `CredentialsError`, because its
/// type is not exported by the crates that we build on. In doubt the failure is one that passes.
fn credentials(cause: &str) -> Transport {
    let refused = [
        "was not enabled",
        "not properly configured",
        "no providers in chain provided credentials",
        "(AccessDenied)",
        "(InvalidClientTokenId)",
        "(ExpiredToken)",
        "(ExpiredTokenException)",
    ];
    if refused.iter().any(|words| cause.contains(words)) {
        Transport::Credentials
    } else if cause.contains("credentials") {
        Transport::CredentialsUnavailable
    } else {
        Transport::Other
    }
}

/// The causes of a request that was not answered, from the outermost in, as `Display` gives them.
fn cause(failure: &DispatchFailure) -> String {
    let mut words = Vec::new();
    let mut next = failure.as_connector_error().and_then(Error::source);
    while let Some(error) = next {
        words.push(error.to_string());
        next = error.source();
    }
    words.join(": ")
}

/// Why a request was not sent or answered. What to do comes first: the chain of causes is long, and cut.
fn undelivered(cause: &str) -> String {
    let advice = match credentials(cause) {
        Transport::Credentials | Transport::CredentialsUnavailable => {
            "there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the place's `profile` or \
             `role_arn`, or give the machine a role: "
        }
        _ => "",
    };
    format!("{advice}{}", plain(cause))
}

/// What to say where AWS said nothing.
fn without_message<E>(error: &SdkError<E, HttpResponse>, status: Option<u16>) -> String {
    match (error, status) {
        (SdkError::TimeoutError(_), _) => "no answer in time".to_owned(),
        (SdkError::DispatchFailure(failure), _) => undelivered(&cause(failure)),
        (SdkError::ConstructionFailure(_), _) => "the request could not be built".to_owned(),
        (_, Some(status)) => format!("an answer that is not AWS's, with HTTP status {status}"),
        (_, None) => "an answer that cannot be read".to_owned(),
    }
}

/// How long AWS asks to wait: its own header counts milliseconds, HTTP's seconds.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let number = |name: &str| response.headers().get(name)?.trim().parse::<u64>().ok();
    number("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
}
