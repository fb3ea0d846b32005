//! How much is told at `info`: nothing while all is well, and little of much trouble.

use serde_json::Value;

use super::rotation::lines;
use crate::support::cli::orders;
use crate::support::daemon::Setup;
use crate::support::status::proven;
use crate::support::world::{document_with, secret_name};
use crate::support::{Daemon, Fault, FaultKind, OLD, World, eventually};

const USERS: [&str; 3] = ["user1", "user2", "user3"];

fn setup(world: &World) -> Setup<'_> {
    let setup = orders(world, &USERS).env("RUST_LOG", "info");
    setup
        .daemon_key("drift_check_interval", "\"1s\"")
        .daemon_key("discovery_interval", "\"1s\"")
        .default_key("retry", "{ initial = \"50ms\", max = \"100ms\", jitter = 0.2 }")
        .default_key("max_attention", "\"100%\"")
}

async fn three_users() -> World {
    let world = World::of(&USERS).await;
    for user in USERS {
        world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    world
}

/// Waits until a counter has grown by so much.
async fn grows(daemon: &Daemon, series: &str, by: f64) {
    let before = daemon.metric(series).await;
    eventually(&format!("{series} grows"), || async {
        let now = daemon.metric(series).await;
        if now >= before + by {
            Ok(())
        } else {
            Err(format!("{before} to {now}"))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_that_work_are_told_of_once_and_never_again() {
    let world = three_users().await;
    let daemon = setup(&world).run().await;
    for user in USERS {
        daemon.wait(&secret_name(user), "proved", proven).await;
    }
    let accepted = "rekeyd_login_probes_total{outcome=\"accepted\"} ";
    grows(&daemon, accepted, 9.0).await;
    let told = lines(&daemon.log_text()).len();
    // Each is looked at, and logged in to, several times more.
    grows(&daemon, accepted, 27.0).await;
    let log = lines(&daemon.log_text());
    assert_eq!(log.len(), told, "{:#?}", &log[told..]);
    let checked = log.iter().filter(|line| line["event"] == "checked").count();
    assert_eq!(checked, USERS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_fails_again_and_again_is_told_of_ever_more_rarely_and_never_silently() {
    let world = three_users().await;
    let daemon = setup(&world).run().await;
    for user in USERS {
        daemon.wait(&secret_name(user), "proved", proven).await;
    }
    let mut fails = Fault::next("*", FaultKind::Error);
    fails.times = 0;
    world.faults(vec![fails]);
    grows(
        &daemon,
        "rekeyd_step_attempts_total{outcome=\"error\",step=\"observe\"} ",
        60.0,
    )
    .await;
    let log = lines(&daemon.log_text());
    for user in USERS {
        let of_it = |line: &&Value| line["secret"] == secret_name(user).as_str();
        let attempts = log
            .iter()
            .filter(of_it)
            .filter(|line| line["event"] == "attempt_failed")
            .count();
        // The first, second, fourth, eighth, sixteenth, and so on: of some twenty or more.
        assert!((3..=8).contains(&attempts), "{attempts} lines about {user}");
        let raised = log
            .iter()
            .filter(of_it)
            .filter(|line| line["event"] == "attention_raised")
            .count();
        assert_eq!(raised, 1, "of {user}");
    }
    let warnings = log.iter().filter(|line| line["level"] == "WARN").count();
    assert!(warnings <= 3 * 10, "{warnings} warnings");
}
