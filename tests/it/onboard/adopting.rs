//! Around what exists.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::AsyncWriteExt;

use crate::support::world::{document_with, user_arn};
use crate::support::{OLD, OTHER, Policy, World};

use super::{changes, changing, one};

const ADOPT: [&str; 7] = [
    "onboard",
    "--policy",
    "orders",
    "--user-id",
    "user1",
    "--secret",
    "production/ec/user1",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&ADOPT[..], more].concat()
}

fn password_file(world: &World, password: &str) -> String {
    let path = world.path("password");
    std::fs::write(&path, format!("{password}\n")).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_known_goes_on_logging_in_through_the_first_rotation() {
    let world = Arc::new(World::of(&["user1"]).await);
    let ended = Arc::new(AtomicBool::new(false));
    let (client, over) = (world.clone(), ended.clone());
    let clients = tokio::spawn(async move {
        let mut logins = 0;
        while !over.load(Ordering::SeqCst) {
            assert_eq!(client.logins("user1", OLD).await, (3, 3), "a client was cut off");
            logins += 1;
        }
        logins
    });
    let file = password_file(&world, OLD);
    let setup = || one(&world).default_key("overlap", "\"24h\"");
    let done = setup().cli(&with(&["--password-file", &file, "--json"])).await.with(0);
    ended.store(true, Ordering::SeqCst);
    assert!(clients.await.unwrap() > 0);
    assert_eq!(done.json()["users"][0]["proof"], "proven");
    assert!(!done.stdout.contains(OLD) && !done.stderr.contains(OLD));
    let secret = "production/ec/user1";
    assert_eq!(world.password(secret, "AWSPREVIOUS").await.as_deref(), Some(OLD));
    assert_ne!(world.password(secret, "AWSCURRENT").await.as_deref(), Some(OLD));
    world.assert_current_logs_in(secret, "user1").await;

    let before = changes(&world);
    for line in [with(&["--password-file", &file]), ADOPT.to_vec()] {
        let again = setup().cli(&line).await.with(0);
        assert!(again.stdout.contains("already done"), "{}", again.stdout);
    }
    assert_eq!(changes(&world), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_wrong_or_makes_no_sense_is_refused_and_not_repeated() {
    let world = World::of(&["user1"]).await;
    let before = changes(&world);
    let file = password_file(&world, OTHER);
    let refused = one(&world).cli(&with(&["--password-file", &file])).await.with(13);
    assert!(refused.stdout.contains("is refused by"), "{}", refused.stdout);
    let short = password_file(&world, "short");
    let usage = one(&world).cli(&with(&["--password-file", &short])).await.with(2);
    assert!(usage.stderr.contains("holds 5 characters"), "{}", usage.stderr);
    world.set_passwords("user1", &[OLD, OTHER]).await;
    let before = before + 1;
    let file = password_file(&world, OLD);
    let refused = one(&world).cli(&with(&["--password-file", &file])).await.with(13);
    assert!(refused.stdout.contains("has 2 passwords"), "{}", refused.stdout);
    for said in [refused.stdout, refused.stderr, usage.stderr] {
        assert!(!said.contains(OLD) && !said.contains(OTHER));
    }
    assert_eq!(changes(&world), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_comes_over_standard_input_too() {
    let world = World::of(&["user1"]).await;
    let mut command = one(&world).command(&with(&["--password-file", "-", "--dry-run"]));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(OLD.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("with the password that you gave") && !said.contains(OLD),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_its_own_secret_are_adopted_as_they_are() {
    let world = World::of(&["user1"]).await;
    world
        .create_secret("production/ec/user1", &document_with("user1", OLD))
        .await;
    let done = one(&world)
        .cli(&with(&["--tag", "team=orders", "--json"]))
        .await
        .with(0);
    assert_eq!(done.json()["users"][0]["proof"], "proven");
    assert_eq!(
        changing(&world),
        ["TagResource"],
        "it has a password, so the schedule decides"
    );
    assert_eq!(
        world.password("production/ec/user1", "AWSCURRENT").await.as_deref(),
        Some(OLD)
    );
    world.set_passwords("user1", &[OTHER]).await;
    let broken = one(&world).cli(&ADOPT).await.with(1);
    assert!(
        broken.stdout.contains("does not log in everywhere"),
        "{}",
        broken.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bond_is_written_only_when_asked_for_and_beside_what_the_secret_holds() {
    let world = World::of(&["user1"]).await;
    let secret = "production/ec/user1";
    let text = format!("{{\"host\": \"cache\", \"password\": {OLD:?}}}");
    world.create_secret(secret, &text).await;
    one(&world).cli(&ADOPT).await.with(13);
    let setup = || world.daemon("rekeyd").policy(Policy::new("orders", &["user1"]));
    setup().cli(&with(&["--write-bond"])).await.with(0);
    let value = world.secrets.get_secret_value().secret_id(secret).send().await.unwrap();
    let document: serde_json::Value = serde_json::from_str(value.secret_string().unwrap()).unwrap();
    assert_eq!(document["host"], "cache");
    assert_eq!(document["username"], "user1");
    assert_eq!(document["user_arn"], user_arn("user1"));
    assert_ne!(document["password"], OLD, "rotated once");
    world.assert_current_logs_in(secret, "user1").await;
    let before = changes(&world);
    setup().cli(&with(&["--write-bond"])).await.with(0);
    assert_eq!(changes(&world), before);
}
