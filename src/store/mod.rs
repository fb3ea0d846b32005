//! The store: records that survive a restart, and the history of what happened.
//!
//! No password is ever handed to a store. Losing one costs history, pauses and timings only.

pub mod dynamodb;
pub mod exported;
pub mod memory;
pub mod outbox;
pub mod ownership;
pub mod shared;
pub mod sqlite;
pub mod table;
mod unreadable;
pub mod view;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::rotation::event::Event;
use crate::rotation::state::Record;
use crate::store::outbox::{Backlog, Outgoing};

/// A store that could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds it.
    #[error("{location}: another rekeyd process holds this store; stop it, or give this one a store of its own")]
    Held {
        /// The store.
        location: String,
    },
    /// It was written by a newer release.
    #[error(
        "{location}: written by a newer release of rekeyd (schema {found}, this one knows {known}); upgrade, or start with \
         a new store"
    )]
    Newer {
        /// The store.
        location: String,
        /// Its schema.
        found: i64,
        /// The newest schema that this release knows.
        known: i64,
    },
    /// Its folder is missing, or cannot hold it.
    #[error("{location}: looking at its folder failed: {cause}")]
    Folder {
        /// The store.
        location: String,
        /// Why, and what to do.
        cause: String,
    },
    /// Another replica wrote a record since it was read, so nothing was written.
    #[error("{location}: another replica has written the record of {} meanwhile", stored.secret_arn)]
    Changed {
        /// The store.
        location: String,
        /// The record as it is stored.
        stored: Box<Record>,
        /// Whether this process still holds the secret's lease: then only operators can have written.
        held: bool,
    },
    /// A read or write failed.
    #[error("{location}: {action} failed: {cause}")]
    Failed {
        /// The store.
        location: String,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        cause: String,
    },
}

impl StoreError {
    /// Whether no later attempt can succeed before somebody changes the configuration, the file system or the release.
    pub fn takes_a_person(&self) -> bool {
        matches!(self, Self::Newer { .. } | Self::Folder { .. })
    }
}

/// A line of a secret's history.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When. Called `time` in JSON, because a request, which is flattened beside it, has an `at`.
    #[serde(rename = "time")]
    pub at: Timestamp,
    /// The secret.
    pub secret_arn: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// How many entries of its history a secret keeps: years of rotations, and enough retries to see
/// what an outage did.
pub const HISTORY_PER_SECRET: usize = 500;

/// Where records and history are kept.
#[async_trait]
pub trait Store: Send + Sync {
    /// Every record. A record that cannot be read is left out, logged, and rebuilt from AWS.
    async fn records(&self) -> Result<Vec<Record>, StoreError>;

    /// Writes a record, the events that led to it and what is to be told of them, durably and together. A message that a
    /// target's outbox has already, by its id, is not added again. Returns the record's revision from now on.
    ///
    /// # Errors
    /// [`StoreError::Changed`] where the store is shared and holds another revision than the record's.
    async fn save_and_tell(
        &self,
        record: &Record,
        events: &[(Timestamp, Event)],
        outgoing: &[Outgoing],
    ) -> Result<u64, StoreError>;

    /// The same with nothing to tell.
    async fn save(&self, record: &Record, events: &[(Timestamp, Event)]) -> Result<u64, StoreError> {
        self.save_and_tell(record, events, &[]).await
    }

    /// The newest entries of one secret's history, or of all, newest first.
    async fn history(&self, secret_arn: Option<&str>, limit: usize) -> Result<Vec<HistoryEntry>, StoreError>;

    /// What waits for a target, oldest first as it was saved, and no more than `limit`.
    async fn outgoing(&self, target: &str, limit: usize) -> Result<Vec<Outgoing>, StoreError>;

    /// Removes these from a target's outbox: they arrived, or nobody will try any more. One that is not there is no error.
    async fn told(&self, target: &str, ids: &[String]) -> Result<(), StoreError>;

    /// Removes from a target's outbox what came about before `since`, and then the oldest beyond `most`. Returns how many
    /// that was.
    async fn trim_outbox(&self, target: &str, most: usize, since: Timestamp) -> Result<u64, StoreError>;

    /// The targets for which something waits, and how much.
    async fn backlogs(&self) -> Result<BTreeMap<String, Backlog>, StoreError>;

    /// Whether the store answers a small read and write.
    async fn check(&self) -> Result<(), StoreError>;

    /// Whether several replicas share it, so that another may have written to AWS a moment ago.
    fn shared(&self) -> bool;
}
