//! docs/live-check.sh, which accepts rekeyd in an account, against the sandbox.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::cli::{Ended, ended_within};
use crate::support::faults::refusal;
use crate::support::world::{GROUP, document_with, secret_name};
use crate::support::{OLD, World, eventually, pages, python};

/// What the script calls everything that it makes.
const MARK: &str = "rekeyd-live-check";

/// How long one run may take: most of it is the start of `aws`, some forty times.
const PATIENCE: Duration = Duration::from_secs(300);

/// The account of somebody who has a cache with a user already.
async fn account() -> World {
    let world = World::of(&["user1"]).await;
    world
        .create_secret(&secret_name("user1"), &document_with("user1", OLD))
        .await;
    let times = format!(
        "[defaults]\nsettle = \"300ms\"\nretry = {{ initial = \"100ms\", max = \"1s\", jitter = 0.2 }}\n\
         tls = {{ ca_file = {:?} }}\n",
        world.ca_file()
    );
    std::fs::write(world.path("quick.toml"), times).unwrap();
    std::fs::create_dir(world.path("tmp")).unwrap();
    world
}

fn script() -> PathBuf {
    python::workspace().join("docs/live-check.sh")
}

/// The script, to be run in an account with the real `aws`.
fn live_check(world: &World, arguments: &[&str]) -> tokio::process::Command {
    let search_path = format!("{}:{}", pages::programs().display(), python::search_path());
    let mut command = tokio::process::Command::new(script());
    command
        .args(arguments)
        .arg("--drop-in")
        .arg(world.path("quick.toml"))
        .env_clear()
        .env("PATH", search_path)
        .env("HOME", world.dir.path())
        .env("TMPDIR", world.path("tmp"))
        .env("AWS_ENDPOINT_URL", world.sandbox.url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "ACCEPTING")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// The names of everything that is in the account, and of the script's files.
async fn things(world: &World) -> BTreeSet<String> {
    let users = world.elasticache.describe_users().send().await.unwrap();
    let users = users.users().iter().map(|user| {
        let groups = user.user_group_ids().join(",");
        format!("user {} in {groups}", user.user_id().unwrap_or_default())
    });
    let secrets = world.secrets.list_secrets().send().await.unwrap();
    let secrets = secrets
        .secret_list()
        .iter()
        .map(|secret| format!("secret {}", secret.name().unwrap_or_default()));
    let files = std::fs::read_dir(world.path("tmp")).unwrap();
    let files = files.map(|file| format!("file {}", file.unwrap().file_name().to_string_lossy()));
    users.chain(secrets).chain(files).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_promise_that_it_checks_holds_and_it_leaves_nothing_behind() {
    let world = account().await;
    let before = things(&world).await;
    let done = ended_within(live_check(&world, &["--yes", "--group", GROUP]), PATIENCE)
        .await
        .with(0);
    assert!(!done.stdout.contains("FAILS"), "{}", done.stdout);
    for promise in ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8"] {
        let line = format!("holds  {promise}");
        assert!(
            done.stdout.contains(&line),
            "{promise}: {}\n{}",
            done.stdout,
            done.stderr
        );
    }
    assert!(done.stdout.contains("the new password is proven"), "{}", done.stdout);
    assert_eq!(things(&world).await, before);
    world.assert_current_logs_in(&secret_name("user1"), "user1").await;
    let [told, made] = ["It makes, tags", "made user"].map(|text| done.stdout.find(text).unwrap());
    assert!(told < made, "it says what it makes before it makes it");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_until_somebody_agrees() {
    let world = account().await;
    let before = things(&world).await;
    let Ended {
        code, stdout, stderr, ..
    } = ended_within(live_check(&world, &[]), PATIENCE).await;
    assert_eq!(code, Some(1));
    assert!(stdout.contains("ElastiCache user rekeyd-live-check-"), "{stdout}");
    assert!(stderr.contains("nothing was changed"), "{stderr}");
    assert_eq!(things(&world).await, before);
}

/// A rekeyd that says that it has done what it has not.
fn liar(world: &World) -> String {
    let path = world.path("liar");
    let real = Path::new(env!("CARGO_BIN_EXE_rekeyd"));
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *--once) exit 0 ;; *) exec {} \"$@\" ;; esac\n",
        real.display()
    );
    std::fs::write(&path, text).unwrap();
    assert!(Command::new("chmod").arg("755").arg(&path).status().unwrap().success());
    path.display().to_string()
}

/// Runs the script with a lying rekeyd until the lie is found out and the daemon runs, and kills it: the script alone.
async fn killed_in_the_middle(world: &World) {
    let log = std::fs::File::create(world.path("said")).unwrap();
    let mut command = live_check(world, &["--yes", "--rekeyd", &liar(world)]);
    let mut run = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let said = || std::fs::read_to_string(world.path("said")).unwrap();
    eventually("a lie is found out, and the daemon runs", || async {
        let daemon = std::fs::read_dir(world.path("tmp"))
            .unwrap()
            .any(|folder| folder.unwrap().path().join("pid").exists());
        match daemon && said().contains("FAILS  P1  AWSCURRENT holds a password") {
            true => Ok(()),
            false => Err(said()),
        }
    })
    .await;
    run.kill().await.unwrap();
}

async fn clean_up(world: &World) -> Ended {
    ended_within(live_check(world, &["--clean-up", "--yes"]), PATIENCE).await
}

fn is_in_a_process_table(text: &str) -> bool {
    let lines = Command::new("sh").args(["-c", "cat /proc/[0-9]*/cmdline"]).output();
    String::from_utf8_lossy(&lines.unwrap().stdout).contains(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_hold_is_told_and_what_a_kill_left_behind_is_removed_by_clean_up() {
    let world = account().await;
    // Somebody else's, by its tags.
    world.create_inactive_user("rekeyd-live-check-mine").await;
    world.create_secret("rekeyd-live-check/mine", "{}").await;
    let before = things(&world).await;
    killed_in_the_middle(&world).await;
    let left: Vec<String> = things(&world).await.difference(&before).cloned().collect();
    assert_eq!(left.len(), 3, "a user, a secret and a folder: {left:?}");
    let folder = left.iter().find_map(|thing| thing.strip_prefix("file ")).unwrap();
    assert!(is_in_a_process_table(folder), "the daemon lives on");

    world.faults(vec![
        refusal("DeleteUser", "InvalidUserState", 400),
        refusal("DeleteSecret", "AccessDeniedException", 400),
    ]);
    let denied = clean_up(&world).await.with(3);
    assert!(denied.stdout.contains("AccessDeniedException"), "{}", denied.stdout);
    assert!(denied.stdout.contains("NOT ALL WAS REMOVED"), "{}", denied.stdout);
    assert!(
        denied.stdout.contains(&format!("removed user {MARK}-")),
        "{}",
        denied.stdout
    );
    assert!(!is_in_a_process_table(folder), "the daemon is ended");
    assert_eq!(world.fired(), [1, 1], "a user that is being changed is asked for again");

    let cleaned = clean_up(&world).await.with(0);
    assert_eq!(things(&world).await, before, "{}", cleaned.stdout);
}

#[test]
fn shellcheck_has_nothing_to_say_about_it_and_warns_of_no_other_script() {
    let shellcheck = |options: &str| {
        let command = format!("shellcheck {options}");
        let checked = Command::new("bash")
            .args(["-c", &command])
            .current_dir(python::workspace())
            .output()
            .expect("bash");
        let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{command}; `make tools` installs it\n{said}");
    };
    shellcheck("docs/live-check.sh");
    shellcheck("--severity=warning scripts/*.sh tests/it/runbooks/machine.sh");
}
