//! Looking: the secret, its rotation, what that left, and what the nodes say of it.

use crate::aws::AwsResult;
use crate::aws::provisioning::Eyes;
use crate::clock::Timestamp;
use crate::login::Login;
use crate::onboard::Evidence;
use crate::onboard::observe::logins;
use crate::policy::Policy;
use crate::rotation::observation::{AWSCURRENT, AWSPENDING, User, VersionValue};
use crate::rotation::version::generation_of;

use super::plan::{Pending, Sight};

/// Looks at a secret. Without a policy no login is made.
///
/// # Errors
/// Any read that failed.
pub async fn observe(
    eyes: &Eyes,
    login: &dyn Login,
    policy: Option<&Policy>,
    secret: &str,
    taken: Timestamp,
) -> AwsResult<Sight> {
    let state = eyes.secrets.secret(secret).await?;
    let rotation = eyes.settings.managed_rotation(&state.arn).await?;
    let mut sight = Sight {
        rotation,
        current: None,
        current_logins: Evidence::default(),
        pending: None,
        user: None,
        taken,
        secret: state,
    };
    let Some(current) = sight.secret.holder(AWSCURRENT).map(str::to_owned) else {
        return Ok(sight);
    };
    if sight.secret.deleted.is_some() {
        return Ok(sight);
    }
    sight.current = Some(eyes.secrets.value(&sight.secret.arn, &current).await?);
    if let Some(document) = sight.document() {
        sight.user = eyes.settings.user(document.user_arn().user_id()).await?;
    }
    let ours = |id: &str| generation_of(&sight.secret.arn, &current, id).is_some();
    let pending = sight.secret.holder(AWSPENDING).filter(|id| *id != current && !ours(id));
    if let Some(id) = pending.map(str::to_owned) {
        look_at_pending(eyes, login, policy, id, &mut sight).await?;
    }
    Ok(sight)
}

/// Adds what the function left, and what the nodes say of both passwords.
async fn look_at_pending(
    eyes: &Eyes,
    login: &dyn Login,
    policy: Option<&Policy>,
    id: String,
    sight: &mut Sight,
) -> AwsResult<()> {
    let created = sight.secret.versions.get(&id).and_then(|version| version.created);
    let document = match created {
        Some(_) => Some(eyes.secrets.value(&sight.secret.arn, &id).await?),
        None => None,
    };
    let mut pending = Pending {
        id,
        since: created.or(sight.secret.last_changed),
        document,
        logins: Evidence::default(),
    };
    if let (Some(policy), Some(user)) = (policy, sight.user.as_ref().map(|settings| settings.user.clone())) {
        sight.current_logins = answers(eyes, login, policy, &user, sight.current.as_ref()).await?;
        pending.logins = answers(eyes, login, policy, &user, pending.document.as_ref()).await?;
    }
    sight.pending = Some(pending);
    Ok(())
}

/// What the nodes say of a version's password; nothing where that shows nothing.
async fn answers(
    eyes: &Eyes,
    login: &dyn Login,
    policy: &Policy,
    user: &User,
    value: Option<&VersionValue>,
) -> AwsResult<Evidence> {
    let document = value.and_then(|value| value.as_ref().ok());
    match document.and_then(|document| document.password()).filter(|_| user.on) {
        Some(password) => logins(eyes, login, policy, user, password).await,
        None => Ok(Evidence::default()),
    }
}
