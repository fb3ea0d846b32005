//! Retirement: the previous password is taken from the user, and proved dead.

use std::collections::BTreeSet;

use crate::clock::between;
use crate::policy::Endpoint;
use crate::rotation::event::Event;
use crate::rotation::observation::{Credential, Proof, User};
use crate::rotation::reason::{HaltReason, UnprovenReason, WaitReason};
use crate::rotation::state::{Record, Retirement};
use crate::rotation::step::Step;

use super::evidence::{self, Round};
use super::secret::Subject;
use super::{Action, Context, Decision, Deliberation, user, value};

/// A retirement that is due or under way.
struct Retiring<'a> {
    subject: &'a Subject<'a>,
    context: &'a Context<'a>,
    previous: &'a str,
    user: &'a User,
    retirement: Option<&'a Retirement>,
}

/// Decides about retiring the password of version `previous`.
pub(super) fn decide(
    subject: &Subject<'_>,
    record: &Record,
    context: &Context<'_>,
    previous: &str,
) -> Deliberation<Decision> {
    value(subject.observation, previous)?;
    let user = user::examine(subject, context)?;
    let retirement = record
        .retirement
        .as_deref()
        .filter(|retirement| retirement.version == subject.current && retirement.previous == previous);
    if !matches!(user.status, crate::rotation::observation::UserStatus::Active)
        && retirement.is_some_and(|retirement| retirement.settled_since.is_some())
    {
        return Ok(Decision::Note(Event::SettlingBroken { step: Step::Retire }));
    }
    user::await_active(user, Step::Retire)?;
    let retiring = Retiring {
        subject,
        context,
        previous,
        user,
        retirement,
    };
    let unprovable = user::unprovable(subject.observation, user, context)?;
    match user::password_count(user) {
        0 => Err(retiring.halt(
            HaltReason::UserPasswordless,
            format!("user {} takes no password", user.id),
        )),
        1 => retiring.prove_dead(unprovable),
        2 => retiring.remove(unprovable),
        count => Err(retiring.halt(
            HaltReason::UnknownPassword,
            format!("user {} has {count} passwords", user.id),
        )),
    }
}

impl Retiring<'_> {
    fn halt(&self, reason: HaltReason, detail: String) -> Decision {
        Decision::Halt {
            reason,
            detail,
            subject: self.subject.current.to_owned(),
        }
    }

    /// One login with each password on every node, those excepted that are known to refuse the
    /// previous one.
    fn round(&self, known_to_refuse: BTreeSet<Endpoint>) -> Deliberation<Round<'_>> {
        evidence::round(
            self.subject.observation,
            self.subject.document.username(),
            vec![(self.current(), BTreeSet::new()), (self.previous(), known_to_refuse)],
            Step::Retire,
        )
    }

    /// Whether rekeyd made either version of the pair, so that the second password is a matter of
    /// its own.
    fn ours(&self) -> bool {
        self.subject.generation_of(self.previous).is_some()
            || (self.subject.previous == Some(self.previous) && self.subject.previous_is_ours())
    }

    fn current(&self) -> Credential {
        Credential::Version(self.subject.current.to_owned())
    }

    fn previous(&self) -> Credential {
        Credential::Version(self.previous.to_owned())
    }

    /// Every node must be there and accept the current password: losing the previous one must not
    /// lock anybody out.
    fn current_proved(&self, round: &Round<'_>) -> Deliberation<()> {
        round.current_accepted(self.subject.current)?;
        round.all_available()
    }

    /// The user still has two passwords.
    fn remove(&self, unprovable: Option<UnprovenReason>) -> Deliberation<Decision> {
        let removed_at = self.retirement.and_then(|retirement| retirement.removed_at);
        if removed_at.is_some_and(|at| between(at, self.context.now) < self.context.policy.settle) {
            return Err(Decision::Wait {
                reason: WaitReason::StatusUnsettled,
                detail: format!("user {} does not show the change yet", self.user.id),
                step: Step::Retire,
            });
        }
        if self
            .retirement
            .is_some_and(|retirement| retirement.settled_since.is_some())
        {
            return Ok(Decision::Note(Event::SettlingBroken { step: Step::Retire }));
        }
        match unprovable {
            None => {
                let round = self.round(BTreeSet::new())?;
                self.current_proved(&round)?;
                self.second_is_previous(&round)?;
            }
            // No login can tell whose the second password is. After a rotation of ours it is the
            // previous one; after anybody else's it may be a person's.
            Some(reason) if !self.ours() => {
                let detail = format!(
                    "user {} has two passwords, and logins prove nothing: {}",
                    self.user.id,
                    reason.meaning()
                );
                return Err(self.halt(HaltReason::UnknownPassword, detail));
            }
            Some(_) => self.every_node_available()?,
        }
        Ok(Decision::Act(Action::Retire {
            user_id: self.user.id.clone(),
            version: self.subject.current.to_owned(),
            previous: self.previous.to_owned(),
            unproven: unprovable.is_some(),
        }))
    }

    /// Where logins prove nothing, at least no node may be away that could come back with an old
    /// state.
    fn every_node_available(&self) -> Deliberation<()> {
        let nodes = &user::topology(self.subject.observation)?.nodes;
        match nodes.iter().find(|node| !node.available) {
            None => Ok(()),
            Some(node) => Err(Decision::Wait {
                reason: WaitReason::NodeUnavailable,
                detail: node.endpoint.to_string(),
                step: Step::Retire,
            }),
        }
    }

    /// The password that goes must be the previous one, and not one that a person has added.
    fn second_is_previous(&self, round: &Round<'_>) -> Deliberation<()> {
        let tally = round.tally(&self.previous());
        if !tally.accepted.is_empty() {
            return Ok(());
        }
        round.all_reachable(&tally)?;
        let detail = format!(
            "user {} has a second password, which is not that of version {}",
            self.user.id, self.previous
        );
        Err(self.halt(HaltReason::UnknownPassword, detail))
    }

    /// The user has one password left: which it is, and that the other is dead, only logins show.
    fn prove_dead(&self, unprovable: Option<UnprovenReason>) -> Deliberation<Decision> {
        let Some(retirement) = self.retirement else {
            return Ok(Decision::Note(Event::RetirementStarted {
                version: self.subject.current.to_owned(),
                previous: self.previous.to_owned(),
            }));
        };
        if let Some(reason) = unprovable {
            return self.settle(retirement, reason);
        }
        let round = self.round(retirement.refused_by.clone())?;
        self.current_proved(&round)?;
        let tally = round.tally(&self.previous());
        let refuse_only = tally.refused.difference(&tally.accepted);
        let dead: BTreeSet<Endpoint> = refuse_only
            .filter(|node| !retirement.refused_by.contains(node))
            .cloned()
            .collect();
        if tally.accepted.is_empty() && tally.unreachable.is_empty() {
            let nodes = user::topology(self.subject.observation)?.nodes.len();
            return Ok(self.retired(round.proof(), nodes));
        }
        if !dead.is_empty() {
            return Ok(Decision::Note(Event::NodesRefusePrevious { nodes: dead }));
        }
        round.all_reachable(&tally)?;
        Err(round.wait(
            WaitReason::PreviousStillAccepted,
            format!("accepted by {}", evidence::list(&tally.accepted)),
        ))
    }

    fn settle(&self, retirement: &Retirement, reason: UnprovenReason) -> Deliberation<Decision> {
        self.every_node_available()?;
        let Some(since) = retirement.settled_since else {
            return Ok(Decision::Note(Event::SettlingStarted { step: Step::Retire }));
        };
        if between(since, self.context.now) >= self.context.policy.settle {
            return Ok(self.retired(Proof::Unproven(reason), 0));
        }
        Err(Decision::Wait {
            reason: WaitReason::Settling,
            detail: format!("unproven: {}", reason.meaning()),
            step: Step::Retire,
        })
    }

    fn retired(&self, proof: Proof, nodes: usize) -> Decision {
        Decision::Note(Event::Retired {
            version: self.subject.current.to_owned(),
            previous: self.previous.to_owned(),
            proof,
            nodes,
        })
    }
}
