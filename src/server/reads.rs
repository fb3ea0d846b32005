//! What can be looked at. No answer holds a password: none of what the engine tells does.
//!
//! - `GET /livez`: the process answers
//! - `GET /readyz`: whether configuration, store and tick are well; 503 if not
//! - `GET /metrics`: Prometheus' text format
//! - `GET /api/v1/secrets`, `?secret=NAME-OR-ARN`, or `/api/v1/secrets/NAME-OR-ARN` for a single one
//! - `GET /api/v1/policies`
//! - `GET /api/v1/config`: which configuration is in force, and what came of the last reload
//! - `GET /api/v1/rotations?secret=NAME-OR-ARN&limit=N`: the history, newest first

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;

use crate::engine::control::Readiness;
use crate::metrics::EXPOSITION_FORMAT;
use crate::rotation::status::SecretStatus;
use crate::server::Surface;
use crate::server::configuration::ConfigurationStatus;
use crate::server::listing::Listing;
use crate::server::reply::Failure;
use crate::server::wire::{PoliciesReply, RotationsReply, SecretsReply};

/// How many entries of the history are told unless a limit is given.
const USUAL_HISTORY: usize = 100;

/// The most entries of the history that are told at once.
const LONGEST_HISTORY: usize = 10_000;

/// Whoever asks for readiness does not wait long: no answer by then is an answer.
const READINESS_DEADLINE: Duration = Duration::from_secs(5);

/// Health and metrics: they name no secret's state, so they are open.
pub(super) fn health() -> Router<Surface> {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
}

/// Status and history.
pub(super) fn status() -> Router<Surface> {
    Router::new()
        .route("/api/v1/secrets", get(secrets))
        .route("/api/v1/secrets/{*secret}", get(secret))
        .route("/api/v1/policies", get(policies))
        .route("/api/v1/config", get(config))
        .route("/api/v1/rotations", get(rotations))
}

/// Whether the daemon can do its work. One that does not tell in time cannot.
pub(super) async fn readiness(surface: &Surface) -> Readiness {
    tokio::time::timeout(READINESS_DEADLINE, surface.control.readiness())
        .await
        .unwrap_or_else(|_| Readiness {
            ready: false,
            problems: vec![format!("no answer within {} s", READINESS_DEADLINE.as_secs())],
        })
}

async fn readyz(State(surface): State<Surface>) -> Response {
    let readiness = readiness(&surface).await;
    let status = match readiness.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(readiness)).into_response()
}

async fn metrics(State(surface): State<Surface>) -> Response {
    surface.control.refresh_gauges();
    ([(header::CONTENT_TYPE, EXPOSITION_FORMAT)], surface.metrics.render()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretsQuery {
    secret: Option<String>,
}

async fn secrets(
    State(surface): State<Surface>,
    query: Result<Query<SecretsQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(query) = query?;
    Ok(match query.secret {
        Some(secret) => Json(SecretsReply {
            secrets: named(&surface, &secret)?,
            configuration: None,
            replicas: None,
        })
        .into_response(),
        None => Listing::new(
            surface.control.each_secret(),
            surface.configuration.status(),
            surface.fleet.as_ref().map(|fleet| fleet.replicas()),
        )
        .into_response(),
    })
}

async fn secret(State(surface): State<Surface>, Path(secret): Path<String>) -> Result<Json<SecretStatus>, Failure> {
    let mut found = named(&surface, &secret)?;
    // One that several policies have is shown under each of them.
    found.sort_by(|a, b| a.arn.cmp(&b.arn));
    found.dedup_by(|a, b| a.arn.is_some() && a.arn == b.arn);
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(Json(only)),
        (_, others) => Err(Failure::new(
            StatusCode::CONFLICT,
            format!("{} secrets are called {secret:?}; ask for one by its ARN", others + 1),
        )),
    }
}

/// The secrets of that name or ARN; at least one.
pub(super) fn named(surface: &Surface, secret: &str) -> Result<Vec<SecretStatus>, Failure> {
    let is_it = |status: &SecretStatus| status.secret == secret || status.arn.as_deref() == Some(secret);
    let secrets: Vec<SecretStatus> = surface.control.clone().each_secret().filter(is_it).collect();
    if secrets.is_empty() {
        return Err(Failure::not_found(format!(
            "no policy covers a secret called {secret:?}; `rekeyd status` lists those that are covered"
        )));
    }
    Ok(secrets)
}

async fn policies(State(surface): State<Surface>) -> Json<PoliciesReply> {
    Json(PoliciesReply {
        policies: surface.control.policies(),
    })
}

async fn config(State(surface): State<Surface>) -> Json<ConfigurationStatus> {
    Json(surface.configuration.status())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HistoryQuery {
    secret: Option<String>,
    limit: Option<usize>,
}

async fn rotations(
    State(surface): State<Surface>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Json<RotationsReply>, Failure> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(USUAL_HISTORY).min(LONGEST_HISTORY);
    let rotations = surface.control.history(query.secret.as_deref(), limit).await?;
    Ok(Json(RotationsReply { rotations }))
}
