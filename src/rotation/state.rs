//! The record of one secret: what rekeyd remembers beside what AWS shows. It may be lost; then
//! history, pauses and timings are lost, and nothing else (promise P8).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{CLOCKS_DIFFER, Timestamp, after};
use crate::policy::Endpoint;
use crate::rotation::drift::{Drift, Repair};
use crate::rotation::event::{Pause, Request};
use crate::rotation::observation::Proof;
use crate::rotation::reason::{AttentionReason, HaltReason, WaitReason};
use crate::rotation::revocation::Revocation;
use crate::rotation::rollback::{MovedBack, Rollback};
use crate::rotation::step::Step;
use crate::rotation::version::generation_of;

/// By how much a clock may be set back before what was stored under the old time is not believed.
const CLOCK_SET_BACK: Duration = Duration::from_secs(3_600);

/// A rotation that has begun and has not promoted yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rotation {
    /// The version that it will promote.
    pub version: String,
    /// The version that it replaces.
    pub parent: String,
    /// Which try this is.
    pub generation: u32,
    /// When it began, or was found.
    pub started_at: Timestamp,
    /// When it began for the first time, if it did so more than once: its version was not seen, and made again.
    #[serde(default)]
    pub first_started_at: Option<Timestamp>,
    /// Whether it was found under way, so that nobody knows when it began.
    #[serde(default)]
    pub found: bool,
    /// Whether this record saw the new version written, and so knows all that followed.
    pub created: bool,
    /// Whether setting the new password was ever tried.
    pub set_started: bool,
    /// When ElastiCache accepted the new password, if this process or one before it saw that.
    pub set_at: Option<Timestamp>,
    /// Since when the change has looked settled.
    pub settled_since: Option<Timestamp>,
    /// What proves it and on how many nodes, once AWSCURRENT is about to move.
    pub finishing: Option<Finishing>,
    /// Why it is being given up.
    pub abandoning: Option<String>,
}

impl Rotation {
    /// Whether an operator asked for something before its version can have been made. Only this store's own
    /// rotations tell that by their dates.
    pub(super) fn began_after(&self, asked_at: Timestamp) -> bool {
        !self.found && asked_at <= self.first_started_at.unwrap_or(self.started_at)
    }
}

/// A promotion that is about to be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finishing {
    /// What proves the password.
    pub proof: Proof,
    /// How many nodes accepted it.
    pub nodes: usize,
    /// When.
    pub at: Timestamp,
}

/// The last promotion that was seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Promotion {
    /// The version that was promoted.
    pub version: String,
    /// The version that it replaced.
    pub previous: String,
    /// When.
    pub at: Timestamp,
    /// When its rotation began, if that was seen.
    pub started_at: Option<Timestamp>,
    /// Whether the operator asked to retire the previous password without an overlap.
    pub revoke_previous: bool,
    /// When we asked for it, if we did: it is no older than that, whenever it was seen.
    #[serde(default)]
    pub sent_at: Option<Timestamp>,
}

/// A retirement that has begun and is not proved yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retirement {
    /// The version that stays.
    pub version: String,
    /// The version whose password goes.
    pub previous: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When ElastiCache accepted the removal.
    pub removed_at: Option<Timestamp>,
    /// Since when the change has looked settled.
    pub settled_since: Option<Timestamp>,
    /// The nodes that refuse the previous password. They are not asked again: customers alarm on
    /// failed logins.
    pub refused_by: BTreeSet<Endpoint>,
}

/// A retirement that is over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retired {
    /// The version that was under AWSCURRENT.
    pub version: String,
    /// All versions whose password went while that one was current.
    #[serde(default)]
    pub all: BTreeSet<String>,
    /// The version whose password went.
    pub previous: String,
    /// When.
    pub at: Timestamp,
    /// Whether logins proved it.
    pub proof: Proof,
    /// How many nodes refused it.
    #[serde(default)]
    pub nodes: usize,
}

/// What was last proved of the password under AWSCURRENT.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Check {
    /// The version.
    pub version: String,
    /// What was proved.
    pub proof: Proof,
    /// How many nodes accepted it.
    pub nodes: usize,
    /// When.
    pub at: Timestamp,
}

/// A halt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Halt {
    /// Why.
    pub reason: HaltReason,
    /// On what, in words.
    pub detail: String,
    /// What a resume would acknowledge.
    pub subject: String,
    /// Since when.
    pub since: Timestamp,
}

/// A report that a person should look.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attention {
    /// Why.
    pub reason: AttentionReason,
    /// On what, in words.
    pub detail: String,
    /// Since when.
    pub since: Timestamp,
}

/// What a rotation is waiting for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// What for.
    pub reason: WaitReason,
    /// On what, in words.
    pub detail: String,
    /// Since when.
    pub since: Timestamp,
}

/// Windows that closed since the last rotation without a start.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MissedWindows {
    /// The version that was under AWSCURRENT all the while.
    pub version: String,
    /// When the last of them opened: it and those before it have been counted.
    pub opening: Timestamp,
    /// How many.
    pub count: u32,
}

/// Failed calls in a row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// How many.
    pub attempts: u32,
    /// During which step the last one was.
    pub step: Step,
    /// What failed, on what.
    pub message: String,
    /// When the next attempt is made.
    pub next_attempt_at: Timestamp,
}

/// What rekeyd remembers of one secret.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The secret's ARN.
    pub secret_arn: String,
    /// Which write of a store that several replicas share made it what it is; 0 of a new one, and in other stores. The
    /// next write of it is refused if another one came in between.
    #[serde(skip)]
    pub revision: u64,
    /// When this store first heard of the secret.
    pub first_seen: Timestamp,
    /// The policy that last had it: what that one began, it finishes.
    #[serde(default)]
    pub policy: Option<String>,
    /// The rotation in progress.
    pub rotation: Option<Box<Rotation>>,
    /// The last promotion.
    pub promotion: Option<Box<Promotion>>,
    /// The retirement in progress.
    pub retirement: Option<Box<Retirement>>,
    /// The last retirement that ended.
    pub retired: Option<Box<Retired>>,
    /// What was last proved of the current password.
    pub check: Option<Check>,
    /// Versions that were given up before their password was ever set.
    #[serde(default)]
    pub never_set: BTreeSet<String>,
    /// When the last change of the user settled, or a pending password was abandoned. The fence
    /// runs from here.
    pub settled_at: Option<Timestamp>,
    /// When a change of the user was begun whose outcome is not known yet.
    pub open_write: Option<Timestamp>,
    /// When the last change was begun whose outcome never became known: it may still arrive.
    pub doubtful_write: Option<Timestamp>,
    /// The last rotation that an operator asked for.
    pub request: Option<Box<Request>>,
    /// The last revocation that an operator asked for.
    #[serde(default)]
    pub revocation: Option<Box<Revocation>>,
    /// The last rollback that an operator asked for.
    #[serde(default)]
    pub rollback: Option<Box<Rollback>>,
    /// The last one that was made, whatever was asked for since.
    #[serde(default)]
    pub moved_back: Option<Box<MovedBack>>,
    /// The windows that it missed since the last rotation.
    #[serde(default)]
    pub missed: Option<Box<MissedWindows>>,
    /// What it waits for.
    pub waiting: Option<Box<Waiting>>,
    /// Failed calls in a row.
    pub failure: Option<Box<Failure>>,
    /// Why a person should look.
    pub attention: Option<Box<Attention>>,
    /// Why nothing is changed.
    pub halt: Option<Box<Halt>>,
    /// The halts that an operator said may be passed over, each for its subject.
    #[serde(default)]
    pub acknowledged: BTreeMap<HaltReason, String>,
    /// The operator's pause.
    pub pause: Option<Box<Pause>>,
    /// Why the current password does not work any more, if so.
    #[serde(default)]
    pub drift: Option<Box<Drift>>,
    /// The repair in progress.
    #[serde(default)]
    pub repair: Option<Box<Repair>>,
    /// When drift was repaired, within the day before the last repair.
    #[serde(default)]
    pub repairs: Vec<Timestamp>,
}

impl Record {
    /// The record of a secret that nothing is known of.
    pub fn new(secret_arn: String, first_seen: Timestamp) -> Self {
        Self {
            secret_arn,
            revision: 0,
            first_seen,
            policy: None,
            rotation: None,
            promotion: None,
            retirement: None,
            retired: None,
            check: None,
            never_set: BTreeSet::new(),
            settled_at: None,
            open_write: None,
            doubtful_write: None,
            request: None,
            revocation: None,
            rollback: None,
            moved_back: None,
            missed: None,
            waiting: None,
            failure: None,
            attention: None,
            halt: None,
            acknowledged: BTreeMap::new(),
            pause: None,
            drift: None,
            repair: None,
            repairs: Vec::new(),
        }
    }

    /// The record of a secret that this policy has.
    pub fn under(mut self, policy: &str) -> Self {
        if self.policy.as_deref() != Some(policy) {
            self.policy = Some(policy.to_owned());
        }
        self
    }

    /// The record, if all that it says has happened by `now`. Otherwise the clock was set back by more than an
    /// hour, or the record is damaged, and its dates could hold the secret back for years: then one that knows
    /// no more than what operators asked for.
    pub fn believed(self, now: Timestamp) -> Self {
        let latest = after(now, CLOCK_SET_BACK);
        if self.dates().all(|date| date <= latest) {
            return self;
        }
        Self {
            request: self.request.filter(|request| request.at <= latest),
            revocation: self
                .revocation
                .and_then(|revocation| revocation.believed(latest))
                .map(Box::new),
            pause: self.pause,
            policy: self.policy,
            revision: self.revision,
            ..Self::new(self.secret_arn, now)
        }
    }

    /// When something happened that it tells of.
    fn dates(&self) -> impl Iterator<Item = Timestamp> {
        let rotation = self.rotation.iter().flat_map(|rotation| {
            let finishing = rotation.finishing.map(|finishing| finishing.at);
            [
                Some(rotation.started_at),
                rotation.first_started_at,
                rotation.set_at,
                rotation.settled_since,
                finishing,
            ]
        });
        let promotion = self.promotion.iter();
        let promotion = promotion.flat_map(|promotion| [Some(promotion.at), promotion.started_at, promotion.sent_at]);
        let retirement = self.retirement.iter().flat_map(|retirement| {
            [
                Some(retirement.started_at),
                retirement.removed_at,
                retirement.settled_since,
            ]
        });
        let others = [
            Some(self.first_seen),
            self.settled_at,
            self.open_write,
            self.doubtful_write,
            self.retired.as_ref().map(|retired| retired.at),
            self.check.as_ref().map(|check| check.at),
            self.request.as_ref().map(|request| request.at),
            self.waiting.as_ref().map(|waiting| waiting.since),
            self.attention.as_ref().map(|attention| attention.since),
            self.halt.as_ref().map(|halt| halt.since),
            self.moved_back.as_ref().map(|moved| moved.at),
            self.missed.as_ref().map(|missed| missed.opening),
        ];
        let asked_for = self.revocation.as_deref().into_iter().flat_map(Revocation::dates);
        let asked_for = asked_for.chain(self.rollback.as_deref().into_iter().flat_map(Rollback::dates));
        let drift = self.drift.iter().map(|drift| Some(drift.since));
        let drift = drift.chain(self.repairs.iter().copied().map(Some));
        let repair = self.repair.iter();
        let drift = drift.chain(repair.flat_map(|repair| [Some(repair.started_at), repair.set_at]));
        let rotations = rotation.chain(promotion).chain(retirement);
        rotations.chain(others).chain(asked_for).chain(drift).flatten()
    }

    /// Whether a rotation or a retirement is under way.
    pub fn in_flight(&self) -> bool {
        self.rotation.is_some() || self.retirement.is_some()
    }

    /// The windows that were missed while this version was under AWSCURRENT.
    pub fn missed_over(&self, current: &str) -> Option<&MissedWindows> {
        self.missed.as_deref().filter(|missed| missed.version == current)
    }

    /// The last request, if the version under AWSCURRENT has not served it. What revokes is served by a
    /// rotation alone: whatever else became current since, a person's edit of the document for one, may hold
    /// the password that leaked.
    pub fn standing_request(&self, current: &str, created: Option<Timestamp>) -> Option<&Request> {
        let promoted = |request: &Request| {
            let promotion = self.promotion.as_ref();
            promotion.is_some_and(|promotion| promotion.version == current && request.at <= promotion.at)
        };
        let derived = |request: &Request| {
            let over = request.over.as_ref();
            over.is_some_and(|over| generation_of(&self.secret_arn, over, current).is_some())
        };
        let revokes = |request: &Request| request.revoke_previous && self.revoking();
        // Asked before any version was seen, it is about the one that was made just before, whatever the clocks say.
        let latest = |request: &Request| match request.over {
            Some(_) => request.at,
            None => after(request.at, CLOCKS_DIFFER),
        };
        self.request.as_deref().filter(|request| {
            request.over.as_deref() == Some(current)
                || (revokes(request) && !promoted(request) && !derived(request))
                || created.is_none_or(|created| latest(request) > created)
        })
    }
}
