//! What a store holds, for whoever cannot ask a daemon.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::rotation::state::Record;
use crate::store::HistoryEntry;

/// What a store holds at a moment.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StoredView {
    /// The records that were asked for, by ARN.
    pub records: Vec<Record>,
    /// What the holders of these secrets show of them, as JSON, by ARN; only a store that replicas share has any.
    pub sights: BTreeMap<String, String>,
    /// The newest entries of their history, newest first.
    pub history: Vec<HistoryEntry>,
    /// When anything was last written of any secret.
    pub written_at: Option<Timestamp>,
}
