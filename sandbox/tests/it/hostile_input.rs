//! What no honest client sends is refused, with a word on what is wrong, and changes nothing.

use rekeyd_sandbox::Settings;
use serde_json::{Value, json};

use crate::support::*;

/// Makes a control call that is refused; gives the reason.
async fn refused(client: &Client, method: &str, path: &str, body: &Value) -> String {
    let path = format!("/_sandbox/{path}");
    let (status, reply) = client.http(method, &path, "", &body.to_string()).await.unwrap();
    assert_eq!(status, 400, "{method} {path} {body}: {reply}");
    let reply: Value = serde_json::from_str(&reply).unwrap();
    reply["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_json_call_whose_body_is_no_object_is_refused() {
    let (_server, client) = virtual_server().await;
    for body in [
        json!(["s", null, TOKEN_1, null, null, "value"]),
        json!("s"),
        json!(null),
    ] {
        let (status, code, _) = client.sm_err("CreateSecret", body.clone()).await;
        assert_eq!((status, code.as_str()), (400, "SerializationException"), "{body}");
    }
    assert_eq!(client.sm_ok("ListSecrets", json!({})).await["SecretList"], json!([]));
}

#[tokio::test]
async fn a_control_body_with_an_array_in_an_objects_place_is_refused() {
    let (_server, client) = virtual_server().await;
    client.cache_with_user("u", "on", 1).await;
    let before = client.control("GET", "settings", Value::Null).await;
    for (method, path, body) in [
        ("PUT", "settings", json!([])),
        ("PUT", "settings", json!([{"min": 1, "max": 2}])),
        ("PUT", "settings", json!(7)),
        ("PUT", "settings", json!({"propagation_ms": [1, 2]})),
        ("PUT", "settings", json!({"node_propagation_ms": {"primary": [1, 2]}})),
        ("PUT", "settings", json!({"quotas": [true]})),
        (
            "PUT",
            "faults",
            json!([["elasticache", "ModifyUser", null, 1, 1, "hang"]]),
        ),
        ("POST", "seed", json!([])),
        ("POST", "seed", json!([null, null, null])),
        (
            "POST",
            "stranger",
            json!([{"kind": "switch_off", "user": "u"}, null, null]),
        ),
        ("POST", "stranger", json!({"act": ["switch_off", "u"]})),
        ("POST", "nodes/rg-001", json!(["deleting", false, false])),
    ] {
        refused(&client, method, path, &body).await;
    }
    assert_eq!(client.control("GET", "settings", Value::Null).await, before);
    assert_eq!(client.control("GET", "faults", Value::Null).await, json!([]));
    assert_eq!(client.user_status("u").await, "active");
    assert_eq!(
        client.control("GET", "nodes", Value::Null).await[0]["status"],
        "available"
    );
}

#[tokio::test]
async fn a_fault_that_could_never_strike_is_refused() {
    let (_server, client) = virtual_server().await;
    for (fault, named) in [
        (json!({"operation": "ModifyUsers", "kind": "hang"}), "ModifyUsers"),
        (
            json!({"operation": "elasticache.ModifyUser", "kind": "hang"}),
            "operation",
        ),
        (
            json!({"operation": "ModifyUser", "service": "secretsmanager", "kind": "hang"}),
            "secretsmanager",
        ),
        (json!({"operation": "*", "call": 0, "kind": "hang"}), "call"),
        (json!({"operation": "mutations", "kind": "delay"}), "ms"),
        (json!({"operation": "ModifyUser", "kind": "stranger"}), "act"),
    ] {
        let why = refused(&client, "PUT", "faults", &json!([fault])).await;
        assert!(why.contains(named), "{fault}: {why}");
    }
    assert_eq!(client.control("GET", "faults", Value::Null).await, json!([]));
    let fault = json!({"operation": "ModifyUser", "service": "elasticache", "kind": "delay", "ms": 1});
    client.fault(fault).await;
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_by_name_in_json_and_toml() {
    let (_server, client) = virtual_server().await;
    let before = client.control("GET", "settings", Value::Null).await;
    for (patch, text, named) in [
        (
            json!({"propagation_ms": {"min": 2, "max": 1}}),
            "propagation_ms = {min = 2, max = 1}",
            "propagation_ms",
        ),
        (
            json!({"node_propagation_ms": {"replica-2": {"min": 2, "max": 1}}}),
            "[node_propagation_ms]\nreplica-2 = {min = 2, max = 1}",
            "node_propagation_ms.replica-2",
        ),
        (
            json!({"serverless_nodes": 0}),
            "serverless_nodes = 0",
            "serverless_nodes",
        ),
        (json!({"quotas": [true]}), "quotas = [true]", "quotas"),
        (
            json!({"doubts": {"wrong_remove_from_code": "Other"}}),
            "[doubts]\nwrong_remove_from_code = \"Other\"",
            "Other",
        ),
    ] {
        let why = refused(&client, "PUT", "settings", &patch).await;
        assert!(why.contains(named), "{patch}: {why}");
        let why = Settings::from_toml(text).unwrap_err().to_string();
        assert!(why.contains(named), "{text}: {why}");
    }
    assert_eq!(client.control("GET", "settings", Value::Null).await, before);
    let span = json!({"propagation_ms": {"min": 2, "max": 1}});
    assert!(
        refused(&client, "POST", "nodes/rg-001", &span)
            .await
            .contains("propagation_ms")
    );
}

#[tokio::test]
async fn an_unknown_operation_is_refused_in_its_services_words() {
    let (_server, client) = virtual_server().await;
    let (status, code, _) = client.sm_err("GetSecretValues", json!({})).await;
    assert_eq!((status, code.as_str()), (400, "UnknownOperationException"));
    assert_eq!(client.ec_err("ModifyUsers", "").await, (400, "InvalidAction".into()));
}

#[tokio::test]
async fn labels_have_1_to_256_characters_wherever_they_are_given() {
    let (_server, client) = virtual_server().await;
    let create = json!({"Name": "s", "SecretString": "v", "ClientRequestToken": TOKEN_1});
    client.sm_ok("CreateSecret", create).await;
    for label in [String::new(), "l".repeat(257)] {
        for (operation, input) in [
            (
                "PutSecretValue",
                json!({"SecretId": "s", "SecretString": "w", "ClientRequestToken": TOKEN_2, "VersionStages": ["AWSPENDING", label]}),
            ),
            (
                "UpdateSecretVersionStage",
                json!({"SecretId": "s", "VersionStage": label, "MoveToVersionId": TOKEN_1}),
            ),
        ] {
            let (status, code, _) = client.sm_err(operation, input).await;
            assert_eq!(
                (status, code.as_str()),
                (400, "InvalidParameterException"),
                "{operation}"
            );
        }
    }
    let longest = json!({"SecretId": "s", "SecretString": "w", "ClientRequestToken": TOKEN_2, "VersionStages": ["é".repeat(256)]});
    client.sm_ok("PutSecretValue", longest).await;
}

#[tokio::test]
async fn a_user_name_with_white_space_is_refused() {
    let (_server, client) = virtual_server().await;
    for name in ["a%20b", "a%09b", "a%00b", "%20"] {
        let form = format!("UserId=u&UserName={name}&Engine=redis&AccessString=on&Passwords.member.1={OLD}");
        let answer = client.ec_err("CreateUser", &form).await;
        assert_eq!(answer, (400, "InvalidParameterValue".into()), "{name}");
    }
}

#[tokio::test]
async fn lists_are_refused_an_order_and_a_length_that_they_cannot_have() {
    let (_server, client) = virtual_server().await;
    let (_, code, message) = client.sm_err("ListSecrets", json!({"SortOrder": "ascending"})).await;
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("SortOrder"), "{message}");
    let (_, code, message) = client.sm_err("ListSecrets", json!({"MaxResults": 101})).await;
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("MaxResults"), "{message}");
    for (action, parameter, code) in [
        ("DescribeServerlessCaches", "MaxResults", "InvalidParameterValue"),
        // The only code for parameters in its model.
        ("DescribeUsers", "MaxRecords", "InvalidParameterCombination"),
    ] {
        let (status, body) = client.ec(action, &format!("{parameter}=101")).await;
        assert_eq!((status, tag(&body, "Code").as_str()), (400, code));
        assert!(tag(&body, "Message").contains(parameter), "{body}");
    }
}

#[tokio::test]
async fn the_query_api_is_spoken_in_the_url_too_and_nothing_else_is() {
    let (_server, client) = virtual_server().await;
    let path = "/?Action=DescribeUsers&Version=2015-02-02&UserId=default";
    for method in ["GET", "POST"] {
        let (status, reply) = client.http(method, path, "", "").await.unwrap();
        assert_eq!(status, 200, "{method}: {reply}");
        assert!(reply.contains("<UserId>default</UserId>"), "{reply}");
    }
    let (status, _) = client.http("GET", "/", "", "").await.unwrap();
    assert_eq!(status, 404);
}
