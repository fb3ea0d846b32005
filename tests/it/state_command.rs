//! `rekeyd state export` and `rekeyd state import`: all that a store remembers, taken to another by the real binary.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rekeyd::clock::Timestamp;
use rekeyd::rotation::event::Event;
use rekeyd::rotation::state::Record;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::store::Store;
use rekeyd::store::exported::Exported;
use rekeyd::store::sqlite::SqliteStore;
use serde_json::{Value, json};

use crate::stored_json::populated;
use crate::support::calls::is_read;
use crate::support::cli::{Ended, ended, orders};
use crate::support::daemon::Setup;
use crate::support::shape::assert_shape;
use crate::support::status::{idle_and_proven, rotated_to};
use crate::support::world::{document_with, late_replica, quick, secret_name};
use crate::support::{Delay, OLD, Policy, World};

const USERS: [&str; 2] = ["user1", "user2"];

/// A machine of that name, with a store of its own.
fn machine<'a>(world: &'a World, name: &str) -> Setup<'a> {
    world.daemon(name).policy(Policy::new("orders", &USERS))
}

/// All lines but the first, whose date tells one export from another.
fn content(file: &str) -> Vec<&str> {
    file.lines().skip(1).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

/// A store with all that a record and a history can tell.
async fn populated_store(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    let events: Vec<_> = (0..).map(at).zip(populated::events()).collect();
    store.save(&populated::record(), &events).await.unwrap();
    let other = Record::new("arn:of:another".to_owned(), at(0));
    store.save(&other, &[(at(1), Event::Resumed)]).await.unwrap();
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.collect()
}

/// Runs a command of which standard input is a file.
async fn fed(setup: &Setup<'_>, file: &Path, args: &[&str]) -> Ended {
    let mut command = setup.command(args);
    command.stdin(std::fs::File::open(file).unwrap());
    ended(command).await
}

/// A machine that was killed in the middle of a rotation of `user1`, with `user2` paused, and the export of its store.
async fn left_in_the_middle(world: &World) -> (PathBuf, String) {
    for user in USERS {
        world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    let daemon = machine(world, "old").run().await;
    let cli = machine(world, "old");
    for user in USERS {
        daemon.checked(&secret_name(user)).await;
    }
    let pause = ["pause", &secret_name("user2"), "--reason", "a sale"];
    cli.cli(&pause).await.with(0);
    world.set_settings(late_replica(Delay::NEVER));
    daemon.rotate(&secret_name("user1")).await;
    let held = |status: &SecretStatus| status.reason.as_deref() == Some("node_lagging");
    daemon
        .wait(&secret_name("user1"), "in the middle of its rotation", held)
        .await;
    let beside = cli.cli(&["state", "export"]).await.with(0);
    assert!(
        Exported::read(beside.stdout.as_bytes()).is_ok(),
        "beside the daemon: {}",
        beside.stdout
    );
    let file = world.path("state.jsonl");
    std::fs::write(&file, &beside.stdout).unwrap();
    let refused = cli.cli(&["state", "import", file.to_str().unwrap()]).await.with(11);
    assert!(refused.stderr.contains("holds this store"), "{}", refused.stderr);
    std::fs::remove_file(&file).unwrap();
    daemon.kill().await;

    let exported = cli
        .cli(&["state", "export", "--out", file.to_str().unwrap(), "--json"])
        .await
        .with(0);
    assert_shape("state_export", &exported.json());
    assert_eq!(
        (&exported.json()["records"], &exported.json()["left_out"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    (file, text)
}

/// The events that a machine's history tells, oldest first.
async fn events(setup: &Setup<'_>) -> Vec<Value> {
    let told = setup
        .cli(&["history", "--limit", "1000", "--json"])
        .await
        .with(0)
        .json();
    let mut events = told["events"].as_array().unwrap().clone();
    events.reverse();
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_elsewhere_goes_on_with_the_rotation_the_history_and_the_pauses() {
    let world = World::of(&USERS).await;
    let (file, text) = left_in_the_middle(&world).await;
    let versions = world.labels(&secret_name("user1")).await;
    assert_eq!(versions.len(), 2, "its rotation is under way");
    for user in USERS {
        for version in world.labels(&secret_name(user)).await.into_keys() {
            let password = world.version_password(&secret_name(user), &version).await;
            assert!(!text.contains(&password), "a password of {user} is in the export");
        }
    }

    let new = machine(&world, "new");
    let imported = new
        .cli(&["state", "import", file.to_str().unwrap(), "--json"])
        .await
        .with(0);
    assert_shape("state_import", &imported.json());
    assert_eq!(imported.json()["records"], 2);
    let again = new.cli(&["state", "export"]).await.with(0).stdout;
    assert_eq!(content(&again), content(&text));

    let pending = world.holder(&secret_name("user1"), "AWSPENDING").await.unwrap();
    world.set_settings(quick());
    let daemon = machine(&world, "new").run().await;
    daemon
        .wait(
            &secret_name("user1"),
            "rotated to the same version",
            rotated_to(&pending),
        )
        .await;
    assert_eq!(world.labels(&secret_name("user1")).await.len(), 2, "rotated once");
    world.assert_current_logs_in(&secret_name("user1"), "user1").await;
    let paused = |status: &SecretStatus| {
        let told = status.detail.as_deref().unwrap_or_default();
        status.phase == Phase::Paused && told.contains("a sale")
    };
    daemon.wait(&secret_name("user2"), "still paused", paused).await;
    assert_eq!(world.labels(&secret_name("user2")).await.len(), 1);
    let history = Exported::read(text.as_bytes()).unwrap().history;
    assert!(!history.is_empty());
    let told = events(&new).await;
    assert_eq!(told[..history.len()], *json!(history).as_array().unwrap());
    assert!(told.len() > history.len(), "and it goes on");
    daemon.kill().await;

    // The same once more, when all of it is long over: nothing is done again.
    let late = machine(&world, "late");
    fed(&late, &file, &["state", "import", "-"]).await.with(0);
    let daemon = late.run().await;
    daemon.wait(&secret_name("user1"), "at rest", idle_and_proven).await;
    daemon.wait(&secret_name("user2"), "still paused", paused).await;
    world.assert_comes_to_rest("late").await;
    assert_eq!(world.count_by("late", |operation| !is_read(operation)), 0);
    assert_eq!(
        world.holder(&secret_name("user1"), "AWSCURRENT").await.as_ref(),
        Some(&pending)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_store_can_hold_is_the_same_after_export_import_and_export() {
    let world = World::start().await;
    let log = world.path("audit.jsonl");
    let setup = |name: &str| {
        let key = format!("{:?}", world.path("audit.jsonl"));
        world
            .daemon(name)
            .policy(Policy::new("orders", &["user1"]))
            .daemon_key("audit_log", &key)
    };
    let (from, to) = (setup("from"), setup("to"));
    populated_store(&from.state_file()).await;
    let (file, again) = (world.path("state.jsonl"), world.path("again.jsonl"));
    let quiet = from
        .cli(&["state", "export", "--out", file.to_str().unwrap()])
        .await
        .with(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    assert!(!log.exists(), "an export changes nothing");
    to.cli(&["state", "import", file.to_str().unwrap()]).await.with(0);
    to.cli(&["state", "export", "--out", again.to_str().unwrap()])
        .await
        .with(0);
    let [first, second] = [&file, &again].map(|file| std::fs::read_to_string(file).unwrap());
    assert_eq!(content(&second), content(&first));
    let exported = Exported::read(first.as_bytes()).unwrap();
    assert_eq!(exported.records[0], populated::record());
    assert_eq!(exported.history.len(), populated::events().len() + 1);

    // Once announced and once told of, with who did it.
    let lines = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcomes: Vec<_> = lines.iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["begun", "done"]);
    for line in &lines {
        assert_eq!(
            (&line["change"], &line["by"], &line["request"]["records"]),
            (&json!("state import"), &json!("operator"), &json!(2)),
            "{line}"
        );
    }

    // An audit log that cannot be written forbids it.
    let key = format!("{:?}", world.path("missing/audit.jsonl"));
    let unaudited = orders(&world, &["user1"]).daemon_key("audit_log", &key);
    let refused = unaudited
        .cli(&["state", "import", file.to_str().unwrap()])
        .await
        .with(1);
    assert!(refused.stderr.contains("audit log"), "{}", refused.stderr);
    assert!(
        SqliteStore::open(&unaudited.state_file())
            .unwrap()
            .is_empty()
            .await
            .unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_sound_is_refused_with_its_line_and_nothing_is_written() {
    let world = World::start().await;
    let from = world.daemon("from").policy(Policy::new("orders", &["user1"]));
    populated_store(&from.state_file()).await;
    let whole = from.cli(&["state", "export"]).await.with(0).stdout;
    let lines = whole.lines().count();
    let file = world.path("state.jsonl");
    let to = orders(&world, &["user1"]);
    let truncated: String = whole.split_inclusive('\n').take(lines - 2).collect();
    for (text, words) in [
        (
            truncated,
            format!("line {}: the file ends here, and 2 of the", lines - 2),
        ),
        (
            whole[..whole.len() - 9].to_owned(),
            format!("line {lines}: this is not an entry of the history"),
        ),
        (
            whole.replacen("\"rekeyd_state\":2,", "\"rekeyd_state\":3,", 1),
            "line 1: written in a newer form".to_owned(),
        ),
        (
            whole.replacen("\"first_seen\"", "\"first_sight\"", 1),
            "line 2: this is not a record: missing field `first_seen`".to_owned(),
        ),
        ("PK\u{3}\u{4}".to_owned(), "line 1: this is no file of".to_owned()),
    ] {
        std::fs::write(&file, &text).unwrap();
        let path = file.to_str().unwrap();
        let before = names(file.parent().unwrap());
        for refused in [
            to.cli(&["state", "import", path]).await.with(13),
            fed(&to, &file, &["state", "import", "-"]).await.with(13),
        ] {
            assert!(
                refused.stderr.contains(&words) && refused.stderr.contains("Nothing was written"),
                "{words}: {}",
                refused.stderr
            );
            assert_eq!(refused.stdout, "");
        }
        let made: BTreeSet<_> = names(file.parent().unwrap()).difference(&before).cloned().collect();
        assert!(made.iter().all(|name| name == "rekeyd.toml"), "{made:?}");
    }
    let missing = to.cli(&["state", "import", "missing.jsonl", "--json"]).await.with(1);
    let told: Value = serde_json::from_str(missing.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(told["exit_code"], 1, "{told}");
    assert!(
        told["error"].as_str().unwrap().contains("missing.jsonl cannot be read"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_store_that_is_empty_and_free_is_imported_into_and_no_file_is_overwritten() {
    let world = World::start().await;
    let setup = |name: &str| world.daemon(name).policy(Policy::new("orders", &["user1"]));
    let (from, to) = (setup("from"), setup("to"));
    let none = from.cli(&["state", "export"]).await.with(1);
    assert!(none.stderr.contains("there is no such store"), "{}", none.stderr);
    populated_store(&from.state_file()).await;
    std::fs::create_dir(world.path("out")).unwrap();
    let file = world.path("out/state.jsonl");
    let path = file.to_str().unwrap();
    from.cli(&["state", "export", "--out", path]).await.with(0);
    let text = std::fs::read_to_string(&file).unwrap();

    let refused = from.cli(&["state", "export", "--out", path]).await.with(13);
    assert!(refused.stderr.contains("is not overwritten"), "{}", refused.stderr);
    from.cli(&["state", "export", "--json"]).await.with(2);
    let nowhere = world.path("nowhere/state.jsonl");
    let refused = from
        .cli(&["state", "export", "--out", nowhere.to_str().unwrap()])
        .await
        .with(1);
    assert!(
        refused.stderr.contains("nowhere/state.jsonl cannot be written"),
        "{}",
        refused.stderr
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert_eq!(
        names(&world.path("out")),
        ["state.jsonl".to_owned()].into(),
        "no draft is left"
    );

    let used = from.cli(&["state", "import", path]).await.with(13);
    for words in ["holds something already", "move it away", "`daemon.state`"] {
        assert!(used.stderr.contains(words), "{words}: {}", used.stderr);
    }
    assert_eq!(
        content(&from.cli(&["state", "export"]).await.with(0).stdout),
        content(&text)
    );

    let held = SqliteStore::open(&to.state_file()).unwrap();
    let refused = to.cli(&["state", "import", path]).await.with(11);
    assert!(refused.stderr.contains("another rekeyd process"), "{}", refused.stderr);
    assert!(held.is_empty().await.unwrap());
    drop(held);
    to.cli(&["state", "import", path]).await.with(0);
    to.cli(&["state", "import", path]).await.with(13);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_while_a_daemon_writes_is_of_one_moment() {
    let world = World::start().await;
    let setup = orders(&world, &["user1"]);
    let store = SqliteStore::open(&setup.state_file()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    // One save a second of its time, by turns of two secrets; each record says when its last one was.
    let writer = tokio::spawn(async move {
        let mut second = 0;
        while !told.load(Ordering::Relaxed) {
            second += 1;
            let mut record = Record::new(format!("arn:{}", second % 2), at(0));
            record.settled_at = Some(at(second));
            store.save(&record, &[(at(second), Event::Resumed)]).await.unwrap();
        }
        drop(store);
    });
    let mut moments = BTreeSet::new();
    while moments.len() < 8 {
        let text = setup.cli(&["state", "export"]).await.with(0).stdout;
        let exported = Exported::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
        let dates: Vec<_> = exported.history.iter().map(|entry| entry.at).collect();
        let steps = dates.windows(2).map(|pair| (pair[1] - pair[0]).num_seconds());
        assert!(steps.into_iter().all(|step| step == 1), "{dates:?}");
        for record in &exported.records {
            let of_it = exported.history.iter().rev();
            let newest = of_it.clone().find(|entry| entry.secret_arn == record.secret_arn);
            assert_eq!(record.settled_at, newest.map(|entry| entry.at), "{}", record.secret_arn);
        }
        moments.extend(dates.last().copied());
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
}
