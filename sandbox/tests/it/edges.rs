//! Corners of the rules in which the sandbox and the reference model once parted.

use chrono::{DateTime, TimeDelta};
use rekeyd_sandbox::elasticache::{
    CreateReplicationGroup, CreateUser, CreateUserGroup, DeleteUser, DescribeUsers, ModifyUserGroup,
};
use rekeyd_sandbox::secretsmanager::{CreateSecret, DeleteSecret, DescribeSecret, ListSecrets, PutSecretValue};
use rekeyd_sandbox::{CallContext, LoginAnswer, ManualClock, Sandbox, Settings};

use crate::support::{NEW, OLD, TOKEN_1, TOKEN_2, TOKEN_3};

fn sandbox() -> (Sandbox, ManualClock, CallContext) {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
    let settings = Settings {
        propagation_ms: 1_000.into(),
        ..Settings::default()
    };
    (Sandbox::new(clock.clone(), 7, settings), clock, CallContext::default())
}

async fn create_user(sandbox: &Sandbox, id: &str, name: &str, password: &str) {
    let user = CreateUser {
        user_id: id.into(),
        user_name: name.into(),
        engine: "redis".into(),
        access_string: "on ~* +@all".into(),
        passwords: Some(vec![password.into()]),
        ..CreateUser::default()
    };
    sandbox.create_user(&CallContext::default(), user).await.unwrap();
}

async fn create_group(sandbox: &Sandbox, users: &[&str]) {
    let group = CreateUserGroup {
        user_group_id: "g".into(),
        engine: "redis".into(),
        user_ids: Some(users.iter().map(|&user| user.into()).collect()),
        ..CreateUserGroup::default()
    };
    sandbox.create_user_group(&CallContext::default(), group).await.unwrap();
}

async fn status(sandbox: &Sandbox, id: &str) -> String {
    let one = DescribeUsers {
        user_id: Some(id.into()),
        ..DescribeUsers::default()
    };
    let mut reply = sandbox.describe_users(&CallContext::default(), one).await.unwrap();
    reply.users.remove(0).status
}

#[tokio::test]
async fn a_forced_deletion_succeeds_whether_or_not_there_is_a_secret() {
    let (sandbox, _clock, ctx) = sandbox();
    let create = CreateSecret {
        name: "s".into(),
        ..CreateSecret::default()
    };
    let arn = sandbox.create_secret(&ctx, create).await.unwrap().arn;
    for id in [arn.as_str(), arn.as_str(), "s"] {
        let delete = DeleteSecret {
            secret_id: id.into(),
            force_delete_without_recovery: Some(true),
            ..DeleteSecret::default()
        };
        let deleted = sandbox.delete_secret(&ctx, delete).await.unwrap();
        assert_eq!(deleted.name, "s", "{id}");
        assert!(deleted.arn.starts_with(&arn[..arn.len() - 6]), "{}", deleted.arn);
        let gone = sandbox
            .describe_secret(&ctx, DescribeSecret { secret_id: "s".into() })
            .await;
        assert_eq!(gone.unwrap_err().code(), Some("ResourceNotFoundException"));
    }
}

#[tokio::test]
async fn awsprevious_counts_as_a_label_when_it_follows() {
    let (sandbox, _clock, ctx) = sandbox();
    let create = CreateSecret {
        name: "s".into(),
        client_request_token: Some(TOKEN_1.into()),
        secret_string: Some("1".into()),
        ..CreateSecret::default()
    };
    sandbox.create_secret(&ctx, create).await.unwrap();
    let put = |token: &str, version_stages: Option<Vec<String>>| PutSecretValue {
        secret_id: "s".into(),
        client_request_token: Some(token.into()),
        secret_string: Some(token.into()),
        version_stages,
        ..PutSecretValue::default()
    };
    // With AWSCURRENT these are twenty.
    let labels = (1..=19).map(|n| format!("L{n}")).collect();
    sandbox
        .put_secret_value(&ctx, put(TOKEN_2, Some(labels)))
        .await
        .unwrap();
    let full = sandbox.put_secret_value(&ctx, put(TOKEN_3, None)).await.unwrap_err();
    assert_eq!(full.code(), Some("LimitExceededException"));
}

#[tokio::test]
async fn a_user_that_is_being_deleted_joins_no_group() {
    let (sandbox, clock, ctx) = sandbox();
    create_user(&sandbox, "u", "name", OLD).await;
    create_group(&sandbox, &["default"]).await;
    let delete = DeleteUser { user_id: "u".into() };
    sandbox.delete_user(&ctx, delete).await.unwrap();
    let join = ModifyUserGroup {
        user_group_id: "g".into(),
        user_ids_to_add: Some(vec!["u".into()]),
        user_ids_to_remove: None,
        ..ModifyUserGroup::default()
    };
    let refused = sandbox.modify_user_group(&ctx, join).await.unwrap_err();
    assert_eq!(refused.code(), Some("UserNotFound"));
    assert_eq!(status(&sandbox, "u").await, "deleting");
    clock.advance(TimeDelta::seconds(1));
    let users = sandbox
        .describe_users(&ctx, DescribeUsers::default())
        .await
        .unwrap()
        .users;
    assert!(users.iter().all(|user| user.user_id != "u"));
}

#[tokio::test]
async fn a_user_that_gives_way_is_not_active_while_a_node_still_lets_it_in() {
    let (sandbox, clock, ctx) = sandbox();
    create_user(&sandbox, "u", "name", OLD).await;
    create_user(&sandbox, "other", "name", NEW).await;
    create_group(&sandbox, &["default", "u"]).await;
    let cache = CreateReplicationGroup {
        replication_group_id: "rg".into(),
        replication_group_description: "d".into(),
        transit_encryption_enabled: Some(true),
        user_group_ids: Some(vec!["g".into()]),
        ..CreateReplicationGroup::default()
    };
    sandbox.create_replication_group(&ctx, cache).await.unwrap();
    let swap = ModifyUserGroup {
        user_group_id: "g".into(),
        user_ids_to_add: Some(vec!["other".into()]),
        user_ids_to_remove: Some(vec!["u".into()]),
        ..ModifyUserGroup::default()
    };
    sandbox.modify_user_group(&ctx, swap).await.unwrap();
    for (node, state) in [(LoginAnswer::Ok, "modifying"), (LoginAnswer::WrongPass, "active")] {
        assert_eq!(sandbox.node_accepts("rg-001", "name", OLD), node);
        assert_eq!(status(&sandbox, "u").await, state);
        clock.advance(TimeDelta::seconds(1));
    }
}

#[tokio::test]
async fn whoever_deletes_secrets_page_by_page_misses_none() {
    for (order, by) in [
        (None, None),
        (Some("asc"), Some("name")),
        (Some("desc"), Some("last-changed-date")),
    ] {
        let (sandbox, clock, ctx) = sandbox();
        for number in 0..7 {
            let create = CreateSecret {
                name: format!("s{number}"),
                ..CreateSecret::default()
            };
            sandbox.create_secret(&ctx, create).await.unwrap();
            clock.advance(TimeDelta::milliseconds(number % 3));
        }
        let (mut seen, mut next_token) = (Vec::new(), None);
        loop {
            let list = ListSecrets {
                max_results: Some(2),
                sort_order: order.map(Into::into),
                sort_by: by.map(Into::into),
                next_token,
                ..ListSecrets::default()
            };
            let page = sandbox.list_secrets(&ctx, list).await.unwrap();
            for entry in page.secret_list {
                let delete = DeleteSecret {
                    secret_id: entry.secret.arn,
                    force_delete_without_recovery: Some(true),
                    ..DeleteSecret::default()
                };
                seen.push(sandbox.delete_secret(&ctx, delete).await.unwrap().name);
            }
            next_token = page.next_token;
            if next_token.is_none() {
                break;
            }
        }
        seen.sort();
        assert_eq!(seen, ["s0", "s1", "s2", "s3", "s4", "s5", "s6"], "{order:?} {by:?}");
    }
}

#[tokio::test]
async fn whoever_deletes_users_page_by_page_misses_none() {
    let (sandbox, _clock, ctx) = sandbox();
    for number in 0..7 {
        create_user(&sandbox, &format!("u{number}"), "u", OLD).await;
    }
    let (mut seen, mut marker) = (0, None);
    loop {
        let describe = DescribeUsers {
            max_records: Some(2),
            marker,
            ..DescribeUsers::default()
        };
        let page = sandbox.describe_users(&ctx, describe).await.unwrap();
        for user in page.users.into_iter().filter(|user| user.user_id != "default") {
            let delete = DeleteUser { user_id: user.user_id };
            sandbox.delete_user(&ctx, delete).await.unwrap();
            seen += 1;
        }
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, 7);
}
