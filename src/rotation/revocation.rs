//! The answer to a leak: every password that was valid when an operator asked for it is to die.

use serde::{Deserialize, Serialize};

use crate::clock::{Timestamp, between};
use crate::rotation::observation::Proof;
use crate::rotation::state::{Record, Retired};
use crate::rotation::version::generation_of;

/// A revocation: under way until nothing is left of what was valid when it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revocation {
    /// When an operator asked for it.
    pub asked_at: Timestamp,
    /// The passwords that went since, in order.
    #[serde(default)]
    pub dead: Vec<DeadPassword>,
    /// The first version that was made after it was asked for: it and what follows on it are not to die.
    #[serde(default)]
    pub safe: Option<String>,
    /// When nothing was left to do.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
}

/// A password that was taken from the user after a revocation was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeadPassword {
    /// The version that holds it.
    pub version: String,
    /// When it was proved dead, or could not be proved and had looked so for long enough.
    pub at: Timestamp,
    /// Whether every node refused it in a login.
    pub proof: Proof,
    /// How many nodes refused it.
    pub nodes: usize,
}

impl Revocation {
    /// One that was asked for now.
    fn new(asked_at: Timestamp) -> Self {
        Self {
            asked_at,
            dead: Vec::new(),
            safe: None,
            ended_at: None,
        }
    }

    /// The revocation, if it was asked for by `latest`; without what is dated later.
    pub(super) fn believed(mut self, latest: Timestamp) -> Option<Self> {
        self.dead.retain(|dead| dead.at <= latest);
        [Some(self.asked_at), self.ended_at]
            .into_iter()
            .flatten()
            .all(|date| date <= latest)
            .then_some(self)
    }

    /// When something happened that it tells of.
    pub(super) fn dates(&self) -> impl Iterator<Item = Option<Timestamp>> {
        let dead = self.dead.iter().map(|dead| Some(dead.at));
        [Some(self.asked_at), self.ended_at].into_iter().chain(dead)
    }

    /// Whether something is left to do.
    pub fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }

    /// The time from the command to a password's death, in seconds.
    pub fn seconds_to(&self, dead: &DeadPassword) -> f64 {
        between(self.asked_at, dead.at).as_secs_f64()
    }

    /// The time from the command to the death of the last password, in seconds; 0 if none was left
    /// to die.
    pub fn seconds(&self) -> f64 {
        self.dead.iter().map(|dead| self.seconds_to(dead)).fold(0.0, f64::max)
    }
}

impl Record {
    /// Whether passwords are being revoked.
    pub fn revoking(&self) -> bool {
        self.revocation.as_deref().is_some_and(Revocation::is_open)
    }

    /// Whether the password of a version that was replaced is being revoked.
    pub fn revokes(&self, previous: &str) -> bool {
        let open = self.revocation.as_ref().filter(|revocation| revocation.is_open());
        let follows = |safe: &str| safe == previous || generation_of(&self.secret_arn, safe, previous).is_some();
        open.is_some_and(|revocation| !revocation.safe.as_deref().is_some_and(follows))
    }

    /// A version was promoted; `made_after` tells whether it was made after a date.
    pub(super) fn note_safe(&mut self, version: &str, made_after: impl Fn(Timestamp) -> bool) {
        if let Some(revocation) = self.revocation.as_mut().filter(|revocation| revocation.is_open())
            && revocation.safe.is_none()
            && made_after(revocation.asked_at)
        {
            revocation.safe = Some(version.to_owned());
        }
    }

    /// A revocation was asked for. The time of an earlier one that is still open is in the history.
    pub(super) fn begin_revocation(&mut self, at: Timestamp) {
        self.revocation = Some(Box::new(Revocation::new(at)));
    }

    /// A password is gone.
    pub(super) fn note_death(&mut self, retired: &Retired) {
        let Some(revocation) = self.revocation.as_mut().filter(|revocation| revocation.is_open()) else {
            return;
        };
        revocation.dead.retain(|dead| dead.version != retired.previous);
        revocation.dead.push(DeadPassword {
            version: retired.previous.clone(),
            at: retired.at,
            proof: retired.proof,
            nodes: retired.nodes,
        });
    }

    /// Nothing is left to do.
    pub(super) fn end_revocation(&mut self, at: Timestamp) -> Option<()> {
        self.revocation.as_mut()?.ended_at = Some(at);
        Some(())
    }
}
