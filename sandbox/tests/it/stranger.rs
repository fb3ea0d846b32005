//! Strangers: what they do, and that they can do it exactly between two calls.

use rekeyd_sandbox::{CallContext, Fault, STRANGER, StrangerAct, When};
use serde_json::{Value, json};

use crate::still::{SECRET, World};
use crate::support::*;

async fn scene() -> World {
    let world = World::with(json!({})).await;
    world.with_users(&[]).await;
    world.with_secret().await;
    world
}

async fn act(world: &World, kind: &str, on: &str) {
    let resource = if on == SECRET { "secret" } else { "user" };
    let act = json!({"act": {"kind": kind, resource: on}});
    world.client.control("POST", "stranger", act).await;
}

/// The version that has a label, with its password.
async fn read(world: &World, label: &str) -> Option<(String, String)> {
    let get = json!({"SecretId": SECRET, "VersionStage": label});
    let (status, body) = world.client.sm("GetSecretValue", get).await;
    let document: Value = serde_json::from_str(body["SecretString"].as_str()?).unwrap();
    assert_eq!((status, document["username"].as_str()), (200, Some("u")));
    Some((
        body["VersionId"].as_str()?.to_owned(),
        document["password"].as_str()?.to_owned(),
    ))
}

/// Whether the first node lets the user in.
fn accepts(world: &World, password: &str) -> bool {
    world.server.sandbox().node_accepts("rg-001", "u", password) == rekeyd_sandbox::LoginAnswer::Ok
}

#[tokio::test]
async fn a_person_edits_the_secret_and_forgets_the_user() {
    let world = scene().await;
    act(&world, "edit_secret", SECRET).await;
    let (_, password) = read(&world, "AWSCURRENT").await.unwrap();
    assert_eq!(
        read(&world, "AWSPREVIOUS").await,
        Some((TOKEN_1.to_owned(), OLD.to_owned()))
    );
    assert!(accepts(&world, OLD) && !accepts(&world, &password));
    assert_eq!(world.user("u", "Status").await, "active");
    let own = StrangerAct::EditSecret {
        secret: SECRET.to_owned(),
        password: Some(NEW.into()),
    };
    world.server.sandbox().stranger(&CallContext::default(), &own).unwrap();
    assert_eq!(read(&world, "AWSCURRENT").await.unwrap().1, NEW);
}

#[tokio::test]
async fn a_lambda_rotates_and_leaves_both_passwords() {
    let world = scene().await;
    world.put(TOKEN_2, "AWSPENDING").await;
    act(&world, "rotate_secret", SECRET).await;
    let (version, password) = read(&world, "AWSCURRENT").await.unwrap();
    assert_eq!(
        read(&world, "AWSPREVIOUS").await,
        Some((TOKEN_1.to_owned(), OLD.to_owned()))
    );
    assert_eq!(world.labels(&version).await, json!(["AWSCURRENT"]));
    assert!(
        world.labels(TOKEN_2).await.is_null(),
        "its own pending version took the label"
    );
    assert_eq!(world.user("u", "Status").await, "modifying");
    world.pass(100);
    assert!(accepts(&world, OLD) && accepts(&world, &password));
    assert_eq!(world.user("u", "PasswordCount").await, "2");
}

#[tokio::test]
async fn strangers_move_labels() {
    let world = scene().await;
    act(&world, "start_rotation", SECRET).await;
    let (pending, password) = read(&world, "AWSPENDING").await.unwrap();
    assert!(pending != TOKEN_1 && password != OLD);
    world.promote(TOKEN_1, &pending).await;
    act(&world, "label_back", SECRET).await;
    assert_eq!(read(&world, "AWSCURRENT").await.unwrap().0, TOKEN_1);
    assert_eq!(read(&world, "AWSPREVIOUS").await.unwrap().0, pending);
    act(&world, "strip_pending", SECRET).await;
    assert_eq!(read(&world, "AWSPENDING").await, None);
}

#[tokio::test]
async fn strangers_switch_rotation_on_and_delete_and_restore() {
    let world = scene().await;
    // In the middle of somebody's rotation, too.
    act(&world, "start_rotation", SECRET).await;
    act(&world, "enable_rotation", SECRET).await;
    let described = world.describe().await;
    assert_eq!(described["RotationEnabled"], true);
    assert!(
        described["RotationLambdaARN"]
            .as_str()
            .unwrap()
            .starts_with("arn:aws:lambda:us-east-1:123456789012:")
    );
    assert_eq!(described["VersionIdsToStages"].as_object().unwrap().len(), 2);
    act(&world, "delete_secret", SECRET).await;
    assert!(world.describe().await["DeletedDate"].is_number());
    act(&world, "restore_secret", SECRET).await;
    assert!(world.describe().await["DeletedDate"].is_null());
}

#[tokio::test]
async fn strangers_change_users_and_the_nodes_learn_as_of_any_change() {
    let world = scene().await;
    let reset = json!({"act": {"kind": "reset_password", "user": "u", "password": NEW}});
    world.client.control("POST", "stranger", reset).await;
    assert!(accepts(&world, OLD) && !accepts(&world, NEW));
    world.pass(100);
    assert!(!accepts(&world, OLD) && accepts(&world, NEW));
    act(&world, "switch_off", "u").await;
    world.pass(100);
    assert_eq!(world.user("u", "AccessString").await, "off ~* +@all");
    assert!(!accepts(&world, NEW));
    act(&world, "switch_on", "u").await;
    world.pass(100);
    assert_eq!(world.user("u", "AccessString").await, "on ~* +@all");
    act(&world, "make_nopass", "u").await;
    world.pass(100);
    assert_eq!(world.user("u", "Type").await, "no-password");
    assert!(accepts(&world, "anything"));
    act(&world, "leave_group", "u").await;
    world.pass(100);
    assert!(!accepts(&world, "anything"));
    act(&world, "delete_user", "u").await;
    world.pass(100);
    assert_eq!(world.client.ec_err("DescribeUsers", "UserId=u").await.0, 404);
}

#[tokio::test]
async fn a_stranger_strikes_between_two_calls_of_somebody_else() {
    for (when, stripped) in [("before", false), ("after", true)] {
        let world = scene().await;
        world
            .client
            .fault(json!({
                "operation": "PutSecretValue", "call": 2, "kind": "stranger", "when": when,
                "act": {"kind": "strip_pending", "secret": SECRET},
            }))
            .await;
        world.put(TOKEN_2, "AWSPENDING").await;
        assert_eq!(world.labels(TOKEN_2).await, json!(["AWSPENDING"]));
        world.put(TOKEN_3, "AWSPENDING").await;
        // Before the second put it takes the label off the first version, after it off the second.
        assert_eq!(world.labels(TOKEN_3).await.is_null(), stripped, "{when}");
        let faults = world.client.control("GET", "faults", Value::Null).await;
        assert_eq!(faults[0]["fired"], 1);
        assert_eq!(faults[0]["remaining"], 0);
    }
}

#[tokio::test]
async fn a_stranger_who_comes_first_wins_the_race_for_a_label() {
    let world = scene().await;
    world.put(TOKEN_2, "AWSPENDING").await;
    let edit = StrangerAct::EditSecret {
        secret: SECRET.to_owned(),
        password: None,
    };
    let fault = Fault::stranger("UpdateSecretVersionStage", When::Before, edit).on(SECRET);
    world.server.sandbox().set_faults(vec![fault]);
    let finish = json!({
        "SecretId": SECRET, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": TOKEN_1, "MoveToVersionId": TOKEN_2,
    });
    let (_, code, _) = world.client.sm_err("UpdateSecretVersionStage", finish).await;
    assert_eq!(code, "InvalidParameterException");
    assert_eq!(world.labels(TOKEN_1).await, json!(["AWSPREVIOUS"]));
}

#[tokio::test]
async fn a_strangers_calls_are_logged_as_a_strangers_and_not_counted() {
    let world = scene().await;
    let before = world.client.control("GET", "calls", Value::Null).await;
    act(&world, "rotate_secret", SECRET).await;
    assert_eq!(world.client.control("GET", "calls", Value::Null).await, before);
    let log = world.client.control("GET", "log", Value::Null).await;
    let calls: Vec<(&str, &str)> = log
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["access_key"] == STRANGER)
        .map(|entry| (entry["operation"].as_str().unwrap(), entry["outcome"].as_str().unwrap()))
        .collect();
    let stage = ("UpdateSecretVersionStage", "ok");
    assert_eq!(calls, [("ModifyUser", "ok"), ("PutSecretValue", "ok"), stage, stage]);
}

#[tokio::test]
async fn a_stranger_is_refused_what_anybody_would_be() {
    let world = scene().await;
    world.passwords("u", &[OLD, NEW]).await;
    let context = CallContext::default();
    let rotate = StrangerAct::RotateSecret {
        secret: SECRET.to_owned(),
    };
    let error = world.server.sandbox().stranger(&context, &rotate).unwrap_err();
    assert_eq!(error.code, "InvalidUserState");
    assert_eq!(
        read(&world, "AWSCURRENT").await.unwrap().0,
        TOKEN_1,
        "nothing has changed"
    );
    for act in [
        json!({"kind": "edit_secret", "secret": "no-such"}),
        json!({"kind": "strip_pending", "secret": SECRET}),
        json!({"kind": "label_back", "secret": SECRET}),
        json!({"kind": "leave_group", "user": "no-such"}),
        json!({"kind": "edit_secret", "secret": SECRET, "passwort": "x"}),
        json!({"kind": "no_such_act", "secret": SECRET}),
    ] {
        let body = json!({"act": act}).to_string();
        let (status, reply) = world
            .client
            .http("POST", "/_sandbox/stranger", "", &body)
            .await
            .unwrap();
        assert_eq!(status, 400, "{act}: {reply}");
    }
}

#[tokio::test]
async fn a_fault_of_this_kind_needs_an_act_and_no_other_kind_has_one() {
    let world = World::with(json!({})).await;
    let act = json!({"kind": "switch_off", "user": "u"});
    for fault in [
        json!({"operation": "*", "kind": "stranger"}),
        json!({"operation": "*", "kind": "throttle", "act": act}),
    ] {
        let body = json!([fault]).to_string();
        let (status, reply) = world.client.http("PUT", "/_sandbox/faults", "", &body).await.unwrap();
        assert_eq!(status, 400, "{reply}");
    }
}

#[tokio::test]
async fn a_stranger_acts_in_the_place_that_is_named() {
    let world = scene().await;
    let body = json!({"act": {"kind": "switch_off", "user": "u"}, "region": "eu-west-1"}).to_string();
    let (status, reply) = world
        .client
        .http("POST", "/_sandbox/stranger", "", &body)
        .await
        .unwrap();
    assert!(status == 400 && reply.contains("UserNotFound"), "{reply}");
    assert_eq!(world.user("u", "Status").await, "active");
}
