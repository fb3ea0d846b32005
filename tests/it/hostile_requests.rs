//! Requests that are none, to the admin socket and to the TCP port: a proper error or a closed
//! connection in time, nothing changed, and the next client is served.

use std::path::PathBuf;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rekeyd::rotation::status::Phase;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::support::world::{document_with, secret_name};
use crate::support::{Daemon, PATIENCE, Policy, World, eventually, http};

const PASSWORD: &str = "CANARY-of-a-password";

/// A daemon at rest, and where it is reached.
struct Target {
    world: World,
    daemon: Daemon,
    address: String,
    socket: PathBuf,
    before: String,
}

impl Target {
    async fn start() -> Self {
        let world = World::start().await;
        world.create_user("user1", PASSWORD).await;
        world
            .create_secret(&secret_name("user1"), &document_with("user1", PASSWORD))
            .await;
        let daemon = world
            .daemon("rekeyd")
            .policy(Policy::new("orders", &["user1"]))
            .run()
            .await;
        let at_rest = |status: &rekeyd::rotation::status::SecretStatus| status.phase == Phase::Idle;
        daemon.wait(&secret_name("user1"), "at rest", at_rest).await;
        let mut target = Self {
            address: daemon.listen_address().await,
            socket: daemon.socket.clone(),
            world,
            daemon,
            before: String::new(),
        };
        target.before = target.state().await;
        target
    }

    /// What a request may not change: phases, pauses, requests, the history.
    async fn state(&self) -> String {
        let statuses = self.daemon.statuses().await.expect("statuses");
        let shown: Vec<_> = statuses
            .iter()
            .map(|status| (&status.secret, status.phase, status.requested))
            .collect();
        let mut history = self.daemon.get("/api/v1/rotations?limit=10000").await.json();
        let events = history["rotations"].as_array_mut().expect("the history");
        // The current password is checked when it likes.
        events.retain(|event| event["event"] != "checked");
        format!("{shown:?} {events:?}")
    }

    /// Sends bytes to either surface, closes that direction, and reads what comes.
    async fn send(&self, over_tcp: bool, bytes: &[u8]) -> String {
        match over_tcp {
            true => exchange(TcpStream::connect(&self.address).await.expect("connected"), bytes, true).await,
            false => exchange(UnixStream::connect(&self.socket).await.expect("connected"), bytes, true).await,
        }
    }

    fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.daemon.pid());
        std::fs::read_dir(folder).expect("its descriptors").count()
    }

    /// That the daemon serves others, and that nothing came of it all.
    async fn assert_unharmed(&self) {
        let answer = http::tcp(&self.address, "GET", "/livez", None).await.expect("served");
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(self.daemon.get("/livez").await.status, 200);
        assert_eq!(self.state().await, self.before);
        for write in [
            "secretsmanager.PutSecretValue",
            "secretsmanager.UpdateSecretVersionStage",
            "elasticache.ModifyUser",
        ] {
            assert_eq!(self.world.count(write), 0, "{write}");
        }
        let log = self.daemon.log_text();
        assert!(!log.contains("panicked") && !log.contains(PASSWORD), "{log}");
    }
}

/// Says something, ends it if told to, and hears until the other side ends. A server may drop what
/// it does for a client that says no more.
async fn exchange<S: AsyncRead + AsyncWrite>(stream: S, bytes: &[u8], end: bool) -> String {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut answer = Vec::new();
    let talk = async {
        // The other end may have heard enough before we have said all.
        let say = async {
            let _ = writer.write_all(bytes).await;
            if end {
                let _ = writer.shutdown().await;
            }
        };
        let hear = async {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer).await {
                answer.extend_from_slice(&buffer[..count]);
            }
        };
        tokio::join!(say, hear);
    };
    tokio::time::timeout(PATIENCE, talk)
        .await
        .expect("the connection ends in time");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Nothing, or an answer of HTTP, that does not tell secrets.
fn assert_proper(what: &str, answer: &str) {
    assert!(answer.is_empty() || answer.starts_with("HTTP/1."), "{what}: {answer}");
    assert!(
        !answer.contains("CANARY") && !answer.contains("panicked") && !answer.contains("root:"),
        "{what}: {answer}"
    );
}

/// The same cases in every run.
fn generate<S: Strategy>(count: usize, strategy: &S) -> Vec<S::Value> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let cases = (0..count).map(|_| strategy.new_tree(&mut runner).expect("a case").current());
    cases.collect()
}

/// Requests that are somewhat like one.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let method = select(vec![
        "GET", "POST", "HEAD", "PUT", "DELETE", "TRACE", "CONNECT", "PRI", "get", "", "G\0T", "\u{e9}",
    ]);
    let path = prop_oneof![
        select(vec![
            "/",
            "/?page=99999999999999999999&q=%ff",
            "/secret?name=%00%",
            "*",
            "",
            "/livez",
            "/metrics",
            "/api/v1/rotate",
            "/api/v1/pause",
            "/api/v1/secrets",
            "/api/v1/rotations?limit=-1",
            "/api/v1/secrets/%00",
            "/api/v1/secrets/%ff%fe",
            "/api/v1/secrets/..%2f..%2f..%2fetc%2fpasswd",
            "/../../../etc/passwd",
            "//etc/passwd",
            "/api/v1/secrets?secret=%",
            "/api/v1/rotations?limit=99999999999999999999",
            "http://x/livez",
            "/\u{7f}",
        ])
        .prop_map(str::to_owned),
        "/[ -~]{0,40}",
    ];
    let version = select(vec!["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", "http/1.1", ""]);
    let header = prop_oneof![
        select(vec![
            "Host: x",
            "Host:",
            "Content-Length: 5",
            "Content-Length: -1",
            "Content-Length: 99999999999999999999",
            "Content-Length: 5, 6",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Expect: 100-continue",
            "Upgrade: h2c",
            "Connection: close",
            "Content-Type: application/json",
            "Content-Type: application/xml",
            ": x",
            "no colon",
            " folded: x",
            "X: \0",
            "\u{e9}: x",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,30}",
    ];
    let body = prop_oneof![
        Just(Vec::new()),
        vec(any::<u8>(), 0..60),
        Just(b"5\r\nhello\r\n0\r\n\r\n".to_vec()),
        Just(b"{\"secrets\": [".to_vec())
    ];
    (method, path, version, vec(header, 0..6), body).prop_map(|(method, path, version, headers, body)| {
        let head = format!("{method} {path} {version}\r\n{}\r\n\r\n", headers.join("\r\n"));
        [head.into_bytes(), body].concat()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_request_end_in_an_error_or_a_closed_connection() {
    let target = Target::start().await;
    let mut cases = generate(150, &vec(any::<u8>(), 0..300));
    cases.extend(generate(350, &requests()));
    cases.extend([
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"\r\n".repeat(100_000),
        vec![b'A'; 2 << 20],
        [b"GET /livez HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 2 << 20], b"\r\n\r\n".to_vec()].concat(),
        [b"GET /livez HTTP/1.1\r\n".to_vec(), b"X: y\r\n".repeat(50_000), b"\r\n".to_vec()].concat(),
        format!("GET /api/v1/secrets?secret={} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "x".repeat(60_000)).into_bytes(),
        format!("GET /{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "../".repeat(20_000)).into_bytes(),
        [b"POST /api/v1/rotate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 33554432\r\n\r\n".to_vec(), vec![b'['; 32 << 20]].concat(),
        b"POST /api/v1/rotate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"all\": true}".to_vec(),
    ]);
    for bytes in &cases {
        for over_tcp in [true, false] {
            let what = format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)]));
            assert_proper(&what, &target.send(over_tcp, bytes).await);
        }
    }
    target.assert_unharmed().await;
}

/// Bodies of which none asks for anything that there is.
fn bodies() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        select(vec![
            "null",
            "false",
            "[]",
            "{}",
            "\"\"",
            "-1",
            "1e400",
            "18446744073709551616",
            "[null]",
            "[\"\"]",
            "[\"none\"]",
            "\"none\"",
            "[\"\\u0000\"]",
            "[\"../../etc/passwd\"]",
            "[\"%s%n\"]",
            "[\"'; DROP TABLE records; --\"]",
            "[\"\\ud800\"]",
            "0",
            "1",
            "\"true\"",
            "[[\"none\"]]",
            "\"\\u001b[2J\"",
        ])
        .prop_map(str::to_owned),
        "\"[a-z*/]{1,20}\"",
    ];
    let key = select(vec![
        "secrets",
        "policy",
        "all",
        "now",
        "revoke_previous",
        "for_seconds",
        "reason",
        "secret",
        "",
        "__proto__",
    ]);
    let member = (key, value).prop_map(|(key, value)| format!("\"{key}\": {value}"));
    let object = vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(", ")));
    prop_oneof![9 => object, 1 => "\\PC{0,40}"]
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_ask_for_nothing_there_is_are_refused_and_change_nothing() {
    let target = Target::start().await;
    let mut cases = generate(200, &bodies());
    cases.extend([
        format!("{{\"secrets\": {}{}}}", "[".repeat(20_000), "]".repeat(20_000)),
        format!("{{\"secrets\": [{}\"x\"]}}", "\"none\",".repeat(7_000)),
        format!("{{\"policy\": \"{}\"}}", "x".repeat(60_000)),
        "{\"secrets\": [\"none\"], \"for_seconds\": 18446744073709551615}".to_owned(),
    ]);
    for body in &cases {
        for route in ["rotate", "pause", "resume"] {
            let path = format!("/api/v1/{route}");
            let answer = http::unix(&target.socket, "POST", &path, Some(body))
                .await
                .expect("an answer");
            assert!(
                (400..500).contains(&answer.status),
                "{route} {body}: {} {}",
                answer.status,
                answer.body
            );
            assert!(answer.json()["error"].is_string(), "{route} {body}: {}", answer.body);
            assert_proper(body, &answer.head);
        }
    }
    for (kind, status) in [
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ] {
        let body = "{\"all\": true}";
        let head = format!("POST /api/v1/rotate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n");
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let stream = UnixStream::connect(&target.socket).await.expect("connected");
        let answer = exchange(stream, request.as_bytes(), false).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{kind}: {answer}");
    }
    target.assert_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hold_connections_open_shut_nobody_out_and_cost_no_descriptors() {
    let target = Target::start().await;
    let before = target.descriptors();
    let mut held: Vec<Box<dyn std::any::Any>> = Vec::new();
    let pipelined = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(40);
    for index in 0..1_000 {
        let begun: &[u8] = match index % 20 {
            // Asks much, and reads nothing of it.
            0 => &pipelined,
            1..8 => b"",
            8..14 => b"GET /livez HTTP/1.1\r\nHo",
            _ => b"POST /api/v1/rotate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
        };
        if index % 2 == 0 {
            let mut stream = TcpStream::connect(&target.address).await.expect("connected");
            stream.write_all(begun).await.expect("said");
            held.push(Box::new(stream));
        } else {
            let mut stream = UnixStream::connect(&target.socket).await.expect("connected");
            stream.write_all(begun).await.expect("said");
            held.push(Box::new(stream));
        }
        if index % 100 == 99 {
            // Not after the patience of a connection, but now.
            let answer = tokio::time::timeout(
                Duration::from_secs(20),
                http::tcp(&target.address, "GET", "/livez", None),
            )
            .await;
            assert_eq!(
                answer.expect("served in time").expect("served").status,
                200,
                "with {index} held"
            );
            let answer = http::unix(&target.socket, "GET", "/readyz", None)
                .await
                .expect("served");
            assert_eq!(answer.status, 200, "with {index} held: {}", answer.body);
        }
    }
    assert!(
        target.descriptors() < before + 2 * 256 + 20,
        "{} descriptors",
        target.descriptors()
    );
    drop(held);
    for _ in 0..300 {
        assert_eq!(
            http::tcp(&target.address, "GET", "/livez", None)
                .await
                .expect("served")
                .status,
            200
        );
    }
    eventually("the descriptors are given back", || async {
        let now = target.descriptors();
        if now <= before + 5 {
            Ok(())
        } else {
            Err(format!("{now}, and {before} before"))
        }
    })
    .await;
    target.assert_unharmed().await;
}
