//! What catches each bug.

use rekeyd::planted::PlantedBug;

use super::scenarios::story;

/// How a bug is caught.
pub struct Catch {
    pub bug: PlantedBug,
    /// The promise that it breaks in its scenario.
    pub promise: &'static str,
}

impl Catch {
    /// Its row in the documents.
    pub fn row(&self) -> String {
        format!("| {} | {} | {} |", self.bug.label(), self.promise, story(self.bug))
    }
}

const fn caught(bug: PlantedBug, promise: &'static str) -> Catch {
    Catch { bug, promise }
}

pub const CATCHES: [Catch; 12] = [
    caught(PlantedBug::PromoteBeforeProof, "P2"),
    caught(PlantedBug::DropCurrentPassword, "P1"),
    caught(PlantedBug::ForgetCompareAndSwap, "P3"),
    caught(PlantedBug::IgnoreLostReply, "P5"),
    caught(PlantedBug::RetireInsideOverlap, "P4"),
    caught(PlantedBug::ReuseTokenAfterAbandoning, "P5"),
    caught(PlantedBug::RederiveRolledBackVersion, "P3"),
    caught(PlantedBug::SkipFence, "P1"),
    caught(PlantedBug::NopassAsProof, "P2"),
    caught(PlantedBug::FailedDiscoveryAsNoNodes, "P2"),
    caught(PlantedBug::RotateBecauseStoreLost, "P8"),
    caught(PlantedBug::StaleActiveForSettled, "P2"),
];
