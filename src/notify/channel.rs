//! How a target is reached, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::event_bridge::Bus;
use super::post::Poster;
use super::slack::Slack;
use super::target::{Target, Way};
use super::webhook::Webhook;
use crate::aws::connect_event_bus;
use crate::clock::SharedClock;
use crate::metrics::Metrics;
use crate::store::outbox::Outgoing;

/// A way to a receiver.
#[async_trait]
pub(super) trait Channel: Send + Sync {
    /// How many of what waits it wants to choose from.
    fn batch(&self) -> usize {
        100
    }

    /// What of these, oldest first, goes out in one attempt: the first, and whatever may go with it.
    fn group(&self, waiting: &[Outgoing]) -> Vec<Outgoing> {
        waiting.first().cloned().into_iter().collect()
    }

    /// Sends these.
    async fn deliver(&self, group: &[Outgoing]) -> Attempt;

    /// How long it is silent between two attempts.
    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}

/// What came of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Attempt {
    /// The ids of the messages that the receiver took.
    pub(super) delivered: Vec<String>,
    /// What it answered, in words.
    pub(super) answer: String,
    /// Why it did not take the others.
    pub(super) failure: Option<Failure>,
}

impl Attempt {
    /// The receiver took all of them.
    pub(super) fn done(group: &[Outgoing], answer: String) -> Self {
        Self {
            delivered: group.iter().map(|outgoing| outgoing.id.clone()).collect(),
            answer,
            failure: None,
        }
    }

    /// It took none.
    pub(super) fn failed(failure: Failure) -> Self {
        Self {
            delivered: Vec::new(),
            answer: failure.words.clone(),
            failure: Some(failure),
        }
    }
}

/// Why a receiver did not take a message.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Failure {
    /// In words, without its URL.
    pub(super) words: String,
    /// How long it asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// Whether it will not have this very message, so that others may fare better.
    pub(super) of_message: bool,
}

/// The way to a target. Asks nobody for anything yet.
///
/// # Errors
/// Why there is none.
pub(super) async fn connect(
    target: &Target,
    clock: &SharedClock,
    metrics: &Arc<Metrics>,
) -> Result<Arc<dyn Channel>, String> {
    let timeout = target.settings.timeout;
    Ok(match &target.way {
        Way::Webhook { url, keys, roots } => {
            let poster = Poster::new(url.clone(), roots.as_deref(), timeout)?;
            Arc::new(Webhook::new(poster, keys.clone(), clock.clone()))
        }
        Way::Slack { url, roots } => Arc::new(Slack::new(Poster::new(url.clone(), roots.as_deref(), timeout)?)),
        Way::EventBridge { place, bus } => {
            let port = connect_event_bus(place, clock.clone(), metrics.clone()).await;
            Arc::new(Bus::new(port, bus.clone(), timeout))
        }
    })
}
