//! Gates between replicas: where only one of several secrets may begin (`canary`, `together`) and they are not all of one
//! replica, whoever would begin passes a gate, sees what passed it before, and decides again. Within one process the state's
//! lock does the same.

use std::collections::BTreeSet;

use crate::policy::Policy;
use crate::rotation::plan::{Action, Decision};
use crate::rotation::state::Record;
use crate::store::StoreError;
use crate::store::ownership::Gate;

use super::{Engine, State};

impl Engine {
    /// The gates that this secret must still pass before the decision is carried out.
    pub(super) fn gates_before(&self, key: &str, policy: &Policy, record: &Record, decision: &Decision) -> Vec<String> {
        let begins = record.rotation.is_none() && matches!(decision, Decision::Act(Action::CreateSecret { .. }));
        if !begins || !self.store.shared() {
            return Vec::new();
        }
        let state = self.state();
        let radius = state.blast_radii.get(&policy.name);
        let canary = radius.filter(|radius| policy.canary > 0 && !radius.is_proved_for(key));
        let canary = canary.map(|_| format!("canary:{}", policy.name));
        let together = policy.together.as_ref();
        let together = together.map(|together| format!("together:{}", together.name));
        let passed = state.gates_passed.get(key);
        let not_passed = |gate: &String| passed.is_none_or(|passed| !passed.contains(gate));
        // In the order of their names: two replicas never hold what the other one waits for.
        let gates: BTreeSet<String> = canary.into_iter().chain(together).filter(not_passed).collect();
        gates.into_iter().collect()
    }

    /// Passes gates, and takes over what others became that passed them before; whether it passed all.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(super) async fn pass_gates(&self, key: &str, policy: &Policy, gates: Vec<String>) -> Result<bool, StoreError> {
        for gate in gates {
            let Gate::Passed(news) = self.ownership.pass(&gate, key).await? else {
                return Ok(false);
            };
            self.state().gate_passed(key, gate);
            // Its own it knows; and it holds what guards its record only while it writes it.
            for news in news.into_iter().filter(|news| news.record.secret_arn != key) {
                self.learn(news).await;
            }
        }
        let mut state = self.state();
        let radius = state.blast_radii.get_mut(&policy.name);
        radius.into_iter().for_each(|radius| radius.yields(key));
        Ok(true)
    }

    /// Leaves the gates that a secret passed in the drive that has ended.
    pub(super) async fn leave_gates(&self, key: &str) {
        let passed = self.state().gates_passed.remove(key);
        for gate in passed.into_iter().flatten() {
            self.ownership.leave(&gate, key).await;
        }
    }
}

impl State {
    fn gate_passed(&mut self, key: &str, gate: String) {
        self.gates_passed.entry(key.to_owned()).or_default().insert(gate);
    }
}
