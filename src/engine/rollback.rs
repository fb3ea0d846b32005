//! A rollback: how it is asked for, and the one call that makes it.

use std::time::Duration;

use crate::audit::requester::requester;
use crate::clock::after;
use crate::rotation::event::Event;
use crate::rotation::observation::Proof;
use crate::rotation::rollback::RollbackRequest;
use crate::rotation::step::Step;

use super::Engine;
use super::control::{Accepted, ControlError, RollbackOptions, Selector};
use super::steps::{Stage, StepError, Stepped};

impl Engine {
    /// Stores a rollback that an operator asks for, with the time until which it may begin.
    pub(super) async fn request_rollback(
        &self,
        secret: &str,
        options: RollbackOptions,
    ) -> Result<Accepted, ControlError> {
        let selector = Selector {
            secrets: vec![secret.to_owned()],
            ..Selector::default()
        };
        let mut chosen = self.select(&selector)?;
        let (Some((key, mut accepted)), true) = (chosen.pop(), chosen.is_empty()) else {
            return Err(ControlError::Ambiguous(secret.to_owned()));
        };
        let Some(version) = accepted.current_version.clone() else {
            return Err(ControlError::NotLookedAt(accepted.secret));
        };
        let at = self.clock.now();
        let longest = self.rollback_time(&key);
        let span = options.timeout_seconds.map(Duration::from_secs);
        let request = RollbackRequest {
            at,
            until: after(at, span.map_or(longest, |span| span.min(longest))),
            version,
            now: options.now,
            by: requester(),
        };
        self.record(&key, Event::RollbackRequested(request)).await?;
        self.wake_secret(&key);
        accepted.requested_at = Some(at);
        Ok(accepted)
    }

    /// How long a rollback may take to begin: as long as any change may take.
    fn rollback_time(&self, key: &str) -> Duration {
        let policy = self.state().entries.get(key).map(|entry| entry.policy.clone());
        let policy = policy.as_ref().and_then(|policy| self.policy(policy));
        policy.map_or(Duration::ZERO, |policy| policy.propagation_timeout)
    }

    /// Moves AWSCURRENT back. It names the version that it moves from, so whoever moved it meanwhile wins.
    pub(super) async fn roll_back(
        &self,
        stage: &Stage<'_>,
        version: String,
        previous: String,
        (proof, nodes): (Proof, usize),
    ) -> Result<Stepped, StepError> {
        if matches!(proof, Proof::Unproven(_)) {
            self.labels_unchanged(stage).await?;
        }
        let intent = Event::RollbackStarted {
            version: version.clone(),
            previous: previous.clone(),
            proof,
            nodes,
        };
        self.record(stage.key, intent).await?;
        self.still_fresh(stage)?;
        self.move_current(stage, Step::Rollback, &version, &previous).await?;
        self.record(stage.key, Event::RolledBack { version, previous }).await?;
        Ok(Stepped::LookAgain)
    }
}
