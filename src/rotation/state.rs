//! The record of one secret: what rekeyd remembers beside what AWS shows. It may be lost; then
//! history, pauses and timings are lost, and nothing else (promise P8).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::policy::Endpoint;
use crate::rotation::event::{Event, Pause, Request};
use crate::rotation::observation::Proof;
use crate::rotation::reason::{AttentionReason, HaltReason, WaitReason};
use crate::rotation::step::Step;

/// A rotation that has begun and has not promoted yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rotation {
    /// The version that it will promote.
    pub version: String,
    /// The version that it replaces.
    pub parent: String,
    /// Which try this is.
    pub generation: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// Whether this record saw the new version written, and so knows all that followed.
    pub created: bool,
    /// Whether setting the new password was ever tried.
    pub set_started: bool,
    /// When ElastiCache accepted the new password, if this process or one before it saw that.
    pub set_at: Option<Timestamp>,
    /// Since when the change has looked settled.
    pub settled_since: Option<Timestamp>,
    /// What proves it and on how many nodes, once AWSCURRENT is about to move.
    pub finishing: Option<(Proof, usize)>,
    /// Why it is being given up.
    pub abandoning: Option<String>,
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
    /// The version whose password went.
    pub previous: String,
    /// When.
    pub at: Timestamp,
    /// Whether logins proved it.
    pub proof: Proof,
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
    /// When this store first heard of the secret.
    pub first_seen: Timestamp,
    /// The rotation in progress.
    pub rotation: Option<Rotation>,
    /// The last promotion.
    pub promotion: Option<Promotion>,
    /// The retirement in progress.
    pub retirement: Option<Retirement>,
    /// The last retirement that ended.
    pub retired: Option<Retired>,
    /// What was last proved of the current password.
    pub check: Option<Check>,
    /// When the last change of the user settled, or a pending password was abandoned. The fence
    /// runs from here.
    pub settled_at: Option<Timestamp>,
    /// When a change of the user was begun whose outcome is not known yet.
    pub open_write: Option<Timestamp>,
    /// When the last change was begun whose outcome never became known: it may still arrive.
    pub doubtful_write: Option<Timestamp>,
    /// The last rotation that an operator asked for.
    pub request: Option<Request>,
    /// What it waits for.
    pub waiting: Option<Waiting>,
    /// Failed calls in a row.
    pub failure: Option<Failure>,
    /// Why a person should look.
    pub attention: Option<Attention>,
    /// Why nothing is changed.
    pub halt: Option<Halt>,
    /// The halt that an operator said may be passed over.
    pub acknowledged: Option<(HaltReason, String)>,
    /// The operator's pause.
    pub pause: Option<Pause>,
}

/// An event that makes no sense in the record's state: a defect, never a matter of input.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("event {event} does not fit the record of {secret_arn}")]
pub struct IllegalEvent {
    /// The event's label.
    pub event: &'static str,
    /// The secret.
    pub secret_arn: String,
}

impl Record {
    /// The record of a secret that nothing is known of.
    pub fn new(secret_arn: String, first_seen: Timestamp) -> Self {
        Self {
            secret_arn,
            first_seen,
            rotation: None,
            promotion: None,
            retirement: None,
            retired: None,
            check: None,
            settled_at: None,
            open_write: None,
            doubtful_write: None,
            request: None,
            waiting: None,
            failure: None,
            attention: None,
            halt: None,
            acknowledged: None,
            pause: None,
        }
    }

    /// The record after an event: the one transition function, for live events and for replay.
    ///
    /// # Errors
    /// [`IllegalEvent`] when the event speaks of a rotation or retirement that is not under way.
    pub fn apply(mut self, at: Timestamp, event: &Event) -> Result<Self, IllegalEvent> {
        let illegal = IllegalEvent {
            event: event.label(),
            secret_arn: self.secret_arn.clone(),
        };
        match event {
            Event::Requested(request) => self.request = Some(request.clone()),
            Event::RotationStarted { .. }
            | Event::PasswordCreated { .. }
            | Event::PasswordSet { .. }
            | Event::FinishStarted { .. }
            | Event::Promoted { .. }
            | Event::AbandonStarted { .. }
            | Event::Abandoned { .. } => return self.apply_rotation(at, event).ok_or(illegal),
            Event::SettlingStarted | Event::SettlingBroken => {
                let since = matches!(event, Event::SettlingStarted).then_some(at);
                match (&mut self.rotation, &mut self.retirement) {
                    (Some(rotation), _) => rotation.settled_since = since,
                    (None, Some(retirement)) => retirement.settled_since = since,
                    (None, None) => return Err(illegal),
                }
            }
            Event::Checked { version, proof, nodes } => {
                self.check = Some(Check {
                    version: version.clone(),
                    proof: *proof,
                    nodes: *nodes,
                    at,
                });
            }
            Event::RetirementStarted { .. }
            | Event::PreviousRemoved { .. }
            | Event::NodesRefusePrevious { .. }
            | Event::Retired { .. } => return self.apply_retirement(at, event).ok_or(illegal),
            Event::WriteStarted => self.start_write(at),
            Event::WriteRefused | Event::PendingTakenOff => self.open_write = None,
            Event::WaitingEnded => self.waiting = None,
            Event::Waiting { .. }
            | Event::AttemptFailed { .. }
            | Event::AttentionRaised { .. }
            | Event::AttentionCleared => self.apply_trouble(at, event),
            Event::Halted {
                reason,
                detail,
                subject,
            } => {
                self.halt = Some(Halt {
                    reason: *reason,
                    detail: detail.clone(),
                    subject: subject.clone(),
                    since: at,
                });
            }
            Event::HaltCleared => self.halt = None,
            Event::Acknowledged { reason, subject } => self.acknowledged = Some((*reason, subject.clone())),
            Event::Paused(pause) => self.pause = Some(pause.clone()),
            Event::Resumed => self.pause = None,
        }
        Ok(self)
    }

    fn apply_rotation(mut self, at: Timestamp, event: &Event) -> Option<Self> {
        match event {
            Event::RotationStarted {
                version,
                parent,
                generation,
            } => {
                self.rotation = Some(Rotation {
                    version: version.clone(),
                    parent: parent.clone(),
                    generation: *generation,
                    started_at: at,
                    created: false,
                    set_started: false,
                    set_at: None,
                    settled_since: None,
                    finishing: None,
                    abandoning: None,
                });
            }
            Event::PasswordCreated { version } => {
                let rotation = self.rotation.as_mut().filter(|rotation| rotation.version == *version)?;
                rotation.created = true;
            }
            Event::PasswordSet { version } => {
                let rotation = self.rotation.as_mut().filter(|rotation| rotation.version == *version)?;
                rotation.set_at = Some(at);
                self.open_write = None;
                rotation.settled_since = None;
                self.settled_at = Some(at);
            }
            Event::FinishStarted { version, proof, nodes } => {
                let rotation = self.rotation.as_mut().filter(|rotation| rotation.version == *version)?;
                rotation.finishing = Some((*proof, *nodes));
            }
            Event::Promoted {
                version,
                previous,
                proof,
                nodes,
            } => self.promote(at, version, previous, *proof, *nodes),
            Event::AbandonStarted { version, cause } => {
                let rotation = self.rotation.as_mut().filter(|rotation| rotation.version == *version)?;
                rotation.abandoning = Some(cause.clone());
            }
            Event::Abandoned { .. } => {
                self.rotation = None;
                self.settled_at = Some(at);
            }
            _ => return None,
        }
        if !matches!(event, Event::PasswordSet { .. }) {
            self.waiting = None;
        }
        Some(self)
    }

    fn start_write(&mut self, at: Timestamp) {
        self.doubtful_write = self.open_write.or(self.doubtful_write);
        self.open_write = Some(at);
        if let Some(rotation) = &mut self.rotation {
            rotation.set_started = true;
        }
    }

    fn promote(&mut self, at: Timestamp, version: &str, previous: &str, proof: Option<Proof>, nodes: usize) {
        let rotation = self.rotation.take().filter(|rotation| rotation.version == version);
        let started_at = rotation.map(|rotation| rotation.started_at);
        // A request that came while the rotation was under way stands on, for the next one.
        let served = self
            .request
            .take_if(|request| started_at.is_some_and(|started_at| request.at <= started_at));
        self.promotion = Some(Promotion {
            version: version.to_owned(),
            previous: previous.to_owned(),
            at,
            started_at,
            revoke_previous: served.is_some_and(|request| request.revoke_previous),
        });
        self.check = proof.map(|proof| Check {
            version: version.to_owned(),
            proof,
            nodes,
            at,
        });
        self.retirement = None;
        self.settled_at = Some(at);
        self.acknowledged = None;
    }

    fn apply_retirement(mut self, at: Timestamp, event: &Event) -> Option<Self> {
        match event {
            Event::RetirementStarted { version, previous } => {
                self.retirement = Some(Retirement {
                    version: version.clone(),
                    previous: previous.clone(),
                    started_at: at,
                    removed_at: None,
                    settled_since: None,
                    refused_by: BTreeSet::new(),
                });
            }
            Event::PreviousRemoved { previous } => {
                let retirement = self
                    .retirement
                    .as_mut()
                    .filter(|retirement| retirement.previous == *previous)?;
                retirement.removed_at = Some(at);
                self.open_write = None;
                retirement.settled_since = None;
                self.settled_at = Some(at);
            }
            Event::NodesRefusePrevious { nodes } => {
                self.retirement.as_mut()?.refused_by.extend(nodes.iter().cloned());
            }
            Event::Retired { previous, proof } => {
                self.retirement = None;
                self.retired = Some(Retired {
                    previous: previous.clone(),
                    at,
                    proof: *proof,
                });
                self.settled_at = Some(at);
            }
            _ => return None,
        }
        self.waiting = None;
        Some(self)
    }

    fn apply_trouble(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Waiting { reason, detail } => {
                let since = match &self.waiting {
                    Some(waiting) if waiting.reason == *reason => waiting.since,
                    _ => at,
                };
                self.waiting = Some(Waiting {
                    reason: *reason,
                    detail: detail.clone(),
                    since,
                });
            }
            Event::AttemptFailed {
                step,
                message,
                next_attempt_at,
            } => {
                let attempts = self
                    .failure
                    .as_ref()
                    .map_or(0, |failure| failure.attempts)
                    .saturating_add(1);
                self.failure = Some(Failure {
                    attempts,
                    step: *step,
                    message: message.clone(),
                    next_attempt_at: *next_attempt_at,
                });
            }
            Event::AttentionRaised { reason, detail } => {
                let since = match &self.attention {
                    Some(attention) if attention.reason == *reason => attention.since,
                    _ => at,
                };
                self.attention = Some(Attention {
                    reason: *reason,
                    detail: detail.clone(),
                    since,
                });
            }
            _ => {
                self.attention = None;
                self.failure = None;
            }
        }
    }

    /// The last request, if the version under AWSCURRENT has not served it.
    pub fn standing_request(&self, current: &str, created: Option<Timestamp>) -> Option<&Request> {
        self.request.as_ref().filter(|request| {
            request.over.as_deref() == Some(current) || created.is_none_or(|created| request.at > created)
        })
    }
}
