//! Checks of the user.

use crate::policy::Verify;
use crate::rotation::observation::{Authentication, Observation, Topology, User, UserSight, UserStatus};
use crate::rotation::reason::{HaltReason, UnprovenReason, WaitReason};
use crate::rotation::step::Step;

use super::secret::Subject;
use super::{Context, Decision, Deliberation, Look};

/// The user, once seen and fit to be worked on: the one that the secret names, and one that takes
/// passwords. It may still be busy.
pub(super) fn examine<'a>(subject: &Subject<'a>, context: &Context<'_>) -> Deliberation<&'a User> {
    let arn = subject.document.user_arn();
    let user = match &subject.observation.user {
        UserSight::Unseen => return Err(Decision::Look(Look::User(arn.user_id().to_owned()))),
        UserSight::Seen(user) => user,
    };
    let halt = |reason, detail| {
        Err(Decision::Halt {
            reason,
            detail,
            subject: user.id.clone(),
        })
    };
    if !user.arn.eq_ignore_ascii_case(&arn.to_string()) {
        return halt(
            HaltReason::UserArnMismatch,
            format!("{arn} was asked for, {} answered", user.arn),
        );
    }
    if user.name != subject.document.username() {
        let detail = format!(
            "user {} is named {}, not {}",
            user.id,
            user.name,
            subject.document.username()
        );
        return halt(HaltReason::UsernameMismatch, detail);
    }
    if user.name == "default" && !context.policy.allow_default_user {
        return halt(HaltReason::UserIsDefault, format!("user {}", user.id));
    }
    if user.authentication == Authentication::Iam {
        return halt(HaltReason::UserIsIam, format!("user {}", user.id));
    }
    Ok(user)
}

/// The wait for a change of the user that is under way, if one is.
pub fn still_changing(user: &User, step: Step) -> Option<Decision> {
    match user.status {
        UserStatus::Modifying | UserStatus::Other(_) => await_active(user, step).err(),
        UserStatus::Active | UserStatus::Deleting => None,
    }
}

/// Waits until the user may be changed.
pub(super) fn await_active(user: &User, step: Step) -> Deliberation<()> {
    let (reason, status) = match &user.status {
        UserStatus::Active => return Ok(()),
        UserStatus::Deleting => (WaitReason::UserDeleting, "deleting"),
        UserStatus::Modifying => (WaitReason::Modifying, "modifying"),
        UserStatus::Other(status) => (WaitReason::Modifying, status.as_str()),
    };
    Err(Decision::Wait {
        reason,
        detail: format!("user {} is {status}", user.id),
        step,
    })
}

/// How many passwords the user has, as far as ElastiCache shows.
pub(super) fn password_count(user: &User) -> u32 {
    match user.authentication {
        Authentication::Password => user.password_count,
        Authentication::NoPassword | Authentication::Iam | Authentication::Unknown => 0,
    }
}

/// Why logins prove nothing about this user, if so; otherwise looks up its nodes first.
pub(super) fn unprovable(
    observation: &Observation,
    user: &User,
    context: &Context<'_>,
) -> Deliberation<Option<UnprovenReason>> {
    let topology = topology(observation)?;
    if let Some((reason, cache)) = &topology.refusal {
        return Err(Decision::Halt {
            reason: *reason,
            detail: format!("cache {cache}"),
            subject: cache.clone(),
        });
    }
    let reason = match context.policy.verify {
        Verify::ApiOnly => Some(UnprovenReason::ApiOnly),
        Verify::Login if !user.on => Some(UnprovenReason::UserOff),
        Verify::Login if topology.nodes.is_empty() => Some(UnprovenReason::NoEndpoints),
        Verify::Login => None,
    };
    Ok(reason)
}

/// The user's nodes, once looked up.
pub(super) fn topology(observation: &Observation) -> Deliberation<&Topology> {
    observation.topology.as_ref().ok_or(Decision::Look(Look::Topology))
}
