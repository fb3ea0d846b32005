//! The surfaces over real sockets.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::admin::AdminServer;
use super::http::HttpServer;
use super::testing::{FakeControl, Running, admin, arn, status, surface, until};
use super::*;
use crate::rotation::status::SecretStatus;

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, head: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    (reply[9..12].parse().unwrap(), reply)
}

fn body(reply: &str) -> &str {
    reply.split_once("\r\n\r\n").unwrap().1
}

async fn http(control: &Arc<FakeControl>, listen: &str, expose_status: bool) -> (SocketAddr, Running) {
    let server = HttpServer::bind(listen.parse().unwrap()).await.unwrap();
    let address = server.address();
    let surface = surface(control);
    (
        address,
        Running::start(|stopped| server.serve(surface, expose_status, until(stopped))),
    )
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    exchange(
        TcpStream::connect(("127.0.0.1", address.port())).await.unwrap(),
        &format!("GET {path}"),
        "",
    )
    .await
}

async fn post(socket: &Path, path: &str, body: &Value) -> (u16, Value) {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (code, reply) = exchange(stream, &format!("POST {path}"), &body.to_string()).await;
    (code, serde_json::from_str(self::body(&reply)).unwrap())
}

#[tokio::test]
async fn health_and_metrics_are_served() {
    let control = FakeControl::new(vec![status("a")]);
    let (address, running) = http(&control, "127.0.0.1:0", false).await;
    assert_eq!(get(address, "/livez").await.0, 200);
    let (code, reply) = get(address, "/metrics").await;
    assert_eq!(code, 200);
    assert!(reply.contains("text/plain; version=0.0.4"), "{reply}");
    assert!(reply.contains("rekeyd_build_info{"));

    assert_eq!(get(address, "/readyz").await.0, 200);
    control.know().problems = vec!["the store cannot be written".to_owned()];
    let (code, reply) = get(address, "/readyz").await;
    assert_eq!(code, 503);
    assert!(reply.contains("the store cannot be written"));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_secret_is_found_by_its_name_and_by_its_arn() {
    let control = FakeControl::new(vec![status("production/ec/user1"), status("b")]);
    let (address, _running) = http(&control, "127.0.0.1:0", false).await;
    for path in [
        "/api/v1/secrets/production/ec/user1".to_owned(),
        format!("/api/v1/secrets/{}", arn("production/ec/user1")),
    ] {
        let (code, reply) = get(address, &path).await;
        let found: SecretStatus = serde_json::from_str(body(&reply)).unwrap();
        assert_eq!((code, found.secret.as_str()), (200, "production/ec/user1"));
    }
    let (_, reply) = get(address, "/api/v1/secrets?secret=b").await;
    let found: wire::SecretsReply = serde_json::from_str(body(&reply)).unwrap();
    assert_eq!(found.secrets, [status("b")]);
    assert_eq!(get(address, "/api/v1/secrets/c").await.0, 404);
}

#[tokio::test]
async fn two_secrets_of_one_name_are_told_apart_by_their_arn_only() {
    let mut other = status("a");
    other.arn = Some("arn:of:another:place".to_owned());
    let control = FakeControl::new(vec![status("a"), other]);
    let (address, _running) = http(&control, "127.0.0.1:0", false).await;
    let (code, reply) = get(address, "/api/v1/secrets/a").await;
    assert_eq!(code, 409);
    assert!(reply.contains("2 secrets are called"), "{reply}");
    assert_eq!(get(address, "/api/v1/secrets/arn:of:another:place").await.0, 200);
}

#[tokio::test]
async fn history_has_a_limit() {
    let control = FakeControl::new(vec![status("a")]);
    let (address, _running) = http(&control, "127.0.0.1:0", false).await;
    for (path, length) in [("/api/v1/rotations", 100), ("/api/v1/rotations?limit=3&secret=a", 3)] {
        let (_, reply) = get(address, path).await;
        let told: wire::RotationsReply = serde_json::from_str(body(&reply)).unwrap();
        assert_eq!(told.rotations.len(), length);
    }
    assert_eq!(get(address, "/api/v1/rotations?secret=none").await.0, 404);
    assert_eq!(get(address, "/api/v1/rotations?limit=x").await.0, 400);
    assert_eq!(get(address, "/api/v1/rotations?limt=3").await.0, 400);
}

#[tokio::test]
async fn status_is_hidden_beyond_loopback_unless_exposed() {
    let control = FakeControl::new(vec![status("a")]);
    let (address, _running) = http(&control, "0.0.0.0:0", false).await;
    for path in [
        "/",
        "/secret?name=a",
        "/api/v1/secrets",
        "/api/v1/secrets/a",
        "/api/v1/policies",
        "/api/v1/rotations",
    ] {
        let (code, reply) = get(address, path).await;
        assert_eq!(code, 404, "{path}");
        assert!(reply.contains("daemon.expose_status"), "{reply}");
    }
    assert_eq!(get(address, "/livez").await.0, 200);
    let (address, _running) = http(&control, "0.0.0.0:0", true).await;
    assert_eq!(get(address, "/api/v1/secrets").await.0, 200);
}

#[tokio::test]
async fn nothing_on_tcp_changes_anything() {
    let control = FakeControl::new(vec![status("a")]);
    let (address, _running) = http(&control, "127.0.0.1:0", true).await;
    for path in [
        "/api/v1/rotate",
        "/api/v1/pause",
        "/api/v1/resume",
        "/api/v1/secrets",
        "/livez",
        "/nowhere",
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let stream = TcpStream::connect(address).await.unwrap();
            let (code, _) = exchange(stream, &format!("{method} {path}"), r#"{"all":true}"#).await;
            assert_eq!(code, 405, "{method} {path}");
        }
    }
    assert_eq!(get(address, "/api/v1/rotate").await.0, 404);
    assert!(control.know().asked.is_empty());
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let first = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let error = HttpServer::bind(first.address()).await.err().unwrap().to_string();
    assert!(
        error.contains(&first.address().to_string()) && error.contains("daemon.listen"),
        "{error}"
    );
}

#[tokio::test]
async fn a_client_that_never_ends_its_request_does_not_hold_a_stop() {
    let control = FakeControl::new(Vec::new());
    let (address, running) = http(&control, "127.0.0.1:0", false).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHo").await.unwrap();
    get(address, "/livez").await;
    tokio::time::timeout(STOP_GRACE * 2, running.stop())
        .await
        .expect("it stops in time")
        .unwrap();
}

#[tokio::test]
async fn the_socket_carries_commands_to_the_engine() {
    let control = FakeControl::new(vec![status("a"), status("b")]);
    let (_folder, socket, _running) = admin(&control).await;
    let (code, reply) = post(
        &socket,
        "/api/v1/rotate",
        &json!({"secrets": ["a"], "revoke_previous": true}),
    )
    .await;
    assert_eq!(code, 200);
    assert_eq!(
        reply,
        json!({"accepted": [{"secret": "a", "arn": arn("a"), "current_version": "v1"}]})
    );
    post(
        &socket,
        "/api/v1/pause",
        &json!({"policy": "orders", "for_seconds": 60, "reason": "sale"}),
    )
    .await;
    post(&socket, "/api/v1/resume", &json!({"all": true})).await;
    let asked = control.know().asked.join("\n");
    for part in [
        "revoke_previous: true",
        "now: false",
        "Some(60s) Some(\"sale\")",
        "resume Selector",
    ] {
        assert!(asked.contains(part), "{asked}");
    }
}

#[tokio::test]
async fn commands_that_are_not_accepted_say_why() {
    let control = FakeControl::new(vec![status("a")]);
    let (_folder, socket, _running) = admin(&control).await;
    for (path, request, expected, words) in [
        ("/api/v1/rotate", json!({}), 400, "name secrets"),
        ("/api/v1/rotate", json!({"secret": "a"}), 400, "unknown field `secret`"),
        ("/api/v1/resume", json!({"all": "yes"}), 400, "all"),
        (
            "/api/v1/pause",
            json!({"all": true, "for_seconds": 0}),
            400,
            "for_seconds",
        ),
        (
            "/api/v1/pause",
            json!({"all": true, "for_seconds": 366 * 86_400 + 1}),
            400,
            "366 days",
        ),
        (
            "/api/v1/pause",
            json!({"all": true, "reason": "x".repeat(501)}),
            400,
            "reason",
        ),
        ("/api/v1/rotate", json!({"secrets": ["none"]}), 404, "none"),
        ("/api/v1/rotate", json!({"secrets": ["x".repeat(70_000)]}), 413, "limit"),
        ("/api/v1/nowhere", json!({}), 404, "/api/v1/nowhere"),
        ("/api/v1/secrets", json!({}), 405, "GET"),
    ] {
        let (code, reply) = post(&socket, path, &request).await;
        assert_eq!(code, expected, "{path} {reply}");
        assert!(reply["error"].as_str().unwrap().contains(words), "{reply}");
    }
    control.know().store_fails = true;
    let (code, reply) = post(&socket, "/api/v1/rotate", &json!({"all": true})).await;
    assert_eq!(code, 503);
    assert!(reply["error"].as_str().unwrap().contains("not accepted"), "{reply}");
}

#[tokio::test]
async fn arrays_and_selections_of_two_kinds_never_reach_the_engine() {
    let control = FakeControl::new(vec![status("a")]);
    let (_folder, socket, _running) = admin(&control).await;
    for route in ["rotate", "pause", "resume"] {
        for (request, words) in [
            (json!([[], null, true]), "expected a JSON object"),
            (json!([["a"]]), "expected a JSON object"),
            (json!([]), "expected a JSON object"),
            (json!({"secrets": ["a"], "all": true}), "secrets and all"),
            (json!({"secrets": ["a"], "policy": "orders"}), "secrets and policy"),
            (json!({"policy": "orders", "all": true}), "policy and all"),
            (json!({"secrets": [], "policy": null, "all": false}), "name secrets"),
        ] {
            let (code, reply) = post(&socket, &format!("/api/v1/{route}"), &request).await;
            assert_eq!(code, 400, "{route} {request}: {reply}");
            assert!(
                reply["error"].as_str().unwrap().contains(words),
                "{route} {request}: {reply}"
            );
        }
    }
    assert!(control.know().asked.is_empty(), "{:?}", control.know().asked);
}

#[tokio::test]
async fn the_socket_is_for_owner_and_group_and_goes_with_the_server() {
    let control = FakeControl::new(Vec::new());
    let (_folder, socket, running) = admin(&control).await;
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    running.stop().await.unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_socket_is_replaced_only_when_nobody_answers_on_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("admin.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let server = AdminServer::bind(&path).await.unwrap();
    assert!(matches!(
        AdminServer::bind(&path).await,
        Err(ServeError::SocketTaken { .. })
    ));
    drop(server);

    std::fs::write(&path, "notes").unwrap();
    assert!(matches!(
        AdminServer::bind(&path).await,
        Err(ServeError::NotASocket { .. })
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "notes");
    let missing = folder.path().join("missing/admin.sock");
    let error = AdminServer::bind(&missing).await.err().unwrap().to_string();
    assert!(
        error.contains("missing/admin.sock") && error.contains("folder does not exist"),
        "{error}"
    );
}
