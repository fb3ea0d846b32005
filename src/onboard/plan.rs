//! From what there is to the calls that are left to make, in their order. Pure: the same for the first run, for one
//! after a crash and for `--dry-run`.
//!
//! The order is what keeps everybody out until there is a password. A user that needs none accepts any as soon as it is
//! on, so it is created off; it joins groups only when it has a password; and the access string that switches it on
//! comes last.

use std::collections::BTreeMap;

use crate::aws::provisioning::UserSettings;
use crate::policy::Policy;

use super::access;
use super::bond::{self, Holding};
use super::refusal::Refusal;
use super::request::{Request, UserEngine};
use super::sight::Sight;
use super::user_checks;

/// Which password a user or a secret is created with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirstPassword {
    /// None: the first rotation makes it.
    None,
    /// The one that the user has, as the operator knows it.
    Known,
    /// One that is made up, until the first rotation replaces it.
    MadeUp,
    /// The one that the secret holds.
    OfSecret,
}

/// One call, or one rotation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// CreateUser, switched off.
    CreateUser {
        /// The name that logins take.
        name: String,
        /// `redis` or `valkey`.
        engine: String,
        /// With `off`.
        access_string: String,
        /// Its password.
        password: FirstPassword,
    },
    /// CreateSecret with the bond.
    CreateSecret {
        /// The user's name.
        user_name: String,
        /// Its password.
        password: FirstPassword,
    },
    /// A version with the keys that the document lacks, put under AWSPENDING and made current.
    CompleteDocument {
        /// Which keys.
        keys: Vec<&'static str>,
        /// The user's name.
        user_name: String,
    },
    /// TagResource.
    TagSecret {
        /// The tags that it lacks.
        tags: BTreeMap<String, String>,
    },
    /// The first rotation, by the engine.
    Rotate {
        /// Whether nothing but a request makes it due.
        on_request: bool,
    },
    /// ModifyUserGroup.
    AddToGroup {
        /// Its id.
        group: String,
    },
    /// ModifyUser with the access string.
    SetAccessString {
        /// With `on`.
        access_string: String,
    },
}

impl Action {
    /// Whether the user must be `active` for it.
    pub fn needs_active_user(&self) -> bool {
        matches!(
            self,
            Self::Rotate { .. } | Self::AddToGroup { .. } | Self::SetAccessString { .. }
        )
    }
}

/// What is left to do; empty when all is as it was asked for.
///
/// # Errors
/// [`Refusal`]: something is somebody else's, or not as it was asked for. Nothing may be changed then.
pub fn plan(request: &Request, policy: &Policy, sight: &Sight) -> Result<Vec<Action>, Refusal> {
    request.check().map_err(Refusal::Request)?;
    user_checks::check(request, policy, sight)?;
    let name = user_name(request, sight);
    let holding = bond::examine(request, sight, &name)?;
    user_checks::check_password(request, policy, sight, &holding)?;
    let mut actions = Vec::new();
    let password = secrets_password(request, sight);
    if sight.user.is_none() {
        actions.push(create_user(request, &name, &holding)?);
    }
    match &holding {
        Holding::Absent => actions.push(Action::CreateSecret {
            user_name: name.clone(),
            password,
        }),
        Holding::Incomplete { keys, .. } => actions.push(Action::CompleteDocument {
            keys: keys.clone(),
            user_name: name.clone(),
        }),
        Holding::Bond | Holding::Pending | Holding::Initial | Holding::Rotated => {}
    }
    if matches!(holding, Holding::Absent) && password == FirstPassword::MadeUp {
        // The user gets what the secret holds by then.
        actions.rotate_left(1);
    }
    actions.extend(tags_missing(request, sight)?);
    actions.extend(rotation(&holding, password));
    actions.extend(groups_missing(request, sight)?);
    actions.extend(switching_on(request, sight));
    Ok(actions)
}

fn user_name(request: &Request, sight: &Sight) -> String {
    let found = sight.user.as_ref().map(|user| user.user.name.clone());
    found
        .or_else(|| request.user_name.clone())
        .unwrap_or_else(|| request.user_id.clone())
}

fn engine<'a>(request: &Request, user: Option<&'a UserSettings>) -> &'a str {
    match user {
        Some(user) => &user.engine,
        None => request.engine.unwrap_or(UserEngine::Redis).name(),
    }
}

fn create_user(request: &Request, name: &str, holding: &Holding) -> Result<Action, Refusal> {
    let Some(wanted) = &request.access_string else {
        let problem = "does not exist; give --access-string, so that it can be created";
        return Err(Refusal::user(&request.user_id, problem));
    };
    let valkey = request.engine == Some(UserEngine::Valkey);
    let password = match holding {
        Holding::Absent | Holding::Initial if valkey => FirstPassword::OfSecret,
        Holding::Absent | Holding::Bond => FirstPassword::None,
        _ => {
            let problem = format!("does not exist, and secret {} holds a password of it", request.secret);
            return Err(Refusal::user(&request.user_id, problem));
        }
    };
    if valkey && password == FirstPassword::None {
        let problem = "does not exist, and Valkey users cannot be created without a password; delete the secret, which has \
                       none, and run this again";
        return Err(Refusal::user(&request.user_id, problem));
    }
    Ok(Action::CreateUser {
        name: name.to_owned(),
        engine: engine(request, None).to_owned(),
        access_string: access::switched_off(wanted),
        password,
    })
}

/// The password of a secret that is created.
fn secrets_password(request: &Request, sight: &Sight) -> FirstPassword {
    match (&request.known_password, &sight.user) {
        (Some(_), _) => FirstPassword::Known,
        (None, None) if request.engine == Some(UserEngine::Valkey) => FirstPassword::MadeUp,
        (None, _) => FirstPassword::None,
    }
}

fn tags_missing(request: &Request, sight: &Sight) -> Result<Option<Action>, Refusal> {
    let Some(secret) = &sight.secret else {
        return Ok(None);
    };
    let mut missing = BTreeMap::new();
    for (key, value) in &request.tags {
        match secret.state.tags.get(key) {
            Some(other) if other != value => {
                let problem = format!("its tag {key} is {other:?}, not {value:?}; change it yourself if that is meant");
                return Err(Refusal::secret(&request.secret, problem));
            }
            Some(_) => {}
            None => drop(missing.insert(key.clone(), value.clone())),
        }
    }
    Ok((!missing.is_empty()).then_some(Action::TagSecret { tags: missing }))
}

fn rotation(holding: &Holding, password: FirstPassword) -> Option<Action> {
    let on_request = match holding {
        Holding::Rotated => return None,
        Holding::Initial => true,
        Holding::Absent => password != FirstPassword::None,
        Holding::Incomplete { password, .. } => *password,
        Holding::Bond | Holding::Pending => false,
    };
    Some(Action::Rotate { on_request })
}

fn groups_missing(request: &Request, sight: &Sight) -> Result<Vec<Action>, Refusal> {
    let engine = engine(request, sight.user.as_ref());
    let mut missing = Vec::new();
    for group in &request.groups {
        let Some(settings) = sight.groups.get(group).and_then(Option::as_ref) else {
            return Err(Refusal::group(group, "does not exist; create it, or leave it out"));
        };
        if settings.engine == "redis" && engine != "redis" {
            let problem = format!(
                "takes users of engine redis only, and user {} is of {engine}",
                request.user_id
            );
            return Err(Refusal::group(group, problem));
        }
        if !settings
            .users
            .iter()
            .any(|user| user.eq_ignore_ascii_case(&request.user_id))
        {
            missing.push(Action::AddToGroup { group: group.clone() });
        }
    }
    Ok(missing)
}

fn switching_on(request: &Request, sight: &Sight) -> Option<Action> {
    let wanted = request
        .access_string
        .as_ref()
        .filter(|wanted| access::switches_on(wanted))?;
    let on = sight.user.as_ref().is_some_and(|user| user.user.on);
    (!on).then(|| Action::SetAccessString {
        access_string: wanted.clone(),
    })
}
