//! Faults of each kind, through HTTP.

use std::time::Duration;

use chrono::TimeDelta;
use rekeyd_sandbox::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::support::*;

async fn with_user() -> (rekeyd_sandbox::SandboxServer, Client) {
    let (server, client) = virtual_server().await;
    let form = format!("UserId=u&UserName=u&Engine=redis&AccessString=on&Passwords.member.1={OLD}");
    client.ec_ok("CreateUser", &form).await;
    (server, client)
}

fn two_passwords() -> String {
    format!("UserId=u&Passwords.member.1={OLD}&Passwords.member.2={NEW}")
}

async fn passwords(client: &Client) -> String {
    tag(&client.ec_ok("DescribeUsers", "UserId=u").await, "PasswordCount")
}

async fn fired(client: &Client) -> Value {
    client.control("GET", "faults", Value::Null).await[0]["fired"].clone()
}

#[tokio::test]
async fn the_second_call_is_throttled_and_not_applied() {
    let (_server, client) = with_user().await;
    client
        .fault(json!({"service": "elasticache", "operation": "ModifyUser", "call": 2, "kind": "throttle"}))
        .await;
    client
        .ec_ok("ModifyUser", &format!("UserId=u&Passwords.member.1={NEW}"))
        .await;
    assert_eq!(
        client.ec_err("ModifyUser", &two_passwords()).await,
        (400, "Throttling".into())
    );
    assert_eq!(passwords(&client).await, "1");
    client.ec_ok("ModifyUser", &two_passwords()).await;
    assert_eq!(fired(&client).await, 1);
    client.fault(json!({"operation": "*", "kind": "throttle"})).await;
    let (status, code, _) = client.sm_err("ListSecrets", json!({})).await;
    assert_eq!((status, code.as_str()), (400, "ThrottlingException"));
}

#[tokio::test]
async fn errors_and_codes_are_as_asked_for() {
    let (_server, client) = with_user().await;
    client
        .fault(json!({"operation": "mutations", "kind": "error", "times": 0}))
        .await;
    assert_eq!(
        client.ec_err("ModifyUser", &two_passwords()).await,
        (500, "InternalFailure".into())
    );
    let put = json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": TOKEN_1});
    assert_eq!(client.sm_err("PutSecretValue", put).await.0, 500);
    assert_eq!(passwords(&client).await, "1");
    let code =
        json!({"operation": "DescribeUsers", "kind": "code", "code": "AccessDenied", "message": "no", "status": 403});
    client.fault(code).await;
    assert_eq!(client.ec_err("DescribeUsers", "").await, (403, "AccessDenied".into()));
}

#[tokio::test]
async fn a_lost_reply_has_been_applied() {
    let (_server, client) = with_user().await;
    client
        .fault(json!({"operation": "ModifyUser", "resource": "u", "kind": "reply_lost"}))
        .await;
    assert_eq!(client.ec_answer("ModifyUser", &two_passwords()).await, None);
    assert_eq!(passwords(&client).await, "2");
    let log = client.control("GET", "log", Value::Null).await;
    let entry = log
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["operation"] == "ModifyUser")
        .unwrap();
    assert_eq!(
        (&entry["fault"], &entry["mutated"]),
        (&json!("reply_lost"), &json!(true))
    );
}

#[tokio::test]
async fn a_hanging_call_is_never_applied_and_never_answered() {
    let (_server, client) = with_user().await;
    client.fault(json!({"operation": "ModifyUser", "kind": "hang"})).await;
    let form = two_passwords();
    let call = client.ec_answer("ModifyUser", &form);
    tokio::pin!(call);
    let waited = tokio::time::timeout(Duration::from_millis(150), &mut call).await;
    assert!(waited.is_err());
    assert_eq!(fired(&client).await, 1);
    client.control("POST", "release", Value::Null).await;
    assert_eq!(call.await, None);
    assert_eq!(passwords(&client).await, "1");
}

#[tokio::test]
async fn a_held_reply_comes_with_release_and_a_held_call_is_applied_then() {
    let (_server, client) = with_user().await;
    for (kind, count) in [("hold_reply", "2"), ("hold", "1")] {
        client
            .ec_ok("ModifyUser", &format!("UserId=u&Passwords.member.1={OLD}"))
            .await;
        client.fault(json!({"operation": "ModifyUser", "kind": kind})).await;
        let held = tokio::spawn({
            let client = client.clone();
            async move { client.ec_answer("ModifyUser", &two_passwords()).await }
        });
        until("the call is there", || async { fired(&client).await == 1 }).await;
        until("it has been applied or not", || async {
            passwords(&client).await == count
        })
        .await;
        assert!(!held.is_finished());
        client.control("POST", "release", Value::Null).await;
        assert_eq!(held.await.unwrap().unwrap().0, 200, "{kind}");
        assert_eq!(passwords(&client).await, "2");
    }
}

#[tokio::test]
async fn an_old_or_early_signature_is_refused_and_nothing_is_applied() {
    let (_server, client) = with_user().await;
    for minutes in [-6, 6] {
        let date = (SystemClock.now() + TimeDelta::minutes(minutes)).format("%Y%m%dT%H%M%SZ");
        let old = client.with_header(&format!("x-amz-date: {date}"));
        let answer = old.ec_err("ModifyUser", &two_passwords()).await;
        assert_eq!(answer, (403, "SignatureDoesNotMatch".into()));
        let (status, code, message) = old.sm_err("ListSecrets", json!({})).await;
        assert_eq!((status, code.as_str()), (400, "InvalidSignatureException"));
        assert!(message.starts_with("Signature "), "{message}");
    }
    assert_eq!(passwords(&client).await, "1");
    let now = client.with_header(&format!("x-amz-date: {}", SystemClock.now().format("%Y%m%dT%H%M%SZ")));
    now.ec_ok("ModifyUser", &two_passwords()).await;
}

#[tokio::test]
async fn a_call_held_for_longer_than_the_window_is_refused_when_it_is_let_go() {
    let (_server, client) = with_user().await;
    client
        .control("PUT", "settings", json!({"signature_window_s": 2}))
        .await;
    client
        .fault(json!({"operation": "ModifyUser", "kind": "delay", "ms": 3200}))
        .await;
    let signed = client.with_header(&format!("x-amz-date: {}", SystemClock.now().format("%Y%m%dT%H%M%SZ")));
    let answer = signed.ec_err("ModifyUser", &two_passwords()).await;
    assert_eq!(answer, (403, "SignatureDoesNotMatch".into()));
    assert_eq!(passwords(&client).await, "1");
}

#[tokio::test]
async fn a_call_that_was_held_over_a_reset_is_dropped() {
    let (_server, client) = with_user().await;
    client.fault(json!({"operation": "CreateUser", "kind": "hold"})).await;
    let held = tokio::spawn({
        let client = client.clone();
        async move {
            let form = "UserId=late&UserName=late&Engine=redis&AccessString=on&NoPasswordRequired=true";
            client.ec_answer("CreateUser", form).await
        }
    });
    until("the call is there", || async { fired(&client).await == 1 }).await;
    client.control("POST", "reset", Value::Null).await;
    assert_eq!(held.await.unwrap(), None);
    assert_eq!(client.ec_err("DescribeUsers", "UserId=late").await.0, 404);
}
