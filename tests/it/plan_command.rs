//! `rekeyd plan`: what it says of secrets and users that are broken, each in its own way; that it changes nothing; and
//! that the daemon then does what it said.
//!
//! What it says is kept in `plan_command/golden`, volatile parts masked. `UPDATE_GOLDEN=1 cargo test -p rekeyd --test it
//! plan_command` writes it anew, for somebody to read.

mod broken;
mod certificates;
mod golden;

use std::collections::BTreeMap;

use rekeyd::rotation::status::{Phase, SecretStatus};
use serde_json::Value;

use crate::support::cli::Ended;
use crate::support::daemon::{Setup, delete_store};
use crate::support::world::{document, document_with, quick, secret_name};
use crate::support::{Fault, FaultKind, OLD, OTHER, Policy, Scene, World, eventually};

use broken::Broken;

/// A set-up whose policy `orders` has these users.
fn setup<'a>(world: &'a World, users: &[&str]) -> Setup<'a> {
    world.daemon("planner").policy(Policy::new("orders", users))
}

/// What a plan says of each secret, by its name.
fn by_name(ended: &Ended) -> BTreeMap<String, Value> {
    let json = ended.json();
    let secrets = json["secrets"].as_array().expect("secrets").clone();
    let name = |secret: &Value| secret["secret"].as_str().unwrap_or("select").to_owned();
    secrets.into_iter().map(|secret| (name(&secret), secret)).collect()
}

fn check<'a>(secret: &'a Value, name: &str) -> &'a Value {
    let checks = secret["checks"].as_array().expect("checks");
    let found = checks.iter().find(|check| check["check"] == name);
    found.unwrap_or_else(|| panic!("no check {name}: {secret:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_secret_is_refused_in_words_and_the_daemon_then_halts_for_the_same_reason() {
    let world = World::start().await;
    let broken = Broken::make(&world).await;

    let resting = broken.configure(world.daemon("planner"), "\"1000d\"");
    let told = resting.cli(&["plan"]).await.with(0);
    golden::compare("broken.txt", &told.stdout, world.dir.path());
    assert_eq!(
        told.stdout.lines().filter(|line| line.chars().count() > 80).count(),
        broken.long_lines(&told.stdout)
    );
    for password in [OLD, OTHER] {
        assert!(
            !told.stdout.contains(password) && !told.stderr.contains(password),
            "shows a password"
        );
    }
    let refused = resting.cli(&["plan", "--exit-code"]).await;
    assert_eq!(refused.code, Some(13));

    // Everything is due.
    let due = broken.configure(world.daemon("due"), "\"1s\"");
    let json = due.cli(&["plan", "--json"]).await.with(0);
    let rests = resting.cli(&["plan", "--json"]).await.with(0);
    let shape = golden::shape(&serde_json::json!([rests.json(), json.json()]));
    golden::compare("shape.txt", &shape, world.dir.path());
    let planned = by_name(&json);
    for (outcome, wanted) in [("refused", &broken.reasons), ("warning", &broken.warnings)] {
        for (secret, reason) in wanted {
            assert_told(&planned[secret], outcome, reason);
        }
    }
    for daemon in ["planner", "due"] {
        world.assert_only_reads(daemon);
    }
    let daemon = due.run().await;
    eventually("the daemon does what was planned", || async {
        let statuses = daemon.statuses().await?;
        let wrong: Vec<String> = planned
            .iter()
            .filter_map(|(secret, outlook)| {
                let is_it = |status: &&SecretStatus| status.secret == *secret && outlook["policy"] == *status.policy;
                let Some(status) = statuses.iter().find(is_it) else {
                    return Some(format!("{secret}: not listed"));
                };
                (!agrees(outlook, status)).then(|| {
                    let (phase, reason) = (status.phase, &status.reason);
                    format!(
                        "{secret}: planned {}, {phase:?} {reason:?} {:?}",
                        outlook["verdict"], status.detail
                    )
                })
            })
            .collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong.join("\n")),
        }
    })
    .await;
}

/// Asserts that a secret's worst check has this outcome, and that one with it gives that reason and says what to do.
fn assert_told(outlook: &Value, outcome: &str, reason: &str) {
    let mut checks = outlook["checks"].as_array().expect("checks").iter();
    let told = checks.find(|check| check["outcome"] == outcome && check["reason"] == reason);
    let advised = told.is_some_and(|check| check["advice"].is_string());
    assert!(outlook["outcome"] == outcome && advised, "{reason}: {outlook:#}");
}

/// Whether the daemon did what a plan said it would.
fn agrees(outlook: &Value, status: &SecretStatus) -> bool {
    let verdict = &outlook["verdict"];
    let reason = verdict["reason"].as_str();
    match verdict["kind"].as_str() {
        Some("halt") => status.phase == Phase::Halted && status.reason.as_deref() == reason,
        Some("wait") => status.reason.as_deref() == reason,
        Some("act") => status.proof.is_some() && status.phase != Phase::Halted && status.reason.is_none(),
        Some("rest") => matches!(status.phase, Phase::Idle | Phase::Overlap | Phase::Paused),
        Some("retry") => status.phase == Phase::NeedsAttention && status.reason.as_deref() == reason,
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_is_named_with_its_action_and_resource_and_the_exit_code_tells_that_little_was_seen() {
    let world = World::of(&["user1", "user2"]).await;
    for user in ["user1", "user2"] {
        world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    let setup = setup(&world, &["user1", "user2"]);
    let refusal = |operation: &str, code: &str, message: &str| {
        let mut fault = Fault::next(operation, FaultKind::Code);
        fault.times = 0;
        fault.code = Some(code.to_owned());
        fault.message = Some(message.to_owned());
        fault.status = Some(400);
        fault
    };
    let denied = |operation: &str| {
        let words = format!("User: arn:aws:iam::123456789012:role/rekeyd is not authorized to perform: {operation}");
        refusal(operation, "AccessDeniedException", &words)
    };
    let mut text = String::new();
    for (name, fault, exit) in [
        ("DescribeSecret denied", denied("DescribeSecret"), 1),
        (
            "GetSecretValue denied for one",
            denied("GetSecretValue").on(&secret_name("user2")),
            3,
        ),
        ("DescribeUsers denied", denied("DescribeUsers"), 1),
        ("DescribeUserGroups denied", denied("DescribeUserGroups"), 1),
        (
            "DescribeReplicationGroups denied",
            denied("DescribeReplicationGroups"),
            1,
        ),
        (
            "the key cannot be used",
            refusal(
                "GetSecretValue",
                "AccessDeniedException",
                "Access to KMS is not allowed",
            )
            .on(&secret_name("user2")),
            3,
        ),
        (
            "the key is disabled",
            refusal(
                "GetSecretValue",
                "DecryptionFailure",
                "Secrets Manager can't decrypt the secret value",
            )
            .on(&secret_name("user2")),
            3,
        ),
        (
            "no credentials",
            refusal("*", "UnrecognizedClientException", "The security token is invalid."),
            1,
        ),
        (
            "AWS is down",
            refusal("DescribeUsers", "InternalFailure", "try again"),
            1,
        ),
    ] {
        world.faults(vec![fault]);
        let told = setup.cli(&["plan"]).await.with(exit);
        text += &format!("== {name}\n\n{}\n", told.stdout);
        world.faults(Vec::new());
    }
    golden::compare("denied.txt", &text, world.dir.path());
    world.assert_only_reads("planner");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_told_with_its_steps_and_dates_and_by_the_exit_code() {
    let users = ["due", "first", "fine", "paused"];
    let world = World::of(&["due", "fine", "paused"]).await;
    world.create_inactive_user("first").await;
    for user in ["due", "fine", "paused"] {
        world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    world.create_secret(&secret_name("first"), &document("first")).await;
    let in_berlin = |policy: Policy| policy.with("timezone", "\"Europe/Berlin\"");
    let yearly = in_berlin(Policy::new("yearly", &["fine"]).with("schedule", "\"cron(0 8 1 1 ? *)\""));
    let setup = world
        .daemon("planner")
        .policy(
            Policy::new("due", &["due"])
                .with("schedule", "\"1s\"")
                .with("overlap", "\"until-next-rotation\""),
        )
        .policy(Policy::new("first", &["first"]))
        .policy(yearly)
        .policy(
            Policy::new("paused", &["paused"])
                .with("schedule", "\"1s\"")
                .with("paused", "true"),
        );
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let told = setup.cli(&["plan"]).await.with(0);
    golden::compare("work.txt", &told.stdout, world.dir.path());
    assert_eq!(setup.cli(&["plan", "--exit-code"]).await.code, Some(10));
    let fine = secret_name("fine");
    assert_eq!(setup.cli(&["plan", "--exit-code", &fine]).await.code, Some(0));
    let only = by_name(&setup.cli(&["plan", "--json", "--policy", "first"]).await.with(0));
    assert_eq!(only.keys().collect::<Vec<_>>(), [&secret_name("first")]);
    let unknown = setup.cli(&["plan", "nobody"]).await.with(13);
    assert!(unknown.stderr.contains("no policy has nobody"), "{}", unknown.stderr);
    let unknown = setup.cli(&["plan", "--policy", "nobody"]).await.with(13);
    assert!(unknown.stderr.contains("there are: due, first"), "{}", unknown.stderr);
    assert_eq!(
        users.len(),
        by_name(&setup.cli(&["plan", "--json"]).await.with(0)).len()
    );
    world.assert_only_reads("planner");
    assert!(!setup.state_file().exists(), "a plan makes no store");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_daemon_remembers_is_read_beside_it_and_after_it() {
    let world = World::of(&["user1", "user2"]).await;
    for user in ["user1", "user2"] {
        world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    let setup = || setup(&world, &["user1", "user2"]);
    let daemon = setup().run().await;
    let secret = secret_name("user1");
    daemon.checked(&secret).await;
    daemon.checked(&secret_name("user2")).await;
    let pause = serde_json::json!({"secrets": [secret], "reason": "a release"});
    daemon.order("pause", &pause).await;
    daemon
        .wait(&secret, "paused", |status| status.phase == Phase::Paused)
        .await;
    let told = by_name(&setup().cli(&["plan", "--json"]).await.with(0));
    assert_eq!(told[&secret]["verdict"]["phase"], "paused", "{:#}", told[&secret]);
    assert_eq!(told[&secret]["verdict"]["detail"], "a release");
    assert_eq!(told[&secret_name("user2")]["verdict"]["phase"], "idle");

    // Asked for while it is paused, and then nobody is there to do it.
    daemon.order("rotate", &serde_json::json!({"secrets": [secret]})).await;
    let told = by_name(&setup().cli(&["plan", "--json"]).await.with(0));
    assert_eq!(told[&secret]["due"]["because"], "requested", "{:#}", told[&secret]);
    assert_eq!(daemon.end("-TERM").await, Some(0));
    let ended = setup().cli(&["plan", "--json"]).await.with(0);
    let told = by_name(&ended);
    assert_eq!(told[&secret]["due"]["because"], "requested", "{:#}", told[&secret]);
    assert_eq!(told[&secret]["verdict"]["phase"], "paused");
    assert_eq!(ended.json()["store"]["records"], 2);

    // The store is as it was: the daemon goes on from it.
    let daemon = setup().run().await;
    daemon.found(&secret).await;
    daemon.order("resume", &serde_json::json!({"secrets": [secret]})).await;
    let rotated = |status: &SecretStatus| status.last_rotation_at.is_some() && !status.requested;
    daemon.wait(&secret, "rotated", rotated).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_way_is_told_with_what_is_left_of_it_with_its_store_and_without() {
    let scene = Scene::start(&[("overlap", "\"24h\""), ("schedule", "\"30d\"")]).await;
    scene.rotate_until_set().await;
    let secret = scene.secret.clone();
    let Scene { daemon, world, .. } = scene;
    let store = daemon.state_file.clone();
    daemon.kill().await;
    let policy = Policy::new("orders", &["user1"]).with("overlap", "\"24h\"");
    let plan = async || {
        let setup = world
            .daemon("rekeyd")
            .policy(policy.clone().with("schedule", "\"30d\""));
        let told = by_name(&setup.cli(&["plan", "--json"]).await.with(0));
        assert_eq!(setup.cli(&["plan", "--exit-code"]).await.code, Some(10));
        told[&secret].clone()
    };
    let steps = |told: &Value| -> Vec<String> {
        let steps = told["steps"].as_array().expect("steps").iter();
        steps
            .map(|step| step["step"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    for store_is_there in [true, false] {
        if !store_is_there {
            delete_store(&store);
        }
        let told = plan().await;
        assert_eq!(told["due"]["because"], "under_way", "{told:#}");
        assert_eq!(told["verdict"]["reason"], "node_lagging", "{told:#}");
        assert_eq!(steps(&told), ["testSecret", "finishSecret", "retire"]);
        assert_eq!(check(&told, "versions")["outcome"], "ok");
    }
    // The node learns, and the daemon promotes it: then both passwords work for a day.
    world.set_settings(quick());
    let daemon = world
        .daemon("rekeyd")
        .policy(policy.clone().with("schedule", "\"30d\""))
        .run()
        .await;
    world
        .set_passwords(
            "user1",
            &[OLD, &world.password(&secret, "AWSPENDING").await.expect("pending")],
        )
        .await;
    daemon
        .wait(&secret, "promoted", |status| status.phase == Phase::Overlap)
        .await;
    let setup = world.daemon("rekeyd").policy(policy.with("schedule", "\"30d\""));
    let told = setup.cli(&["plan", "--exit-code"]).await.with(0);
    assert!(told.stdout.contains("; both passwords work until "), "{}", told.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_that_may_not_be_listed_is_told_and_hides_no_named_secret() {
    let world = World::of(&["user1"]).await;
    world
        .create_secret(&secret_name("user1"), &document_with("user1", OLD))
        .await;
    let policy = Policy::new("orders", &["user1"]).with("select", "{ name_prefix = \"elsewhere/\" }");
    let setup = world.daemon("planner").policy(policy);
    let mut denied = Fault::next("ListSecrets", FaultKind::Code);
    (denied.times, denied.status) = (0, Some(400));
    denied.code = Some("AccessDeniedException".to_owned());
    denied.message = Some("not authorized".to_owned());
    world.faults(vec![denied]);
    let told = setup.cli(&["plan"]).await.with(3).stdout;
    assert!(told.contains("everything that policy orders selects\n"), "{told}");
    assert!(told.contains("allow secretsmanager:ListSecrets on *"), "{told}");
    assert!(told.contains("\nok  production/ec/user1, next "), "{told}");
    let elsewhere = setup.cli(&["plan", "elsewhere/user2"]).await.with(1);
    assert!(elsewhere.stdout.contains("ListSecrets"), "{}", elsewhere.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_policys_due_secrets_the_one_that_goes_first_is_told_and_the_others_wait_for_it() {
    let users = ["user1", "user2", "user3", "user4"];
    let world = World::of(&users).await;
    for user in users {
        let document = document_with(user, if ["user1", "user2"].contains(&user) { OTHER } else { OLD });
        world.create_secret(&secret_name(user), &document).await;
    }
    let plan = async |max_attention: &str| {
        let policy = Policy::new("orders", &users).with("schedule", "\"1s\"");
        let setup = world
            .daemon("planner")
            .policy(policy.with("max_attention", max_attention));
        by_name(&setup.cli(&["plan", "--json"]).await.with(0))
    };
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let told = plan("\"100%\"").await;
    let verdicts = told.values().filter_map(|secret| secret["verdict"]["kind"].as_str());
    assert_eq!(
        verdicts.collect::<Vec<_>>(),
        ["halt", "halt", "act", "rest"],
        "{told:#?}"
    );
    let detail = |told: &BTreeMap<String, Value>, user: &str| {
        let detail = told[&secret_name(user)]["verdict"]["detail"].as_str();
        detail.unwrap_or_default().to_owned()
    };
    let waits = detail(&told, "user4");
    assert!(waits.contains("waits for the proof of production/ec/user3"), "{waits}");
    let reason = &check(&told[&secret_name("user1")], "login")["reason"];
    assert_eq!(reason, "current_password_refused");

    // Two in trouble are too many where one may be.
    let told = plan("1").await;
    for user in ["user3", "user4"] {
        let waits = detail(&told, user);
        assert!(waits.contains("max_attention"), "{user}: {waits}");
    }
}
