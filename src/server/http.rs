//! The TCP address: health, metrics and, where it is safe, status. Nothing here changes anything.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

use crate::server::limit::Limited;
use crate::server::peer::Onlooker;
use crate::server::reply::Failure;
use crate::server::{ServeError, Surface, deadline, names, page, reads, serve};

/// A TCP address that is listened on and not served yet.
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpServer {
    /// Listens; port 0 takes any that is free.
    ///
    /// # Errors
    /// [`ServeError::Address`] when the address is taken or not the machine's.
    pub async fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Address { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then for a short grace. Status is left out unless the address is a
    /// loopback one or `expose_status` says so: names of secrets and users are nobody else's business. On a loopback address
    /// it is asked for by that or by `localhost`, unless `expose_status` says so.
    ///
    /// # Errors
    /// [`ServeError::Ended`] when it ends before `shutdown`.
    pub async fn serve(
        self,
        surface: Surface,
        expose_status: bool,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let status = match (expose_status, self.address.ip().to_canonical().is_loopback()) {
            (true, _) => Status::ToAll,
            (false, true) => Status::ToLocalNames,
            (false, false) => Status::Hidden,
        };
        let service = router(surface, status).into_make_service_with_connect_info::<Onlooker>();
        serve(Limited::new(self.listener), service, shutdown).await
    }
}

/// Who is shown status.
enum Status {
    ToAll,
    /// To whoever asks for this machine as such: see [`names`].
    ToLocalNames,
    Hidden,
}

fn router(surface: Surface, status: Status) -> Router {
    let shown = || reads::status().merge(page::pages());
    let router = match status {
        Status::ToAll => reads::health().merge(shown()).fallback(nothing),
        Status::ToLocalNames => reads::health()
            .merge(shown().layer(from_fn(names::only_local)))
            .fallback(nothing),
        Status::Hidden => reads::health().fallback(hidden),
    };
    router
        .merge(page::assets())
        .layer(from_fn(deadline))
        .layer(from_fn(only_reads))
        .layer(from_fn_with_state(surface.clone(), page::in_words))
        .layer(from_fn(headers))
        .with_state(surface)
}

async fn only_reads(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let failure = Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "nothing is changed over TCP; use the admin socket, for example with `rekeyd rotate`",
    );
    ([(header::ALLOW, "GET, HEAD")], failure).into_response()
}

/// What a browser may do with any answer: nothing but show it. A page has this server's one style sheet and its icon,
/// asks only this server, names nobody in an address that it passes on, and is in no other page.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
];

async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What tells of secrets is kept by no cache.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn nothing(uri: Uri) -> Failure {
    Failure::not_found(format!("nothing is served at {}", uri.path()))
}

async fn hidden(uri: Uri) -> Failure {
    match uri.path() {
        path if path == "/" || path == "/secret" || path.starts_with("/api/") => Failure::not_found(
            "status is served on loopback addresses only; set `daemon.expose_status = true` to serve it here, or ask \
             over the admin socket",
        ),
        _ => nothing(uri).await,
    }
}
