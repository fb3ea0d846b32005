//! The status page: documents for people, without scripts, that work by links and one form.
//!
//! - `GET /`: whether the passwords are fresh, policies and secrets; [`request`] has its parameters
//! - `GET /secret?name=NAME-OR-ARN`: one secret with its history
//!
//! A secret's name is a parameter and no part of the path: names may hold `..` and `//`, which browsers take out of paths.

#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod http_tests;
mod listing;
mod parts;
mod request;
mod runbook;
mod secret;
mod survey;
#[cfg(test)]
mod tests;
mod timeline;
mod verdict;

use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use maud::html;

use crate::clock::Timestamp;
use crate::rotation::status::SecretStatus;
use crate::server::Surface;
use crate::server::reads::{named, readiness};
use crate::server::reply::{Failure, Told};

use parts::{document, outside, secret_link};
use request::{Wanted, given};
use survey::Survey;

/// The rest of a secret's page is not kept back for long by a store that does not answer.
const HISTORY_DEADLINE: Duration = Duration::from_secs(5);

/// The pages.
pub(super) fn pages() -> Router<Surface> {
    Router::new().route("/", get(overview)).route("/secret", get(one))
}

/// What pages and errors look like: it tells nothing of secrets.
pub(super) fn assets() -> Router<Surface> {
    Router::new()
        .route("/style.css", get(parts::style))
        .route("/icon.svg", get(parts::icon))
}

async fn overview(State(surface): State<Surface>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let wanted = Wanted::parse(&query.unwrap_or_default()).map_err(Failure::bad_request)?;
    let policies = surface.control.policies();
    if !wanted.policy.is_empty() && policies.iter().all(|policy| policy.policy != wanted.policy) {
        return Err(Failure::not_found(format!(
            "no policy is called {:?}; the form has those that there are",
            wanted.policy
        )));
    }
    let readiness = readiness(&surface).await;
    let now = surface.clock.now();
    let survey = Survey::of(surface.control.clone().each_secret(), &wanted, now);
    let main = html! {
        (verdict::verdict(&readiness, &surface.configuration.status(), &policies, &survey))
        (listing::policies(&policies, &survey, now))
        (listing::secrets(&wanted, &policies, &survey, now))
    };
    let page = Html(document("Status", &wanted.address(), now, &main));
    Ok(match wanted.refresh {
        Some(seconds) => ([(header::REFRESH, seconds.to_string())], page).into_response(),
        None => page.into_response(),
    })
}

async fn one(State(surface): State<Surface>, RawQuery(query): RawQuery) -> Result<Html<String>, Failure> {
    let mut given = given(&query.unwrap_or_default()).map_err(Failure::bad_request)?;
    let name = given
        .remove("name")
        .ok_or_else(|| Failure::bad_request("whose page? Give the name or ARN of a secret as name"))?;
    if let Some((other, _)) = given.pop_first() {
        return Err(Failure::bad_request(format!(
            "this page knows nothing of {other:?}; it knows name"
        )));
    }
    let found = named(&surface, &name)?;
    let now = surface.clock.now();
    let path = secret_link(&name);
    if !is_one(&found) {
        return Ok(Html(document(&name, &path, now, &secret::several(&name, &found))));
    }
    let asked = found.first().and_then(|secret| secret.arn.as_deref()).unwrap_or(&name);
    let history = surface.control.history(Some(asked), secret::EVENTS);
    let history = match tokio::time::timeout(HISTORY_DEADLINE, history).await {
        Ok(told) => told.map_err(|error| error.to_string()),
        Err(_) => Err(format!(
            "the store has not answered within {} s",
            HISTORY_DEADLINE.as_secs()
        )),
    };
    Ok(Html(document(
        &name,
        &path,
        now,
        &secret::secret(&found, &history, now),
    )))
}

/// Whether these are the same secret, under several policies perhaps.
fn is_one(found: &[SecretStatus]) -> bool {
    let mut arns = found.iter().map(|secret| secret.arn.as_deref());
    let first = arns.next().flatten();
    arns.all(|arn| first.is_some() && arn == first)
}

/// Tells people in a document what programs are told in JSON. What lies under `/api/` is for programs.
pub(super) async fn in_words(State(surface): State<Surface>, request: Request, next: Next) -> Response {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let is_for_people =
        accept.is_some_and(|accept| accept.contains("text/html")) && !request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    let told = response.extensions().get::<Told>().cloned();
    match told.filter(|_| is_for_people) {
        None => response,
        Some(Told(error)) => {
            let (mut head, _) = response.into_parts();
            head.headers.remove(header::CONTENT_LENGTH);
            head.headers.remove(header::CONTENT_TYPE);
            let body = refusal(head.status, &error, surface.clock.now());
            (head, Html(body)).into_response()
        }
    }
}

fn refusal(status: StatusCode, error: &str, now: Timestamp) -> String {
    let title = match status {
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::FORBIDDEN => "This is not shown at this name",
        StatusCode::BAD_REQUEST => "This cannot be shown",
        StatusCode::METHOD_NOT_ALLOWED => "Nothing can be changed here",
        _ => "There is no answer",
    };
    let main = html! {
        h1 { (title) }
        p { (outside(error)) }
        p { a href="/" { "Status of all secrets" } }
    };
    document(title, "/", now, &main)
}
