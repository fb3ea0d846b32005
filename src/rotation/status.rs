//! What an operator is shown of a secret: plain data for status, HTTP and metrics.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Timestamp, after};
use crate::rotation::observation::Proof;
use crate::rotation::reason::DriftCause;
use crate::rotation::revocation::Revocation;
use crate::rotation::rollback::Rollback;
use crate::rotation::step::Step;

/// Where a secret stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not looked at yet since the process started.
    Starting,
    /// Nothing to do until the next rotation.
    Idle,
    /// Due, and held back by something that passes: the fence, a canary, a blackout.
    Due,
    /// A rotation is under way.
    Rotating,
    /// Promoted; both passwords work.
    Overlap,
    /// The previous password is being removed.
    Retiring,
    /// An operator paused it.
    Paused,
    /// A person should look; retries go on.
    NeedsAttention,
    /// Nothing is changed until the observation changes or an operator resumes.
    Halted,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 9] = [
        Self::Starting,
        Self::Idle,
        Self::Due,
        Self::Rotating,
        Self::Overlap,
        Self::Retiring,
        Self::Paused,
        Self::NeedsAttention,
        Self::Halted,
    ];

    /// Its name in status and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Due => "due",
            Self::Rotating => "rotating",
            Self::Overlap => "overlap",
            Self::Retiring => "retiring",
            Self::Paused => "paused",
            Self::NeedsAttention => "needs_attention",
            Self::Halted => "halted",
        }
    }

    /// Its place where what needs a person stands first, then what is under way, then what rests.
    pub fn urgency(self) -> u8 {
        match self {
            Self::Halted => 0,
            Self::NeedsAttention => 1,
            Self::Paused => 2,
            Self::Due => 3,
            Self::Rotating => 4,
            Self::Retiring => 5,
            Self::Starting => 6,
            Self::Overlap => 7,
            Self::Idle => 8,
        }
    }
}

/// How late is overdue: longer than the fence and the usual propagation, so that rotations which
/// are merely under way do not count.
const GRACE: Duration = Duration::from_secs(3_600);

/// One secret, as status shows it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SecretStatus {
    /// The secret's name; as configured, until AWS told it.
    pub secret: String,
    /// Its ARN, once known.
    pub arn: Option<String>,
    /// Its policy.
    pub policy: String,
    /// Its place.
    pub place: String,
    /// Whether another replica works on it, and this one tells what that one shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// The id of its user, once known.
    pub user_id: Option<String>,
    /// Where it stands.
    pub phase: Phase,
    /// The step that it is at, while something is under way.
    pub step: Option<Step>,
    /// The label of why it stands there: a halt, an attention, a wait.
    pub reason: Option<String>,
    /// The same in words, with what it is about and what to do.
    pub detail: Option<String>,
    /// Why the password under AWSCURRENT, which worked, does not log in on every node any more, or why
    /// that cannot be told.
    #[serde(default)]
    pub drift: Option<DriftCause>,
    /// What was last proved of the password under AWSCURRENT.
    pub proof: Option<Proof>,
    /// How many nodes accepted it.
    pub nodes: Option<usize>,
    /// When that was.
    pub proved_at: Option<Timestamp>,
    /// The version under AWSCURRENT.
    pub current_version: Option<String>,
    /// The version that a rotation in progress will promote.
    pub pending_version: Option<String>,
    /// When the version under AWSCURRENT was created.
    pub last_rotation_at: Option<Timestamp>,
    /// When the next rotation may begin, as far as its schedule and window tell.
    pub next_rotation_at: Option<Timestamp>,
    /// Since when, or from when on, it is due; earlier than that where windows were missed.
    #[serde(default)]
    pub due_since: Option<Timestamp>,
    /// How many windows closed without a start since the last rotation.
    #[serde(default)]
    pub missed_windows: u32,
    /// Whether the previous password still logs in, as far as the user's password count tells.
    pub previous_password_valid: Option<bool>,
    /// When the previous password is retired.
    pub overlap_until: Option<Timestamp>,
    /// When the last retirement ended, and what proved it.
    pub retired_at: Option<Timestamp>,
    /// The version whose password was retired then.
    pub retired_version: Option<String>,
    /// What proved that the previous password is gone.
    pub retired_proof: Option<Proof>,
    /// Whether a requested rotation has not happened yet.
    pub requested: bool,
    /// The last revocation of passwords that an operator asked for, and how long each took to die.
    #[serde(default)]
    pub revocation: Option<Revocation>,
    /// The last rollback that an operator asked for, and what came of it.
    #[serde(default)]
    pub rollback: Option<Rollback>,
    /// Failed calls in a row.
    pub attempts: u32,
    /// When the next attempt is made.
    pub next_attempt_at: Option<Timestamp>,
    /// Since when it has stood there, for a halt, an attention or a wait.
    pub since: Option<Timestamp>,
}

impl SecretStatus {
    /// Whether it is halted, needs attention, or has a current password that does not work everywhere any more.
    pub fn needs_a_person(&self) -> bool {
        matches!(self.phase, Phase::Halted | Phase::NeedsAttention) || self.drift.is_some()
    }

    /// Whether its rotation should have happened by now.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        is_late(self.due_since.or(self.next_rotation_at), now)
    }

    /// Whether its previous password should be gone by now.
    pub fn is_retirement_overdue(&self, now: Timestamp) -> bool {
        self.previous_password_valid == Some(true) && is_late(self.overlap_until, now)
    }

    /// Whether the last proof of its current password came to nothing.
    pub fn is_unproven(&self) -> bool {
        matches!(self.proof, Some(Proof::Unproven(_)))
    }

    /// A secret of which nothing else is known: it is starting.
    pub fn unknown(secret: &str, policy: &str, place: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            policy: policy.to_owned(),
            place: place.to_owned(),
            arn: None,
            elsewhere: false,
            user_id: None,
            phase: Phase::Starting,
            step: None,
            reason: None,
            detail: None,
            drift: None,
            proof: None,
            nodes: None,
            proved_at: None,
            current_version: None,
            pending_version: None,
            last_rotation_at: None,
            next_rotation_at: None,
            due_since: None,
            missed_windows: 0,
            previous_password_valid: None,
            overlap_until: None,
            retired_at: None,
            retired_version: None,
            retired_proof: None,
            requested: false,
            revocation: None,
            rollback: None,
            attempts: 0,
            next_attempt_at: None,
            since: None,
        }
    }
}

fn is_late(due: Option<Timestamp>, now: Timestamp) -> bool {
    due.is_some_and(|due| after(due, GRACE) < now)
}
