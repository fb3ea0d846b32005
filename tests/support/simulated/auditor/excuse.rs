//! Who did it, and what he could know.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd_sandbox::{Happening, Sandbox};

use super::{Auditor, Expectations};

/// The author of a change.
#[derive(Clone, Debug)]
pub struct Hand {
    /// The access key; nobody's if the service did it.
    pub key: String,
    /// Whether it is a replica's.
    pub replica: bool,
    /// When the change was applied.
    pub at: DateTime<Utc>,
    /// The date of what it rests on, by the author's clock.
    pub signed_at: DateTime<Utc>,
}

impl Hand {
    pub fn of(happening: &Happening, replicas: &BTreeMap<String, Vec<Expectations>>) -> Self {
        let key = happening.access_key.clone().unwrap_or_default();
        Self {
            replica: replicas.contains_key(&key),
            key,
            at: happening.at,
            signed_at: happening.signed_at.unwrap_or(happening.at),
        }
    }
}

impl Auditor {
    /// The earliest true time at which an author may have begun to look at what his change rests on.
    pub(super) fn looked_at(&self, hand: &Hand) -> DateTime<Utc> {
        hand.signed_at.min(hand.at) - self.spread_of(&hand.key)
    }

    /// Whether the author of a change could know of what happened at this moment: reads that he made before it,
    /// or that show the state before it, excuse him. Nothing else does.
    pub(super) fn could_know(&self, sandbox: &Sandbox, hand: &Hand, of: DateTime<Utc>) -> bool {
        let settings = sandbox.settings();
        let doubts = &settings.doubts;
        let stale = [
            doubts.stale_labels_ms,
            doubts.new_version_hidden_ms,
            settings.modifying_lag_ms,
            settings.stale_active_ms,
        ];
        let stale = stale.into_iter().max().unwrap_or_default();
        let stale = TimeDelta::milliseconds(i64::try_from(stale).unwrap_or(i64::MAX / 1_000));
        of + stale < self.looked_at(hand)
    }
}
