//! The Rust door, with a clock that is moved by hand: no HTTP, no processes, no waiting.

use chrono::TimeDelta;
use rekeyd_sandbox::elasticache::{CreateUser, DescribeUserGroups, DescribeUsers, ModifyUser, ModifyUserGroup};
use rekeyd_sandbox::secretsmanager::{CreateSecret, PutSecretValue};
use rekeyd_sandbox::{CallContext, CallError, Fault, FaultKind, LoginAnswer, ManualClock, NodeChange, Sandbox};
use serde_json::json;

use crate::in_process;
use crate::support::{NEW, OLD, TOKEN_1, TOKEN_2};

async fn world(patch: serde_json::Value) -> (Sandbox, ManualClock, CallContext) {
    in_process::with_cache(&patch, "name", 3).await
}

fn set_password(password: &str) -> ModifyUser {
    ModifyUser {
        user_id: "u".into(),
        passwords: Some(vec![password.into()]),
        ..ModifyUser::default()
    }
}

async fn status(sandbox: &Sandbox, ctx: &CallContext) -> String {
    let users = sandbox
        .describe_users(ctx, DescribeUsers::default())
        .await
        .unwrap()
        .users;
    users.into_iter().find(|user| user.user_id == "u").unwrap().status
}

#[tokio::test]
async fn nodes_learn_at_their_own_times_and_the_last_one_ends_the_change() {
    let delays =
        json!({"node_propagation_ms": {"primary": 1000, "replica-1": 2000, "rg-003": 3000}, "settle_extra_ms": 500});
    let (sandbox, clock, ctx) = world(delays).await;
    sandbox.modify_user(&ctx, set_password(NEW)).await.unwrap();
    for (after, has) in [(999, 0), (1, 1), (1000, 2), (1000, 3)] {
        clock.advance(TimeDelta::milliseconds(after));
        for (n, node) in ["rg-001", "rg-002", "rg-003"].into_iter().enumerate() {
            let (old, new) = (
                sandbox.node_accepts(node, "name", OLD),
                sandbox.node_accepts(node, "name", NEW),
            );
            let (yes, no) = (LoginAnswer::Ok, LoginAnswer::WrongPass);
            assert_eq!((old, new), if n < has { (no, yes) } else { (yes, no) }, "{node}");
        }
    }
    assert_eq!(status(&sandbox, &ctx).await, "modifying");
    clock.advance(TimeDelta::milliseconds(500));
    assert_eq!(status(&sandbox, &ctx).await, "active");
}

#[tokio::test]
async fn a_node_that_never_learns_can_hold_the_user_up_to_a_limit() {
    for hold in [false, true] {
        let (sandbox, clock, ctx) = world(json!({
            "propagation_ms": {"min": 10, "max": 10}, "node_propagation_ms": {"rg-002": "never"},
            "stuck_nodes_hold_modifying": hold, "modifying_max_ms": 60_000,
        }))
        .await;
        sandbox.modify_user(&ctx, set_password(NEW)).await.unwrap();
        clock.advance(TimeDelta::milliseconds(10));
        assert_eq!(status(&sandbox, &ctx).await, if hold { "modifying" } else { "active" });
        clock.advance(TimeDelta::seconds(60));
        assert_eq!(status(&sandbox, &ctx).await, "active");
        assert_eq!(sandbox.node_accepts("rg-002", "name", OLD), LoginAnswer::Ok);
    }
}

#[tokio::test]
async fn one_user_gives_way_to_another_of_the_same_name() {
    let (sandbox, clock, ctx) = world(json!({"propagation_ms": {"min": 50, "max": 500}})).await;
    let create = CreateUser {
        user_id: "other".into(),
        user_name: "name".into(),
        engine: "redis".into(),
        access_string: "on ~* +@all".into(),
        passwords: Some(vec![NEW.into()]),
        ..CreateUser::default()
    };
    sandbox.create_user(&ctx, create).await.unwrap();
    let swap = ModifyUserGroup {
        user_group_id: "g".into(),
        user_ids_to_add: Some(vec!["other".into()]),
        user_ids_to_remove: Some(vec!["u".into()]),
        ..ModifyUserGroup::default()
    };
    let group = sandbox.modify_user_group(&ctx, swap.clone()).await.unwrap();
    assert_eq!(group.status, "modifying");
    let busy = sandbox.modify_user_group(&ctx, swap).await.unwrap_err();
    assert_eq!(busy.code(), Some("InvalidUserGroupState"));
    clock.advance(TimeDelta::milliseconds(500));
    assert_eq!(sandbox.node_accepts("rg-002", "name", NEW), LoginAnswer::Ok);
    assert_eq!(sandbox.node_accepts("rg-002", "name", OLD), LoginAnswer::WrongPass);
    assert_eq!(status(&sandbox, &ctx).await, "active");
    let groups = sandbox
        .describe_user_groups(&ctx, DescribeUserGroups::default())
        .await
        .unwrap();
    assert_eq!(groups.user_groups[0].status, "active");
}

#[tokio::test]
async fn a_stopped_node_is_down_and_learns_when_it_is_back() {
    let (sandbox, clock, ctx) = world(json!({})).await;
    let run = |running| NodeChange {
        running: Some(running),
        ..NodeChange::default()
    };
    sandbox.change_node("rg-001", &run(false));
    sandbox.modify_user(&ctx, set_password(NEW)).await.unwrap();
    clock.advance(TimeDelta::seconds(5));
    assert_eq!(sandbox.node_accepts("rg-001", "name", NEW), LoginAnswer::Down);
    sandbox.change_node("rg-001", &run(true));
    assert_eq!(sandbox.node_accepts("rg-001", "name", NEW), LoginAnswer::Ok);
}

#[tokio::test]
async fn faults_hit_this_door_too() {
    let (sandbox, _clock, ctx) = world(json!({})).await;
    sandbox.set_faults(vec![Fault::next("ModifyUser", FaultKind::ReplyLost)]);
    assert_eq!(
        sandbox.modify_user(&ctx, set_password(NEW)).await.unwrap_err(),
        CallError::ReplyLost
    );
    assert_eq!(status(&sandbox, &ctx).await, "modifying");
    sandbox.set_faults(vec![
        Fault::next("*", FaultKind::Hang),
        Fault::next("*", FaultKind::Throttle).at_call(2),
    ]);
    let error = sandbox.modify_user(&ctx, set_password(NEW)).await.unwrap_err();
    assert_eq!(error, CallError::Hang);
    let error = sandbox
        .describe_users(&ctx, DescribeUsers::default())
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("Throttling"));
    assert_eq!(sandbox.faults()[0].fired, 1);
}

#[tokio::test]
async fn an_old_signature_is_refused_here_too() {
    let (sandbox, clock, ctx) = world(json!({"signature_window_s": 300})).await;
    let signed = ctx.clone().signed_at(sandbox.now());
    clock.advance(TimeDelta::seconds(301));
    let error = sandbox.modify_user(&signed, set_password(NEW)).await.unwrap_err();
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn the_same_seed_gives_the_same_world() {
    let arn = || async {
        let (sandbox, _clock, ctx) = in_process::sandbox(&json!({}));
        let input = CreateSecret {
            name: "s".into(),
            ..CreateSecret::default()
        };
        sandbox.create_secret(&ctx, input).await.unwrap().arn
    };
    assert_eq!(arn().await, arn().await);
}

#[tokio::test]
async fn unlabelled_versions_go_after_a_day_when_there_are_a_hundred() {
    let (sandbox, clock, ctx) = in_process::sandbox(&json!({}));
    let create = CreateSecret {
        name: "s".into(),
        secret_string: Some("0".into()),
        client_request_token: Some(TOKEN_1.into()),
        ..CreateSecret::default()
    };
    sandbox.create_secret(&ctx, create).await.unwrap();
    let put = |n: u32| PutSecretValue {
        secret_id: "s".into(),
        client_request_token: Some(format!("{n:032}")),
        secret_string: Some(n.to_string().into()),
        ..PutSecretValue::default()
    };
    for n in 0..99 {
        sandbox.put_secret_value(&ctx, put(n)).await.unwrap();
    }
    let full = sandbox.put_secret_value(&ctx, put(99)).await.unwrap_err();
    assert_eq!(full.code(), Some("LimitExceededException"));
    clock.advance(TimeDelta::hours(25));
    sandbox.put_secret_value(&ctx, put(99)).await.unwrap();
    let labels = PutSecretValue {
        version_stages: Some((0..20).map(|n| format!("L{n}")).collect()),
        client_request_token: Some(TOKEN_2.into()),
        ..put(100)
    };
    let error = sandbox.put_secret_value(&ctx, labels).await.unwrap_err();
    assert_eq!(error.code(), Some("LimitExceededException"));
}
