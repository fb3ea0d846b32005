//! Doing: the first call that is left, and another look, until none is left.

use std::time::Duration;

use async_trait::async_trait;

use crate::audit::AuditError;
use crate::audit::command::CommandTrail;
use crate::aws::provisioning::{Eyes, Hands};
use crate::aws::{AwsError, ErrorClass};
use crate::clock::SharedClock;
use crate::login::Login;
use crate::policy::{Place, Policy};
use crate::rotation::observation::UserStatus;
use crate::secret::SecretDocument;

use super::observe::observe;
use super::plan::{Action, plan};
use super::prove::{Shown, prove};
use super::refusal::Refusal;
use super::request::Request;
use super::sight::Sight;
use super::steps::words;

/// How often a call that AWS refuses is found to be the next one again, before that is believed: what was created just
/// now is shown a little later.
const REFUSALS: u32 = 3;

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A secret that is to be rotated for the first time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FirstRotation {
    /// Its name.
    pub secret: String,
    /// Its ARN.
    pub arn: String,
    /// The version under AWSCURRENT.
    pub current: String,
    /// Whether nothing but a request makes it due.
    pub on_request: bool,
}

/// Whoever rotates: the daemon, or this process in its place.
#[async_trait]
pub trait Rotator: Send + Sync {
    /// Returns when the rotation is over, or does not go on; in words then.
    async fn rotate(&self, first: &FirstRotation) -> Result<(), String>;
}

/// A user that was not onboarded, or not wholly.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something is not as it was asked for.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be announced, and was not done.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// AWS did not do it.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The first rotation did not come to its end.
    #[error("the first rotation: {0}")]
    Rotation(String),
    /// It took too long.
    #[error("not done in time: {0}; run this again, it goes on from there")]
    Late(String),
    /// What was done does not work.
    #[error("the current password does not log in everywhere: {0}")]
    NotEverywhere(String),
}

/// What it takes to onboard a user.
pub struct Onboarder<'a> {
    /// What looks.
    pub eyes: &'a Eyes,
    /// What changes.
    pub hands: &'a Hands,
    /// What logs in.
    pub login: &'a dyn Login,
    /// The clock.
    pub clock: SharedClock,
    /// Where.
    pub place: &'a Place,
    /// By which rules.
    pub policy: &'a Policy,
    /// Where each call that changes something is told of.
    pub audit: &'a CommandTrail,
    /// Who rotates.
    pub rotator: &'a dyn Rotator,
    /// Who is told what goes on.
    pub tell: &'a (dyn Fn(&str) + Send + Sync),
    /// How long all of it may take.
    pub patience: Duration,
}

/// What was done before this, and how it went.
#[derive(Default)]
struct Before {
    /// The actions that AWS took.
    done: Vec<Action>,
    /// The last one, and whether it was taken.
    last: Option<(Action, Option<AwsError>)>,
    /// How often it was refused.
    refusals: u32,
    /// How many looks found the same.
    looks: u32,
}

impl Before {
    fn pause(&mut self) -> Duration {
        let pause = Duration::from_millis(100) * 2_u32.pow(self.looks.min(6));
        self.looks += 1;
        pause.min(LONGEST_PAUSE)
    }
}

impl Onboarder<'_> {
    /// Does what is left of a request. `done` takes what was done, also when it fails.
    ///
    /// # Errors
    /// [`Failure`]; what was done by then stays, and the next run goes on from there.
    pub async fn onboard(&self, request: &Request, done: &mut Vec<Action>) -> Result<Shown, Failure> {
        let deadline = self.clock.monotonic().saturating_add(self.patience);
        let mut before = Before::default();
        let sight = self.act(request, &mut before, deadline).await;
        done.append(&mut before.done);
        self.show(request, sight?, !done.is_empty(), deadline).await
    }

    async fn act(&self, request: &Request, before: &mut Before, deadline: Duration) -> Result<Sight, Failure> {
        loop {
            let taken = self.clock.now();
            let sight = match observe(self.eyes, self.login, self.place, self.policy, request).await {
                Ok(sight) => sight,
                Err(error) if error.passes_by_itself() => {
                    self.wait(before, &error.to_string(), deadline).await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let actions = plan(request, self.policy, &sight)?;
            let Some(action) = actions.into_iter().next() else {
                return Ok(sight);
            };
            if let Some(reason) = not_yet(&action, &sight, before) {
                self.wait(before, &reason, deadline).await?;
                continue;
            }
            (self.tell)(&words(&action, request).to_string());
            match self.perform(&action, request, &sight, taken).await {
                Ok(()) => {
                    before.done.push(action.clone());
                    before.last = Some((action, None));
                    (before.looks, before.refusals) = (0, 0);
                }
                Err(Failure::Aws(error)) => self.refused(before, action, error, deadline).await?,
                Err(other) => return Err(other),
            }
        }
    }

    async fn refused(
        &self,
        before: &mut Before,
        action: Action,
        error: AwsError,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let again = matches!(&before.last, Some((last, Some(_))) if *last == action);
        let passes = error.passes_by_itself() || error.class == ErrorClass::Busy;
        before.refusals = match (again, passes) {
            (_, true) => 0,
            (true, false) => before.refusals + 1,
            (false, false) => 1,
        };
        let hopeless = matches!(error.class, ErrorClass::Denied | ErrorClass::Kms | ErrorClass::Quota);
        if hopeless || before.refusals >= REFUSALS {
            return Err(error.into());
        }
        let reason = error.to_string();
        before.last = Some((action, Some(error)));
        self.wait(before, &reason, deadline).await
    }

    /// Pauses before another look.
    async fn wait(&self, before: &mut Before, reason: &str, deadline: Duration) -> Result<(), Failure> {
        if self.clock.monotonic() >= deadline {
            return Err(Failure::Late(reason.to_owned()));
        }
        if before.looks == 4 {
            (self.tell)(&format!("waiting: {reason}"));
        }
        tokio::time::sleep(before.pause()).await;
        Ok(())
    }

    /// Logs in with what came of it.
    async fn show(&self, request: &Request, sight: Sight, changed: bool, deadline: Duration) -> Result<Shown, Failure> {
        let (mut before, mut sight) = (Before::default(), sight);
        let until = self
            .clock
            .monotonic()
            .saturating_add(self.policy.propagation_timeout)
            .min(deadline);
        loop {
            let shown = self.look_for_proof(&sight, changed).await;
            let reason = match shown {
                Ok(Shown::NotEverywhere(doubts)) if !changed => return Err(Failure::NotEverywhere(doubts)),
                Ok(Shown::NotEverywhere(doubts)) => doubts,
                Ok(shown) => return Ok(shown),
                Err(error) if error.passes_by_itself() => error.to_string(),
                Err(error) => return Err(error.into()),
            };
            // A node may learn of the access string a little later than the user is active.
            if self.wait(&mut before, &reason, until).await.is_err() {
                return Err(Failure::NotEverywhere(reason));
            }
            sight = observe(self.eyes, self.login, self.place, self.policy, request).await?;
        }
    }

    async fn look_for_proof(&self, sight: &Sight, changed: bool) -> Result<Shown, AwsError> {
        let user = sight.user.as_ref().map(|settings| &settings.user);
        let current = sight
            .secret
            .as_ref()
            .and_then(|secret| secret.current.as_ref()?.document().ok());
        let password = current.as_ref().and_then(SecretDocument::password);
        let (Some(user), Some(password)) = (user, password) else {
            return Ok(Shown::NotEverywhere("the secret holds no password yet".to_owned()));
        };
        if changed && user.status != UserStatus::Active {
            return Ok(Shown::NotEverywhere(format!("user {} is being modified", user.id)));
        }
        let nobodys = changed.then(|| self.made_up());
        prove(self.eyes, self.login, self.policy, user, password, nobodys.as_ref()).await
    }
}

/// Why an action has to wait.
fn not_yet(action: &Action, sight: &Sight, before: &Before) -> Option<String> {
    if let Some((last, None)) = &before.last
        && last == action
    {
        return Some("AWS took the last change and does not show it yet".to_owned());
    }
    if let Some(user) = sight.user.as_ref().map(|settings| &settings.user)
        && action.needs_active_user()
        && user.status != UserStatus::Active
    {
        return Some(format!("user {} is being modified", user.id));
    }
    if let Action::AddToGroup { group } = action
        && let Some(Some(settings)) = sight.groups.get(group)
        && settings.status != "active"
    {
        return Some(format!("user group {group} is {}", settings.status));
    }
    None
}
