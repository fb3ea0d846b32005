//! What happens to a secret. One event feeds the record, the history, the log and the metrics.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::policy::Endpoint;
use crate::rotation::cause::Cause;
use crate::rotation::observation::Proof;
use crate::rotation::reason::{AttentionReason, DriftCause, HaltReason, RollbackRefusal, WaitReason};
use crate::rotation::revocation::DeadPassword;
use crate::rotation::rollback::RollbackRequest;
use crate::rotation::step::Step;

/// Something that happened to a secret, or is about to: intents are stored before the call they
/// announce, outcomes after it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// An operator asked for a rotation.
    Requested(Request),
    /// A rotation begins.
    RotationStarted {
        /// The version that it will promote.
        version: String,
        /// The version that it replaces.
        parent: String,
        /// Which try this is.
        generation: u32,
        /// What woke it; earlier releases did not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
    },
    /// A rotation was found under way that this record knows nothing of: another replica began it, or
    /// an earlier process whose store was lost.
    RotationFound {
        /// The version that it will promote.
        version: String,
        /// The version that it replaces.
        parent: String,
        /// Which try this is.
        generation: u32,
    },
    /// The new password was written under AWSPENDING.
    PasswordCreated {
        /// The version that holds it.
        version: String,
    },
    /// The user's passwords, or AWSCURRENT, are about to be changed.
    WriteStarted,
    /// AWS refused the change: it was not made, and will not be.
    WriteRefused,
    /// ElastiCache accepted the new password beside the current one.
    PasswordSet {
        /// The version that holds it.
        version: String,
    },
    /// A change that no login can prove looks settled from now on.
    SettlingStarted {
        /// Setting a password, or retiring one.
        step: Step,
    },
    /// It does not look settled any more.
    SettlingBroken {
        /// Setting a password, or retiring one.
        step: Step,
    },
    /// AWSCURRENT is about to move to the new version.
    FinishStarted {
        /// The new version.
        version: String,
        /// What proves its password.
        proof: Proof,
        /// How many nodes accepted it.
        nodes: usize,
    },
    /// AWSCURRENT moved to the new version.
    Promoted {
        /// The version that carries AWSCURRENT now.
        version: String,
        /// The version that carried it before.
        previous: String,
        /// What proved it; `None` when another process promoted it.
        proof: Option<Proof>,
        /// How many nodes accepted it.
        nodes: usize,
    },
    /// The password under AWSCURRENT was proved, or could not be.
    Checked {
        /// The version that carries AWSCURRENT.
        version: String,
        /// What was proved.
        proof: Proof,
        /// How many nodes accepted it.
        nodes: usize,
    },
    /// The previous password is about to be taken from the user.
    RetirementStarted {
        /// The version that stays.
        version: String,
        /// The version whose password goes.
        previous: String,
    },
    /// ElastiCache accepted that the user keeps only the current password.
    PreviousRemoved {
        /// The version whose password went.
        previous: String,
    },
    /// These nodes refuse the previous password.
    NodesRefusePrevious {
        /// Their addresses.
        nodes: BTreeSet<Endpoint>,
    },
    /// The retirement is pointless: AWSCURRENT moved on, or the version is gone.
    RetirementDropped,
    /// A rotation was written down and nothing of it put, and may not begin now: it begins anew when it may. Until
    /// then nobody waits for it.
    RotationDropped,
    /// The previous password is gone.
    Retired {
        /// The version under AWSCURRENT.
        version: String,
        /// The version whose password went.
        previous: String,
        /// Whether every node refused it in a login.
        proof: Proof,
        /// How many nodes refused it.
        #[serde(default)]
        nodes: usize,
    },
    /// The current password, which worked, does not work any more.
    DriftFound {
        /// The version under AWSCURRENT.
        version: String,
        /// Why.
        cause: DriftCause,
        /// Where it was seen, in words.
        detail: String,
        /// From when on it is repaired, if it is to be.
        repair_from: Option<Timestamp>,
    },
    /// It works again, without a repair of ours; or another version is current.
    DriftEnded {
        /// The version that had drifted.
        version: String,
        /// Why it had.
        cause: DriftCause,
    },
    /// The user is about to be given the current password again.
    RepairStarted {
        /// The version under AWSCURRENT.
        version: String,
        /// The version whose password it keeps, because that logs in.
        previous: Option<String>,
    },
    /// ElastiCache accepted the repair.
    PasswordsRestored {
        /// The version under AWSCURRENT.
        version: String,
    },
    /// Every node accepts the current password again.
    Repaired {
        /// The version under AWSCURRENT.
        version: String,
        /// What was proved.
        proof: Proof,
        /// How many nodes accepted it.
        nodes: usize,
    },
    /// Every password that was valid when an operator asked for a revocation is gone.
    RevocationEnded {
        /// When it was asked for.
        asked_at: Timestamp,
        /// How long it took until the last of them was proved dead.
        seconds: f64,
        /// The passwords that went.
        dead: Vec<DeadPassword>,
    },
    /// An operator asked for a rollback.
    RollbackRequested(RollbackRequest),
    /// AWSCURRENT is about to move back to the previous version.
    RollbackStarted {
        /// The version that it leaves.
        version: String,
        /// The version that it goes back to.
        previous: String,
        /// What proves that version's password.
        proof: Proof,
        /// How many nodes accepted it.
        nodes: usize,
    },
    /// AWSCURRENT moved back.
    RolledBack {
        /// The version that it left.
        version: String,
        /// The version that carries it again.
        previous: String,
    },
    /// The rollback would not have been safe, or made no sense.
    RollbackRefused {
        /// Why.
        reason: RollbackRefusal,
        /// What was seen, and what to do.
        detail: String,
    },
    /// The rollback's time was over before it could begin.
    RollbackExpired,
    /// The pending password is given up: AWSPENDING is about to be removed.
    AbandonStarted {
        /// The version that holds it.
        version: String,
        /// Why.
        cause: String,
    },
    /// The pending password is given up, or was overtaken by another writer.
    Abandoned {
        /// The version that holds it.
        version: String,
    },
    /// Windows closed in which a due rotation did not begin.
    MissedWindow {
        /// The version under AWSCURRENT.
        version: String,
        /// When the last of them opened.
        opening: Timestamp,
        /// When it closed.
        closed_at: Timestamp,
        /// How many they are: more than one if nobody looked for so long.
        windows: u32,
        /// What the rotation was last known to wait for.
        why: String,
    },
    /// Nothing to do but wait for the world to change.
    Waiting {
        /// What for.
        reason: WaitReason,
        /// On what, in words.
        detail: String,
    },
    /// What was waited for is there.
    WaitingEnded,
    /// A call failed; it is tried again.
    AttemptFailed {
        /// During which step.
        step: Step,
        /// What failed, on what.
        message: String,
        /// When it is tried again.
        next_attempt_at: Timestamp,
    },
    /// A person should look; retries go on.
    AttentionRaised {
        /// Why.
        reason: AttentionReason,
        /// On what, in words.
        detail: String,
    },
    /// What failed or needed attention is over.
    AttentionCleared,
    /// Nothing is changed until the observation changes or an operator resumes.
    Halted {
        /// Why.
        reason: HaltReason,
        /// On what, in words.
        detail: String,
        /// What a resume would acknowledge, such as a version id.
        subject: String,
    },
    /// The halt is over.
    HaltCleared,
    /// An operator resumed a secret that had halted.
    Acknowledged {
        /// The reason that may be passed over.
        reason: HaltReason,
        /// For what; another one halts again.
        subject: String,
    },
    /// An operator paused the secret.
    Paused(Pause),
    /// The pause is over.
    Resumed,
}

/// A rotation that an operator asked for. It is due while it is newer than the version under
/// AWSCURRENT, or while that is still the version it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// When.
    pub at: Timestamp,
    /// The version under AWSCURRENT at that time, if known: this machine's clock and AWS's differ.
    pub over: Option<String>,
    /// Whether the fence is not waited for.
    pub now: bool,
    /// Whether every password that is valid now is to die, without waiting for any overlap.
    pub revoke_previous: bool,
    /// Who asked, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A pause of one secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pause {
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// The operator's words.
    pub reason: Option<String>,
    /// Who asked, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl Event {
    /// Whether it is what an operator asked for, and no step of a rotation: it means the same whatever else happened
    /// meanwhile.
    pub fn is_asked_for(&self) -> bool {
        matches!(
            self,
            Self::Requested(_)
                | Self::RollbackRequested(_)
                | Self::Acknowledged { .. }
                | Self::Paused(_)
                | Self::Resumed
        )
    }

    /// Its name in logs and history.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Requested(_) => "requested",
            Self::RotationStarted { .. } => "rotation_started",
            Self::RotationFound { .. } => "rotation_found",
            Self::PasswordCreated { .. } => "password_created",
            Self::WriteStarted => "write_started",
            Self::WriteRefused => "write_refused",
            Self::PasswordSet { .. } => "password_set",
            Self::SettlingStarted { .. } => "settling_started",
            Self::SettlingBroken { .. } => "settling_broken",
            Self::FinishStarted { .. } => "finish_started",
            Self::Promoted { .. } => "promoted",
            Self::Checked { .. } => "checked",
            Self::RetirementStarted { .. } => "retirement_started",
            Self::PreviousRemoved { .. } => "previous_removed",
            Self::NodesRefusePrevious { .. } => "nodes_refuse_previous",
            Self::RetirementDropped => "retirement_dropped",
            Self::RotationDropped => "rotation_dropped",
            Self::Retired { .. } => "retired",
            Self::DriftFound { .. } => "drift_found",
            Self::DriftEnded { .. } => "drift_ended",
            Self::RepairStarted { .. } => "repair_started",
            Self::PasswordsRestored { .. } => "passwords_restored",
            Self::Repaired { .. } => "repaired",
            Self::RevocationEnded { .. } => "revocation_ended",
            Self::RollbackRequested(_) => "rollback_requested",
            Self::RollbackStarted { .. } => "rollback_started",
            Self::RolledBack { .. } => "rolled_back",
            Self::RollbackRefused { .. } => "rollback_refused",
            Self::RollbackExpired => "rollback_expired",
            Self::AbandonStarted { .. } => "abandon_started",
            Self::Abandoned { .. } => "abandoned",
            Self::MissedWindow { .. } => "missed_window",
            Self::Waiting { .. } => "waiting",
            Self::WaitingEnded => "waiting_ended",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::AttentionRaised { .. } => "attention_raised",
            Self::AttentionCleared => "attention_cleared",
            Self::Halted { .. } => "halted",
            Self::HaltCleared => "halt_cleared",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Paused(_) => "paused",
            Self::Resumed => "resumed",
        }
    }
}
