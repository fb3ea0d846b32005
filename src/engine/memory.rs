//! What a drive need not read again: the versions of a secret, and values that it has read.
//!
//! A version's value never changes. It is kept while a rotation is under way or about to begin, used
//! only while its version carries a label, and dropped when the rotation ends, or after an hour: AWS
//! keeps a version without labels for longer than that, so none can be made anew under its id meanwhile.

use std::time::Duration;

use crate::aws::KnownVersions;
use crate::clock::Timestamp;
use crate::rotation::observation::{Observation, Version};
use crate::rotation::state::Record;
use crate::secret::SecretDocument;

use super::{Engine, State};

/// How long something is remembered.
const SPAN: Duration = Duration::from_secs(3_600);

/// Of how many secrets something is remembered at the same time.
const MOST: usize = 2_000;

/// What is remembered of one secret. In lists as long as they need be: a map takes room for eleven, which with 1,000
/// secrets under way is 3 MB.
pub(super) struct Memory {
    since: Duration,
    versions: Vec<KnownVersion>,
    /// When the secret had last changed, if its versions are known as well as from a listing.
    last_changed: Option<Timestamp>,
    values: Vec<(Box<str>, SecretDocument)>,
}

struct KnownVersion {
    id: Box<str>,
    created: Option<Timestamp>,
    stages: Vec<Box<str>>,
}

impl KnownVersion {
    fn of((id, version): (&String, &Version)) -> Self {
        Self {
            id: id.as_str().into(),
            created: version.created,
            stages: version.stages.iter().map(|stage| stage.as_str().into()).collect(),
        }
    }

    fn unpacked(&self) -> (String, Version) {
        let version = Version {
            created: self.created,
            stages: self.stages.iter().map(|stage| stage.to_string()).collect(),
        };
        (self.id.to_string(), version)
    }
}

impl Memory {
    /// What is known of the versions. Labels may have moved while the last rotation that is recorded was
    /// ours: whatever needs a listing then asks for one.
    fn known(&self, record: &Record) -> KnownVersions {
        KnownVersions {
            versions: self.versions.iter().map(KnownVersion::unpacked).collect(),
            last_changed: self.last_changed,
            labels_may_move: record.rotation.is_some() || record.retirement.is_some() || record.promotion.is_some(),
        }
    }
}

impl Engine {
    /// What is remembered of a secret's versions.
    pub(super) fn known_versions(&self, key: &str) -> Option<KnownVersions> {
        let now = self.clock.monotonic();
        let state = self.state();
        let entry = state.entries.get(key)?;
        let memory = entry.memory.as_ref()?;
        (now.saturating_sub(memory.since) < SPAN).then(|| memory.known(&entry.record))
    }

    /// Adds the values that are remembered of versions that still carry a label.
    pub(super) fn recall(&self, key: &str, observation: &mut Observation) {
        let now = self.clock.monotonic();
        let state = self.state();
        let memory = state.entries.get(key).and_then(|entry| entry.memory.as_ref());
        let Some(memory) = memory.filter(|memory| now.saturating_sub(memory.since) < SPAN) else {
            return;
        };
        for (id, document) in &memory.values {
            let version = observation.secret.versions.get(&**id);
            if version.is_some_and(|version| !version.stages.is_empty()) {
                observation.values.insert(id.to_string(), Ok(document.clone()));
            }
        }
    }

    /// Keeps what this observation has read.
    pub(super) fn remember(&self, key: &str, observation: &Observation) {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let room = state.remembered.len() < MOST;
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        let fresh = || Memory {
            since: now,
            versions: Vec::new(),
            last_changed: None,
            values: Vec::new(),
        };
        let memory = entry
            .memory
            .take()
            .filter(|memory| now.saturating_sub(memory.since) < SPAN);
        let new = memory.is_none();
        if new && !room {
            return;
        }
        let mut memory = memory.unwrap_or_else(|| Box::new(fresh()));
        memory.versions = observation.secret.versions.iter().map(KnownVersion::of).collect();
        memory.last_changed = observation.secret.last_changed.filter(|_| observation.listed);
        let labelled = |id: &str| {
            let version = observation.secret.versions.get(id);
            version.is_some_and(|version| !version.stages.is_empty())
        };
        memory.values.retain(|(id, _)| labelled(id));
        for (id, value) in observation.values.iter().filter(|(id, _)| labelled(id)) {
            if let Ok(document) = value
                && !memory.values.iter().any(|(known, _)| **known == **id)
            {
                memory.values.reserve_exact(1);
                memory.values.push((id.as_str().into(), document.clone()));
            }
        }
        let since = memory.since;
        entry.memory = Some(memory);
        if new {
            state.remembered.insert(key.to_owned(), since);
        }
    }

    /// Forgets a secret.
    pub(super) fn forget_what_was_read(&self, key: &str) {
        let mut state = self.state();
        state.remembered.remove(key);
        if let Some(entry) = state.entries.get_mut(key) {
            entry.memory = None;
        }
    }
}

impl State {
    /// Drops what has been remembered for long enough.
    pub(super) fn forget_old(&mut self, now: Duration) {
        let entries = &mut self.entries;
        self.remembered.retain(|key, since| {
            let young = now.saturating_sub(*since) < SPAN;
            if !young && let Some(entry) = entries.get_mut(key) {
                entry.memory = None;
            }
            young
        });
    }
}
