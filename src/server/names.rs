//! By which names status may be asked for where nothing but the address guards it.
//!
//! A web page from elsewhere can point a name of its own at 127.0.0.1, or at the end of an SSH tunnel, and have the browser
//! read the answers as its own ("DNS rebinding"). The browser says in `Host` which name it used, and a page cannot change that.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::server::reply::Failure;

/// Answers whoever asks by an address, or by a name that cannot be anybody else's.
pub(super) async fn only_local(request: Request, next: Next) -> Response {
    if is_local(request.uri(), request.headers()) {
        return next.run(request).await;
    }
    Failure::new(
        StatusCode::FORBIDDEN,
        "status is shown at 127.0.0.1 and localhost, and at no other name: a web page from elsewhere might read it there. Ask \
         at one of these, or set `daemon.expose_status = true`",
    )
    .into_response()
}

/// Whether what is asked is an address, `localhost`, or, as no browser does, nobody by name.
fn is_local(uri: &Uri, headers: &HeaderMap) -> bool {
    if headers.get_all(header::HOST).iter().count() > 1 {
        return false;
    }
    let given = headers.get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
    [uri.authority().map(Authority::as_str), given]
        .into_iter()
        .flatten()
        .filter(|host| !host.is_empty())
        .all(is_local_name)
}

fn is_local_name(host: &str) -> bool {
    let Some(authority) = host.parse::<Authority>().ok().filter(|_| !host.contains('@')) else {
        return false;
    };
    let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.ends_with(".localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_localhost_are_local_and_no_other_name_is() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:9848",
            "[::1]:9848",
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "rekeyd.localhost:9848",
            "10.1.2.3:9848",
        ] {
            assert!(is_local_name(host), "{host}");
        }
        for host in [
            "evil.example.com",
            "127.0.0.1.nip.io",
            "localhost.example.com",
            "notlocalhost",
            "x",
            "a b",
            "127.0.0.1:9848:1",
            "127.0.0.1@evil.example.com",
            "evil.example.com@127.0.0.1",
        ] {
            assert!(!is_local_name(host), "{host}");
        }
    }

    #[test]
    fn the_name_counts_wherever_it_is_given_and_none_is_no_browser() {
        let asked = |uri: &str, hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, host.parse().unwrap());
            }
            is_local(&uri.parse().unwrap(), &headers)
        };
        assert!(asked("/", &[]) && asked("/", &[""]) && asked("http://localhost/", &["localhost"]));
        assert!(!asked("http://evil.example.com/", &["localhost"]));
        assert!(!asked("http://localhost/", &["evil.example.com"]));
        assert!(!asked("/", &["localhost", "evil.example.com"]));
    }
}
