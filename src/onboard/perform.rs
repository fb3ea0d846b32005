//! Doing one action: each call that changes something is announced in the audit log before it is sent, and told of after it.
//!
//! The calls of the first rotation are told of by whoever rotates.

use rand::TryRngCore;
use serde_json::{Value, json};

use crate::audit::{Change, Subject};
use crate::aws::AwsResult;
use crate::aws::provisioning::{NewSecret, NewUser};
use crate::clock::Timestamp;
use crate::rotation::observation::{AWSCURRENT, AWSPENDING};
use crate::secret::{Password, SecretDocument};

use super::bond::{completed_text, completed_version, first_version};
use super::execute::{Failure, FirstRotation, Onboarder};
use super::plan::{Action, FirstPassword};
use super::refusal::Refusal;
use super::request::Request;
use super::sight::Sight;

impl Onboarder<'_> {
    pub(super) async fn perform(
        &self,
        action: &Action,
        request: &Request,
        sight: &Sight,
        taken: Timestamp,
    ) -> Result<(), Failure> {
        let (hands, id) = (&self.hands.provisioner, request.user_id.as_str());
        let secret = || self.about_secret(request, sight);
        let user = |sets: Value| self.about_user(request, sight, sets);
        match action {
            Action::CreateUser { .. } => {
                let new = new_user(action, request, sight);
                let about = user(json!({"access_string": new.access_string, "tags": new.tags}));
                let call = hands.create_user(&new, taken);
                self.audited(Change::CreateUser, about, call).await
            }
            Action::CreateSecret { user_name, password } => {
                let new = self.new_secret(request, sight, user_name, *password)?;
                let about = Subject {
                    version: Some(new.version_id.clone()),
                    request: Some(json!({"tags": new.tags, "kms_key_id": new.kms_key_id})),
                    ..secret()
                };
                let call = hands.create_secret(&new, taken);
                self.audited(Change::CreateSecret, about, call).await
            }
            Action::CompleteDocument { user_name, .. } => self.complete(request, sight, user_name, taken).await,
            Action::TagSecret { tags } => {
                let about = Subject {
                    request: Some(json!({"tags": tags})),
                    ..secret()
                };
                let call = hands.tag_secret(&request.secret, tags, taken);
                self.audited(Change::TagResource, about, call).await
            }
            Action::Rotate { on_request } => {
                let first = first_rotation(request, sight, *on_request)?;
                self.rotator.rotate(&first).await.map_err(Failure::Rotation)
            }
            Action::AddToGroup { group } => {
                let about = user(json!({"user_group": group}));
                let call = hands.add_to_group(group, id, taken);
                self.audited(Change::ModifyUserGroup, about, call).await
            }
            Action::SetAccessString { access_string } => {
                let about = user(json!({"access_string": access_string}));
                let call = hands.set_access_string(id, access_string, taken);
                self.audited(Change::ModifyUser, about, call).await
            }
        }
    }

    async fn audited(
        &self,
        change: Change,
        about: Subject,
        call: impl Future<Output = AwsResult<()>>,
    ) -> Result<(), Failure> {
        Ok(self.audit.call(change, about, call).await??)
    }

    fn about_secret(&self, request: &Request, sight: &Sight) -> Subject {
        let known = sight.secret.as_ref().map(|secret| &secret.state.arn);
        Subject {
            policy: Some(request.policy.clone()),
            place: Some(self.place.name.clone()),
            secret: Some(known.unwrap_or(&request.secret).clone()),
            ..Subject::default()
        }
    }

    fn about_user(&self, request: &Request, sight: &Sight, sets: Value) -> Subject {
        Subject {
            user: Some(sight.user_arn.clone()),
            request: Some(sets),
            ..self.about_secret(request, sight)
        }
    }

    fn new_secret(
        &self,
        request: &Request,
        sight: &Sight,
        user_name: &str,
        password: FirstPassword,
    ) -> Result<NewSecret, Failure> {
        let bond = serde_json::json!({"username": user_name, "user_arn": sight.user_arn}).to_string();
        let document =
            SecretDocument::parse(&bond).map_err(|error| Refusal::secret(&request.secret, error.to_string()))?;
        let document = match (password, &request.known_password) {
            (FirstPassword::Known, Some(known)) => document.with_password(known),
            (FirstPassword::MadeUp, _) => document.with_password(&self.made_up()),
            _ => secrecy::SecretString::from(bond),
        };
        Ok(NewSecret {
            name: request.secret.clone(),
            version_id: first_version(&request.secret, &sight.user_arn),
            document,
            tags: request.tags.clone(),
            kms_key_id: request.kms_key_id.clone(),
        })
    }

    pub(super) fn made_up(&self) -> Password {
        let spec = &self.policy.password;
        Password::generate(&spec.alphabet, spec.length, &mut rand::rngs::OsRng.unwrap_err())
    }

    /// The put is under AWSPENDING and the label moves from the version that was read: whoever changed the secret in
    /// between is not overwritten.
    async fn complete(
        &self,
        request: &Request,
        sight: &Sight,
        user_name: &str,
        taken: Timestamp,
    ) -> Result<(), Failure> {
        let secret = sight
            .secret
            .as_ref()
            .and_then(|secret| Some((secret, secret.current.as_ref()?)));
        let (secret, current) = secret.ok_or_else(|| vanished(request))?;
        let text = completed_text(current, &sight.user_arn, user_name, request.known_password.as_ref());
        let text = text.map_err(|error| Refusal::secret(&request.secret, error.to_string()))?;
        let (arn, version) = (&secret.state.arn, completed_version(&secret.state.arn, &current.id));
        let about = |label| Subject {
            version: Some(version.clone()),
            previous: Some(current.id.clone()),
            label: Some(label),
            ..self.about_secret(request, sight)
        };
        let put = self.hands.secrets.put_pending(arn, &version, &text, taken);
        self.audited(Change::PutSecretValue, about(AWSPENDING), put).await?;
        let moved = self.hands.secrets.move_current(arn, &current.id, &version, taken);
        self.audited(Change::UpdateSecretVersionStage, about(AWSCURRENT), moved)
            .await
    }
}

fn new_user(action: &Action, request: &Request, sight: &Sight) -> NewUser {
    let mut new = NewUser {
        id: request.user_id.clone(),
        name: request.user_id.clone(),
        engine: "redis".to_owned(),
        access_string: "off".to_owned(),
        tags: request.tags.clone(),
        password: None,
    };
    if let Action::CreateUser {
        name,
        engine,
        access_string,
        password,
    } = action
    {
        let current = sight
            .secret
            .as_ref()
            .and_then(|secret| secret.current.as_ref()?.document().ok());
        let of_secret = current.and_then(|document| document.password().cloned());
        (new.name, new.engine, new.access_string) = (name.clone(), engine.clone(), access_string.clone());
        new.password = of_secret.filter(|_| *password == FirstPassword::OfSecret);
    }
    new
}

fn first_rotation(request: &Request, sight: &Sight, on_request: bool) -> Result<FirstRotation, Failure> {
    let secret = sight.secret.as_ref().ok_or_else(|| vanished(request))?;
    Ok(FirstRotation {
        secret: secret.state.name.clone(),
        arn: secret.state.arn.clone(),
        current: secret.current_id().ok_or_else(|| vanished(request))?.to_owned(),
        on_request,
    })
}

/// The plan rests on a look in which it was there.
fn vanished(request: &Request) -> Failure {
    Failure::Refused(Refusal::secret(&request.secret, "is not there any more"))
}
