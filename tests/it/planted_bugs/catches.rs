//! What catches each bug.

use rekeyd::planted::PlantedBug;

use super::scenarios::story;

/// How a bug is caught.
pub struct Catch {
    pub bug: PlantedBug,
    /// The promise that it breaks in its scenario.
    pub promise: &'static str,
    /// The first crash point that finds it, if any does.
    pub point: Option<&'static str>,
    /// The lowest seed of a random world that finds it, if one is known.
    pub seed: Option<u64>,
}

impl Catch {
    /// Its row in the documents.
    pub fn row(&self) -> String {
        let point = self.point.map_or("none".to_owned(), |point| format!("`{point}`"));
        let (bug, promise, story) = (self.bug.label(), self.promise, story(self.bug));
        format!("| {bug} | {promise} | {story} | {point} | {} |", self.seed_or_none())
    }

    /// Its line in the report of a run of its scenario.
    pub fn line(&self, caught: bool) -> String {
        let (bug, promise, story) = (self.bug.label(), self.promise, story(self.bug));
        let outcome = if caught {
            "caught, breaks"
        } else {
            "ESCAPES, should break"
        };
        let (point, seed) = (self.point.unwrap_or("none"), self.seed_or_none());
        format!("planted bug: {bug}: {outcome} {promise} when {story}; crash point {point}, seed {seed}")
    }

    fn seed_or_none(&self) -> String {
        self.seed.map_or("none".to_owned(), |seed| seed.to_string())
    }
}

const fn caught(bug: PlantedBug, promise: &'static str, point: Option<&'static str>, seed: Option<u64>) -> Catch {
    Catch {
        bug,
        promise,
        point,
        seed,
    }
}

/// All bugs. `REKEYD_SEARCH=700 cargo test --test it planted_bugs::search -- --nocapture` finds points and seeds
/// anew.
pub const CATCHES: [Catch; 12] = [
    caught(
        PlantedBug::PromoteBeforeProof,
        "P2",
        Some("Requested/kept/one/1.call1.CrashBefore"),
        Some(1),
    ),
    caught(
        PlantedBug::DropCurrentPassword,
        "P1",
        Some("Requested/kept/one/1.call1.CrashBefore"),
        Some(1),
    ),
    caught(PlantedBug::ForgetCompareAndSwap, "P3", None, Some(571)),
    caught(
        PlantedBug::IgnoreLostReply,
        "P5",
        Some("Requested/kept/one/1.call26.ServerError"),
        Some(512),
    ),
    caught(
        PlantedBug::RetireInsideOverlap,
        "P4",
        Some("Requested/kept/one/1.call1.CrashBefore"),
        Some(15),
    ),
    caught(PlantedBug::ReuseTokenAfterAbandoning, "P5", None, None),
    caught(PlantedBug::RederiveRolledBackVersion, "P3", None, Some(86)),
    caught(PlantedBug::SkipFence, "P1", None, Some(423)),
    caught(PlantedBug::NopassAsProof, "P2", None, Some(35)),
    caught(PlantedBug::FailedDiscoveryAsNoNodes, "P2", None, None),
    caught(PlantedBug::RotateBecauseStoreLost, "P8", None, Some(15)),
    caught(PlantedBug::StaleActiveForSettled, "P2", None, Some(12)),
];
