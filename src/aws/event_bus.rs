//! EventBridge through the SDK: events put on a bus.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::Builder;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use super::body_limit::BodyLimit;
use super::call::{Calls, Operation};
use super::error::plain;
use super::reply::incomplete;
use super::{AwsResult, connect, system_time};
use crate::clock::{SharedClock, Timestamp};
use crate::metrics::Metrics;
use crate::policy::Place;

const PUT: Operation = Operation {
    service: "events",
    name: "PutEvents",
};

/// How many events one call puts at most (`PutEventsRequestEntryList` of the service model).
pub const MOST_EVENTS: usize = 10;

/// An event for a bus.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BusEvent {
    /// Who tells it.
    pub source: &'static str,
    /// What it is, in words.
    pub detail_type: &'static str,
    /// The ARN of what it is about.
    pub resource: Option<String>,
    /// When it came about.
    pub at: Timestamp,
    /// A JSON object.
    pub detail: String,
}

/// Puts events on buses.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// PutEvents: for each event, in order, whether the bus took it, or AWS's words why not.
    ///
    /// # Errors
    /// None of them was taken, as far as is known.
    async fn put(&self, bus: &str, events: &[BusEvent]) -> AwsResult<Vec<Result<(), String>>>;
}

/// Connects to EventBridge with the credentials of a place. Asks AWS for nothing yet.
pub async fn connect_event_bus(place: &Place, clock: SharedClock, metrics: Arc<Metrics>) -> Arc<dyn EventBus> {
    let (config, calls) = connect::configure(&super::http_client(), place, clock, metrics).await;
    Arc::new(EventBridge::new(&config, place.event_bridge_endpoint.as_deref(), calls))
}

struct EventBridge {
    client: Client,
    calls: Calls,
}

impl EventBridge {
    fn new(config: &SdkConfig, endpoint: Option<&str>, calls: Calls) -> Self {
        let mut builder = Builder::from(config)
            .interceptor(BodyLimit)
            .retry_config(RetryConfig::disabled());
        if let Some(url) = endpoint {
            builder = builder.endpoint_url(url);
        }
        let client = Client::from_conf(builder.build());
        calls.announce([PUT]);
        Self { client, calls }
    }
}

#[async_trait]
impl EventBus for EventBridge {
    async fn put(&self, bus: &str, events: &[BusEvent]) -> AwsResult<Vec<Result<(), String>>> {
        let entries = events.iter().map(|event| {
            PutEventsRequestEntry::builder()
                .event_bus_name(bus)
                .source(event.source)
                .detail_type(event.detail_type)
                .set_resources(event.resource.clone().map(|arn| vec![arn]))
                .time(system_time(event.at).into())
                .detail(&event.detail)
                .build()
        });
        let call = self.client.put_events().set_entries(Some(entries.collect())).send();
        let reply = self.calls.run(PUT, bus, call).await?;
        let results = reply.entries();
        if results.len() != events.len() {
            return Err(incomplete(PUT, bus, "the answer does not tell of each event"));
        }
        let result = |code: Option<&str>, message: Option<&str>| match code {
            None => Ok(()),
            Some(code) => Err(plain(&format!("{code}: {}", message.unwrap_or_default()))),
        };
        let each = results
            .iter()
            .map(|entry| result(entry.error_code(), entry.error_message()));
        Ok(each.collect())
    }
}

#[cfg(test)]
#[path = "event_bus_tests.rs"]
mod tests;
