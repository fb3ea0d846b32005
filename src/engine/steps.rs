//! Steps: the seven ways in which rekeyd changes the world. Each stores its intent first, makes one
//! call dated with its observation, and stores the outcome.

use std::time::Duration;

use secrecy::ExposeSecret;

use crate::audit::{AuditError, Change};
use crate::aws::{AwsError, AwsResult, ErrorClass, PlacePorts};
use crate::clock::between;
use crate::planted::{PlantedBug, planted};
use crate::policy::{Overlap, Policy};
use crate::rotation::event::Event;
use crate::rotation::observation::{AWSCURRENT, AWSPENDING, Observation, Proof};
use crate::rotation::plan::Action;
use crate::rotation::step::Step;
use crate::secret::{Password, SecretDocument};
use crate::store::StoreError;

use super::Engine;
use super::audited::Call;

/// What a step came to.
pub(super) enum Stepped {
    /// The observation with the step's effect added still serves.
    GoOn(Box<Observation>),
    /// Done; look at the world anew.
    LookAgain,
    /// Done; the change takes time to arrive.
    TakesTime,
}

/// Why a step did not come about.
pub(super) enum StepError {
    /// AWS refused or did not answer.
    Aws(AwsError),
    /// The intent or the outcome could not be stored.
    Store(StoreError),
    /// The change could not be announced in the audit log.
    Audit(AuditError),
    /// The observation was too old to write on.
    Stale,
    /// More change users than AWS takes changes: others go first.
    NoTurn,
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<AuditError> for StepError {
    fn from(error: AuditError) -> Self {
        Self::Audit(error)
    }
}

impl From<AwsError> for StepError {
    fn from(error: AwsError) -> Self {
        Self::Aws(error)
    }
}

/// A step's surroundings.
pub(super) struct Stage<'a> {
    pub(super) key: &'a str,
    pub(super) ports: &'a PlacePorts,
    pub(super) policy: &'a Policy,
    pub(super) observation: Observation,
}

impl Engine {
    /// Makes one change.
    pub(super) async fn act(&self, stage: Stage<'_>, action: Action) -> Result<Stepped, StepError> {
        match action {
            Action::CreateSecret {
                version,
                parent,
                generation,
            } => self.create_secret(stage, version, parent, generation).await,
            Action::SetSecret {
                user_id,
                version,
                current,
            } => self.set_secret(&stage, &user_id, version, current.as_deref()).await,
            Action::FinishSecret {
                version,
                parent,
                proof,
                nodes,
            } => self.finish_secret(stage, version, parent, (proof, nodes)).await,
            Action::Retire {
                user_id,
                version,
                previous,
                unproven,
            } => {
                if unproven {
                    self.labels_unchanged(&stage).await?;
                }
                self.retire(&stage, &user_id, version, previous).await
            }
            Action::Repair {
                user_id,
                version,
                previous,
            } => self.repair(&stage, &user_id, version, previous).await,
            Action::RollBack {
                version,
                previous,
                proof,
                nodes,
            } => self.roll_back(&stage, version, previous, (proof, nodes)).await,
            Action::Abandon { version } => {
                self.in_time(&stage, stage.ports.secrets_writer.ready()).await?;
                let (secret, signed_at) = (&stage.observation.secret, stage.observation.taken.wall);
                let call = Call {
                    version: &version,
                    label: Some(AWSPENDING),
                    ..Call::new(Change::UpdateSecretVersionStage, Step::Abandon)
                };
                let writer = &stage.ports.secrets_writer;
                self.audited(&stage, call, writer.remove_pending(&secret.arn, &version, signed_at))
                    .await??;
                self.record(stage.key, Event::Abandoned { version }).await?;
                Ok(Stepped::LookAgain)
            }
        }
    }

    /// A write rests on what was seen; when that is too old, the world may have moved on.
    pub(super) fn still_fresh(&self, stage: &Stage<'_>) -> Result<(), StepError> {
        // One that stood still may have lost the secret to another replica meanwhile.
        if self.age_of(&stage.observation) > stage.policy.write_deadline || !self.ownership.owns(stage.key) {
            return Err(StepError::Stale);
        }
        Ok(())
    }

    /// How old an observation is.
    pub(super) fn age_of(&self, observation: &Observation) -> Duration {
        let by_monotonic = self.clock.monotonic().saturating_sub(observation.taken.monotonic);
        // A suspended machine's monotonic clock stands still, its wall clock does not.
        by_monotonic.max(between(observation.taken.wall, self.clock.now()))
    }

    /// Waits until a change may be made, no longer than what it rests on is fresh.
    pub(super) async fn in_time(&self, stage: &Stage<'_>, ready: impl Future<Output = ()>) -> Result<(), StepError> {
        let age = self.clock.monotonic().saturating_sub(stage.observation.taken.monotonic);
        let left = stage.policy.write_deadline.saturating_sub(age);
        let is_ready = tokio::time::timeout(left, ready).await.is_ok();
        match is_ready {
            true => self.still_fresh(stage),
            false if self.is_one_too_many(stage.key, stage.policy, stage.ports.users_writer.at_once()) => {
                Err(StepError::NoTurn)
            }
            false => Err(StepError::Stale),
        }
    }

    /// Makes a change of the secret in its turn, and again if AWS throttles it: it was not carried out, and
    /// what it rests on is fresh still.
    async fn write_in_turn<F: Future<Output = AwsResult<()>>>(
        &self,
        stage: &Stage<'_>,
        call: Call<'_>,
        write: impl Fn() -> F,
    ) -> Result<AwsResult<()>, StepError> {
        loop {
            self.in_time(stage, stage.ports.secrets_writer.ready()).await?;
            let written = answered(self.audited(stage, call, write()).await?);
            if !matches!(&written, Err(error) if error.class == ErrorClass::Throttled) {
                return Ok(written);
            }
        }
    }

    /// Where only the number of passwords speaks, it must have been read while the labels were
    /// what they are: another replica may have begun a rotation between the two reads.
    pub(super) async fn labels_unchanged(&self, stage: &Stage<'_>) -> Result<(), StepError> {
        let seen = &stage.observation.secret;
        let now = stage.ports.secrets.secret(&seen.arn).await?;
        if now.versions == seen.versions {
            Ok(())
        } else {
            Err(StepError::Stale)
        }
    }

    async fn finish_secret(
        &self,
        stage: Stage<'_>,
        version: String,
        parent: String,
        (proof, nodes): (Proof, usize),
    ) -> Result<Stepped, StepError> {
        let intent = Event::FinishStarted {
            version: version.clone(),
            proof,
            nodes,
        };
        self.record(stage.key, intent).await?;
        self.still_fresh(&stage)?;
        let from = match planted(PlantedBug::ForgetCompareAndSwap) {
            true => carrier_of_current(&stage, &parent).await?,
            false => parent.clone(),
        };
        self.move_current(&stage, Step::FinishSecret, &from, &version).await?;
        if stage.policy.overlap == Overlap::For(Duration::ZERO) {
            // Its retirement follows, and takes its place among those that may be under way.
            self.state().beginning.insert(stage.key.to_owned());
        }
        let outcome = Event::Promoted {
            version: version.clone(),
            previous: parent.clone(),
            proof: Some(proof),
            nodes,
        };
        self.record(stage.key, outcome).await?;
        if matches!(proof, Proof::Unproven(_)) {
            // What follows would rest on the number of passwords, which was read before this.
            return Ok(Stepped::LookAgain);
        }
        let now = self.clock.now();
        Ok(Stepped::GoOn(Box::new(
            stage.observation.with_current(&version, &parent, now),
        )))
    }

    /// Moves AWSCURRENT, if `from` carries it still.
    pub(super) async fn move_current(
        &self,
        stage: &Stage<'_>,
        step: Step,
        from: &str,
        to: &str,
    ) -> Result<(), StepError> {
        let (secret, signed_at) = (&stage.observation.secret, stage.observation.taken.wall);
        let writer = &stage.ports.secrets_writer;
        let call = Call {
            version: to,
            previous: Some(from),
            label: Some(AWSCURRENT),
            ..Call::new(Change::UpdateSecretVersionStage, step)
        };
        let moved = self
            .write_in_turn(stage, call, || writer.move_current(&secret.arn, from, to, signed_at))
            .await;
        let moved = self.unless_unaudited(stage.key, moved).await?;
        self.note_refusal(stage.key, &moved).await?;
        Ok(moved?)
    }

    /// Remembers that a write was refused: it will not arrive late.
    pub(super) async fn note_refusal(&self, key: &str, written: &Result<(), AwsError>) -> Result<(), StepError> {
        if written
            .as_ref()
            .is_err_and(|error| error.class != ErrorClass::Unavailable)
        {
            self.record(key, Event::WriteRefused).await?;
        }
        Ok(())
    }

    async fn create_secret(
        &self,
        stage: Stage<'_>,
        version: String,
        parent: String,
        generation: u32,
    ) -> Result<Stepped, StepError> {
        let document = document(&stage.observation, &parent)?;
        let new = self.new_password(stage.policy);
        let text = document.with_password(&new);
        let pending = SecretDocument::parse(text.expose_secret()).map_err(|error| {
            AwsError::internal("PutSecretValue", &format!("the new document cannot be read: {error}"))
        })?;
        let record = self.record_of(stage.key);
        let rotation = record.as_ref().and_then(|record| record.rotation.as_ref());
        let tried = rotation.is_some_and(|rotation| rotation.version == version);
        let cause = record
            .as_ref()
            .and_then(|record| self.cause_of(stage.policy, &stage.observation, record, &parent));
        let intent = Event::RotationStarted {
            version: version.clone(),
            parent: parent.clone(),
            generation,
            cause,
        };
        self.record(stage.key, intent).await?;
        self.still_fresh(&stage)?;
        let (secret, signed_at) = (&stage.observation.secret, stage.observation.taken.wall);
        let writer = &stage.ports.secrets_writer;
        let call = Call {
            version: &version,
            previous: Some(&parent),
            label: Some(AWSPENDING),
            ..Call::new(Change::PutSecretValue, Step::CreateSecret)
        };
        let put = self
            .write_in_turn(&stage, call, || {
                writer.put_pending(&secret.arn, &version, &text, signed_at)
            })
            .await?;
        if put.as_ref().is_err_and(|error| error.class == ErrorClass::Conflict) && !tried {
            // Another replica made it, nobody here knows when: perhaps before it was asked for.
            let found = Event::RotationFound {
                version: version.clone(),
                parent,
                generation,
            };
            self.record(stage.key, found).await?;
        }
        put.map_err(|error| withhold(error, std::slice::from_ref(&new)))?;
        self.record(
            stage.key,
            Event::PasswordCreated {
                version: version.clone(),
            },
        )
        .await?;
        Ok(Stepped::GoOn(Box::new(
            stage.observation.with_pending(&version, pending),
        )))
    }
}

/// What a write came to. One without an answer failed: nobody knows whether it was made.
pub(super) fn answered(written: AwsResult<()>) -> AwsResult<()> {
    match written {
        Err(error) if error.class == ErrorClass::Unavailable && planted(PlantedBug::IgnoreLostReply) => Ok(()),
        written => written,
    }
}

/// The version that carries AWSCURRENT now, whatever was observed.
async fn carrier_of_current(stage: &Stage<'_>, observed: &str) -> AwsResult<String> {
    let secret = stage.ports.secrets.secret(&stage.observation.secret.arn).await?;
    Ok(secret.holder(AWSCURRENT).unwrap_or(observed).to_owned())
}

fn document<'a>(observation: &'a Observation, version: &str) -> Result<&'a SecretDocument, StepError> {
    let value = observation.values.get(version).and_then(|value| value.as_ref().ok());
    value.ok_or_else(|| AwsError::internal("GetSecretValue", "a version was not read before it was needed").into())
}

pub(super) fn password(observation: &Observation, version: &str) -> Result<Password, StepError> {
    let password = document(observation, version)?.password().cloned();
    password.ok_or_else(|| AwsError::internal("GetSecretValue", "a version has no password").into())
}

/// An error whose text quotes none of these passwords. AWS is not known to quote them, and must
/// not begin to in our log.
pub(super) fn withhold(mut error: AwsError, passwords: &[Password]) -> AwsError {
    for password in passwords {
        error.message = error.message.replace(password.expose(), "(password withheld)");
    }
    error
}
