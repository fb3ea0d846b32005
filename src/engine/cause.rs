//! What wakes a rotation that is about to begin.

use crate::policy::Policy;
use crate::rotation::cause::Cause;
use crate::rotation::observation::Observation;
use crate::rotation::plan::dues;
use crate::rotation::state::Record;

use super::Engine;

impl Engine {
    /// Why a rotation away from `current` begins now.
    pub(super) fn cause_of(
        &self,
        policy: &Policy,
        observation: &Observation,
        record: &Record,
        current: &str,
    ) -> Option<Cause> {
        let now = self.clock.now();
        let running_for = self.clock.monotonic().saturating_sub(self.started);
        let started = now - chrono::Duration::from_std(running_for).ok()?;
        let dues = dues(observation, record, policy, now)?;
        Some(Cause::of(&dues, current, record, started))
    }
}
