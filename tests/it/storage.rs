//! The store when it is damaged, lost, locked or of somebody else.

use std::collections::BTreeSet;
use std::path::Path;

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::Phase;
use rekeyd::rotation::version::version_id;

use crate::support::cli::orders;
use crate::support::daemon::delete_store;
use crate::support::status::rotated_to;
use crate::support::world::secret_name;
use crate::support::{Daemon, Fault, FaultKind, OLD, World, eventually, http};

/// What befalls the store's file.
type Damage = fn(&Path);

/// A daemon that has proved the password of `user1`.
async fn proved(world: &World) -> Daemon {
    let daemon = orders(world, &["user1"]).run().await;
    daemon.checked(&secret_name("user1")).await;
    daemon
}

/// The writes that rekeyd has sent so far.
fn writes(world: &World) -> Vec<String> {
    let log = world.sandbox.sandbox().log();
    let writes = ["PutSecretValue", "ModifyUser", "UpdateSecretVersionStage"];
    log.into_iter()
        .filter(|call| call.access_key != "OPERATOR" && writes.contains(&call.operation.as_str()))
        .map(|call| call.operation)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_damaged_foreign_or_newer_is_refused_in_clear_words_and_left_as_it_is() {
    fn cut(path: &Path, length: u64) {
        std::fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(length)
            .unwrap();
    }
    fn statement(path: &Path, sql: &str) {
        rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }
    let damages: [(&str, Damage, &[&str]); 8] = [
        (
            "garbage",
            |path| std::fs::write(path, [0xa5; 8_192]).unwrap(),
            &["damaged", "move it", "rebuilt from AWS"],
        ),
        (
            "half",
            |path| cut(path, std::fs::metadata(path).unwrap().len() / 2),
            &["damaged", "move it"],
        ),
        ("a page and a bit", |path| cut(path, 5_000), &["damaged", "move it"]),
        (
            "its first hundred bytes",
            |path| cut(path, 100),
            &["damaged", "move it"],
        ),
        (
            "a page of garbage in its midst",
            |path| {
                let mut bytes = std::fs::read(path).unwrap();
                bytes[4_096..8_192].fill(0xa5);
                std::fs::write(path, bytes).unwrap();
            },
            &["damaged", "move it"],
        ),
        (
            "a newer schema",
            |path| statement(path, "PRAGMA user_version = 99"),
            &["newer release", "99"],
        ),
        (
            "another program's file",
            |path| statement(path, "PRAGMA application_id = 7"),
            &["belongs to another program"],
        ),
        (
            "a folder",
            |path| {
                std::fs::remove_file(path).unwrap();
                std::fs::create_dir(path).unwrap();
            },
            &["directory"],
        ),
    ];
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let daemon = proved(&world).await;
    let state_file = daemon.state_file.clone();
    // Enough history that the file has pages to lose.
    let secret = secret_name("user1");
    for _ in 0..30 {
        let selection = serde_json::json!({"secrets": [secret]});
        daemon.order("pause", &selection).await;
        daemon.order("resume", &selection).await;
    }
    assert_eq!(daemon.end("-TERM").await, Some(0));
    let sound = std::fs::read(&state_file).unwrap();
    assert!(sound.len() > 12_000, "{}", sound.len());

    for (what, damage, words) in damages {
        delete_store(&state_file);
        std::fs::write(&state_file, &sound).unwrap();
        damage(&state_file);
        let before = std::fs::read(&state_file).ok();
        let refused = orders(&world, &["user1"]).cli(&["--log-format", "text", "run"]).await;
        let code = if what == "a newer schema" { 78 } else { 1 };
        assert_eq!(refused.code, Some(code), "{what}: {}", refused.stderr);
        let last = refused.stderr.lines().last().unwrap_or_default();
        assert!(
            last.contains(&state_file.display().to_string()),
            "{what}: {}",
            refused.stderr
        );
        for word in words {
            assert!(last.contains(word), "{what}, {word}: {}", refused.stderr);
        }
        assert_eq!(std::fs::read(&state_file).ok(), before, "{what}: the file was changed");
        if state_file.is_dir() {
            std::fs::remove_dir(&state_file).unwrap();
        }
    }
    assert_eq!(writes(&world), Vec::<String>::new());

    // The sound one is still good, so it was the damage that was refused.
    delete_store(&state_file);
    std::fs::write(&state_file, &sound).unwrap();
    let daemon = proved(&world).await;
    let history = daemon.get("/api/v1/rotations?limit=1000").await.json();
    assert!(history["rotations"].as_array().unwrap().len() > 60);
    assert_eq!(writes(&world), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_is_named() {
    let world = World::start().await;
    std::fs::write(world.path("file"), "").unwrap();
    // Root may write to every folder that can be written at all; nobody makes files in /sys.
    for (state, code) in [
        ("/sys/kernel/rekeyd.db".into(), 1),
        (world.path("missing/rekeyd.db"), 78),
        (world.path("file/rekeyd.db"), 78),
    ] {
        let refused = orders(&world, &["user1"])
            .env("REKEYD__DAEMON__STATE", &format!("\"sqlite:{}\"", state.display()))
            .cli(&["run"])
            .await
            .with(code);
        let last = refused.stderr.lines().last().unwrap_or_default();
        assert!(last.contains(&state.display().to_string()), "{}", refused.stderr);
        assert!(!last.contains("damaged"), "{}", refused.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_lost_or_illegible_rotates_nothing_and_the_proof_is_shown_again() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let daemon = proved(&world).await;
    let state_file = daemon.state_file.clone();
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    daemon.rotate(&secret).await;
    let status = daemon
        .wait(&secret, "rotated and retired", |status| {
            status.retired_at.is_some() && status.phase == Phase::Idle
        })
        .await;
    assert_ne!(status.current_version.as_deref(), Some(first.as_str()));
    assert_eq!(daemon.end("-TERM").await, Some(0));
    let before = writes(&world);
    assert_eq!(before.len(), 4, "{before:?}");

    let lose: [(&str, Damage); 3] = [
        ("deleted", |path| delete_store(path)),
        ("emptied", |path| {
            delete_store(path);
            std::fs::write(path, "").unwrap();
        }),
        ("illegible", |path| {
            let connection = rusqlite::Connection::open(path).unwrap();
            let changed = connection.execute("UPDATE records SET json = '{\"secret_arn\": 5'", ());
            assert_eq!(changed.unwrap(), 1);
        }),
    ];
    let mut dates = BTreeSet::new();
    for (what, lose) in lose {
        lose(&state_file);
        let daemon = orders(&world, &["user1"]).run().await;
        let seen = daemon
            .wait(&secret, "proved again", |status| {
                status.proof == Some(Proof::Proven) && status.phase == Phase::Idle
            })
            .await;
        assert_eq!(seen.arn.as_deref(), Some(arn.as_str()));
        assert_eq!(seen.nodes, Some(3), "{what}");
        assert_eq!(seen.current_version, status.current_version, "{what}");
        // Until the versions are listed again, one that rekeyd made itself is dated with the look that it
        // rests on, no longer than `write_deadline` before AWS made it.
        let (next, before_the_loss) = (seen.next_rotation_at.unwrap(), status.next_rotation_at.unwrap());
        let later = next.signed_duration_since(before_the_loss).num_milliseconds();
        assert!((0..10_000).contains(&later), "{what}: {later} ms");
        dates.insert(next);
        assert_eq!(daemon.end("-TERM").await, Some(0));
        assert_eq!(writes(&world), before, "{what}: written because of the loss");
    }
    assert_eq!(dates.len(), 1, "each loss moves the next rotation: {dates:?}");
    assert_eq!(world.logins("user1", OLD).await, (0, 3));
    world.assert_current_logs_in(&secret, "user1").await;
}

/// Somebody else's transaction, which keeps every writer out as long as it lasts.
fn lock(state_file: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(state_file).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
    connection
}

/// Waits until status, readiness and metrics say that the store cannot be written.
async fn store_failure_is_shown(daemon: &Daemon, secret: &str) {
    let status = daemon.wait_reason(secret, Phase::NeedsAttention, "store_failed").await;
    let detail = status.detail.unwrap();
    assert!(detail.contains(&daemon.state_file.display().to_string()), "{detail}");
    let ready = daemon.get("/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert_eq!(ready.json()["ready"], false);
    let problems = ready.json()["problems"].to_string();
    assert!(!problems.contains("tick"), "{problems}");
    assert_eq!(daemon.get("/livez").await.status, 200, "a restart would not help");
    let metrics = daemon.get("/metrics").await.body;
    let errors = metrics
        .lines()
        .find_map(|line| line.strip_prefix("rekeyd_store_errors_total "))
        .unwrap();
    assert!(errors.parse::<f64>().unwrap() >= 1.0, "{errors}");
    let attention = "rekeyd_policy_needs_attention{policy=\"orders\",reason=\"store_failed\"} 1";
    assert!(metrics.contains(attention), "{metrics}");
}

/// Health checks that come while the store is locked are answered in time, and pile nothing up.
async fn health_checks_do_not_pile_up(daemon: &Daemon) {
    let probes: Vec<_> = (0..40)
        .map(|_| {
            let socket = daemon.socket.clone();
            tokio::spawn(async move { http::unix(&socket, "GET", "/readyz", None).await.unwrap().status })
        })
        .collect();
    for probe in probes {
        assert_eq!(probe.await.unwrap(), 503);
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap();
    let threads: u32 = threads.trim().parse().unwrap();
    assert!(threads < 30, "{threads} threads, most of them waiting for the store");
}

/// Locks the store while the daemon is held at a call, lets the call go on, and gives the lock.
async fn locked_at(world: &World, daemon: &Daemon) -> rusqlite::Connection {
    world.fault_fired().await;
    let lock = lock(&daemon.state_file);
    world.end_faults();
    lock
}

async fn ready_again(daemon: &Daemon) {
    eventually("the daemon is ready again", || async {
        let answer = http::unix(&daemon.socket, "GET", "/readyz", None)
            .await
            .map_err(|error| error.to_string())?;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_to_aws_while_its_intent_cannot_be_stored_and_the_rotation_goes_on_afterwards() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let daemon = proved(&world).await;

    // The rotation is asked for and stored; its first look is held until the store is locked.
    world.faults(vec![Fault::next("DescribeSecret", FaultKind::Hold)]);
    daemon.rotate(&secret).await;
    let lock = locked_at(&world, &daemon).await;
    store_failure_is_shown(&daemon, &secret).await;
    let refused = daemon
        .post("/api/v1/rotate", &serde_json::json!({"secrets": [secret]}))
        .await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.body.contains("was not accepted"), "{}", refused.body);
    assert_eq!(writes(&world), Vec::<String>::new());
    assert_eq!(world.labels(&secret).await.len(), 1);

    // The next lock follows right after the new version was written.
    world.faults(vec![Fault::next("PutSecretValue", FaultKind::HoldReply)]);
    drop(lock);
    let lock = locked_at(&world, &daemon).await;
    store_failure_is_shown(&daemon, &secret).await;
    health_checks_do_not_pile_up(&daemon).await;
    assert_eq!(writes(&world), ["PutSecretValue"]);
    assert_eq!(world.logins("user1", OLD).await, (3, 3));

    drop(lock);
    let second = version_id(&arn, &first, 0);
    let status = daemon.wait(&secret, "rotated", rotated_to(&second)).await;
    assert_eq!(status.proof, Some(Proof::Proven));
    assert_eq!(status.reason, None, "{status:?}");
    assert_eq!(world.labels(&secret).await.len(), 2, "rotated once");
    ready_again(&daemon).await;
    assert_eq!(world.logins("user1", OLD).await, (0, 3));
    world.assert_current_logs_in(&secret, "user1").await;
    assert_eq!(daemon.end("-TERM").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_found_while_the_store_was_locked_is_taken_up_soon_afterwards() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    world.faults(vec![Fault::next("DescribeSecret", FaultKind::Hold)]);
    let daemon = orders(&world, &["user1"]).run().await;
    let lock = locked_at(&world, &daemon).await;
    eventually("the secret could not be stored", || async {
        let log = daemon.log_text();
        if log.contains("the secret is left alone") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    drop(lock);
    daemon.checked(&secret_name("user1")).await;
}
