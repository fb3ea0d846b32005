//! What other replicas do, where several share the store: their records and what they show are taken over as they come, and
//! a secret is driven only while it is this process's.

use std::sync::Arc;

use crate::rotation::state::Record;

use super::Engine;

impl Engine {
    /// Goes by a record that somebody else stored.
    pub(super) fn catch_up(&self, key: &str, record: Record) {
        let record = Arc::new(record.believed(self.clock.now()));
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        let took_room = entry.takes_room();
        entry.record = Arc::new(Record::clone(&record).under(&entry.policy));
        let takes_room = entry.takes_room();
        state.count_in_flight(key, took_room, takes_room);
        self.member_changed(&mut state, key);
    }
}
