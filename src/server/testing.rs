//! An engine that only remembers what it was asked, behind the real surfaces.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::admin::AdminServer;
use super::configuration::{ConfigurationStatus, ReloadError, ReloadReply, ReplicaReload};
use super::*;
use crate::clock::{SystemClock, Timestamp};
use crate::engine::Reloaded;
use crate::engine::control::{
    Accepted, ControlError, PolicyStatus, Readiness, RollbackOptions, RotateOptions, Selector,
};
use crate::rotation::event::Event;
use crate::rotation::observation::Proof;
use crate::rotation::status::{Phase, SecretStatus};
use crate::store::{HistoryEntry, StoreError};

/// A moment.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + second, 0).expect("a valid time")
}

/// The ARN that [`status`] gives a secret.
pub(crate) fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}-AbCdEf")
}

/// A proved, idle secret.
pub(crate) fn status(name: &str) -> SecretStatus {
    SecretStatus {
        arn: Some(arn(name)),
        user_id: Some("user1".to_owned()),
        phase: Phase::Idle,
        proof: Some(Proof::Proven),
        nodes: Some(3),
        proved_at: Some(at(-60)),
        current_version: Some("v1".to_owned()),
        last_rotation_at: Some(at(-3_600)),
        next_rotation_at: Some(at(86_400)),
        previous_password_valid: Some(false),
        ..SecretStatus::unknown(name, "orders", "main")
    }
}

type Script = Box<dyn FnMut(usize, &mut Vec<SecretStatus>) + Send>;

/// What a [`FakeControl`] knows.
#[derive(Default)]
pub(crate) struct Known {
    /// The secrets.
    pub(crate) secrets: Vec<SecretStatus>,
    /// What was asked, in words.
    pub(crate) asked: Vec<String>,
    /// What is not ready.
    pub(crate) problems: Vec<String>,
    /// Whether the store fails.
    pub(crate) store_fails: bool,
    /// Changes the secrets each time that they are looked at.
    script: Option<Script>,
    /// The configuration, unless it is the usual one.
    pub(crate) configuration: Option<ConfigurationStatus>,
    /// What a reload changes.
    pub(crate) reloaded: Reloaded,
    /// What the other replicas say of a reload, where there are any.
    pub(crate) replicas_reloaded: Option<Vec<ReplicaReload>>,
    /// Why a reload is refused.
    pub(crate) reload_refused: Option<ReloadError>,
    /// How often they were looked at.
    pub(crate) looks: usize,
}

/// An engine that does nothing.
#[derive(Default)]
pub(crate) struct FakeControl(Mutex<Known>);

impl FakeControl {
    /// One that knows these secrets.
    pub(crate) fn new(secrets: Vec<SecretStatus>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Known {
            secrets,
            ..Known::default()
        })))
    }

    /// Its knowledge.
    pub(crate) fn know(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    /// Lets the secrets change each time that they are looked at.
    pub(crate) fn script(&self, script: impl FnMut(usize, &mut Vec<SecretStatus>) + Send + 'static) {
        self.know().script = Some(Box::new(script));
    }

    fn accept(&self, selector: &Selector, asked: String) -> Result<Vec<Accepted>, ControlError> {
        let mut known = self.know();
        known.asked.push(asked);
        if known.store_fails {
            return Err(ControlError::Store(StoreError::Held {
                location: "state.db".to_owned(),
            }));
        }
        if *selector == Selector::default() {
            return Err(ControlError::EmptySelector);
        }
        let chosen = |secret: &&SecretStatus| {
            selector.all || selector.policy.is_some() || selector.secrets.contains(&secret.secret)
        };
        let accepted: Vec<_> = known
            .secrets
            .iter()
            .filter(chosen)
            .map(|secret| Accepted {
                secret: secret.secret.clone(),
                arn: secret.arn.clone().unwrap(),
                current_version: secret.current_version.clone(),
                requested_at: None,
            })
            .collect();
        match accepted.is_empty() {
            true => Err(ControlError::NoSuchSecret(selector.secrets.join(", "))),
            false => Ok(accepted),
        }
    }
}

#[async_trait]
impl Control for FakeControl {
    fn secrets(&self) -> Vec<SecretStatus> {
        let known = &mut *self.know();
        known.looks += 1;
        if let Some(script) = &mut known.script {
            script(known.looks, &mut known.secrets);
        }
        known.secrets.clone()
    }

    fn policies(&self) -> Vec<PolicyStatus> {
        vec![PolicyStatus {
            policy: "orders".to_owned(),
            place: "main".to_owned(),
            schedule: "0 8 1 * *".to_owned(),
            timezone: Some("Europe/Berlin".to_owned()),
            secrets: self.know().secrets.len(),
            paused: false,
            held: Vec::new(),
        }]
    }

    async fn readiness(&self) -> Readiness {
        let problems = self.know().problems.clone();
        Readiness {
            ready: problems.is_empty(),
            problems,
        }
    }

    async fn history(&self, secret: Option<&str>, limit: usize) -> Result<Vec<HistoryEntry>, ControlError> {
        if secret.is_some_and(|secret| self.know().secrets.iter().all(|known| known.secret != secret)) {
            return Err(ControlError::NoSuchSecret(secret.unwrap_or_default().to_owned()));
        }
        let entry = |second| HistoryEntry {
            at: at(second),
            secret_arn: arn("a"),
            event: Event::Resumed,
        };
        Ok((0..300).rev().map(entry).take(limit).collect())
    }

    async fn rotate(&self, selector: &Selector, options: RotateOptions) -> Result<Vec<Accepted>, ControlError> {
        self.accept(selector, format!("rotate {selector:?} {options:?}"))
    }

    async fn pause(
        &self,
        selector: &Selector,
        span: Option<Duration>,
        reason: Option<String>,
    ) -> Result<Vec<Accepted>, ControlError> {
        self.accept(selector, format!("pause {selector:?} {span:?} {reason:?}"))
    }

    async fn rollback(&self, secret: &str, options: RollbackOptions) -> Result<Accepted, ControlError> {
        let selector = Selector {
            secrets: vec![secret.to_owned()],
            ..Selector::default()
        };
        let accepted = self.accept(&selector, format!("rollback {secret:?} {options:?}"))?;
        let one = accepted.into_iter().next();
        one.ok_or_else(|| ControlError::NoSuchSecret(secret.to_owned()))
    }

    async fn resume(&self, selector: &Selector) -> Result<Vec<Accepted>, ControlError> {
        self.accept(selector, format!("resume {selector:?}"))
    }
}

/// What is in force when nobody says otherwise.
pub(crate) fn configuration() -> ConfigurationStatus {
    ConfigurationStatus {
        file: "/etc/rekeyd/rekeyd.toml".into(),
        sources: vec!["/etc/rekeyd/rekeyd.toml".into()],
        loaded_at: at(-7_200),
        warnings: Vec::new(),
        needs_restart: Vec::new(),
        last_reload_failed: None,
    }
}

#[async_trait]
impl Configuration for FakeControl {
    fn status(&self) -> ConfigurationStatus {
        self.know().configuration.clone().unwrap_or_else(configuration)
    }

    async fn reload(&self) -> Result<ReloadReply, ReloadError> {
        let mut known = self.know();
        known.asked.push("reload".to_owned());
        if let Some(refusal) = &known.reload_refused {
            return Err(refusal.clone());
        }
        Ok(ReloadReply {
            changes: known.reloaded.clone(),
            configuration: known.configuration.clone().unwrap_or_else(configuration),
            replicas: known.replicas_reloaded.clone(),
        })
    }
}

/// What the surfaces show of a fake engine.
pub(crate) fn surface(control: &Arc<FakeControl>) -> Surface {
    let metrics = Arc::new(Metrics::new(&["orders".to_owned()]));
    Surface {
        control: Arc::clone(control) as Arc<dyn Control>,
        configuration: Arc::clone(control) as Arc<dyn Configuration>,
        audit: Arc::new(Trail::to_log(Arc::new(SystemClock::new()), metrics.clone())),
        metrics,
        log: Arc::new(LogControl::of_no_log()),
        clock: Arc::new(SystemClock::new()),
        fleet: None,
    }
}

/// A server that runs until stopped or dropped.
pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    /// Runs a server.
    pub(crate) fn start<F>(serve: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self
    where
        F: Future<Output = Result<(), ServeError>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        Self {
            stop: Some(stop),
            task: tokio::spawn(serve(stopped)),
        }
    }

    /// Stops it and waits for its end.
    pub(crate) async fn stop(mut self) -> Result<(), ServeError> {
        drop(self.stop.take());
        self.task.await.expect("no panic")
    }
}

/// A future for the servers' `shutdown`.
pub(crate) async fn until(stopped: oneshot::Receiver<()>) {
    stopped.await.unwrap_or_default();
}

/// An admin socket in a folder of its own.
pub(crate) async fn admin(control: &Arc<FakeControl>) -> (TempDir, PathBuf, Running) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("admin.sock");
    let server = AdminServer::bind(&path).await.expect("the socket is free");
    let surface = surface(control);
    let running = Running::start(|stopped| server.serve(surface, until(stopped)));
    (folder, path, running)
}
