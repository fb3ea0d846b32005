//! The command line of the real binary, against a real daemon: words, exit codes, pipes.

use std::time::Duration;

use rekeyd::rotation::status::Phase;

use crate::support::cli::orders;
use crate::support::daemon::Setup;
use crate::support::world::{document_with, secret_name};
use crate::support::{Fault, FaultKind, OLD, PATIENCE, Policy, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_makes_no_sense_ends_with_2_and_an_unreachable_daemon_with_12() {
    let world = World::start().await;
    let setup = orders(&world, &["user1"]);
    for line in [
        &["rotate"][..],
        &["rotate", "--all", "--policy", "orders"],
        &["rotate", "x", "--timeout", "5s"],
        &["pause", "--all", "--for", "soon"],
        &["no-such-command"],
        &["status", "--no-such-flag"],
        &["--log-level", "rekeyd=loud", "check"],
    ] {
        let usage = setup.cli(line).await.with(2);
        assert!(usage.stdout.is_empty() && !usage.stderr.is_empty(), "{line:?}");
    }
    let socket = world.path("rekeyd.sock").display().to_string();
    for line in [
        &["status"][..],
        &["history"],
        &["rotate", "--all"],
        &["rotate", "--all", "--wait"],
        &["pause", "--all"],
        &["resume", "--all"],
    ] {
        let away = setup.cli(line).await.with(12);
        assert!(away.stderr.contains(&socket), "{}", away.stderr);
        assert!(away.took < Duration::from_secs(5), "{line:?}: {:?}", away.took);
    }
    let away = setup.cli(&["healthcheck", "--listen", "127.0.0.1:1"]).await.with(12);
    assert!(away.stderr.contains("127.0.0.1:1"), "{}", away.stderr);
    // Nobody listens on a socket that a killed process left behind.
    let daemon = orders(&world, &["user1"]).run().await;
    daemon.kill().await;
    setup.cli(&["status"]).await.with(12);
}

/// `user1` is in use; the policy does not allow `user2`, so its secret halts.
async fn one_good_one_halted(world: &World) -> Setup<'_> {
    for user in ["user1", "user2"] {
        world.create_user(user, OLD).await;
    }
    world.create_cache(&["user1", "user2"]).await;
    for user in ["user1", "user2"] {
        world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    again(world)
}

fn again(world: &World) -> Setup<'_> {
    let policy = Policy::new("orders", &["user1", "user2"]).with("allow_users", "[\"user1\"]");
    world.daemon("rekeyd").policy(policy)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_pauses_and_rotates_secrets_from_the_command_line() {
    let world = World::start().await;
    let daemon = one_good_one_halted(&world).await.run().await;
    let setup = again(&world);
    let (good, halted) = (secret_name("user1"), secret_name("user2"));
    daemon.checked(&good).await;
    daemon.wait_reason(&halted, Phase::Halted, "user_not_allowed").await;

    // Status, as a table, of one, and as JSON.
    let table = setup.cli(&["status"]).await.with(0);
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", table.stdout);
    assert!(lines[0].starts_with("1 of 2 secrets needs a person"), "{}", lines[0]);
    assert!(
        lines[1].starts_with("SECRET") && lines[1].contains("PHASE"),
        "{}",
        lines[1]
    );
    assert!(lines[2].contains("halted") && lines[2].contains("user_not_allowed"));
    assert!(lines[3].starts_with(&good) && lines[3].contains("idle") && lines[3].contains("proven"));
    assert!(
        table.stderr.is_empty() && !table.stdout.contains('\u{1b}'),
        "{}",
        table.stderr
    );
    let one = setup.cli(&["status", &good]).await.with(0);
    assert!(
        one.stdout.contains("on 3 nodes") && !one.stdout.contains("user2"),
        "{}",
        one.stdout
    );
    let json = setup.cli(&["status", "--json"]).await.with(0).json();
    assert_eq!(json["secrets"][0]["secret"], good.as_str());
    assert_eq!(json["secrets"][1]["reason"], "user_not_allowed");
    let arn = json["secrets"][0]["arn"].as_str().unwrap().to_owned();
    let by_arn = setup.cli(&["status", &arn, "--json"]).await.with(0).json();
    assert_eq!(by_arn["secrets"].as_array().unwrap().len(), 1);

    // What is not there is refused.
    for line in [
        &["status", "none"][..],
        &["rotate", "none"],
        &["pause", "none"],
        &["history", "none"],
    ] {
        let refused = setup.cli(line).await.with(13);
        assert!(refused.stderr.contains("\"none\""), "{}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    let refused = setup.cli(&["rotate", "--policy", "nine"]).await.with(13);
    assert!(refused.stderr.contains("\"nine\""), "{}", refused.stderr);

    // A rotation to its end.
    let first = world.holder(&good, "AWSCURRENT").await.unwrap();
    let rotated = setup.cli(&["rotate", &good, "--wait"]).await.with(0);
    let second = world.holder(&good, "AWSCURRENT").await.unwrap();
    assert_ne!(first, second);
    let line = rotated.stdout.lines().nth(1).unwrap();
    for word in [good.as_str(), "done", "proven", second.as_str()] {
        assert!(line.contains(word), "{word}: {}", rotated.stdout);
    }
    assert_eq!(rotated.stderr, "", "progress is for terminals");
    world.assert_current_logs_in(&good, "user1").await;

    // One that is halted, alone and beside a good one.
    let failed = setup.cli(&["rotate", &halted, "--wait"]).await.with(1);
    assert!(
        failed.stdout.contains("failed") && failed.stdout.contains("user_not_allowed"),
        "{}",
        failed.stdout
    );
    let partly = setup.cli(&["rotate", "--all", "--wait", "--json"]).await.with(3).json();
    let results: Vec<_> = partly["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|secret| &secret["result"])
        .collect();
    assert_eq!(results, ["done", "failed"]);
    assert_eq!(partly["secrets"][1]["reason"], "user_not_allowed");
    let third = world.holder(&good, "AWSCURRENT").await.unwrap();
    assert_ne!(second, third, "rotated once more");
    assert_eq!(partly["secrets"][0]["previous_version"], second.as_str());
    assert_eq!(partly["secrets"][0]["current_version"], third.as_str());
    assert_eq!(world.labels(&halted).await.len(), 1);

    // Pausing and resuming; quiet, because nobody sits at this pipe.
    let paused = setup.cli(&["pause", &good, "--reason", "moving house"]).await.with(0);
    assert_eq!((paused.stdout.as_str(), paused.stderr.as_str()), ("", ""));
    let status = daemon
        .wait(&good, "paused", |status| status.phase == Phase::Paused)
        .await;
    assert!(status.detail.unwrap().contains("moving house"));
    let resumed = setup.cli(&["resume", &good, "--json"]).await.with(0).json();
    assert_eq!(resumed["accepted"][0]["secret"], good.as_str());
    daemon.wait(&good, "idle", |status| status.phase == Phase::Idle).await;
    setup.cli(&["pause", &good, "--for", "1s"]).await.with(0);
    eventually("the pause ends by itself", || async {
        let newest = daemon.get("/api/v1/rotations?limit=1").await.body;
        match newest.contains("\"resumed\"") {
            true => Ok(()),
            false => Err(newest),
        }
    })
    .await;

    // All of it is in the history, newest first.
    let history = setup.cli(&["history", &good, "--events"]).await.with(0);
    for event in ["rotation_started", "promoted", "retired", "paused", "resumed"] {
        assert!(history.stdout.contains(event), "{event}: {}", history.stdout);
    }
    assert!(!history.stdout.contains("user2"));
    let newest = setup
        .cli(&["history", &good, "--limit", "1", "--json"])
        .await
        .with(0)
        .json();
    assert_eq!(newest["events"].as_array().unwrap().len(), 1);
    assert_eq!(newest["events"][0]["event"], "resumed");

    // Without --wait it is quiet, and the request is kept.
    let quiet = setup.cli(&["rotate", &good]).await.with(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    daemon
        .wait(&good, "rotated", |status| {
            status.current_version.as_ref().is_some_and(|current| *current != third) && !status.requested
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_rotation_ends_at_its_timeout_and_outlives_a_restart_of_the_daemon() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let setup = orders(&world, &["user1"]);
    let daemon = orders(&world, &["user1"]).run().await;
    let secret = secret_name("user1");
    daemon.checked(&secret).await;
    let address = daemon.listen_address().await;
    for line in [
        &["healthcheck", "--listen", &address][..],
        &["healthcheck", "--ready", "--listen", &address],
    ] {
        let healthy = setup.cli(line).await.with(0);
        assert_eq!((healthy.stdout.as_str(), healthy.stderr.as_str()), ("", ""));
    }
    // Another daemon on the same store, and one that only passes by.
    for line in [&["run"][..], &["run", "--once"]] {
        let second = setup.cli(line).await.with(11);
        let last = second.stderr.lines().last().unwrap_or_default();
        assert!(
            last.contains("another rekeyd process holds this store"),
            "{}",
            second.stderr
        );
        assert!(second.took < Duration::from_secs(5), "{:?}", second.took);
    }
    assert_eq!(daemon.get("/readyz").await.status, 200, "the first one goes on");

    world.faults(vec![Fault::next("PutSecretValue", FaultKind::Hold).times(0)]);
    let late = setup
        .cli(&["rotate", &secret, "--wait", "--timeout", "1s", "--json"])
        .await
        .with(1);
    assert_eq!(late.json()["secrets"][0]["result"], "waiting");
    assert!(
        late.took >= Duration::from_secs(1) && late.took < Duration::from_secs(10),
        "{:?}",
        late.took
    );

    // Asked for again, and the daemon is killed meanwhile.
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let mut command = setup.command(&["rotate", &secret, "--wait", "--json"]);
    let waiting = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    eventually("both requests are in the history", || async {
        let history = daemon.get("/api/v1/rotations").await.body;
        match history.matches("\"requested\"").count() {
            2 => Ok(()),
            _ => Err(history),
        }
    })
    .await;
    daemon.kill().await;
    world.end_faults();
    let _daemon = orders(&world, &["user1"]).run().await;
    let output = tokio::time::timeout(PATIENCE, waiting.wait_with_output())
        .await
        .expect("it ends")
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let current = world.holder(&secret, "AWSCURRENT").await.unwrap();
    assert_ne!(first, current);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["secrets"][0]["current_version"], current.as_str());
}
