//! What waits to be told: an outbox for each target, written together with what it tells of.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A message that is to reach a target at least once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outgoing {
    /// The target's name.
    pub target: String,
    /// What tells it from every other message to that target.
    pub id: String,
    /// When it came about.
    #[serde(rename = "time")]
    pub at: Timestamp,
    /// What it says, as JSON. No store reads it.
    pub message: String,
}

/// What waits for a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backlog {
    /// How many messages.
    pub waiting: u64,
    /// When the oldest came about.
    pub since: Timestamp,
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
