//! A real Prometheus, which scrapes the real daemon and goes by the rules that ship.

use std::path::Path;

use rekeyd::rotation::status::SecretStatus;
use serde_json::json;

use super::{folder, text};
use crate::support::exposition::series;
use crate::support::prometheus::{Prometheus, free_port};
use crate::support::report::report;
use crate::support::status::{idle_and_proven, proven_retired};
use crate::support::world::{document_with, secret_name};
use crate::support::{Daemon, Fault, FaultKind, OLD, OTHER, Policy, World, http};

const USER: &str = "user1";

/// A user in use, and a daemon that listens on a port that outlives it.
struct Watched {
    daemon: Daemon,
    world: World,
    secret: String,
    port: u16,
}

async fn run(world: &World, port: u16) -> Daemon {
    let policy = Policy::new("orders", &[USER]).with("on_drift", "\"halt\"");
    let setup = world.daemon("rekeyd").policy(policy);
    setup
        .daemon_key("discovery_interval", "\"1s\"")
        .daemon_key("drift_check_interval", "\"1s\"")
        .env("REKEYD__DAEMON__LISTEN", &format!("\"127.0.0.1:{port}\""))
        .run()
        .await
}

impl Watched {
    async fn start() -> Self {
        let world = World::of(&[USER]).await;
        let secret = secret_name(USER);
        world.create_secret(&secret, &document_with(USER, OLD)).await;
        let port = free_port();
        let daemon = run(&world, port).await;
        daemon.checked(&secret).await;
        Self {
            daemon,
            world,
            secret,
            port,
        }
    }

    /// Starts a Prometheus with the configuration and the rules that ship, but that nothing takes minutes.
    async fn prometheus(&self) -> Prometheus {
        let folder = self.world.path("prometheus");
        std::fs::create_dir(&folder).unwrap();
        let rules = std::fs::read_to_string(super::folder().join("rekeyd.rules.yml")).unwrap();
        std::fs::write(folder.join("rekeyd.rules.yml"), hastened(&rules)).unwrap();
        std::fs::write(folder.join("prometheus.yml"), configuration(self.port)).unwrap();
        Prometheus::start(&folder).await
    }

    async fn rotate(&self) -> SecretStatus {
        let before = self.daemon.checked(&self.secret).await.current_version;
        self.daemon.rotate(&self.secret).await;
        let rotated = |status: &SecretStatus| {
            status.current_version != before && idle_and_proven(status) && proven_retired(status)
        };
        self.daemon.wait(&self.secret, "rotated", rotated).await
    }
}

/// The rules with each `for` cut down to a second, and nothing else changed.
fn hastened(rules: &str) -> String {
    let lines = rules.lines().map(|line| match line.trim_start().starts_with("for: ") {
        true => "        for: 1s\n".to_owned(),
        false => format!("{line}\n"),
    });
    lines.collect()
}

/// The scrape that ships, of this port and several times a second.
fn configuration(port: u16) -> String {
    let shipped = std::fs::read_to_string(folder().join("scrape.yml")).unwrap();
    let scraped = shipped
        .replace("scrape_interval: 30s", "scrape_interval: 500ms")
        .replace("127.0.0.1:9848\"]", &format!("127.0.0.1:{port}\"]"));
    assert!(scraped.contains("500ms") && scraped.contains(&format!(":{port}\"]")));
    format!("{scraped}\nglobal:\n  evaluation_interval: 1s\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_tells_what_the_daemon_did_also_across_a_restart() {
    let mut watched = Watched::start().await;
    let prometheus = watched.prometheus().await;
    prometheus.wait_value("up{job=\"rekeyd\"}", 1.0).await;
    let promoted = "rekeyd_rotations_total{policy=\"orders\",outcome=\"promoted\"}";
    prometheus.wait_value(promoted, 0.0).await;

    // One that is held in the middle.
    watched.world.faults(vec![Fault::next("ModifyUser", FaultKind::Hold)]);
    watched.daemon.rotate(&watched.secret).await;
    prometheus.wait_value("rekeyd_rotations_in_flight", 1.0).await;
    prometheus
        .wait_value("rekeyd_secrets{policy=\"orders\",phase=\"rotating\"}", 1.0)
        .await;
    watched.world.end_faults();
    prometheus.wait_value("rekeyd_rotations_in_flight", 0.0).await;
    prometheus.wait_value(promoted, 1.0).await;
    let rotated = watched.rotate().await.last_rotation_at.unwrap();
    prometheus.wait_value(promoted, 2.0).await;
    let oldest = "rekeyd_policy_oldest_rotation_timestamp_seconds{policy=\"orders\"}";
    prometheus
        .wait_value(oldest, rotated.timestamp_micros() as f64 / 1e6)
        .await;
    every_series_is_scraped(&watched, &prometheus).await;
    // A fleet that is well is silent.
    prometheus.is_silent(".*").await;

    watched.daemon.kill().await;
    prometheus.wait_value("up{job=\"rekeyd\"}", 0.0).await;
    watched.daemon = run(&watched.world, watched.port).await;
    prometheus.wait_value(promoted, 0.0).await;
    watched.rotate().await;
    prometheus.wait_value(promoted, 1.0).await;
    prometheus.wait_value(&format!("resets({promoted}[10m])"), 1.0).await;
    let all = prometheus.query(&format!("round(increase({promoted}[10m]))")).await;
    assert!(
        (all[0] - 3.0).abs() < 1e-6,
        "two before the restart and one after it: {all:?}"
    );
}

/// Prometheus has as many series as the daemon shows.
async fn every_series_is_scraped(watched: &Watched, prometheus: &Prometheus) {
    let address = format!("127.0.0.1:{}", watched.port);
    let shown = http::tcp(&address, "GET", "/metrics", None).await.unwrap().body;
    prometheus
        .wait_value("scrape_samples_scraped{job=\"rekeyd\"}", series(&shown) as f64)
        .await;
    let took = prometheus.query("max_over_time(scrape_duration_seconds[5m])").await;
    report(&format!(
        "a scrape by Prometheus of one policy with one secret: {} series, {} kB, at most {:.0} ms",
        series(&shown),
        shown.len() / 1_000,
        took[0] * 1_000.0
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_fails_and_a_password_that_somebody_changed_fire_their_alerts_until_they_are_mended() {
    let watched = Watched::start().await;
    let prometheus = watched.prometheus().await;
    let denied = Fault {
        code: Some("AccessDeniedException".to_owned()),
        status: Some(400),
        ..Fault::next("PutSecretValue", FaultKind::Code).times(0)
    };
    watched.world.faults(vec![denied]);
    watched.daemon.rotate(&watched.secret).await;
    let alert = prometheus.fires("RekeydNeedsAttention").await;
    assert_eq!(alert["labels"]["severity"], "ticket");
    let description = text(&alert["annotations"], "description");
    assert!(description.contains("reason: access_denied 1"), "{description}");
    prometheus.is_silent("RekeydPasswordRefused").await;
    watched.world.end_faults();
    prometheus.is_silent("RekeydNeedsAttention").await;
    watched.daemon.wait(&watched.secret, "rotated", idle_and_proven).await;

    watched.world.set_passwords(USER, &[OTHER]).await;
    let alert = prometheus.fires("RekeydPasswordRefused").await;
    assert_eq!(
        (&alert["labels"]["severity"], &alert["labels"]["policy"]),
        (&json!("page"), &json!("orders"))
    );
    let description = text(&alert["annotations"], "description");
    assert!(description.contains("cause: overwritten 1"), "{description}");
    prometheus.fires("RekeydHalted").await;
    let current = watched.world.password(&watched.secret, "AWSCURRENT").await.unwrap();
    watched.world.set_passwords(USER, &[&current]).await;
    prometheus.is_silent("RekeydPasswordRefused").await;
    prometheus.is_silent("RekeydHalted").await;
    every_rule_is_evaluated(&prometheus).await;
}

/// Prometheus evaluates every rule that ships on what the daemon shows, and none fails.
async fn every_rule_is_evaluated(prometheus: &Prometheus) {
    let rules = prometheus.api("rules").await;
    let groups = rules["groups"].as_array().unwrap();
    let all: Vec<_> = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    assert_eq!(all.len(), super::alerts().len());
    for rule in all {
        assert_eq!(rule["health"], "ok", "{rule}");
        assert!(!rule.to_string().contains("error expanding"), "{rule}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_fires_an_alert_until_it_is_back() {
    let mut watched = Watched::start().await;
    let prometheus = watched.prometheus().await;
    prometheus.wait_value("up{job=\"rekeyd\"}", 1.0).await;
    prometheus.is_silent("RekeydDown").await;
    watched.daemon.kill().await;
    let alert = prometheus.fires("RekeydDown").await;
    assert_eq!(alert["labels"]["instance"], format!("127.0.0.1:{}", watched.port));
    watched.daemon = run(&watched.world, watched.port).await;
    prometheus.is_silent("RekeydDown").await;
}

#[test]
fn only_durations_differ_in_the_rules_that_the_tests_of_scraping_load() {
    let shipped = std::fs::read_to_string(folder().join(Path::new("rekeyd.rules.yml"))).unwrap();
    let hastened = hastened(&shipped);
    let pairs = shipped.lines().zip(hastened.lines());
    let differing: Vec<_> = pairs.filter(|(shipped, hastened)| shipped != hastened).collect();
    assert!(differing.len() > 10);
    assert!(
        differing
            .iter()
            .all(|(shipped, _)| shipped.starts_with("        for: ")),
        "{differing:?}"
    );
}
