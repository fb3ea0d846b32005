//! Checks of the secret itself, before its user is even looked at.

use crate::clock::{Timestamp, between};
use crate::planted::{PlantedBug, planted};
use crate::policy::partition_of;
use crate::rotation::observation::{AWSCURRENT, AWSPENDING, AWSPREVIOUS, Observation, Version};
use crate::rotation::reason::{HaltReason, WaitReason};
use crate::rotation::step::Step;
use crate::rotation::version::{Children, GENERATIONS, generation_of};
use crate::secret::{DocumentError, SecretDocument, secret_arn_place};

use super::{Context, Decision, Deliberation, value};

/// A secret that passed its checks: one that this policy may work on.
pub(super) struct Subject<'a> {
    pub(super) observation: &'a Observation,
    pub(super) arn: &'a str,
    /// The version under AWSCURRENT, and its document.
    pub(super) current: &'a str,
    pub(super) document: &'a SecretDocument,
    /// The version under AWSPENDING.
    pub(super) pending: Option<&'a str>,
    /// The version under AWSPREVIOUS.
    pub(super) previous: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// The generation at which a version was made from the current one.
    pub(super) fn generation_of(&self, version: &str) -> Option<u32> {
        generation_of(self.arn, self.current, version)
    }

    /// When the current version was created.
    pub(super) fn created(&self) -> Option<Timestamp> {
        self.version(self.current).and_then(|version| version.created)
    }

    pub(super) fn version(&self, id: &str) -> Option<&'a Version> {
        self.observation.secret.versions.get(id)
    }

    /// The first generation whose version id is unused, and that id.
    pub(super) fn next_version(&self) -> Option<(u32, String)> {
        let children = Children::of(self.arn, self.current);
        let unused = |version: &Version| version.stages.is_empty() && planted(PlantedBug::ReuseTokenAfterAbandoning);
        (0..GENERATIONS)
            .map(|generation| (generation, children.id(generation)))
            .find(|(_, id)| self.version(id).is_none_or(unused))
    }

    /// How many versions were made from the current one, and given up or rolled back.
    pub(super) fn spent_generations(&self) -> u32 {
        u32::try_from(self.children().len()).unwrap_or(GENERATIONS)
    }

    /// The versions that were made from the current one and given up, the last one first: they have
    /// no label any more.
    pub(super) fn given_up(&self) -> Vec<String> {
        let children = self.children().into_iter().rev();
        let unlabelled = |id: &&str| self.version(id).is_some_and(|version| version.stages.is_empty());
        children
            .map(|(_, id)| id)
            .filter(unlabelled)
            .map(str::to_owned)
            .collect()
    }

    /// Whether rekeyd made a version from one that is not current any more: somebody has put another
    /// current version in its way.
    pub(super) fn is_overtaken(&self, version: &str) -> bool {
        let others = self.observation.secret.versions.keys();
        let mut parents = others.filter(|id| *id != self.current && *id != version);
        parents.any(|parent| generation_of(self.arn, parent, version).is_some())
    }

    /// The versions that were made from the previous one, and given up because a person replaced that.
    pub(super) fn overtaken(&self) -> Vec<String> {
        let Some(previous) = self.previous.filter(|_| !self.previous_is_ours()) else {
            return Vec::new();
        };
        let versions = self.observation.secret.versions.iter();
        let unlabelled = versions.filter(|(_, version)| version.stages.is_empty());
        let made = Children::of(self.arn, previous).among(unlabelled.map(|(id, _)| id.as_str()));
        made.into_iter().rev().map(|(_, id)| id.to_owned()).collect()
    }

    /// The versions that were made from the current one, each with its generation.
    fn children(&self) -> Vec<(u32, &'a str)> {
        let others = self.observation.secret.versions.keys().map(String::as_str);
        Children::of(self.arn, self.current).among(others.filter(|id| *id != self.current))
    }

    /// When rotations away from the current version began.
    pub(super) fn begun_at(&self) -> Vec<Timestamp> {
        let children = self.children().into_iter();
        children.filter_map(|(_, id)| self.version(id)?.created).collect()
    }

    /// Whether rekeyd made the current version from this one, or from one that it made from this one, and so on.
    pub(super) fn descends_from(&self, version: &str) -> bool {
        let mut left: Vec<&str> = self.observation.secret.versions.keys().map(String::as_str).collect();
        let mut line = vec![version];
        while let Some(parent) = line.pop() {
            let children: Vec<&str> = Children::of(self.arn, parent)
                .among(left.iter().copied())
                .into_iter()
                .map(|(_, child)| child)
                .collect();
            if children.contains(&self.current) {
                return true;
            }
            left.retain(|id| !children.contains(id));
            line.extend(children);
        }
        false
    }

    /// Whether rekeyd made the current version from the previous one, so that the password that
    /// it replaced is ours to retire.
    pub(super) fn previous_is_ours(&self) -> bool {
        self.previous
            .is_some_and(|previous| generation_of(self.arn, previous, self.current).is_some())
    }

    /// Whether any version shows that rekeyd may have been at work here: one that it made, or a
    /// previous one, whose password it may have been retiring. Where none does, no write of ours
    /// can be on its way.
    pub(super) fn touched(&self) -> bool {
        let made_by_us = |parent: &String| generation_of(self.arn, parent, self.current).is_some();
        self.previous.is_some()
            || self.spent_generations() > 0
            || self.observation.secret.versions.keys().any(made_by_us)
    }
}

/// The secret's checks, in the order in which they become answerable.
pub(super) fn examine<'a>(observation: &'a Observation, context: &Context<'_>) -> Deliberation<Subject<'a>> {
    let secret = &observation.secret;
    refuse_deleted(observation)?;
    let current = secret
        .holder(AWSCURRENT)
        .ok_or_else(|| without_current(observation, context))?;
    let document = value(observation, current)?
        .as_ref()
        .map_err(|error| unreadable(*error, current))?;
    let subject = Subject {
        observation,
        arn: &secret.arn,
        current,
        document,
        pending: secret.holder(AWSPENDING),
        previous: secret.holder(AWSPREVIOUS),
    };
    // After the value was read: whatever becomes of this secret, it claims its user.
    refuse_foreign_hands(observation)?;
    refuse_foreign_users(&subject, context)?;
    Ok(subject)
}

fn halt(reason: HaltReason, detail: String, subject: &str) -> Decision {
    Decision::Halt {
        reason,
        detail,
        subject: subject.to_owned(),
    }
}

/// Versions and labels are read later than they are written: on a secret that was changed just now, a
/// label that is missing may still appear.
fn without_current(observation: &Observation, context: &Context<'_>) -> Decision {
    let secret = &observation.secret;
    let detail = format!("{} has no current version", secret.name);
    let changed = secret.last_changed.map(|changed| between(changed, context.now));
    if changed.is_some_and(|ago| ago < context.policy.settle) {
        return Decision::Wait {
            reason: WaitReason::StatusUnsettled,
            detail,
            step: Step::Observe,
        };
    }
    halt(HaltReason::NoCurrentVersion, detail, "")
}

fn refuse_deleted(observation: &Observation) -> Deliberation<()> {
    let secret = &observation.secret;
    if let Some(deleted) = secret.deleted {
        return Err(halt(
            HaltReason::SecretDeleted,
            format!("marked for deletion on {}", deleted.format("%F")),
            "",
        ));
    }
    Ok(())
}

fn refuse_foreign_hands(observation: &Observation) -> Deliberation<()> {
    let secret = &observation.secret;
    if let Some(service) = &secret.owning_service {
        return Err(halt(
            HaltReason::OwnedByService,
            format!("managed by {service}"),
            service,
        ));
    }
    if secret.rotation_enabled {
        let detail = format!("rotation of {} is enabled in Secrets Manager", secret.name);
        return Err(halt(HaltReason::RotationEnabled, detail, ""));
    }
    if secret.replicated {
        return Err(halt(
            HaltReason::SecretReplicated,
            format!("{} has replicas, or is one", secret.name),
            "",
        ));
    }
    Ok(())
}

fn refuse_foreign_users(subject: &Subject<'_>, context: &Context<'_>) -> Deliberation<()> {
    let user = subject.document.user_arn();
    let user_text = user.to_string();
    let (region, account) = secret_arn_place(subject.arn).unwrap_or_default();
    let partition = partition_of(context.region);
    if user.partition() != partition {
        let detail = format!("{user} is not in {partition}, as {} is", context.region);
        return Err(halt(HaltReason::UserArnOtherPartition, detail, &user_text));
    }
    if user.region() != context.region || region != context.region {
        let detail = format!("{user} is not in {}", context.region);
        return Err(halt(HaltReason::UserArnOtherRegion, detail, &user_text));
    }
    if user.account() != account {
        let detail = format!("{user} is not in account {account}, as the secret is");
        return Err(halt(HaltReason::UserArnOtherAccount, detail, &user_text));
    }
    if !context.policy.allows_user(user.user_id()) {
        let detail = format!("policy {} does not allow user {}", context.policy.name, user.user_id());
        return Err(halt(HaltReason::UserNotAllowed, detail, user.user_id()));
    }
    if let Some(rival) = context.claims.rival(subject.arn, &user_text) {
        let detail = format!("{rival} names user {}, too", user.user_id());
        return Err(halt(HaltReason::UserClaimedTwice, detail, rival));
    }
    Ok(())
}

/// A halt for a current version that cannot be worked with.
fn unreadable(error: DocumentError, version: &str) -> Decision {
    let reason = match error {
        DocumentError::Binary => HaltReason::SecretBinary,
        DocumentError::NotJson | DocumentError::DuplicateKey => HaltReason::SecretNotJson,
        DocumentError::UserArnMissing => HaltReason::UserArnMissing,
        DocumentError::UserArnInvalid => HaltReason::UserArnInvalid,
        DocumentError::UsernameMissing => HaltReason::UsernameMissing,
        DocumentError::PasswordInvalid => HaltReason::PasswordInvalid,
    };
    halt(reason, format!("version {version}: {error}"), version)
}
