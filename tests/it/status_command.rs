//! `rekeyd status`: the answer to "is all well?", on a screen, in a pipe, and without a daemon.

use std::path::Path;

use rekeyd::rotation::status::Phase;
use serde_json::Value;

use crate::support::cli::Ended;
use crate::support::daemon::{Setup, delete_store};
use crate::support::shape::{assert_shape, columns};
use crate::support::status::idle_and_retired;
use crate::support::world::{document_with, secret_name};
use crate::support::{OLD, Policy, World};

/// `user1` is well, `user2` is halted because its policy does not allow it, `user3` is of another policy.
fn setup(world: &World) -> Setup<'_> {
    let orders = Policy::new("orders", &["user1", "user2"]).with("allow_users", "[\"user1\"]");
    world
        .daemon("rekeyd")
        .policy(orders)
        .policy(Policy::new("payments", &["user3"]))
}

async fn world() -> World {
    let users = ["user1", "user2", "user3"];
    let world = World::of(&users).await;
    for user in users {
        world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    world
}

/// What a command says to a terminal of so many columns.
pub async fn on_terminal(setup: &Setup<'_>, wide: usize, args: &[&str]) -> String {
    on(setup, "xterm", wide, args).await
}

async fn on(setup: &Setup<'_>, terminal: &str, wide: usize, args: &[&str]) -> String {
    let command = setup.command(args);
    let command = command.as_std();
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let mut script = tokio::process::Command::new("script");
    script
        .args(["--quiet", "--return", "--command"])
        .arg(format!("stty cols {wide}; exec {}", words.join(" ")))
        .arg("/dev/null")
        .env_clear()
        .env("TERM", terminal)
        .env("PATH", "/usr/bin:/bin");
    let said = crate::support::cli::ended(script).await.with(0);
    said.stdout.replace('\r', "")
}

pub fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

fn first_line(ended: &Ended) -> &str {
    ended.stdout.lines().next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn status_answers_first_whether_all_is_well_and_then_tells_what_each_secret_waits_for() {
    let world = world().await;
    let daemon = setup(&world).run().await;
    let cli = setup(&world);
    let (good, bad, other) = (secret_name("user1"), secret_name("user2"), secret_name("user3"));
    daemon.checked(&good).await;
    daemon.checked(&other).await;
    daemon.wait_reason(&bad, Phase::Halted, "user_not_allowed").await;

    // In a pipe: a line each, nothing cut, what needs a person first.
    let piped = cli.cli(&["status"]).await.with(0);
    assert!(
        first_line(&piped).starts_with("1 of 3 secrets needs a person: 1 halted"),
        "{}",
        piped.stdout
    );
    let lines: Vec<&str> = piped.stdout.lines().skip(2).collect();
    assert_eq!(lines.len(), 3, "{}", piped.stdout);
    assert!(
        lines[0].starts_with(&bad) && lines[0].contains("somebody to mend it: user_not_allowed: "),
        "{}",
        lines[0]
    );
    assert!(lines[0].len() > 120, "nothing is cut: {}", lines[0]);
    assert!(
        lines[1].starts_with(&good) && lines[1].contains("its next rotation, "),
        "{}",
        lines[1]
    );

    // Filters, and the verdict is about what was asked for.
    let payments = cli.cli(&["status", "--policy", "payments"]).await.with(0);
    assert!(
        first_line(&payments).starts_with("All is well: 1 secret; 1 proven, next rotation "),
        "{}",
        payments.stdout
    );
    assert!(!payments.stdout.contains(&good));
    let attention = cli.cli(&["status", "--attention"]).await.with(0);
    assert!(
        attention.stdout.contains(&bad) && !attention.stdout.contains(&good),
        "{}",
        attention.stdout
    );
    assert!(first_line(&attention).starts_with("1 of 3"), "{}", attention.stdout);
    let refused = cli.cli(&["status", "--policy", "nine"]).await.with(13);
    assert!(refused.stderr.contains("\"nine\""), "{}", refused.stderr);
    for line in [
        ["status", "nobody"],
        ["history", "nobody"],
        ["plan", "nobody"],
        ["rotate", "nobody"],
        ["pause", "nobody"],
        ["rollback", "nobody"],
    ] {
        let refused = cli.cli(&line).await.with(13);
        assert!(refused.stderr.contains("nobody"), "{line:?}: {}", refused.stderr);
    }

    // On a terminal: within its columns, whole words, colour; not where NO_COLOR or TERM=dumb stand.
    for wide in [80, 60] {
        let screen = on_terminal(&cli, wide, &["status"]).await;
        let text = plain(&screen);
        for line in text.lines() {
            assert!(
                columns(line) <= wide,
                "{wide}: {} columns: {line:?}\n{text}",
                columns(line)
            );
        }
        assert!(
            screen.contains("\u{1b}[31m") && text.contains("user_not_allowed") && text.contains(&good),
            "{text}"
        );
        let words: Vec<&str> = text.split_whitespace().collect();
        let told = words.join(" ");
        assert!(
            told.contains("The policy's allow_users does not cover this user."),
            "{text}"
        );
    }
    let wide = on_terminal(&cli, 200, &["status"]).await;
    assert!(wide.contains("LAST ROTATION"), "{wide}");

    // Waiting for several: a bar that ends at what it counts, and lines alone where none can be drawn.
    let both = ["rotate", &good, &other, "--wait"];
    let drawn = on_terminal(&cli, 80, &both).await;
    assert!(drawn.contains("] 0 of 2") || drawn.contains("] 1 of 2"), "{drawn}");
    let dumb = on(&cli, "dumb", 80, &both).await;
    assert!(!dumb.contains(" of 2") && !dumb.contains('\u{1b}'), "{dumb}");
    for said in [&drawn, &dumb] {
        assert!(said.contains(&format!("{good}: done: ")), "{said}");
    }

    // One secret.
    let one = cli.cli(&["status", &bad]).await.with(0).stdout;
    for words in [
        "waits for         somebody to mend it",
        "phase             halted",
        "policy            orders",
    ] {
        assert!(one.contains(words), "{words}: {one}");
    }

    // JSON, when nothing is under way.
    for secret in [&good, &other] {
        daemon.wait(secret, "retired", idle_and_retired).await;
    }
    let json = cli.cli(&["status", "--json"]).await.with(0).json();
    assert_eq!(
        (&json["from"], &json["summary"]["halted"]),
        (&"daemon".into(), &1.into())
    );
    assert_eq!(json["secrets"].as_array().unwrap().len(), 3);
    assert_shape("status", &json);
    for command in ["rotate", "pause", "resume"] {
        let accepted = cli.cli(&[command, &good, "--json"]).await.with(0).json();
        assert_shape("accepted", &accepted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_status_and_history_tell_what_its_store_remembers_and_leave_it_as_it_is() {
    let world = world().await;
    let cli = setup(&world);
    let secret = secret_name("user1");
    let never = cli.cli(&["status"]).await.with(12);
    assert!(
        never.stdout.is_empty() && never.stderr.contains("cannot be reached"),
        "{}",
        never.stderr
    );

    let daemon = setup(&world).run().await;
    daemon.checked(&secret).await;
    daemon
        .wait_reason(&secret_name("user2"), Phase::Halted, "user_not_allowed")
        .await;
    cli.cli(&["rotate", &secret, "--wait"]).await.with(0);
    daemon
        .wait(&secret, "idle", |status| {
            status.phase == Phase::Idle && status.retired_at.is_some()
        })
        .await;
    let current = world.holder(&secret, "AWSCURRENT").await.unwrap();

    // A daemon that runs and cannot be reached: its socket is gone.
    std::fs::remove_file(&daemon.socket).unwrap();
    assert_stored(&cli, &secret, &current).await;
    // One that was killed.
    let state = daemon.state_file.clone();
    daemon.kill().await;
    assert_stored(&cli, &secret, &current).await;
    // One that ended as it should.
    let daemon = setup(&world).run().await;
    assert_eq!(daemon.end("-TERM").await, Some(0));
    let before = files(&state);
    assert_stored(&cli, &secret, &current).await;
    assert_eq!(files(&state), before, "looking leaves nothing behind");

    // A store of a newer release.
    let changed = std::process::Command::new("python3")
        .args([
            "-c",
            "import sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute('PRAGMA user_version = 99')",
        ])
        .arg(&state)
        .status()
        .unwrap();
    assert!(changed.success());
    for line in [&["status"][..], &["history"]] {
        let newer = cli.cli(line).await.with(12);
        assert!(
            newer.stderr.contains("newer release") && newer.stderr.contains("99"),
            "{}",
            newer.stderr
        );
        assert!(newer.stdout.is_empty());
    }
    delete_store(&state);
    cli.cli(&["status"]).await.with(12);
}

async fn assert_stored(cli: &Setup<'_>, secret: &str, current: &str) {
    let told = cli.cli(&["status"]).await.with(12);
    assert!(
        first_line(&told).starts_with("1 of 3 secrets needs a person"),
        "{}",
        told.stdout
    );
    assert!(
        told.stdout.contains("user_not_allowed") && told.stdout.contains(secret),
        "{}",
        told.stdout
    );
    for words in ["what the store", "last written at 20", "cannot be reached"] {
        assert!(told.stderr.contains(words), "{words}: {}", told.stderr);
    }
    let one = cli.cli(&["status", secret, "--json"]).await.with(12).json();
    assert_eq!(one["from"], "store");
    let status = &one["secrets"][0];
    assert_eq!(
        (&status["current_version"], &status["phase"]),
        (&current.into(), &"idle".into()),
        "{status:#}"
    );
    assert_eq!(
        (&status["proof"]["level"], &status["policy"]),
        (&"proven".into(), &"orders".into()),
        "{status:#}"
    );
    let written: chrono::DateTime<chrono::Utc> = one["written_at"].as_str().unwrap().parse().unwrap();
    assert!(written > "2020-01-01T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap());
    let none = cli.cli(&["status", "none"]).await.with(12);
    assert!(none.stderr.contains("knows nothing of \"none\""), "{}", none.stderr);
    let history = cli.cli(&["history", secret, "--json"]).await.with(12).json();
    assert_eq!(history["rotations"][0]["result"], "promoted", "{history:#}");
    let events: &Vec<Value> = history["events"].as_array().unwrap();
    assert!(
        events
            .iter()
            .all(|event| event["secret_arn"].as_str().unwrap().contains(secret))
    );
}

/// The names and sizes of the files beside a store.
fn files(state: &Path) -> Vec<(String, u64)> {
    let name = state.file_name().unwrap().to_string_lossy().into_owned();
    let entries = std::fs::read_dir(state.parent().unwrap()).unwrap().map(Result::unwrap);
    let mut files: Vec<(String, u64)> = entries
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                entry.metadata().unwrap().len(),
            )
        })
        .filter(|(file, _)| file.starts_with(&name))
        .collect();
    files.sort();
    files
}
