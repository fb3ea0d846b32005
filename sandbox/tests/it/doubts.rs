//! Each switch on both sides.

use std::collections::BTreeSet;

use rekeyd_sandbox::{Doubts, Settings, switches};
use serde_json::{Value, json};

use crate::still::{SECRET, World};
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
async fn a_finish_that_names_the_wrong_version_fails_with_either_code() {
    let world = World::with(json!({})).await;
    world.with_secret().await;
    world.put(TOKEN_2, "AWSPENDING").await;
    for code in ["InvalidParameterException", "InvalidRequestException"] {
        world.set(doubt("wrong_remove_from_code", code)).await;
        let finish = json!({
            "SecretId": SECRET, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": TOKEN_2, "MoveToVersionId": TOKEN_2,
        });
        let (status, got, _) = world.client.sm_err("UpdateSecretVersionStage", finish).await;
        assert_eq!((status, got.as_str()), (400, code));
    }
    assert_eq!(world.labels(TOKEN_1).await, json!(["AWSCURRENT"]));
}

#[tokio::test]
async fn the_pending_label_of_the_new_current_version_stays_or_is_swept() {
    for (side, left) in [
        (Value::Null, json!(["AWSCURRENT", "AWSPENDING"])),
        (json!(5_000), json!(["AWSCURRENT"])),
    ] {
        let world = World::with(doubt("pending_label_swept_after_ms", side)).await;
        world.with_secret().await;
        world.put(TOKEN_2, "AWSPENDING").await;
        world.pass(60_000);
        assert_eq!(world.labels(TOKEN_2).await, json!(["AWSPENDING"]));
        world.promote(TOKEN_1, TOKEN_2).await;
        world.pass(4_999);
        assert_eq!(world.labels(TOKEN_2).await, json!(["AWSCURRENT", "AWSPENDING"]));
        world.pass(1);
        assert_eq!(world.labels(TOKEN_2).await, left);
    }
}

#[tokio::test]
async fn a_sweep_leaves_the_next_pending_version_alone() {
    let world = World::with(doubt("pending_label_swept_after_ms", 5_000)).await;
    world.with_secret().await;
    world.put(TOKEN_2, "AWSPENDING").await;
    world.promote(TOKEN_1, TOKEN_2).await;
    world.put(TOKEN_3, "AWSPENDING").await;
    world.pass(5_000);
    assert_eq!(world.labels(TOKEN_3).await, json!(["AWSPENDING"]));
}

#[tokio::test]
async fn reads_find_labels_where_they_are_or_where_they_were() {
    for stale in [0, 1_000] {
        let world = World::with(doubt("stale_labels_ms", stale)).await;
        world.with_secret().await;
        world.put(TOKEN_2, "AWSPENDING").await;
        world.pass(1_000);
        world.promote(TOKEN_1, TOKEN_2).await;
        let current = || async {
            let get = json!({"SecretId": SECRET, "VersionStage": "AWSCURRENT"});
            let by_label = world.client.sm_ok("GetSecretValue", get).await["VersionId"].clone();
            let list = world
                .client
                .sm_ok("ListSecretVersionIds", json!({"SecretId": SECRET}))
                .await;
            let holds = |version: &&Value| {
                version["VersionStages"]
                    .as_array()
                    .unwrap()
                    .contains(&json!("AWSCURRENT"))
            };
            let listed = list["Versions"].as_array().unwrap().iter().find(holds).unwrap()["VersionId"].clone();
            let described = world.describe().await["VersionIdsToStages"]
                .as_object()
                .unwrap()
                .clone();
            let holder = described
                .iter()
                .find(|(_, labels)| labels.as_array().unwrap().contains(&json!("AWSCURRENT")));
            let described = json!(holder.unwrap().0);
            assert_eq!((&by_label, &by_label), (&listed, &described));
            by_label
        };
        let before = if stale == 0 { TOKEN_2 } else { TOKEN_1 };
        assert_eq!(current().await, before);
        // A write acts on the truth: the label is no longer where reads see it.
        let again = json!({
            "SecretId": SECRET, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": TOKEN_1, "MoveToVersionId": TOKEN_2,
        });
        assert_eq!(world.client.sm_err("UpdateSecretVersionStage", again).await.0, 400);
        world.pass(999);
        assert_eq!(current().await, before);
        world.pass(1);
        assert_eq!(current().await, TOKEN_2);
    }
}

#[tokio::test]
async fn a_pending_version_that_was_just_put_may_not_be_found_by_its_label() {
    let world = World::with(doubt("stale_labels_ms", 1_000)).await;
    world.with_secret().await;
    world.put(TOKEN_2, "AWSPENDING").await;
    let get = json!({"SecretId": SECRET, "VersionStage": "AWSPENDING"});
    let (_, code, _) = world.client.sm_err("GetSecretValue", get.clone()).await;
    assert_eq!(code, "ResourceNotFoundException");
    let by_id = json!({"SecretId": SECRET, "VersionId": TOKEN_2});
    world.client.sm_ok("GetSecretValue", by_id).await;
    // Each label move shows after its own time.
    world.pass(600);
    world.put(TOKEN_3, "AWSPENDING").await;
    world.pass(400);
    assert_eq!(
        world.client.sm_ok("GetSecretValue", get.clone()).await["VersionId"],
        TOKEN_2
    );
    world.pass(600);
    assert_eq!(world.client.sm_ok("GetSecretValue", get).await["VersionId"], TOKEN_3);
}

#[tokio::test]
async fn a_version_that_was_just_put_is_found_by_its_id_or_not() {
    for hidden in [0, 1_000] {
        let world = World::with(doubt("new_version_hidden_ms", hidden)).await;
        world.with_secret().await;
        world.pass(1_000);
        world.put(TOKEN_2, "AWSPENDING").await;
        let seen = || async {
            let get = json!({"SecretId": SECRET, "VersionId": TOKEN_2});
            let (status, body) = world.client.sm("GetSecretValue", get).await;
            assert!(status == 200 || body["__type"] == "ResourceNotFoundException", "{body}");
            let list = json!({"SecretId": SECRET, "IncludeDeprecated": true});
            let list = world.client.sm_ok("ListSecretVersionIds", list).await;
            let listed = list["Versions"]
                .as_array()
                .unwrap()
                .iter()
                .any(|v| v["VersionId"] == TOKEN_2);
            let described = !world.labels(TOKEN_2).await.is_null();
            assert_eq!((status == 200, listed), (listed, described));
            listed
        };
        assert_eq!(seen().await, hidden == 0);
        world.pass(999);
        assert_eq!(seen().await, hidden == 0);
        world.pass(1);
        assert!(seen().await);
        // The same put again changes nothing, so that nothing is hidden anew.
        world.put(TOKEN_2, "AWSPENDING").await;
        assert!(seen().await);
    }
}

#[tokio::test]
async fn list_secrets_is_up_to_date_or_behind() {
    for lag in [0, 1_000] {
        let world = World::with(doubt("list_secrets_lag_ms", lag)).await;
        for name in ["kept", "deleted"] {
            world.client.sm_ok("CreateSecret", json!({"Name": name})).await;
        }
        world.pass(5_000);
        world.client.sm_ok("CreateSecret", json!({"Name": "new"})).await;
        let tags = json!([{"Key": "team", "Value": "orders"}]);
        world
            .client
            .sm_ok("TagResource", json!({"SecretId": "kept", "Tags": tags}))
            .await;
        world
            .client
            .sm_ok(
                "DeleteSecret",
                json!({"SecretId": "deleted", "ForceDeleteWithoutRecovery": true}),
            )
            .await;
        let seen = || async {
            let list = world.client.sm_ok("ListSecrets", json!({"SortOrder": "asc"})).await;
            let names = |list: &Value| -> Vec<String> {
                let list = list["SecretList"].as_array().unwrap().iter();
                let mut names: Vec<String> = list.map(|s| s["Name"].as_str().unwrap().to_owned()).collect();
                names.sort();
                names
            };
            let filter = json!({"Filters": [{"Key": "tag-value", "Values": ["orders"]}]});
            let tagged = world.client.sm_ok("ListSecrets", filter).await;
            (names(&list), names(&tagged))
        };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let truth = (owned(&["kept", "new"]), owned(&["kept"]));
        let behind = (owned(&["deleted", "kept"]), owned(&[]));
        assert_eq!(seen().await, if lag == 0 { truth.clone() } else { behind.clone() });
        world.pass(999);
        assert_eq!(seen().await, if lag == 0 { truth.clone() } else { behind });
        // Only the list is behind.
        world.client.sm_ok("DescribeSecret", json!({"SecretId": "new"})).await;
        world.pass(1);
        assert_eq!(seen().await, truth);
    }
}

#[tokio::test]
async fn a_label_move_sets_the_date_of_the_last_change_or_not() {
    let world = World::with(json!({})).await;
    world.with_secret().await;
    world.put(TOKEN_2, "AWSPENDING").await;
    let mut versions = [TOKEN_1, TOKEN_2];
    for changes in [true, false] {
        world.set(doubt("label_move_changes_last_changed_date", changes)).await;
        let before = world.describe().await["LastChangedDate"].clone();
        world.pass(1_000);
        world.promote(versions[0], versions[1]).await;
        assert_eq!(world.describe().await["LastChangedDate"] != before, changes);
        versions.reverse();
    }
}

#[tokio::test]
async fn a_label_move_sets_the_date_of_the_last_rotation_only_if_asked_to_and_rotation_is_on() {
    for (side, rotation) in [(false, true), (true, false), (true, true)] {
        let world = World::with(doubt("label_move_sets_last_rotated_date", side)).await;
        world.with_secret().await;
        if rotation {
            let rotate = json!({
                "SecretId": SECRET, "ClientRequestToken": TOKEN_3, "RotationLambdaARN": "arn:aws:lambda:x",
                "RotateImmediately": false,
            });
            world.client.sm_ok("RotateSecret", rotate).await;
        }
        world.put(TOKEN_2, "AWSPENDING").await;
        world.promote(TOKEN_1, TOKEN_2).await;
        let date = world.describe().await["LastRotatedDate"].clone();
        assert_eq!(date.is_number(), side && rotation, "{date}");
    }
}

#[tokio::test]
async fn lists_of_hours_are_taken_or_not_and_other_wrong_rules_never_are() {
    let world = World::with(json!({})).await;
    world.with_secret().await;
    let rotate = |schedule: &str, lambda: bool| {
        let mut input = json!({
            "SecretId": SECRET, "ClientRequestToken": TOKEN_2, "RotateImmediately": false,
            "RotationRules": {"ScheduleExpression": schedule},
        });
        if lambda {
            input["RotationLambdaARN"] = json!("arn:aws:lambda:x");
        }
        world.client.sm("RotateSecret", input)
    };
    for lists in [true, false] {
        world.set(doubt("cron_hour_lists", lists)).await;
        let (status, body) = rotate("cron(0 8,20 * * ? *)", true).await;
        assert_eq!(status == 200, lists, "{body}");
        assert_eq!(rotate("cron(0 8 * * ? *)", true).await.0, 200);
        let (_, body) = rotate("cron(30 8 * * ? *)", true).await;
        assert_eq!(body["__type"], "InvalidParameterException");
    }
    let other = json!({"Name": "without-lambda", "SecretString": "x", "ClientRequestToken": TOKEN_1});
    world.client.sm_ok("CreateSecret", other).await;
    for (schedule, code) in [
        ("rate(1 hour)", "InvalidParameterException"),
        ("rate(1 day)", "InvalidRequestException"),
    ] {
        let input = json!({
            "SecretId": "without-lambda", "ClientRequestToken": TOKEN_2,
            "RotationRules": {"ScheduleExpression": schedule},
        });
        assert_eq!(world.client.sm_err("RotateSecret", input).await.1, code);
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
