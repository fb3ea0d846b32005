//! The configuration that is in force, as surfaces see it and change it. Whoever reads it anew is
//! behind [`Configuration`].

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::audit::{Actor, Change, Outcome, Subject, Trail};
use crate::clock::Timestamp;
use crate::config::Problem;
use crate::engine::Reloaded;

/// `GET /api/v1/config`: which configuration is in force, and what came of the last reload.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ConfigurationStatus {
    /// The main file.
    pub file: PathBuf,
    /// The files that the configuration in force was read from, in the order of their layers.
    pub sources: Vec<PathBuf>,
    /// When it was read.
    pub loaded_at: Timestamp,
    /// What it allows and probably does not mean.
    pub warnings: Vec<String>,
    /// Keys whose new value the daemon takes at its next start.
    pub needs_restart: Vec<NeedsRestart>,
    /// The last reload, if it was refused: what is in force is older.
    pub last_reload_failed: Option<FailedReload>,
}

impl ConfigurationStatus {
    /// What somebody should know of it, a line each; nothing if all is well.
    pub fn complaints(&self) -> Vec<String> {
        let failed = self.last_reload_failed.as_ref().map(|failed| {
            let problems = failed
                .problems
                .iter()
                .map(|problem| format!("{}: {}", problem.place, problem.message));
            format!(
                "the reload at {} failed, and the configuration of {} stays in force: {}",
                failed.at.format("%Y-%m-%d %H:%M:%SZ"),
                self.loaded_at.format("%Y-%m-%d %H:%M:%SZ"),
                problems.collect::<Vec<_>>().join("; ")
            )
        });
        let restart = self.needs_restart.iter().map(|key| {
            format!(
                "{} takes a restart: {} is in force, {} is configured",
                key.key, key.running, key.configured
            )
        });
        failed.into_iter().chain(restart).collect()
    }
}

/// A key that cannot change while the daemon runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NeedsRestart {
    /// The key, such as `daemon.listen`.
    pub key: String,
    /// What the daemon goes by.
    pub running: String,
    /// What the configuration says.
    pub configured: String,
}

/// A reload that was refused.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FailedReload {
    /// When.
    pub at: Timestamp,
    /// Everything that was wrong, without the lines themselves.
    pub problems: Vec<Problem>,
}

/// `POST /api/v1/reload`, when the configuration was taken.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReloadReply {
    /// What it changed.
    #[serde(flatten)]
    pub changes: Reloaded,
    /// What is in force now.
    pub configuration: ConfigurationStatus,
    /// What the other replicas said, which were asked to do the same; left out where the store is not shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Vec<ReplicaReload>>,
}

/// What came of a reload at another replica.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplicaReload {
    /// Its session's id.
    pub session: String,
    /// Its host.
    pub host: String,
    /// Whether it goes by its configuration as it is now.
    pub reloaded: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `POST /api/v1/reload`, when it was not: the one before stays in force as a whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RefusedReload {
    /// All of it in words, with the lines that are wrong.
    pub error: String,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

/// Why a reload did not come about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReloadError {
    /// The configuration is wrong.
    Refused(RefusedReload),
    /// The daemon is stopping.
    Stopping(String),
}

/// The configuration in force.
#[async_trait]
pub trait Configuration: Send + Sync {
    /// Which one it is.
    fn status(&self) -> ConfigurationStatus;

    /// Reads it anew, and goes by it from then on. One reload at a time; another waits.
    ///
    /// # Errors
    /// [`ReloadError`]: nothing has changed then.
    async fn reload(&self) -> Result<ReloadReply, ReloadError>;
}

/// Reloads, and tells the audit log of it. It is done even where that cannot be written: it may be what mends it.
pub async fn reload_audited(
    configuration: &dyn Configuration,
    audit: &Trail,
    by: Actor,
) -> Result<ReloadReply, ReloadError> {
    // What keeps the line from being written is logged and counted there.
    let begun = audit.begin(by, Change::Reload, Subject::default()).await.ok();
    let reloaded = configuration.reload().await;
    let (outcome, error) = match &reloaded {
        Ok(_) => (Outcome::Done, None),
        Err(ReloadError::Refused(refused)) => (Outcome::Refused, Some(without_lines(&refused.problems))),
        Err(ReloadError::Stopping(why)) => (Outcome::Refused, Some(why.clone())),
    };
    if let Some(begun) = begun {
        audit.end(&begun, outcome, None, error).await;
    }
    reloaded
}

/// What is wrong and where, without what the configuration says there.
pub(super) fn without_lines(problems: &[Problem]) -> String {
    let problems = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.place, problem.message));
    problems.collect::<Vec<_>>().join("; ")
}
