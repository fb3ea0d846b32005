//! What ElastiCache takes and what it refuses: tags, ids, pages, engines, access strings, quotas.

use rekeyd_sandbox::CallError;
use rekeyd_sandbox::elasticache::{CreateUser, CreateUserGroup, ModifyUserGroup};
use serde_json::json;

use crate::in_process;
use crate::support::*;

const PLACE: &str = "arn:aws:elasticache:us-east-1:123456789012";

fn tags(from: usize, number: usize) -> String {
    let tag = |n: usize| format!("Tags.Tag.{}.Key=k{}&Tags.Tag.{}.Value=v", n - from + 1, n, n - from + 1);
    let all: Vec<String> = (from..from + number).map(tag).collect();
    all.join("&")
}

#[tokio::test]
async fn caches_have_tags_too_from_the_start_and_later() {
    let (_server, client) = virtual_server().await;
    let form = "ReplicationGroupId=rg&ReplicationGroupDescription=d&Tags.Tag.1.Key=team&Tags.Tag.1.Value=orders";
    client.ec_ok("CreateReplicationGroup", form).await;
    let form = "ServerlessCacheName=sl&Engine=redis&Tags.Tag.1.Key=team&Tags.Tag.1.Value=orders";
    client.ec_ok("CreateServerlessCache", form).await;
    for (kind, id, gone) in [
        ("replicationgroup", "rg", "ReplicationGroupNotFoundFault"),
        ("serverlesscache", "sl", "ServerlessCacheNotFoundFault"),
    ] {
        let of = |id: &str| format!("ResourceName={PLACE}:{kind}:{id}");
        assert_eq!(
            tag(&client.ec_ok("ListTagsForResource", &of(id)).await, "Value"),
            "orders"
        );
        client
            .ec_ok("RemoveTagsFromResource", &format!("{}&TagKeys.member.1=team", of(id)))
            .await;
        let again = client
            .ec_err("RemoveTagsFromResource", &format!("{}&TagKeys.member.1=team", of(id)))
            .await;
        assert_eq!(again, (404, "TagNotFound".into()));
        client
            .ec_ok("AddTagsToResource", &format!("{}&{}", of(id), tags(0, 1)))
            .await;
        assert_eq!(tag(&client.ec_ok("ListTagsForResource", &of(id)).await, "Key"), "k0");
        assert_eq!(
            client.ec_err("ListTagsForResource", &of("none")).await,
            (404, gone.into())
        );
    }
}

#[tokio::test]
async fn a_thing_has_fifty_tags_at_most_and_none_that_is_awss() {
    let (_server, client) = virtual_server().await;
    let user = format!("UserId=u&UserName=u&Engine=redis&AccessString=on&Passwords.member.1={OLD}");
    let quota = (400, "TagQuotaPerResourceExceeded".to_owned());
    let value = (400, "InvalidParameterValue".to_owned());
    assert_eq!(
        client.ec_err("CreateUser", &format!("{user}&{}", tags(0, 51))).await,
        quota
    );
    client.ec_ok("CreateUser", &format!("{user}&{}", tags(0, 50))).await;
    let of = format!("ResourceName={PLACE}:user:u");
    assert_eq!(
        client
            .ec_err("AddTagsToResource", &format!("{of}&{}", tags(50, 1)))
            .await,
        quota
    );
    client.ec_ok("AddTagsToResource", &format!("{of}&{}", tags(0, 1))).await;
    let long = "k".repeat(129);
    for key in ["", "aws:team", "AWS:team", long.as_str()] {
        let form = format!("{of}&Tags.Tag.1.Key={key}&Tags.Tag.1.Value=v");
        assert_eq!(client.ec_err("AddTagsToResource", &form).await, value, "{key}");
    }
    let twice = "Tags.Tag.1.Key=a&Tags.Tag.2.Key=a";
    assert_eq!(
        client.ec_err("AddTagsToResource", &format!("{of}&{twice}")).await,
        value
    );
}

#[tokio::test]
async fn ids_are_kept_in_small_letters_and_found_in_any() {
    let (_server, client) = virtual_server().await;
    let form = format!("UserId=User1&UserName=Name&Engine=REDIS&AccessString=on&Passwords.member.1={OLD}");
    let made = client.ec_ok("CreateUser", &form).await;
    assert_eq!(
        (tag(&made, "UserId"), tag(&made, "UserName")),
        ("user1".into(), "Name".into())
    );
    let form = "UserGroupId=Orders&Engine=redis&UserIds.member.1=Default&UserIds.member.2=USER1";
    let group = client.ec_ok("CreateUserGroup", form).await;
    assert!(
        group.contains("<member>default</member><member>user1</member>"),
        "{group}"
    );
    let form = "ReplicationGroupId=Cache1&ReplicationGroupDescription=d";
    client.ec_ok("CreateReplicationGroup", form).await;
    for (action, form, name, id) in [
        ("DescribeUsers", "UserId=USER1", "UserId", "user1"),
        ("DescribeUserGroups", "UserGroupId=ORDERS", "UserGroupId", "orders"),
        (
            "DescribeReplicationGroups",
            "ReplicationGroupId=CACHE1",
            "ReplicationGroupId",
            "cache1",
        ),
        (
            "DescribeCacheClusters",
            "CacheClusterId=CACHE1-001",
            "CacheClusterId",
            "cache1-001",
        ),
    ] {
        assert_eq!(tag(&client.ec_ok(action, form).await, name), id);
    }
    let exists = client.ec_err(
        "CreateReplicationGroup",
        "ReplicationGroupId=CACHE1&ReplicationGroupDescription=d",
    );
    assert_eq!(exists.await.1, "ReplicationGroupAlreadyExists");
    for id in ["a--b", "a-", &"a".repeat(41)] {
        let form = format!("ReplicationGroupId={id}&ReplicationGroupDescription=d");
        assert_eq!(
            client.ec_err("CreateReplicationGroup", &form).await.1,
            "InvalidParameterValue",
            "{id}"
        );
    }
}

#[tokio::test]
async fn pages_of_caches_and_events_have_between_twenty_and_a_hundred_things() {
    let (_server, client) = virtual_server().await;
    for action in ["DescribeReplicationGroups", "DescribeCacheClusters", "DescribeEvents"] {
        for number in ["0", "19", "101", "-1"] {
            let answer = client.ec_err(action, &format!("MaxRecords={number}")).await;
            assert_eq!(answer, (400, "InvalidParameterValue".into()), "{action} {number}");
        }
        client.ec_ok(action, "MaxRecords=20").await;
    }
}

#[tokio::test]
async fn a_user_group_and_its_users_go_from_redis_to_valkey_only_where_all_fits() {
    let (_server, client) = virtual_server().await;
    let user = format!("UserId=u&UserName=u&Engine=redis&AccessString=on&Passwords.member.1={OLD}");
    client.ec_ok("CreateUser", &user).await;
    let form = "UserGroupId=g&Engine=redis&UserIds.member.1=default&UserIds.member.2=u";
    client.ec_ok("CreateUserGroup", form).await;
    let refused = (400, "InvalidParameterCombination".to_owned());
    assert_eq!(
        client.ec_err("ModifyUser", "UserId=u&Engine=valkey").await,
        refused,
        "its group is of redis"
    );
    let to_valkey = "UserGroupId=g&Engine=valkey";
    assert_eq!(
        client.ec_err("ModifyUserGroup", to_valkey).await,
        refused,
        "default needs no password"
    );
    let form = format!("{to_valkey}&UserIdsToRemove.member.1=default");
    let group = client.ec_ok("ModifyUserGroup", &form).await;
    assert_eq!(
        (tag(&group, "Engine"), tag(&group, "MinimumEngineVersion")),
        ("valkey".into(), "7.2".into())
    );
    until("the group is active", || async {
        tag(&client.ec_ok("DescribeUserGroups", "UserGroupId=g").await, "Status") == "active"
    })
    .await;
    assert_eq!(
        tag(&client.ec_ok("ModifyUser", "UserId=u&Engine=valkey").await, "Engine"),
        "valkey"
    );
    until("the user is active", || async {
        client.user_status("u").await == "active"
    })
    .await;
    assert_eq!(
        client.ec_err("ModifyUser", "UserId=u&NoPasswordRequired=true").await,
        refused
    );
}

#[tokio::test]
async fn a_command_that_no_node_knows_is_refused_before_a_node_could_fail_over_it() {
    let (_server, client) = virtual_server().await;
    let user =
        |access: &str| format!("UserId=u&UserName=u&Engine=redis&AccessString={access}&Passwords.member.1={OLD}");
    for access in ["on ~* +gett", "on ~* +@reads", "on ~* ~a"] {
        assert_eq!(
            client.ec_err("CreateUser", &user(access)).await,
            (400, "InvalidParameterValue".into()),
            "{access}"
        );
    }
    client.ec_ok("CreateUser", &user("on ~* +get +@read +config|get")).await;
}

#[tokio::test]
async fn an_account_has_a_thousand_users_a_hundred_groups_and_a_hundred_users_in_each() {
    let (sandbox, _clock, ctx) = in_process::sandbox(&json!({}));
    let user = |n: usize| CreateUser {
        user_id: format!("u{n}"),
        user_name: format!("u{n}"),
        engine: "redis".into(),
        access_string: "on ~* +get".into(),
        passwords: Some(vec![OLD.into()]),
        ..CreateUser::default()
    };
    // The thousandth is `default`.
    for n in 1..1_000 {
        sandbox.create_user(&ctx, user(n)).await.unwrap();
    }
    let code = |answer: Result<(), CallError>| match answer {
        Err(CallError::Api(error)) => error.code,
        other => panic!("{other:?}"),
    };
    let beyond = sandbox.create_user(&ctx, user(1_000)).await.map(drop);
    assert_eq!(code(beyond), "UserQuotaExceeded");
    let group = |n: usize, users: usize| CreateUserGroup {
        user_group_id: format!("g{n}"),
        engine: "redis".into(),
        user_ids: Some(
            ["default".to_owned()]
                .into_iter()
                .chain((1..users).map(|n| format!("u{n}")))
                .collect(),
        ),
        ..CreateUserGroup::default()
    };
    let beyond = sandbox.create_user_group(&ctx, group(1, 101)).await.map(drop);
    assert_eq!(code(beyond), "UserGroupQuotaExceeded");
    for n in 1..=100 {
        sandbox.create_user_group(&ctx, group(n, 100)).await.unwrap();
    }
    let beyond = sandbox.create_user_group(&ctx, group(101, 1)).await.map(drop);
    assert_eq!(code(beyond), "UserGroupQuotaExceeded");
    let join = ModifyUserGroup {
        user_group_id: "g1".into(),
        user_ids_to_add: Some(vec!["u500".into()]),
        ..ModifyUserGroup::default()
    };
    assert_eq!(
        code(sandbox.modify_user_group(&ctx, join).await.map(drop)),
        "InvalidParameterValue"
    );
}

#[tokio::test]
async fn who_makes_something_with_tags_must_be_allowed_to_tag_and_events_are_asked_of_everything() {
    let (_server, client) = virtual_server().await;
    let place = "arn:aws:elasticache:us-east-1:123456789012";
    let actions = [
        "elasticache:CreateUserGroup",
        "elasticache:CreateReplicationGroup",
        "elasticache:DescribeEvents",
    ];
    let statement = json!({"Effect": "Allow", "Action": actions, "Resource": format!("{place}:*")});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
    client
        .control("PUT", "settings", json!({"policies": {"default": policy}}))
        .await;
    let refused = (403, "AccessDenied".to_owned());
    for (action, form) in [
        ("CreateUserGroup", "UserGroupId=g&Engine=redis&UserIds.member.1=default"),
        (
            "CreateReplicationGroup",
            "ReplicationGroupId=rg&ReplicationGroupDescription=d",
        ),
    ] {
        let tagged = format!("{form}&Tags.Tag.1.Key=team&Tags.Tag.1.Value=orders");
        assert_eq!(client.ec_err(action, &tagged).await, refused, "{action}");
        client.ec_ok(action, form).await;
    }
    assert_eq!(client.ec_err("DescribeEvents", "").await, refused);
}
