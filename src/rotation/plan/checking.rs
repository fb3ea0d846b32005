//! Whether the current password still logs in, when nothing else is to do.

use std::collections::BTreeSet;

use crate::clock::{Timestamp, after};
use crate::rotation::drift::heartbeat_of;
use crate::rotation::event::Event;
use crate::rotation::observation::{Credential, Proof, User};
use crate::rotation::reason::{HaltReason, UnprovenReason, WaitReason};
use crate::rotation::step::Step;

use super::resting::Resting;
use super::{Decision, Deliberation, evidence, user, value};

impl Resting<'_> {
    /// When the current password is next checked by a login.
    pub(super) fn next_check(&self) -> Timestamp {
        let never = Timestamp::MAX_UTC;
        let Some(check) = self
            .record
            .check
            .as_ref()
            .filter(|check| check.version == self.subject.current)
        else {
            return self.first_check();
        };
        let heartbeat = self
            .context
            .drift_check
            .map_or(never, |interval| {
                after(check.at, heartbeat_of(self.subject.arn, interval))
            })
            .max(self.context.checks_from);
        let next = match check.proof {
            // What made it unprovable may pass at any time.
            Proof::Unproven(reason) if reason != UnprovenReason::ApiOnly => {
                heartbeat.min(after(check.at, self.context.policy.retry.max))
            }
            _ => heartbeat,
        };
        let late = self.last_arrival().filter(|late| check.at < *late);
        late.map_or(next, |late| next.min(late))
    }

    /// By when a write that was never answered arrives, if ever. It may bring a dead password back.
    fn last_arrival(&self) -> Option<Timestamp> {
        let write = self.record.unanswered_write()?;
        Some(after(write, self.context.policy.fence))
    }

    /// One that was never checked, or has drifted, is checked as soon as may be.
    fn first_check(&self) -> Timestamp {
        match self.record.drift {
            Some(_) => self.context.now,
            None => self.context.now.max(self.context.checks_from),
        }
    }

    /// Proves the current password, if that is due.
    pub(super) fn check(&self) -> Deliberation<()> {
        if self.next_check() > self.context.now {
            return Ok(());
        }
        let user = user::examine(self.subject, self.context)?;
        user::await_active(user, Step::Observe)?;
        let revived = self.subject.previous.is_some_and(|previous| self.retired(previous));
        if revived && user::password_count(user) > 1 {
            return Err(self.second_password(user)?);
        }
        let (proof, nodes) = self.prove_current(user, Step::Observe)?;
        let version = self.subject.current.to_owned();
        Err(Decision::Note(Event::Checked { version, proof, nodes }))
    }

    /// What logins say of the current password; halts when it is refused anywhere.
    pub(super) fn prove_current(&self, user: &User, step: Step) -> Deliberation<(Proof, usize)> {
        let count = user::password_count(user);
        if count == 0 {
            return Err(self.halt(
                HaltReason::UserPasswordless,
                format!("user {} takes no password", user.id),
            ));
        }
        if let Some(reason) = user::unprovable(self.subject.observation, user, self.context)? {
            return Ok((Proof::Unproven(reason), 0));
        }
        let current = Credential::Version(self.subject.current.to_owned());
        let mut credentials = vec![(current, BTreeSet::new())];
        let was_passwordless = self.was_passwordless()?;
        if was_passwordless {
            credentials.push((Credential::Random, BTreeSet::new()));
        }
        let round = evidence::round(
            self.subject.observation,
            self.subject.document.username(),
            credentials,
            step,
        )?;
        let tally = round.current_accepted(self.subject.current)?;
        if was_passwordless {
            let random = round.tally(&Credential::Random);
            if !random.accepted.is_empty() {
                return Err(round.wait(WaitReason::AcceptsAnyPassword, evidence::list(&random.accepted)));
            }
            round.all_reachable(&random)?;
        }
        Ok((round.proof(), tally.accepted.len()))
    }

    /// Whether the user took no password before this one, and that this one works was never proved
    /// against it.
    fn was_passwordless(&self) -> Deliberation<bool> {
        let proved =
            self.record.check.as_ref().is_some_and(|check| {
                check.version == self.subject.current && !matches!(check.proof, Proof::Unproven(_))
            });
        match self
            .subject
            .previous
            .filter(|_| !proved && self.subject.previous_is_ours())
        {
            Some(previous) => Ok(value(self.subject.observation, previous)?
                .as_ref()
                .is_ok_and(|document| document.password().is_none())),
            None => Ok(false),
        }
    }
}
