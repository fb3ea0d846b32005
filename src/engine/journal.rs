//! Every event goes through here: into the record and the store, with what is to be told of it, then into log and metrics.

use std::sync::Arc;

use tracing::Instrument;

use crate::clock::Timestamp;
use crate::notify::{self, Told};
use crate::rotation::event::Event;
use crate::rotation::state::Record;
use crate::rotation::transition::IllegalEvent;
use crate::store::StoreError;

use super::Engine;

/// How often an event is applied to a record that others write at the same moment.
const COLLISIONS: u32 = 8;

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
        let mut collision = None;
        for _ in 0..COLLISIONS {
            let before = self.state().entries.get(key).map(|entry| {
                let user = entry.user.as_ref().map(|(id, _)| id.clone());
                (entry.record.clone(), user)
            });
            let Some((before, user)) = before else {
                return Err(gone(key));
            };
            let mut after = match (applied(&before, at, &event), collision.take()) {
                (Ok(after), _) => after,
                // What was written meanwhile has made it pointless.
                (Err(_), Some(collision)) => return Err(collision),
                (Err(illegal), None) => return Err(defect(&illegal, name)),
            };
            let told = Told {
                policy,
                secret: name,
                user_id: user.as_deref(),
                before: &before,
                event: &event,
                after: &after,
                at,
            };
            match self.save(&told).await {
                Ok(revision) => {
                    after.revision = revision;
                    self.take_over(key, after, &event);
                    self.metrics.event(policy, &before, &event, at);
                    super::log::log(&before, &event);
                    return Ok(());
                }
                Err(StoreError::Changed { location, stored, held }) => {
                    self.catch_up(key, Record::clone(&stored));
                    let changed = StoreError::Changed { location, stored, held };
                    if !held && !event.is_asked_for() {
                        return Err(changed);
                    }
                    collision = Some(changed);
                }
                Err(error) => return Err(error),
            }
        }
        Err(collision.unwrap_or_else(|| gone(key)))
    }

    /// Stores a record, its event, and what is to be told of it.
    async fn save(&self, told: &Told<'_>) -> Result<u64, StoreError> {
        let outgoing = notify::outgoing(&self.running().notify, told);
        let events = [(told.at, told.event.clone())];
        let saved = self.store.save_and_tell(told.after, &events, &outgoing).await;
        match &saved {
            Ok(_) if outgoing.is_empty() => {}
            Ok(_) => self.outgoing_saved.send_replace(()),
            Err(StoreError::Changed { .. }) => tracing::debug!(
                event = "record_changed",
                "another replica has written this record meanwhile: read again"
            ),
            Err(error) => {
                self.metrics.store_error();
                tracing::error!(event = "not_stored", %error, "not stored, so nothing is changed");
            }
        }
        saved
    }

    /// Goes by a record that was stored from now on.
    fn take_over(&self, key: &str, record: Record, event: &Event) {
        let mut state = self.state();
        if let Some(entry) = state.entries.get_mut(key) {
            let took_room = entry.takes_room();
            // It may have come to another policy meanwhile.
            entry.record = Arc::new(record.under(&entry.policy));
            let takes_room = entry.takes_room();
            if matches!(event, Event::Promoted { .. }) {
                entry.dues.tried = false;
            }
            state.count_in_flight(key, took_room, takes_room);
            self.member_changed(&mut state, key);
        }
    }

    /// The record of a secret as it stands.
    pub(super) fn record_of(&self, key: &str) -> Option<Arc<Record>> {
        self.state().entries.get(key).map(|entry| entry.record.clone())
    }
}

/// The record after an event.
fn applied(before: &Record, at: Timestamp, event: &Event) -> Result<Record, IllegalEvent> {
    before.clone().apply(at, event)
}

fn defect(illegal: &IllegalEvent, secret: &str) -> StoreError {
    tracing::error!(
        event = "illegal_event",
        error = %illegal,
        "a defect: this cannot have happened, and is not stored; please report this"
    );
    StoreError::Failed {
        location: secret.to_owned(),
        action: "recording an event",
        cause: illegal.to_string(),
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
