//! The HTTP door: one port for both services and the control paths.

mod auth;
mod control;
mod identity;
mod json;
mod object;
mod query;
mod xml;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::control::Control;
use crate::core::CallContext;
use crate::error::ApiError;

/// The largest body that is read: far above anything AWS takes.
const MAX_BODY: usize = 1 << 20;

/// How much of a body is read before the connection is closed over it.
const MAX_READ: usize = 64 << 20;

pub(crate) type Reply = Response<Full<Bytes>>;

/// Why a connection is closed without a reply.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without a reply")]
pub(crate) struct NoReply;

/// Accepts connections until it is told to stop, then drops those that are left.
pub(crate) async fn serve(listener: TcpListener, control: Control, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let work = connection(stream, control.clone(), stop.clone());
                connections.spawn(work);
            }
            Err(error) => {
                // Out of file descriptors, most likely: connections that end give some back.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, control: Control, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, control.clone()));
    let work = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        // An error is a client that went away, or a reply that is not to be given.
        _ = work => {}
    }
}

async fn answer(request: Request<Incoming>, control: Control) -> Result<Reply, NoReply> {
    let (head, body) = request.into_parts();
    let body = read(body).await;
    let path = head.uri.path();
    if let Some(path) = path
        .strip_prefix("/_sandbox")
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
    {
        let path = path.trim_start_matches('/');
        return Ok(match body {
            Ok(body) => control.answer(&head.method, path, &body).await,
            Err(error) => plain(status(error.status), "The body is too large, or broken off.\n"),
        });
    }
    // The Query API is spoken in the URL as well.
    let url = head.uri.query().filter(|query| query.contains("Action="));
    if head.method != Method::POST && !(head.method == Method::GET && url.is_some()) {
        return Ok(plain(
            StatusCode::NOT_FOUND,
            "AWS services are spoken to with POST; see also /_sandbox/.\n",
        ));
    }
    let mut ctx = auth::context(&head.headers);
    ctx.request_id = Some(request_id());
    let target = head.headers.get("x-amz-target").map(HeaderValue::as_bytes);
    match (target.map(String::from_utf8_lossy), body) {
        (Some(target), Ok(body)) => json::answer(&control.sandbox, &ctx, &target, &body).await,
        (Some(_), Err(error)) => Ok(json::failure(&ctx, &error)),
        (None, Ok(body)) => {
            let form = [url.unwrap_or_default().as_bytes(), &body].join(&b'&');
            query::answer(&control.sandbox, &ctx, &form).await
        }
        (None, Err(error)) => Ok(query::failure(&ctx, &error)),
    }
}

/// Gives a reply the id of its request.
fn identify(reply: &mut Reply, ctx: &CallContext) {
    let id = ctx.request_id.as_deref().map(HeaderValue::from_str);
    if let Some(Ok(id)) = id {
        reply.headers_mut().insert("x-amzn-requestid", id);
    }
}

/// Reads a body. One that is too large is read on, up to a point, so that its sender gets to read the refusal.
async fn read(mut body: Incoming) -> Result<Bytes, ApiError> {
    let (mut held, mut seen) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::bad_request("IncompleteBody", "The body breaks off."))?;
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen <= MAX_BODY {
            held.extend_from_slice(&data);
        }
        if seen > MAX_READ {
            break;
        }
    }
    if seen <= MAX_BODY {
        return Ok(held.freeze());
    }
    Err(ApiError::with_status(
        413,
        "RequestEntityTooLarge",
        "The body is too large.",
    ))
}

/// A reply with a body of a type.
pub(crate) fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let value = HeaderValue::from_static(content_type);
    reply.headers_mut().insert(CONTENT_TYPE, value);
    reply
}

fn plain(status: StatusCode, text: &'static str) -> Reply {
    reply(status, "text/plain; charset=utf-8", text)
}

/// A request id: of the right shape, and different each time within a process.
fn request_id() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("5a4db0c5-0000-4000-8000-{n:012x}")
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST)
}
