//! What can be decided.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::policy::Endpoint;
use crate::rotation::event::Event;
use crate::rotation::observation::{Credential, Proof};
use crate::rotation::reason::{HaltReason, WaitReason};
use crate::rotation::status::Phase;
use crate::rotation::step::Step;

/// What to look at next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Look {
    /// A version's value.
    Value(String),
    /// The user of that id.
    User(String),
    /// The user's nodes.
    Topology,
    /// Logins on every available node.
    Logins {
        /// The name to log in with.
        username: String,
        /// With which passwords; each with the nodes that need not be asked.
        credentials: Vec<(Credential, BTreeSet<Endpoint>)>,
    },
}

/// One change of the world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Put a new password under AWSPENDING.
    CreateSecret {
        /// The new version.
        version: String,
        /// The version under AWSCURRENT.
        parent: String,
        /// Which try this is.
        generation: u32,
    },
    /// Give the user the passwords of these versions.
    SetSecret {
        /// The user.
        user_id: String,
        /// The pending version.
        version: String,
        /// The version under AWSCURRENT, if it has a password.
        current: Option<String>,
    },
    /// Move AWSCURRENT.
    FinishSecret {
        /// To this version.
        version: String,
        /// From this one.
        parent: String,
        /// What proves the password.
        proof: Proof,
        /// How many nodes accepted it.
        nodes: usize,
    },
    /// Leave the user only the password under AWSCURRENT.
    Retire {
        /// The user.
        user_id: String,
        /// The version under AWSCURRENT.
        version: String,
        /// The version whose password goes.
        previous: String,
        /// Whether no login has shown which passwords the user has, so that the labels must be
        /// read again after the user was.
        unproven: bool,
    },
    /// Give the user the current password again, which somebody took away.
    Repair {
        /// The user.
        user_id: String,
        /// The version under AWSCURRENT.
        version: String,
        /// The version under AWSPREVIOUS, if its password logs in.
        previous: Option<String>,
    },
    /// Remove AWSPENDING from a version that is given up.
    Abandon {
        /// The version.
        version: String,
    },
    /// Move AWSCURRENT back, because an operator asked for it.
    RollBack {
        /// From this version.
        version: String,
        /// To this one, which the other was made from.
        previous: String,
        /// What proves its password.
        proof: Proof,
        /// How many nodes accepted it.
        nodes: usize,
    },
}

impl Action {
    /// The step that it belongs to.
    pub fn step(&self) -> Step {
        match self {
            Self::CreateSecret { .. } => Step::CreateSecret,
            Self::SetSecret { .. } => Step::SetSecret,
            Self::FinishSecret { .. } => Step::FinishSecret,
            Self::Retire { .. } => Step::Retire,
            Self::Repair { .. } => Step::Repair,
            Self::Abandon { .. } => Step::Abandon,
            Self::RollBack { .. } => Step::Rollback,
        }
    }
}

/// What to do next.
#[derive(Clone, PartialEq, Debug)]
pub enum Decision {
    /// Look closer, then decide again.
    Look(Look),
    /// Remember what the observation shows, then decide again.
    Note(Event),
    /// Change the world.
    Act(Action),
    /// Something under way needs time; look again soon.
    Wait {
        /// What it waits for.
        reason: WaitReason,
        /// On what, in words.
        detail: String,
        /// At which step.
        step: Step,
    },
    /// Change nothing until the observation changes or an operator resumes.
    Halt {
        /// Why.
        reason: HaltReason,
        /// On what, in words.
        detail: String,
        /// What a resume acknowledges.
        subject: String,
    },
    /// Nothing to do until then.
    Rest {
        /// When to look again.
        until: Timestamp,
        /// Where the secret stands.
        phase: Phase,
        /// What holds it there, in words.
        detail: Option<String>,
    },
}
