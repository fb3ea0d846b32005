//! A call from its arrival to its reply: the waits that faults ask for, and the line in the log.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::core::log::millis;
use crate::core::operation::{Operation, Service};
use crate::core::{After, Arrival, Before, CallContext};
use crate::error::{ApiError, CallError};
use crate::sandbox::{Releases, Sandbox};

/// What a call comes to at first: mostly its end, with one turn of the lock.
enum First<O: Operation> {
    Done((Result<O::Output, ApiError>, After), Arrival, TimeDelta),
    Wait(u64, Arrival, O),
}

impl Sandbox {
    /// Calls an operation. Faults hit this door as they hit HTTP.
    ///
    /// # Errors
    /// An AWS error, a lost reply, or silence.
    pub async fn call<O: Operation>(&self, ctx: &CallContext, input: O) -> Result<O::Output, CallError> {
        let resource = input.resource().map(ToOwned::to_owned);
        let (result, took) = self.carry_out(ctx, input).await;
        log(
            ctx,
            (O::SERVICE.name(), O::NAME),
            resource.as_deref(),
            result.as_ref().err(),
            took,
        );
        result
    }

    /// Writes down a call that never became one: an operation that the service does not have, or an input that cannot
    /// be read.
    pub(crate) fn refused(&self, ctx: &CallContext, service: Service, operation: &str, error: ApiError) -> CallError {
        // Whoever calls chooses the name.
        let operation: String = operation.chars().take(64).collect();
        self.with(|state, now| state.note_refused(now, ctx, service, &operation, &error));
        let error = CallError::Api(error);
        log(ctx, (service.name(), &operation), None, Some(&error), TimeDelta::zero());
        error
    }

    /// The result, and how long it took by the sandbox's clock.
    async fn carry_out<O: Operation>(&self, ctx: &CallContext, input: O) -> (Result<O::Output, CallError>, TimeDelta) {
        let mut released = self.releases();
        let mut arrived = DateTime::<Utc>::MIN_UTC;
        let first = self.with(|state, now| {
            arrived = now;
            let latency = state.settings.latency_ms;
            let arrival = state.arrive(now, ctx, &input);
            if arrival.before == Before::Nothing && latency == 0 {
                let done = state.process(now, ctx, &arrival, input);
                let took = self.now() - now;
                state.took(&arrival, took);
                First::Done(done, arrival, took)
            } else {
                First::Wait(latency, arrival, input)
            }
        });
        match first {
            First::Done((result, After::Reply), _, took) => (result.map_err(CallError::Api), took),
            First::Done(done, arrival, _) => {
                let result = reply(done, &mut released).await;
                (result, self.ended(&arrival, arrived))
            }
            First::Wait(latency, arrival, input) => {
                let result = self.wait_for(ctx, latency, &arrival, input, &mut released).await;
                (result, self.ended(&arrival, arrived))
            }
        }
    }

    async fn wait_for<O: Operation>(
        &self,
        ctx: &CallContext,
        latency: u64,
        arrival: &Arrival,
        input: O,
        released: &mut Releases,
    ) -> Result<O::Output, CallError> {
        pause(latency).await;
        match &arrival.before {
            Before::Nothing => {}
            Before::Delay(ms) => pause(*ms).await,
            Before::Hold => released.wait().await,
            Before::Hang => return Err(CallError::Hang),
            Before::Refuse(error) => return Err(CallError::Api(error.clone())),
        }
        let done = self.with(|state, now| state.process(now, ctx, arrival, input));
        reply(done, released).await
    }

    /// Writes down how long the call took.
    fn ended(&self, arrival: &Arrival, arrived: DateTime<Utc>) -> TimeDelta {
        let mut state = self.lock();
        let took = self.now() - arrived;
        state.took(arrival, took);
        took
    }
}

/// What the caller gets once the call has been processed.
async fn reply<T>((result, after): (Result<T, ApiError>, After), released: &mut Releases) -> Result<T, CallError> {
    match after {
        After::Reply => {}
        After::Hold => released.wait().await,
        After::Lose => return Err(CallError::ReplyLost),
    }
    result.map_err(CallError::Api)
}

async fn pause(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

/// One line for each call, whichever door it came by: names, never a password or a value.
pub(crate) fn log(
    ctx: &CallContext,
    (service, operation): (&str, &str),
    resource: Option<&str>,
    error: Option<&CallError>,
    took: TimeDelta,
) {
    let (outcome, status) = match error {
        None => ("ok", Some(200)),
        Some(CallError::Api(error)) => (error.code.as_str(), Some(error.status)),
        Some(CallError::ReplyLost) => ("reply lost", None),
        Some(CallError::Hang) => ("hang", None),
    };
    tracing::info!(
        service,
        operation,
        resource,
        account = ctx.account,
        region = ctx.region,
        access_key = ctx.access_key,
        status,
        outcome,
        duration_ms = millis(took),
        request_id = ctx.request_id,
    );
}
