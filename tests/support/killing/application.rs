//! An application: it reads AWSCURRENT, logs in on every node over a fresh TLS connection, and begins again.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_secretsmanager as secretsmanager;
use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rekeyd_sandbox::Sandbox;
use tokio::time::sleep;

use super::LabelHistory;
use crate::support::World;

/// Far longer than a login takes, even on a busy machine: no node is ever down here.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of the logins of all applications.
#[derive(Default)]
pub struct Logins {
    accepted: AtomicU64,
    /// Refused after AWSCURRENT had moved on and the overlap was over.
    outdated: AtomicU64,
    forbidden: Mutex<Vec<String>>,
}

impl Logins {
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub fn outdated(&self) -> u64 {
        self.outdated.load(Ordering::Relaxed)
    }

    /// The logins that failed and must not have, in words.
    pub fn forbidden(&self) -> Vec<String> {
        self.forbidden.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a failure that must not have been.
    pub fn accuse(&self, what: String) {
        self.forbidden.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

/// What an application read, and when it began to read.
struct Credentials {
    version: String,
    password: String,
    read_at: DateTime<Utc>,
}

/// A login that was not accepted.
enum Failed {
    Refused,
    NoAnswer(String),
}

/// One application.
pub struct Application {
    pub user: String,
    pub secret_arn: String,
    /// How long the previous password is promised to work.
    pub overlap: Duration,
    /// The longest that it sits on a password before it logs in.
    pub dawdles: Duration,
    /// How long it rests between two reads, in milliseconds.
    pub rests_ms: Range<u64>,
    secrets: secretsmanager::Client,
    sandbox: Sandbox,
    nodes: Vec<(String, u16)>,
    ca: Vec<u8>,
    history: Arc<LabelHistory>,
    logins: Arc<Logins>,
}

impl Application {
    pub fn new(
        world: &World,
        user: &str,
        secret_arn: &str,
        overlap: Duration,
        history: Arc<LabelHistory>,
        logins: Arc<Logins>,
    ) -> Self {
        Self {
            user: user.to_owned(),
            secret_arn: secret_arn.to_owned(),
            overlap,
            dawdles: overlap + Duration::from_secs(1),
            rests_ms: 80..250,
            secrets: world.secrets.clone(),
            sandbox: world.sandbox.sandbox().clone(),
            nodes: world.addresses(),
            ca: std::fs::read(world.ca_file()).expect("the nodes' authority"),
            history,
            logins,
        }
    }

    /// Logs in on these nodes only.
    pub fn on(mut self, nodes: &[(String, u16)]) -> Self {
        nodes.clone_into(&mut self.nodes);
        self
    }

    /// Reads and logs in for ever.
    pub async fn run(self, seed: u64) {
        let mut chance = StdRng::seed_from_u64(seed);
        loop {
            let credentials = self.read().await;
            // Most applications log in at once, some when they have to.
            if chance.random_bool(0.3) {
                sleep(self.dawdles.mul_f64(chance.random_range(0.0..1.0))).await;
            }
            for (host, port) in &self.nodes {
                if !self.try_on(host, *port, &credentials).await {
                    break;
                }
            }
            sleep(Duration::from_millis(chance.random_range(self.rests_ms.clone()))).await;
        }
    }

    async fn read(&self) -> Credentials {
        // On a machine that is busy enough a request is too old when it arrives; an application tries again.
        let (read_at, value) = loop {
            let read_at = self.sandbox.now();
            let request = self.secrets.get_secret_value().secret_id(&self.secret_arn);
            if let Ok(value) = request.version_stage("AWSCURRENT").send().await {
                break (read_at, value);
            }
            sleep(Duration::from_millis(100)).await;
        };
        let document: serde_json::Value =
            serde_json::from_str(value.secret_string().expect("a text")).expect("a document");
        Credentials {
            version: value.version_id.expect("a version"),
            password: document["password"].as_str().expect("a password").to_owned(),
            read_at,
        }
    }

    /// Logs in, and judges it if that fails. False when it is time to read again.
    async fn try_on(&self, host: &str, port: u16, credentials: &Credentials) -> bool {
        let login = tokio::time::timeout(PATIENCE, self.log_in(host, port, &credentials.password)).await;
        match login.unwrap_or_else(|_| Err(Failed::NoAnswer("timeout".to_owned()))) {
            Ok(()) => {
                self.logins.accepted.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(failed) => {
                self.judge(host, port, credentials, &failed).await;
                false
            }
        }
    }

    async fn log_in(&self, host: &str, port: u16, password: &str) -> Result<(), Failed> {
        let no_answer = |error: redis::RedisError| Failed::NoAnswer(error.to_string());
        let settings = redis::RedisConnectionInfo::default()
            .set_username(self.user.as_str())
            .set_password(password)
            .set_skip_set_lib_name();
        let info = redis::IntoConnectionInfo::into_connection_info(format!("rediss://{host}:{port}"))
            .map_err(no_answer)?
            .set_redis_settings(settings);
        let certificates = redis::TlsCertificates {
            client_tls: None,
            root_cert: Some(self.ca.clone()),
        };
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let client = redis::Client::build_with_tls(info, certificates).map_err(no_answer)?;
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| match error.kind() {
                redis::ErrorKind::AuthenticationFailed => Failed::Refused,
                _ => no_answer(error),
            })?;
        let pong: String = redis::cmd("PING")
            .query_async(&mut connection)
            .await
            .map_err(no_answer)?;
        assert_eq!(pong, "PONG");
        Ok(())
    }

    /// A login may be refused only to a password that is no longer AWSCURRENT's, after the overlap.
    async fn judge(&self, host: &str, port: u16, credentials: &Credentials, failed: &Failed) {
        let refused_at = self.sandbox.now();
        let now_current = self.read().await.version;
        let overlap = chrono::TimeDelta::from_std(self.overlap).expect("a span");
        let moved_at = self.history.moved_from(&self.secret_arn, &credentials.version);
        let over = moved_at.is_some_and(|at| at + overlap <= refused_at);
        if matches!(failed, Failed::Refused) && now_current != credentials.version && over {
            self.logins.outdated.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let how = match failed {
            Failed::Refused => "was refused",
            Failed::NoAnswer(words) => words,
        };
        self.logins.accuse(format!(
            "{}: version {}, read at {}, {how} on {host}:{port} at {}; AWSCURRENT is on {now_current} now, moved at {moved_at:?}, \
             overlap {:?}\n{}",
            self.user,
            credentials.version,
            credentials.read_at.format("%T%.3f"),
            refused_at.format("%T%.3f"),
            self.overlap,
            self.history.story(&self.secret_arn),
        ));
    }

    /// Whether a password logs in on any node.
    pub async fn works_anywhere(&self, password: &str) -> bool {
        for (host, port) in &self.nodes {
            match self.log_in(host, *port, password).await {
                Ok(()) => return true,
                Err(Failed::Refused) => {}
                Err(Failed::NoAnswer(words)) => panic!("{host}:{port}: {words}"),
            }
        }
        false
    }
}
