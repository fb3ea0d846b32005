//! From what there is to the steps that are left. Pure.
//!
//! What a function left under AWSPENDING is judged by logins alone. A password that every node accepts is made current,
//! as the function's own last step would have done; one that every node refuses is given up, and only while the current
//! one logs in everywhere. In between nobody knows which password the user will have, and nothing is changed.

use std::time::Duration;

use crate::aws::provisioning::{ManagedRotation, UserSettings};
use crate::clock::{Timestamp, after};
use crate::onboard::{Evidence, Step};
use crate::rotation::observation::{AWSCURRENT, AWSPENDING, Authentication, SecretState, UserStatus, VersionValue};
use crate::rotation::version::generation_of;
use crate::secret::{SecretDocument, secret_arn_place};

/// How long a function runs at most: Lambda's longest timeout.
const LONGEST_RUN: Duration = Duration::from_secs(900);

/// A version under AWSPENDING that is not the current one.
#[derive(Clone)]
pub struct Pending {
    /// Its id.
    pub id: String,
    /// When it came to be; for one without a value, when the secret was last changed.
    pub since: Option<Timestamp>,
    /// Its document; `None` where the function put no value yet.
    pub document: Option<VersionValue>,
    /// What the nodes say of its password.
    pub logins: Evidence,
}

/// What there is.
#[derive(Clone)]
pub struct Sight {
    /// The secret.
    pub secret: SecretState,
    /// How Secrets Manager rotates it.
    pub rotation: ManagedRotation,
    /// The document under AWSCURRENT.
    pub current: Option<VersionValue>,
    /// What the nodes say of its password, if it matters.
    pub current_logins: Evidence,
    /// What the function left.
    pub pending: Option<Pending>,
    /// The user.
    pub user: Option<UserSettings>,
    /// When it was looked.
    pub taken: Timestamp,
}

impl Sight {
    /// The document under AWSCURRENT, if it can be worked with.
    pub fn document(&self) -> Option<&SecretDocument> {
        self.current.as_ref().and_then(|value| value.as_ref().ok())
    }

    /// Whether Secrets Manager ever rotated it, or left something of a rotation. What a cancelled one had stays in its
    /// settings (CancelRotateSecret in Secrets Manager's API reference).
    pub fn had_a_rotation(&self) -> bool {
        let ManagedRotation {
            enabled,
            lambda_arn,
            after_days,
            schedule,
            duration: _,
        } = &self.rotation;
        let settings = *enabled || lambda_arn.is_some() || after_days.is_some() || schedule.is_some();
        settings || self.secret.rotation_enabled || self.pending.is_some()
    }

    /// Whether rekeyd made the current version.
    pub fn rotated_by_us(&self) -> bool {
        let Some(current) = self.secret.holder(AWSCURRENT) else {
            return false;
        };
        let mut others = self.secret.versions.keys().filter(|id| *id != current);
        others.any(|parent| generation_of(&self.secret.arn, parent, current).is_some())
    }
}

/// One step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// CancelRotateSecret.
    CancelRotation,
    /// UpdateSecretVersionStage: AWSCURRENT goes to the pending version.
    Promote {
        /// The current version.
        from: String,
        /// The pending one.
        to: String,
    },
    /// UpdateSecretVersionStage: AWSPENDING goes.
    GiveUpPending {
        /// The version.
        version: String,
        /// Why its password is not needed.
        because: String,
    },
}

/// Why nothing is changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("secret {secret}: {problem}")]
pub struct Refusal {
    /// Its name.
    pub secret: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// The steps that are left; empty when rekeyd may rotate it.
///
/// # Errors
/// [`Refusal`].
pub fn plan(sight: &Sight, now: bool) -> Result<Vec<Action>, Refusal> {
    let refuse = |problem: String| {
        Err(Refusal {
            secret: sight.secret.name.clone(),
            problem,
        })
    };
    if let Some(problem) = foreign(sight) {
        return refuse(problem);
    }
    let mut actions = Vec::new();
    if sight.secret.rotation_enabled {
        actions.push(Action::CancelRotation);
    }
    let Some(pending) = &sight.pending else {
        return Ok(actions);
    };
    if let Some(until) = pending.since.map(|since| after(since, LONGEST_RUN))
        && until > sight.taken
        && !now
    {
        return refuse(format!(
            "its function put version {} under AWSPENDING just now and may be running: wait until {}, when it must have \
             ended, or see that it has, and give --now",
            pending.id,
            until.format("%F %TZ")
        ));
    }
    match settle(sight, pending) {
        Ok(action) => actions.push(action),
        Err(problem) => return refuse(problem),
    }
    Ok(actions)
}

/// Why the secret, or its user, is not one to take over.
fn foreign(sight: &Sight) -> Option<String> {
    let secret = &sight.secret;
    if let Some(service) = &secret.owning_service {
        return Some(format!(
            "is managed by {service}, which rotates it; it cannot be taken over"
        ));
    }
    if secret.deleted.is_some() {
        return Some("is marked for deletion".to_owned());
    }
    if secret.replicated {
        return Some("has replicas, or is one: other regions would read a password that their users lack".to_owned());
    }
    let document = match &sight.current {
        None => return Some("has no current version".to_owned()),
        Some(Err(error)) => return Some(format!("its current version: {error}")),
        Some(Ok(document)) => document,
    };
    let arn = document.user_arn();
    if secret_arn_place(&secret.arn) != Some((arn.region(), arn.account())) {
        return Some(format!("names {arn}, which is of another account or region"));
    }
    let Some(UserSettings { user, .. }) = &sight.user else {
        return Some(format!("names user {}, which does not exist", arn.user_id()));
    };
    if user.authentication == Authentication::Iam {
        return Some(format!("its user {} logs in with IAM", user.id));
    }
    (user.name != document.username()).then(|| {
        format!(
            "its username is {:?}, and user {} is named {:?}",
            document.username(),
            user.id,
            user.name
        )
    })
}

/// What becomes of what the function left.
fn settle(sight: &Sight, pending: &Pending) -> Result<Action, String> {
    let give_up = |because: String| {
        Ok(Action::GiveUpPending {
            version: pending.id.clone(),
            because,
        })
    };
    let Some(document) = &pending.document else {
        return give_up("the function put no value into it".to_owned());
    };
    let fits = document.as_ref().is_ok_and(|document| belongs(document, sight));
    let active = sight
        .user
        .as_ref()
        .is_some_and(|user| user.user.status == UserStatus::Active);
    if !active {
        return Err("its user is being modified; run this again when it is active".to_owned());
    }
    if fits && pending.logins.everywhere() {
        let from = sight.secret.holder(AWSCURRENT).unwrap_or_default().to_owned();
        return Ok(Action::Promote {
            from,
            to: pending.id.clone(),
        });
    }
    if !sight.current_logins.everywhere() {
        return Err(undecided(sight, pending));
    }
    let accepted = pending.logins.accepted();
    if !accepted.is_empty() {
        return Err(format!(
            "the pending password logs in on {} and not everywhere, so it may still be on its way; run this again later",
            accepted.join(", ")
        ));
    }
    let silent = pending.logins.silent();
    match (fits, silent.is_empty()) {
        (true, false) => Err(format!("no answer to the pending password from {}", silent.join(", "))),
        (true, true) => give_up("every node refuses its password, and accepts the current one".to_owned()),
        (false, _) => {
            give_up("it does not belong to the secret's user, and the current password logs in everywhere".to_owned())
        }
    }
}

/// Whether a pending document is of the secret's own user, with a password.
fn belongs(document: &SecretDocument, sight: &Sight) -> bool {
    let same = |current: &SecretDocument| {
        current.user_arn() == document.user_arn() && current.username() == document.username()
    };
    document.password().is_some() && sight.document().is_some_and(same)
}

/// Neither password is proved.
fn undecided(sight: &Sight, pending: &Pending) -> String {
    if sight.current_logins.answers.is_empty() {
        return format!(
            "version {} carries AWSPENDING, and no login can show which password the user has: it is off, or no node can \
             be asked. Finish or cancel that rotation with its function first",
            pending.id
        );
    }
    format!(
        "neither password logs in everywhere, so nothing can be given up; the current one: {}; the pending one: {}",
        sight.current_logins.doubts(),
        pending.logins.doubts()
    )
}

/// The steps in words.
pub fn steps(actions: &[Action], secret: &str) -> Vec<Step> {
    let step = |action: &Action| {
        let (call, detail) = match action {
            Action::CancelRotation => ("CancelRotateSecret", "its function is called no more".to_owned()),
            Action::Promote { from, to } => (
                "UpdateSecretVersionStage",
                format!("{AWSCURRENT} from {from} to {to}, whose password every node accepts"),
            ),
            Action::GiveUpPending { version, because } => (
                "UpdateSecretVersionStage",
                format!("takes {AWSPENDING} from {version}: {because}"),
            ),
        };
        Step {
            calls: vec![call],
            on: secret.to_owned(),
            detail,
        }
    };
    actions.iter().map(step).collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
