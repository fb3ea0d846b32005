//! What came up: how many calls to each operation ended in each way.

use std::collections::BTreeMap;
use std::fmt;

use super::doors::Answer;

#[derive(Default)]
pub struct Tally {
    pub sequences: u64,
    /// Calls of the sequences, without those that only look.
    pub calls: u64,
    /// Calls that look at everything.
    pub looks: u64,
    pub logins: u64,
    /// How many sequences and calls agreed before the first that did not.
    pub agreed: u64,
    pub agreed_calls: u64,
    failed: bool,
    outcomes: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

impl Tally {
    pub fn count(&mut self, operation: &'static str, answer: &Answer) {
        let outcome = match answer {
            Answer::Ok(_) => "ok",
            Answer::Refused { code, .. } => code,
            Answer::Lost => "reply lost",
        };
        self.calls += 1;
        self.agreed_calls += u64::from(!self.failed);
        *self
            .outcomes
            .entry(operation)
            .or_default()
            .entry(outcome.to_owned())
            .or_default() += 1;
    }

    /// A sequence has ended. After one that does not agree there are only shorter ones like it.
    pub fn end(&mut self, agreed: bool) {
        self.sequences += 1;
        self.failed |= !agreed;
        if !self.failed {
            self.agreed += 1;
        }
    }

    pub fn of(&self, operation: &str, outcome: &str) -> u64 {
        self.outcomes
            .get(operation)
            .and_then(|outcomes| outcomes.get(outcome))
            .copied()
            .unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sequences,
            calls,
            looks,
            logins,
            outcomes,
            ..
        } = self;
        writeln!(
            f,
            "{sequences} sequences, {calls} calls, {looks} calls to compare, {logins} logins"
        )?;
        for (operation, outcomes) in outcomes {
            let outcomes: Vec<String> = outcomes.iter().map(|(outcome, n)| format!("{outcome} {n}")).collect();
            writeln!(f, "  {operation}: {}", outcomes.join(", "))?;
        }
        Ok(())
    }
}
