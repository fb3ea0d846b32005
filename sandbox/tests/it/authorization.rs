//! IAM policies: who may make which call on what, and what the refusal says.

use rekeyd_sandbox::SandboxServer;
use serde_json::{Value, json};

use crate::support::*;

const SECRET_ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:";
const USER_ARN: &str = "arn:aws:elasticache:us-east-1:123456789012:user:";

/// A client that signs with an access key.
fn signed(client: &Client, key: &str) -> Client {
    client.with_header(&format!(
        "authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/aws/aws4_request, SignedHeaders=host"
    ))
}

/// A statement that allows actions on resources.
fn allow(actions: Value, resources: Value) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resources})
}

fn document(statements: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// A sandbox with a secret and a user, and a client whom these policies bind.
async fn bound_by(policies: Value) -> (SandboxServer, Client, Client) {
    let (server, client) = virtual_server().await;
    client.cache_with_user("u", "on", 1).await;
    let tags = json!([{"Key": "team", "Value": "orders"}]);
    let secret = json!({"Name": "p/s", "ClientRequestToken": TOKEN_1, "SecretString": "x", "Tags": tags});
    client.sm_ok("CreateSecret", secret).await;
    client
        .control("PUT", "settings", json!({"policies": {"LIMITED": policies}}))
        .await;
    let limited = signed(&client, "LIMITED");
    (server, client, limited)
}

/// Whether the secret can be read.
async fn reads(client: &Client) -> bool {
    let (status, code, _) = client.sm_err("GetSecretValue", json!({"SecretId": "p/s"})).await;
    assert!(status == 200 || code == "AccessDeniedException", "{status} {code}");
    status == 200
}

#[tokio::test]
async fn whoever_has_no_policies_may_do_everything_and_whoever_has_some_only_what_they_allow() {
    let policy = document(json!([allow(json!("secretsmanager:DescribeSecret"), json!("*"))]));
    let (_server, client, limited) = bound_by(policy.clone()).await;
    limited.sm_ok("DescribeSecret", json!({"SecretId": "p/s"})).await;
    assert!(!reads(&limited).await);
    assert!(reads(&client).await && reads(&signed(&client, "OTHER")).await);
    client
        .control("PUT", "settings", json!({"policies": {"default": policy}}))
        .await;
    assert!(!reads(&client).await, "`default` binds everybody else");
    client.control("PUT", "settings", json!({"policies": null})).await;
    assert!(reads(&client).await && reads(&limited).await);
}

#[tokio::test]
async fn a_refusal_has_awss_code_status_and_words() {
    let (_server, _client, limited) = bound_by(document(json!([]))).await;
    let who = "User: arn:aws:sts::123456789012:assumed-role/rekeyd-sandbox/LIMITED is not authorized to perform: ";
    let (status, code, message) = limited.sm_err("GetSecretValue", json!({"SecretId": "p/s"})).await;
    assert_eq!((status, code.as_str()), (400, "AccessDeniedException"));
    let why = "because no identity-based policy allows the secretsmanager:GetSecretValue action";
    assert_eq!(
        message,
        format!("{who}secretsmanager:GetSecretValue on resource: p/s {why}")
    );
    let (_, _, message) = limited.sm_err("ListSecrets", json!({})).await;
    let why = "because no identity-based policy allows the secretsmanager:ListSecrets action";
    assert_eq!(
        message,
        format!("{who}secretsmanager:ListSecrets {why}"),
        "an action without resource"
    );
    let (status, body) = limited.ec("ModifyUser", "UserId=u").await;
    assert_eq!((status, tag(&body, "Code").as_str()), (403, "AccessDenied"));
    let why = "because no identity-based policy allows the elasticache:ModifyUser action";
    assert_eq!(
        tag(&body, "Message"),
        format!("{who}elasticache:ModifyUser on resource: {USER_ARN}u {why}")
    );
}

#[tokio::test]
async fn a_refused_call_is_logged_and_changes_nothing() {
    let (_server, client, limited) = bound_by(document(json!([]))).await;
    let put = json!({"SecretId": "p/s", "ClientRequestToken": TOKEN_2, "SecretString": "y"});
    assert_eq!(limited.sm_err("PutSecretValue", put).await.1, "AccessDeniedException");
    let log = client.control("GET", "log", Value::Null).await;
    let last = log.as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["outcome"], "AccessDeniedException");
    assert_eq!(
        (&last["mutated"], &last["access_key"]),
        (&json!(false), &json!("LIMITED"))
    );
    let value = client.sm_ok("GetSecretValue", json!({"SecretId": "p/s"})).await;
    assert_eq!(value["SecretString"], "x");
}

#[tokio::test]
async fn an_explicit_deny_beats_every_allow_in_whichever_document() {
    let all = document(json!([allow(json!("*"), json!("*"))]));
    let deny = json!({"Effect": "Deny", "Action": "secretsmanager:Get*", "Resource": format!("{SECRET_ARN}p/*")});
    let (_server, _client, limited) = bound_by(json!([all, document(json!(deny))])).await;
    let (_, code, message) = limited.sm_err("GetSecretValue", json!({"SecretId": "p/s"})).await;
    assert_eq!(code, "AccessDeniedException");
    assert!(
        message.ends_with("with an explicit deny in an identity-based policy"),
        "{message}"
    );
    limited.sm_ok("DescribeSecret", json!({"SecretId": "p/s"})).await;
}

#[tokio::test]
async fn secrets_are_covered_by_their_whole_arn_and_missing_ones_by_their_name() {
    for (resource, covered) in [
        (format!("{SECRET_ARN}p/s-??????"), true),
        (format!("{SECRET_ARN}p/*"), true),
        (format!("{SECRET_ARN}p/s"), false),
        (format!("{SECRET_ARN}P/S-??????"), false),
        ("arn:aws:secretsmanager:*:*:secret:*".to_owned(), true),
        ("arn:aws:secretsmanager:eu-west-1:*:secret:*".to_owned(), false),
    ] {
        let policy = document(json!([allow(json!("secretsmanager:*"), json!(resource))]));
        let (_server, _client, limited) = bound_by(policy).await;
        assert_eq!(reads(&limited).await, covered, "{resource}");
        let (_, code, _) = limited.sm_err("DescribeSecret", json!({"SecretId": "p/other"})).await;
        let told = if resource.ends_with('*') && covered {
            "ResourceNotFoundException"
        } else {
            "AccessDeniedException"
        };
        assert_eq!(code, told, "{resource}");
    }
}

#[tokio::test]
async fn listings_of_elasticache_ask_for_all_of_a_kind() {
    let of_user = document(json!([allow(
        json!(["elasticache:Describe*"]),
        json!([format!("{USER_ARN}u")])
    )]));
    let (_server, client, limited) = bound_by(of_user).await;
    limited.ec_ok("DescribeUsers", "UserId=u").await;
    assert_eq!(
        limited.ec_err("DescribeUsers", "").await,
        (403, "AccessDenied".to_owned())
    );
    assert_eq!(limited.ec_err("DescribeUserGroups", "").await.1, "AccessDenied");
    let of_all = document(json!([allow(
        json!("elasticache:describeusers"),
        json!(format!("{USER_ARN}*"))
    )]));
    client
        .control("PUT", "settings", json!({"policies": {"LIMITED": of_all}}))
        .await;
    limited.ec_ok("DescribeUsers", "").await;
    limited.ec_ok("DescribeUsers", "UserId=u").await;
}

#[tokio::test]
async fn conditions_ask_about_tags_and_the_secret_that_was_named() {
    let all = format!("{SECRET_ARN}*");
    for (condition, holds) in [
        (json!({"StringEquals": {"aws:ResourceTag/team": "orders"}}), true),
        (
            json!({"StringEquals": {"secretsmanager:ResourceTag/Team": ["a", "orders"]}}),
            true,
        ),
        (json!({"StringEquals": {"aws:ResourceTag/team": "Orders"}}), false),
        (
            json!({"StringEqualsIgnoreCase": {"aws:ResourceTag/team": "Orders"}}),
            true,
        ),
        (json!({"StringEquals": {"aws:ResourceTag/team": "order*"}}), false),
        (json!({"StringLike": {"aws:ResourceTag/team": "order*"}}), true),
        (json!({"StringEquals": {"aws:ResourceTag/env": "live"}}), false),
        (json!({"StringEqualsIfExists": {"aws:ResourceTag/env": "live"}}), true),
        (json!({"StringNotEquals": {"aws:ResourceTag/env": "live"}}), true),
        (
            json!({"StringNotEquals": {"aws:ResourceTag/team": ["orders", "a"]}}),
            false,
        ),
        (json!({"Null": {"aws:ResourceTag/env": "true"}}), true),
        (json!({"ForAnyValue:StringLike": {"aws:ResourceTag/env": "*"}}), false),
        (json!({"ForAllValues:StringLike": {"aws:ResourceTag/env": "x"}}), true),
        (
            json!({"StringEquals": {"secretsmanager:SecretId": "p/s", "aws:RequestedRegion": "us-east-1"}}),
            true,
        ),
        (
            json!({"StringEquals": {"secretsmanager:SecretId": "p/s", "aws:RequestedRegion": "eu-west-1"}}),
            false,
        ),
    ] {
        let mut statement = allow(json!("secretsmanager:*"), json!(all));
        statement["Condition"] = condition.clone();
        let (_server, _client, limited) = bound_by(document(json!([statement]))).await;
        assert_eq!(reads(&limited).await, holds, "{condition}");
    }
}

#[tokio::test]
async fn not_action_and_not_resource_cover_everything_else() {
    let but = json!({"Effect": "Allow", "NotAction": "secretsmanager:Get*", "NotResource": format!("{USER_ARN}*")});
    let (_server, _client, limited) = bound_by(document(json!([but]))).await;
    assert!(!reads(&limited).await);
    limited.sm_ok("DescribeSecret", json!({"SecretId": "p/s"})).await;
    assert_eq!(limited.ec_err("DescribeUsers", "UserId=u").await.1, "AccessDenied");
    limited.ec_ok("DescribeUserGroups", "").await;
}

#[tokio::test]
async fn a_policy_that_cannot_be_evaluated_whole_is_refused_and_the_one_before_stays() {
    let ok = allow(json!("secretsmanager:*"), json!("*"));
    let with = |key: &str, value: Value| {
        let mut statement = ok.clone();
        statement[key] = value;
        document(json!([statement]))
    };
    let long: Vec<String> = (0..100).map(|n| format!("{SECRET_ARN}{n}{}", "x".repeat(60))).collect();
    let (_server, client, limited) = bound_by(document(json!([ok]))).await;
    for (policy, told) in [
        (with("Principal", json!("*")), "Principal"),
        (with("Effect", json!("Maybe")), "Effect"),
        (
            with("Condition", json!({"IpAddress": {"aws:ResourceTag/a": "b"}})),
            "IpAddress",
        ),
        (
            with("Condition", json!({"StringEquals": {"aws:SourceIp": "10.0.0.1"}})),
            "aws:SourceIp",
        ),
        (
            with("Resource", json!("arn:aws:iam::1:user/${aws:username}")),
            "aws:username",
        ),
        (with("Resource", json!("secret/*")), "neither an ARN"),
        (with("Action", json!("GetSecretValue")), "names no service"),
        (with("NotAction", json!("a:b")), "either Action or NotAction"),
        (with("Resource", json!(long)), "6144"),
        (json!({"Version": "2008-10-17", "Statement": []}), "2012-10-17"),
        (json!("everything"), "no object"),
    ] {
        let path = "/_sandbox/settings";
        let body = json!({"policies": {"LIMITED": policy}}).to_string();
        let (status, reply) = client.http("PUT", path, "", &body).await.unwrap();
        assert_eq!(status, 400, "{body}");
        assert!(reply.contains(told), "{reply} does not tell of {told}");
        assert!(reads(&limited).await, "what was there before holds");
    }
}

#[tokio::test]
async fn a_callers_policies_are_replaced_whole() {
    let (_server, client, limited) = bound_by(document(json!([allow(json!("secretsmanager:*"), json!("*"))]))).await;
    let narrow = document(allow(json!("secretsmanager:DescribeSecret"), json!("*")));
    client
        .control(
            "PUT",
            "settings",
            json!({"policies": {"LIMITED": narrow, "OTHER": narrow}}),
        )
        .await;
    assert!(!reads(&limited).await);
    let settings = client
        .control("PUT", "settings", json!({"policies": {"LIMITED": null}}))
        .await;
    assert_eq!(settings["policies"], json!({"OTHER": narrow}));
    assert!(reads(&limited).await);
}

/// A secret under a customer key, and a client who may use secrets and, perhaps, keys.
async fn encrypted(key: &str, more: Value) -> (SandboxServer, Client, Client) {
    let mut statements = vec![allow(json!("secretsmanager:*"), json!("*"))];
    statements.extend(more.as_array().unwrap().clone());
    let (server, client, limited) = bound_by(document(json!(statements))).await;
    client
        .sm_ok("UpdateSecret", json!({"SecretId": "p/s", "KmsKeyId": key}))
        .await;
    (server, client, limited)
}

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/k";

#[tokio::test]
async fn a_customer_key_is_used_in_the_name_of_the_caller() {
    let via = |service: &str| json!({"StringEquals": {"kms:ViaService": service}});
    let mut right = allow(json!("kms:Decrypt"), json!(KEY));
    right["Condition"] = via("secretsmanager.us-east-1.amazonaws.com");
    let mut wrong = right.clone();
    wrong["Condition"] = via("s3.us-east-1.amazonaws.com");
    let put = json!({"SecretId": "p/s", "ClientRequestToken": TOKEN_2, "SecretString": "y"});
    for (more, reads, puts) in [
        (json!([]), false, false),
        (json!([wrong]), false, false),
        (json!([right]), true, false),
        (
            json!([right, allow(json!("kms:GenerateDataKey"), json!(KEY))]),
            true,
            true,
        ),
    ] {
        for key in [KEY, "k"] {
            let (_server, client, limited) = encrypted(key, more.clone()).await;
            for (operation, input, goes) in [
                ("GetSecretValue", json!({"SecretId": "p/s"}), reads),
                ("PutSecretValue", put.clone(), puts),
            ] {
                let (status, code, message) = limited.sm_err(operation, input).await;
                let refused = (
                    400,
                    "AccessDeniedException".to_owned(),
                    "Access to KMS is not allowed".to_owned(),
                );
                assert!(
                    if goes {
                        status == 200
                    } else {
                        (status, code, message) == refused
                    },
                    "{operation} with {more}: {status}"
                );
            }
            limited.sm_ok("DescribeSecret", json!({"SecretId": "p/s"})).await;
            client.sm_ok("GetSecretValue", json!({"SecretId": "p/s"})).await;
        }
    }
    let (_server, _client, limited) = encrypted("alias/aws/secretsmanager", json!([])).await;
    assert!(self::reads(&limited).await, "Secrets Manager's own key asks nobody");
}

#[tokio::test]
async fn a_key_that_is_denied_or_disabled_serves_nobody() {
    let (_server, client, _) = encrypted(KEY, json!([])).await;
    let get = json!({"SecretId": "p/s"});
    let put = json!({"SecretId": "p/s", "ClientRequestToken": TOKEN_2, "SecretString": "y"});
    client
        .control("PUT", "settings", json!({"kms_keys": {KEY: "denied"}}))
        .await;
    let (_, code, message) = client.sm_err("GetSecretValue", get.clone()).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("AccessDeniedException", "Access to KMS is not allowed")
    );
    client
        .control("PUT", "settings", json!({"kms_keys": {KEY: "disabled"}}))
        .await;
    assert_eq!(
        client.sm_err("GetSecretValue", get.clone()).await.1,
        "DecryptionFailure"
    );
    assert_eq!(client.sm_err("PutSecretValue", put).await.1, "EncryptionFailure");
    client
        .control("PUT", "settings", json!({"kms_keys": {KEY: null}}))
        .await;
    client.sm_ok("GetSecretValue", get).await;
}

#[tokio::test]
async fn what_is_made_with_tags_asks_for_the_right_to_tag_and_conditions_see_the_tags() {
    let statement = |actions: Value| {
        let mut statement = allow(actions, json!("*"));
        statement["Condition"] = json!({"StringEquals": {"aws:RequestTag/team": ["orders"]}});
        document(json!([statement]))
    };
    let secret = |name: &str, team: &str| json!({"Name": name, "Tags": [{"Key": "team", "Value": team}]});
    let (_server, client, limited) = bound_by(statement(json!(["secretsmanager:CreateSecret"]))).await;
    let (_, _, message) = limited.sm_err("CreateSecret", secret("p/new", "orders")).await;
    assert!(
        message.contains("secretsmanager:TagResource on resource: p/new"),
        "{message}"
    );

    let both = statement(json!(["secretsmanager:CreateSecret", "secretsmanager:TagResource"]));
    client
        .control("PUT", "settings", json!({"policies": {"LIMITED": both}}))
        .await;
    limited.sm_ok("CreateSecret", secret("p/new", "orders")).await;
    let (_, code, _) = limited.sm_err("CreateSecret", secret("p/other", "payments")).await;
    assert_eq!(code, "AccessDeniedException", "another tag");
    let (_, code, _) = limited.sm_err("CreateSecret", json!({"Name": "p/other"})).await;
    assert_eq!(code, "AccessDeniedException", "no tag");

    let user = "UserId=v&UserName=v&Engine=redis&AccessString=off&NoPasswordRequired=true&Tags.Tag.1.Key=team\
                &Tags.Tag.1.Value=orders";
    let creates = document(json!([allow(json!("elasticache:CreateUser"), json!("*"))]));
    client
        .control("PUT", "settings", json!({"policies": {"LIMITED": creates}}))
        .await;
    let (status, answer) = limited.ec("CreateUser", user).await;
    assert_eq!(status, 403);
    assert!(answer.contains("perform: elasticache:AddTagsToResource"), "{answer}");
}
