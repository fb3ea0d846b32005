//! A message that an operator sends to see whether messages arrive.

use std::sync::Arc;
use std::time::Duration;

use super::channel::connect;
use super::message::Message;
use super::target::Targets;
use crate::clock::SharedClock;
use crate::metrics::Metrics;
use crate::store::outbox::Outgoing;

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trial {
    /// The message's id.
    pub id: String,
    /// Whether the receiver took it.
    pub delivered: bool,
    /// What it answered, or why it did not, in words.
    pub answer: String,
    /// How long that took.
    pub took: Duration,
}

/// Sends one message to a target, past the outbox. `None` if there is no such target.
pub async fn try_target(targets: &Targets, name: &str, clock: SharedClock) -> Option<Trial> {
    let target = targets.0.get(name)?;
    let (at, start) = (clock.now(), clock.monotonic());
    let id = format!("msg_test_{}", at.timestamp_micros());
    let took = |clock: &SharedClock| clock.monotonic().saturating_sub(start);
    let failed = |id: String, answer: String, took| Trial {
        id,
        delivered: false,
        answer,
        took,
    };
    let message = match serde_json::to_string(&Message::test(name, at)) {
        Ok(message) => message,
        Err(error) => return Some(failed(id, error.to_string(), Duration::ZERO)),
    };
    let channel = match connect(target, &clock, &Arc::new(Metrics::new(&[]))).await {
        Ok(channel) => channel,
        Err(error) => return Some(failed(id, error, took(&clock))),
    };
    let outgoing = Outgoing {
        target: name.to_owned(),
        id: id.clone(),
        at,
        message,
    };
    let attempt = channel.deliver(&[outgoing]).await;
    Some(Trial {
        id,
        delivered: attempt.failure.is_none() && !attempt.delivered.is_empty(),
        answer: attempt.answer,
        took: took(&clock),
    })
}
