//! A generic webhook: each message in a signed request of its own, in order.

use async_trait::async_trait;

use super::channel::{Attempt, Channel};
use super::post::Poster;
use super::signing::Keys;
use crate::clock::SharedClock;
use crate::store::outbox::Outgoing;

/// A webhook.
pub(super) struct Webhook {
    poster: Poster,
    keys: Keys,
    clock: SharedClock,
}

impl Webhook {
    pub(super) fn new(poster: Poster, keys: Keys, clock: SharedClock) -> Self {
        Self { poster, keys, clock }
    }
}

#[async_trait]
impl Channel for Webhook {
    async fn deliver(&self, group: &[Outgoing]) -> Attempt {
        let Some(outgoing) = group.first() else {
            return Attempt::done(group, String::new());
        };
        // The attempt's time, not the event's: receivers refuse what was signed long ago.
        let seconds = self.clock.now().timestamp();
        let headers = [
            ("webhook-id", outgoing.id.clone()),
            ("webhook-timestamp", seconds.to_string()),
            (
                "webhook-signature",
                self.keys.signatures(&outgoing.id, seconds, &outgoing.message),
            ),
        ];
        self.poster.post(&headers, outgoing.message.clone(), group).await
    }
}
