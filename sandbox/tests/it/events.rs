//! DescribeEvents: what has happened, filtered by source and time, page by page.

use chrono::{SecondsFormat, TimeDelta};
use rekeyd_sandbox::elasticache::{DescribeEvents, EventOutput, ModifyUser, TestFailover};
use rekeyd_sandbox::{CallContext, CallError, Sandbox};
use serde_json::json;

use crate::in_process;
use crate::support::NEW;

async fn events(sandbox: &Sandbox, ctx: &CallContext, input: DescribeEvents) -> Vec<EventOutput> {
    sandbox.describe_events(ctx, input).await.unwrap().events
}

fn of(kind: &str) -> DescribeEvents {
    DescribeEvents {
        source_type: Some(kind.into()),
        ..DescribeEvents::default()
    }
}

fn messages(events: &[EventOutput]) -> Vec<&str> {
    events.iter().map(|event| event.message.as_str()).collect()
}

#[tokio::test]
async fn what_happens_is_told_the_newest_first() {
    let (sandbox, _clock, ctx) =
        in_process::with_cache(&json!({"propagation_ms": {"min": 0, "max": 0}}), "name", 2).await;
    let failover = TestFailover {
        replication_group_id: "rg".into(),
        node_group_id: "0001".into(),
    };
    sandbox.test_failover(&ctx, failover).await.unwrap();
    let done = "Failover from primary node rg-001 to replica node rg-002 completed";
    assert_eq!(
        messages(&events(&sandbox, &ctx, of("replication-group")).await),
        [
            done,
            "Test Failover API called for node group 0001",
            "Replication group rg created"
        ]
    );
    assert_eq!(messages(&events(&sandbox, &ctx, of("user")).await), ["User u created"]);
    assert_eq!(
        messages(&events(&sandbox, &ctx, of("user-group")).await),
        ["User group g created"]
    );
    let node = DescribeEvents {
        source_identifier: Some("rg-002".into()),
        ..of("cache-cluster")
    };
    assert_eq!(
        messages(&events(&sandbox, &ctx, node).await),
        [done, "Cache cluster created"]
    );
}

#[tokio::test]
async fn an_hour_is_shown_unless_told_and_two_weeks_at_most() {
    let (sandbox, clock, ctx) = in_process::with_group(&json!({}), "name", "redis", &["default", "u"]).await;
    let start = sandbox.now();
    let time = |minutes| Some((start + TimeDelta::minutes(minutes)).to_rfc3339_opts(SecondsFormat::Millis, true));
    clock.advance(TimeDelta::minutes(61));
    assert!(events(&sandbox, &ctx, DescribeEvents::default()).await.is_empty());
    let long = |minutes| DescribeEvents {
        duration: Some(minutes),
        ..DescribeEvents::default()
    };
    assert_eq!(events(&sandbox, &ctx, long(62)).await.len(), 2);
    let between = |from, to| DescribeEvents {
        start_time: from,
        end_time: to,
        ..DescribeEvents::default()
    };
    assert_eq!(events(&sandbox, &ctx, between(time(-5), None)).await.len(), 2);
    assert_eq!(events(&sandbox, &ctx, between(None, time(1))).await.len(), 2);
    assert!(events(&sandbox, &ctx, between(time(1), time(2))).await.is_empty());
    clock.advance(TimeDelta::days(14));
    assert!(events(&sandbox, &ctx, between(time(-5), None)).await.is_empty());
    for (input, code) in [
        (between(time(2), time(1)), "InvalidParameterCombination"),
        (between(Some("yesterday".into()), None), "InvalidParameterValue"),
        (long(0), "InvalidParameterValue"),
        (of("cluster"), "InvalidParameterValue"),
    ] {
        let error = sandbox.describe_events(&ctx, input).await.unwrap_err();
        assert!(matches!(&error, CallError::Api(e) if e.code == code), "{error:?}");
    }
}

#[tokio::test]
async fn pages_hold_every_event_once_though_more_happens_between_them() {
    let patch = json!({"detached_modifying_ms": 0, "caches": "virtual"});
    let (sandbox, _clock, ctx) = in_process::with_group(&patch, "name", "redis", &["default", "u"]).await;
    let modify = || ModifyUser {
        user_id: "u".into(),
        passwords: Some(vec![NEW.into()]),
        ..ModifyUser::default()
    };
    for _ in 0..40 {
        sandbox.modify_user(&ctx, modify()).await.unwrap();
    }
    let mut sizes = Vec::new();
    let mut marker = None;
    loop {
        let input = DescribeEvents {
            max_records: Some(20),
            marker,
            ..DescribeEvents::default()
        };
        let page = sandbox.describe_events(&ctx, input).await.unwrap();
        sizes.push(page.events.len());
        sandbox.modify_user(&ctx, modify()).await.unwrap();
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [20, 20, 2]);
}
