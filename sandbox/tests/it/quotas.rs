//! Quotas, on a clock that stands still.

use rekeyd_sandbox::STRANGER;
use serde_json::{Value, json};

use crate::still::{SECRET, World};
use crate::support::*;

fn version(n: u32) -> String {
    format!("{n:032}")
}

/// How many of so many puts are taken; the others are throttled.
async fn puts(world: &World, versions: std::ops::Range<u32>) -> usize {
    let mut taken = 0;
    for n in versions {
        let put = json!({"SecretId": SECRET, "ClientRequestToken": version(n), "SecretString": "x"});
        let (status, body) = world.client.sm("PutSecretValue", put).await;
        assert!(
            status == 200 || (status, &body["__type"]) == (400, &json!("ThrottlingException")),
            "{body}"
        );
        taken += usize::from(status == 200);
    }
    taken
}

#[tokio::test]
async fn nothing_is_throttled_unless_quotas_are_on() {
    let world = World::with(json!({"quotas": {"enabled": false, "secret_writes": 1, "modify_user": 1}})).await;
    world.with_secret().await;
    assert_eq!(puts(&world, 0..60).await, 60);
}

#[tokio::test]
async fn writes_of_secrets_share_the_published_quota_of_fifty_a_second() {
    let world = World::with(json!({"quotas": {"enabled": true}})).await;
    world.with_secret().await;
    assert_eq!(puts(&world, 0..55).await, 50);
    let update = json!({"SecretId": SECRET, "Description": "d"});
    assert_eq!(
        world.client.sm_err("UpdateSecret", update.clone()).await.1,
        "ThrottlingException"
    );
    let stage = json!({"SecretId": SECRET, "VersionStage": "AWSPREVIOUS", "RemoveFromVersionId": version(48)});
    let (status, code, message) = world.client.sm_err("UpdateSecretVersionStage", stage.clone()).await;
    assert_eq!(
        (status, code.as_str(), message.as_str()),
        (400, "ThrottlingException", "Rate exceeded")
    );
    world.pass(20);
    assert_eq!(world.client.sm("UpdateSecretVersionStage", stage).await.0, 200);
    assert_eq!(
        world.client.sm_err("UpdateSecret", update).await.1,
        "ThrottlingException"
    );
    // Other operations have buckets of their own.
    let tag = json!({"SecretId": SECRET, "Tags": [{"Key": "k", "Value": "v"}]});
    world.client.sm_ok("TagResource", tag).await;
    world.client.sm_ok("GetRandomPassword", json!({})).await;
}

#[tokio::test]
async fn users_have_no_quota_until_one_is_given() {
    let world = World::with(json!({"quotas": {"enabled": true}, "detached_modifying_ms": 0})).await;
    let form = format!("UserId=u&UserName=u&Engine=redis&AccessString=on&Passwords.member.1={OLD}");
    world.client.ec_ok("CreateUser", &form).await;
    for _ in 0..60 {
        assert_eq!(world.passwords("u", &[NEW]).await.0, 200);
        assert_eq!(world.user("u", "PasswordCount").await, "1");
    }
    world.set(json!({"quotas": {"modify_user": 2, "describes": 1}})).await;
    assert_eq!(world.user("u", "PasswordCount").await, "1");
    let refused = world.client.ec_err("DescribeUserGroups", "").await;
    assert_eq!(refused, (400, "Throttling".to_owned()));
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(world.passwords("u", &[OLD, NEW]).await.0);
    }
    assert_eq!(answers, [200, 200, 400]);
    world.set(json!({"quotas": {"modify_user": null}})).await;
    assert_eq!(world.passwords("u", &[OLD]).await.0, 200);
}

#[tokio::test]
async fn each_account_and_region_has_its_own_quota() {
    let world = World::with(json!({"quotas": {"enabled": true, "list_secrets": 1}})).await;
    let signed = |key: &str, region: &str| {
        let header =
            format!("authorization: AWS4-HMAC-SHA256 Credential={key}/20240101/{region}/secretsmanager/aws4_request");
        world.client.with_header(&header)
    };
    for (key, region) in [
        ("test", "us-east-1"),
        ("test", "eu-west-1"),
        ("111122223333", "us-east-1"),
    ] {
        let client = signed(key, region);
        client.sm_ok("ListSecrets", json!({})).await;
        assert_eq!(client.sm_err("ListSecrets", json!({})).await.1, "ThrottlingException");
    }
}

#[tokio::test]
async fn a_call_beyond_the_quota_is_marked_in_the_log_counted_and_seen_by_no_fault() {
    let world = World::with(json!({"quotas": {"enabled": true, "list_secrets": 1}})).await;
    world
        .client
        .fault(json!({"operation": "ListSecrets", "call": 2, "kind": "error"}))
        .await;
    world.client.sm_ok("ListSecrets", json!({})).await;
    assert_eq!(world.client.sm_err("ListSecrets", json!({})).await.0, 400);
    let log = world.client.control("GET", "log", Value::Null).await;
    let seen = (&log[1]["fault"], &log[1]["outcome"], &log[1]["mutated"]);
    assert_eq!(seen, (&json!("quota"), &json!("ThrottlingException"), &json!(false)));
    world.pass(1_000);
    assert_eq!(world.client.sm_err("ListSecrets", json!({})).await.0, 500);
    let calls = world.client.control("GET", "calls", Value::Null).await;
    assert_eq!(calls["secretsmanager.ListSecrets"], 3);
}

#[tokio::test]
async fn strangers_take_nothing_from_the_quota() {
    let world = World::with(json!({"quotas": {"enabled": true, "secret_writes": 1}})).await;
    world.with_secret().await;
    for _ in 0..2 {
        let act = json!({"act": {"kind": "edit_secret", "secret": SECRET}});
        world.client.control("POST", "stranger", act).await;
    }
    assert_eq!(puts(&world, 0..2).await, 1);
    let log = world.client.control("GET", "log", Value::Null).await;
    let strangers = log
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["access_key"] == STRANGER);
    assert_eq!(strangers.count(), 2);
}
