//! Whether a user that is there is the one that was asked for, and one that may be given a password.

use crate::aws::provisioning::UserSettings;
use crate::policy::{FirstPassword, Policy, Verify};
use crate::rotation::observation::{Authentication, UserStatus};

use super::access;
use super::bond::Holding;
use super::refusal::Refusal;
use super::request::Request;
use super::sight::{Evidence, Sight};

/// That it is the one that was asked for, and takes passwords.
pub(super) fn check(request: &Request, policy: &Policy, sight: &Sight) -> Result<(), Refusal> {
    let Some(settings) = &sight.user else {
        return Ok(());
    };
    let user = &settings.user;
    let refuse = |problem: String| Err(Refusal::user(&request.user_id, problem));
    if user.status == UserStatus::Deleting {
        return refuse("is being deleted; wait until it is gone, or choose another id".to_owned());
    }
    if user.authentication == Authentication::Iam {
        return refuse("logs in with IAM, and has no password to rotate".to_owned());
    }
    if user.name == "default" && !policy.allow_default_user {
        return refuse(format!(
            "is named `default`: clients without a name log in with it; if that is meant, set `allow_default_user = \
             true` in policy {}",
            policy.name
        ));
    }
    if let Some(name) = request.user_name.as_ref().filter(|name| **name != user.name) {
        return refuse(format!(
            "exists and is named {}, not {name}; leave --user-name out to keep that",
            user.name
        ));
    }
    if let Some(engine) = request.engine.filter(|engine| engine.name() != settings.engine) {
        let problem = format!(
            "exists and is of engine {}, not {}; leave --engine out",
            settings.engine,
            engine.name()
        );
        return refuse(problem);
    }
    check_access(request, settings)
}

fn check_access(request: &Request, settings: &UserSettings) -> Result<(), Refusal> {
    let Some(wanted) = &request.access_string else {
        return Ok(());
    };
    let refuse = |problem: String| Err(Refusal::user(&request.user_id, problem));
    if !access::same_rights(wanted, &settings.access_string) {
        return refuse(format!(
            "exists with other rights, {:?}; leave --access-string out to keep them",
            settings.access_string
        ));
    }
    if settings.user.on && !access::switches_on(wanted) {
        return refuse("exists and is on, and the access string asked for would switch it off".to_owned());
    }
    Ok(())
}

/// That its password is known, or that it has none and nobody can be using it.
pub(super) fn check_password(
    request: &Request,
    policy: &Policy,
    sight: &Sight,
    holding: &Holding,
) -> Result<(), Refusal> {
    let refuse = |problem: String| Err(Refusal::user(&request.user_id, problem));
    let held = match holding {
        Holding::Initial | Holding::Rotated | Holding::Pending => true,
        Holding::Incomplete { keys, password } => *password && !keys.contains(&"password"),
        Holding::Absent | Holding::Bond => false,
    };
    if held {
        return refuse_open_door(request, sight, holding);
    }
    let user = sight.user.as_ref().map(|settings| &settings.user);
    let count = user.map_or(0, |user| user.password_count);
    if request.known_password.is_some() && count == 0 {
        return refuse("has no password; leave --password-file out".to_owned());
    }
    let Some(user) = user else {
        return Ok(());
    };
    match &request.known_password {
        Some(_) if count > 1 => refuse(format!(
            "has {count} passwords, and rekeyd begins with a user that has one: remove the other with `aws elasticache \
             modify-user --cli-input-json file://FILE`, where FILE, readable for you alone, holds {{\"UserId\": \"{}\", \
             \"Passwords\": [\"PASSWORD\"]}} with the one that stays",
            request.user_id
        )),
        Some(_) => check_evidence(request, policy, user.on, sight.known_password.as_ref()),
        None if policy.first_password == FirstPassword::Any => Ok(()),
        None if count > 0 => refuse(
            "has a password that no secret holds; give it with --password-file, so that its clients are not cut off"
                .to_owned(),
        ),
        None if user.on => refuse(format!(
            "is on and needs no password: its first one would cut its clients off. If that is meant, set \
             `first_password = \"any\"` in policy {}",
            policy.name
        )),
        None => Ok(()),
    }
}

/// That a user whose secret holds a password has one: switched on without, it would accept anything.
fn refuse_open_door(request: &Request, sight: &Sight, holding: &Holding) -> Result<(), Refusal> {
    let user = sight.user.as_ref().map(|settings| &settings.user);
    match user.filter(|user| user.password_count == 0 && *holding != Holding::Pending) {
        Some(user) => Err(Refusal::user(
            &user.id,
            format!(
                "has no password, although secret {} holds one: switched on, it would accept any. Set that password on it, \
                 or delete the secret and begin anew",
                request.secret
            ),
        )),
        None => Ok(()),
    }
}

/// That the nodes accept the password that is said to be the user's.
fn check_evidence(request: &Request, policy: &Policy, on: bool, evidence: Option<&Evidence>) -> Result<(), Refusal> {
    let Some(evidence) = evidence.filter(|_| on && policy.verify == Verify::Login) else {
        return Ok(());
    };
    let refuse = |problem: String| Err(Refusal::user(&request.user_id, problem));
    let refused = evidence.refused();
    if !refused.is_empty() {
        return refuse(format!(
            "the password in --password-file is refused by {}",
            refused.join(", ")
        ));
    }
    if evidence.accepted().is_empty() && !evidence.answers.is_empty() {
        return refuse(format!(
            "the password in --password-file cannot be proved, no node answers: {}",
            evidence.silent().join(", ")
        ));
    }
    Ok(())
}
