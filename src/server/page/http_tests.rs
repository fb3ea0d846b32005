//! The pages over HTTP: what a browser is given and what a program, and what a browser may do with it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rotation::status::Phase;
use crate::server::http::HttpServer;
use crate::server::testing::{FakeControl, Running, arn, status, surface, until};

const BROWSER: &str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";

async fn serve(control: &Arc<FakeControl>, listen: &str) -> (SocketAddr, Running) {
    let server = HttpServer::bind(listen.parse().unwrap()).await.unwrap();
    let address = server.address();
    let surface = surface(control);
    let running = Running::start(|stopped| server.serve(surface, false, until(stopped)));
    (address, running)
}

/// Status, head in lower case, and body.
async fn ask(address: SocketAddr, request: &str, accept: &str) -> (u16, String, String) {
    ask_at("localhost", address, request, accept).await
}

/// The same, by a name of the server.
async fn ask_at(name: &str, address: SocketAddr, request: &str, accept: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", address.port())).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: {name}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn errors_are_documents_for_browsers_and_json_for_programs_and_under_api() {
    let control = FakeControl::new(vec![status("a")]);
    let (address, _running) = serve(&control, "127.0.0.1:0").await;
    for (request, code, words) in [
        ("GET /nowhere", 404, "nothing is served at /nowhere"),
        ("GET /?page=x", 400, "page cannot be"),
        ("GET /?policy=none", 404, "no policy is called"),
        ("GET /secret?name=none", 404, "no policy covers a secret"),
        ("GET /secret", 400, "whose page?"),
        ("GET /secret?name=a&limit=3", 400, "knows nothing of"),
        ("POST /", 405, "nothing is changed over TCP"),
    ] {
        let (status, head, body) = ask(address, request, BROWSER).await;
        assert_eq!(status, code, "{request}");
        assert!(head.contains("content-type: text/html"), "{request}: {head}");
        assert!(
            body.starts_with("<!DOCTYPE html>") && body.contains(words),
            "{request}: {body}"
        );
        let (status, head, body) = ask(address, request, "*/*").await;
        assert_eq!(status, code, "{request}");
        assert!(head.contains("content-type: application/json"), "{request}: {head}");
        let told: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(told["error"].as_str().unwrap().contains(words), "{request}: {body}");
    }
    let (_, head, _) = ask(address, "POST /", BROWSER).await;
    assert!(head.contains("allow: get, head"), "{head}");
    for request in [
        "GET /api/v1/secrets/none",
        "GET /api/v1/nowhere",
        "GET /api/v1/rotations?limit=x",
    ] {
        let (_, head, body) = ask(address, request, BROWSER).await;
        assert!(
            head.contains("content-type: application/json") && body.starts_with("{\"error\":"),
            "{request}: {head}"
        );
    }
}

#[tokio::test]
async fn a_browser_may_show_any_answer_and_nothing_else() {
    let control = FakeControl::new(vec![status("a")]);
    let (address, _running) = serve(&control, "127.0.0.1:0").await;
    for request in [
        "GET /",
        "GET /secret?name=a",
        "GET /nowhere",
        "POST /",
        "GET /metrics",
        "GET /api/v1/secrets",
        "GET /style.css",
    ] {
        let (_, head, _) = ask(address, request, BROWSER).await;
        for header in [
            "content-security-policy: default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.contains(header), "{request}: {head}");
        }
        let kept = head.contains("immutable");
        assert_eq!(kept, request.ends_with(".css"), "{request}: {head}");
        assert_eq!(head.contains("no-store"), !kept, "{request}: {head}");
    }
    let (_, _, page) = ask(address, "GET /", BROWSER).await;
    for (path, kind) in [("/style.css?v=", "text/css"), ("/icon.svg?v=", "image/svg+xml")] {
        let (_, rest) = page.split_once(path).unwrap();
        let version = rest.split('"').next().unwrap();
        let (code, head, _) = ask(address, &format!("GET {path}{version}"), "*/*").await;
        assert!(
            code == 200 && head.contains(kind) && version.len() == 12,
            "{path}{version}: {head}"
        );
    }
}

#[tokio::test]
async fn a_page_reloads_itself_only_when_asked_to() {
    let control = FakeControl::new(vec![status("a")]);
    let (address, _running) = serve(&control, "127.0.0.1:0").await;
    assert!(!ask(address, "GET /", BROWSER).await.1.contains("\r\nrefresh:"));
    assert!(
        ask(address, "GET /?refresh=30", BROWSER)
            .await
            .1
            .contains("\r\nrefresh: 30")
    );
}

#[tokio::test]
async fn what_others_wrote_is_text_on_every_page() {
    let hostile = "</td><script>alert(\"x\")</script> & more\u{202e}";
    let escaped = "&lt;/td&gt;&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; more ";
    let mut secret = status(hostile);
    secret.phase = Phase::Halted;
    secret.reason = Some(hostile.to_owned());
    secret.detail = Some(hostile.to_owned());
    secret.user_id = Some(hostile.to_owned());
    secret.current_version = Some(hostile.to_owned());
    let address_of_it = super::parts::secret_link(&arn(hostile));
    let control = FakeControl::new(vec![secret]);
    control.know().problems = vec![hostile.to_owned()];
    let (address, _running) = serve(&control, "127.0.0.1:0").await;
    let query = super::parts::link("/", [("q", hostile)]);
    for request in ["/", &address_of_it, &query] {
        let (code, _, body) = ask(address, &format!("GET {request}"), BROWSER).await;
        assert_eq!(code, 200, "{request}: {body}");
        assert!(body.contains(escaped), "{request}: {body}");
        assert!(
            !body.contains("<script") && !body.contains('\u{202e}'),
            "{request}: {body}"
        );
    }
    let missing = super::parts::link("/secret", [("name", "<script>alert(2)</script>")]);
    let (code, _, body) = ask(address, &format!("GET {missing}"), BROWSER).await;
    assert!(
        code == 404 && body.contains("&lt;script&gt;") && !body.contains("<script"),
        "{body}"
    );
}

#[tokio::test]
async fn a_secret_is_shown_by_its_name_and_by_its_arn_and_two_of_one_name_are_offered() {
    let mut other = status("a/../b//c");
    other.arn = Some("arn:of:another:place".to_owned());
    let mut second = status("twice");
    second.policy = "billing".to_owned();
    let control = FakeControl::new(vec![status("a/../b//c"), other, status("twice"), second]);
    let (address, _running) = serve(&control, "127.0.0.1:0").await;
    let get = async |name: &str| {
        ask(address, &format!("GET {}", super::parts::secret_link(name)), BROWSER)
            .await
            .2
    };
    let chosen = get("a/../b//c").await;
    assert!(chosen.contains("2 secrets are called"), "{chosen}");
    assert!(chosen.contains("/secret?name=arn%3Aof%3Aanother%3Aplace"), "{chosen}");
    let page = get("arn:of:another:place").await;
    assert!(page.contains("<h1 class=\"name\"><bdi>a/../b//c</bdi></h1>"), "{page}");
    let both = get("twice").await;
    assert!(
        both.contains("under policy <bdi>orders</bdi>") && both.contains("under policy <bdi>billing</bdi>"),
        "{both}"
    );
}

#[tokio::test]
async fn beyond_loopback_a_browser_is_told_why_there_is_no_page() {
    let control = FakeControl::new(vec![status("a")]);
    let (address, _running) = serve(&control, "0.0.0.0:0").await;
    for request in ["GET /", "GET /secret?name=a"] {
        let (code, head, body) = ask(address, request, BROWSER).await;
        assert!(code == 404 && head.contains("text/html"), "{head}");
        assert!(
            body.contains("daemon.expose_status") && !body.contains("user1"),
            "{body}"
        );
    }
    assert_eq!(ask(address, "GET /style.css", BROWSER).await.0, 200);
}

#[tokio::test]
async fn a_web_page_that_points_a_name_of_its_own_at_loopback_reads_no_status() {
    let control = FakeControl::new(vec![status("a")]);
    let (address, _running) = serve(&control, "127.0.0.1:0").await;
    for request in [
        "GET /",
        "GET /secret?name=a",
        "GET /api/v1/secrets",
        "GET /api/v1/rotations",
    ] {
        let (code, _, body) = ask_at("evil.example.com:9848", address, request, BROWSER).await;
        assert_eq!(code, 403, "{request}");
        assert!(
            body.contains("daemon.expose_status") && !body.contains("user1"),
            "{request}: {body}"
        );
        for name in ["127.0.0.1:9848", "localhost:8080", "[::1]:9848"] {
            assert_eq!(ask_at(name, address, request, BROWSER).await.0, 200, "{name} {request}");
        }
    }
    for request in ["GET /livez", "GET /metrics"] {
        let (code, _, _) = ask_at("rekeyd.internal:9848", address, request, "*/*").await;
        assert_eq!(code, 200, "{request}: monitoring asks by any name");
    }
}

#[tokio::test]
async fn status_that_is_exposed_is_shown_at_any_name() {
    let control = FakeControl::new(vec![status("a")]);
    let server = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    let surface = surface(&control);
    let _running = Running::start(|stopped| server.serve(surface, true, until(stopped)));
    assert_eq!(ask_at("status.example.com", address, "GET /", BROWSER).await.0, 200);
}
