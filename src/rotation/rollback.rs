//! A rollback that an operator asked for: AWSCURRENT goes back to the previous version.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::rotation::event::Event;
use crate::rotation::observation::Proof;
use crate::rotation::reason::{HaltReason, RollbackRefusal};
use crate::rotation::state::{Check, Halt, Record};

/// What an operator asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RollbackRequest {
    /// When.
    pub at: Timestamp,
    /// Until when it may begin: nothing is rolled back hours later, by surprise.
    pub until: Timestamp,
    /// The version that AWSCURRENT is to leave.
    pub version: String,
    /// Whether writes that may still be on their way are not waited for.
    pub now: bool,
    /// Who asked, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A rollback, and what came of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rollback {
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Until when it may begin.
    pub until: Timestamp,
    /// The version that AWSCURRENT is to leave.
    pub version: String,
    /// Whether writes that may still be on their way are not waited for.
    pub now: bool,
    /// The move of AWSCURRENT, once it was about to be asked for.
    pub started: Option<RollbackStart>,
    /// What came of it; `None` while it is under way.
    pub outcome: Option<RollbackOutcome>,
}

/// A move of AWSCURRENT that is about to be asked for, or was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RollbackStart {
    /// When it was first.
    pub at: Timestamp,
    /// The version that it goes back to.
    pub previous: String,
    /// What proves that version's password.
    pub proof: Proof,
    /// How many nodes accepted it.
    pub nodes: usize,
}

/// The last move of AWSCURRENT back to a previous version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MovedBack {
    /// The version that AWSCURRENT left.
    pub version: String,
    /// When that was seen.
    pub at: Timestamp,
}

/// How a rollback ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum RollbackOutcome {
    /// AWSCURRENT is back on the previous version.
    RolledBack {
        /// When that was seen.
        at: Timestamp,
    },
    /// It would not have been safe, or made no sense.
    Refused {
        /// When.
        at: Timestamp,
        /// Why.
        reason: RollbackRefusal,
        /// What was seen, and what to do.
        detail: String,
    },
    /// Its time was over before it could begin.
    Expired {
        /// When that was noticed.
        at: Timestamp,
    },
}

impl Rollback {
    /// Whether it is under way.
    pub fn is_open(&self) -> bool {
        self.outcome.is_none()
    }

    /// When something happened that it tells of.
    pub(super) fn dates(&self) -> impl Iterator<Item = Option<Timestamp>> {
        let outcome = self.outcome.as_ref().map(|outcome| match outcome {
            RollbackOutcome::RolledBack { at }
            | RollbackOutcome::Refused { at, .. }
            | RollbackOutcome::Expired { at } => *at,
        });
        let started = self.started.as_ref().map(|started| started.at);
        [Some(self.asked_at), started, outcome].into_iter()
    }

    /// Whether it moved AWSCURRENT.
    pub fn is_done(&self) -> bool {
        matches!(self.outcome, Some(RollbackOutcome::RolledBack { .. }))
    }
}

impl Record {
    /// The rollback under way.
    pub fn open_rollback(&self) -> Option<&Rollback> {
        self.rollback.as_deref().filter(|rollback| rollback.is_open())
    }

    /// The last write that was sent and never answered: it may still arrive.
    pub fn unanswered_write(&self) -> Option<Timestamp> {
        self.open_write.max(self.doubtful_write)
    }

    /// When a move back was last sent of which nobody knows whether it will still arrive.
    pub fn doubtful_rollback(&self) -> Option<Timestamp> {
        let rollback = self.rollback.as_ref().filter(|rollback| !rollback.is_done())?;
        let started = rollback.started.as_ref()?;
        self.unanswered_write().filter(|write| *write >= started.at)
    }

    pub(super) fn apply_rollback(mut self, at: Timestamp, event: &Event) -> Option<Self> {
        match event {
            Event::RollbackRequested(request) => self.request_rollback(request),
            Event::RollbackStarted {
                version,
                previous,
                proof,
                nodes,
            } => {
                let rollback = self.rollback.as_mut().filter(|rollback| rollback.version == *version)?;
                let first = rollback.started.as_ref().map_or(at, |started| started.at);
                rollback.started = Some(RollbackStart {
                    at: first,
                    previous: previous.clone(),
                    proof: *proof,
                    nodes: *nodes,
                });
                self.start_write(at);
            }
            Event::RolledBack { version, .. } => {
                let rollback = self.rollback.as_mut().filter(|rollback| rollback.version == *version)?;
                rollback.outcome = Some(RollbackOutcome::RolledBack { at });
                let started = rollback.started.clone()?;
                self.moved_back = Some(Box::new(MovedBack {
                    version: version.clone(),
                    at,
                }));
                self.current_is_back(at, started);
            }
            Event::RollbackRefused { reason, detail } => {
                self.rollback.as_mut()?.outcome = Some(RollbackOutcome::Refused {
                    at,
                    reason: *reason,
                    detail: detail.clone(),
                });
            }
            Event::RollbackExpired => self.rollback.as_mut()?.outcome = Some(RollbackOutcome::Expired { at }),
            _ => return None,
        }
        self.waiting = None;
        Some(self)
    }

    /// Asked for twice, it is still one rollback: a move of it that was sent and never answered is
    /// not somebody else's.
    fn request_rollback(&mut self, request: &RollbackRequest) {
        let before = self
            .rollback
            .take()
            .filter(|rollback| rollback.version == request.version && !rollback.is_done());
        self.rollback = Some(Box::new(Rollback {
            asked_at: request.at,
            until: request.until,
            version: request.version.clone(),
            now: request.now,
            started: before.and_then(|rollback| rollback.started),
            outcome: None,
        }));
    }

    /// The halt, but for one after a rollback that an operator has passed over: the next look ends that.
    pub fn standing_halt(&self) -> Option<&Halt> {
        let rolled_back = HaltReason::RolledBack;
        let passed =
            |halt: &Halt| halt.reason == rolled_back && self.acknowledged.get(&rolled_back) == Some(&halt.subject);
        self.halt.as_deref().filter(|halt| !passed(halt))
    }

    fn current_is_back(&mut self, at: Timestamp, started: RollbackStart) {
        self.check = Some(Check {
            version: started.previous,
            proof: started.proof,
            nodes: started.nodes,
            at,
        });
        // What was promoted is current no longer, and its overlap over.
        self.promotion = None;
        self.open_write = None;
        self.settled_at = Some(at);
        self.acknowledged.remove(&HaltReason::RolledBack);
    }
}
