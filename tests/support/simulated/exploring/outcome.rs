//! What came of worlds.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Counts.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Tally {
    pub worlds: u64,
    pub simulated: Duration,
    pub rotations: u64,
    pub calls: u64,
    /// What was done to the worlds, by kind.
    pub faults: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn count(&mut self, kind: &str) {
        self.add(kind, 1);
    }

    pub(super) fn add(&mut self, kind: &str, times: u64) {
        if times > 0 {
            *self.faults.entry(kind.to_owned()).or_default() += times;
        }
    }

    /// Adds another's.
    pub fn absorb(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.simulated += other.simulated;
        self.rotations += other.rotations;
        self.calls += other.calls;
        for (kind, times) in &other.faults {
            self.add(kind, *times);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let years = self.simulated.as_secs_f64() / (365.25 * 86_400.0);
        let (worlds, rotations, calls) = (self.worlds, self.rotations, self.calls);
        writeln!(
            f,
            "{worlds} seeds, {years:.2} simulated years, {rotations} rotations, {calls} calls"
        )?;
        for (kind, times) in &self.faults {
            writeln!(f, "  {times:>8} {kind}")?;
        }
        Ok(())
    }
}

/// What came of one world.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Outcome {
    pub violations: Vec<String>,
    pub tally: Tally,
    /// Everything that happened, in order.
    pub story: String,
}
