//! How the daemon ends, and what a restart finds.

use std::time::Duration;

use rekeyd::rotation::version::version_id;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::support::cli::orders;
use crate::support::daemon::send_signal;
use crate::support::status::rotated_to;
use crate::support::world::{document, secret_name};
use crate::support::{Daemon, Fault, FaultKind, OLD, PATIENCE, World, eventually, http};

/// A daemon that has proved the password of `user1`, in a world where it has a cache.
async fn proved(world: &World, drain_timeout: &str) -> (Daemon, String) {
    let arn = world.live_user("user1", OLD).await;
    let daemon = started(world, drain_timeout).await;
    daemon.checked(&secret_name("user1")).await;
    (daemon, arn)
}

async fn started(world: &World, drain_timeout: &str) -> Daemon {
    orders(world, &["user1"])
        .daemon_key("drain_timeout", &format!("{drain_timeout:?}"))
        .run()
        .await
}

/// The record of the only secret, read from the store's file.
fn stored_record(state_file: &std::path::Path) -> serde_json::Value {
    let connection = rusqlite::Connection::open(state_file).unwrap();
    let json: String = connection
        .query_row("SELECT json FROM records", (), |row| row.get(0))
        .unwrap();
    serde_json::from_str(&json).unwrap()
}

/// A signal while ModifyUser is under way: the step is finished and stored, and the rest waits for
/// the next start.
async fn drains_on(signal: &str) {
    let world = World::start().await;
    let (daemon, arn) = proved(&world, "20s").await;
    let secret = secret_name("user1");
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let mut slow = Fault::next("ModifyUser", FaultKind::Delay);
    slow.ms = Some(1_500);
    world.faults(vec![slow]);
    daemon.rotate(&secret).await;
    world.fault_fired().await;
    let (state_file, socket) = (daemon.state_file.clone(), daemon.socket.clone());
    assert!(socket.exists());

    assert_eq!(daemon.end(signal).await, Some(0));
    let log = world.sandbox.sandbox().log();
    let modified = log.iter().rfind(|call| call.operation == "ModifyUser").unwrap();
    assert_eq!(
        (modified.access_key.as_str(), modified.outcome.as_str()),
        ("REKEYD", "ok"),
        "the process ended before the call that was under way"
    );
    assert!(!socket.exists(), "the admin socket was left behind");
    let record = stored_record(&state_file);
    assert!(record["rotation"]["set_at"].is_string(), "not stored: {record}");
    let called = world.count("elasticache.ModifyUser");
    assert_eq!(called, 1);
    let second = version_id(&arn, &first, 0);
    assert_eq!(
        world.holder(&secret, "AWSCURRENT").await.as_deref(),
        Some(first.as_str())
    );

    let daemon = started(&world, "20s").await;
    daemon.wait(&secret, "rotated", rotated_to(&second)).await;
    assert_eq!(world.count("secretsmanager.PutSecretValue"), 1, "begun anew");
    assert_eq!(
        world.count("elasticache.ModifyUser"),
        2,
        "the step that was stored was made again; the second call is the retirement"
    );
    world.assert_current_logs_in(&secret, "user1").await;
    assert_eq!(world.logins("user1", OLD).await, (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_the_step_under_way_finish_and_stores_it() {
    drains_on("-TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_lets_the_step_under_way_finish_and_stores_it() {
    drains_on("-INT").await;
}

/// Asks for a rotation whose ModifyUser never gets an answer, and waits until it is under way.
async fn hang(world: &World, daemon: &Daemon) {
    world.faults(vec![Fault::next("ModifyUser", FaultKind::Hang)]);
    daemon.rotate(&secret_name("user1")).await;
    world.fault_fired().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_hangs_is_cut_off_at_drain_timeout_and_the_rotation_goes_on_after_a_restart() {
    let world = World::start().await;
    let (daemon, arn) = proved(&world, "2s").await;
    let secret = secret_name("user1");
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    // Clients that hold their connections must not hold the end.
    let mut idle = tokio::net::UnixStream::connect(&daemon.socket).await.unwrap();
    idle.write_all(b"GET /api/v1/secrets HT").await.unwrap();
    let address = daemon.listen_address().await;
    let mut slow = tokio::net::TcpStream::connect(&address).await.unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\n").await.unwrap();
    hang(&world, &daemon).await;

    let began = Instant::now();
    assert_eq!(daemon.end("-TERM").await, Some(0));
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_900), "not waited for: {took:?}");
    // Two seconds of drain, two for the clients, one for the last blocking calls; the call itself
    // would go on until its own time-out of ten seconds.
    assert!(took < Duration::from_secs(7), "{took:?}");

    world.faults(Vec::new());
    let daemon = started(&world, "2s").await;
    daemon
        .wait(&secret, "rotated", rotated_to(&version_id(&arn, &first, 0)))
        .await;
    assert_eq!(world.count("secretsmanager.PutSecretValue"), 1, "begun anew");
    world.assert_current_logs_in(&secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_answered_while_the_daemon_drains_and_a_second_signal_ends_it_at_once() {
    let world = World::start().await;
    let (mut daemon, arn) = proved(&world, "20s").await;
    let secret = secret_name("user1");
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    hang(&world, &daemon).await;
    daemon.signal("-TERM");
    eventually("the daemon says that it stops", || async {
        let log = daemon.log_text();
        if log.contains("\"stopping") { Ok(()) } else { Err(log) }
    })
    .await;
    assert_eq!(daemon.get("/livez").await.status, 200, "it lives while it drains");
    daemon.signal("-TERM");
    let began = Instant::now();
    assert_eq!(daemon.exit_code().await, Some(1));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    // It left its socket behind, which nobody answers on.
    assert!(daemon.socket.exists());
    world.faults(Vec::new());
    let daemon = started(&world, "20s").await;
    daemon
        .wait(&secret, "rotated", rotated_to(&version_id(&arn, &first, 0)))
        .await;
    world.assert_current_logs_in(&secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_of_a_killed_process_is_replaced_and_that_of_a_living_one_is_not() {
    let world = World::start().await;
    let daemon = orders(&world, &["user1"]).run().await;
    let socket = daemon.socket.clone();
    daemon.kill().await;
    assert!(socket.exists(), "a killed process cleans nothing up");
    let living = orders(&world, &["user1"]).run().await;
    assert_eq!(living.get("/livez").await.status, 200);

    // The same socket, another store.
    let intruder = orders(&world, &["user1"])
        .env(
            "REKEYD__DAEMON__STATE",
            &format!("\"sqlite:{}\"", world.path("other.db").display()),
        )
        .cli(&["run"])
        .await
        .with(1);
    assert!(
        intruder.stderr.contains("another process answers"),
        "{}",
        intruder.stderr
    );
    assert_eq!(living.get("/livez").await.status, 200, "the living one was robbed");
    assert_eq!(living.end("-TERM").await, Some(0));
    let gone = http::unix(&socket, "GET", "/livez", None).await;
    assert!(gone.is_err() && !socket.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_once_that_is_told_to_end_drains_too() {
    let world = World::start().await;
    world.create_inactive_user("user1").await;
    world.create_cache(&["user1"]).await;
    let secret = secret_name("user1");
    world.create_secret(&secret, &document("user1")).await;
    let mut slow = Fault::next("ModifyUser", FaultKind::Delay);
    slow.ms = Some(1_500);
    world.faults(vec![slow]);
    let setup = orders(&world, &["user1"]);
    let state_file = setup.state_file();
    let mut command = setup.command(&["run", "--once"]);
    let child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    let pid = child.id().unwrap();
    world.fault_fired().await;
    send_signal(pid, "-TERM");
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
        .await
        .expect("it ends")
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "what was due is not done");
    let record = stored_record(&state_file);
    assert!(record["rotation"]["set_at"].is_string(), "not stored: {record}");
    orders(&world, &["user1"]).cli(&["run", "--once"]).await.with(0);
    assert_eq!(world.count("secretsmanager.PutSecretValue"), 1);
    assert_eq!(world.count("elasticache.ModifyUser"), 1);
}
