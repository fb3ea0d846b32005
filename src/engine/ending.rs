//! How a drive of a secret ends, and what that tells of the secret.

use crate::audit::AuditError;
use crate::aws::{AwsError, ErrorClass};
use crate::rotation::plan::Decision;
use crate::rotation::reason::HaltReason;
use crate::rotation::step::Step;
use crate::store::StoreError;

/// How a drive ended.
pub(super) enum Ending {
    /// With a decision to stand still.
    Decision(Decision),
    /// A change was made, and takes time to arrive.
    TakesTime,
    /// It is not its turn to change its user.
    NoTurn,
    /// Another replica is about to begin what only one may.
    GateTaken,
    /// It is to be retired, and as many as may be are under way.
    NoRoom,
    /// A call failed.
    Failed(Step, AwsError),
    /// The store failed.
    Store(StoreError),
    /// The audit log cannot be written.
    Unaudited(AuditError),
    /// The process is stopping.
    Stopping,
    /// The policy is not in force any more for this secret.
    Superseded,
}

impl Ending {
    /// Whether perhaps nothing of the secret was read, and a later drive may read it.
    pub(super) fn may_have_read_nothing(&self) -> bool {
        match self {
            Self::Failed(_, error) => error.passes_by_itself(),
            Self::NoTurn | Self::Superseded | Self::Stopping => true,
            Self::Decision(_)
            | Self::TakesTime
            | Self::GateTaken
            | Self::NoRoom
            | Self::Store(_)
            | Self::Unaudited(_) => false,
        }
    }

    /// Whether the secret is gone, or marked for deletion.
    pub(super) fn tells_of_a_lost_secret(&self) -> bool {
        let marked =
            matches!(self, Self::Decision(Decision::Halt { reason, .. }) if *reason == HaltReason::SecretDeleted);
        marked || self.tells_of_no_secret()
    }

    /// Whether there is no such secret.
    pub(super) fn tells_of_no_secret(&self) -> bool {
        matches!(self, Self::Failed(Step::Observe, error) if error.class == ErrorClass::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_that_had_no_turn_or_was_broken_off_is_not_taken_for_a_look() {
        for ending in [Ending::NoTurn, Ending::Superseded, Ending::Stopping] {
            assert!(ending.may_have_read_nothing());
        }
        let failed = |class| {
            let error = AwsError::internal("DescribeSecret", "told to");
            Ending::Failed(Step::Observe, AwsError { class, ..error })
        };
        assert!(failed(ErrorClass::Throttled).may_have_read_nothing());
        for answer in [
            failed(ErrorClass::Denied),
            failed(ErrorClass::NotFound),
            Ending::TakesTime,
        ] {
            assert!(!answer.may_have_read_nothing());
        }
    }
}
