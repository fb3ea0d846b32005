//! Each switch on both sides.

mod secrets;

use std::collections::BTreeSet;

use rekeyd_sandbox::{Doubts, Settings, switches};
use serde_json::{Value, json};

use crate::still::World;
use crate::support::*;

fn doubt(name: &str, side: impl Into<Value>) -> Value {
    json!({"doubts": {name: side.into()}})
}

#[test]
fn every_doubt_is_a_switch_and_every_switch_changes_a_setting() {
    let all = switches();
    let named: BTreeSet<&str> = all.iter().map(|switch| switch.name).collect();
    let doubts = serde_json::to_value(Doubts::default()).unwrap();
    for field in doubts.as_object().unwrap().keys() {
        assert!(
            named.contains(format!("doubts.{field}").as_str()),
            "{field} is no switch"
        );
    }
    let settings = serde_json::to_value(Settings::default()).unwrap();
    for switch in &all {
        let pointer = format!("/{}", switch.name.replace('.', "/"));
        let usual = settings.pointer(&pointer).expect(switch.name);
        let patched = Settings::default().patched(&switch.other_side).expect(switch.name);
        let patched = serde_json::to_value(patched).unwrap();
        assert_ne!(usual, patched.pointer(&pointer).unwrap(), "{}", switch.name);
        assert!(switch.question.ends_with('?'), "{}", switch.question);
    }
    let sides: BTreeSet<String> = all.iter().map(|switch| switch.other_side.to_string()).collect();
    assert_eq!(sides.len(), all.len(), "two switches take the same side");
}

#[test]
fn the_documents_name_every_switch() {
    let readme = include_str!("../../README.md");
    let page = include_str!("../../../docs/SANDBOX.md");
    for switch in switches() {
        let row = format!("| `{}` |", switch.name);
        assert!(page.contains(&row), "docs/SANDBOX.md lacks {row}");
        let key = format!("| `{}` |", switch.name.trim_start_matches("doubts."));
        let listed = readme.contains(&key) || readme.contains(&format!("`{}`", switch.name));
        assert!(listed, "the README lacks {key}");
    }
}

#[tokio::test]
async fn another_user_of_the_group_being_modified_is_in_the_way_or_not() {
    for (side, code) in [
        ("allowed", None),
        ("refused_as_user_state", Some("InvalidUserState")),
        ("refused_as_group_state", Some("InvalidUserGroupState")),
    ] {
        let world = World::with(doubt("group_collisions", side)).await;
        world.with_users(&["v"]).await;
        assert_eq!(world.passwords("v", &[NEW]).await.0, 200);
        let (status, body) = world.passwords("u", &[NEW]).await;
        assert_eq!(
            (status, tag(&body, "Code")),
            code.map_or((200, String::new()), |code| (400, code.to_owned())),
            "{side}"
        );
        world.pass(100);
        assert_eq!(world.passwords("u", &[OLD]).await.0, 200, "{side}");
    }
}

#[tokio::test]
async fn a_group_and_its_cache_read_modifying_with_a_user_or_stay_as_they_are() {
    let world = World::with(json!({})).await;
    world.with_users(&[]).await;
    for (name, operation, quiet) in [
        ("group_modifying_with_user", "DescribeUserGroups", "active"),
        ("cache_modifying_with_user", "DescribeReplicationGroups", "available"),
    ] {
        for (on, busy) in [(false, quiet), (true, "modifying")] {
            world.set(doubt(name, on)).await;
            assert_eq!(world.passwords("u", &[NEW]).await.0, 200);
            let read = || async { tag(&world.client.ec_ok(operation, "").await, "Status") };
            assert_eq!(read().await, busy, "{name}");
            world.pass(100);
            assert_eq!(read().await, quiet, "{name}");
        }
    }
}

#[tokio::test]
async fn a_group_that_reads_modifying_cannot_be_modified() {
    let world = World::with(doubt("group_modifying_with_user", true)).await;
    world.with_users(&["v"]).await;
    world.passwords("u", &[NEW]).await;
    let leave = "UserGroupId=g&UserIdsToRemove.member.1=v";
    let refused = world.client.ec_err("ModifyUserGroup", leave).await;
    assert_eq!(refused, (400, "InvalidUserGroupState".to_owned()));
    world.pass(100);
    world.client.ec_ok("ModifyUserGroup", leave).await;
}

#[tokio::test]
async fn passwords_that_the_user_has_already_modify_it_or_do_nothing() {
    for (modify, status) in [(true, "modifying"), (false, "active")] {
        let world = World::with(doubt("unchanged_passwords_modify", modify)).await;
        world.with_users(&[]).await;
        world.passwords("u", &[OLD, NEW]).await;
        world.pass(100);
        let (_, body) = world.passwords("u", &[NEW, OLD]).await;
        assert_eq!(tag(&body, "Status"), status);
        assert_eq!(world.user("u", "Status").await, status);
        world.pass(100);
        // One fewer is a change, and so is another access string.
        let (_, body) = world.passwords("u", &[NEW]).await;
        assert_eq!(tag(&body, "Status"), "modifying");
        world.pass(100);
        let form = format!("UserId=u&Passwords.member.1={NEW}&AccessString=off");
        let body = world.client.ec_ok("ModifyUser", &form).await;
        assert_eq!(tag(&body, "Status"), "modifying");
    }
}

#[tokio::test]
async fn the_same_password_twice_is_one_or_two_or_refused() {
    let world = World::with(json!({})).await;
    world.with_users(&[]).await;
    for (side, count) in [("merged", "1"), ("counted", "2")] {
        world.set(doubt("equal_passwords", side)).await;
        assert_eq!(world.passwords("u", &[NEW, NEW]).await.0, 200);
        world.pass(100);
        assert_eq!(world.user("u", "PasswordCount").await, count);
    }
    world.set(doubt("equal_passwords", "refused")).await;
    let (status, body) = world.passwords("u", &[NEW, NEW]).await;
    assert_eq!((status, tag(&body, "Code").as_str()), (400, "InvalidParameterValue"));
}

#[tokio::test]
async fn a_missing_password_is_spelled_either_way() {
    let world = World::with(json!({})).await;
    for spelling in ["no-password", "no_password"] {
        world.set(doubt("no_password_spelling", spelling)).await;
        assert_eq!(world.user("default", "Type").await, spelling);
    }
}

#[tokio::test]
async fn the_status_follows_at_once_or_later_and_so_does_the_rest_of_a_user() {
    for (patch, seen) in [
        (json!({}), ("modifying", "2")),
        (json!({"modifying_lag_ms": 50}), ("active", "2")),
        (json!({"stale_active_ms": 50}), ("active", "1")),
    ] {
        let world = World::with(patch.clone()).await;
        world.with_users(&[]).await;
        world.passwords("u", &[OLD, NEW]).await;
        world.pass(49);
        let (status, count) = (world.user("u", "Status").await, world.user("u", "PasswordCount").await);
        assert_eq!((status.as_str(), count.as_str()), seen, "{patch}");
        world.pass(1);
        let (status, count) = (world.user("u", "Status").await, world.user("u", "PasswordCount").await);
        assert_eq!((status.as_str(), count.as_str()), ("modifying", "2"), "{patch}");
    }
}

#[tokio::test]
async fn active_means_that_every_node_has_it_or_not() {
    for (max, known) in [(600_000, true), (50, false)] {
        let world = World::with(json!({"modifying_max_ms": max})).await;
        world.with_users(&[]).await;
        world.passwords("u", &[NEW]).await;
        world.pass(if known { 100 } else { 50 });
        assert_eq!(world.user("u", "Status").await, "active");
        let nodes = world.client.control("GET", "nodes", Value::Null).await;
        assert_eq!(nodes[0]["pending"].as_array().unwrap().is_empty(), known);
    }
}

#[tokio::test]
async fn a_tag_makes_a_user_modifying_or_not() {
    let world = World::with(json!({})).await;
    world.with_users(&[]).await;
    for (ms, status) in [(0, "active"), (5_000, "modifying")] {
        world.set(json!({"tag_modifying_ms": ms})).await;
        let arn = "arn:aws:elasticache:us-east-1:123456789012:user:u";
        let form = format!("ResourceName={arn}&Tags.Tag.1.Key=k&Tags.Tag.1.Value=v");
        world.client.ec_ok("AddTagsToResource", &form).await;
        assert_eq!(world.user("u", "Status").await, status);
    }
}

/// Every switch at once, on its other side; the names are those of the table in the README.
const OTHER_SIDES: &str = r#"
caches = "virtual"
modifying_lag_ms = 1
stale_active_ms = 2
modifying_max_ms = 3
stuck_nodes_hold_modifying = true
tag_modifying_ms = 4
enforce_password_characters = false

[doubts]
unchanged_passwords_modify = false
equal_passwords = "refused"
set_auth_token = "rotated_only"
no_password_spelling = "no_password"
group_collisions = "refused_as_group_state"
group_modifying_with_user = true
cache_modifying_with_user = true
wrong_remove_from_code = "InvalidRequestException"
pending_label_swept_after_ms = 5
stale_labels_ms = 6
new_version_hidden_ms = 7
list_secrets_lag_ms = 8
label_move_changes_last_changed_date = false
label_move_sets_last_rotated_date = true
cron_hour_lists = false

[quotas]
enabled = true
secret_writes = 9
modify_user = 10
"#;

#[tokio::test]
async fn the_binary_starts_with_every_switch_on_its_other_side() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.toml");
    std::fs::write(&file, OTHER_SIDES).unwrap();
    let (_child, client) = crate::process::started(&["--settings", file.to_str().unwrap()]).await;
    let settings = client.control("GET", "settings", Value::Null).await;
    let usual = serde_json::to_value(Settings::default()).unwrap();
    for switch in switches() {
        let pointer = format!("/{}", switch.name.replace('.', "/"));
        assert_ne!(settings.pointer(&pointer), usual.pointer(&pointer), "{}", switch.name);
    }
    assert_eq!(settings["quotas"]["secret_writes"], 9);
    assert_eq!(
        tag(&client.ec_ok("DescribeUsers", "UserId=default").await, "Type"),
        "no_password"
    );
    client
        .control("PUT", "settings", doubt("no_password_spelling", "no-password"))
        .await;
    assert_eq!(
        tag(&client.ec_ok("DescribeUsers", "UserId=default").await, "Type"),
        "no-password"
    );
    client.control("POST", "reset", Value::Null).await;
    assert_eq!(
        tag(&client.ec_ok("DescribeUsers", "UserId=default").await, "Type"),
        "no_password"
    );
}
