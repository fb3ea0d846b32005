//! Doing: the first step that is left, and another look, until none is left.

use std::time::Duration;

use crate::audit::command::CommandTrail;
use crate::audit::{AuditError, Change, Subject};
use crate::aws::provisioning::{Eyes, Hands};
use crate::aws::{AwsError, ErrorClass};
use crate::clock::{SharedClock, Timestamp};
use crate::login::Login;
use crate::policy::Policy;
use crate::rotation::observation::{AWSCURRENT, AWSPENDING};

use super::observe::observe;
use super::plan::{Action, Refusal, Sight, plan};

/// How often a step that AWS refuses is found to be the next one again, before that is believed.
const REFUSALS: u32 = 3;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// A secret that was not taken over, or not wholly.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It is not one to take over, or not now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be announced, and was not done.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// AWS did not do it.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// It took too long.
    #[error("not done in time: {0}; run this again, it goes on from there")]
    Late(String),
}

/// What it takes to take a secret over.
pub struct Taker<'a> {
    /// What looks.
    pub eyes: &'a Eyes,
    /// What changes.
    pub hands: &'a Hands,
    /// What logs in.
    pub login: &'a dyn Login,
    /// The clock.
    pub clock: SharedClock,
    /// Where each call that changes something is told of.
    pub audit: &'a CommandTrail,
    /// By which rules.
    pub policy: &'a Policy,
    /// Whether a function that may be running is not waited for.
    pub now: bool,
    /// How long it may take.
    pub patience: Duration,
}

/// Which step was tried last, and how often in a row.
#[derive(Default)]
struct Tried {
    last: Option<Action>,
    times: u32,
}

impl Tried {
    /// Notes a step; how often it was tried in a row by now.
    fn note(&mut self, action: &Action) -> u32 {
        if self.last.as_ref() != Some(action) {
            *self = Self {
                last: Some(action.clone()),
                times: 0,
            };
        }
        self.times += 1;
        self.times
    }
}

/// Whether nothing but a change of rights helps.
fn is_final(error: &AwsError) -> bool {
    matches!(error.class, ErrorClass::Denied | ErrorClass::Kms)
}

impl Taker<'_> {
    /// Does what is left. `done` takes what was done, also when it fails.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn take(&self, secret_arn: &str, done: &mut Vec<Action>) -> Result<Sight, Failure> {
        let deadline = self.clock.monotonic().saturating_add(self.patience);
        let mut tried = Tried::default();
        loop {
            let taken = self.clock.now();
            let problem = match observe(self.eyes, self.login, Some(self.policy), secret_arn, taken).await {
                Ok(sight) => {
                    let Some(action) = plan(&sight, self.now)?.into_iter().next() else {
                        return Ok(sight);
                    };
                    match self.step(action, &sight, taken, &mut tried, done).await? {
                        Some(problem) => problem,
                        None => continue,
                    }
                }
                Err(error) if error.passes_by_itself() => error.to_string(),
                Err(error) => return Err(error.into()),
            };
            if self.clock.monotonic() >= deadline {
                return Err(Failure::Late(problem));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Makes a step, if the last one is to be seen. Why it is to be looked again after a pause, if so.
    async fn step(
        &self,
        action: Action,
        sight: &Sight,
        taken: Timestamp,
        tried: &mut Tried,
        done: &mut Vec<Action>,
    ) -> Result<Option<String>, Failure> {
        if done.last() == Some(&action) {
            return Ok(Some("AWS took the last change and does not show it yet".to_owned()));
        }
        let performed = self.perform(&action, sight, taken).await?;
        let times = tried.note(&action);
        match performed {
            Ok(()) => {
                done.push(action);
                Ok(None)
            }
            Err(error) if is_final(&error) || !error.passes_by_itself() && times >= REFUSALS => Err(error.into()),
            Err(error) => Ok(Some(error.to_string())),
        }
    }

    /// Each names the version that a label is to leave, so that it fails where somebody moved it meanwhile.
    async fn perform(
        &self,
        action: &Action,
        sight: &Sight,
        taken: Timestamp,
    ) -> Result<Result<(), AwsError>, AuditError> {
        let (arn, secrets) = (&sight.secret.arn, &self.hands.secrets);
        let about = |version: Option<&String>, previous: Option<&String>, label| Subject {
            policy: Some(self.policy.name.clone()),
            place: Some(self.policy.place.clone()),
            secret: Some(arn.clone()),
            version: version.cloned(),
            previous: previous.cloned(),
            label,
            ..Subject::default()
        };
        match action {
            Action::CancelRotation => {
                let call = self.hands.provisioner.cancel_rotation(arn, taken);
                let about = about(None, None, None);
                self.audit.call(Change::CancelRotateSecret, about, call).await
            }
            Action::Promote { from, to } => {
                let call = secrets.move_current(arn, from, to, taken);
                let about = about(Some(to), Some(from), Some(AWSCURRENT));
                self.audit.call(Change::UpdateSecretVersionStage, about, call).await
            }
            Action::GiveUpPending { version, .. } => {
                let call = secrets.remove_pending(arn, version, taken);
                let about = about(Some(version), None, Some(AWSPENDING));
                self.audit.call(Change::UpdateSecretVersionStage, about, call).await
            }
        }
    }
}
