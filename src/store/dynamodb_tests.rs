//! A table on the wire: what is asked, and what the answers mean.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::*;
use crate::aws::wire::{Answer, Wire, config, credentials};
use crate::clock::SystemClock;
use crate::store::table::Value;

fn table(wire: &Wire, metrics: &Arc<Metrics>) -> DynamoTable {
    let calls = Calls::new(Arc::new(SystemClock::new()), metrics.clone());
    DynamoTable::new(&config(credentials()), Some(&wire.url), "rekeyd", calls)
}

async fn scripted(script: Vec<Answer>) -> (Wire, DynamoTable) {
    let wire = Wire::start(script).await;
    let table = table(&wire, &Arc::new(Metrics::new(&[])));
    (wire, table)
}

fn refusal(code: &str) -> Answer {
    let body = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "AWS's words" });
    Answer::new(400, &body.to_string())
}

fn key() -> Key {
    Key::new("RECORD#a", "arn")
}

/// The operation and the body of each request.
fn requests(wire: &Wire) -> Vec<(String, Json)> {
    let request = |request: crate::aws::wire::Request| {
        let target = request.header("x-amz-target").unwrap_or_default();
        let operation = target.trim_start_matches("DynamoDB_20120810.").to_owned();
        (operation, serde_json::from_str(&request.body).unwrap())
    };
    wire.take().into_iter().map(request).collect()
}

#[tokio::test]
async fn a_write_is_one_conditional_update_that_asks_for_what_it_met() {
    let (wire, table) = scripted(vec![Answer::new(200, "{}")]).await;
    let change = Change::new().set("revision", 8).remove("holder");
    table.write(&key(), change, Condition::is("revision", 7)).await.unwrap();
    let [(operation, body)] = &requests(&wire)[..] else {
        panic!("not one request");
    };
    assert_eq!(operation, "UpdateItem");
    let expected = json!({
        "TableName": "rekeyd",
        "Key": {"pk": {"S": "RECORD#a"}, "sk": {"S": "arn"}},
        "UpdateExpression": "SET #n0 = :v0 REMOVE #n1",
        "ConditionExpression": "attribute_exists(#n2) AND #n3 = :v1",
        "ExpressionAttributeNames": {"#n0": "revision", "#n1": "holder", "#n2": "pk", "#n3": "revision"},
        "ExpressionAttributeValues": {":v0": {"N": "8"}, ":v1": {"N": "7"}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    assert_eq!(*body, expected);
}

#[tokio::test]
async fn every_read_is_strongly_consistent_and_pages_are_followed() {
    let last = r#"{"pk":{"S":"p"},"sk":{"S":"b"}}"#;
    let first = format!(r#"{{"Items":[{{"pk":{{"S":"p"}},"sk":{{"S":"b"}}}}],"Count":1,"LastEvaluatedKey":{last}}}"#);
    let second = r#"{"Items":[{"pk":{"S":"p"},"sk":{"S":"c"}}],"Count":1}"#;
    let script = [first.as_str(), second, first.as_str(), second, "{}"];
    let (wire, table) = scripted(script.map(|body| Answer::new(200, body)).to_vec()).await;
    let found = table.query(&Query::all("p")).await.unwrap();
    let sorts: Vec<&str> = found.iter().map(|item| item.key.sort.as_str()).collect();
    assert_eq!(sorts, ["b", "c"]);
    assert_eq!(table.count("p").await.unwrap(), 2);
    assert_eq!(table.get(&key()).await.unwrap(), None);
    let requests = requests(&wire);
    let operations: Vec<&str> = requests.iter().map(|(operation, _)| operation.as_str()).collect();
    assert_eq!(operations, ["Query", "Query", "Query", "Query", "GetItem"]);
    assert!(requests.iter().all(|(_, body)| body["ConsistentRead"] == true));
    let from: Json = serde_json::from_str(last).unwrap();
    assert_eq!(requests[1].1["ExclusiveStartKey"], from);
    assert_eq!(requests[2].1["Select"], "COUNT");
}

#[tokio::test]
async fn a_condition_that_failed_tells_of_the_stored_item_if_the_service_did() {
    let item = json!({"pk": {"S": "RECORD#a"}, "sk": {"S": "arn"}, "revision": {"N": "9"}});
    let told = json!({ "__type": "ConditionalCheckFailedException", "message": "m", "Item": item });
    let script = vec![
        Answer::new(400, &told.to_string()),
        refusal("ConditionalCheckFailedException"),
        Answer::new(400, &told.to_string()),
    ];
    let (_wire, table) = scripted(script).await;
    let stored = |outcome: Result<(), TableError>| match outcome {
        Err(TableError::NotAsWanted { stored }) => stored,
        other => panic!("{other:?}"),
    };
    let written = async |on| table.write(&key(), Change::new().set("revision", 8), on).await;
    let told = stored(written(Condition::is("revision", 7)).await).unwrap();
    assert_eq!(told.key, key());
    assert_eq!(told.attributes, [("revision".to_owned(), Value::from(9))].into());
    assert_eq!(stored(written(Condition::Absent).await), None);
    let deleted = table.delete(&key(), Condition::is("revision", 7)).await;
    assert_eq!(stored(deleted).unwrap().number("revision"), Some(9));
}

#[tokio::test]
async fn each_failure_says_whether_a_write_may_have_happened_and_what_to_do() {
    let kind = |error: &TableError| match error {
        TableError::NotAsWanted { .. } => "not as wanted".to_owned(),
        TableError::Unanswered { .. } => "unanswered".to_owned(),
        TableError::Throttled { .. } => "throttled".to_owned(),
        TableError::Refused { advice, .. } => format!("refused: {advice}"),
        TableError::Failed { .. } => "failed".to_owned(),
    };
    let no_key = json!({
        "__type": "com.amazon.coral.validate#ValidationException",
        "message": "The provided key element does not match the schema",
    });
    for (answer, expected) in [
        (refusal("ProvisionedThroughputExceededException"), "throttled"),
        (refusal("RequestLimitExceeded"), "throttled"),
        (refusal("ThrottlingException"), "throttled"),
        (
            refusal("ResourceNotFoundException"),
            "refused: create the table with `rekeyd state init-table`",
        ),
        (
            refusal("AccessDeniedException"),
            "refused: allow dynamodb:GetItem, Query, UpdateItem and DeleteItem",
        ),
        (refusal("UnrecognizedClientException"), "refused: allow dynamodb:"),
        (refusal("RequestExpired"), "refused: set this machine's clock"),
        (
            Answer::new(400, &no_key.to_string()),
            "refused: the table has other keys",
        ),
        (refusal("ValidationException"), "failed"),
        (refusal("ItemCollectionSizeLimitExceededException"), "failed"),
        (Answer::new(500, r#"{"__type":"InternalServerError"}"#), "unanswered"),
        (Answer::new(503, "<html>busy</html>"), "unanswered"),
        (Answer::new(200, "not JSON"), "unanswered"),
    ] {
        let (wire, table) = scripted(vec![answer]).await;
        let error = table.write(&key(), Change::new(), Condition::Absent).await.unwrap_err();
        assert!(kind(&error).starts_with(expected), "{expected}: {error:?}");
        assert_eq!(wire.take().len(), 1, "one attempt is all");
    }
}

#[tokio::test]
async fn an_attempt_ends_before_a_lease_does() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let calls = Calls::new(Arc::new(SystemClock::new()), Arc::new(Metrics::new(&[])));
    let url = format!("http://{}", listener.local_addr().unwrap());
    let table = DynamoTable::new(&config(credentials()), Some(&url), "rekeyd", calls);
    let begun = std::time::Instant::now();
    let outcome = table.get(&key()).await;
    assert!(matches!(outcome, Err(TableError::Unanswered { .. })), "{outcome:?}");
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_millis(2_900) && took < Duration::from_secs(8),
        "{took:?}"
    );
}

#[tokio::test]
async fn calls_are_counted_by_operation_and_outcome() {
    let wire = Wire::start(vec![refusal("ConditionalCheckFailedException")]).await;
    let metrics = Arc::new(Metrics::new(&[]));
    let table = table(&wire, &metrics);
    let refused = table.write(&key(), Change::new(), Condition::Absent).await;
    assert!(refused.is_err());
    let text = metrics.render();
    for line in [
        r#"rekeyd_aws_requests_total{operation="UpdateItem",outcome="conflict",service="dynamodb"} 1"#,
        r#"rekeyd_aws_requests_total{operation="Query",outcome="throttled",service="dynamodb"} 0"#,
    ] {
        assert!(text.contains(line), "{line} in:\n{text}");
    }
}
