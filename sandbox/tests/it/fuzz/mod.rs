//! Requests that nobody would send: every one is answered in its service's own shape, and the sandbox goes on.
//!
//! The requests are the same on every run. `REKEYD_FUZZ_SEED=N` draws others, `REKEYD_FUZZ_TIMES=N` N times as many.

mod answer;
mod requests;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::answer::Answer;
use self::requests::Request;
use crate::support::*;

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect("a number"))
}

/// A sandbox with a secret and a user, so that requests about them get beyond the question whether there are any.
async fn stage() -> (rekeyd_sandbox::SandboxServer, Client) {
    let (server, client) = virtual_server().await;
    let create = json!({"Name": "s", "SecretString": "v", "ClientRequestToken": TOKEN_1});
    client.sm_ok("CreateSecret", create).await;
    client.cache_with_user("u", "on", 1).await;
    (server, client)
}

async fn exchange(addr: &str, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    // A refusal may come before all of it is written.
    let _ = stream.write_all(request).await;
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    reply
}

async fn still_answers(client: &Client) {
    client.sm_ok("ListSecrets", json!({})).await;
    client.ec_ok("DescribeUsers", "").await;
    let (status, _) = client.http("GET", "/_sandbox/operations", "", "").await.unwrap();
    assert_eq!(status, 200);
}

/// Sends `count` drawn requests and judges each answer; gives how many succeeded and how many were refused.
async fn fuzz(seed_offset: u64, count: u64, draw: impl Fn(&mut StdRng) -> Request) -> (u64, u64) {
    let (_server, client) = stage().await;
    let mut rng = StdRng::seed_from_u64(number("REKEYD_FUZZ_SEED", 1) + seed_offset);
    let (mut succeeded, mut refused) = (0, 0);
    for n in 0..count * number("REKEYD_FUZZ_TIMES", 1) {
        let request = draw(&mut rng);
        let reply = exchange(&client.addr, &request.bytes()).await;
        match Answer::read(&reply).and_then(|answer| answer.judge(request.target.is_some())) {
            Ok(true) => succeeded += 1,
            Ok(false) => refused += 1,
            Err(problem) => panic!("request {n}: {problem}\n{}", String::from_utf8_lossy(&request.bytes())),
        }
    }
    still_answers(&client).await;
    (succeeded, refused)
}

#[tokio::test]
async fn mutated_json_requests_are_answered_in_secrets_managers_shape() {
    let (succeeded, refused) = fuzz(0, 2_000, requests::json).await;
    assert!(
        succeeded > 100 && refused > 500,
        "{succeeded} succeeded, {refused} were refused"
    );
}

#[tokio::test]
async fn mutated_forms_are_answered_in_elasticaches_shape() {
    let (succeeded, refused) = fuzz(1, 2_000, requests::form).await;
    assert!(
        succeeded > 100 && refused > 500,
        "{succeeded} succeeded, {refused} were refused"
    );
}

#[tokio::test]
async fn random_bytes_are_refused_in_the_shape_of_the_service_that_they_were_sent_to() {
    let (succeeded, refused) = fuzz(2, 1_000, requests::noise).await;
    assert!(refused > succeeded, "{succeeded} succeeded, {refused} were refused");
}

#[tokio::test]
async fn requests_that_go_too_deep_or_are_too_large_are_refused() {
    let (_server, client) = stage().await;
    let deep = "[".repeat(200_000);
    let inside = format!("{{\"SecretId\": {deep}");
    let dotted = format!("Action=CreateUser&{}=x", "a.".repeat(200_000));
    let numbered = format!("Action=CreateUser&Passwords.member.{}=x", u64::MAX);
    let large = "x".repeat(3 << 20);
    for (target, body, status) in [
        (Some("secretsmanager.DescribeSecret"), deep.as_str(), 400),
        (Some("secretsmanager.DescribeSecret"), &inside, 400),
        (Some("secretsmanager.DescribeSecret"), &large, 413),
        (None, &dotted, 400),
        (None, &numbered, 400),
        (None, &large, 413),
    ] {
        let request = Request::new(target, body.as_bytes().to_vec());
        let reply = exchange(&client.addr, &request.bytes()).await;
        let answer = Answer::read(&reply).unwrap();
        assert_eq!(answer.status, status, "{target:?}");
        assert_eq!(answer.judge(target.is_some()), Ok(false), "{target:?}");
    }
    still_answers(&client).await;
}

#[tokio::test]
async fn what_is_no_http_ends_its_own_connection_only() {
    let (_server, client) = stage().await;
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..200 {
        let length = rng.random_range(1..2_000);
        let bytes: Vec<u8> = (0..length).map(|_| rng.random()).collect();
        let mut stream = TcpStream::connect(&client.addr).await.unwrap();
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    // A body that is promised and does not come, and one in chunks that are none.
    for request in [
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&client.addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    still_answers(&client).await;
}

#[tokio::test]
async fn a_request_for_another_service_is_refused_as_an_unknown_operation() {
    let (_server, client) = stage().await;
    for target in [
        "DynamoDB_20120810.GetItem",
        "secretsmanager",
        "",
        ".",
        "secretsmanager.getSecretValue",
        "\u{fffd}",
    ] {
        let request = Request::new(Some(target), b"{}".to_vec());
        let answer = Answer::read(&exchange(&client.addr, &request.bytes()).await).unwrap();
        assert_eq!(answer.judge(true), Ok(false), "{target}");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["__type"], "UnknownOperationException", "{target}");
    }
    let unnamed = Request::new(None, b"Version=2015-02-02".to_vec());
    let answer = Answer::read(&exchange(&client.addr, &unnamed.bytes()).await).unwrap();
    assert_eq!(answer.judge(false), Ok(false));
    assert!(String::from_utf8_lossy(&answer.body).contains("<Code>MissingAction</Code>"));
}
