//! The level of the log over the admin socket: `GET /api/v1/log-level` shows it, `POST` asks for another for a while.

use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use crate::audit::{Change, Outcome, Subject};
use crate::config::{LogLevel, LogLevelError};
use crate::server::Surface;
use crate::server::object::Object;
use crate::server::peer::Caller;
use crate::server::reply::Failure;
use crate::server::wire::{LONGEST_LOG_LEVEL, LogLevelReply, LogLevelRequest};
use crate::telemetry::InForce;

pub(super) fn routes() -> Router<Surface> {
    Router::new()
        .route("/api/v1/log-level", get(shown))
        .route("/api/v1/log-level", post(asked_for))
}

impl From<InForce> for LogLevelReply {
    fn from(in_force: InForce) -> Self {
        Self {
            level: in_force.said.level.to_string(),
            by: in_force.said.by.to_string(),
            ends_in_seconds: in_force.ends_in.map(|span| span.as_secs_f64().ceil() as u64),
        }
    }
}

async fn shown(State(surface): State<Surface>) -> Json<LogLevelReply> {
    Json(surface.log.in_force().into())
}

/// A level and its span; nothing if one that was asked for is to end.
fn read(request: &LogLevelRequest) -> Result<Option<(LogLevel, Duration)>, Failure> {
    let longest = LONGEST_LOG_LEVEL.as_secs();
    match (&request.level, request.for_seconds) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Failure::bad_request("for_seconds: of which level?")),
        (Some(_), None) => Err(Failure::bad_request(
            "for_seconds: for how long? What is to last belongs into daemon.log_level",
        )),
        (Some(level), Some(seconds)) if (1..=longest).contains(&seconds) => {
            let level = level.parse();
            let level = level.map_err(|error: LogLevelError| Failure::bad_request(error.to_string()))?;
            Ok(Some((level, Duration::from_secs(seconds))))
        }
        (Some(_), Some(_)) => Err(Failure::bad_request(format!(
            "for_seconds: 1 to {longest}, which is 24 hours"
        ))),
    }
}

async fn asked_for(
    State(surface): State<Surface>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Result<Json<Object<LogLevelRequest>>, JsonRejection>,
) -> Result<Json<LogLevelReply>, Failure> {
    let Json(Object(request)) = request?;
    let asked = read(&request)?;
    let about = Subject {
        request: Some(json!(request)),
        ..Subject::default()
    };
    let (by, _) = caller.named().await;
    // Like a reload, it is done even where that cannot be written: it may be what shows why.
    let begun = surface.audit.begin(by, Change::LogLevel, about).await.ok();
    let in_force = match asked {
        Some((level, span)) => surface.log.ask_for(level, span),
        None => surface.log.end_asked(),
    };
    if let Some(begun) = begun {
        surface.audit.end(&begun, Outcome::Done, None, None).await;
    }
    Ok(Json(in_force.into()))
}
