//! Many secrets that stand in every way, behind the daemon's own server: an engine that only tells.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rekeyd::audit::Trail;
use rekeyd::clock::{Clock, SystemClock, Timestamp};
use rekeyd::engine::control::{
    Accepted, Control, ControlError, PolicyHold, PolicyStatus, Readiness, RollbackOptions, RotateOptions, Selector,
};
use rekeyd::metrics::Metrics;
use rekeyd::rotation::event::Event;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::{AttentionReason, DriftCause, HaltReason, HoldReason, UnprovenReason, WaitReason};
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::step::Step;
use rekeyd::server::Surface;
use rekeyd::server::configuration::{Configuration, ConfigurationStatus, ReloadError, ReloadReply};
use rekeyd::server::http::HttpServer;
use rekeyd::store::HistoryEntry;
use rekeyd::telemetry::LogControl;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const POLICIES: [&str; 8] = [
    "billing", "catalog", "checkout", "identity", "orders", "reports", "search", "sessions",
];

/// A server on a port of its own. Dropping it ends it.
pub struct Server {
    pub address: String,
    serving: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Serves these secrets.
pub async fn serve(secrets: Vec<SecretStatus>) -> Server {
    let policies = policies(&secrets);
    serve_under(secrets, policies).await
}

/// The same with one policy paused, and another held back.
pub async fn serve_troubled(secrets: Vec<SecretStatus>) -> Server {
    let mut policies = policies(&secrets);
    policies[7].paused = true;
    policies[0].held = vec![PolicyHold {
        reason: HoldReason::MaxAttention,
        detail: "waits until fewer than 12 of its secrets are in trouble: 42 are".to_owned(),
    }];
    serve_under(secrets, policies).await
}

async fn serve_under(secrets: Vec<SecretStatus>, policies: Vec<PolicyStatus>) -> Server {
    let http = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = http.address().to_string();
    let fleet = Arc::new(Fleet { secrets, policies });
    let (clock, metrics) = (Arc::new(SystemClock::new()), Arc::new(Metrics::new(&[])));
    let surface = Surface {
        control: fleet.clone(),
        configuration: fleet,
        audit: Arc::new(Trail::to_log(clock.clone(), metrics.clone())),
        metrics,
        log: Arc::new(LogControl::of_no_log()),
        clock,
        fleet: None,
    };
    let serving = tokio::spawn(async move { http.serve(surface, false, std::future::pending()).await.unwrap() });
    Server { address, serving }
}

fn now() -> Timestamp {
    SystemClock::new().now()
}

fn hours(hours: i64) -> chrono::Duration {
    chrono::Duration::hours(hours)
}

/// An idle secret that was rotated some time ago.
fn idle(name: &str, policy: &str, number: i64) -> SecretStatus {
    let last = now() - hours(24 + number * 7 % 600);
    SecretStatus {
        arn: Some(format!(
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:{name}-AbC{:03}",
            number % 1_000
        )),
        user_id: Some(format!("user-{number}")),
        phase: Phase::Idle,
        proof: Some(Proof::Proven),
        nodes: Some(6),
        proved_at: Some(now() - hours(number % 6)),
        current_version: Some(format!("5f0c{number:04}-7d3e-4f55-9a1b-2c1f0e8b7a66")),
        last_rotation_at: Some(last),
        next_rotation_at: Some(last + hours(720)),
        previous_password_valid: Some(false),
        retired_at: Some(last + hours(24)),
        retired_proof: Some(Proof::Proven),
        ..SecretStatus::unknown(name, policy, "main")
    }
}

/// Secrets that are all well.
pub fn well(count: usize) -> Vec<SecretStatus> {
    let teams = ["cache", "ratelimit", "session-store", "feature-flags", "leaderboard"];
    let secrets = (0..count).map(|number| {
        let policy = POLICIES[number * POLICIES.len() / count];
        let team = teams[number % teams.len()];
        let name = format!("production/{policy}/{team}/user-{number:04}");
        idle(&name, policy, i64::try_from(number).unwrap())
    });
    secrets.collect()
}

/// A thousand secrets or more: most of them well, and among the others each reason at least once.
pub fn secrets(count: usize) -> Vec<SecretStatus> {
    let mut secrets = well(count);
    for (secret, reason) in every(&mut secrets, 3).zip(HaltReason::ALL.iter().cycle().take(40)) {
        stand(secret, Phase::Halted, reason.label(), reason.meaning());
    }
    for (secret, reason) in every(&mut secrets, 11).skip(30).zip(AttentionReason::ALL) {
        stand(secret, Phase::NeedsAttention, reason.label(), reason.meaning());
    }
    for (secret, reason) in every(&mut secrets, 13).skip(45).zip(WaitReason::ALL) {
        stand(secret, Phase::Rotating, reason.label(), reason.meaning());
        secret.step = Some(Step::TestSecret);
    }
    for secret in every(&mut secrets, 17).skip(10).take(30) {
        secret.phase = Phase::Overlap;
        secret.previous_password_valid = Some(true);
        secret.overlap_until = Some(now() + hours(20));
        secret.last_rotation_at = Some(now() - hours(4));
    }
    for secret in every(&mut secrets, 19).skip(20).take(8) {
        secret.phase = Phase::Due;
        secret.detail = Some("due, and waits for the proof of the one that goes first".to_owned());
    }
    for secret in every(&mut secrets, 23).skip(30).take(6) {
        secret.proof = Some(Proof::Unproven(UnprovenReason::UserOff));
    }
    for (secret, cause) in every(&mut secrets, 29).skip(20).zip(DriftCause::ALL) {
        secret.drift = Some(*cause);
    }
    secrets
}

/// Every so manyth.
fn every(secrets: &mut [SecretStatus], step: usize) -> impl Iterator<Item = &mut SecretStatus> {
    secrets.iter_mut().step_by(step)
}

fn stand(secret: &mut SecretStatus, phase: Phase, reason: &str, meaning: &str) {
    secret.phase = phase;
    secret.reason = Some(reason.to_owned());
    secret.detail = Some(format!(
        "{meaning} (user {})",
        secret.user_id.clone().unwrap_or_default()
    ));
    secret.since = Some(now() - hours(2));
}

/// Secrets of hostile names and words; and of each name what is to be seen, and what to search for.
pub fn hostile() -> (Vec<SecretStatus>, Vec<Value>) {
    let long = "x".repeat(500) + "/endless-end";
    let names = [
        ("<script>alert(1)</script>", "<script>alert(1)</script>", "alert(1)"),
        (
            "\"><img src=x onerror=alert(2)>",
            "\"><img src=x onerror=alert(2)>",
            "onerror",
        ),
        ("a/../../b//c/.%2e?q=1#d", "a/../../b//c/.%2e?q=1#d", "?q=1#d"),
        ("rtl\u{202e}evil", "rtl evil", "rtl"),
        ("marks\u{200f}\u{200e}אבג/end", "marks\u{200f}\u{200e}אבג/end", "marks"),
        ("amp&amp;'quote'", "amp&amp;'quote'", "'quote'"),
        ("{{7*7}}/${7*7}+=._@-", "{{7*7}}/${7*7}+=._@-", "${7*7}+"),
        (long.as_str(), long.as_str(), "endless-end"),
    ];
    let mut number = 0;
    let secrets = names.map(|(name, ..)| {
        number += 1;
        let mut secret = idle(name, "orders", number);
        stand(
            &mut secret,
            Phase::Halted,
            "<b>reason</b>",
            &format!("</td></table><style>*{{}}</style>{}", "long-".repeat(200)),
        );
        secret
    });
    let names = names.map(|(_, shown, searched)| json!({"shown": shown, "searched": searched}));
    (secrets.into(), names.into())
}

/// The policies of these secrets.
fn policies(secrets: &[SecretStatus]) -> Vec<PolicyStatus> {
    let policies = POLICIES.iter().enumerate().map(|(number, name)| PolicyStatus {
        policy: (*name).to_owned(),
        place: "main".to_owned(),
        schedule: ["30d", "0 8 1 * *", "rate(14 days)"][number % 3].to_owned(),
        timezone: (number % 3 == 1).then(|| "Europe/Berlin".to_owned()),
        secrets: secrets.iter().filter(|secret| secret.policy == *name).count(),
        paused: false,
        held: Vec::new(),
    });
    policies.collect()
}

/// An engine that tells of secrets, and does nothing.
struct Fleet {
    secrets: Vec<SecretStatus>,
    policies: Vec<PolicyStatus>,
}

#[async_trait]
impl Control for Fleet {
    fn secrets(&self) -> Vec<SecretStatus> {
        self.secrets.clone()
    }

    fn policies(&self) -> Vec<PolicyStatus> {
        self.policies.clone()
    }

    async fn readiness(&self) -> Readiness {
        Readiness {
            ready: true,
            problems: Vec::new(),
        }
    }

    async fn history(&self, secret: Option<&str>, _: usize) -> Result<Vec<HistoryEntry>, ControlError> {
        Ok(vec![HistoryEntry {
            at: now(),
            secret_arn: secret.unwrap_or_default().to_owned(),
            event: Event::Resumed,
        }])
    }

    async fn rotate(&self, _: &Selector, _: RotateOptions) -> Result<Vec<Accepted>, ControlError> {
        Err(ControlError::EmptySelector)
    }

    async fn pause(&self, _: &Selector, _: Option<Duration>, _: Option<String>) -> Result<Vec<Accepted>, ControlError> {
        Err(ControlError::EmptySelector)
    }

    async fn rollback(&self, _: &str, _: RollbackOptions) -> Result<Accepted, ControlError> {
        Err(ControlError::EmptySelector)
    }

    async fn resume(&self, _: &Selector) -> Result<Vec<Accepted>, ControlError> {
        Err(ControlError::EmptySelector)
    }
}

#[async_trait]
impl Configuration for Fleet {
    fn status(&self) -> ConfigurationStatus {
        ConfigurationStatus {
            file: "/etc/rekeyd/rekeyd.toml".into(),
            sources: vec!["/etc/rekeyd/rekeyd.toml".into()],
            loaded_at: now(),
            warnings: Vec::new(),
            needs_restart: Vec::new(),
            last_reload_failed: None,
        }
    }

    async fn reload(&self) -> Result<ReloadReply, ReloadError> {
        Err(ReloadError::Stopping("nothing is reloaded here".to_owned()))
    }
}
