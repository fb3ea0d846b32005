//! Reading the configuration anew while running.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::audit::Trail;
use crate::aws::Share;
use crate::clock::SharedClock;
use crate::config::{ConfigErrors, Daemon, Loaded, Location, Problem, duration};
use crate::engine::{Engine, Reloaded, Stopping};
use crate::metrics::Metrics;
use crate::notify::{self, Deliveries, Targets};
use crate::server::configuration::{
    Configuration, ConfigurationStatus, FailedReload, NeedsRestart, RefusedReload, ReloadError, ReloadReply,
};
use crate::service_manager;
use crate::telemetry::LogControl;

use super::places::connect_all;

/// Where the configuration comes from.
#[derive(Clone)]
pub struct Source {
    /// The main file.
    pub file: PathBuf,
    /// Reads it with all its layers.
    pub read: Arc<dyn Fn() -> Result<Loaded, ConfigErrors> + Send + Sync>,
}

/// Reads the configuration anew, when asked.
pub(super) struct Reloader {
    source: Source,
    engine: Arc<Engine>,
    deliveries: Arc<Deliveries>,
    metrics: Arc<Metrics>,
    audit: Arc<Trail>,
    log: Arc<LogControl>,
    clock: SharedClock,
    share: Share,
    /// What the daemon was started with.
    at_start: Daemon,
    status: Mutex<ConfigurationStatus>,
    /// Held by the reload under way.
    turn: tokio::sync::Mutex<()>,
    ended: Notify,
}

impl Reloader {
    /// A reloader for a daemon that was started with this configuration.
    pub(super) fn new(
        source: Source,
        loaded: &Loaded,
        (engine, deliveries): (Arc<Engine>, Arc<Deliveries>),
        (metrics, audit, log): (Arc<Metrics>, Arc<Trail>, Arc<LogControl>),
        (clock, share): (SharedClock, Share),
    ) -> Self {
        let status = ConfigurationStatus {
            file: source.file.clone(),
            sources: loaded.sources.clone(),
            loaded_at: clock.now(),
            warnings: loaded.warnings.clone(),
            needs_restart: Vec::new(),
            last_reload_failed: None,
        };
        Self {
            source,
            engine,
            deliveries,
            metrics,
            audit,
            log,
            clock,
            share,
            at_start: loaded.config.daemon.clone(),
            status: Mutex::new(status),
            turn: tokio::sync::Mutex::default(),
            ended: Notify::new(),
        }
    }

    /// Waits for the end of a reload, for one that waits at a time.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Reads the configuration and what it keeps in files for those it notifies, and opens the audit log that it names:
    /// whoever rotates logs has moved the old one away.
    async fn read(&self) -> Result<(Loaded, Targets), RefusedReload> {
        let (read, now) = (self.source.read.clone(), self.clock.now());
        let whole = move || -> Result<_, ConfigErrors> {
            let loaded = read()?;
            let targets = notify::open(&loaded.config, now)?;
            Ok((loaded, targets))
        };
        match tokio::task::spawn_blocking(whole).await {
            Ok(Ok((loaded, targets))) => {
                let reopened = self.audit.reopen(loaded.config.daemon.audit_log.clone()).await;
                reopened.map_err(|error| refused(Location::default(), format!("daemon.audit_log: {error}")))?;
                Ok((loaded, targets))
            }
            Ok(Err(errors)) => {
                // The audit log that is in force is opened anew all the same. Where it cannot be, it goes on as it was.
                if let Err(error) = self.audit.reopen_in_place().await {
                    tracing::error!(event = "audit_log_not_reopened", %error, "the audit log was not opened anew");
                }
                Err(RefusedReload {
                    error: errors.to_string(),
                    problems: errors.problems().to_vec(),
                })
            }
            Err(_) => Err(unreadable(&self.source.file)),
        }
    }

    /// Goes by what was read, but for what takes a restart.
    async fn take(&self, loaded: Loaded, targets: Targets) -> Result<ReloadReply, Stopping> {
        let Loaded {
            config,
            mut warnings,
            sources,
        } = loaded;
        let needs_restart = needs_restart(&self.at_start, &config.daemon);
        let per_secret = config.metrics.per_secret;
        let places = self.engine.places_to_connect(&config);
        let connected = connect_all(places, &self.clock, &self.metrics, &self.share).await;
        let log_level = config.daemon.log_level.clone();
        let changes = self.engine.reload(config, connected).await?;
        warnings.extend(self.log.configure(log_level));
        // Only now: from here on nothing is stored for targets that are gone.
        self.deliveries.replace(targets).await;
        let now = self.clock.now();
        self.metrics.per_secret(per_secret);
        self.metrics.config_loaded(true, now);
        let configuration = ConfigurationStatus {
            file: self.source.file.clone(),
            sources,
            loaded_at: now,
            warnings,
            needs_restart,
            last_reload_failed: None,
        };
        log(&changes, &configuration);
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = configuration.clone();
        Ok(ReloadReply {
            changes,
            configuration,
            replicas: None,
        })
    }

    fn refuse(&self, refused: &RefusedReload) {
        let at = self.clock.now();
        self.metrics.config_loaded(false, at);
        for problem in &refused.problems {
            tracing::error!(
                event = "configuration_problem",
                place = problem.place,
                problem = problem.message,
                "in the configuration"
            );
        }
        tracing::error!(
            event = "reload_refused",
            "the configuration was not reloaded: the one before stays in force"
        );
        let without_lines = |problem: &Problem| Problem {
            excerpt: None,
            ..problem.clone()
        };
        let problems = refused.problems.iter().map(without_lines).collect();
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.last_reload_failed = Some(FailedReload { at, problems });
    }
}

#[async_trait]
impl Configuration for Reloader {
    fn status(&self) -> ConfigurationStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn reload(&self) -> Result<ReloadReply, ReloadError> {
        let _turn = self.turn.lock().await;
        if self.engine.is_stopping() {
            return Err(ReloadError::Stopping(Stopping.to_string()));
        }
        service_manager::reloading();
        let taken = match self.read().await {
            Ok((loaded, targets)) => self
                .take(loaded, targets)
                .await
                .map_err(|stopping| ReloadError::Stopping(stopping.to_string())),
            Err(refused) => {
                self.refuse(&refused);
                Err(ReloadError::Refused(refused))
            }
        };
        if !self.engine.is_stopping() {
            service_manager::ready();
        }
        self.ended.notify_one();
        taken
    }
}

fn log(changes: &Reloaded, configuration: &ConfigurationStatus) {
    for warning in &configuration.warnings {
        tracing::warn!(event = "configuration_warning", "{warning}");
    }
    for key in &configuration.needs_restart {
        let NeedsRestart {
            key,
            running,
            configured,
        } = key;
        tracing::warn!(
            event = "restart_needed",
            key,
            running,
            configured,
            "this key takes a restart"
        );
    }
    tracing::info!(event = "reloaded",
        added = ?changes.added,
        removed = ?changes.removed,
        changed = ?changes.changed,
        left_alone = changes.left_alone.len(),
        unfinished = changes.unfinished.len(),
        "configuration reloaded"
    );
}

/// The keys that the daemon cannot change while it runs, and that say something else now.
fn needs_restart(running: &Daemon, configured: &Daemon) -> Vec<NeedsRestart> {
    fn differs<T: PartialEq>(
        key: &str,
        running: &T,
        configured: &T,
        show: impl Fn(&T) -> String,
    ) -> Option<NeedsRestart> {
        (running != configured).then(|| NeedsRestart {
            key: key.to_owned(),
            running: show(running),
            configured: show(configured),
        })
    }
    let path = |path: &PathBuf| path.display().to_string();
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    [
        differs("daemon.listen", &running.listen, &configured.listen, shown),
        differs(
            "daemon.expose_status",
            &running.expose_status,
            &configured.expose_status,
            shown,
        ),
        differs(
            "daemon.admin_socket",
            &running.admin_socket,
            &configured.admin_socket,
            path,
        ),
        differs(
            "daemon.admin_group",
            &running.admin_group,
            &configured.admin_group,
            or_none,
        ),
        differs("daemon.state", &running.state, &configured.state, shown),
        differs("daemon.state_aws", &running.state_aws, &configured.state_aws, or_none),
        differs("daemon.lease", &running.lease, &configured.lease, |lease: &Duration| {
            duration::format(*lease)
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn shown(value: &impl Display) -> String {
    value.to_string()
}

/// What is told of a defect in reading.
fn unreadable(file: &Path) -> RefusedReload {
    let message = "reading it failed on a defect of rekeyd; the log says where";
    let location = Location {
        file: Some(file.display().to_string()),
        ..Location::default()
    };
    refused(location, message.to_owned())
}

fn refused(location: Location, message: String) -> RefusedReload {
    let problem = Problem::at(location, message);
    RefusedReload {
        error: problem.to_string(),
        problems: vec![problem],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_change_while_running_takes_a_restart() {
        let daemon = |keys: &str| {
            let text = format!("[daemon]\n{keys}\n[aws.main]\nregion = \"us-east-1\"\n");
            let policy = "[policy.p]\naws = \"main\"\nschedule = \"30d\"\nsecrets = [\"s\"]\nallow_users = [\"u\"]\n";
            crate::config::parse_str("test.toml", &(text + policy))
                .unwrap()
                .config
                .daemon
        };
        let running = daemon("");
        let free = daemon(
            "max_in_flight = 7\ndrain_timeout = \"1s\"\ndiscovery_interval = \"1m\"\npaused = true\n\
             drift_check_interval = \"1h\"",
        );
        assert_eq!(needs_restart(&running, &free), []);
        let bound = daemon(
            "listen = \"127.0.0.1:1\"\nexpose_status = true\nadmin_socket = \"/run/a.sock\"\nstate = \"dynamodb:rekeyd\"\n\
             lease = \"30s\"",
        );
        let told = needs_restart(&running, &bound);
        let told: Vec<String> = told
            .iter()
            .map(|key| format!("{} {} {}", key.key, key.running, key.configured))
            .collect();
        assert_eq!(
            told,
            [
                "daemon.listen 127.0.0.1:9848 127.0.0.1:1",
                "daemon.expose_status false true",
                "daemon.admin_socket /run/rekeyd/admin.sock /run/a.sock",
                "daemon.state sqlite:/var/lib/rekeyd/state.db dynamodb:rekeyd",
                "daemon.state_aws none main",
                "daemon.lease 15s 30s",
            ]
        );
    }
}
