//! What a scrape weighs, and that its series are bounded.

use std::fmt::Write as _;
use std::sync::Arc;

use rekeyd::clock::{Clock, SystemClock, Timestamp};
use rekeyd::metrics::Metrics;
use rekeyd::rotation::status::{Phase, SecretStatus};

use crate::support::cli::orders;
use crate::support::exposition::series;
use crate::support::report::report;
use crate::support::world::{document_with, secret_name};
use crate::support::{OLD, World};

/// A fleet, and whether each secret is to have series of its own.
#[derive(Clone, Copy)]
struct Fleet {
    policies: usize,
    secrets: usize,
    per_secret: bool,
}

impl Fleet {
    const fn new(policies: usize, secrets: usize, per_secret: bool) -> Self {
        Self {
            policies,
            secrets,
            per_secret,
        }
    }

    fn policy(self, number: usize) -> String {
        format!("policy_{:03}", number % self.policies)
    }

    fn statuses(self) -> impl Iterator<Item = SecretStatus> {
        let at = |second| Timestamp::from_timestamp(second, 123_456_000);
        (0..self.secrets).map(move |number| SecretStatus {
            phase: Phase::Idle,
            last_rotation_at: at(1_800_000_000),
            next_rotation_at: at(1_900_000_000),
            previous_password_valid: Some(false),
            ..SecretStatus::unknown(&format!("production/ec/user{number:05}"), &self.policy(number), "main")
        })
    }

    /// What `/metrics` shows of it, with one place, but for what differs from process to process.
    async fn scrape(self) -> String {
        let policies: Vec<String> = (0..self.policies).map(|number| self.policy(number)).collect();
        let metrics = Arc::new(Metrics::new(&policies));
        metrics.per_secret(self.per_secret);
        let place = "[aws.main]\nregion = \"us-east-1\"\n[policy.p]\naws = \"main\"\nschedule = \"30d\"\n\
                     secrets = [\"s\"]\nallow_users = [\"u\"]\n";
        let mut config = rekeyd::config::parse_str("fleet.toml", place).unwrap().config;
        let place = config.places.remove("main").unwrap();
        let clock = Arc::new(SystemClock::new());
        let now = clock.now();
        drop(rekeyd::aws::connect(&place, clock, metrics.clone()).await);
        metrics.show(self.statuses(), &[], now);
        policies.iter().for_each(|policy| metrics.policy_held(policy, &[]));
        let text = metrics.render();
        let of_process = |line: &&str| line.contains("process_") || line.starts_with("rekeyd_build_info");
        text.lines()
            .filter(|line| !of_process(line))
            .map(|line| format!("{line}\n"))
            .collect()
    }
}

/// The table of docs/METRICS.md.
pub async fn table() -> String {
    let mut table = "| policies | secrets | `per_secret` | series | kB |\n|---|---|---|---|---|\n".to_owned();
    for fleet in [
        Fleet::new(1, 1, true),
        Fleet::new(1, 1_000, true),
        Fleet::new(10, 1_000, true),
        Fleet::new(10, 1_000, false),
        Fleet::new(10, 10_000, true),
        Fleet::new(100, 10_000, true),
    ] {
        let text = fleet.scrape().await;
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {:.0} |",
            fleet.policies,
            fleet.secrets,
            fleet.per_secret,
            series(&text),
            text.len() as f64 / 1_000.0
        );
    }
    table
}

/// What a policy adds, and a secret.
pub async fn costs() -> (usize, usize) {
    let of = async |policies, secrets| series(&Fleet::new(policies, secrets, true).scrape().await);
    (of(2, 2).await - of(1, 2).await, of(1, 2).await - of(1, 1).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn series_do_not_grow_with_the_secrets_unless_each_has_its_own_and_then_only_to_a_thousand() {
    let of = async |secrets, per_secret| series(&Fleet::new(3, secrets, per_secret).scrape().await);
    let bare = of(0, false).await;
    for secrets in [3, 1_000, 10_000] {
        // When the oldest of each policy was rotated, once there is one.
        assert_eq!(of(secrets, false).await, bare + 3, "{secrets} secrets");
    }
    assert_eq!(of(1_000, true).await, bare + 3 + 3 * 1_000);
    assert_eq!(of(1_001, true).await, bare + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_the_series_of_single_secrets_away_and_brings_them_back() {
    let world = World::of(&["user1"]).await;
    let secret = secret_name("user1");
    world.create_secret(&secret, &document_with("user1", OLD)).await;
    let daemon = orders(&world, &["user1"])
        .more("[metrics]\nper_secret = false\n")
        .run()
        .await;
    daemon.checked(&secret).await;
    let single = async || daemon.get("/metrics").await.body.contains("secret=\"");
    assert!(!single().await);
    let file = world.path("rekeyd.toml");
    for per_secret in [true, false] {
        let text = std::fs::read_to_string(&file).unwrap();
        let changed = text.replace(
            &format!("per_secret = {}", !per_secret),
            &format!("per_secret = {per_secret}"),
        );
        assert_ne!(text, changed);
        std::fs::write(&file, changed).unwrap();
        let reloaded = daemon.post("/api/v1/reload", &serde_json::json!({})).await;
        assert_eq!(reloaded.status, 200, "{}", reloaded.body);
        assert_eq!(single().await, per_secret);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_costs_the_same_however_many_there_are() {
    let of = async |policies| series(&Fleet::new(policies, 1_000, false).scrape().await);
    let (one, two, hundred) = (of(1).await, of(2).await, of(100).await);
    let each = two - one;
    assert_eq!(hundred - one, 99 * each);
    assert!(each <= 150, "{each} series a policy");
    assert!(one - each <= 600, "{} series that there are once", one - each);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_of_a_thousand_secrets_is_measured() {
    for per_secret in [true, false] {
        let clock = SystemClock::new();
        let began = clock.monotonic();
        let text = Fleet::new(10, 1_000, per_secret).scrape().await;
        report(&format!(
            "a scrape of 1,000 secrets in 10 policies, per_secret = {per_secret}: {} series, {} kB, made in {} ms by a debug build",
            series(&text),
            text.len() / 1_000,
            clock.monotonic().saturating_sub(began).as_millis()
        ));
        assert!(text.len() < 500_000, "{} bytes", text.len());
    }
}
