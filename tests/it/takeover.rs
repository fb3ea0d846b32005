//! `rekeyd takeover`: from a rotation function, at every step at which it may have been stopped.

use aws_sdk_secretsmanager::types::RotationRulesType;
use rekeyd::rotation::status::Phase;
use tokio::task::JoinSet;

use crate::support::cli::{Ended, ended, orders};
use crate::support::daemon::Setup;
use crate::support::world::document_with;
use crate::support::{Fault, FaultKind, OLD, OTHER, Policy, World};

const SECRET: &str = "production/ec/user1";
const LAMBDA: &str = "arn:aws:lambda:us-east-1:123456789012:function:rotate";
const PENDING: &str = "00000000-0000-4000-8000-000000000007";

/// A user in use whose secret a function rotates; nothing is pending.
async fn rotated_by_a_function() -> World {
    let world = World::of(&["user1"]).await;
    world.create_secret(SECRET, &document_with("user1", OLD)).await;
    enable(&world, false).await;
    world
}

async fn enable(world: &World, immediately: bool) {
    let rules = RotationRulesType::builder()
        .schedule_expression("rate(30 days)")
        .duration("3h")
        .build();
    let rotate = world
        .secrets
        .rotate_secret()
        .secret_id(SECRET)
        .rotation_lambda_arn(LAMBDA);
    let rotate = rotate.rotation_rules(rules).client_request_token(PENDING);
    rotate.rotate_immediately(immediately).send().await.expect("rotation");
}

/// What the function's createSecret does.
async fn put_pending(world: &World, password: &str) {
    world
        .put_version(SECRET, PENDING, &document_with("user1", password), &["AWSPENDING"])
        .await;
}

fn setup(world: &World) -> Setup<'_> {
    orders(world, &["user1"]).default_key("overlap", "\"until-next-rotation\"")
}

async fn take(world: &World, more: &[&str]) -> Ended {
    setup(world).cli(&[&["takeover", SECRET], more].concat()).await
}

async fn rotation_enabled(world: &World) -> bool {
    let secret = world
        .secrets
        .describe_secret()
        .secret_id(SECRET)
        .send()
        .await
        .expect("secret");
    secret.rotation_enabled().unwrap_or(false)
}

fn changing(world: &World) -> Vec<String> {
    let calls = world.calls_by("rekeyd");
    calls
        .into_iter()
        .filter(|call| call.mutated)
        .map(|call| call.operation)
        .collect()
}

/// Asserts that a daemon has the secret now, and can rotate it.
async fn assert_taken(world: &World) {
    assert!(!rotation_enabled(world).await);
    world.assert_current_logs_in(SECRET, "user1").await;
    let daemon = setup(world).run().await;
    daemon.checked(SECRET).await;
    let done = setup(world)
        .cli(&["rotate", SECRET, "--wait", "--timeout", "50s"])
        .await
        .with(0);
    assert!(done.stdout.contains("proven"), "{}", done.stdout);
    world.assert_current_logs_in(SECRET, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_at_rest_is_cancelled_and_its_rules_and_the_way_back_are_told() {
    let world = rotated_by_a_function().await;
    let plan = take(&world, &["--dry-run"]).await.with(0);
    assert!(plan.stdout.contains("CancelRotateSecret"), "{}", plan.stdout);
    assert_eq!(changing(&world), Vec::<String>::new());
    assert!(rotation_enabled(&world).await);

    let done = take(&world, &[]).await.with(0).stdout;
    assert!(
        done.contains("schedule = \"rate(30 days)\"\nwindow = \"3h\"\noverlap = \"until-next-rotation\""),
        "{done}"
    );
    assert!(done.contains(&format!("--rotation-lambda-arn {LAMBDA}")), "{done}");
    assert!(
        done.contains("--rotation-rules '{\"ScheduleExpression\":\"rate(30 days)\",\"Duration\":\"3h\"}'"),
        "{done}"
    );
    assert!(done.contains("has the schedule"), "its policy has another: {done}");
    assert_eq!(changing(&world), ["CancelRotateSecret"]);
    let again = take(&world, &["--json"]).await.with(0).json();
    assert_eq!(again["result"], "already_done");
    assert!(
        again["back"].as_str().is_some_and(|back| back.contains(LAMBDA)),
        "the way back is still told"
    );
    assert_eq!(changing(&world).len(), 1, "nothing is changed the second time");
    assert_taken(&world).await;
    // And back again: the daemon refuses by itself from then on.
    enable(&world, false).await;
    assert!(rotation_enabled(&world).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_stopped_before_it_made_a_password_leaves_nothing() {
    let world = rotated_by_a_function().await;
    enable(&world, true).await;
    assert_eq!(
        world.holder(SECRET, "AWSCURRENT").await.map(|id| id == PENDING),
        Some(false)
    );
    take(&world, &["--now"]).await.with(0);
    assert_eq!(changing(&world), ["CancelRotateSecret", "UpdateSecretVersionStage"]);
    assert_eq!(world.password(SECRET, "AWSCURRENT").await.as_deref(), Some(OLD));
    assert_taken(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_stopped_before_it_set_the_password_is_given_up() {
    let world = rotated_by_a_function().await;
    put_pending(&world, OTHER).await;
    let done = take(&world, &["--now", "--json"]).await.with(0);
    assert!(!done.stdout.contains(OTHER) && !done.stdout.contains(OLD));
    let steps = done.json()["steps"].to_string();
    assert!(steps.contains("every node refuses its password"), "{steps}");
    assert_eq!(world.password(SECRET, "AWSCURRENT").await.as_deref(), Some(OLD));
    assert_eq!(world.password(SECRET, "AWSPENDING").await, None);
    assert_taken(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_the_function_set_everywhere_becomes_the_current_one() {
    let world = rotated_by_a_function().await;
    put_pending(&world, OTHER).await;
    world.set_passwords("user1", &[OTHER, OLD]).await;
    take(&world, &["--now"]).await.with(0);
    assert_eq!(changing(&world), ["CancelRotateSecret", "UpdateSecretVersionStage"]);
    assert_eq!(world.holder(SECRET, "AWSCURRENT").await.as_deref(), Some(PENDING));
    assert_eq!(world.password(SECRET, "AWSPREVIOUS").await.as_deref(), Some(OLD));
    assert_eq!(world.logins("user1", OLD).await, (3, 3), "clients that have it go on");
    assert_taken(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_stopped_after_its_last_step_is_done() {
    let world = rotated_by_a_function().await;
    put_pending(&world, OTHER).await;
    world.set_passwords("user1", &[OTHER, OLD]).await;
    let first = world.holder(SECRET, "AWSCURRENT").await.unwrap();
    world.move_current(SECRET, &first, PENDING).await;
    let done = take(&world, &["--rotate", "--json"]).await.with(0);
    assert_eq!(done.json()["rotated"], true);
    assert_eq!(changing(&world)[0], "CancelRotateSecret");
    assert_ne!(world.password(SECRET, "AWSCURRENT").await.as_deref(), Some(OTHER));
    world.assert_current_logs_in(SECRET, "user1").await;
    let writes = changing(&world).len();
    take(&world, &["--rotate"]).await.with(0);
    assert_eq!(changing(&world).len(), writes, "it is not rotated a second time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_has_halted_for_the_functions_sake_rotates_when_it_is_gone() {
    let world = rotated_by_a_function().await;
    let daemon = setup(&world).run().await;
    daemon.wait_reason(SECRET, Phase::Halted, "rotation_enabled").await;
    let done = take(&world, &["--rotate", "--json"]).await.with(0);
    assert_eq!(
        (&done.json()["rotated"], &done.json()["result"]),
        (&true.into(), &"done".into())
    );
    let status = daemon.checked(SECRET).await;
    assert_eq!((status.phase, status.reason), (Phase::Overlap, None));
    world.assert_current_logs_in(SECRET, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_login_can_decide_is_left_as_it_is() {
    let world = rotated_by_a_function().await;
    put_pending(&world, OTHER).await;
    let early = take(&world, &[]).await.with(13);
    assert!(
        early.stdout.contains("may be running") && early.stdout.contains("--now"),
        "{}",
        early.stdout
    );
    // A node that does not answer, so that nobody knows what it accepts.
    let (node, address) = world.replica_2();
    world.set_running(&node, false).await;
    let silent = take(&world, &["--now"]).await.with(13);
    assert!(
        silent.stdout.contains("neither password logs in everywhere") && silent.stdout.contains(&address),
        "{}",
        silent.stdout
    );
    world.set_running(&node, true).await;
    // Neither is the user's.
    world.set_passwords("user1", &["a-third-password-of-nobody"]).await;
    let neither = take(&world, &["--now"]).await.with(13);
    assert!(neither.stdout.contains("refused by"), "{}", neither.stdout);
    world.switch("user1", false).await;
    let off = take(&world, &["--now"]).await.with(13);
    assert!(off.stdout.contains("no login can show"), "{}", off.stdout);
    assert_eq!(changing(&world), Vec::<String>::new());
    assert!(rotation_enabled(&world).await, "it is not half taken over");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_to_be_taken_over_is_refused_by_name() {
    let world = rotated_by_a_function().await;
    let bare = world.daemon("rekeyd").policy(Policy::new("others", &["user2"]));
    let uncovered = bare
        .cli(&["takeover", SECRET, "--policy", "bills"])
        .await
        .with(13)
        .stdout;
    for lines in [
        "no policy has secret",
        "[policy.bills]",
        "schedule = \"rate(30 days)\"",
        "allow_users = [\"user1\"]",
    ] {
        assert!(uncovered.contains(lines), "{lines}: {uncovered}");
    }
    let unknown = setup(&world).cli(&["takeover", "no/such/secret"]).await.with(13);
    for words in ["no place has a secret", "list-secrets", "[aws.NAME]"] {
        assert!(unknown.stderr.contains(words), "{words}: {}", unknown.stderr);
    }
    let nobodys = document_with("user9", OLD);
    world
        .put_version(SECRET, "00000000-0000-4000-8000-000000000009", &nobodys, &[])
        .await;
    let gone = world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &["user1"]).with("allow_users", "[\"*\"]"));
    let gone = gone.cli(&["takeover", SECRET]).await.with(13);
    assert!(
        gone.stdout.contains("names user user9, which does not exist"),
        "{}",
        gone.stdout
    );
    let owned = rekeyd_sandbox::Seed {
        secret: Some(SECRET.to_owned()),
        owning_service: Some("rds".to_owned()),
        ..rekeyd_sandbox::Seed::default()
    };
    world.sandbox.sandbox().seed(owned).expect("seeded");
    let owned = take(&world, &[]).await.with(13);
    assert!(owned.stdout.contains("managed by rds"), "{}", owned.stdout);
    assert_eq!(changing(&world), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_no_function_rotated_is_sent_to_onboard() {
    let world = World::of(&["user1"]).await;
    world.create_secret(SECRET, &document_with("user1", OLD)).await;
    let covered = take(&world, &[]).await.with(13).stdout;
    assert!(
        covered.contains("never had a rotation function") && covered.contains("Policy orders has it already"),
        "{covered}"
    );
    assert!(
        !covered.contains("30d") && !covered.contains("the function left"),
        "{covered}"
    );
    let bare = world.daemon("rekeyd").policy(Policy::new("others", &["user2"]));
    let uncovered = bare.cli(&["takeover", SECRET]).await.with(13).stdout;
    assert!(
        uncovered.contains("nothing to take over") && uncovered.contains("rekeyd onboard"),
        "{uncovered}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_there_is_told_what_to_set_in_it_and_never_printed_a_second_time() {
    let world = rotated_by_a_function().await;
    let others = world.daemon("rekeyd").policy(Policy::new("others", &["user2"]));
    let told = others.cli(&["takeover", SECRET, "--policy", "others"]).await.with(13);
    for words in [
        "set this in [policy.others], which is there already",
        "secrets = [\"production/ec/user1\", \"production/ec/user2\"]",
        "allow_users = [\"user1\", \"user2\"]",
        "others has the schedule",
    ] {
        assert!(told.stdout.contains(words), "{words}: {}", told.stdout);
    }
    assert!(!told.stdout.contains("\n[policy.others]"), "{}", told.stdout);
    // The name that it would take by itself is another secret's policy.
    let taken = world.daemon("rekeyd").policy(Policy::new("user1", &["user2"]));
    let told = taken.cli(&["takeover", SECRET]).await.with(13);
    assert!(told.stdout.contains("[policy.user1_2]"), "{}", told.stdout);
    let bad = others.cli(&["takeover", SECRET, "--policy", "Bad Name"]).await.with(2);
    assert!(bad.stderr.contains("is no name for a new policy"), "{}", bad.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_another_secret_names_is_not_taken_over_a_second_time() {
    let world = rotated_by_a_function().await;
    world
        .create_secret("production/ec/user2", &document_with("user1", OLD))
        .await;
    let both = || orders(&world, &["user1", "user2"]);
    let refused = both().cli(&["takeover", SECRET]).await.with(13).stdout;
    for words in [
        "names user user1, and so does secret production/ec/user2",
        "user_claimed_twice",
    ] {
        assert!(refused.contains(words), "{words}: {refused}");
    }
    assert!(rotation_enabled(&world).await);
    assert_eq!(changing(&world), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_the_next_run_ends_the_same() {
    let mut runs = JoinSet::new();
    for (call, kind) in [
        (1, FaultKind::HoldReply),
        (1, FaultKind::Hang),
        (2, FaultKind::HoldReply),
        (2, FaultKind::Hang),
    ] {
        runs.spawn(killed_at(call, kind));
    }
    runs.join_all().await;
}

async fn killed_at(call: u64, kind: FaultKind) {
    let world = rotated_by_a_function().await;
    put_pending(&world, OTHER).await;
    world.set_passwords("user1", &[OTHER, OLD]).await;
    world.faults(vec![Fault::next("mutations", kind).at_call(call)]);
    let mut child = setup(&world)
        .command(&["takeover", SECRET, "--now"])
        .spawn()
        .expect("rekeyd starts");
    world.fault_fired().await;
    child.kill().await.expect("killed");
    world.end_faults();
    take(&world, &["--now"]).await.with(0);
    assert!(!rotation_enabled(&world).await, "{kind:?} {call}");
    assert_eq!(
        world.holder(SECRET, "AWSCURRENT").await.as_deref(),
        Some(PENDING),
        "{kind:?} {call}"
    );
    world.assert_current_logs_in(SECRET, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_is_looked_after_and_nothing_is_done_twice() {
    let world = rotated_by_a_function().await;
    put_pending(&world, OTHER).await;
    let lost = ["CancelRotateSecret", "UpdateSecretVersionStage"].map(|call| Fault::next(call, FaultKind::ReplyLost));
    world.faults(lost.into());
    ended(setup(&world).command(&["takeover", SECRET, "--now"]))
        .await
        .with(0);
    assert_eq!(world.fired(), [1, 1]);
    assert_eq!(changing(&world).len(), 2, "nothing is done twice");
}
