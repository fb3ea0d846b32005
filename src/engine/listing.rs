//! Every secret's status, one after the other: whoever passes them on need not hold them all.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::rotation::status::SecretStatus;

use super::Engine;
use super::entry::Entry;

/// What status shows a line of, in the order of its lines.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    policy: Arc<str>,
    name: Box<str>,
    /// Nothing for one that could not be looked up.
    arn: Option<Arc<str>>,
}

/// The lines that there were when it was asked for, each as it stands when its turn comes. One that is gone by
/// then is left out.
pub(super) struct Listing {
    engine: Arc<Engine>,
    lines: std::vec::IntoIter<Line>,
}

impl Iterator for Listing {
    type Item = SecretStatus;

    fn next(&mut self) -> Option<SecretStatus> {
        self.lines.find_map(|line| self.engine.status_of(&line))
    }
}

impl Engine {
    /// Every secret, in the order of policies and names; those that could not be looked up too.
    pub(super) fn listing(self: Arc<Self>) -> Listing {
        let lines = self.lines().into_iter();
        Listing { engine: self, lines }
    }

    /// The same, all at once.
    pub(super) fn report(&self) -> Vec<SecretStatus> {
        self.lines().iter().filter_map(|line| self.status_of(line)).collect()
    }

    fn lines(&self) -> Vec<Line> {
        let state = self.state();
        let mut names: BTreeMap<String, Arc<str>> = BTreeMap::new();
        let mut shared = |policy: &str| match names.get(policy) {
            Some(name) => name.clone(),
            None => names.entry(policy.to_owned()).or_insert_with(|| policy.into()).clone(),
        };
        let mut lines = Vec::with_capacity(state.entries.len());
        for (arn, entry) in state.entries.iter().filter(|(_, entry)| !entry.is_leaving()) {
            let others = entry.other_policies();
            for policy in others.iter().chain([&entry.policy]) {
                lines.push(Line {
                    policy: shared(policy),
                    name: entry.secret.name.as_str().into(),
                    arn: Some(arn.clone()),
                });
            }
        }
        let unresolved = state.unresolved.keys();
        lines.extend(
            unresolved
                .filter(|(policy, name)| !state.knows(policy, name))
                .map(|(policy, name)| Line {
                    policy: shared(policy),
                    name: name.as_str().into(),
                    arn: None,
                }),
        );
        drop(state);
        lines.sort_unstable();
        lines
    }

    fn status_of(&self, line: &Line) -> Option<SecretStatus> {
        let state = self.state();
        let Some(arn) = &line.arn else {
            let key = (line.policy.to_string(), line.name.to_string());
            let (policy, name) = &key;
            let error = state.unresolved.get(&key).filter(|_| !state.knows(policy, name))?;
            return Some(self.unresolved_status(policy, name, error));
        };
        let entry: &Entry = state.entries.get(arn).filter(|entry| !entry.is_leaving())?;
        let statuses = self.entry_statuses(&state, entry);
        statuses.into_iter().find(|status| *status.policy == *line.policy)
    }
}
