//! Every event goes through here: into the record and the store, with what is to be told of it, then into log and metrics.

use std::sync::Arc;

use crate::notify::{self, Told};
use crate::rotation::event::Event;
use crate::rotation::state::Record;
use crate::store::StoreError;

use super::Engine;

impl Engine {
    /// Applies an event to a secret's record and stores both. When this fails, nothing has
    /// changed, and whatever the event announces must not be done.
    pub(super) async fn record(&self, key: &str, event: Event) -> Result<(), StoreError> {
        let at = self.clock.now();
        let Some((journal, policy, name)) = self
            .state()
            .entries
            .get(key)
            .map(|entry| (entry.journal.clone(), entry.policy.clone(), entry.secret.name.clone()))
        else {
            return Err(gone(key));
        };
        let _held = journal.lock().await;
        let before = self.state().entries.get(key).map(|entry| {
            let user = entry.user.as_ref().map(|(id, _)| id.clone());
            (entry.record.clone(), user)
        });
        let Some((before, user)) = before else {
            return Err(gone(key));
        };
        let after = match Record::clone(&before).apply(at, &event) {
            Ok(after) => after,
            Err(illegal) => {
                tracing::error!(secret = name, error = %illegal, "please report this");
                return Err(StoreError::Failed {
                    location: name,
                    action: "recording an event",
                    cause: illegal.to_string(),
                });
            }
        };
        let told = Told {
            policy: &policy,
            secret: &name,
            user_id: user.as_deref(),
            before: &before,
            event: &event,
            after: &after,
            at,
        };
        let outgoing = notify::outgoing(&self.running().notify, &told);
        let events = [(at, event.clone())];
        if let Err(error) = self.store.save_and_tell(&after, &events, &outgoing).await {
            self.metrics.store_error();
            tracing::error!(secret = name, %error, "not stored, so nothing is changed");
            return Err(error);
        }
        if !outgoing.is_empty() {
            self.outgoing_saved.send_replace(());
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
        self.metrics.event(&policy, &before, &event, at);
        super::log::log(&name, &policy, &event);
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
