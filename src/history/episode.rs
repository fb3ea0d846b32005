//! One rotation, as it is told: what woke it, its steps, what came of it.

use serde::Serialize;

use crate::clock::{Timestamp, between};
use crate::rotation::cause::Cause;
use crate::rotation::observation::Proof;
use crate::rotation::step::Step;

/// One rotation of a secret with the retirement that followed, a repair of drift, or a rollback.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Episode {
    /// What it is.
    pub kind: Kind,
    /// The secret's name.
    pub secret: String,
    /// The secret's ARN.
    pub secret_arn: String,
    /// What woke it; not known of those of earlier releases, and of what was found under way.
    pub cause: Option<Cause>,
    /// Whether it was found under way: another process began it.
    pub found: bool,
    /// The version whose password it gives to clients.
    pub version: String,
    /// The version that it replaces.
    pub previous: Option<String>,
    /// Which try at replacing that version it was, from 0.
    pub generation: Option<u32>,
    /// When it began; nothing if that is no longer in the history.
    pub began_at: Option<Timestamp>,
    /// When clients got the password, or when it was given up.
    pub ended_at: Option<Timestamp>,
    /// From the one to the other.
    pub seconds: Option<f64>,
    /// What came of it.
    pub result: Outcome,
    /// Why it was given up, or has not ended.
    pub failure: Option<String>,
    /// What proved the password.
    pub proof: Option<Proof>,
    /// How many nodes accepted it.
    pub nodes: Option<usize>,
    /// In the order in which they began.
    pub steps: Vec<Stage>,
}

/// What an episode is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A rotation, with the retirement that followed.
    Rotation,
    /// A repair of drift.
    Repair,
    /// AWSCURRENT moved back.
    Rollback,
}

/// What came of an episode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has not ended.
    UnderWay,
    /// AWSCURRENT moved to the new version.
    Promoted,
    /// The pending password was given up.
    Abandoned,
    /// It was written down, and not begun.
    Dropped,
    /// Every node accepts the current password again.
    Repaired,
    /// AWSCURRENT moved back.
    RolledBack,
}

/// A step of an episode.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Stage {
    /// Which.
    pub step: Step,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// From the one to the other.
    pub seconds: Option<f64>,
    /// How often it was tried, as far as attempts are stored.
    pub attempts: u32,
    /// What it waited for, each once.
    pub waited_for: Vec<Wait>,
    /// What failed, in AWS's words and rekeyd's.
    pub failures: Vec<String>,
    /// Of a retirement: what proved that the previous password is dead.
    pub proof: Option<Proof>,
    /// How many nodes refused it.
    pub nodes: Option<usize>,
    /// When it waited: from when, and until when unless it still does.
    #[serde(skip)]
    pub waits: Vec<(Timestamp, Option<Timestamp>)>,
}

/// Something that a step waited for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Wait {
    /// The label of the reason.
    pub reason: String,
    /// On what, in words.
    pub detail: String,
}

impl Stage {
    fn new(step: Step, began_at: Timestamp) -> Self {
        Self {
            step,
            began_at,
            ended_at: None,
            seconds: None,
            attempts: 0,
            waited_for: Vec::new(),
            failures: Vec::new(),
            proof: None,
            nodes: None,
            waits: Vec::new(),
        }
    }

    /// It waits from now on, unless it does already.
    pub(super) fn wait(&mut self, at: Timestamp) {
        if self.waits.last().is_none_or(|(_, until)| until.is_some()) {
            self.waits.push((at, None));
        }
    }

    /// It waits no more.
    pub(super) fn go_on(&mut self, at: Timestamp) {
        if let Some((_, until @ None)) = self.waits.last_mut() {
            *until = Some(at);
        }
    }

    pub(super) fn end(&mut self, at: Timestamp) {
        self.go_on(at);
        self.ended_at = Some(at);
        self.seconds = Some(between(self.began_at, at).as_secs_f64());
        self.attempts = self.attempts.max(1);
    }
}

impl Episode {
    pub(super) fn new(
        kind: Kind,
        (secret, secret_arn): (&str, &str),
        version: &str,
        began_at: Option<Timestamp>,
    ) -> Self {
        Self {
            kind,
            secret: secret.to_owned(),
            secret_arn: secret_arn.to_owned(),
            cause: None,
            found: false,
            version: version.to_owned(),
            previous: None,
            generation: None,
            began_at,
            ended_at: None,
            seconds: None,
            result: Outcome::UnderWay,
            failure: None,
            proof: None,
            nodes: None,
            steps: Vec::new(),
        }
    }

    /// The step that is open, if it is this one; a new one otherwise. The one before has ended then.
    pub(super) fn at(&mut self, step: Step, at: Timestamp) -> &mut Stage {
        let open = self
            .steps
            .last()
            .is_some_and(|stage| stage.step == step && stage.ended_at.is_none());
        if !open {
            if let Some(before) = self.steps.last_mut().filter(|stage| stage.ended_at.is_none()) {
                before.end(at);
            }
            self.steps.push(Stage::new(step, at));
        }
        let last = self.steps.len() - 1;
        &mut self.steps[last]
    }

    /// The step that is open.
    pub(super) fn open(&mut self) -> Option<&mut Stage> {
        self.steps.last_mut().filter(|stage| stage.ended_at.is_none())
    }

    pub(super) fn end(&mut self, at: Timestamp, result: Outcome) {
        if let Some(open) = self.open() {
            open.end(at);
        }
        self.result = result;
        self.ended_at = Some(at);
        self.seconds = self.began_at.map(|began_at| between(began_at, at).as_secs_f64());
    }

    /// Whether anything of it, its retirement included, is still to come.
    pub fn is_open(&self) -> bool {
        self.result == Outcome::UnderWay || self.steps.last().is_some_and(|stage| stage.ended_at.is_none())
    }
}
