//! The switches of Secrets Manager, each on both sides.

use serde_json::{Value, json};

use super::doubt;
use crate::still::{SECRET, World};
use crate::support::*;

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
