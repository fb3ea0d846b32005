//! The AWS guide in one command.

use std::sync::Arc;

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::Phase;
use rekeyd_sandbox::LoginAnswer;

use super::{Burglar, ONBOARD, assert_onboarded, changes, changing, empty, one, with};
use crate::support::cli::orders;
use crate::support::world::{GROUP, document, user_arn};
use crate::support::{Policy, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn one_command_leads_from_nothing_to_a_proved_rotation_and_nobody_gets_in_before_the_password_is_set() {
    let world = Arc::new(empty().await);
    let burglar = Burglar::at(&world);
    let done = one(&world).cli(&with(&["--json"])).await.with(0);
    burglar.gives_up().await;
    assert_onboarded(&world).await;
    let user = &done.json()["users"][0];
    assert_eq!(
        (&user["result"], &user["proof"], &user["nodes"]),
        (&"done".into(), &"proven".into(), &3.into())
    );
    assert_eq!(
        changing(&world),
        [
            "CreateUser",
            "CreateSecret",
            "PutSecretValue",
            "ModifyUser",
            "UpdateSecretVersionStage",
            "ModifyUserGroup",
            "ModifyUser"
        ],
        "the access string that switches the user on comes last"
    );
    // What it made is what a daemon goes on with.
    let daemon = one(&world).run().await;
    daemon.checked("production/ec/user1").await;

    let before = changes(&world);
    let again = one(&world).cli(&with(&["--json"])).await.with(0);
    assert_eq!(again.json()["users"][0]["result"], "already_done");
    assert_eq!(again.json()["users"][0]["proof"], "proven");
    assert_eq!(changes(&world), before, "nothing is changed the second time");
    let told = one(&world).cli(&ONBOARD).await.with(0);
    assert!(told.stdout.contains("already done"), "{}", told.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_daemon_makes_the_first_rotation_whether_it_names_the_secret_or_selects_it() {
    let world = empty().await;
    let policies = || {
        let named = Policy::new("orders", &["user1"]);
        let by_tag = Policy {
            name: "others".to_owned(),
            keys: "select = { tags = { team = \"others\" } }\nallow_users = [\"user2\"]\n".to_owned(),
        };
        world.daemon("rekeyd").policy(named).policy(by_tag)
    };
    let daemon = policies().run().await;
    policies().cli(&ONBOARD).await.with(0);
    assert_onboarded(&world).await;
    let others = [
        "onboard",
        "--policy",
        "others",
        "--user-id",
        "user2",
        "--user-name",
        "name2",
        "--secret",
        "s2",
        "--tag",
        "team=others",
        "--group",
        GROUP,
        "--access-string",
        "on ~* +@all",
    ];
    let done = policies().cli(&others).await.with(0);
    assert!(done.stdout.contains("proven"), "{}", done.stdout);
    world.assert_current_logs_in("s2", "name2").await;
    let statuses = daemon.statuses().await.unwrap();
    assert_eq!(statuses.len(), 2);
    for status in statuses {
        assert!(status.proof.is_some() && status.phase == Phase::Idle, "{status:?}");
    }
    let promoted = world.count_by("rekeyd", |operation| operation == "UpdateSecretVersionStage");
    assert_eq!(promoted, 2, "each rotated once");
    daemon.checked("production/ec/user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn valkey_users_have_a_password_from_the_beginning_and_nobody_gets_in_with_another() {
    let world = Arc::new(empty().await);
    let burglar = Burglar::at(&world);
    let valkey = world
        .elasticache
        .create_user_group()
        .user_group_id("valkeys")
        .engine("valkey");
    valkey.send().await.unwrap();
    let onboard = [
        "onboard",
        "--policy",
        "orders",
        "--user-id",
        "user1",
        "--secret",
        "production/ec/user1",
        "--engine",
        "valkey",
        "--access-string",
        "on ~app:* +@read",
        "--group",
        "valkeys",
        "--json",
    ];
    let done = one(&world).cli(&onboard).await.with(0);
    burglar.gives_up().await;
    assert_eq!(
        done.json()["users"][0]["proof"],
        "unproven",
        "there is no cache behind the group"
    );
    assert_eq!(changing(&world)[..2], ["CreateSecret", "CreateUser"]);
    let user = world.user("user1").await;
    assert_eq!(
        (user.engine(), user.user_group_ids()),
        (Some("valkey"), &["valkeys".to_owned()][..])
    );
    assert_eq!(world.labels("production/ec/user1").await.len(), 2);
    one(&world).cli(&onboard).await.with(0);
    assert_eq!(world.labels("production/ec/user1").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_every_call_in_order_and_makes_none_that_changes_anything() {
    let world = empty().await;
    let before = changes(&world);
    let plan = one(&world).cli(&with(&["--dry-run"])).await.with(0);
    let calls = [
        "CreateUser",
        "CreateSecret",
        "PutSecretValue, ModifyUser, UpdateSecretVersionStage",
        "ModifyUserGroup",
        "ModifyUser user1",
    ];
    let mut rest = plan.stdout.as_str();
    for call in calls {
        let at = rest
            .find(call)
            .unwrap_or_else(|| panic!("{call} is not where it should be: {}", plan.stdout));
        rest = &rest[at..];
    }
    let plan = one(&world).cli(&with(&["--dry-run", "--json"])).await.with(0).json();
    assert_eq!(plan["users"][0]["result"], "planned");
    assert_eq!(plan["users"][0]["steps"].as_array().unwrap().len(), 5);
    assert_eq!(changes(&world), before);
    world.assert_only_reads("rekeyd");
    assert!(!world.path("rekeyd.db").exists(), "not even a store");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_aws_guide_has_begun_is_finished() {
    let world = empty().await;
    world.create_inactive_user("user1").await;
    world.create_secret("production/ec/user1", &document("user1")).await;
    let onboard = [
        "onboard",
        "--policy",
        "orders",
        "--user-id",
        "user1",
        "--secret",
        "production/ec/user1",
        "--access-string",
        "on +get ~keys*",
        "--group",
        GROUP,
    ];
    one(&world).cli(&onboard).await.with(0);
    world.assert_current_logs_in("production/ec/user1", "user1").await;
    assert_eq!(world.user("user1").await.access_string(), Some("on ~keys* -@all +get"));
    assert_eq!(world.user("user1").await.arn(), Some(user_arn("user1").as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_with_the_store_that_does_not_answer_is_named_before_anything_is_changed() {
    let world = empty().await;
    let daemon = one(&world).run().await;
    std::fs::remove_file(&daemon.socket).unwrap();
    let before = changes(&world);
    let held = one(&world).cli(&ONBOARD).await.with(11);
    let socket = daemon.socket.display().to_string();
    assert!(
        held.stderr.contains("cannot be reached") && held.stderr.contains(&socket),
        "{}",
        held.stderr
    );
    assert!(held.stderr.contains("Nothing was changed"), "{}", held.stderr);
    assert_eq!(changes(&world), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_no_node_gives_is_no_success() {
    let world = empty().await;
    let nodes = world.sandbox.sandbox().nodes();
    let setup = || orders(&world, &["user1"]).default_key("propagation_timeout", "\"2s\"");
    world.set_running(&nodes[1].id, false).await;
    let failed = setup().cli(&with(&["--json"])).await.with(1);
    let user = &failed.json()["users"][0];
    assert!(user["detail"].as_str().unwrap().contains("no answer from"), "{user}");
    world.set_running(&nodes[1].id, true).await;
    eventually("the node knows the user again", || async {
        let password = world
            .password("production/ec/user1", "AWSCURRENT")
            .await
            .ok_or("no password")?;
        match world.sandbox.sandbox().node_accepts(&nodes[1].id, "user1", &password) {
            LoginAnswer::Ok => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let done = setup().cli(&with(&["--json"])).await.with(0);
    assert_eq!(done.json()["users"][0]["result"], "already_done");
    let daemon = one(&world).run().await;
    let status = daemon.checked("production/ec/user1").await;
    assert_eq!(status.proof, Some(Proof::Proven));
}
