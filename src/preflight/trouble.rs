//! What was found out about one secret, and what was found wrong on the way.

use std::collections::BTreeMap;

use crate::aws::{AwsError, ErrorClass};
use crate::certificates::RootsDoubt;
use crate::login::Obstacle;
use crate::policy::Endpoint;
use crate::rotation::observation::Observation;
use crate::rotation::plan::Decision;
use crate::rotation::reason::{HaltReason, WaitReason};

/// What a rotation would run into.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// It would be refused.
    Halt {
        /// Why.
        reason: HaltReason,
        /// On what, in words.
        detail: String,
        /// What it is about: mostly a version or a user.
        subject: String,
    },
    /// It would wait.
    Wait {
        /// What for.
        reason: WaitReason,
        /// On what, in words.
        detail: String,
    },
    /// It could not read what it needs.
    Aws(AwsError),
}

impl Trouble {
    /// What a decision says of trouble.
    pub(super) fn of(decision: &Decision) -> Option<Self> {
        match decision {
            Decision::Halt {
                reason,
                detail,
                subject,
            } => Some(Self::Halt {
                reason: *reason,
                detail: detail.clone(),
                subject: subject.clone(),
            }),
            Decision::Wait { reason, detail, .. } => Some(Self::Wait {
                reason: *reason,
                detail: detail.clone(),
            }),
            Decision::Look(_) | Decision::Note(_) | Decision::Act(_) | Decision::Rest { .. } => None,
        }
    }

    /// Its public label.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Halt { reason, .. } => reason.label(),
            Self::Wait { reason, .. } => reason.label(),
            Self::Aws(error) => error.attention().label(),
        }
    }
}

/// What was found out about one secret.
#[derive(Default)]
pub(super) struct Sight {
    /// What was read; nothing if even the secret could not be.
    pub(super) observation: Option<Observation>,
    /// What was found wrong, in that order, each once.
    pub(super) troubles: Vec<Trouble>,
    /// The way to nodes on which nobody could log in, or nobody tried.
    pub(super) paths: BTreeMap<Endpoint, Result<(), Obstacle>>,
    /// What is wrong with the policy's own roots, if it names any and they can be read.
    pub(super) roots: Option<RootsDoubt>,
}

impl Sight {
    /// A secret that was read.
    pub(super) fn of(observation: Observation) -> Self {
        Self {
            observation: Some(observation),
            ..Self::default()
        }
    }

    /// A secret that could not be.
    pub(super) fn failed(trouble: Trouble) -> Self {
        Self {
            troubles: vec![trouble],
            ..Self::default()
        }
    }

    /// Notes trouble, unless it is known.
    pub(super) fn add(&mut self, trouble: Trouble) {
        let about = |trouble: &Trouble| match trouble {
            Trouble::Aws(error) => (error.attention().label(), error.operation),
            other => (other.label(), ""),
        };
        if !self.troubles.iter().any(|known| about(known) == about(&trouble)) {
            self.troubles.push(trouble);
        }
    }

    /// The first read that failed.
    pub(super) fn failure(&self) -> Option<&AwsError> {
        self.troubles.iter().find_map(|trouble| match trouble {
            Trouble::Aws(error) => Some(error),
            Trouble::Halt { .. } | Trouble::Wait { .. } => None,
        })
    }

    /// Whether every read was answered, if only by that there is no such thing.
    pub(super) fn is_whole(&self) -> bool {
        let mut troubles = self.troubles.iter();
        !troubles.any(|trouble| matches!(trouble, Trouble::Aws(error) if !is_answer(error)))
    }
}

/// Whether a failed read tells something of the secret, and not of AWS or of rekeyd's rights.
pub(super) fn is_answer(error: &AwsError) -> bool {
    error.class == ErrorClass::NotFound
}
