//! A second password on the user where none is to be expected.
//!
//! If a version of ours holds it, it is removed like any previous one: a write that arrived late
//! brought it back, or a pending one was given up while the user had it. If none does, a person
//! has added it, and it stays.

use std::collections::BTreeSet;

use crate::clock::after;
use crate::rotation::observation::{Credential, User};
use crate::rotation::reason::HaltReason;
use crate::rotation::step::Step;

use super::resting::Resting;
use super::{Decision, Deliberation, evidence, retiring, user};

impl Resting<'_> {
    /// Removes the second password, or halts because it is nobody's.
    pub(super) fn second_password(&self, user: &User) -> Deliberation<Decision> {
        let version = match user::unprovable(self.subject.observation, user, self.context)? {
            None => self.version_that_logs_in()?,
            Some(_) => self.version_to_suspect()?,
        };
        let Some(version) = version else {
            let detail = format!(
                "user {} has a second password that is neither AWSPREVIOUS's nor one made for this AWSCURRENT and given up",
                user.id
            );
            return Err(self.halt(HaltReason::UnknownPassword, detail));
        };
        self.await_fence_of(&version)?;
        if self.subject.previous == Some(version.as_str()) {
            self.await_fence_of_rollback()?;
        }
        self.await_end_of_blackout_to_retire()?;
        retiring::decide(self.subject, self.record, self.context, &version)
    }

    /// Whoever saw a child of the current version pending, or of one that a person has replaced since,
    /// may have sent its promotion, which must
    /// find its password on the user for as long as AWS would accept it.
    pub(super) fn await_fence_of(&self, version: &str) -> Deliberation<()> {
        let child = self.subject.generation_of(version).is_some()
            || self.subject.overtaken().iter().any(|other| other == version);
        match self.fence().filter(|until| child && *until > self.context.now) {
            None => Ok(()),
            Some(until) => Err(self.fenced(
                until,
                "a pending password was given up; it is taken from the user after the fence",
            )),
        }
    }

    /// A move of AWSCURRENT back to the previous version that was sent and never answered must find
    /// that version's password on the user for as long as AWS would accept it, `--now` or not. If the
    /// store is new or was lost, one may have been sent that nobody knows of. A retirement at the end of
    /// the overlap need not wait for that: so close to the end none is sent.
    pub(super) fn await_fence_of_rollback(&self) -> Deliberation<()> {
        let at_once = self.request.is_some_and(|request| request.now);
        let perhaps = self.unknown_write().filter(|_| self.record.revoking() && !at_once);
        for (sent, why) in [
            (
                self.record.doubtful_rollback(),
                "a rollback was sent and never answered; the previous password stays until it cannot arrive any more",
            ),
            (
                perhaps,
                "the store is new, and a rollback that was sent before may still arrive; the previous password stays \
                 until it cannot any more; `rotate --now --revoke-previous` does not wait",
            ),
        ] {
            let until = sent.map(|sent| after(sent, self.context.policy.fence));
            if let Some(until) = until.filter(|until| *until > self.context.now) {
                return Err(self.fenced(until, why));
            }
        }
        Ok(())
    }

    /// The versions whose password it may be: those given up, and the previous one.
    fn candidates(&self) -> Deliberation<Vec<String>> {
        let mut candidates = Vec::new();
        let previous = self.subject.previous.map(str::to_owned);
        for version in self.subject.given_up().into_iter().chain(previous) {
            if self.differs_from_current(&version)? {
                candidates.push(version);
            }
        }
        Ok(candidates)
    }

    fn version_that_logs_in(&self) -> Deliberation<Option<String>> {
        let mut candidates = Vec::new();
        for version in self.subject.overtaken() {
            if self.differs_from_current(&version)? {
                candidates.push(version);
            }
        }
        candidates.extend(self.candidates()?);
        if candidates.is_empty() {
            return Ok(None);
        }
        let credential = |version: &String| Credential::Version(version.clone());
        // The current one too, which the retirement asks about next.
        let current = Credential::Version(self.subject.current.to_owned());
        let credentials = candidates.iter().map(credential).chain([current]);
        let round = evidence::round(
            self.subject.observation,
            self.subject.document.username(),
            credentials.map(|credential| (credential, BTreeSet::new())).collect(),
            Step::Observe,
        )?;
        for version in &candidates {
            if !round.tally(&credential(version)).accepted.is_empty() {
                return Ok(Some(version.clone()));
            }
        }
        for version in &candidates {
            round.all_reachable(&round.tally(&credential(version)))?;
        }
        round.all_available()?;
        Ok(None)
    }

    /// Where no login can tell: one that was on the user, and that a write of ours may have brought
    /// back.
    fn version_to_suspect(&self) -> Deliberation<Option<String>> {
        let retired_at = self.record.retired.as_ref().map(|retired| retired.at);
        let long_gone = retired_at.is_some_and(|at| after(at, self.context.policy.fence) <= self.context.now);
        let cleared =
            |version: &String| self.record.never_set.contains(version) || (long_gone && self.retired(version));
        let mut suspects: Vec<String> = self
            .candidates()?
            .into_iter()
            .filter(|version| !cleared(version))
            .collect();
        // What was retired already is the last to be suspected.
        suspects.sort_by_key(|version| self.retired(version));
        Ok(suspects.into_iter().next())
    }
}
