//! The steps that give a user other passwords: setting the new one, and taking the previous one.

use crate::audit::Change;
use crate::aws::ErrorClass;
use crate::planted::{PlantedBug, planted};
use crate::rotation::event::Event;
use crate::rotation::step::Step;
use crate::secret::Password;

use super::Engine;
use super::audited::Call;
use super::steps::{Stage, StepError, Stepped, answered, password, withhold};

impl Engine {
    pub(super) async fn set_secret(
        &self,
        stage: &Stage<'_>,
        user_id: &str,
        version: String,
        current: Option<&str>,
    ) -> Result<Stepped, StepError> {
        let mut passwords = vec![password(&stage.observation, &version)?];
        if let Some(current) = current.filter(|_| !planted(PlantedBug::DropCurrentPassword)) {
            passwords.push(password(&stage.observation, current)?);
        }
        let call = Call {
            version: &version,
            previous: current,
            ..Call::new(Change::ModifyUser, Step::SetSecret)
        };
        match self.set_passwords(stage, call, user_id, &passwords).await {
            Ok(()) => {
                self.record(stage.key, Event::PasswordSet { version }).await?;
                Ok(Stepped::TakesTime)
            }
            Err(StepError::Aws(error)) if error.code.starts_with("InvalidParameterValue") => {
                // AWS will never take this password: another one is needed.
                let cause = error.to_string();
                self.record(stage.key, Event::AbandonStarted { version, cause }).await?;
                Err(StepError::Aws(error))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn retire(
        &self,
        stage: &Stage<'_>,
        user_id: &str,
        version: String,
        previous: String,
    ) -> Result<Stepped, StepError> {
        let keep = [password(&stage.observation, &version)?];
        let begun = self.record_of(stage.key).is_some_and(|record| {
            let begun = record.retirement.as_ref();
            begun.is_some_and(|retirement| retirement.version == version && retirement.previous == previous)
        });
        if !begun {
            let intent = Event::RetirementStarted {
                version: version.clone(),
                previous: previous.clone(),
            };
            self.record(stage.key, intent).await?;
        }
        let call = Call {
            version: &version,
            previous: Some(&previous),
            ..Call::new(Change::ModifyUser, Step::Retire)
        };
        self.set_passwords(stage, call, user_id, &keep).await?;
        self.record(stage.key, Event::PreviousRemoved { previous }).await?;
        Ok(Stepped::TakesTime)
    }

    /// Sends a user's passwords. A request that AWS throttles was not carried out; it is sent again in
    /// its turn, as long as what it rests on is fresh.
    pub(super) async fn set_passwords(
        &self,
        stage: &Stage<'_>,
        call: Call<'_>,
        user_id: &str,
        passwords: &[Password],
    ) -> Result<(), StepError> {
        let writer = &stage.ports.users_writer;
        let signed_at = stage.observation.taken.wall;
        loop {
            self.in_time(stage, writer.ready()).await?;
            self.record(stage.key, Event::WriteStarted).await?;
            self.still_fresh(stage)?;
            let write = writer.set_passwords(user_id, passwords, signed_at);
            let written = self.audited(stage, call, write).await;
            let written = answered(self.unless_unaudited(stage.key, written).await?);
            self.note_refusal(stage.key, &written).await?;
            match written {
                Ok(()) => {
                    self.change_made(stage.key, stage.policy, user_id, writer.rate());
                    return Ok(());
                }
                Err(error) if error.class == ErrorClass::Throttled => {}
                Err(error) => return Err(StepError::Aws(withhold(error, passwords))),
            }
        }
    }
}
