//! A sandbox with something of everything, and all that it replies about it.

use serde_json::{Value, json};

use crate::support::*;

/// Another account and region.
const ELSEWHERE: &str =
    "authorization: AWS4-HMAC-SHA256 Credential=111122223333/20260101/eu-west-1/secretsmanager/aws4_request, X=y";

/// Secrets of all kinds, in two places.
pub async fn fill_secrets(client: &Client) {
    let make = |name: &str| json!({"Name": name, "SecretString": OLD, "ClientRequestToken": TOKEN_1});
    let mut first = make("many/versions");
    first["Tags"] = json!([{"Key": "team", "Value": "a&b"}]);
    first["Description"] = json!("ä \"quoted\"");
    client.sm_ok("CreateSecret", first).await;
    let put = json!({
        "SecretId": "many/versions", "SecretString": NEW, "ClientRequestToken": TOKEN_2, "VersionStages": ["AWSPENDING", "MINE"],
    });
    client.sm_ok("PutSecretValue", put).await;
    let bytes = json!({"SecretId": "many/versions", "SecretBinary": "AAEC", "ClientRequestToken": TOKEN_3});
    client.sm_ok("PutSecretValue", bytes).await;
    client
        .sm_ok(
            "GetSecretValue",
            json!({"SecretId": "many/versions", "VersionId": TOKEN_2}),
        )
        .await;
    client.sm_ok("CreateSecret", make("rotated")).await;
    let rotation = json!({
        "SecretId": "rotated", "RotationLambdaARN": "arn:aws:lambda:us-east-1:123456789012:function:f",
        "RotationRules": {"AutomaticallyAfterDays": 30}, "RotateImmediately": false, "ClientRequestToken": TOKEN_2,
    });
    client.sm_ok("RotateSecret", rotation).await;
    client.sm_ok("CreateSecret", make("going")).await;
    client
        .sm_ok("DeleteSecret", json!({"SecretId": "going", "RecoveryWindowInDays": 8}))
        .await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::123456789012:user/somebody"},
        "Action": "secretsmanager:GetSecretValue", "Resource": "*",
    }]});
    let policy = json!({"SecretId": "many/versions", "ResourcePolicy": policy.to_string()});
    client.sm_ok("PutResourcePolicy", policy).await;
    let regions = json!({"SecretId": "many/versions", "AddReplicaRegions": [{"Region": "eu-west-2"}]});
    client.sm_ok("ReplicateSecretToRegions", regions).await;
    client
        .with_header(ELSEWHERE)
        .sm_ok("CreateSecret", make("many/versions"))
        .await;
}

/// Users, groups and caches of both kinds.
pub async fn fill_caches(client: &Client) {
    client.cache_with_user("u", "on ~* +@all", 2).await;
    let two = format!(
        "UserId=two&UserName=two&Engine=redis&AccessString=on&Passwords.member.1={OLD}&Passwords.member.2={NEW}"
    );
    client
        .ec_ok("CreateUser", &format!("{two}&Tags.Tag.1.Key=k&Tags.Tag.1.Value=v"))
        .await;
    client
        .ec_ok(
            "CreateUser",
            "UserId=any&UserName=any&Engine=redis&AccessString=off&NoPasswordRequired=true",
        )
        .await;
    let token = "ReplicationGroupId=token&ReplicationGroupDescription=d&TransitEncryptionEnabled=true\
        &AuthToken=a-token-of-the-sandbox&Tags.Tag.1.Key=k&Tags.Tag.1.Value=v";
    client.ec_ok("CreateReplicationGroup", token).await;
    let cluster = "ReplicationGroupId=shards&ReplicationGroupDescription=d&TransitEncryptionEnabled=true&NumNodeGroups=2\
        &UserGroupIds.member.1=g";
    client.ec_ok("CreateReplicationGroup", cluster).await;
    client
        .ec_ok(
            "CreateServerlessCache",
            "ServerlessCacheName=less&Engine=redis&UserGroupId=g",
        )
        .await;
    all_available(client).await;
    client
        .ec_ok("TestFailover", "ReplicationGroupId=rg&NodeGroupId=0001")
        .await;
    until("the roles have changed", || async {
        let nodes = client.control("GET", "nodes", json!(null)).await;
        nodes
            .as_array()
            .unwrap()
            .iter()
            .any(|node| node["id"] == "rg-002" && node["role"] == "primary")
    })
    .await;
    all_available(client).await;
}

pub async fn all_available(client: &Client) {
    until("users and caches are there", || async {
        let caches =
            client.ec_ok("DescribeReplicationGroups", "").await + &client.ec_ok("DescribeServerlessCaches", "").await;
        let users = client.ec_ok("DescribeUsers", "").await;
        !caches.to_ascii_lowercase().contains("<status>creating")
            && !caches.contains("<Status>modifying")
            && !users.contains("<Status>modifying")
    })
    .await;
}

/// Every reply that shows something, but for ids of requests, and ports if processes choose them.
pub async fn replies(client: &Client, with_ports: bool) -> Vec<String> {
    let mut replies = Vec::new();
    for client in [client.clone(), client.with_header(ELSEWHERE)] {
        // Values first, because reading them leaves the day behind.
        for show in [values as fn(&str) -> Vec<Ask>, descriptions] {
            for name in ["many/versions", "rotated", "going", "last"] {
                for (operation, input) in show(name) {
                    replies.push(client.sm_answer(operation, input).await.unwrap().1);
                }
            }
        }
        for describe in [
            "DescribeUsers",
            "DescribeUserGroups",
            "DescribeReplicationGroups",
            "DescribeServerlessCaches",
        ] {
            replies.push(client.ec_ok(describe, "").await);
        }
        replies.push(client.ec_ok("DescribeEvents", "Duration=60").await);
        let clusters = client.ec_ok("DescribeCacheClusters", "ShowCacheNodeInfo=true").await;
        let tags = "ResourceName=arn:aws:elasticache:us-east-1:123456789012:user:two";
        replies.extend([clusters, client.ec("ListTagsForResource", tags).await.1]);
    }
    let mut gone = vec!["RequestId"];
    gone.extend((!with_ports).then_some("Port"));
    let bare = |reply: String| gone.iter().fold(reply, |reply, tag| without(&reply, tag));
    replies.into_iter().map(bare).collect()
}

/// An operation and its input.
type Ask = (&'static str, Value);

fn values(name: &str) -> Vec<Ask> {
    let read = |token| ("GetSecretValue", json!({"SecretId": name, "VersionId": token}));
    [TOKEN_1, TOKEN_2, TOKEN_3].map(read).to_vec()
}

fn descriptions(name: &str) -> Vec<Ask> {
    vec![
        ("DescribeSecret", json!({"SecretId": name})),
        ("GetResourcePolicy", json!({"SecretId": name})),
        (
            "ListSecretVersionIds",
            json!({"SecretId": name, "IncludeDeprecated": true}),
        ),
        ("ListSecrets", json!({"IncludePlannedDeletion": true})),
    ]
}

/// The text without the content of an element.
fn without(xml: &str, name: &str) -> String {
    let open = format!("<{name}>");
    let mut parts = xml.split(&open);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(&open);
        text.push_str(part.split_once('<').map_or("", |(_, rest)| rest));
    }
    text
}
