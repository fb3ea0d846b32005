//! Every call that changes something is announced in the audit log before it is sent, and told of after it.

use std::future::Future;

use crate::audit::{Actor, Change, Outcome, Subject};
use crate::aws::AwsResult;
use crate::rotation::event::Event;
use crate::rotation::observation::UserSight;
use crate::rotation::step::Step;

use super::Engine;
use super::steps::{Stage, StepError};

/// A call, as the audit log tells of it.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) change: Change,
    pub(super) step: Step,
    pub(super) version: &'a str,
    pub(super) previous: Option<&'a str>,
    pub(super) label: Option<&'static str>,
}

impl Call<'_> {
    /// A call of a step.
    pub(super) fn new(change: Change, step: Step) -> Self {
        Self {
            change,
            step,
            version: "",
            previous: None,
            label: None,
        }
    }

    fn about(&self, stage: &Stage<'_>) -> Subject {
        let user = match (&stage.observation.user, self.change) {
            (UserSight::Seen(user), Change::ModifyUser) => Some(user.arn.clone()),
            _ => None,
        };
        Subject {
            step: Some(self.step),
            policy: Some(stage.policy.name.clone()),
            place: Some(stage.policy.place.clone()),
            secret: Some(stage.observation.secret.arn.clone()),
            user,
            version: Some(self.version.to_owned()),
            previous: self.previous.map(str::to_owned),
            label: self.label,
            request: None,
        }
    }
}

impl Engine {
    /// Announces a call, sends it if what it rests on is fresh still, and tells what came of it.
    pub(super) async fn audited(
        &self,
        stage: &Stage<'_>,
        call: Call<'_>,
        write: impl Future<Output = AwsResult<()>>,
    ) -> Result<AwsResult<()>, StepError> {
        let begun = self.audit.begin(Actor::Rekeyd, call.change, call.about(stage)).await?;
        if let Err(stale) = self.still_fresh(stage) {
            let why = "not sent: what it rests on grew too old meanwhile";
            self.audit
                .end(&begun, Outcome::Failed, None, Some(why.to_owned()))
                .await;
            return Err(stale);
        }
        Ok(self.audit.call(&begun, write).await)
    }

    /// Remembers of a write that was written down and not announced that it will not arrive late: it was not sent.
    pub(super) async fn unless_unaudited<T>(&self, key: &str, sent: Result<T, StepError>) -> Result<T, StepError> {
        if matches!(sent, Err(StepError::Audit(_))) {
            self.record(key, Event::WriteRefused).await?;
        }
        sent
    }
}
