//! This process among the replicas: under which session it holds leases, and what it wrote that the others do not know yet.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many of its last writes a session tells of. Who has missed more of them reads all records again.
pub const CHANGES_TOLD: usize = 256;

/// This process among the replicas. Those who write records and those who tell of it share one.
#[derive(Default)]
pub struct Presence {
    state: Mutex<State>,
    /// Rings when something was written.
    pub wrote: Notify,
    /// Secrets whose journals another process may have left.
    taken: Mutex<BTreeSet<String>>,
}

#[derive(Default)]
struct State {
    session: Option<String>,
    /// How many writes there were.
    written: u64,
    /// The last of them: their numbers, counted from 1, and the secrets' ARNs.
    last: VecDeque<(u64, String)>,
}

impl Presence {
    /// A process without a session: it holds no leases, and asks for none before it writes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The session under which this process holds leases; none where leases are switched off, or between two sessions.
    pub fn session(&self) -> Option<String> {
        self.state().session.clone()
    }

    /// Another session from now on, or none. What was written before is not told again.
    pub fn set_session(&self, session: Option<String>) {
        let mut state = self.state();
        *state = State {
            session,
            ..State::default()
        };
    }

    /// Notes that the item of a secret was written, or that its holder is to look at it again.
    pub fn note(&self, secret_arn: &str) {
        {
            let mut state = self.state();
            state.written += 1;
            let number = state.written;
            state.last.push_back((number, secret_arn.to_owned()));
            if state.last.len() > CHANGES_TOLD {
                state.last.pop_front();
            }
        }
        self.wrote.notify_one();
    }

    /// Notes that another process may have ended between a save of this secret and the messages that it led to: the store writes
    /// them before it next reads an outbox. Whoever takes a secret over from the dead calls this.
    pub fn took(&self, secret_arn: &str) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(secret_arn.to_owned());
    }

    /// What was taken since this was last asked.
    pub(super) fn taken(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last writes, oldest first: their numbers and the secrets' ARNs.
    pub fn last_writes(&self) -> Vec<(u64, String)> {
        self.state().last.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is made whole, so a poisoned lock guards sound data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
