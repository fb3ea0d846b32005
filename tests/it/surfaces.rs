//! Metrics and HTTP of the real binary.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rekeyd::clock::{Clock, SystemClock};
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::Phase;
use tokio::io::AsyncWriteExt;

use crate::support::cli::orders;
use crate::support::world::{document, document_with, secret_name};
use crate::support::{Daemon, Policy, World, eventually, http};

const OLD: &str = "the-first-password-1";

/// `promtool`, from `.tools` or the path. Without it there is no test, and that is a failure.
fn promtool() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/usr/bin/promtool");
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let candidates =
        std::iter::once(tools).chain(std::env::split_paths(&on_path).map(|folder| folder.join("promtool")));
    candidates
        .into_iter()
        .find(|path| {
            path.metadata()
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
        .expect("promtool is missing, so the metrics cannot be checked: run `make tools`, which puts it into .tools/")
}

/// What `promtool check metrics` has to say; nothing if all is well.
async fn complaints(metrics: &str) -> Option<String> {
    let mut child = tokio::process::Command::new(promtool())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(metrics.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (!output.status.success() || !said.is_empty()).then(|| String::from_utf8_lossy(&said).into_owned())
}

/// The value of one series. Labels stand in the order of their names.
fn value(metrics: &str, series: &str) -> Option<f64> {
    metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
        .map(|value| value.parse().expect("a number"))
}

async fn scraped(daemon: &Daemon) -> String {
    let answer = daemon.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .head
            .to_lowercase()
            .contains("content-type: text/plain; version=0.0.4"),
        "{}",
        answer.head
    );
    answer.body
}

/// Waits until a series has a value.
async fn wait_value(daemon: &Daemon, series: &str, wanted: f64) {
    eventually(&format!("{series} is {wanted}"), || async {
        let metrics = scraped(daemon).await;
        match value(&metrics, series) {
            Some(found) if (found - wanted).abs() < f64::EPSILON => Ok(()),
            found => Err(format!("{found:?}")),
        }
    })
    .await;
}

fn now() -> f64 {
    let now = SystemClock::new().now();
    now.timestamp_micros() as f64 / 1e6
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_fault_with_metrics_that_are_wrong() {
    let wrong = "# HELP rekeyd_rotations Rotations.\n# TYPE rekeyd_rotations counter\nrekeyd_rotations 1\n";
    assert!(complaints(wrong).await.unwrap().contains("_total"));
    assert!(complaints("rekeyd_x{ 1\n").await.is_some());
    let right = wrong.replace("rekeyd_rotations", "rekeyd_rotations_total");
    assert_eq!(complaints(&right).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_what_promtool_accepts_and_tell_what_happened() {
    let world = World::start().await;
    for user in ["user1", "user3"] {
        world.create_user(user, OLD).await;
    }
    world.create_inactive_user("user2").await;
    world.create_cache(&["user1", "user2", "user3"]).await;
    let (live, off, broken) = (secret_name("user1"), secret_name("user2"), secret_name("user3"));
    world.create_secret(&live, &document_with("user1", OLD)).await;
    world.create_secret(&off, &document("user2")).await;
    world.create_secret(&broken, "{\"user_arn\": ").await;
    let daemon = world
        .daemon("rekeyd")
        .daemon_key("discovery_interval", "\"1s\"")
        .policy(Policy::new("orders", &["user1"]).with("overlap", "\"2s\""))
        .policy(Policy::new("inactive", &["user2"]))
        .policy(Policy::new("broken", &["user3"]))
        .run()
        .await;
    daemon
        .wait(&live, "checked", |status| status.proof == Some(Proof::Proven))
        .await;
    daemon
        .wait(&off, "rotated", |status| {
            status.last_rotation_at.is_some() && status.phase == Phase::Idle
        })
        .await;
    daemon.wait_reason(&broken, Phase::Halted, "secret_not_json").await;
    let before = scraped(&daemon).await;
    assert_eq!(complaints(&before).await, None);
    for (series, wanted) in [
        ("rekeyd_rotations_total{outcome=\"promoted\",policy=\"orders\"}", 0.0),
        (
            "rekeyd_rotations_total{outcome=\"promoted_unproven\",policy=\"inactive\"}",
            1.0,
        ),
        ("rekeyd_rotations_total{outcome=\"halted\",policy=\"broken\"}", 0.0),
        ("rekeyd_secrets{phase=\"idle\",policy=\"orders\"}", 1.0),
        ("rekeyd_secrets{phase=\"halted\",policy=\"orders\"}", 0.0),
        ("rekeyd_secrets{phase=\"halted\",policy=\"broken\"}", 1.0),
        (
            "rekeyd_policy_halted{policy=\"broken\",reason=\"secret_not_json\"}",
            1.0,
        ),
        ("rekeyd_policy_unproven{policy=\"inactive\"}", 1.0),
        ("rekeyd_policy_unproven{policy=\"orders\"}", 0.0),
        ("rekeyd_policy_overdue{policy=\"orders\"}", 0.0),
        ("rekeyd_policy_paused{policy=\"orders\"}", 0.0),
        ("rekeyd_policy_retirement_overdue{policy=\"orders\"}", 0.0),
        ("rekeyd_login_probes_total{outcome=\"accepted\"}", 3.0),
        ("rekeyd_login_probes_total{outcome=\"unreachable\"}", 0.0),
        ("rekeyd_step_attempts_total{outcome=\"ok\",step=\"createSecret\"}", 1.0),
        ("rekeyd_step_attempts_total{outcome=\"ok\",step=\"finishSecret\"}", 1.0),
        (
            "rekeyd_step_attempts_total{outcome=\"error\",step=\"finishSecret\"}",
            0.0,
        ),
        ("rekeyd_store_errors_total", 0.0),
        ("rekeyd_lease_held", 1.0),
        ("rekeyd_config_last_reload_successful", 1.0),
    ] {
        assert_eq!(value(&before, series), Some(wanted), "{series}\n{before}");
    }
    for (operation, service) in [
        ("PutSecretValue", "secretsmanager"),
        ("UpdateSecretVersionStage", "secretsmanager"),
        ("ModifyUser", "elasticache"),
    ] {
        let series =
            format!("rekeyd_aws_requests_total{{operation=\"{operation}\",outcome=\"ok\",service=\"{service}\"}}");
        assert_eq!(value(&before, &series), Some(1.0), "{series}\n{before}");
    }
    let series =
        |name: &str, policy: &str, secret: &str| format!("rekeyd_{name}{{policy=\"{policy}\",secret=\"{secret}\"}}");
    let rotated = value(
        &before,
        &series("secret_last_rotation_timestamp_seconds", "orders", &live),
    )
    .unwrap();
    let next = value(
        &before,
        &series("secret_next_rotation_timestamp_seconds", "orders", &live),
    )
    .unwrap();
    assert!((now() - 60.0..=now() + 1.0).contains(&rotated), "{rotated}");
    assert!((next - rotated - 1000.0 * 86_400.0).abs() < 2.0, "{next} {rotated}");
    assert_eq!(
        value(&before, &series("secret_previous_password_valid", "orders", &live)),
        Some(0.0)
    );
    let oldest = value(
        &before,
        "rekeyd_policy_oldest_rotation_timestamp_seconds{policy=\"orders\"}",
    );
    assert_eq!(oldest, Some(rotated));

    // A rotation under the eyes of Prometheus: each phase is accepted, and each is seen.
    daemon.rotate(&live).await;
    eventually("the rotation is over", || async {
        let metrics = scraped(&daemon).await;
        assert_eq!(complaints(&metrics).await, None, "{metrics}");
        let status = daemon
            .statuses()
            .await?
            .into_iter()
            .find(|status| status.secret == live)
            .unwrap();
        let valid = value(&metrics, &series("secret_previous_password_valid", "orders", &live));
        match status.retired_at {
            Some(_) if status.phase == Phase::Idle => Ok(()),
            _ => Err(format!("{:?} {valid:?}", status.phase)),
        }
    })
    .await;
    let after = scraped(&daemon).await;
    for (series, wanted) in [
        ("rekeyd_rotations_total{outcome=\"promoted\",policy=\"orders\"}", 1.0),
        (
            "rekeyd_rotations_total{outcome=\"promoted_unproven\",policy=\"orders\"}",
            0.0,
        ),
        ("rekeyd_rotation_duration_seconds_count{policy=\"orders\"}", 1.0),
        ("rekeyd_rotations_in_flight", 0.0),
        ("rekeyd_step_attempts_total{outcome=\"ok\",step=\"retire\"}", 1.0),
        ("rekeyd_step_duration_seconds_count{step=\"retire\"}", 1.0),
        ("rekeyd_login_probes_total{outcome=\"refused\"}", 3.0),
        (&series("secret_previous_password_valid", "orders", &live), 0.0),
    ] {
        assert_eq!(value(&after, series), Some(wanted), "{series}\n{after}");
    }
    let accepted = "rekeyd_login_probes_total{outcome=\"accepted\"}";
    assert!(value(&after, accepted).unwrap() >= 9.0, "{after}");

    // The tick is fresh, and stays so.
    let tick = |metrics: &str| value(metrics, "rekeyd_scheduler_last_tick_timestamp_seconds").unwrap();
    let first = tick(&after);
    assert!(now() - first < 5.0, "{first}");
    eventually("the scheduler ticks on", || async {
        let later = tick(&scraped(&daemon).await);
        if later >= first + 2.0 {
            Ok(())
        } else {
            Err(format!("{first} {later}"))
        }
    })
    .await;

    // Trouble that is over shows zero: an alert resolves.
    let value_of = world.secrets.put_secret_value().secret_id(&broken);
    value_of
        .secret_string(document_with("user3", OLD))
        .send()
        .await
        .unwrap();
    wait_value(
        &daemon,
        "rekeyd_policy_halted{policy=\"broken\",reason=\"secret_not_json\"}",
        0.0,
    )
    .await;
    world.switch("user2", true).await;
    wait_value(&daemon, "rekeyd_policy_unproven{policy=\"inactive\"}", 0.0).await;
    let last = scraped(&daemon).await;
    assert_eq!(complaints(&last).await, None);
    assert_eq!(
        value(&last, "rekeyd_secrets{phase=\"halted\",policy=\"broken\"}"),
        Some(0.0)
    );
    assert_eq!(
        value(&last, "rekeyd_secrets{phase=\"idle\",policy=\"broken\"}"),
        Some(1.0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_seen_in_the_metrics() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let daemon = orders(&world, &["user1"])
        .default_key("overlap", "\"1h\"")
        .default_key("propagation_timeout", "\"2s\"")
        .run()
        .await;
    let secret = secret_name("user1");
    daemon
        .wait(&secret, "checked", |status| status.proof == Some(Proof::Proven))
        .await;
    let nodes = world.sandbox.sandbox().nodes();
    let change = |running| rekeyd_sandbox::NodeChange {
        running: Some(running),
        ..Default::default()
    };
    world.sandbox.change_node(&nodes[2].id, &change(false)).await.unwrap();
    daemon.rotate(&secret).await;
    let attention = "rekeyd_policy_needs_attention{policy=\"orders\",reason=\"node_unreachable\"}";
    wait_value(&daemon, attention, 1.0).await;
    let metrics = scraped(&daemon).await;
    assert_eq!(complaints(&metrics).await, None);
    assert_eq!(
        value(&metrics, "rekeyd_rotations_in_flight"),
        Some(0.0),
        "held before it began"
    );
    assert!(value(&metrics, "rekeyd_login_probes_total{outcome=\"unreachable\"}").unwrap() >= 1.0);
    assert_eq!(
        value(&metrics, "rekeyd_secrets{phase=\"needs_attention\",policy=\"orders\"}"),
        Some(1.0)
    );

    world.sandbox.change_node(&nodes[2].id, &change(true)).await.unwrap();
    wait_value(&daemon, "rekeyd_secrets{phase=\"overlap\",policy=\"orders\"}", 1.0).await;
    let metrics = scraped(&daemon).await;
    assert_eq!(value(&metrics, attention), Some(0.0));
    let valid = format!("rekeyd_secret_previous_password_valid{{policy=\"orders\",secret={secret:?}}}");
    assert_eq!(value(&metrics, &valid), Some(1.0), "both work during the overlap");

    // The next one is held in the middle.
    let held = crate::support::Fault::next("ModifyUser", crate::support::FaultKind::Hold);
    world.faults(vec![held]);
    let body = serde_json::json!({"secrets": [secret], "revoke_previous": true});
    assert_eq!(daemon.post("/api/v1/rotate", &body).await.status, 200);
    world.fault_fired().await;
    let metrics = scraped(&daemon).await;
    assert_eq!(complaints(&metrics).await, None);
    assert_eq!(value(&metrics, "rekeyd_rotations_in_flight"), Some(1.0), "{metrics}");
    world.faults(Vec::new());
    world.sandbox.sandbox().release();
    wait_value(&daemon, "rekeyd_rotations_in_flight", 0.0).await;
}

/// What would change if a request changed anything: writes, requests, pauses, history.
async fn traces(world: &World, daemon: &Daemon) -> String {
    let history = daemon.get("/api/v1/rotations?limit=10000").await.json();
    let statuses = daemon.statuses().await.unwrap();
    let standing: Vec<_> = statuses
        .iter()
        .map(|status| (&status.secret, status.phase, status.requested, &status.current_version))
        .collect();
    let writes: Vec<_> = ["secretsmanager.PutSecretValue", "elasticache.ModifyUser"]
        .map(|call| world.count(call))
        .into();
    format!(
        "{} {standing:?} {writes:?}",
        history["rotations"].as_array().unwrap().len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_at_is_the_same_over_tcp_and_the_socket_and_tcp_changes_nothing() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let daemon = orders(&world, &["user1"]).run().await;
    let secret = secret_name("user1");
    let current = world.holder(&secret, "AWSCURRENT").await.unwrap();
    daemon
        .wait(&secret, "checked", |status| status.proof == Some(Proof::Proven))
        .await;
    let address = daemon.listen_address().await;
    let tcp =
        async |method: &str, path: &str, body: Option<&str>| http::tcp(&address, method, path, body).await.unwrap();

    assert_eq!(tcp("GET", "/livez", None).await.body, "ok\n");
    let ready = tcp("GET", "/readyz", None).await;
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &true.into()));
    let listed = tcp("GET", "/api/v1/secrets", None).await.json();
    let listed = listed["secrets"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 1);
    for (key, wanted) in [
        ("secret", secret.as_str()),
        ("arn", arn.as_str()),
        ("policy", "orders"),
        ("place", "main"),
        ("user_id", "user1"),
        ("phase", "idle"),
        ("current_version", current.as_str()),
    ] {
        assert_eq!(listed[0][key], wanted, "{listed:?}");
    }
    assert_eq!(listed[0]["nodes"], 3);
    for path in [
        format!("/api/v1/secrets/{secret}"),
        format!("/api/v1/secrets/{arn}"),
        format!("/api/v1/secrets/{}", secret.replace('/', "%2F")),
    ] {
        assert_eq!(tcp("GET", &path, None).await.json(), listed[0], "{path}");
    }
    let policies = tcp("GET", "/api/v1/policies", None).await.json();
    assert_eq!(policies["policies"][0]["policy"], "orders");
    assert_eq!(policies["policies"][0]["secrets"], 1);
    assert_eq!(policies["policies"][0]["paused"], false);
    let rotations = tcp("GET", &format!("/api/v1/rotations?secret={secret}&limit=1"), None)
        .await
        .json();
    assert_eq!(rotations["rotations"][0]["event"], "checked");
    let page = tcp("GET", "/", None).await;
    assert!(page.body.contains(&secret) && page.head.to_lowercase().contains("text/html"));
    for path in ["/api/v1/policies", "/api/v1/secrets", "/api/v1/rotations"] {
        assert_eq!(tcp("GET", path, None).await.body, daemon.get(path).await.body, "{path}");
    }
    for (path, status) in [
        ("/api/v1/secrets/none", 404),
        ("/api/v1/secrets?secret=none", 404),
        ("/api/v1/rotations?secret=none", 404),
        ("/api/v1/rotations?limit=many", 400),
        ("/api/v1/secrets?policy=orders", 400),
        ("/api/v2/secrets", 404),
        ("/api/v1/rotate", 404),
    ] {
        let answer = tcp("GET", path, None).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.json()["error"].is_string(), "{path}: {}", answer.body);
    }

    let before = traces(&world, &daemon).await;
    let body = serde_json::json!({"secrets": [secret]}).to_string();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "ROTATE"] {
        for path in [
            "/api/v1/rotate",
            "/api/v1/pause",
            "/api/v1/resume",
            "/api/v1/secrets",
            "/livez",
            "/metrics",
            "/",
            "/none",
        ] {
            let answer = tcp(method, path, Some(&body)).await;
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.body);
            assert!(
                answer.head.to_lowercase().contains("allow: get, head"),
                "{}",
                answer.head
            );
        }
    }
    assert_eq!(traces(&world, &daemon).await, before);
    // The same request over the socket is carried out, so it was TCP that was refused.
    assert_eq!(
        http::unix(&daemon.socket, "POST", "/api/v1/rotate", Some(&body))
            .await
            .unwrap()
            .status,
        200
    );
    assert_ne!(traces(&world, &daemon).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_only_health_and_metrics_are_served_unless_status_is_exposed() {
    let world = World::start().await;
    world.create_user("user1", OLD).await;
    world
        .create_secret(&secret_name("user1"), &document_with("user1", OLD))
        .await;
    for exposed in [false, true] {
        let daemon = orders(&world, &["user1"])
            .env("REKEYD__DAEMON__LISTEN", "\"0.0.0.0:0\"")
            .daemon_key("expose_status", &exposed.to_string())
            .run()
            .await;
        daemon
            .wait(&secret_name("user1"), "looked at", |status| {
                status.current_version.is_some()
            })
            .await;
        let listen = daemon.listen_address().await;
        let address = listen.replace("0.0.0.0", "127.0.0.1");
        assert_ne!(listen, address);
        for path in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(
                http::tcp(&address, "GET", path, None).await.unwrap().status,
                200,
                "{path}"
            );
        }
        for path in [
            "/",
            "/api/v1/secrets",
            "/api/v1/policies",
            "/api/v1/rotations",
            "/api/v1/secrets/production/ec/user1",
        ] {
            let answer = http::tcp(&address, "GET", path, None).await.unwrap();
            assert_eq!(answer.status, if exposed { 200 } else { 404 }, "{path}");
            let named = if path.ends_with("policies") { "orders" } else { "user1" };
            assert_eq!(answer.body.contains(named), exposed, "{path}: {}", answer.body);
            assert!(exposed || answer.body.contains("expose_status"), "{}", answer.body);
        }
        assert_eq!(
            http::tcp(&address, "POST", "/api/v1/rotate", Some("{\"all\": true}"))
                .await
                .unwrap()
                .status,
            405
        );
        assert_eq!(
            daemon.get("/api/v1/secrets").await.status,
            200,
            "the socket shows it all"
        );
        assert_eq!(daemon.end("-TERM").await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_socket_is_for_owner_and_group_and_takes_no_request_that_is_wrong_in_part() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let daemon = orders(&world, &["user1"]).run().await;
    let secret = secret_name("user1");
    daemon
        .wait(&secret, "checked", |status| status.proof == Some(Proof::Proven))
        .await;
    let metadata = std::fs::metadata(&daemon.socket).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o660);
    assert_eq!(
        metadata.uid(),
        std::fs::metadata(format!("/proc/{}", daemon.pid())).unwrap().uid()
    );
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mut path = daemon.state_file.clone().into_os_string();
        path.push(suffix);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{path:?}");
    }

    let before = traces(&world, &daemon).await;
    let post = async |path: &str, body: &str| http::unix(&daemon.socket, "POST", path, Some(body)).await.unwrap();
    let known = format!("\"secrets\": [{secret:?}]");
    let long = "x".repeat(70_000);
    for (path, body, status, words) in [
        ("rotate", "".to_owned(), 400, ""),
        ("rotate", "{".to_owned(), 400, ""),
        ("rotate", "[]".to_owned(), 400, ""),
        ("rotate", "null".to_owned(), 400, ""),
        ("rotate", "{}".to_owned(), 400, "name secrets"),
        ("rotate", "{\"secrets\": []}".to_owned(), 400, "name secrets"),
        ("rotate", "{\"secrets\": \"all\"}".to_owned(), 400, ""),
        ("rotate", format!("{{{known}, \"force\": true}}"), 400, "force"),
        ("rotate", format!("{{{known}}} {{}}"), 400, ""),
        ("rotate", format!("{{{known}, \"now\": \"yes\"}}"), 400, ""),
        ("rotate", "{\"secrets\": [\"none\"]}".to_owned(), 404, "none"),
        (
            "rotate",
            format!("{{\"secrets\": [{secret:?}, \"none\"]}}"),
            404,
            "none",
        ),
        ("rotate", "{\"policy\": \"nine\"}".to_owned(), 404, "nine"),
        ("rotate", format!("{{{known}, \"policy\": \"nine\"}}"), 404, "nine"),
        ("rotate", format!("{{\"secrets\": [\"{long}\"]}}"), 413, ""),
        ("pause", format!("{{{known}, \"for_seconds\": 0}}"), 400, "for_seconds"),
        ("pause", format!("{{{known}, \"for_seconds\": -1}}"), 400, ""),
        (
            "pause",
            format!("{{{known}, \"reason\": \"{}\"}}", &long[..501]),
            400,
            "reason",
        ),
        ("pause", format!("{{{known}, \"reason\": \"{long}\"}}"), 413, ""),
        ("pause", "{\"secrets\": [\"none\"]}".to_owned(), 404, "none"),
        ("resume", format!("{{{known}, \"now\": true}}"), 400, "now"),
        ("resume", "{}".to_owned(), 400, "name secrets"),
        ("rollback", format!("{{{known}}}"), 404, ""),
        ("secrets", format!("{{{known}}}"), 405, ""),
    ] {
        let answer = post(&format!("/api/v1/{path}"), &body).await;
        let shown = &body[..body.len().min(100)];
        assert_eq!(answer.status, status, "{path} {shown}: {}", answer.body);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words), "{path} {shown}: {error}");
        assert!(error.len() < 1_000, "an echo of the request: {}", error.len());
    }
    for method in ["GET", "PUT", "DELETE"] {
        let answer = http::unix(&daemon.socket, method, "/api/v1/rotate", None)
            .await
            .unwrap();
        assert_eq!(answer.status, 405, "{method}");
    }
    assert_eq!(
        traces(&world, &daemon).await,
        before,
        "a request that was refused changed something"
    );

    let accepted = post("/api/v1/rotate", &format!("{{{known}}}")).await;
    assert_eq!(accepted.status, 200);
    assert_eq!(accepted.json()["accepted"][0]["secret"], secret.as_str());
    assert_ne!(traces(&world, &daemon).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_nobody_uses_hold_no_rotation_up() {
    let world = World::start().await;
    let arn = world.live_user("user1", "the-first-password-1").await;
    let secret = secret_name("user1");
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let daemon = world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &["user1"]))
        .run()
        .await;
    daemon.wait(&secret, "checked", |status| status.proof.is_some()).await;
    let address = daemon.listen_address().await;
    let mut idle = Vec::new();
    for _ in 0..350 {
        idle.push(tokio::net::TcpStream::connect(&address).await.unwrap());
    }
    daemon.rotate(&secret).await;
    let second = rekeyd::rotation::version::version_id(&arn, &first, 0);
    let done = |status: &rekeyd::rotation::status::SecretStatus| {
        status.current_version.as_deref() == Some(&second) && status.retired_at.is_some()
    };
    daemon.wait(&secret, "rotated all the same", done).await;
    let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    assert!(open < 330, "{open} descriptors are open: idle connections are bounded");
    drop(idle);
    assert_eq!(http::tcp(&address, "GET", "/livez", None).await.unwrap().status, 200);
}
