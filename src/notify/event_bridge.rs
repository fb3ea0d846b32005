//! EventBridge: up to ten messages in a call, each an event of its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use super::channel::{Attempt, Channel, Failure};
use super::message::{Data, Message};
use crate::aws::{BusEvent, ErrorClass, EventBus, MOST_EVENTS};
use crate::store::outbox::Outgoing;

/// Who tells it, as rules match it.
const SOURCE: &str = "rekeyd";

/// A bus.
pub(super) struct Bus {
    port: Arc<dyn EventBus>,
    name: String,
    timeout: Duration,
}

impl Bus {
    pub(super) fn new(port: Arc<dyn EventBus>, name: String, timeout: Duration) -> Self {
        Self { port, name, timeout }
    }

    async fn put(&self, group: &[Outgoing], events: &[BusEvent]) -> Attempt {
        match tokio::time::timeout(self.timeout, self.port.put(&self.name, events)).await {
            Ok(Ok(results)) => of_each(group, results),
            Ok(Err(error)) => Attempt::failed(Failure {
                words: error.to_string(),
                retry_after: error.retry_after,
                // What AWS says of the events, and not what keeps a request from being made.
                of_message: error.class == ErrorClass::Invalid && error.code.ends_with("Exception"),
            }),
            Err(_) => Attempt::failed(Failure {
                words: format!("no answer within {} s", self.timeout.as_secs()),
                ..Failure::default()
            }),
        }
    }
}

/// What came of each of them.
fn of_each(group: &[Outgoing], results: Vec<Result<(), String>>) -> Attempt {
    let mut attempt = Attempt {
        delivered: Vec::new(),
        answer: String::new(),
        failure: None,
    };
    for (outgoing, result) in group.iter().zip(results) {
        match result {
            Ok(()) => attempt.delivered.push(outgoing.id.clone()),
            Err(words) => {
                attempt.failure.get_or_insert(Failure {
                    words,
                    ..Failure::default()
                });
            }
        }
    }
    let refused = attempt.failure.as_ref().map(|failure| failure.words.clone());
    attempt.answer = refused.unwrap_or_else(|| "the bus took it".to_owned());
    attempt
}

#[async_trait]
impl Channel for Bus {
    fn group(&self, waiting: &[Outgoing]) -> Vec<Outgoing> {
        waiting.iter().take(MOST_EVENTS).cloned().collect()
    }

    async fn deliver(&self, group: &[Outgoing]) -> Attempt {
        let readable: Vec<(Outgoing, BusEvent)> = group
            .iter()
            .filter_map(|outgoing| Some((outgoing.clone(), event(outgoing)?)))
            .collect();
        if readable.is_empty() {
            return Attempt::failed(Failure {
                words: "this release cannot read what is stored of it".to_owned(),
                of_message: true,
                ..Failure::default()
            });
        }
        let (outgoing, events): (Vec<Outgoing>, Vec<BusEvent>) = readable.into_iter().unzip();
        self.put(&outgoing, &events).await
    }
}

/// What stands under `detail`: flat, so that rules match single fields.
#[derive(Serialize)]
struct Detail<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    message_type: &'a str,
    #[serde(flatten)]
    data: &'a Data,
}

fn event(outgoing: &Outgoing) -> Option<BusEvent> {
    let message: Message = serde_json::from_str(&outgoing.message).ok()?;
    let detail = Detail {
        id: &outgoing.id,
        message_type: &message.message_type,
        data: &message.data,
    };
    Some(BusEvent {
        source: SOURCE,
        detail_type: message.title(),
        resource: message.data.secret_arn.clone(),
        at: message.timestamp,
        detail: serde_json::to_string(&detail).ok()?,
    })
}

#[cfg(test)]
#[path = "event_bridge_tests.rs"]
mod tests;
