//! The trail of a command that makes changes itself: who runs it stands in every line.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use nix::unistd::{Uid, User, getgid, getuid};

use super::{Actor, AuditError, Begun, Change, Operator, Outcome, Subject, Trail};
use crate::aws::AwsResult;
use crate::clock::SharedClock;
use crate::metrics::Metrics;

/// The user id of a process that nobody logged in for (`loginuid` in proc_pid_loginuid(5)).
const NOBODY: u32 = u32::MAX;

/// The audit log of a command.
pub struct CommandTrail {
    trail: Trail,
    by: Actor,
}

impl CommandTrail {
    /// A trail into this file, or into the log, for whoever runs this process.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub async fn open(file: Option<&Path>, clock: SharedClock, metrics: Arc<Metrics>) -> Result<Self, AuditError> {
        let trail = Trail::open(file, clock, metrics)?;
        // A directory of users may be far away.
        let operator = tokio::task::spawn_blocking(operator).await;
        let operator = operator.unwrap_or_else(|_| unnamed(getuid()));
        Ok(Self {
            trail,
            by: Actor::Operator(operator),
        })
    }

    /// Announces what the command is about to do.
    ///
    /// # Errors
    /// Those of [`Trail::begin`].
    pub async fn begin(&self, change: Change, about: Subject) -> Result<Begun, AuditError> {
        self.trail.begin(self.by.clone(), change, about).await
    }

    /// Tells what came of it.
    pub async fn end(&self, begun: &Begun, outcome: Outcome, error: Option<String>) {
        self.trail.end(begun, outcome, None, error).await;
    }

    /// Announces a call, makes it, and tells what came of it.
    ///
    /// # Errors
    /// Those of [`Trail::begin`]; the call was not made then.
    pub async fn call(
        &self,
        change: Change,
        about: Subject,
        call: impl Future<Output = AwsResult<()>>,
    ) -> Result<AwsResult<()>, AuditError> {
        let begun = self.begin(change, about).await?;
        Ok(self.trail.call(&begun, call).await)
    }
}

fn operator() -> Operator {
    let uid = getuid();
    let user = User::from_uid(uid).ok().flatten().map(|user| user.name);
    Operator { user, ..unnamed(uid) }
}

fn unnamed(uid: Uid) -> Operator {
    let login_uid = std::fs::read_to_string("/proc/self/loginuid").ok();
    let login_uid = login_uid.and_then(|text| text.trim().parse().ok());
    Operator {
        uid: uid.as_raw(),
        gid: getgid().as_raw(),
        pid: std::process::id(),
        user: None,
        login_uid: login_uid.filter(|uid| *uid != NOBODY),
    }
}
