//! What the SDK adapters would make of the sandbox's errors.

use std::time::Duration;

use rekeyd::aws::error::{Failure, Transport, classify, plain};
use rekeyd::aws::{AwsError, CALL_TIMEOUT, ErrorClass};
use rekeyd_sandbox::{ApiError, CallError};

use super::world::Outage;

/// How a call went wrong, seen from the caller.
pub enum Broken {
    /// AWS answered with an error, or closed the connection.
    Call(CallError),
    /// No answer within the time that the SDK waits.
    Timeout,
    /// The connection was refused.
    Refused,
}

impl Broken {
    /// What a call meets that an outage keeps from arriving.
    pub async fn by(outage: Outage, travel: Duration) -> Self {
        let (pause, broken) = match outage {
            Outage::BlackHole => (CALL_TIMEOUT, Self::Timeout),
            Outage::Refusing => (travel, Self::Refused),
            Outage::Throttling => {
                let error = ApiError::bad_request("ThrottlingException", "Rate exceeded");
                (2 * travel, Self::Call(CallError::Api(error)))
            }
        };
        tokio::time::sleep(pause).await;
        broken
    }
}

/// The error that the engine is given.
pub fn aws_error(operation: &'static str, resource: &str, broken: &Broken) -> AwsError {
    match broken {
        Broken::Call(CallError::Api(error)) => AwsError {
            class: classify(&Failure {
                operation,
                code: Some(&error.code),
                message: Some(&error.message),
                status: Some(error.status),
                transport: None,
            }),
            operation,
            resource: resource.to_owned(),
            code: plain(&error.code),
            message: plain(&error.message),
            retry_after: None,
        },
        // hyper calls an answer that ends before its first byte incomplete, which the SDK's
        // connector has no kind for.
        Broken::Call(CallError::ReplyLost) => transport(operation, resource, Transport::Other, "the reply was lost"),
        Broken::Refused => transport(operation, resource, Transport::Io, "connection refused"),
        Broken::Call(CallError::Hang) | Broken::Timeout => {
            transport(operation, resource, Transport::Timeout, "no answer in time")
        }
    }
}

fn transport(operation: &'static str, resource: &str, transport: Transport, message: &str) -> AwsError {
    let class: ErrorClass = classify(&Failure {
        operation,
        transport: Some(transport),
        ..Failure::default()
    });
    AwsError {
        class,
        operation,
        resource: resource.to_owned(),
        code: transport.code().to_owned(),
        message: message.to_owned(),
        retry_after: None,
    }
}
