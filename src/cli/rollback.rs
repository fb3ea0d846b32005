//! `rekeyd rollback`: asks for it, and follows it until it is done, refused or too late.

use std::time::Duration;

use serde::Serialize;

use crate::cli::args::RollbackArgs;
use crate::cli::client::{Client, ClientError};
use crate::cli::exit::Exit;
use crate::cli::show::pretty;
use crate::cli::text::{clean, proof, time};
use crate::cli::{CliError, Reply, Session};
use crate::clock::{Timestamp, after};
use crate::engine::control::{Accepted, RollbackOptions};
use crate::rotation::rollback::{Rollback, RollbackOutcome};
use crate::rotation::status::SecretStatus;
use crate::server::wire::RollbackBody;
use crate::words::standing::told;

#[cfg(test)]
mod tests;

/// Between two looks.
const POLL: Duration = Duration::from_millis(500);

/// How long after its time a rollback's outcome may still come: the daemon notes it at its next look.
const GRACE: Duration = Duration::from_secs(60);

/// A daemon that restarts shows nothing for a while.
const LOOKS_IN_VAIN: u32 = 120;

/// A daemon whose store was lost shows the secret without the request; one whose looks lag does, a little later.
const LOOKS_AT_LOSS: u32 = 10;

/// Asks for a rollback, and waits for its outcome.
pub(super) async fn rollback(client: &Client, args: RollbackArgs, session: &Session) -> Result<Reply, CliError> {
    let options = RollbackOptions {
        now: args.now,
        timeout_seconds: args.timeout.map(|timeout| timeout.as_secs()),
    };
    let body = RollbackBody {
        secret: args.secret,
        now: options.now,
        timeout_seconds: options.timeout_seconds,
    };
    let mut accepted = client.rollback(&body).await?;
    let Some(accepted) = accepted.pop() else {
        return Err(ClientError::Answered {
            status: hyper::StatusCode::INTERNAL_SERVER_ERROR,
            message: "the daemon accepted nothing".to_owned(),
        }
        .into());
    };
    let ended = follow(client, &accepted, session).await?;
    let (exit, words) = ended.told(&accepted.secret);
    let text = match args.json {
        true => pretty(&ended.report(&accepted))?,
        false => format!("{}\n", clean(&words)),
    };
    Ok(Reply::new(exit, text))
}

/// How far it had come when it was last looked at.
struct Ended {
    rollback: Option<Rollback>,
    status: Option<SecretStatus>,
}

async fn follow(client: &Client, accepted: &Accepted, session: &Session) -> Result<Ended, ClientError> {
    let mut last = String::new();
    let (mut vain, mut losses) = (0, 0);
    loop {
        let status = match client.secrets(Some(&accepted.arn)).await {
            Ok(secrets) => secrets.into_iter().next(),
            Err(ClientError::Unreachable { .. }) if vain < LOOKS_IN_VAIN => None,
            Err(ClientError::Answered { status, .. }) if status == hyper::StatusCode::NOT_FOUND => None,
            Err(error) => return Err(error),
        };
        let rollback = status.as_ref().and_then(|status| status.rollback.clone());
        let rollback = rollback.filter(|rollback| Some(rollback.asked_at) >= accepted.requested_at);
        vain = if rollback.is_some() { 0 } else { vain + 1 };
        let lost = status.is_some() && rollback.is_none();
        losses = if lost { losses + 1 } else { 0 };
        let over = match &rollback {
            Some(rollback) => !rollback.is_open() || after(rollback.until, GRACE) < session.clock.now(),
            None => vain >= LOOKS_IN_VAIN || losses >= LOOKS_AT_LOSS,
        };
        if over {
            return Ok(Ended { rollback, status });
        }
        let line = format!("{}: {}", accepted.secret, progress(status.as_ref()));
        if line != last {
            session.tell(&clean(&line));
            last = line;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn progress(status: Option<&SecretStatus>) -> String {
    match status {
        None => "the daemon does not show it; asking again".to_owned(),
        Some(status) => match told(status) {
            told if told.is_empty() => "checking whether the previous password logs in everywhere".to_owned(),
            told => format!("waiting: {told}"),
        },
    }
}

/// `rollback --json`.
#[derive(Serialize)]
struct Report<'a> {
    secret: &'a str,
    arn: &'a str,
    /// `rolled_back`, `refused`, `expired`, or `unknown` when the daemon does not tell, or the move was sent
    /// and may still arrive.
    result: &'static str,
    /// Why it was refused.
    reason: Option<&'static str>,
    /// What was seen, and what to do.
    detail: String,
    /// The version that AWSCURRENT was to leave.
    version: Option<&'a str>,
    /// The version that carries it again.
    previous_version: Option<&'a str>,
    /// What proves that version's password.
    proof: Option<crate::rotation::observation::Proof>,
    nodes: Option<usize>,
    asked_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

impl Ended {
    fn outcome(&self) -> Option<&RollbackOutcome> {
        self.rollback.as_ref()?.outcome.as_ref()
    }

    /// How the process ends, and what it says.
    fn told(&self, secret: &str) -> (Exit, String) {
        let started = self.rollback.as_ref().and_then(|rollback| rollback.started.as_ref());
        match (self.outcome(), started) {
            (Some(RollbackOutcome::RolledBack { .. }), Some(started)) => {
                let left = self.rollback.as_ref().map_or("-", |rollback| &rollback.version);
                let words = format!(
                    "{secret}: rolled back. AWSCURRENT is on version {} again ({} on {} nodes), AWSPREVIOUS on {left}. \
                     The user keeps both passwords, and nothing is rotated, until `rekeyd resume {secret}`. The next \
                     rotation after that, when it is due or asked for, removes the password of {left} and makes a new one.",
                    started.previous,
                    proof(Some(started.proof)),
                    started.nodes
                );
                (Exit::Done, words)
            }
            (Some(RollbackOutcome::Refused { reason, detail, .. }), _) => (
                Exit::Refused,
                format!("{secret}: refused: {reason}: {} ({detail})", reason.meaning()),
            ),
            (Some(RollbackOutcome::Expired { .. }), Some(started)) => (
                Exit::Failed,
                format!(
                    "{secret}: not known to be rolled back. The move to version {} was sent and not confirmed in time. \
                     It may still arrive until the policy's `fence` after {} is over: `rekeyd status {secret}` then \
                     tells where AWSCURRENT is; it was waiting for: {}",
                    started.previous,
                    time(self.rollback.as_ref().map(|rollback| rollback.until)),
                    self.waited_for()
                ),
            ),
            (Some(_), _) => (
                Exit::Failed,
                format!(
                    "{secret}: not rolled back in time, and it will not be any more; it was waiting for: {}",
                    self.waited_for()
                ),
            ),
            (None, _) => (
                Exit::Failed,
                format!(
                    "{secret}: the daemon tells no outcome of it (was its store lost?); look at `rekeyd status {secret}` \
                     and ask again"
                ),
            ),
        }
    }

    fn waited_for(&self) -> String {
        let told = self.status.as_ref().map(told).filter(|told| !told.is_empty());
        told.unwrap_or_else(|| "see `rekeyd history`".to_owned())
    }

    fn report<'a>(&'a self, accepted: &'a Accepted) -> Report<'a> {
        let rollback = self.rollback.as_ref();
        let started = rollback.and_then(|rollback| rollback.started.as_ref());
        let (result, reason, ended_at) = match self.outcome() {
            Some(RollbackOutcome::RolledBack { at }) => ("rolled_back", None, Some(*at)),
            Some(RollbackOutcome::Refused { at, reason, .. }) => ("refused", Some(reason.label()), Some(*at)),
            Some(RollbackOutcome::Expired { at }) if started.is_some() => ("unknown", None, Some(*at)),
            Some(RollbackOutcome::Expired { at }) => ("expired", None, Some(*at)),
            None => ("unknown", None, None),
        };
        Report {
            secret: &accepted.secret,
            arn: &accepted.arn,
            result,
            reason,
            detail: self.told(&accepted.secret).1,
            version: accepted.current_version.as_deref(),
            previous_version: started.map(|started| started.previous.as_str()),
            proof: started.map(|started| started.proof),
            nodes: started.map(|started| started.nodes),
            asked_at: accepted.requested_at,
            ended_at,
        }
    }
}
