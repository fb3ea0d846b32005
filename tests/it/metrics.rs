//! The metrics of the real binary, as Prometheus reads them.

use std::process::Stdio;

use rekeyd::clock::{Clock, SystemClock};
use rekeyd::rotation::status::Phase;
use tokio::io::AsyncWriteExt;

use crate::support::cli::orders;
use crate::support::prometheus::program;
use crate::support::status::proven_retired;
use crate::support::world::{document, document_with, secret_name};
use crate::support::{Daemon, Fault, FaultKind, OLD, Policy, Scene, World, eventually};

/// What `promtool check metrics` has to say; nothing if all is well.
async fn complaints(metrics: &str) -> Option<String> {
    let mut child = tokio::process::Command::new(program("promtool"))
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
    daemon.checked(&live).await;
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
    let scene = Scene::start(&[("overlap", "\"1h\""), ("propagation_timeout", "\"2s\"")]).await;
    let (world, daemon, secret) = scene.parts();
    let (replica, _) = world.replica_2();
    world.set_running(&replica, false).await;
    daemon.rotate(secret).await;
    let attention = "rekeyd_policy_needs_attention{policy=\"orders\",reason=\"node_unreachable\"}";
    wait_value(daemon, attention, 1.0).await;
    let metrics = scraped(daemon).await;
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

    world.set_running(&replica, true).await;
    wait_value(daemon, "rekeyd_secrets{phase=\"overlap\",policy=\"orders\"}", 1.0).await;
    let metrics = scraped(daemon).await;
    assert_eq!(value(&metrics, attention), Some(0.0));
    let valid = format!("rekeyd_secret_previous_password_valid{{policy=\"orders\",secret={secret:?}}}");
    assert_eq!(value(&metrics, &valid), Some(1.0), "both work during the overlap");

    // The next one is held in the middle.
    let held = Fault::next("ModifyUser", FaultKind::Hold);
    world.faults(vec![held]);
    let body = serde_json::json!({"secrets": [secret], "revoke_previous": true});
    daemon.order("rotate", &body).await;
    world.fault_fired().await;
    let metrics = scraped(daemon).await;
    assert_eq!(complaints(&metrics).await, None);
    assert_eq!(value(&metrics, "rekeyd_rotations_in_flight"), Some(1.0), "{metrics}");
    world.end_faults();
    wait_value(daemon, "rekeyd_rotations_in_flight", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_goes_takes_its_budgets_along() {
    let world = World::of(&["user1"]).await;
    let secret = secret_name("user1");
    world.create_secret(&secret, &document_with("user1", OLD)).await;
    let daemon = orders(&world, &["user1"]).run().await;
    daemon.checked(&secret).await;
    assert!(daemon.get("/metrics").await.body.contains("place=\"main\""));
    let file = world.path("rekeyd.toml");
    let moved = std::fs::read_to_string(&file)
        .unwrap()
        .replace("[aws.main]", "[aws.second]")
        .replace("aws = \"main\"", "aws = \"second\"");
    std::fs::write(&file, moved).unwrap();
    let reloaded = daemon.post("/api/v1/reload", &serde_json::json!({})).await;
    assert_eq!(reloaded.status, 200, "{}", reloaded.body);
    daemon.rotate(&secret).await;
    daemon.wait(&secret, "rotated", proven_retired).await;
    let metrics = daemon.get("/metrics").await.body;
    assert!(metrics.contains("place=\"second\""), "{metrics}");
    assert!(!metrics.contains("place=\"main\""), "{metrics}");
}
