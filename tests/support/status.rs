//! What a secret's status may be waited for.

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};

/// The current password was shown to log in on every node.
pub fn proven(status: &SecretStatus) -> bool {
    status.proof == Some(Proof::Proven)
}

/// The previous password was shown to log in nowhere.
pub fn proven_retired(status: &SecretStatus) -> bool {
    status.retired_proof == Some(Proof::Proven)
}

/// The version is current.
pub fn promoted_to(version: &str) -> impl Fn(&SecretStatus) -> bool + '_ {
    move |status| status.current_version.as_deref() == Some(version)
}

/// The version is current, the previous password is retired, and nothing is under way.
pub fn rotated_to(version: &str) -> impl Fn(&SecretStatus) -> bool + '_ {
    move |status| promoted_to(version)(status) && status.phase == Phase::Idle && status.retired_at.is_some()
}
