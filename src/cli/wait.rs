//! Waiting for rotations that were asked for.
//!
//! The request is stored, so the daemon may restart meanwhile; what counts is what status shows.

use std::time::Duration;

use crate::cli::Session;
use crate::cli::client::{Client, ClientError};
use crate::cli::progress::Progress;
use crate::cli::text::{clean, time};
use crate::engine::control::Accepted;
use crate::rotation::reason::HaltReason;
use crate::rotation::revocation::Revocation;
use crate::rotation::status::{Phase, SecretStatus};
use crate::words::facts::death;
use crate::words::standing::told;

/// Between two looks: short for a person who waits, cheap for the daemon.
const POLL: Duration = Duration::from_secs(1);

/// Between two through the table, where each answer is written before it is read: one of a thousand secrets takes 2,000
/// write units.
const POLL_THROUGH_TABLE: Duration = Duration::from_secs(5);

/// Up to this many secrets are asked for one by one; more of them by one list of all.
const ASKED_SINGLY: usize = 8;

/// How long the daemon may be away, as it is while it restarts.
const OUTAGE: Duration = Duration::from_secs(60);

/// A halt ends the wait when it is seen again after a second.
const LOOKS_AT_HALT: u32 = 2;

/// One from before the request ends it later. What was wrong may be mended, and the look that shows it under way: it
/// waits for five seconds for a node that does not answer.
const LOOKS_AT_OLD_HALT: u32 = 10;

/// A pause ends it a little later, since an engine may pass over it for what an operator asks for.
const LOOKS_AT_PAUSE: u32 = 5;

/// A secret that is not shown may come back: a daemon that has just started has yet to find it.
const LOOKS_AT_ABSENCE: u32 = 30;

/// A daemon whose store was lost knows nothing of the request; one whose looks lag does, a little later.
const LOOKS_AT_LOSS: u32 = 10;

/// How far a rotation has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// On its way.
    Waiting,
    /// Over, as it was asked for.
    Done,
    /// Not going on; with the reason.
    Failed(String),
}

impl Standing {
    /// Its name in results.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed(_) => "failed",
        }
    }
}

/// A secret that is waited for.
pub(super) struct Watched {
    pub(super) accepted: Accepted,
    pub(super) status: Option<SecretStatus>,
    pub(super) standing: Standing,
    /// How many looks in a row showed it in this phase.
    looks: u32,
    /// How many looks in a row showed nothing of the request.
    losses: u32,
}

impl Watched {
    fn new(accepted: Accepted) -> Self {
        Self {
            accepted,
            status: None,
            standing: Standing::Waiting,
            looks: 0,
            losses: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn ended(accepted: Accepted, status: SecretStatus, standing: Standing) -> Self {
        Self {
            status: Some(status),
            standing,
            ..Self::new(accepted)
        }
    }

    /// Why it stands where it does.
    pub(super) fn told(&self) -> String {
        match (&self.standing, &self.status) {
            (Standing::Failed(reason), _) => reason.clone(),
            (Standing::Done, Some(status)) => outcome(status),
            (_, Some(status)) => match told(status) {
                told if told.is_empty() => status.phase.label().to_owned(),
                // It says so itself.
                told if status.phase == Phase::Due && told.starts_with("due") => told,
                told => format!("{}: {told}", status.phase.label()),
            },
            (_, None) => "the daemon does not show it".to_owned(),
        }
    }

    /// The same with the secret's name, in a line.
    fn line(&self) -> String {
        format!("{}: {}: {}", self.accepted.secret, self.standing.label(), self.told())
    }

    /// Whether it goes on only, or better, if somebody looks.
    fn needs_a_person(&self) -> bool {
        let phase = self.status.as_ref().map(|status| status.phase);
        let stands = matches!(phase, Some(Phase::Halted | Phase::NeedsAttention | Phase::Paused));
        stands && self.standing != Standing::Done || matches!(self.standing, Standing::Failed(_))
    }

    /// Takes note of a look; tells whether the phase changed.
    fn see(&mut self, status: Option<SecretStatus>, revoke_previous: bool) -> bool {
        let phase = |status: &Option<SecretStatus>| status.as_ref().map(|status| status.phase);
        let changed = phase(&self.status) != phase(&status);
        self.looks = if changed { 1 } else { self.looks.saturating_add(1) };
        self.status = status;
        self.losses = if self.seems_lost(revoke_previous) {
            self.losses.saturating_add(1)
        } else {
            0
        };
        self.standing = self.judge(revoke_previous);
        changed
    }

    fn judge(&self, revoke_previous: bool) -> Standing {
        let Some(status) = &self.status else {
            return match self.looks < LOOKS_AT_ABSENCE {
                true => Standing::Waiting,
                false => Standing::Failed("no policy covers it any more".to_owned()),
            };
        };
        if self.losses >= LOOKS_AT_LOSS {
            let lost = "the daemon knows nothing of the request any more: was its store lost? Ask again";
            return Standing::Failed(lost.to_owned());
        }
        let halted = status.phase == Phase::Halted && self.looks >= self.looks_at_halt(status);
        let paused = status.phase == Phase::Paused && self.looks >= LOOKS_AT_PAUSE;
        if self.is_done(status, revoke_previous) {
            Standing::Done
        } else if halted || paused {
            let phase = status.phase.label();
            Standing::Failed(format!("{phase}: {}; {}", told(status), way_out(status)))
        } else {
            Standing::Waiting
        }
    }

    fn looks_at_halt(&self, status: &SecretStatus) -> u32 {
        match (status.since, self.accepted.requested_at) {
            (Some(since), Some(asked_at)) if since < asked_at => LOOKS_AT_OLD_HALT,
            _ => LOOKS_AT_HALT,
        }
    }

    /// The revocation that was asked for, or a later one, which does what it does and more.
    pub(super) fn revocation(&self) -> Option<&Revocation> {
        let revocation = self.status.as_ref()?.revocation.as_ref()?;
        let asked_at = self.accepted.requested_at?;
        (revocation.asked_at >= asked_at).then_some(revocation)
    }

    fn is_done(&self, status: &SecretStatus, revoke_previous: bool) -> bool {
        match (revoke_previous, self.accepted.requested_at) {
            (true, Some(_)) => self.revocation().is_some_and(|revocation| !revocation.is_open()),
            // A daemon of an earlier release.
            (true, None) => self.rotated(status) && self.previous_gone(status),
            (false, _) => self.rotated(status),
        }
    }

    /// Whether the daemon looks as if it had never heard of the request.
    fn seems_lost(&self, revoke_previous: bool) -> bool {
        let (Some(status), Some(_)) = (&self.status, self.accepted.requested_at) else {
            return false;
        };
        if revoke_previous {
            return self.revocation().is_none();
        }
        let at_rest = matches!(status.phase, Phase::Idle | Phase::Overlap) && status.attempts == 0;
        let as_before = status.current_version.is_some() && status.current_version == self.accepted.current_version;
        at_rest && as_before && !status.requested
    }

    fn rotated(&self, status: &SecretStatus) -> bool {
        status.current_version.is_some()
            && status.current_version != self.accepted.current_version
            && status.proof.is_some()
            // Where the version was not known yet when the command was accepted.
            && !status.requested
    }

    /// After a leak only the end of the old password is an end.
    fn previous_gone(&self, status: &SecretStatus) -> bool {
        let retired = status.retired_version.is_some() && status.retired_version == self.accepted.current_version;
        status.previous_password_valid == Some(false) || retired
    }
}

/// What the end of a rotation left.
fn outcome(status: &SecretStatus) -> String {
    let previous = match (status.phase, status.previous_password_valid, status.overlap_until) {
        (Phase::Overlap, Some(true), Some(until)) => {
            format!("the previous password logs in until {}", time(Some(until)))
        }
        (Phase::Overlap, Some(true), None) => "the previous password logs in until the next rotation".to_owned(),
        (_, Some(false), _) => "no other password logs in".to_owned(),
        _ => match told(status) {
            told if told.is_empty() => status.phase.label().to_owned(),
            told => format!("{}: {told}", status.phase.label()),
        },
    };
    format!("rotated; {previous}")
}

/// What ends a pause or a halt.
fn way_out(status: &SecretStatus) -> &'static str {
    let reason = status.reason.as_deref().unwrap_or_default();
    let passable = HaltReason::ALL
        .iter()
        .any(|halt| halt.label() == reason && halt.may_be_passed());
    match status.phase {
        Phase::Halted if passable => "`rekeyd resume` passes over it",
        Phase::Halted => "it goes on when that is mended; `rekeyd resume` looks again at once",
        _ => "what was asked for is held, and begins when `rekeyd resume` ends it",
    }
}

/// Waits until every rotation is over, or for `timeout`.
pub(super) async fn wait(
    client: &Client,
    accepted: Vec<Accepted>,
    revoke_previous: bool,
    timeout: Duration,
    session: &Session,
) -> Result<Vec<Watched>, ClientError> {
    let mut watched: Vec<_> = accepted.into_iter().map(Watched::new).collect();
    let progress = Progress::of(watched.len(), session);
    let begun = session.clock.monotonic();
    let mut answered = begun;
    loop {
        let looked = look(client, &mut watched, revoke_previous, &progress).await;
        let now = session.clock.monotonic();
        match looked {
            Ok(()) => answered = now,
            Err(ClientError::Unreachable { .. }) if now.saturating_sub(answered) < OUTAGE => {
                progress.tell("the daemon does not answer; asking again");
            }
            Err(error) => return Err(error),
        }
        let failed = |watched: &&Watched| matches!(watched.standing, Standing::Failed(_));
        let over = |watched: &&Watched| watched.standing != Standing::Waiting;
        progress.over(
            watched.iter().filter(over).count(),
            watched.iter().filter(failed).count(),
        );
        let waiting = watched.iter().any(|watched| watched.standing == Standing::Waiting);
        let left = timeout.saturating_sub(now.saturating_sub(begun));
        if !waiting || left.is_zero() {
            return Ok(watched);
        }
        let many = watched.len() > ASKED_SINGLY && client.is_through_table();
        let poll = if many { POLL_THROUGH_TABLE } else { POLL };
        tokio::time::sleep(poll.min(left)).await;
    }
}

/// Looks once at each secret that is still waited for.
async fn look(
    client: &Client,
    watched: &mut [Watched],
    revoke_previous: bool,
    progress: &Progress<'_>,
) -> Result<(), ClientError> {
    let waiting = || watched.iter().filter(|watched| watched.standing == Standing::Waiting);
    let mut seen = Vec::new();
    if waiting().count() > ASKED_SINGLY {
        seen = client.secrets(None).await?;
    } else {
        for watched in waiting() {
            match client.secrets(Some(&watched.accepted.arn)).await {
                Ok(secrets) => seen.extend(secrets),
                // It is known no longer, which is an answer.
                Err(ClientError::Answered { status, .. }) if status == hyper::StatusCode::NOT_FOUND => {}
                Err(error) => return Err(error),
            }
        }
    }
    for watched in watched
        .iter_mut()
        .filter(|watched| watched.standing == Standing::Waiting)
    {
        let of_it = |status: &&SecretStatus| status.arn.as_deref() == Some(watched.accepted.arn.as_str());
        let status = seen.iter().find(of_it).cloned();
        let dead = watched.revocation().map_or(0, |revocation| revocation.dead.len());
        let changed = watched.see(status, revoke_previous);
        if let Some(revocation) = watched.revocation() {
            for dead in revocation.dead.iter().skip(dead) {
                let line = format!("{}: {}", watched.accepted.secret, death(revocation, dead));
                progress.mention(&clean(&line));
            }
        }
        if changed || watched.standing != Standing::Waiting {
            let line = clean(&watched.line());
            match watched.needs_a_person() {
                true => progress.tell(&line),
                false => progress.mention(&line),
            }
        }
    }
    Ok(())
}
