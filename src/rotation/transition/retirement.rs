//! What becomes of a record when the previous password is removed and proved dead.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::rotation::event::Event;
use crate::rotation::state::{Record, Retired, Retirement};

impl Record {
    pub(super) fn apply_retirement(mut self, at: Timestamp, event: &Event) -> Option<Self> {
        match event {
            Event::RetirementStarted { version, previous } => {
                self.retirement = Some(Box::new(Retirement {
                    version: version.clone(),
                    previous: previous.clone(),
                    started_at: at,
                    removed_at: None,
                    settled_since: None,
                    refused_by: BTreeSet::new(),
                }));
            }
            Event::PreviousRemoved { previous } => {
                let retirement = self
                    .retirement
                    .as_mut()
                    .filter(|retirement| retirement.previous == *previous)?;
                retirement.removed_at = Some(at);
                // A node that refused it before may have learnt it anew meanwhile.
                retirement.refused_by.clear();
                self.open_write = None;
                retirement.settled_since = None;
                self.settled_at = Some(at);
            }
            Event::NodesRefusePrevious { nodes } => {
                self.retirement.as_mut()?.refused_by.extend(nodes.iter().cloned());
            }
            Event::Retired {
                version,
                previous,
                proof,
                nodes,
            } => {
                self.retirement = None;
                let before = self.retired.take().filter(|retired| retired.version == *version);
                let mut all = before.map(|retired| retired.all).unwrap_or_default();
                all.insert(previous.clone());
                let retired = Retired {
                    version: version.clone(),
                    all,
                    previous: previous.clone(),
                    at,
                    proof: *proof,
                    nodes: *nodes,
                };
                self.note_death(&retired);
                self.retired = Some(Box::new(retired));
                self.settled_at = Some(at);
            }
            _ => return None,
        }
        self.waiting = None;
        Some(self)
    }
}
