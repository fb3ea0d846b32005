//! Secrets Manager over HTTP.

use serde_json::{Value, json};

use crate::support::*;

const NOT_FOUND: &str = "ResourceNotFoundException";

async fn secret() -> (rekeyd_sandbox::SandboxServer, Client) {
    let (server, client) = virtual_server().await;
    client
        .sm_ok(
            "CreateSecret",
            json!({"Name": "s", "SecretString": "1", "ClientRequestToken": TOKEN_1}),
        )
        .await;
    (server, client)
}

async fn put(client: &Client, token: &str, value: &str, stages: Option<Value>) -> Value {
    let mut input = json!({"SecretId": "s", "SecretString": value, "ClientRequestToken": token});
    if let Some(stages) = stages {
        input["VersionStages"] = stages;
    }
    client.sm_ok("PutSecretValue", input).await
}

async fn stages(client: &Client) -> Value {
    client.sm_ok("DescribeSecret", json!({"SecretId": "s"})).await["VersionIdsToStages"].clone()
}

fn finish(from: Option<&str>, to: &str) -> Value {
    json!({
        "SecretId": "s", "VersionStage": "AWSCURRENT",
        "RemoveFromVersionId": from, "MoveToVersionId": to,
    })
}

#[tokio::test]
async fn labels_move_as_they_do_on_aws() {
    let (_server, client) = secret().await;
    put(&client, TOKEN_2, "2", Some(json!(["AWSPENDING"]))).await;
    assert_eq!(
        stages(&client).await,
        json!({TOKEN_1: ["AWSCURRENT"], TOKEN_2: ["AWSPENDING"]})
    );
    client
        .sm_ok("UpdateSecretVersionStage", finish(Some(TOKEN_1), TOKEN_2))
        .await;
    // AWSPENDING stays where it was.
    assert_eq!(
        stages(&client).await,
        json!({TOKEN_1: ["AWSPREVIOUS"], TOKEN_2: ["AWSCURRENT", "AWSPENDING"]})
    );
    put(&client, TOKEN_3, "3", None).await;
    assert_eq!(
        stages(&client).await,
        json!({TOKEN_2: ["AWSPREVIOUS"], TOKEN_3: ["AWSCURRENT"]})
    );
    let versions = client.sm_ok("ListSecretVersionIds", json!({"SecretId": "s"})).await;
    assert_eq!(versions["Versions"].as_array().unwrap().len(), 2);
    let all = json!({"SecretId": "s", "IncludeDeprecated": true});
    let versions = client.sm_ok("ListSecretVersionIds", all).await;
    let old = versions["Versions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|v| v["VersionId"] == TOKEN_1);
    assert!(old.unwrap().get("VersionStages").is_none());
}

#[tokio::test]
async fn a_pending_put_steals_the_label() {
    let (_server, client) = secret().await;
    put(&client, TOKEN_2, "2", Some(json!(["AWSPENDING"]))).await;
    put(&client, TOKEN_3, "3", Some(json!(["AWSPENDING"]))).await;
    assert_eq!(
        stages(&client).await,
        json!({TOKEN_1: ["AWSCURRENT"], TOKEN_3: ["AWSPENDING"]})
    );
}

#[tokio::test]
async fn the_finish_is_a_compare_and_swap() {
    let (_server, client) = secret().await;
    put(&client, TOKEN_2, "2", Some(json!(["AWSPENDING"]))).await;
    let (status, code, message) = client.sm_err("UpdateSecretVersionStage", finish(None, TOKEN_2)).await;
    assert_eq!((status, code.as_str()), (400, "InvalidParameterException"));
    assert!(
        message.starts_with("The parameter RemoveFromVersionId can't be empty."),
        "{message}"
    );
    let wrong = finish(Some(TOKEN_2), TOKEN_2);
    assert_eq!(
        client.sm_err("UpdateSecretVersionStage", wrong).await.1,
        "InvalidParameterException"
    );
    client
        .sm_ok("UpdateSecretVersionStage", finish(Some(TOKEN_1), TOKEN_2))
        .await;
    // The same once more names a version that no longer has the label.
    let again = client
        .sm_err("UpdateSecretVersionStage", finish(Some(TOKEN_1), TOKEN_2))
        .await;
    assert_eq!(again.1, "InvalidParameterException");
    let remove = json!({"SecretId": "s", "VersionStage": "AWSCURRENT", "RemoveFromVersionId": TOKEN_2});
    assert_eq!(
        client.sm_err("UpdateSecretVersionStage", remove).await.1,
        "InvalidParameterException"
    );
    let settle = json!({"SecretId": "s", "VersionStage": "AWSPENDING", "RemoveFromVersionId": TOKEN_2});
    client.sm_ok("UpdateSecretVersionStage", settle).await;
    assert_eq!(
        stages(&client).await,
        json!({TOKEN_1: ["AWSPREVIOUS"], TOKEN_2: ["AWSCURRENT"]})
    );
}

#[tokio::test]
async fn a_token_makes_one_version_and_no_more() {
    let (_server, client) = secret().await;
    put(&client, TOKEN_2, "2", Some(json!(["AWSPENDING"]))).await;
    client
        .sm_ok("UpdateSecretVersionStage", finish(Some(TOKEN_1), TOKEN_2))
        .await;
    let before = stages(&client).await;
    put(&client, TOKEN_1, "1", Some(json!(["AWSPENDING"]))).await;
    assert_eq!(stages(&client).await, before, "labels are left alone");
    for operation in ["PutSecretValue", "UpdateSecret"] {
        let other = json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": TOKEN_2});
        let (status, code, _) = client.sm_err(operation, other).await;
        assert_eq!((status, code.as_str()), (400, "ResourceExistsException"));
    }
    let again = json!({"Name": "s", "SecretString": "1", "ClientRequestToken": TOKEN_1});
    client.sm_ok("CreateSecret", again).await;
    let other = json!({"Name": "s", "SecretString": "1", "ClientRequestToken": TOKEN_3});
    assert_eq!(client.sm_err("CreateSecret", other).await.1, "ResourceExistsException");
    let without = json!({"SecretId": "s", "SecretString": "x"});
    assert_eq!(
        client.sm_err("PutSecretValue", without).await.1,
        "InvalidRequestException"
    );
    let short = json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": "short"});
    assert_eq!(
        client.sm_err("PutSecretValue", short).await.1,
        "InvalidParameterException"
    );
}

#[tokio::test]
async fn what_is_not_there_is_a_400() {
    let (_server, client) = secret().await;
    for input in [
        json!({"SecretId": "nobody"}),
        json!({"SecretId": "s", "VersionStage": "AWSPENDING"}),
        json!({"SecretId": "s", "VersionId": TOKEN_3}),
    ] {
        let (status, code, _) = client.sm_err("GetSecretValue", input).await;
        assert_eq!((status, code.as_str()), (400, NOT_FOUND));
    }
    let mixed = json!({"SecretId": "s", "VersionId": TOKEN_1, "VersionStage": "AWSPENDING"});
    assert_eq!(
        client.sm_err("GetSecretValue", mixed).await.1,
        "InvalidRequestException"
    );
}

#[tokio::test]
async fn a_secret_is_found_by_name_arn_and_partial_arn() {
    let (_server, client) = secret().await;
    let arn = client.sm_ok("DescribeSecret", json!({"SecretId": "s"})).await["ARN"].clone();
    let arn = arn.as_str().unwrap();
    for id in [arn, &arn[..arn.len() - 7]] {
        let value = client.sm_ok("GetSecretValue", json!({"SecretId": id})).await;
        assert_eq!(value["SecretString"], "1");
    }
    assert_eq!(
        client
            .sm_err("GetSecretValue", json!({"SecretId": &arn[..arn.len() - 3]}))
            .await
            .1,
        NOT_FOUND
    );
}

#[tokio::test]
async fn a_secret_marked_for_deletion_can_be_described_and_restored_only() {
    let (_server, client) = secret().await;
    client
        .sm_ok("DeleteSecret", json!({"SecretId": "s", "RecoveryWindowInDays": 7}))
        .await;
    let described = client.sm_ok("DescribeSecret", json!({"SecretId": "s"})).await;
    assert!(described["DeletedDate"].is_f64());
    for operation in ["GetSecretValue", "PutSecretValue", "RotateSecret"] {
        let input = json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": TOKEN_2});
        assert_eq!(
            client.sm_err(operation, input).await.1,
            "InvalidRequestException",
            "{operation}"
        );
    }
    let list = client.sm_ok("ListSecrets", json!({})).await;
    assert!(list["SecretList"].as_array().unwrap().is_empty());
    client.sm_ok("RestoreSecret", json!({"SecretId": "s"})).await;
    client.sm_ok("GetSecretValue", json!({"SecretId": "s"})).await;
    client
        .sm_ok(
            "DeleteSecret",
            json!({"SecretId": "s", "ForceDeleteWithoutRecovery": true}),
        )
        .await;
    assert_eq!(
        client.sm_err("DescribeSecret", json!({"SecretId": "s"})).await.1,
        NOT_FOUND
    );
}

#[tokio::test]
async fn rotation_without_a_lambda_is_refused_and_with_one_leaves_a_placeholder() {
    let (_server, client) = secret().await;
    let described = client.sm_ok("DescribeSecret", json!({"SecretId": "s"})).await;
    assert!(described.get("RotationEnabled").is_none());
    let bare = json!({"SecretId": "s", "ClientRequestToken": TOKEN_2});
    let (_, code, message) = client.sm_err("RotateSecret", bare).await;
    assert_eq!(code, "InvalidRequestException");
    assert_eq!(
        message,
        "No Lambda rotation function ARN is associated with this secret."
    );
    let rotate = json!({
        "SecretId": "s", "ClientRequestToken": TOKEN_2, "RotationLambdaARN": "arn:aws:lambda:x",
        "RotationRules": {"AutomaticallyAfterDays": 30},
    });
    client.sm_ok("RotateSecret", rotate).await;
    let described = client.sm_ok("DescribeSecret", json!({"SecretId": "s"})).await;
    assert_eq!(described["RotationEnabled"], true);
    assert_eq!(described["VersionIdsToStages"][TOKEN_2], json!(["AWSPENDING"]));
    let all = json!({"SecretId": "s", "IncludeDeprecated": true});
    let versions = client.sm_ok("ListSecretVersionIds", all).await;
    assert_eq!(
        versions["Versions"].as_array().unwrap().len(),
        1,
        "placeholders are not listed"
    );
    let pending = json!({"SecretId": "s", "VersionStage": "AWSPENDING"});
    assert_eq!(client.sm_err("GetSecretValue", pending.clone()).await.1, NOT_FOUND);
    put(&client, TOKEN_2, "2", Some(json!(["AWSPENDING"]))).await;
    assert_eq!(client.sm_ok("GetSecretValue", pending).await["SecretString"], "2");
    client.sm_ok("CancelRotateSecret", json!({"SecretId": "s"})).await;
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let (_server, client) = virtual_server().await;
    for (n, team) in [("p/1", "x"), ("p/2", "y"), ("q/1", "x")] {
        let tags = json!([{"Key": "team", "Value": team}]);
        client
            .sm_ok(
                "CreateSecret",
                json!({"Name": n, "SecretString": "v", "ClientRequestToken": TOKEN_1, "Tags": tags}),
            )
            .await;
    }
    for (key, value, found) in [
        ("name", "p/", 2),
        ("name", "!p/", 1),
        ("tag-value", "x", 2),
        ("tag-key", "team", 3),
        ("all", "p", 2),
    ] {
        let filter = json!({"Filters": [{"Key": key, "Values": [value]}]});
        let list = client.sm_ok("ListSecrets", filter).await;
        assert_eq!(list["SecretList"].as_array().unwrap().len(), found, "{key} {value}");
    }
    let first = client.sm_ok("ListSecrets", json!({"MaxResults": 2})).await;
    let next = json!({"MaxResults": 2, "NextToken": first["NextToken"]});
    let second = client.sm_ok("ListSecrets", next).await;
    assert_eq!(second["SecretList"].as_array().unwrap().len(), 1);
    assert!(second.get("NextToken").is_none());
}

#[tokio::test]
async fn what_no_call_can_make_can_be_seeded() {
    let (_server, client) = secret().await;
    let seed = json!({"secret": "s", "owning_service": "rds", "replicated_to": ["eu-west-1"]});
    client.control("POST", "seed", seed).await;
    let described = client.sm_ok("DescribeSecret", json!({"SecretId": "s"})).await;
    assert_eq!(described["OwningService"], "rds");
    assert_eq!(described["ReplicationStatus"][0]["Region"], "eu-west-1");
}

#[tokio::test]
async fn random_passwords_keep_to_the_rules() {
    let (_server, client) = virtual_server().await;
    let input = json!({"PasswordLength": 20, "ExcludeCharacters": "/@\"'\\", "ExcludeUppercase": true});
    let made = client.sm_ok("GetRandomPassword", input).await;
    let password = made["RandomPassword"].as_str().unwrap();
    assert_eq!(password.len(), 20);
    assert!(!password.contains(|c: char| c.is_ascii_uppercase() || "/@\"'\\".contains(c)));
    assert!(password.contains(|c: char| c.is_ascii_digit()));
}
