//! ElastiCache users and groups over HTTP, without processes.

use rekeyd_sandbox::{Caches, Settings};
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn the_default_user_is_there_and_stays_as_it_is() {
    let (_server, client) = virtual_server().await;
    let user = client.ec_ok("DescribeUsers", "UserId=default").await;
    assert_eq!(tag(&user, "AccessString"), "on ~* +@all");
    let modify = format!("UserId=default&Passwords.member.1={OLD}");
    assert_eq!(
        client.ec_err("ModifyUser", &modify).await,
        (400, "InvalidParameterValue".into())
    );
    assert_eq!(client.ec_err("DeleteUser", "UserId=default").await.0, 400);
    let group = "UserGroupId=g&Engine=redis";
    assert_eq!(
        client.ec_err("CreateUserGroup", group).await,
        (400, "DefaultUserRequired".into())
    );
    let mine = format!("UserId=mine&UserName=default&Engine=redis&AccessString=off&Passwords.member.1={OLD}");
    client.ec_ok("CreateUser", &mine).await;
    let both = "UserGroupId=g&Engine=redis&UserIds.member.1=default&UserIds.member.2=mine";
    assert_eq!(
        client.ec_err("CreateUserGroup", both).await,
        (400, "DuplicateUserName".into())
    );
    client
        .ec_ok("CreateUserGroup", "UserGroupId=g&Engine=redis&UserIds.member.1=mine")
        .await;
    assert_eq!(
        client.ec_err("DeleteUser", "UserId=mine").await,
        (400, "DefaultUserAssociatedToUserGroup".into())
    );
}

#[tokio::test]
async fn unknown_things_are_404() {
    let (_server, client) = virtual_server().await;
    for (action, form, code) in [
        ("DescribeUsers", "UserId=u", "UserNotFound"),
        ("ModifyUser", "UserId=u&AccessString=on", "UserNotFound"),
        ("DescribeUserGroups", "UserGroupId=g", "UserGroupNotFound"),
        (
            "DescribeReplicationGroups",
            "ReplicationGroupId=r",
            "ReplicationGroupNotFoundFault",
        ),
        (
            "DescribeServerlessCaches",
            "ServerlessCacheName=s",
            "ServerlessCacheNotFoundFault",
        ),
    ] {
        assert_eq!(client.ec_err(action, form).await, (404, code.to_owned()), "{action}");
    }
    for action in [
        "DescribeServerlessCaches",
        "DescribeGlobalReplicationGroups",
        "DescribeCacheClusters",
    ] {
        client.ec_ok(action, "").await;
    }
}

#[tokio::test]
async fn passwords_are_checked() {
    let (_server, client) = virtual_server().await;
    let create = |passwords: &str| format!("UserId=u&UserName=u&Engine=redis&AccessString=on&{passwords}");
    for bad in [
        "Passwords.member.1=short",
        "Passwords.member.1=a,comma-is-forbidden",
        "Passwords.member.1=aaaaaaaaaaaaaaaa&Passwords.member.2=bbbbbbbbbbbbbbbb&Passwords.member.3=cccccccccccccccc",
        "",
    ] {
        let (status, code) = client.ec_err("CreateUser", &create(bad)).await;
        assert_eq!((status, code.as_str()), (400, "InvalidParameterValue"), "{bad}");
    }
    client
        .control("PUT", "settings", json!({"enforce_password_characters": false}))
        .await;
    let mode = "AuthenticationMode.Type=password&AuthenticationMode.Passwords.member.1=a,comma-is-allowed-now";
    let user = client.ec_ok("CreateUser", &create(mode)).await;
    assert_eq!(tag(&user, "PasswordCount"), "1");
}

#[tokio::test]
async fn a_user_cannot_be_modified_while_it_is_modifying() {
    let settings = Settings {
        caches: Caches::Virtual,
        detached_modifying_ms: 300,
        ..Settings::default()
    };
    let (_server, client) = start(settings).await;
    client
        .ec_ok(
            "CreateUser",
            "UserId=u&UserName=u&Engine=redis&AccessString=on&NoPasswordRequired=true",
        )
        .await;
    let modify = format!("UserId=u&Passwords.member.1={OLD}&Passwords.member.2={NEW}");
    assert_eq!(tag(&client.ec_ok("ModifyUser", &modify).await, "Status"), "modifying");
    assert_eq!(client.user_status("u").await, "modifying");
    let (status, body) = client.ec("ModifyUser", &modify).await;
    assert_eq!((status, tag(&body, "Code").as_str()), (400, "InvalidUserState"));
    assert_eq!(
        tag(&body, "Message"),
        "User u has status modifying. Only active users can be modified."
    );
    until("the user is active", || async {
        client.user_status("u").await == "active"
    })
    .await;
    let user = client.ec_ok("DescribeUsers", "UserId=u").await;
    assert_eq!(tag(&user, "PasswordCount"), "2");
}

#[tokio::test]
async fn a_stale_status_can_be_asked_for() {
    let settings = Settings {
        caches: Caches::Virtual,
        detached_modifying_ms: 600,
        stale_active_ms: 250,
        ..Settings::default()
    };
    let (_server, client) = start(settings).await;
    client
        .ec_ok(
            "CreateUser",
            &format!("UserId=u&UserName=u&Engine=redis&AccessString=on&Passwords.member.1={OLD}"),
        )
        .await;
    client
        .ec_ok(
            "ModifyUser",
            &format!("UserId=u&Passwords.member.1={OLD}&Passwords.member.2={NEW}"),
        )
        .await;
    let user = client.ec_ok("DescribeUsers", "UserId=u").await;
    assert_eq!(
        (tag(&user, "Status"), tag(&user, "PasswordCount")),
        ("active".into(), "1".into())
    );
    until("the truth shows", || async {
        client.user_status("u").await == "modifying"
    })
    .await;
    until("the user settles", || async {
        client.user_status("u").await == "active"
    })
    .await;
}

#[tokio::test]
async fn users_come_in_pages_and_through_filters() {
    let (_server, client) = virtual_server().await;
    for n in 0..4 {
        let form = format!("UserId=u{n}&UserName=u{n}&Engine=redis&AccessString=on&NoPasswordRequired=true");
        client.ec_ok("CreateUser", &form).await;
    }
    let first = client.ec_ok("DescribeUsers", "MaxRecords=3").await;
    assert_eq!(first.matches("<UserId>").count(), 3);
    let next = format!("MaxRecords=3&Marker={}", tag(&first, "Marker"));
    let second = client.ec_ok("DescribeUsers", &next).await;
    assert_eq!(second.matches("<UserId>").count(), 2);
    assert_eq!(tag(&second, "Marker"), "");
    let filter =
        "Filters.member.1.Name=user-id&Filters.member.1.Values.member.1=u1&Filters.member.1.Values.member.2=u2";
    assert_eq!(
        client.ec_ok("DescribeUsers", filter).await.matches("<UserId>").count(),
        2
    );
}

#[tokio::test]
async fn rbac_needs_tls_and_a_known_group() {
    let (_server, client) = virtual_server().await;
    client
        .ec_ok("CreateUserGroup", "UserGroupId=g&Engine=redis&UserIds.member.1=default")
        .await;
    let form = "ReplicationGroupId=r&ReplicationGroupDescription=d&UserGroupIds.member.1=g";
    assert_eq!(
        client.ec_err("CreateReplicationGroup", form).await,
        (400, "InvalidParameterCombination".into())
    );
    client
        .ec_ok(
            "CreateReplicationGroup",
            &format!("{form}&TransitEncryptionEnabled=true"),
        )
        .await;
    client
        .ec_ok(
            "CreateReplicationGroup",
            "ReplicationGroupId=plain&ReplicationGroupDescription=d",
        )
        .await;
    let group = client.ec_ok("DescribeUserGroups", "UserGroupId=g").await;
    assert!(
        group.contains("<ReplicationGroups><member>r</member></ReplicationGroups>"),
        "{group}"
    );
}

#[tokio::test]
async fn a_reset_forgets_everything() {
    let (_server, client) = virtual_server().await;
    client
        .ec_ok(
            "CreateUser",
            "UserId=u&UserName=u&Engine=redis&AccessString=on&NoPasswordRequired=true",
        )
        .await;
    client.control("PUT", "settings", json!({"latency_ms": 1})).await;
    client.fault(json!({"operation": "*", "kind": "hang", "call": 9})).await;
    let calls = client.control("GET", "calls", Value::Null).await;
    assert_eq!(calls, json!({"elasticache.CreateUser": 1}));
    client.control("POST", "reset", Value::Null).await;
    assert_eq!(client.control("GET", "calls", Value::Null).await, json!({}));
    assert_eq!(client.control("GET", "faults", Value::Null).await, json!([]));
    assert_eq!(client.control("GET", "settings", Value::Null).await["latency_ms"], 0);
    assert_eq!(client.ec_err("DescribeUsers", "UserId=u").await.0, 404);
}

#[tokio::test]
async fn no_password_and_no_value_is_in_the_log() {
    let (_server, client) = virtual_server().await;
    let create = json!({"Name": "s", "SecretString": "value-of-the-secret", "ClientRequestToken": TOKEN_1});
    client.sm_ok("CreateSecret", create).await;
    client
        .ec_ok(
            "CreateUser",
            &format!("UserId=u&UserName=u&Engine=redis&AccessString=on&Passwords.member.1={OLD}"),
        )
        .await;
    client
        .ec_err(
            "ModifyUser",
            &format!("UserId=u&AccessString=on >{NEW}&Passwords.member.1={OLD}"),
        )
        .await;
    let log = client.control("GET", "log", Value::Null).await;
    let text = log.to_string() + &client.control("GET", "nodes", Value::Null).await.to_string();
    for word in ["value-of-the-secret", OLD, NEW] {
        assert!(!text.contains(word), "{word} is in {text}");
    }
    assert_eq!(log[0]["operation"], "CreateSecret");
    assert_eq!(log[0]["resource"], "s");
    assert_eq!((&log[0]["outcome"], &log[0]["mutated"]), (&json!("ok"), &json!(true)));
    assert_eq!(log[2]["outcome"], "InvalidParameterValue");
    assert_eq!(log[2]["mutated"], false);
}
