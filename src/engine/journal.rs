//! Every event goes through here: into the record and the store, then into log and metrics.

use std::sync::Arc;

use tracing::Instrument;

use crate::rotation::event::Event;
use crate::rotation::state::Record;
use crate::store::StoreError;

use super::Engine;

impl Engine {
    /// Applies an event to a secret's record and stores both. When this fails, nothing has
    /// changed, and whatever the event announces must not be done.
    pub(super) async fn record(&self, key: &str, event: Event) -> Result<(), StoreError> {
        let Some((journal, policy, name)) = self
            .state()
            .entries
            .get(key)
            .map(|entry| (entry.journal.clone(), entry.policy.clone(), entry.secret.name.clone()))
        else {
            return Err(gone(key));
        };
        let span = super::spans::of_secret_if_none(&name, &policy);
        let applied = self.apply(key, event, (&journal, &policy, &name));
        applied.instrument(span).await
    }

    async fn apply(
        &self,
        key: &str,
        event: Event,
        (journal, policy, name): (&tokio::sync::Mutex<()>, &str, &str),
    ) -> Result<(), StoreError> {
        let at = self.clock.now();
        let _held = journal.lock().await;
        let Some(before) = self.state().entries.get(key).map(|entry| entry.record.clone()) else {
            return Err(gone(key));
        };
        let after = match Record::clone(&before).apply(at, &event) {
            Ok(after) => after,
            Err(illegal) => {
                tracing::error!(
                    event = "illegal_event",
                    error = %illegal,
                    "a defect: this cannot have happened, and is not stored; please report this"
                );
                return Err(StoreError::Failed {
                    location: name.to_owned(),
                    action: "recording an event",
                    cause: illegal.to_string(),
                });
            }
        };
        if let Err(error) = self.store.save(&after, &[(at, event.clone())]).await {
            self.metrics.store_error();
            tracing::error!(event = "not_stored", %error, "not stored, so nothing is changed");
            return Err(error);
        }
        {
            let mut state = self.state();
            if let Some(entry) = state.entries.get_mut(key) {
                let took_room = entry.takes_room();
                // It may have come to another policy meanwhile.
                entry.record = Arc::new(after.under(&entry.policy));
                let takes_room = entry.takes_room();
                if matches!(event, Event::Promoted { .. }) {
                    entry.dues.tried = false;
                }
                state.count_in_flight(key, took_room, takes_room);
                self.member_changed(&mut state, key);
            }
        }
        self.metrics.event(policy, &before, &event, at);
        super::log::log(&before, &event);
        Ok(())
    }

    /// The record of a secret as it stands.
    pub(super) fn record_of(&self, key: &str) -> Option<Arc<Record>> {
        self.state().entries.get(key).map(|entry| entry.record.clone())
    }
}

/// A secret that left its policy meanwhile: what was to be recorded must not be done.
fn gone(key: &str) -> StoreError {
    StoreError::Failed {
        location: key.to_owned(),
        action: "recording an event",
        cause: "the secret is in no policy any more".to_owned(),
    }
}
