//! PutEvents on the wire.

use super::super::credentials::Refusals;
use super::super::wire::{Answer, Wire, config, credentials};
use super::*;
use crate::aws::ErrorClass;
use crate::clock::SystemClock;

fn event(resource: &str) -> BusEvent {
    BusEvent {
        source: "rekeyd",
        detail_type: "Secret Halted",
        resource: Some(resource.to_owned()),
        at: Timestamp::from_timestamp(1_700_000_000, 0).unwrap(),
        detail: r#"{"id":"msg_1"}"#.to_owned(),
    }
}

async fn put(wire: &Wire, events: &[BusEvent]) -> AwsResult<Vec<Result<(), String>>> {
    let calls = Calls {
        clock: Arc::new(SystemClock::new()),
        metrics: Arc::new(Metrics::new(&[])),
        refusals: Refusals::default(),
    };
    let bus = EventBridge::new(&config(credentials()), Some(&wire.url), calls);
    bus.put("security", events).await
}

#[tokio::test]
async fn events_are_put_with_source_words_time_and_resource() {
    let wire = Wire::start(vec![Answer::new(
        200,
        r#"{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}"#,
    )])
    .await;
    assert_eq!(put(&wire, &[event("arn:a")]).await.unwrap(), [Ok(())]);
    let [request] = &wire.take()[..] else {
        panic!("not one request");
    };
    assert_eq!(request.header("x-amz-target"), Some("AWSEvents.PutEvents"));
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let entry = &body["Entries"][0];
    assert_eq!(entry["EventBusName"], "security");
    assert_eq!(
        (&entry["Source"], &entry["DetailType"]),
        (&"rekeyd".into(), &"Secret Halted".into())
    );
    assert_eq!(entry["Resources"], serde_json::json!(["arn:a"]));
    assert_eq!(entry["Time"].as_f64(), Some(1_700_000_000.0));
    assert_eq!(entry["Detail"], r#"{"id":"msg_1"}"#);
}

#[tokio::test]
async fn each_entry_is_told_of_and_an_answer_that_leaves_one_out_is_none() {
    let partly = r#"{"FailedEntryCount":1,"Entries":[{"EventId":"e"},{"ErrorCode":"ThrottlingException","ErrorMessage":"slower"}]}"#;
    let wire = Wire::start(vec![
        Answer::new(200, partly),
        Answer::new(200, r#"{"Entries":[{"EventId":"e"}]}"#),
    ])
    .await;
    let events = [event("arn:a"), event("arn:b")];
    let told = put(&wire, &events).await.unwrap();
    assert_eq!(told, [Ok(()), Err("ThrottlingException: slower".to_owned())]);
    assert_eq!(put(&wire, &events).await.unwrap_err().class, ErrorClass::Unavailable);
}

#[tokio::test]
async fn a_call_is_made_once_and_its_refusal_is_classed() {
    let denied = r#"{"__type":"AccessDeniedException","message":"not yours"}"#;
    let wire = Wire::start(vec![Answer::new(400, denied)]).await;
    let error = put(&wire, &[event("arn:a")]).await.unwrap_err();
    assert_eq!((error.class, error.operation), (ErrorClass::Denied, "PutEvents"));
    assert_eq!(wire.take().len(), 1);
}
