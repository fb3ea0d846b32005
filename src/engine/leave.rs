//! Leave to decide, read and write under a policy: only while it is in force.
//!
//! A drive asks before each look and each step, and the look for a policy's secrets before each
//! request. So whoever replaces a policy need only wait for what has been given leave by then.

use std::sync::Arc;

use async_trait::async_trait;

use crate::aws::{AwsError, AwsResult, ListedSecret, SecretsReader};
use crate::policy::{Policy, Selection};
use crate::rotation::observation::{SecretState, VersionValue};

use super::{Engine, State};

/// Leave to read or write for one secret, or to look for those of a policy; given back when dropped.
pub(super) struct Leave<'a> {
    engine: &'a Engine,
    /// The secret's key or the policy's name, and the place: a policy that moves to another one may be
    /// looking for secrets in both for a moment.
    key: (String, String),
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.engine.state().at_work.remove(&self.key);
        self.engine.work_ended.notify_waiters();
    }
}

impl Engine {
    /// Whether this policy may still decide about this secret, and this process.
    pub(super) fn governs(&self, state: &State, key: &str, policy: &Arc<Policy>) -> bool {
        let entry = state.entries.get(key);
        let has_it = entry.is_some_and(|entry| !entry.is_leaving() && entry.mine && entry.policy == policy.name);
        has_it && self.running().has(policy) && self.ownership.owns(key)
    }

    /// The leave to read or write for this secret, unless another policy is in force for it.
    pub(super) fn leave(&self, key: &str, policy: &Arc<Policy>) -> Option<Leave<'_>> {
        let mut state = self.state();
        if !self.governs(&state, key, policy) {
            return None;
        }
        Some(self.give_leave(&mut state, key, policy))
    }

    /// The leave to look for the secrets of this policy, unless it is not in force.
    pub(super) fn leave_to_discover(&self, policy: &Arc<Policy>) -> Option<Leave<'_>> {
        let mut state = self.state();
        let in_force = self.running().has(policy);
        // No ARN is the name of a policy.
        in_force.then(|| self.give_leave(&mut state, &policy.name, policy))
    }

    fn give_leave(&self, state: &mut State, key: &str, policy: &Arc<Policy>) -> Leave<'_> {
        let key = (key.to_owned(), policy.place.clone());
        state.at_work.insert(key.clone(), policy.clone());
        Leave { engine: self, key }
    }

    /// Ends when nothing is read or written any more by a policy that is not in force.
    pub(super) async fn old_work_ended(&self) {
        loop {
            let mut ended = std::pin::pin!(self.work_ended.notified());
            ended.as_mut().enable();
            if self.unfinished().is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// The names of what is read or written by a policy that is not in force any more.
    pub(super) fn unfinished(&self) -> Vec<String> {
        let state = self.state();
        let running = self.running();
        let old = state.at_work.iter().filter(|(_, policy)| !running.has(policy));
        let name = |key: &String| state.entries.get(key).map_or(key, |entry| &entry.secret.name).clone();
        old.map(|((key, _), _)| name(key)).collect()
    }
}

/// A reader that begins no request once its policy is not in force any more.
pub(super) struct WhileInForce<'a> {
    pub(super) engine: &'a Engine,
    pub(super) policy: &'a Arc<Policy>,
    pub(super) reader: &'a dyn SecretsReader,
}

impl WhileInForce<'_> {
    fn in_force(&self, operation: &'static str) -> AwsResult<()> {
        match self.engine.running().has(self.policy) {
            true => Ok(()),
            false => Err(AwsError::internal(
                operation,
                "not asked: the configuration was replaced",
            )),
        }
    }
}

#[async_trait]
impl SecretsReader for WhileInForce<'_> {
    async fn secret(&self, secret: &str) -> AwsResult<SecretState> {
        self.in_force("DescribeSecret")?;
        self.reader.secret(secret).await
    }

    async fn value(&self, secret_arn: &str, version_id: &str) -> AwsResult<VersionValue> {
        self.in_force("GetSecretValue")?;
        self.reader.value(secret_arn, version_id).await
    }

    async fn select(&self, selection: &Selection) -> AwsResult<Vec<ListedSecret>> {
        self.in_force("ListSecrets")?;
        self.reader.select(selection).await
    }
}
