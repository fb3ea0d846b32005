//! awsJson 1.1: Secrets Manager.

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::{Map, Value, json};

use super::{NoReply, Reply, identify, reply, status};
use crate::core::CallContext;
use crate::core::operation::Service;
use crate::dispatch;
use crate::error::{ApiError, CallError};
use crate::sandbox::Sandbox;

const CONTENT: &str = "application/x-amz-json-1.1";

pub(crate) async fn answer(sandbox: &Sandbox, ctx: &CallContext, target: &str, body: &[u8]) -> Result<Reply, NoReply> {
    // From before the call, so that no release is missed.
    let mut released = sandbox.releases();
    let result = match (target.split_once('.'), parse(body)) {
        (Some(("secretsmanager", name)), Ok(input)) => dispatch::secrets_manager(name, sandbox, ctx, input).await,
        (Some(("secretsmanager", name)), Err(error)) => Err(sandbox.refused(ctx, Service::SecretsManager, name, error)),
        _ => {
            let error = ApiError::bad_request(
                "UnknownOperationException",
                "The target names no operation of Secrets Manager.",
            );
            Err(sandbox.refused(ctx, Service::SecretsManager, target, error))
        }
    };
    let mut reply = match result {
        Ok(value) => reply(StatusCode::OK, CONTENT, value.to_string()),
        Err(CallError::Api(error)) => return Ok(failure(ctx, &error)),
        Err(CallError::ReplyLost) => return Err(NoReply),
        Err(CallError::Hang) => {
            released.wait().await;
            return Err(NoReply);
        }
    };
    identify(&mut reply, ctx);
    Ok(reply)
}

fn parse(body: &[u8]) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let object = serde_json::from_slice(body).map(Value::Object);
    object.map_err(|_| ApiError::bad_request("SerializationException", "The body is not a JSON object."))
}

/// An error as this service writes it.
pub(super) fn failure(ctx: &CallContext, error: &ApiError) -> Reply {
    // Real replies carry the text under either spelling, depending on the error; clients accept both.
    let body = json!({"__type": error.code, "Message": error.message, "message": error.message});
    let mut reply = reply(status(error.status), CONTENT, body.to_string());
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        reply.headers_mut().insert("x-amzn-errortype", code);
    }
    identify(&mut reply, ctx);
    reply
}
