//! The repair of drift: the user is given the current password again.

use crate::audit::Change;
use crate::rotation::event::Event;
use crate::rotation::step::Step;

use super::Engine;
use super::audited::Call;
use super::steps::{Stage, StepError, Stepped, password};

impl Engine {
    /// Sets the current password, and the previous one where that logs in.
    pub(super) async fn repair(
        &self,
        stage: &Stage<'_>,
        user_id: &str,
        version: String,
        previous: Option<String>,
    ) -> Result<Stepped, StepError> {
        // It takes other passwords from the user, so the labels must be what they were when it refused
        // the current one.
        self.labels_unchanged(stage).await?;
        let mut passwords = vec![password(&stage.observation, &version)?];
        if let Some(previous) = &previous {
            passwords.push(password(&stage.observation, previous)?);
        }
        let intent = Event::RepairStarted {
            version: version.clone(),
            previous: previous.clone(),
        };
        self.still_fresh(stage)?;
        self.record(stage.key, intent).await?;
        let call = Call {
            version: &version,
            previous: previous.as_deref(),
            ..Call::new(Change::ModifyUser, Step::Repair)
        };
        self.set_passwords(stage, call, user_id, &passwords).await?;
        self.record(stage.key, Event::PasswordsRestored { version }).await?;
        Ok(Stepped::TakesTime)
    }
}
