//! The decision: from what was observed and remembered, what to do next. No I/O, and an answer
//! for every input.
//!
//! A decision may be to look closer: the observation then grows and `plan` is asked again. So the
//! order in which things are looked at is decided here, too, and nothing is read in vain.
//!
//! `secret` checks the secret and its documents, `user` the user, `evidence` weighs logins;
//! `rotating` drives a pending password to AWSCURRENT, `retiring` removes the previous one,
//! `resting` finds what is due, `beginning` begins it, `checking` looks after the current password,
//! `revoking` ends a revocation, `rollback` moves AWSCURRENT back, `drift` weighs what all of these found
//! wrong with the current password, `missed` counts windows that closed without a start, `dues` where the secret
//! stands among the others of its policy, `facts` is what status shows. `decision` has what can be decided, `claims`
//! which secret names which user, `contested` what becomes of a secret that several policies have.

mod beginning;
mod checking;
mod claims;
mod contested;
mod decision;
mod drift;
mod dues;
mod evidence;
mod facts;
mod missed;
mod resting;
mod retiring;
mod revoking;
mod rollback;
mod rotating;
mod second;
mod secret;
mod user;

use std::time::Duration;

use crate::clock::{Timestamp, between};
use crate::planted::{PlantedBug, planted};
use crate::policy::Policy;
use crate::rotation::event::Event;
use crate::rotation::observation::{Observation, VersionValue};
use crate::rotation::reason::{HaltReason, WaitReason};
use crate::rotation::rollback::MovedBack;
use crate::rotation::state::Record;
use crate::rotation::status::Phase;
use crate::rotation::step::Step;

pub use claims::Claims;
pub use decision::{Action, Decision, Look};
pub use dues::{Dues, dues, proof_of_wave};
pub use facts::{Facts, facts};
pub use user::still_changing;

#[cfg(test)]
mod drift_tests;
#[cfg(test)]
mod tests;

/// Why no rotation may begin just now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hold<'a> {
    /// In words.
    pub why: &'a str,
    /// When to ask again, in case that its end wakes nobody.
    pub until: Timestamp,
    /// Whether everything is examined first that a rotation examines before it changes anything. So
    /// a halt stands, or ends, on its own grounds.
    pub after_examination: bool,
}

/// What a decision rests on, beside the observation and the record.
pub struct Context<'a> {
    /// The secret's policy.
    pub policy: &'a Policy,
    /// The region of the policy's place.
    pub region: &'a str,
    /// The wall time.
    pub now: Timestamp,
    /// Which secrets name which user.
    pub claims: &'a Claims,
    /// The policies that have the secret, too. While there is one, nothing new begins.
    pub other_policies: Vec<String>,
    /// Whether several replicas share the store, so that the fence holds for requests too.
    pub shared_store: bool,
    /// What this secret was last known to wait for, in words.
    pub waited_for: &'a str,
    /// Whether the daemon or the policy is paused.
    pub paused: bool,
    /// Why no rotation may be begun just now, if so; one under way goes on.
    pub hold: Option<Hold<'a>>,
    /// How often a password is checked by a login when nothing else is to do.
    pub drift_check: Option<Duration>,
    /// When the first check after the start may be made: see [`crate::rotation::drift`].
    pub checks_from: Timestamp,
    /// How soon a secret that stands still is looked at again.
    pub recheck: Duration,
}

/// Something to go on with, or the decision that ends the deliberation.
type Deliberation<T> = Result<T, Decision>;

/// Decides what to do next about one secret.
pub fn plan(observation: &Observation, record: &Record, context: &Context<'_>) -> Decision {
    match record.open_rollback() {
        // An operator's order about this secret: a pause does not hold it.
        Some(rollback) => rollback::decide(observation, record, context, rollback),
        None => decide(observation, record, context).unwrap_or_else(|decision| decision),
    }
}

fn decide(observation: &Observation, record: &Record, context: &Context<'_>) -> Deliberation<Decision> {
    // Before the pause, because even a paused secret's document must be read: it claims its user.
    let subject = secret::examine(observation, context)?;
    missed::note(&subject, record, context)?;
    paused(record, context)?;
    let decision = proceed(&subject, record, context).unwrap_or_else(|decision| decision);
    let decision = drift::judge(&subject, record, context, decision).unwrap_or_else(|decision| decision);
    Ok(contested::judge(&subject, record, context, decision))
}

fn proceed(subject: &secret::Subject<'_>, record: &Record, context: &Context<'_>) -> Deliberation<Decision> {
    await_rollback_in_sight(subject, record, context)?;
    rolled_back(subject, record)?;
    settle_record(subject, record, context)?;
    match pending(subject)? {
        Some((version, generation)) => rotating::decide(subject, record, context, version, generation),
        None => resting::decide(subject, record, context),
    }
}

fn paused(record: &Record, context: &Context<'_>) -> Deliberation<()> {
    let recheck = crate::clock::after(context.now, context.recheck);
    if context.paused {
        return Err(Decision::Rest {
            until: recheck,
            phase: Phase::Paused,
            detail: None,
        });
    }
    let Some(pause) = &record.pause else { return Ok(()) };
    if pause.until.is_some_and(|until| until <= context.now) {
        return Err(Decision::Note(Event::Resumed));
    }
    let end = pause.until.map(|until| format!("until {}", until.format("%F %TZ")));
    let told: Vec<String> = end.into_iter().chain(pause.reason.clone()).collect();
    Err(Decision::Rest {
        until: pause.until.unwrap_or(recheck).min(recheck),
        phase: Phase::Paused,
        detail: (!told.is_empty()).then(|| told.join(": ")),
    })
}

/// Labels are read later than they are written: we moved AWSCURRENT away from there a moment ago.
fn await_rollback_in_sight(subject: &secret::Subject<'_>, record: &Record, context: &Context<'_>) -> Deliberation<()> {
    let moved = record.moved_back.as_deref();
    let just_left =
        |moved: &&MovedBack| moved.version == subject.current && between(moved.at, context.now) < context.policy.settle;
    if moved.filter(just_left).is_none() {
        return Ok(());
    }
    Err(Decision::Wait {
        reason: WaitReason::StatusUnsettled,
        detail: format!("version {} still carries AWSCURRENT", subject.current),
        step: Step::Rollback,
    })
}

/// Our version under AWSPREVIOUS, made from the one under AWSCURRENT: a person rolled back.
fn rolled_back(subject: &secret::Subject<'_>, record: &Record) -> Deliberation<()> {
    let Some(previous) = subject
        .previous
        .filter(|previous| subject.generation_of(previous).is_some())
    else {
        return Ok(());
    };
    let through_us = |moved: &MovedBack| moved.version == previous;
    let who = match record.moved_back.as_deref().is_some_and(through_us) {
        true => "rolled back by an operator through rekeyd: ",
        false => "",
    };
    acknowledgeable(
        record,
        HaltReason::RolledBack,
        format!(
            "{who}AWSCURRENT is back on version {}, AWSPREVIOUS on {previous}",
            subject.current
        ),
        previous.to_owned(),
    )
}

/// A halt, unless an operator has acknowledged just this one.
fn acknowledgeable(record: &Record, reason: HaltReason, detail: String, subject: String) -> Deliberation<()> {
    if record.acknowledged.get(&reason) == Some(&subject) {
        return Ok(());
    }
    Err(Decision::Halt {
        reason,
        detail,
        subject,
    })
}

/// Brings a record of a rotation in line with where AWSCURRENT and AWSPENDING are now.
fn settle_record(subject: &secret::Subject<'_>, record: &Record, context: &Context<'_>) -> Deliberation<()> {
    if let Some(retirement) = &record.retirement {
        let known = subject.observation.secret.versions.contains_key(&retirement.previous);
        let of_itself = retirement.previous == subject.current;
        if retirement.version != subject.current || !known || of_itself {
            return Err(Decision::Note(Event::RetirementDropped));
        }
    }
    let Some(rotation) = &record.rotation else {
        return Ok(());
    };
    // Only a current version gets children, so this one was promoted if the current one descends from it.
    let followed = subject.current != rotation.parent && subject.descends_from(&rotation.version);
    if subject.current == rotation.version || followed {
        // A finish that AWS would have refused as too old was not ours: somebody else promoted.
        let ours = rotation
            .finishing
            .filter(|finishing| between(finishing.at, context.now) < context.policy.fence);
        let (proof, nodes) = ours.map_or((None, 0), |finishing| (Some(finishing.proof), finishing.nodes));
        return Err(Decision::Note(Event::Promoted {
            version: rotation.version.clone(),
            previous: rotation.parent.clone(),
            proof,
            nodes,
        }));
    }
    let abandoned = Decision::Note(Event::Abandoned {
        version: rotation.version.clone(),
    });
    if subject.current != rotation.parent {
        if subject.pending == Some(rotation.version.as_str()) && subject.previous != subject.pending {
            return Err(give_up(&rotation.version));
        }
        return Err(abandoned);
    }
    // Listings lag: a version that we saw written is there, whether they show it or not.
    let written = rotation.created || subject.observation.secret.versions.contains_key(&rotation.version);
    if written && subject.pending != Some(rotation.version.as_str()) {
        // Labels are read later than they are written: one that is missing may still appear.
        let young = between(rotation.started_at, context.now) < context.policy.settle;
        if young && rotation.abandoning.is_none() {
            return Err(Decision::Wait {
                reason: WaitReason::StatusUnsettled,
                detail: format!("version {} does not carry AWSPENDING yet", rotation.version),
                step: Step::CreateSecret,
            });
        }
        return Err(abandoned);
    }
    Ok(())
}

/// The version and generation of a rotation under way.
fn pending<'a>(subject: &secret::Subject<'a>) -> Deliberation<Option<(&'a str, u32)>> {
    let Some(pending) = subject.pending.filter(|pending| *pending != subject.current) else {
        return Ok(None);
    };
    // It was current before, so the label is a leftover of its promotion: a person rolled back and
    // acknowledged that, or put a version of their own on top.
    if subject.previous == Some(pending) && !planted(PlantedBug::RederiveRolledBackVersion) {
        return Ok(None);
    }
    if let Some(generation) = subject.generation_of(pending) {
        return Ok(Some((pending, generation)));
    }
    if subject.is_overtaken(pending) {
        return Err(give_up(pending));
    }
    // Nothing could be done about a foreign AWSPENDING but to steal it, so no resume passes it.
    Err(Decision::Halt {
        reason: HaltReason::ForeignPending,
        detail: format!(
            "AWSPENDING is on version {pending}, which was not made from {}",
            subject.current
        ),
        subject: pending.to_owned(),
    })
}

/// Gives up a pending version of ours that another current version than its parent has overtaken. It can
/// never be promoted, and its password leaves the user once the fence is over.
fn give_up(version: &str) -> Decision {
    Decision::Act(Action::Abandon {
        version: version.to_owned(),
    })
}

/// The password document of a version, or the look or halt that comes first.
fn value<'a>(observation: &'a Observation, version: &str) -> Deliberation<&'a VersionValue> {
    observation
        .values
        .get(version)
        .ok_or_else(|| Decision::Look(Look::Value(version.to_owned())))
}
