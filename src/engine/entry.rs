//! One secret, as the running engine knows it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::aws::ListedSecret;
use crate::rotation::plan::{Dues, Facts};
use crate::rotation::reason::AttentionReason;
use crate::rotation::state::Record;
use crate::rotation::status::Phase;
use crate::rotation::step::Step;

use super::claimants::Claimants;
use super::holds::HeldBy;
use super::membership::Claim;
use super::memory::Memory;
use super::polls::Polled;

/// One secret, as the running engine knows it.
pub(super) struct Entry {
    /// Its ARN and name.
    pub(super) secret: Known,
    /// The name of its policy.
    pub(super) policy: String,
    /// The name of that policy's place.
    pub(super) place: String,
    /// The policies that have it, its own among them. If they are several, nothing new begins; if there
    /// is none, only the drive under way keeps it here. Private, because whoever keeps the entries keeps count of
    /// which policy has which.
    claims: Claimants,
    /// What the store holds of it. Shared, so that whoever decides by it copies nothing.
    pub(super) record: Arc<Record>,
    /// Held while the record is changed, so that a step and an operator do not lose each other's
    /// changes.
    pub(super) journal: Arc<tokio::sync::Mutex<()>>,
    /// What the last drive saw.
    pub(super) sight: Sight,
    /// What the drive under way has seen; shown when its outcome is, so that both fit together.
    pub(super) new_facts: Option<Box<Facts>>,
    /// Its turn among the secrets of its policy, as last seen.
    pub(super) dues: Dues,
    /// Whether others that it is kept apart from must wait for it to end.
    pub(super) changing: bool,
    /// Whether it is this process's to drive, and not another replica's.
    pub(super) mine: bool,
    /// The digest of what other replicas were last shown of it.
    pub(super) shown: Option<u64>,
    /// Whether a drive is under way.
    pub(super) driven: bool,
    /// Whether somebody woke it during the drive.
    pub(super) woken: bool,
    /// What later looks need not read again.
    pub(super) memory: Option<Box<Memory>>,
    /// The user whose change is waited for.
    pub(super) polled: Option<Box<Polled>>,
    /// The id of its user and the groups that it is in, as last seen.
    pub(super) user: Option<(String, BTreeSet<String>)>,
    /// Whether the drive under way ended because its user, or a group of it, is busy.
    pub(super) refused_as_busy: bool,
    /// How often it was looked at in vain since something last changed.
    pub(super) looks: u32,
    /// Whether others wait for its first look, to know which user it names. Nobody waits for one
    /// that failed when it was last looked at.
    pub(super) awaited: bool,
    /// Whether the last look said that it is gone or marked for deletion. Another one may have its name.
    pub(super) lost: bool,
}

/// What a secret is called. Whatever keeps its ARN as a key shares this one.
pub(super) struct Known {
    /// Its full ARN.
    pub(super) arn: Arc<str>,
    /// Its name.
    pub(super) name: String,
}

impl From<ListedSecret> for Known {
    fn from(secret: ListedSecret) -> Self {
        Self {
            arn: secret.arn.into(),
            name: secret.name,
        }
    }
}

/// What the last drive saw, for status.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sight {
    /// Whether there was a drive at all.
    pub(super) looked: bool,
    /// Dates and flags.
    pub(super) facts: Facts,
    /// Where the decision left it.
    pub(super) phase: Option<Phase>,
    /// At which step.
    pub(super) step: Option<Step>,
    /// Until when it rests.
    pub(super) resting_until: Option<crate::clock::Timestamp>,
    /// What holds it there, in words.
    pub(super) detail: Option<String>,
    /// What held a rotation back that was perhaps due.
    pub(super) held: Option<HeldBy>,
    /// What went wrong within rekeyd itself, and is in no record.
    pub(super) fault: Option<(AttentionReason, String)>,
}

impl Entry {
    pub(super) fn new(secret: ListedSecret, (policy, place): (String, String), record: Arc<Record>) -> Self {
        Self {
            secret: secret.into(),
            claims: Claimants::only(&policy, Claim::Seen),
            policy,
            place,
            record,
            journal: Arc::default(),
            sight: Sight::default(),
            new_facts: None,
            dues: Dues::default(),
            changing: false,
            mine: true,
            shown: None,
            driven: false,
            woken: false,
            memory: None,
            polled: None,
            user: None,
            refused_as_busy: false,
            looks: 0,
            awaited: true,
            lost: false,
        }
    }

    /// The secret as a listing shows it.
    pub(super) fn listed(&self) -> ListedSecret {
        ListedSecret {
            arn: self.secret.arn.to_string(),
            name: self.secret.name.clone(),
        }
    }

    /// The same of a secret that its policy had before the start, and that no look has found since.
    pub(super) fn only_remembered(secret: ListedSecret, of: (String, String), record: Arc<Record>) -> Self {
        let claims = Claimants::only(&of.0, Claim::Remembered);
        Self {
            claims,
            awaited: false,
            ..Self::new(secret, of, record)
        }
    }

    /// The policies that have it, and how.
    pub(super) fn claims(&self) -> &Claimants {
        &self.claims
    }

    /// Lets a policy have it. Gives the claim that this replaces.
    pub(super) fn add_claim(&mut self, policy: &str, claim: Claim) -> Option<Claim> {
        self.claims.insert(policy.to_owned(), claim)
    }

    /// Ends a policy's claim.
    pub(super) fn end_claim(&mut self, policy: &str) {
        self.claims.remove(policy);
    }

    /// Whether no policy has it any more.
    pub(super) fn is_leaving(&self) -> bool {
        self.claims.is_empty()
    }

    /// Whether no look has found it since the start: its policy had it before, and perhaps has it no more.
    pub(super) fn is_only_remembered(&self) -> bool {
        !self.is_leaving() && self.claims.values().all(|claim| *claim == Claim::Remembered)
    }

    /// The policies that select it beside its own.
    pub(super) fn other_policies(&self) -> Vec<String> {
        let others = self.claims.iter().filter(|(name, _)| **name != self.policy);
        let known = others.filter(|(_, claim)| **claim != Claim::Remembered);
        known.map(|(name, _)| name.clone()).collect()
    }

    /// Whether it counts towards `max_in_flight`. One that another replica works on counts there. One that waits for AWS to answer does not: a place that is down
    /// would keep the others from their room.
    pub(super) fn takes_room(&self) -> bool {
        let attention = self.record.attention.as_ref().map(|attention| attention.reason);
        let unanswered = matches!(
            attention,
            Some(AttentionReason::AwsUnavailable | AttentionReason::Throttled)
        );
        self.mine && self.in_flight() && !unanswered
    }

    /// Whether a rotation or a retirement is under way.
    pub(super) fn in_flight(&self) -> bool {
        self.record.in_flight()
    }
}
