//! Where the lines of the audit log go.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::aws::{AwsResult, ErrorClass, with_request_id};
use crate::clock::SharedClock;
use crate::metrics::Metrics;

use super::file::LogFile;
use super::{Actor, AuditError, Change, Line, Outcome, Subject, TARGET};

/// The audit log of a process.
pub struct Trail {
    destination: Mutex<Destination>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    /// Tells the ids of this process from those of others.
    life: String,
    next: AtomicU64,
}

#[derive(Clone)]
enum Destination {
    /// Events of the log.
    Log,
    /// A file.
    File(Arc<LogFile>),
}

/// A change that was announced.
#[derive(Clone, Debug)]
pub struct Begun {
    id: String,
    by: Actor,
    change: Change,
    about: Subject,
}

impl Begun {
    /// The same change, about something that has become known since.
    pub fn about(&self, about: Subject) -> Self {
        Self { about, ..self.clone() }
    }
}

impl Trail {
    /// A trail into this file, or into the log.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(file: Option<&Path>, clock: SharedClock, metrics: Arc<Metrics>) -> Result<Self, AuditError> {
        let life = format!("{:x}", clock.now().timestamp_micros());
        Ok(Self {
            destination: Mutex::new(destination(file)?),
            clock,
            metrics,
            life,
            next: AtomicU64::new(1),
        })
    }

    /// A trail into the log.
    pub fn to_log(clock: SharedClock, metrics: Arc<Metrics>) -> Self {
        let life = format!("{:x}", clock.now().timestamp_micros());
        Self {
            destination: Mutex::new(Destination::Log),
            clock,
            metrics,
            life,
            next: AtomicU64::new(1),
        }
    }

    /// Opens the file anew, or another: whoever rotates logs has moved the old one away.
    ///
    /// # Errors
    /// When it cannot be opened. Lines go on to where they went.
    pub async fn reopen(&self, file: Option<PathBuf>) -> Result<(), AuditError> {
        let opened = tokio::task::spawn_blocking(move || destination(file.as_deref()));
        let opened = opened.await.unwrap_or_else(|_| Ok(self.destination()))?;
        *self.destination.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }

    /// Opens the same file anew.
    ///
    /// # Errors
    /// Those of [`Trail::reopen`].
    pub async fn reopen_in_place(&self) -> Result<(), AuditError> {
        let path = match self.destination() {
            Destination::Log => None,
            Destination::File(file) => Some(file.path().to_owned()),
        };
        self.reopen(path).await
    }

    /// Announces a change. When this returns, the line outlives whatever befalls the process or the machine.
    ///
    /// # Errors
    /// When it cannot be written: then the change must not be made.
    pub async fn begin(&self, by: Actor, change: Change, about: Subject) -> Result<Begun, AuditError> {
        let id = format!("{}-{}", self.life, self.next.fetch_add(1, Ordering::Relaxed));
        let begun = Begun { id, by, change, about };
        self.write(&begun, Outcome::Begun, None, None).await?;
        Ok(begun)
    }

    /// Tells what came of a change. It was made or not, whether that can be written or not: a failure is logged and
    /// counted, and whatever is announced next fails too.
    pub async fn end(&self, begun: &Begun, outcome: Outcome, request_id: Option<String>, error: Option<String>) {
        // Logged and counted where it happens.
        drop(self.write(begun, outcome, request_id, error).await);
    }

    /// Makes a call that was announced, and tells what came of it.
    pub async fn call(&self, begun: &Begun, call: impl Future<Output = AwsResult<()>>) -> AwsResult<()> {
        let (made, request_id) = with_request_id(call).await;
        let (outcome, error) = match &made {
            Ok(()) => (Outcome::Done, None),
            Err(error) if error.class == ErrorClass::Unavailable => (Outcome::Unknown, Some(error.code.clone())),
            Err(error) => (Outcome::Failed, Some(error.code.clone())),
        };
        self.end(begun, outcome, request_id, error).await;
        made
    }

    async fn write(
        &self,
        begun: &Begun,
        outcome: Outcome,
        request_id: Option<String>,
        error: Option<String>,
    ) -> Result<(), AuditError> {
        let line = Line {
            time: self.clock.now(),
            id: begun.id.clone(),
            by: begun.by.clone(),
            change: begun.change,
            outcome,
            about: begun.about.clone(),
            request_id,
            error,
        };
        let written = match self.destination() {
            Destination::Log => {
                log(&line);
                Ok(())
            }
            Destination::File(file) => append(file, line).await,
        };
        if let Err(error) = &written {
            self.metrics.audit_error();
            tracing::error!(
                event = "audit_failed",
                id = begun.id,
                change = begun.change.label(),
                outcome = outcome.label(),
                %error,
                "not in the audit log"
            );
        }
        written
    }

    fn destination(&self) -> Destination {
        self.destination.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn destination(file: Option<&Path>) -> Result<Destination, AuditError> {
    match file {
        None => Ok(Destination::Log),
        Some(path) => Ok(Destination::File(Arc::new(LogFile::open(path)?))),
    }
}

async fn append(file: Arc<LogFile>, line: Line) -> Result<(), AuditError> {
    // What comes of it can be looked up elsewhere, in the store and in AWS, by whoever knows that it was begun.
    let durable = line.outcome == Outcome::Begun;
    let path = file.path().to_owned();
    let text = serde_json::to_string(&line).map_err(|error| AuditError {
        path: path.clone(),
        cause: error.to_string(),
    })?;
    let written = tokio::task::spawn_blocking(move || file.append(&text, durable)).await;
    written.unwrap_or_else(|_| {
        Err(AuditError {
            path,
            cause: "its task ended early".to_owned(),
        })
    })
}

/// The line as an event of the log, with the same names.
fn log(line: &Line) {
    let (by, peer, operator, signal) = match &line.by {
        Actor::Rekeyd => ("rekeyd", None, None, None),
        Actor::Table { .. } => ("table", None, None, None),
        Actor::Peer(peer) => ("peer", Some(peer), None, None),
        Actor::Operator(operator) => ("operator", None, Some(operator), None),
        Actor::Signal { signal } => ("signal", None, None, Some(*signal)),
    };
    let claim = match &line.by {
        Actor::Table { by, command } => Some((by, command)),
        _ => None,
    };
    let about = &line.about;
    tracing::info!(
        target: TARGET,
        event = "audit",
        id = line.id,
        by,
        peer_uid = peer.map(|peer| peer.uid),
        peer_gid = peer.map(|peer| peer.gid),
        peer_pid = peer.and_then(|peer| peer.pid),
        peer_user = peer.and_then(|peer| peer.user.as_deref()),
        operator_uid = operator.map(|operator| operator.uid),
        operator_gid = operator.map(|operator| operator.gid),
        operator_pid = operator.map(|operator| operator.pid),
        operator_user = operator.and_then(|operator| operator.user.as_deref()),
        operator_login_uid = operator.and_then(|operator| operator.login_uid),
        signal,
        claimed_by = claim.map(|(by, _)| by.as_str()),
        command = claim.map(|(_, command)| command.as_str()),
        change = line.change.label(),
        outcome = line.outcome.label(),
        step = about.step.map(|step| step.label()),
        policy = about.policy.as_deref(),
        place = about.place.as_deref(),
        secret = about.secret.as_deref(),
        user = about.user.as_deref(),
        version = about.version.as_deref(),
        previous = about.previous.as_deref(),
        label = about.label,
        request = about.request.as_ref().map(tracing::field::display),
        request_id = line.request_id.as_deref(),
        error = line.error.as_deref(),
        "audit"
    );
}
