//! Somebody else with the right to change things: a person at the console, AWS's rotation Lambda.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::cache::delete_user::DeleteUser;
use super::cache::errors::invalid_value;
use super::cache::modify_group::ModifyUserGroup;
use super::cache::modify_user::ModifyUser;
use super::operation::Operation;
use super::secrets::delete::{DeleteSecret, RestoreSecret};
use super::secrets::errors::{invalid_parameter, no_value_for_label};
use super::secrets::model::{CURRENT, PENDING, PREVIOUS, Secret, SecretValue};
use super::secrets::put::PutSecretValue;
use super::secrets::rotate::RotateSecret;
use super::secrets::stages::UpdateSecretVersionStage;
use super::{CallContext, State, log, random};
use crate::error::ApiError;
use crate::sensitive::Sensitive;

/// The access key id that the log shows for a stranger's calls.
pub const STRANGER: &str = "STRANGER";

/// Something that a stranger does. Passwords that are not given are made up. It is done by the calls that a real
/// stranger would make, and what AWS would refuse is refused: a user that is `modifying` cannot be modified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum StrangerAct {
    /// Puts a new current value with another password; the user does not hear of it.
    EditSecret {
        /// Which secret.
        secret: String,
        /// The password.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<Sensitive>,
    },
    /// Rotates it as AWS's rotation Lambda does: a new current value, the old one is the previous one, and the
    /// user has both passwords.
    RotateSecret {
        /// Which secret.
        secret: String,
    },
    /// Puts a pending version.
    StartRotation {
        /// Of which secret.
        secret: String,
    },
    /// Moves AWSCURRENT back to the version that has AWSPREVIOUS.
    LabelBack {
        /// In which secret.
        secret: String,
    },
    /// Takes AWSPENDING off.
    StripPending {
        /// In which secret.
        secret: String,
    },
    /// Gives it a rotation Lambda, without rotating at once.
    EnableRotation {
        /// Which secret.
        secret: String,
    },
    /// Marks it for deletion.
    DeleteSecret {
        /// Which secret.
        secret: String,
    },
    /// Takes the mark off.
    RestoreSecret {
        /// Which secret.
        secret: String,
    },
    /// Gives a user one other password and no second.
    ResetPassword {
        /// Which user, by id.
        user: String,
        /// The password.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<Sensitive>,
    },
    /// Switches a user off.
    SwitchOff {
        /// Which user, by id.
        user: String,
    },
    /// Switches a user on.
    SwitchOn {
        /// Which user, by id.
        user: String,
    },
    /// Lets a user in without password.
    MakeNopass {
        /// Which user, by id.
        user: String,
    },
    /// Deletes a user.
    DeleteUser {
        /// Which user, by id.
        user: String,
    },
    /// Takes a user out of all its groups.
    LeaveGroup {
        /// Which user, by id.
        user: String,
    },
}

/// When a stranger strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Just before the call is applied.
    #[default]
    Before,
    /// Just after the call was applied, before anybody else's.
    After,
}

impl State {
    /// Lets a stranger act in the account and region of `place`. Its calls are logged, not counted, and neither
    /// faults nor quotas see them.
    ///
    /// # Errors
    /// What AWS answers to the first call that it refuses; calls before it have been applied.
    pub(crate) fn stranger(
        &mut self,
        now: DateTime<Utc>,
        place: &CallContext,
        act: &StrangerAct,
    ) -> Result<(), ApiError> {
        let ctx = CallContext {
            access_key: STRANGER.to_owned(),
            signed_at: None,
            request_id: None,
            ..place.clone()
        };
        let mut hand = Hand { state: self, now, ctx };
        match act {
            StrangerAct::EditSecret { secret, password } => hand.edit_secret(secret, password.clone()),
            StrangerAct::RotateSecret { secret } => hand.rotate_secret(secret),
            StrangerAct::StartRotation { secret } => {
                let password = hand.password();
                hand.put(secret, &password, Some(PENDING)).map(drop)
            }
            StrangerAct::LabelBack { secret } => {
                let previous = hand.holder(secret, PREVIOUS)?;
                hand.move_label(secret, CURRENT, Some(previous))
            }
            StrangerAct::StripPending { secret } => hand.move_label(secret, PENDING, None),
            StrangerAct::EnableRotation { secret } => hand.enable_rotation(secret),
            StrangerAct::DeleteSecret { secret } => hand.call(DeleteSecret {
                secret_id: secret.clone(),
                ..DeleteSecret::default()
            }),
            StrangerAct::RestoreSecret { secret } => hand.call(RestoreSecret {
                secret_id: secret.clone(),
            }),
            StrangerAct::ResetPassword { user, password } => {
                let password = password.clone().unwrap_or_else(|| hand.password());
                hand.modify(user, |m| m.passwords = Some(vec![password]))
            }
            StrangerAct::SwitchOff { user } => hand.modify(user, |m| m.append_access_string = Some("off".to_owned())),
            StrangerAct::SwitchOn { user } => hand.modify(user, |m| m.append_access_string = Some("on".to_owned())),
            StrangerAct::MakeNopass { user } => hand.modify(user, |m| m.no_password_required = Some(true)),
            StrangerAct::DeleteUser { user } => hand.call(DeleteUser { user_id: user.clone() }),
            StrangerAct::LeaveGroup { user } => hand.leave_groups(user),
        }
    }
}

/// A stranger at work.
struct Hand<'a> {
    state: &'a mut State,
    now: DateTime<Utc>,
    ctx: CallContext,
}

impl Hand<'_> {
    /// Makes a call as any client would, past faults and quotas.
    fn call<O: Operation>(&mut self, input: O) -> Result<(), ApiError> {
        let entry = log::entry(self.now, &self.ctx, (O::SERVICE, O::NAME), input.resource());
        let limit = self.state.settings.log_limit;
        let seq = self.state.log.open_uncounted(entry, limit);
        let (result, mutated) = self.state.apply(self.now, &self.ctx, input);
        let outcome = result.as_ref().err().map_or("ok", |error| error.code.as_str());
        self.state.log.close(seq, outcome, mutated);
        self.state.log.set_duration(seq, TimeDelta::zero());
        result.map(drop)
    }

    fn password(&mut self) -> Sensitive {
        random::text(&mut self.state.rng, 32).into()
    }

    fn secret(&mut self, id: &str) -> Result<&Secret, ApiError> {
        let env = self.state.env(self.now, &self.ctx.account, &self.ctx.region);
        env.account.secret(id)
    }

    fn holder(&mut self, secret: &str, label: &str) -> Result<String, ApiError> {
        let holder = self.secret(secret)?.holder(label).cloned();
        holder.ok_or_else(|| no_value_for_label(label))
    }

    /// The current value, which has to be a JSON object, whatever reads would show of it just now.
    fn document(&mut self, secret: &str) -> Result<Map<String, Value>, ApiError> {
        let current = self.holder(secret, CURRENT)?;
        let version = self.secret(secret)?.versions.get(&current);
        let value = version.and_then(|version| version.value.as_ref());
        let text = match value {
            Some(SecretValue::Text(text)) => text.expose(),
            _ => "",
        };
        serde_json::from_str(text).map_err(|_| invalid_parameter("The secret's current value is not a JSON object."))
    }

    /// Puts the current value with another password. Gives the new version's id.
    fn put(&mut self, secret: &str, password: &Sensitive, label: Option<&str>) -> Result<String, ApiError> {
        let mut document = self.document(secret)?;
        document.insert("password".to_owned(), Value::String(password.expose().to_owned()));
        let version = random::text(&mut self.state.rng, 32);
        self.call(PutSecretValue {
            secret_id: secret.to_owned(),
            client_request_token: Some(version.clone()),
            secret_string: Some(Value::Object(document).to_string().into()),
            secret_binary: None,
            version_stages: label.map(|label| vec![label.to_owned()]),
        })?;
        Ok(version)
    }

    fn edit_secret(&mut self, secret: &str, password: Option<Sensitive>) -> Result<(), ApiError> {
        let password = password.unwrap_or_else(|| self.password());
        self.put(secret, &password, None).map(drop)
    }

    /// Begins with the user, so that a user that cannot be modified now leaves everything as it was.
    fn rotate_secret(&mut self, secret: &str) -> Result<(), ApiError> {
        let document = self.document(secret)?;
        let text = |key: &str| document.get(key).and_then(Value::as_str);
        let user = text("user_arn").and_then(|arn| arn.rsplit(':').next());
        let user = user.ok_or_else(|| invalid_parameter("The secret's current value has no user_arn."))?;
        let new = self.password();
        let old = text("password").map(Sensitive::from);
        let both = std::iter::once(new.clone()).chain(old).collect();
        self.modify(user, |modify| modify.passwords = Some(both))?;
        let version = self.put(secret, &new, Some(PENDING))?;
        self.move_label(secret, CURRENT, Some(version))?;
        // The Lambda leaves AWSPENDING to the service, which takes it off after a rotation of its own.
        self.move_label(secret, PENDING, None)
    }

    fn move_label(&mut self, secret: &str, label: &str, to: Option<String>) -> Result<(), ApiError> {
        let from = self.holder(secret, label)?;
        self.call(UpdateSecretVersionStage {
            secret_id: secret.to_owned(),
            version_stage: label.to_owned(),
            remove_from_version_id: Some(from),
            move_to_version_id: to,
        })
    }

    /// A rotation that is under way does not stand in its way: the request names its version, as a repeated one would.
    fn enable_rotation(&mut self, secret: &str) -> Result<(), ApiError> {
        let token = match self.holder(secret, PENDING) {
            Ok(pending) => pending,
            Err(_) => random::text(&mut self.state.rng, 32),
        };
        let env = self.state.env(self.now, &self.ctx.account, &self.ctx.region);
        let lambda = env.account.arn("lambda", "function", "rotation");
        self.call(RotateSecret {
            secret_id: secret.to_owned(),
            client_request_token: Some(token),
            rotation_lambda_arn: Some(lambda),
            rotation_rules: Some(serde_json::json!({"AutomaticallyAfterDays": 30})),
            rotate_immediately: Some(false),
            ..RotateSecret::default()
        })
    }

    fn modify(&mut self, user: &str, change: impl FnOnce(&mut ModifyUser)) -> Result<(), ApiError> {
        let mut input = ModifyUser {
            user_id: user.to_owned(),
            ..ModifyUser::default()
        };
        change(&mut input);
        self.call(input)
    }

    fn leave_groups(&mut self, user: &str) -> Result<(), ApiError> {
        let env = self.state.env(self.now, &self.ctx.account, &self.ctx.region);
        let groups: Vec<String> = env.account.cache.groups_of(user).map(|g| g.id.clone()).collect();
        if groups.is_empty() {
            return Err(invalid_value(format!("User {user} is in no user group.")));
        }
        for group in groups {
            self.call(ModifyUserGroup {
                user_group_id: group,
                user_ids_to_add: None,
                user_ids_to_remove: Some(vec![user.to_owned()]),
                ..ModifyUserGroup::default()
            })?;
        }
        Ok(())
    }
}
