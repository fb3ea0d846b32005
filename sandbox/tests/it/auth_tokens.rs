//! AUTH tokens of replication groups: in simulated time, and on real servers.

mod servers;

use chrono::TimeDelta;
use rekeyd_sandbox::elasticache::{
    CreateReplicationGroup, DescribeCacheClusters, DescribeReplicationGroups, ModifyReplicationGroup,
    ReplicationGroupOutput,
};
use rekeyd_sandbox::{
    ApiError, CallContext, CallError, Fault, FaultKind, LoginAnswer, ManualClock, NodeChange, Sandbox,
};
use serde_json::{Value, json};

use crate::in_process;
use crate::support::OLD;

const FIRST: &str = "the-first-token-of-the-group";
const SECOND: &str = "the-second-token-of-the-group";
const THIRD: &str = "the-third-token-of-the-group";
const NODES: [&str; 3] = ["auth-001", "auth-002", "auth-003"];

fn group(token: Option<&str>) -> CreateReplicationGroup {
    CreateReplicationGroup {
        replication_group_id: "auth".into(),
        replication_group_description: "d".into(),
        num_cache_clusters: Some(3),
        transit_encryption_enabled: Some(true),
        auth_token: token.map(Into::into),
        ..CreateReplicationGroup::default()
    }
}

/// A group `auth` of three nodes, beside the group `g` of users.
async fn world(patch: &Value, token: Option<&str>) -> (Sandbox, ManualClock, CallContext) {
    let (sandbox, clock, ctx) = in_process::with_group(patch, "name", "redis", &["default", "u"]).await;
    sandbox.create_replication_group(&ctx, group(token)).await.unwrap();
    (sandbox, clock, ctx)
}

fn token(token: &str, strategy: &str) -> ModifyReplicationGroup {
    ModifyReplicationGroup {
        replication_group_id: "auth".into(),
        auth_token: Some(token.into()),
        auth_token_update_strategy: Some(strategy.into()),
        apply_immediately: Some(true),
        ..ModifyReplicationGroup::default()
    }
}

async fn shown(sandbox: &Sandbox, ctx: &CallContext) -> ReplicationGroupOutput {
    let input = DescribeReplicationGroups::default();
    let groups = sandbox.describe_replication_groups(ctx, input).await.unwrap();
    groups.replication_groups.into_iter().next().unwrap()
}

async fn refused(sandbox: &Sandbox, ctx: &CallContext, input: ModifyReplicationGroup) -> ApiError {
    match sandbox.modify_replication_group(ctx, input).await {
        Err(CallError::Api(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

/// Which of the nodes let `default` in with a token.
fn accepting(sandbox: &Sandbox, token: &str) -> Vec<&'static str> {
    let accepts = |node: &&str| sandbox.node_accepts(node, "default", token) == LoginAnswer::Ok;
    NODES.into_iter().filter(accepts).collect()
}

#[tokio::test]
async fn a_rotation_of_the_token_arrives_node_by_node_and_the_group_is_modifying_meanwhile() {
    let delays = json!({"node_propagation_ms": {"primary": 1000, "replica-1": 2000, "auth-003": 3000}});
    let (sandbox, clock, ctx) = world(&delays, Some(FIRST)).await;
    assert_eq!(
        (accepting(&sandbox, FIRST).len(), accepting(&sandbox, SECOND).len()),
        (3, 0)
    );
    let reply = sandbox
        .modify_replication_group(&ctx, token(SECOND, "ROTATE"))
        .await
        .unwrap();
    assert_eq!(reply.replication_group.status, "modifying");
    for (after, has) in [(999, 0), (1, 1), (1000, 2)] {
        clock.advance(TimeDelta::milliseconds(after));
        sandbox.tick();
        assert_eq!(accepting(&sandbox, SECOND), NODES[..has]);
        assert_eq!(accepting(&sandbox, FIRST), NODES, "the token before goes on working");
        let group = shown(&sandbox, &ctx).await;
        assert_eq!(group.status, "modifying");
        assert_eq!(
            group.pending_modified_values.auth_token_status.as_deref(),
            Some("ROTATING")
        );
        let clusters = sandbox
            .describe_cache_clusters(&ctx, DescribeCacheClusters::default())
            .await
            .unwrap();
        let statuses = clusters
            .cache_clusters
            .iter()
            .map(|node| &node.pending_modified_values.auth_token_status);
        assert_eq!(statuses.filter(|status| status.is_some()).count(), 3 - has);
    }
    let busy = refused(&sandbox, &ctx, token(THIRD, "ROTATE")).await;
    assert_eq!(busy.code, "InvalidReplicationGroupState");
    clock.advance(TimeDelta::milliseconds(1000));
    let group = shown(&sandbox, &ctx).await;
    assert_eq!((group.status.as_str(), group.auth_token_enabled), ("available", true));
    assert_eq!(group.pending_modified_values.auth_token_status, None);
    assert_eq!(
        (accepting(&sandbox, FIRST), accepting(&sandbox, SECOND)),
        (NODES.to_vec(), NODES.to_vec())
    );
}

#[tokio::test]
async fn rotate_keeps_the_two_latest_tokens_and_set_only_the_one_that_it_brings() {
    let (sandbox, clock, ctx) = world(&json!({"propagation_ms": {"min": 0, "max": 0}}), Some(FIRST)).await;
    let created = shown(&sandbox, &ctx).await.auth_token_last_modified_date;
    clock.advance(TimeDelta::seconds(1));
    for next in [SECOND, THIRD] {
        sandbox
            .modify_replication_group(&ctx, token(next, "ROTATE"))
            .await
            .unwrap();
        sandbox.tick();
    }
    let works = |text| accepting(&sandbox, text).len();
    assert_eq!((works(FIRST), works(SECOND), works(THIRD)), (0, 3, 3));
    sandbox
        .modify_replication_group(&ctx, token(THIRD, "SET"))
        .await
        .unwrap();
    assert_eq!((works(FIRST), works(SECOND), works(THIRD)), (0, 0, 3));
    assert!(shown(&sandbox, &ctx).await.auth_token_last_modified_date > created);
}

#[tokio::test]
async fn a_first_token_by_rotate_leaves_the_group_open_until_it_is_set() {
    let (sandbox, _clock, ctx) = world(&json!({"propagation_ms": {"min": 0, "max": 0}}), None).await;
    assert!(!shown(&sandbox, &ctx).await.auth_token_enabled);
    sandbox
        .modify_replication_group(&ctx, token(FIRST, "ROTATE"))
        .await
        .unwrap();
    let group = shown(&sandbox, &ctx).await;
    assert!(group.auth_token_enabled);
    assert_eq!(
        (accepting(&sandbox, FIRST).len(), accepting(&sandbox, "none").len()),
        (3, 3)
    );
    sandbox
        .modify_replication_group(&ctx, token(FIRST, "SET"))
        .await
        .unwrap();
    assert_eq!(
        (accepting(&sandbox, FIRST).len(), accepting(&sandbox, "none").len()),
        (3, 0)
    );
}

#[tokio::test]
async fn whether_set_takes_a_token_that_was_not_rotated_is_a_switch() {
    for (side, code) in [("any", None), ("rotated_only", Some("InvalidParameterValue"))] {
        let patch = json!({"propagation_ms": {"min": 0, "max": 0}, "doubts": {"set_auth_token": side}});
        for before in [None, Some(FIRST)] {
            let (sandbox, _clock, ctx) = world(&patch, before).await;
            let answer = sandbox.modify_replication_group(&ctx, token(SECOND, "SET")).await;
            match code {
                None => assert!(answer.is_ok(), "{answer:?}"),
                Some(code) => assert!(
                    matches!(&answer, Err(CallError::Api(e)) if e.code == code),
                    "{answer:?}"
                ),
            }
            sandbox.tick();
            assert_eq!(
                accepting(&sandbox, SECOND).len(),
                if before.is_none() || code.is_none() { 3 } else { 0 }
            );
        }
    }
}

#[tokio::test]
async fn a_change_without_apply_immediately_waits_for_one_with_it() {
    let (sandbox, _clock, ctx) = world(&json!({"propagation_ms": {"min": 0, "max": 0}}), Some(FIRST)).await;
    let later = ModifyReplicationGroup {
        apply_immediately: None,
        ..token(SECOND, "ROTATE")
    };
    sandbox.modify_replication_group(&ctx, later).await.unwrap();
    let group = shown(&sandbox, &ctx).await;
    assert_eq!(group.status, "available");
    assert_eq!(
        group.pending_modified_values.auth_token_status.as_deref(),
        Some("ROTATING")
    );
    assert_eq!(accepting(&sandbox, SECOND).len(), 0);
    let users = ModifyReplicationGroup {
        replication_group_id: "auth".into(),
        user_group_ids_to_add: Some(vec!["g".into()]),
        ..ModifyReplicationGroup::default()
    };
    assert_eq!(refused(&sandbox, &ctx, users).await.code, "InvalidParameterCombination");
    let now = ModifyReplicationGroup {
        auth_token: None,
        auth_token_update_strategy: None,
        ..token(SECOND, "ROTATE")
    };
    sandbox.modify_replication_group(&ctx, now).await.unwrap();
    assert_eq!(
        shown(&sandbox, &ctx).await.pending_modified_values.auth_token_status,
        None
    );
    assert_eq!(
        (accepting(&sandbox, FIRST).len(), accepting(&sandbox, SECOND).len()),
        (3, 3)
    );
}

#[tokio::test]
async fn a_lost_reply_has_changed_the_token_and_the_same_call_again_changes_nothing_more() {
    let (sandbox, _clock, ctx) = world(&json!({"propagation_ms": {"min": 0, "max": 0}}), Some(FIRST)).await;
    sandbox.set_faults(vec![Fault::next("ModifyReplicationGroup", FaultKind::ReplyLost)]);
    let lost = sandbox.modify_replication_group(&ctx, token(SECOND, "ROTATE")).await;
    assert!(matches!(lost, Err(CallError::ReplyLost)), "{lost:?}");
    sandbox.tick();
    assert_eq!(
        (accepting(&sandbox, FIRST).len(), accepting(&sandbox, SECOND).len()),
        (3, 3)
    );
    sandbox
        .modify_replication_group(&ctx, token(SECOND, "ROTATE"))
        .await
        .unwrap();
    sandbox.tick();
    assert_eq!(
        (accepting(&sandbox, FIRST).len(), accepting(&sandbox, SECOND).len()),
        (3, 3)
    );
}

#[tokio::test]
async fn a_node_that_cannot_be_told_keeps_the_old_token_and_learns_when_it_is_back() {
    let (sandbox, clock, ctx) = world(&json!({"propagation_ms": {"min": 10, "max": 10}}), Some(FIRST)).await;
    let running = |running| NodeChange {
        running: Some(running),
        ..NodeChange::default()
    };
    sandbox.change_node("auth-002", &running(false));
    sandbox
        .modify_replication_group(&ctx, token(SECOND, "SET"))
        .await
        .unwrap();
    clock.advance(TimeDelta::milliseconds(10));
    assert_eq!(shown(&sandbox, &ctx).await.status, "available");
    assert_eq!(accepting(&sandbox, SECOND), ["auth-001", "auth-003"]);
    sandbox.change_node("auth-002", &running(true));
    assert_eq!(accepting(&sandbox, SECOND), NODES);
}

#[tokio::test]
async fn users_take_over_from_tokens_with_delete_and_tokens_from_users_with_set() {
    let (sandbox, clock, ctx) = world(&json!({"propagation_ms": {"min": 100, "max": 100}}), Some(FIRST)).await;
    let add = ModifyReplicationGroup {
        replication_group_id: "auth".into(),
        user_group_ids_to_add: Some(vec!["g".into()]),
        ..ModifyReplicationGroup::default()
    };
    let error = refused(&sandbox, &ctx, add.clone()).await;
    assert_eq!(error.code, "InvalidParameterCombination");
    assert!(
        error.message.contains("Pass AuthStrategy delete to proceed"),
        "{}",
        error.message
    );
    let delete = ModifyReplicationGroup {
        auth_token_update_strategy: Some("DELETE".into()),
        ..add
    };
    sandbox.modify_replication_group(&ctx, delete).await.unwrap();
    assert_eq!(accepting(&sandbox, FIRST).len(), 3, "no node has heard of it yet");
    assert_eq!(sandbox.node_accepts("auth-001", "name", OLD), LoginAnswer::WrongPass);
    clock.advance(TimeDelta::milliseconds(100));
    let group = shown(&sandbox, &ctx).await;
    assert_eq!((group.status.as_str(), group.auth_token_enabled), ("available", false));
    assert_eq!(group.auth_token_last_modified_date, None);
    assert_eq!(sandbox.node_accepts("auth-001", "name", OLD), LoginAnswer::Ok);
    let back = ModifyReplicationGroup {
        remove_user_groups: Some(true),
        ..token(SECOND, "SET")
    };
    sandbox.modify_replication_group(&ctx, back).await.unwrap();
    clock.advance(TimeDelta::milliseconds(100));
    sandbox.tick();
    assert_eq!(
        (accepting(&sandbox, FIRST).len(), accepting(&sandbox, SECOND).len()),
        (0, 3)
    );
    assert_eq!(sandbox.node_accepts("auth-001", "name", OLD), LoginAnswer::WrongPass);
}

#[tokio::test]
async fn a_default_user_of_ones_own_gives_way_to_a_token_and_to_an_open_cache() {
    for back in [Some(SECOND), None] {
        let (sandbox, _clock, ctx) = in_process::with_group(
            &json!({"propagation_ms": {"min": 0, "max": 0}}),
            "default",
            "redis",
            &["u"],
        )
        .await;
        let cache = CreateReplicationGroup {
            user_group_ids: Some(vec!["g".into()]),
            ..group(None)
        };
        sandbox.create_replication_group(&ctx, cache).await.unwrap();
        assert_eq!(
            (accepting(&sandbox, OLD).len(), accepting(&sandbox, SECOND).len()),
            (3, 0)
        );
        let leave = ModifyReplicationGroup {
            replication_group_id: "auth".into(),
            remove_user_groups: Some(true),
            auth_token: back.map(Into::into),
            auth_token_update_strategy: back.map(|_| "SET".into()),
            ..ModifyReplicationGroup::default()
        };
        sandbox.modify_replication_group(&ctx, leave).await.unwrap();
        sandbox.tick();
        assert_eq!(accepting(&sandbox, SECOND).len(), 3, "{back:?}");
        assert_eq!(accepting(&sandbox, OLD).len(), if back.is_some() { 0 } else { 3 });
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_changes_nothing() {
    let (sandbox, _clock, ctx) = world(&json!({"propagation_ms": {"min": 0, "max": 0}}), Some(FIRST)).await;
    let without = |strategy: &str| ModifyReplicationGroup {
        auth_token: None,
        ..token(FIRST, strategy)
    };
    for (input, code) in [
        (token("short", "ROTATE"), "InvalidParameterValue"),
        (token("a/slash-is-not-among-them", "ROTATE"), "InvalidParameterValue"),
        (token("nor is a space among them", "SET"), "InvalidParameterValue"),
        (token(&"x".repeat(129), "SET"), "InvalidParameterValue"),
        (token(SECOND, "REPLACE"), "InvalidParameterValue"),
        (token(SECOND, "DELETE"), "InvalidParameterCombination"),
        (without("ROTATE"), "InvalidParameterCombination"),
        (without("SET"), "InvalidParameterCombination"),
        (without("DELETE"), "InvalidParameterValue"),
    ] {
        let error = refused(&sandbox, &ctx, input.clone()).await;
        assert_eq!(error.code, code, "{input:?}: {}", error.message);
    }
    let group_of = |input: CreateReplicationGroup| CreateReplicationGroup {
        replication_group_id: "other".into(),
        ..input
    };
    let plain = CreateReplicationGroup {
        transit_encryption_enabled: None,
        ..group_of(group(Some(FIRST)))
    };
    let both = CreateReplicationGroup {
        user_group_ids: Some(vec!["g".into()]),
        ..group_of(group(Some(FIRST)))
    };
    for input in [plain, both] {
        let error = sandbox.create_replication_group(&ctx, input).await.unwrap_err();
        assert!(
            matches!(&error, CallError::Api(e) if e.code == "InvalidParameterCombination"),
            "{error:?}"
        );
    }
    assert_eq!(accepting(&sandbox, FIRST), NODES);
    assert_eq!(shown(&sandbox, &ctx).await.status, "available");
    assert!(!format!("{:?}", sandbox.log()).contains(FIRST));
}
