//! What a secret's status may be waited for.

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::HaltReason;
use rekeyd::rotation::status::{Phase, SecretStatus};

/// The current password was shown to log in on every node.
pub fn proven(status: &SecretStatus) -> bool {
    status.proof == Some(Proof::Proven)
}

/// The previous password was shown to log in nowhere.
pub fn proven_retired(status: &SecretStatus) -> bool {
    status.retired_proof == Some(Proof::Proven)
}

/// Nothing is under way, and the current password was shown to log in on every node.
pub fn idle_and_proven(status: &SecretStatus) -> bool {
    status.phase == Phase::Idle && proven(status)
}

/// Nothing is under way, and the previous password was shown to log in nowhere.
pub fn idle_and_retired(status: &SecretStatus) -> bool {
    status.phase == Phase::Idle && proven_retired(status)
}

/// Halted, because several policies have it.
pub fn selected_twice(status: &SecretStatus) -> bool {
    status.phase == Phase::Halted && status.reason.as_deref() == Some(HaltReason::SelectedTwice.label())
}

/// The version is current.
pub fn promoted_to(version: &str) -> impl Fn(&SecretStatus) -> bool + '_ {
    move |status| status.current_version.as_deref() == Some(version)
}

/// The version is current, the previous password is retired, and nothing is under way.
pub fn rotated_to(version: &str) -> impl Fn(&SecretStatus) -> bool + '_ {
    move |status| promoted_to(version)(status) && status.phase == Phase::Idle && status.retired_at.is_some()
}
