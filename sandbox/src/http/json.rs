//! awsJson 1.1: Secrets Manager.

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::{Map, Value, json};

use super::{NoReply, Reply, reply, request_id, status};
use crate::core::CallContext;
use crate::dispatch;
use crate::error::{ApiError, CallError};
use crate::sandbox::Sandbox;

const CONTENT: &str = "application/x-amz-json-1.1";

pub(crate) async fn answer(sandbox: &Sandbox, ctx: &CallContext, target: &str, body: &[u8]) -> Result<Reply, NoReply> {
    // From before the call, so that no release is missed.
    let mut released = sandbox.releases();
    let result = match (target.split_once('.'), parse(body)) {
        (Some(("secretsmanager", name)), Ok(input)) => dispatch::secrets_manager(name, sandbox, ctx, input).await,
        (Some(("secretsmanager", _)), Err(error)) => Err(error.into()),
        _ => Err(ApiError::bad_request(
            "UnknownOperationException",
            "The target names no operation of Secrets Manager.",
        )
        .into()),
    };
    let reply = match result {
        Ok(value) => reply(StatusCode::OK, CONTENT, value.to_string()),
        Err(CallError::Api(error)) => return Ok(failure(&error)),
        Err(CallError::ReplyLost) => return Err(NoReply),
        Err(CallError::Hang) => {
            released.wait().await;
            return Err(NoReply);
        }
    };
    Ok(identified(reply))
}

fn identified(mut reply: Reply) -> Reply {
    if let Ok(id) = HeaderValue::from_str(&request_id()) {
        reply.headers_mut().insert("x-amzn-requestid", id);
    }
    reply
}

fn parse(body: &[u8]) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let object = serde_json::from_slice(body).map(Value::Object);
    object.map_err(|_| ApiError::bad_request("SerializationException", "The body is not a JSON object."))
}

/// An error as this service writes it.
pub(super) fn failure(error: &ApiError) -> Reply {
    // Real replies carry the text under either spelling, depending on the error; clients accept both.
    let body = json!({"__type": error.code, "Message": error.message, "message": error.message});
    let mut reply = reply(status(error.status), CONTENT, body.to_string());
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        reply.headers_mut().insert("x-amzn-errortype", code);
    }
    identified(reply)
}
