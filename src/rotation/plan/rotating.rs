//! A rotation under way: from a password under AWSPENDING to the same under AWSCURRENT.

use std::collections::BTreeSet;

use crate::clock::{Timestamp, between};
use crate::planted::{PlantedBug, planted};
use crate::policy::FirstPassword;
use crate::rotation::event::Event;
use crate::rotation::observation::{Credential, Proof, User, UserStatus};
use crate::rotation::reason::{HaltReason, UnprovenReason, WaitReason};
use crate::rotation::state::{Record, Rotation};
use crate::rotation::step::Step;

use super::evidence::{self, Round, Tally};
use super::secret::Subject;
use super::{Action, Context, Decision, Deliberation, user, value};

/// A pending version that fits the current one, and its user.
struct Pending<'a> {
    subject: &'a Subject<'a>,
    context: &'a Context<'a>,
    rotation: &'a Rotation,
    version: &'a str,
    user: &'a User,
}

/// Decides about the pending version `version`, made by us at `generation`.
pub(super) fn decide(
    subject: &Subject<'_>,
    record: &Record,
    context: &Context<'_>,
    version: &str,
    generation: u32,
) -> Deliberation<Decision> {
    let promotion = record.promotion.as_ref();
    let just_promoted = promotion.filter(|promotion| promotion.version == version);
    if just_promoted.is_some_and(|promotion| between(promotion.at, context.now) < context.policy.settle) {
        // Labels are read later than they are written: we moved AWSCURRENT there a moment ago.
        return Err(Decision::Wait {
            reason: WaitReason::StatusUnsettled,
            detail: format!("version {version} does not carry AWSCURRENT yet"),
            step: Step::FinishSecret,
        });
    }
    let Some(rotation) = record.rotation.as_ref().filter(|rotation| rotation.version == version) else {
        return Ok(Decision::Note(Event::RotationFound {
            version: version.to_owned(),
            parent: subject.current.to_owned(),
            generation,
        }));
    };
    check_document(subject, version)?;
    let user = user::examine(subject, context)?;
    let pending = Pending {
        subject,
        context,
        rotation,
        version,
        user,
    };
    if rotation.abandoning.is_some() {
        // The label goes first: a promotion that is still on its way finds its password on the
        // user until the fence is over. Then that password is retired like any other.
        return Ok(Decision::Act(Action::Abandon {
            version: version.to_owned(),
        }));
    }
    let created = subject
        .version(version)
        .and_then(|version| version.created)
        .unwrap_or(rotation.started_at);
    if between(created, context.now) > context.policy.pending_max_age {
        let cause = "older than pending_max_age".to_owned();
        return Ok(Decision::Note(Event::AbandonStarted {
            version: version.to_owned(),
            cause,
        }));
    }
    if user.status != UserStatus::Active && rotation.settled_since.is_some() {
        return Ok(Decision::Note(Event::SettlingBroken { step: Step::TestSecret }));
    }
    user::await_active(user, Step::SetSecret)?;
    pending.drive()
}

fn check_document(subject: &Subject<'_>, version: &str) -> Deliberation<()> {
    let halt = |reason, detail| {
        Err(Decision::Halt {
            reason,
            detail,
            subject: version.to_owned(),
        })
    };
    let document = match value(subject.observation, version)? {
        Ok(document) => document,
        Err(error) => return halt(HaltReason::PendingUnreadable, format!("version {version}: {error}")),
    };
    if document.user_arn() != subject.document.user_arn() || document.username() != subject.document.username() {
        let detail = format!(
            "version {version} names {}, the current one {}",
            document.user_arn(),
            subject.document.user_arn()
        );
        return halt(HaltReason::PendingUserChanged, detail);
    }
    if document.password().is_none() {
        return halt(
            HaltReason::PendingUnreadable,
            format!("version {version} has no password"),
        );
    }
    Ok(())
}

impl Pending<'_> {
    fn current_has_password(&self) -> bool {
        self.subject.document.password().is_some()
    }

    /// How many passwords the user has once the pending one is set.
    fn count_when_set(&self) -> u32 {
        1 + u32::from(self.current_has_password())
    }

    fn halt(&self, reason: HaltReason, detail: String) -> Decision {
        Decision::Halt {
            reason,
            detail,
            subject: self.version.to_owned(),
        }
    }

    fn set(&self) -> Decision {
        Decision::Act(Action::SetSecret {
            user_id: self.user.id.clone(),
            version: self.version.to_owned(),
            current: self.current_has_password().then(|| self.subject.current.to_owned()),
        })
    }

    /// Whether the user's only password may be replaced although nobody recorded it.
    fn may_replace_unrecorded(&self) -> bool {
        let given_up_before = !self.user.on && self.subject.spent_generations() > 1;
        !self.current_has_password() && (self.context.policy.first_password == FirstPassword::Any || given_up_before)
    }

    /// A password is on the user that this record knows rekeyd did not set.
    fn not_ours(&self) -> Decision {
        let detail = format!("user {} got a password that rekeyd did not set", self.user.id);
        let reason = match self.current_has_password() {
            true => HaltReason::UnknownPassword,
            false => HaltReason::FirstPasswordLiveUser,
        };
        self.halt(reason, detail)
    }

    fn never_set(&self) -> bool {
        self.rotation.created && !self.rotation.set_started
    }

    fn drive(&self) -> Deliberation<Decision> {
        let count = user::password_count(self.user);
        let wanted = self.count_when_set();
        if count > wanted {
            if self.may_replace_unrecorded() {
                self.await_visible_change(self.rotation.set_at)?;
                return Ok(self.set());
            }
            let detail = format!("user {} has {count} passwords", self.user.id);
            return Err(self.halt(HaltReason::UnknownPassword, detail));
        }
        if count + 1 < wanted {
            let detail = format!("user {} takes no password any more", self.user.id);
            return Err(self.halt(HaltReason::UserPasswordless, detail));
        }
        let unprovable = user::unprovable(self.subject.observation, self.user, self.context)?;
        if count < wanted {
            self.not_set_yet(unprovable)
        } else {
            self.test(unprovable)
        }
    }

    /// The password count says that the pending password is not on the user.
    fn not_set_yet(&self, unprovable: Option<UnprovenReason>) -> Deliberation<Decision> {
        self.await_visible_change(self.rotation.set_at)?;
        if self.rotation.settled_since.is_some() {
            return Ok(Decision::Note(Event::SettlingBroken { step: Step::TestSecret }));
        }
        if self.current_has_password() {
            if unprovable.is_none() {
                self.round(&[self.current()], Step::SetSecret)?
                    .current_accepted(self.subject.current)?;
            }
        } else if self.user.on && self.context.policy.first_password == FirstPassword::InactiveOnly {
            let detail = format!(
                "user {} was switched on before its first password was set",
                self.user.id
            );
            return Err(self.halt(HaltReason::FirstPasswordLiveUser, detail));
        }
        Ok(self.set())
    }

    /// After a change was accepted, ElastiCache may go on showing the old state for a while.
    fn await_visible_change(&self, accepted_at: Option<Timestamp>) -> Deliberation<()> {
        match accepted_at {
            Some(at) if between(at, self.context.now) < self.context.policy.settle => Err(Decision::Wait {
                reason: WaitReason::StatusUnsettled,
                detail: format!("user {} does not show the change yet", self.user.id),
                step: Step::SetSecret,
            }),
            _ => Ok(()),
        }
    }

    /// The password count says that the pending password is on the user: prove it.
    fn test(&self, unprovable: Option<UnprovenReason>) -> Deliberation<Decision> {
        if self.never_set() && self.may_replace_unrecorded() {
            return Ok(self.set());
        }
        if let Some(reason) = unprovable {
            return self.settle(reason);
        }
        if planted(PlantedBug::PromoteBeforeProof) {
            return self.finish(Proof::Proven, 0);
        }
        let pending = Credential::Version(self.version.to_owned());
        let other = if self.current_has_password() {
            self.current()
        } else {
            Credential::Random
        };
        let round = self.round(&[pending.clone(), other], Step::TestSecret)?;
        if round.available() == 0 {
            return Err(round.wait(
                WaitReason::NodeUnavailable,
                "none of the user's nodes is available".to_owned(),
            ));
        }
        if self.current_has_password() {
            round.current_accepted(self.subject.current)?;
        } else {
            self.random_refused(&round)?;
        }
        let tally = round.tally(&pending);
        if !tally.refused.is_empty() {
            return self.pending_refused(&round, &tally);
        }
        round.all_reachable(&tally)?;
        self.finish(round.proof(), tally.accepted.len())
    }

    fn current(&self) -> Credential {
        Credential::Version(self.subject.current.to_owned())
    }

    fn round(&self, credentials: &[Credential], step: Step) -> Deliberation<Round<'_>> {
        let credentials = credentials
            .iter()
            .map(|credential| (credential.clone(), BTreeSet::new()))
            .collect();
        evidence::round(
            self.subject.observation,
            self.subject.document.username(),
            credentials,
            step,
        )
    }

    /// Where the user was passwordless, a password proves nothing while a made-up one passes, too.
    fn random_refused(&self, round: &Round<'_>) -> Deliberation<()> {
        let tally = round.tally(&Credential::Random);
        if !tally.accepted.is_empty() && !planted(PlantedBug::NopassAsProof) {
            return Err(round.wait(WaitReason::AcceptsAnyPassword, evidence::list(&tally.accepted)));
        }
        round.all_reachable(&tally)
    }

    fn pending_refused(&self, round: &Round<'_>, tally: &Tally) -> Deliberation<Decision> {
        if tally.accepted.is_empty() && self.never_set() {
            return Err(self.not_ours());
        }
        if tally.accepted.is_empty() && self.rotation.set_at.is_none() && self.may_replace_unrecorded() {
            // The user had a password before, so their number does not tell whether ours was set.
            return Ok(self.set());
        }
        let since = self.rotation.set_at.unwrap_or(self.rotation.started_at);
        if tally.accepted.is_empty() && between(since, self.context.now) >= self.context.policy.propagation_timeout {
            // The user has as many passwords as after our change, and no node knows ours: somebody
            // else made the last change. Making ours again would drop a password that is not ours.
            let detail = format!(
                "user {} has a password that is not the pending one, which every node refuses",
                self.user.id
            );
            return Err(self.halt(HaltReason::UnknownPassword, detail));
        }
        Err(round.wait(
            WaitReason::NodeLagging,
            format!("refused by {}", evidence::list(&tally.refused)),
        ))
    }

    /// No login can prove the change: it must look settled for a while, after we saw it accepted.
    fn settle(&self, reason: UnprovenReason) -> Deliberation<Decision> {
        let live = !self.current_has_password() && self.user.on && !self.may_replace_unrecorded();
        if self.never_set() || (live && !self.rotation.set_started) {
            return Err(self.not_ours());
        }
        let Some(set_at) = self.rotation.set_at else {
            // Made by another process, or never answered. Made twice, it is the same.
            return Ok(self.set());
        };
        let Some(since) = self.rotation.settled_since else {
            return Ok(Decision::Note(Event::SettlingStarted { step: Step::TestSecret }));
        };
        let long_enough = between(since.max(set_at), self.context.now) >= self.context.policy.settle;
        if long_enough || planted(PlantedBug::StaleActiveForSettled) {
            return self.finish(Proof::Unproven(reason), 0);
        }
        Err(Decision::Wait {
            reason: WaitReason::Settling,
            detail: format!("unproven: {}", reason.meaning()),
            step: Step::TestSecret,
        })
    }

    fn finish(&self, proof: Proof, nodes: usize) -> Deliberation<Decision> {
        Ok(Decision::Act(Action::FinishSecret {
            version: self.version.to_owned(),
            parent: self.subject.current.to_owned(),
            proof,
            nodes,
        }))
    }
}
