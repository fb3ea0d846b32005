//! The AWS guide "Automatically rotating passwords for users", step by step.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn the_guides_steps_give_the_guides_replies() {
    let (_server, client) = virtual_server().await;
    let user = client
        .ec_ok(
            "CreateUser",
            "UserId=user1&UserName=user1&Engine=REDIS&NoPasswordRequired=true&AccessString=*off* +get ~keys*",
        )
        .await;
    for (name, value) in [
        ("UserId", "user1"),
        ("UserName", "user1"),
        ("Status", "active"),
        ("Engine", "redis"),
        ("AccessString", "off ~keys* -@all +get"),
        ("UserGroupIds", ""),
        ("Type", "no-password"),
        ("ARN", "arn:aws:elasticache:us-east-1:123456789012:user:user1"),
    ] {
        assert_eq!(tag(&user, name), value, "{name}");
    }
    let value = r#"{"user_arn": "arn:aws:elasticache:us-east-1:123456789012:user:user1", "username": "user1"}"#;
    let secret = client
        .sm_ok(
            "CreateSecret",
            json!({"Name": "production/ec/user1", "SecretString": value, "ClientRequestToken": TOKEN_1}),
        )
        .await;
    let arn = secret["ARN"].as_str().unwrap();
    let prefix = "arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-";
    assert_eq!(arn.strip_prefix(prefix).unwrap().len(), 6);
    assert_eq!(secret["Name"], "production/ec/user1");
    assert_eq!(secret["VersionId"], TOKEN_1);
    let modified = client
        .ec_ok("ModifyUser", "UserId=user1&Passwords.member.1=0123456789abcdef")
        .await;
    assert_eq!(tag(&modified, "Status"), "modifying");
    assert_eq!(tag(&modified, "Type"), "password");
    assert_eq!(tag(&modified, "PasswordCount"), "1");
    // Rotation never turns a user on.
    assert_eq!(tag(&modified, "AccessString"), "off ~keys* -@all +get");
}

#[tokio::test]
async fn accounts_and_regions_are_apart() {
    let (_server, client) = virtual_server().await;
    let create = json!({"Name": "a", "SecretString": "x", "ClientRequestToken": TOKEN_1});
    let other = client.with_header(
        "authorization: AWS4-HMAC-SHA256 Credential=111122223333/20260101/eu-west-1/secretsmanager/aws4_request, X=y",
    );
    let made = other.sm_ok("CreateSecret", create).await;
    let arn = made["ARN"].as_str().unwrap();
    assert!(
        arn.starts_with("arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-"),
        "{arn}"
    );
    assert_eq!(client.sm_err("DescribeSecret", json!({"SecretId": "a"})).await.0, 400);
    other.sm_ok("DescribeSecret", json!({"SecretId": "a"})).await;
}
