//! What woke a rotation.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

use super::plan::Dues;
use super::state::Record;

/// What woke a rotation, as far as the daemon that began it knew.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cause {
    /// In a word.
    pub kind: CauseKind,
    /// Since when it was due, or when it was asked for.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Who asked for it.
    #[serde(default)]
    pub by: Option<String>,
    /// Whether an earlier try at replacing the same version was given up.
    #[serde(default)]
    pub retry: bool,
}

/// What woke a rotation, in a word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// Its date came.
    Schedule,
    /// An operator asked for it.
    Request,
    /// The secret had no password yet.
    FirstPassword,
    /// It was due, and had missed a window.
    MissedWindow,
    /// It was due already when rekeyd first saw the secret.
    Discovery,
    /// It had fallen due while no rekeyd ran.
    Restart,
}

impl CauseKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Schedule,
        Self::Request,
        Self::FirstPassword,
        Self::MissedWindow,
        Self::Discovery,
        Self::Restart,
    ];

    /// Its name in history.
    pub fn label(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Request => "request",
            Self::FirstPassword => "first_password",
            Self::MissedWindow => "missed_window",
            Self::Discovery => "discovery",
            Self::Restart => "restart",
        }
    }
}

impl Cause {
    /// What wakes a rotation away from `current` that begins now, in a process that was started at `started`.
    pub fn of(dues: &Dues, current: &str, record: &Record, started: Timestamp) -> Self {
        let request = record.standing_request(current, dues.created);
        let missed = record.missed_over(current).is_some_and(|missed| missed.count > 0);
        let due_before = |moment: Timestamp| dues.begins_at.is_some_and(|begins_at| begins_at < moment);
        let kind = match request {
            Some(_) => CauseKind::Request,
            None if dues.first_password => CauseKind::FirstPassword,
            None if missed => CauseKind::MissedWindow,
            None if due_before(record.first_seen) => CauseKind::Discovery,
            None if due_before(started) => CauseKind::Restart,
            None => CauseKind::Schedule,
        };
        Self {
            kind,
            since: request.map(|request| request.at).or(dues.due_at),
            by: request.and_then(|request| request.by.clone()),
            retry: dues.tried,
        }
    }
}
