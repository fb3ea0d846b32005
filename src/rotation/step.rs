//! The steps of a rotation, under the names that AWS gives them.

use serde::{Deserialize, Serialize};

/// A step of a rotation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Step {
    /// Looking at the world: no change.
    #[serde(rename = "observe")]
    Observe,
    /// Writing the new password under AWSPENDING.
    #[serde(rename = "createSecret")]
    CreateSecret,
    /// Giving the user the new password beside the current one.
    #[serde(rename = "setSecret")]
    SetSecret,
    /// Logging in with the new password on every node.
    #[serde(rename = "testSecret")]
    TestSecret,
    /// Moving AWSCURRENT to the new password.
    #[serde(rename = "finishSecret")]
    FinishSecret,
    /// Taking the previous password from the user, and proving it dead.
    #[serde(rename = "retire")]
    Retire,
    /// Giving up a pending password, so that another can be tried.
    #[serde(rename = "abandon")]
    Abandon,
    /// Giving the user the current password again, after somebody took it away.
    #[serde(rename = "repair")]
    Repair,
    /// Moving AWSCURRENT back to the previous version, because an operator asked for it.
    #[serde(rename = "rollback")]
    Rollback,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 9] = [
        Self::Observe,
        Self::CreateSecret,
        Self::SetSecret,
        Self::TestSecret,
        Self::FinishSecret,
        Self::Retire,
        Self::Abandon,
        Self::Repair,
        Self::Rollback,
    ];

    /// Its name in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::CreateSecret => "createSecret",
            Self::SetSecret => "setSecret",
            Self::TestSecret => "testSecret",
            Self::FinishSecret => "finishSecret",
            Self::Retire => "retire",
            Self::Abandon => "abandon",
            Self::Repair => "repair",
            Self::Rollback => "rollback",
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}
