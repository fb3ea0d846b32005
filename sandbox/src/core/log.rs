//! The record of calls. It holds names and outcomes, never a password or a value.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::operation::Service;

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
