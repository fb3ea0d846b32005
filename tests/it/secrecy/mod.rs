//! Promise P6: passwords are nowhere but in Secrets Manager, ElastiCache and memory.

mod forms;
mod seen;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;

use forms::found;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::Phase;
use seen::Seen;

use crate::support::cli::orders;
use crate::support::daemon::Setup;
use crate::support::faults::refusal;
use crate::support::world::{document_with, secret_name, user_arn};
use crate::support::{Daemon, Fault, FaultKind, Policy, World, eventually, http};

/// First passwords. Characters that encodings change are among them.
const MARKER: &str = "marker+of=user1&%<first>~0001";
const MARKER_UNREACHABLE: &str = "marker+of=user2&%<first>~0002";
const MARKER_NOT_JSON: &str = "marker+of=user3&%<first>~0003";
const MARKER_IN_LIST: &str = "marker+of=user4&%<first>~0004";
const MARKER_TWICE: &str = "marker+of=user5&%<first>~0005";
/// In the order of their users.
const MARKERS: [&str; 5] = [
    MARKER,
    MARKER_UNREACHABLE,
    MARKER_NOT_JSON,
    MARKER_IN_LIST,
    MARKER_TWICE,
];

/// Adds the passwords of all versions of a secret.
async fn collect(world: &World, secret: &str, passwords: &mut BTreeSet<String>) {
    for version in world.labels(secret).await.into_keys() {
        passwords.insert(world.version_password(secret, &version).await);
    }
}

/// One user that rotates, and four whose secrets cannot be used.
async fn create(world: &World) {
    let users = ["user1", "user2", "user3", "user4", "user5"];
    for (user, password) in users.iter().zip(MARKERS) {
        world.create_user(user, password).await;
    }
    world.create_cache(&["user1", "user2"]).await;
    let arn = user_arn;
    for (user, document) in [
        ("user1", document_with("user1", MARKER)),
        ("user2", document_with("user2", MARKER_UNREACHABLE)),
        (
            "user3",
            format!(
                "{{\"username\": \"user3\", \"password\": \"{MARKER_NOT_JSON}\", \"user_arn\": {:?},, }}",
                arn("user3")
            ),
        ),
        (
            "user4",
            serde_json::json!({"username": "user4", "password": [MARKER_IN_LIST], "user_arn": arn("user4")})
                .to_string(),
        ),
        (
            "user5",
            format!(
                "{{\"username\": \"user5\", \"password\": \"{MARKER_TWICE}\", \"password\": \"{MARKER_TWICE}\", \"user_arn\": {:?}}}",
                arn("user5")
            ),
        ),
    ] {
        world.create_secret(&secret_name(user), &document).await;
    }
}

fn setup(world: &World) -> Setup<'_> {
    // What answers at the sandbox's own address speaks no TLS.
    let unreachable = format!("[\"{}\"]", world.sandbox.addr());
    world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &["user1"]))
        .policy(
            Policy::new("unreachable", &["user2"])
                .with("endpoints", &unreachable)
                .with("propagation_timeout", "\"1s\""),
        )
        .policy(Policy::new("broken", &["user3", "user4", "user5"]))
        .env("RUST_LOG", "trace")
        .env("HARMLESS", "this-may-be-seen")
}

/// A rotation of `user1` on which each write is refused, lost or held up in some way.
async fn rotate_through(world: &World, daemon: &Daemon, faults: Vec<Fault>) {
    let secret = secret_name("user1");
    let before = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let armed = faults.len();
    world.faults(faults);
    daemon.rotate(&secret).await;
    daemon
        .wait(&secret, "rotated", |status| {
            status
                .current_version
                .as_ref()
                .is_some_and(|current| *current != before)
                && status.phase == Phase::Idle
                && status.proof == Some(Proof::Proven)
        })
        .await;
    let fired = world.fired();
    assert_eq!(fired.len(), armed);
    assert!(fired.iter().all(|fired| *fired > 0), "{fired:?}");
    world.faults(Vec::new());
}

/// Waits until the secrets that cannot be used are reported.
async fn trouble_is_reported(daemon: &Daemon) {
    daemon
        .wait_reason(&secret_name("user2"), Phase::NeedsAttention, "tls_failed")
        .await;
    for (user, reason) in [
        ("user3", "secret_not_json"),
        ("user4", "password_invalid"),
        ("user5", "secret_not_json"),
    ] {
        daemon.wait_reason(&secret_name(user), Phase::Halted, reason).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_in_no_log_metric_reply_file_or_process_table() {
    let world = World::start().await;
    create(&world).await;
    let secret = secret_name("user1");
    let mut passwords = BTreeSet::from(MARKERS.map(str::to_owned));
    let mut seen = Seen::default();

    let daemon = setup(&world).run().await;
    let address = daemon.listen_address().await;
    seen.process(daemon.pid());
    daemon.checked(&secret).await;
    trouble_is_reported(&daemon).await;
    seen.replies(&daemon.socket, &address).await;

    rotate_through(
        &world,
        &daemon,
        vec![
            Fault::next("PutSecretValue", FaultKind::ReplyLost),
            Fault::next("ModifyUser", FaultKind::ReplyLost),
            Fault::next("UpdateSecretVersionStage", FaultKind::ReplyLost),
        ],
    )
    .await;
    collect(&world, &secret, &mut passwords).await;
    // Refused once as denied; then as invalid, which gives the pending password up.
    rotate_through(&world, &daemon, vec![refusal("ModifyUser", "AccessDenied", 403)]).await;
    rotate_through(
        &world,
        &daemon,
        vec![refusal("ModifyUser", "InvalidParameterValue", 400)],
    )
    .await;
    rotate_through(
        &world,
        &daemon,
        vec![refusal("PutSecretValue", "InvalidRequestException", 400)],
    )
    .await;
    seen.replies(&daemon.socket, &address).await;
    collect(&world, &secret, &mut passwords).await;

    // Logins that are refused: somebody else changes the user.
    let overwritten = "somebody-elses-password-1";
    passwords.insert(overwritten.to_owned());
    let modify = world.elasticache.modify_user().user_id("user1").passwords(overwritten);
    modify.send().await.unwrap();
    world.settled("user1").await;
    daemon.rotate(&secret).await;
    daemon
        .wait_reason(&secret, Phase::Halted, "current_password_refused")
        .await;
    seen.replies(&daemon.socket, &address).await;
    seen.process(daemon.pid());
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["status", &secret],
        &["history", "--limit", "10000", "--events"],
        &["history", "--limit", "10000"],
        &["rotate", &secret, "--wait", "--timeout", "5s"],
        &["rotate", &secret_name("user3"), "--wait"],
        &["rotate", "none"],
        &["check"],
        &["run"],
    ] {
        seen.command(&setup(&world), args).await;
    }
    // The files of the store as they lie there while it is open, and after it was closed.
    for suffix in ["", "-wal", "-shm"] {
        let mut path = daemon.state_file.clone().into_os_string();
        path.push(suffix);
        seen.file(format!("open store{suffix}"), PathBuf::from(path));
    }
    assert_eq!(daemon.end("-TERM").await, Some(0));
    collect(&world, &secret, &mut passwords).await;
    seen.files(world.dir.path());

    assert!(passwords.len() >= 5 + 1 + 5, "{} passwords", passwords.len());
    seen.assert_none_of(
        &passwords,
        &[
            ("/proc/PID/cmdline", "--log-format"),
            ("/proc/PID/environ", "this-may-be-seen"),
            // No library has anything to say at TRACE that may be said: they are stopped at DEBUG.
            (
                "file rekeyd.log",
                "\"target\":\"aws_smithy_runtime::client::orchestrator\"",
            ),
            ("file rekeyd.log", "current_password_refused"),
            ("file rekeyd.log", "Passwords length must be between"),
            ("file rekeyd.log", "secret_not_json"),
            ("file rekeyd.log", "does not speak TLS"),
            ("file rekeyd.db", "production/ec/user1"),
            ("open store", "SQLite format 3"),
            ("open store-wal", "password_invalid"),
            ("open store-shm", "\0"),
            (
                "TCP /metrics",
                "rekeyd_policy_halted{policy=\"broken\",reason=\"password_invalid\"} 1",
            ),
            ("TCP /", "production/ec/user5"),
            ("TCP /api/v1/secrets", "does not speak TLS"),
            ("socket /api/v1/rotations?limit=10000", "abandon_started"),
            ("socket POST /api/v1/rotate", "none"),
            ("rekeyd status", "secret_not_json"),
            ("rekeyd history --limit 10000 --events", "rotation_started"),
            ("rekeyd history --limit 10000", "woken by"),
            ("rekeyd check", "policy orders"),
            ("rekeyd run", "holds this store"),
        ],
    );

    // And that search would have found one in the very same places.
    let planted = BTreeSet::from(["this-may-be-seen".to_owned()]);
    assert!(found(&planted, &seen.0["/proc/PID/environ"]).contains(&"plain".to_owned()));
    let logged = BTreeSet::from([secret]);
    assert!(found(&logged, &seen.0["file rekeyd.log"]).contains(&"plain".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_text_holds_no_password_either() {
    let world = World::start().await;
    create(&world).await;
    let secret = secret_name("user1");
    let mut passwords = BTreeSet::from(MARKERS.map(str::to_owned));
    // Directives of an operator who wants to see everything there is.
    let everything = "trace,aws_smithy_runtime=trace,aws_smithy_http_client=trace,aws_sdk_elasticache=trace,\
                      aws_sdk_secretsmanager=trace,aws_config=trace,hyper=trace,hyper_util=trace,rustls=trace,\
                      rusqlite=trace,tokio=trace,mio=trace,rekeyd=trace";
    let log = world.path("text.log");
    let file = std::fs::File::create(&log).unwrap();
    let mut child = setup(&world)
        .env("RUST_LOG", everything)
        .env("RUST_BACKTRACE", "full")
        .command(&["--log-format", "text", "run"])
        .stdout(Stdio::from(file.try_clone().unwrap()))
        .stderr(Stdio::from(file))
        .spawn()
        .unwrap();
    let socket = world.path("rekeyd.sock");
    let post =
        async |path: &str, body: serde_json::Value| http::unix(&socket, "POST", path, Some(&body.to_string())).await;
    eventually("the rotation is accepted", || async {
        let body = serde_json::json!({"secrets": [secret]});
        let answer = post("/api/v1/rotate", body).await.map_err(|error| error.to_string())?;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    })
    .await;
    eventually("the rotation is over, and the trouble is reported", || async {
        let text = std::fs::read_to_string(&log).unwrap();
        for words in [
            "AWSCURRENT moved",
            "previous password removed",
            "secret_not_json",
            "tls_failed",
        ] {
            if !text.contains(words) {
                return Err(format!("no {words:?}"));
            }
        }
        Ok(())
    })
    .await;
    child.kill().await.unwrap();
    collect(&world, &secret, &mut passwords).await;
    assert!(passwords.len() >= 6);
    let mut seen = Seen::default();
    seen.files(world.dir.path());
    seen.assert_none_of(
        &passwords,
        &[
            ("file text.log", "DEBUG"),
            ("file text.log", "aws_smithy_runtime::client::orchestrator"),
            ("file text.log", "secret_not_json"),
            ("file rekeyd.db-wal", "production/ec/user1"),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_in_which_the_sdk_logs_bodies_is_refused() {
    let world = World::start().await;
    for value in ["true", "false", ""] {
        for command in [&["run"][..], &["run", "--once"], &["check"]] {
            let refused = setup(&world)
                .env("LOG_SENSITIVE_BODIES", value)
                .cli(command)
                .await
                .with(78);
            assert!(refused.stderr.contains("LOG_SENSITIVE_BODIES"), "{}", refused.stderr);
            assert_eq!(refused.stdout, "");
        }
    }
    assert!(!world.path("rekeyd.db").exists(), "it went on to open the store");
    setup(&world).cli(&["check"]).await.with(0);
}

/// AWS is not known to quote passwords in its errors; should it, they would go everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_aws_that_quotes_the_password_is_passed_on_without_it() {
    let world = World::start().await;
    world.live_user("user1", MARKER).await;
    let secret = secret_name("user1");
    let daemon = orders(&world, &["user1"]).run().await;
    daemon.checked(&secret).await;
    let mut fault = refusal("ModifyUser", "InvalidParameterValue", 400);
    fault.message = Some(format!(
        "Value '[{MARKER}]' at 'passwords' failed to satisfy constraint"
    ));
    rotate_through(&world, &daemon, vec![fault]).await;
    assert_eq!(daemon.end("-TERM").await, Some(0));
    let mut seen = Seen::default();
    seen.files(world.dir.path());
    seen.assert_none_of(
        &BTreeSet::from([MARKER.to_owned()]),
        &[("file rekeyd.log", "failed to satisfy constraint")],
    );
}
