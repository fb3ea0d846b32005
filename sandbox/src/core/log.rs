//! The record of calls. It holds names and outcomes, never a password or a value.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, Serializer};

use super::operation::Service;
use super::{Arrival, CallContext, State};
use crate::error::ApiError;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// Its number, from 1.
    pub seq: u64,
    /// When it arrived.
    pub time: DateTime<Utc>,
    /// The service.
    pub service: Service,
    /// The operation.
    pub operation: String,
    /// What it was about, if it was about one thing.
    pub resource: Option<String>,
    /// The access key id that signed it; [`STRANGER`](crate::STRANGER) for a stranger's.
    pub access_key: String,
    /// The account that it was for.
    pub account: String,
    /// The region that it was for.
    pub region: String,
    /// The signature's date.
    pub signed_at: Option<DateTime<Utc>>,
    /// `ok`, an error code, `hang` for a call that was swallowed, or `pending` while it is held.
    pub outcome: String,
    /// The fault that hit it; `quota` if it was one too many.
    pub fault: Option<&'static str>,
    /// Whether it changed anything.
    pub mutated: bool,
    /// From its arrival to its reply, waits included, by the sandbox's clock; nothing while it is held. In JSON
    /// `duration_ms`, with three decimals.
    #[serde(rename = "duration_ms", serialize_with = "millis_option")]
    pub duration: Option<TimeDelta>,
    /// What `x-amzn-RequestId` of the reply says; nothing for a call that did not come over HTTP.
    pub request_id: Option<String>,
}

/// Milliseconds with three decimals. The clock may have been set back meanwhile: then none.
pub(crate) fn millis(took: TimeDelta) -> f64 {
    #[allow(clippy::cast_precision_loss)] // microseconds of centuries fit into 53 bits
    let micros = took.num_microseconds().unwrap_or(i64::MAX).max(0) as f64;
    micros / 1000.0
}

fn millis_option<S: Serializer>(took: &Option<TimeDelta>, to: S) -> Result<S::Ok, S::Error> {
    match took {
        Some(took) => to.serialize_f64(millis(*took)),
        None => to.serialize_none(),
    }
}

/// A call that has arrived and is not over.
pub(crate) fn entry(
    now: DateTime<Utc>,
    ctx: &CallContext,
    (service, operation): (Service, &str),
    resource: Option<&str>,
) -> LogEntry {
    LogEntry {
        seq: 0,
        time: now,
        service,
        operation: operation.to_owned(),
        resource: resource.map(ToOwned::to_owned),
        access_key: ctx.access_key.clone(),
        account: ctx.account.clone(),
        region: ctx.region.clone(),
        signed_at: ctx.signed_at,
        outcome: "pending".to_owned(),
        fault: None,
        mutated: false,
        duration: None,
        request_id: ctx.request_id.clone(),
    }
}

/// The log and the counts.
#[derive(Debug, Default)]
pub(crate) struct CallLog {
    next: u64,
    entries: VecDeque<LogEntry>,
    counts: BTreeMap<(Service, String), u64>,
}

impl CallLog {
    /// Adds a call and gives its number.
    pub(crate) fn open(&mut self, entry: LogEntry, limit: usize) -> u64 {
        *self.counts.entry((entry.service, entry.operation.clone())).or_default() += 1;
        self.open_uncounted(entry, limit)
    }

    /// The same for a call that is nobody's business but the log's.
    pub(crate) fn open_uncounted(&mut self, mut entry: LogEntry, limit: usize) -> u64 {
        self.next += 1;
        entry.seq = self.next;
        while self.entries.len() >= limit.max(1) {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.next
    }

    /// Writes down how the call ended. A call that has left the log already is passed over.
    pub(crate) fn close(&mut self, seq: u64, outcome: &str, mutated: bool) {
        if let Some(entry) = self.entry(seq) {
            outcome.clone_into(&mut entry.outcome);
            entry.mutated = mutated;
        }
    }

    pub(crate) fn set_duration(&mut self, seq: u64, took: TimeDelta) {
        if let Some(entry) = self.entry(seq) {
            entry.duration = Some(took);
        }
    }

    pub(crate) fn set_fault(&mut self, seq: u64, fault: &'static str) {
        if let Some(entry) = self.entry(seq) {
            entry.fault = Some(fault);
        }
    }

    fn entry(&mut self, seq: u64) -> Option<&mut LogEntry> {
        let first = self.entries.front()?.seq;
        let index = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.entries.get_mut(index)
    }

    pub(crate) fn entries(&self) -> Vec<LogEntry> {
        self.entries.iter().cloned().collect()
    }

    /// Counts by `service.Operation`.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.counts
            .iter()
            .map(|((service, operation), n)| (format!("{}.{operation}", service.name()), *n))
            .collect()
    }
}

impl State {
    /// Writes down how long a call took.
    pub(crate) fn took(&mut self, arrival: &Arrival, took: TimeDelta) {
        if arrival.epoch == self.epoch {
            self.log.set_duration(arrival.seq, took);
        }
    }

    /// Writes down a call that no operation took.
    pub(crate) fn note_refused(
        &mut self,
        now: DateTime<Utc>,
        ctx: &CallContext,
        service: Service,
        operation: &str,
        error: &ApiError,
    ) {
        let entry = entry(now, ctx, (service, operation), None);
        let seq = self.log.open_uncounted(entry, self.settings.log_limit);
        self.log.close(seq, &error.code, false);
        self.log.set_duration(seq, TimeDelta::zero());
    }
}
