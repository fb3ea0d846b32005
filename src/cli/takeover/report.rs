//! What `rekeyd takeover` has to say.

use std::fmt::Write as _;

use serde::Serialize;

use crate::audit;
use crate::cli::CliError;
use crate::cli::exit::Exit;
use crate::cli::show::pretty;
use crate::cli::text::clean;
use crate::onboard::Step;
use crate::policy::Overlap;
use crate::schedule;
use crate::takeover::{Sight, back, schedule_of};

use super::target::Target;

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It would be done, and was not.
    Planned,
    /// rekeyd may rotate it now.
    Done,
    /// It might before.
    AlreadyDone,
    /// Nothing was changed.
    Refused,
    /// It is not wholly done.
    Failed,
}

impl Outcome {
    /// In the audit log, of what was to change something.
    pub(super) fn audited(self) -> audit::Outcome {
        match self {
            Self::Done | Self::AlreadyDone => audit::Outcome::Done,
            Self::Refused => audit::Outcome::Refused,
            Self::Planned | Self::Failed => audit::Outcome::Failed,
        }
    }
}

/// The report.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    secret: String,
    arn: String,
    /// The policy that has it, if one does.
    policy: Option<String>,
    pub(super) result: Outcome,
    /// The steps that were taken; of what was only planned, those that are left.
    pub(super) steps: Vec<Step>,
    /// Whether rekeyd rotated it in this run.
    pub(super) rotated: bool,
    /// The schedule that it had in Secrets Manager, if it had a rotation.
    schedule: Option<String>,
    /// The rules of its rotation as a policy, in TOML.
    policy_toml: String,
    /// What its policy does otherwise than the function did.
    differs: Vec<String>,
    /// The command that gives it back to its function.
    back: Option<String>,
    /// Why it failed or was refused.
    pub(super) detail: Option<String>,
}

impl Report {
    pub(super) fn of(target: &Target, sight: &Sight) -> Self {
        let policy = target.policy.as_ref().ok();
        let schedule = schedule_of(&sight.rotation);
        let had_a_rotation = sight.had_a_rotation();
        let mut differs = Vec::new();
        if let Some(policy) = policy.or(target.asked.as_ref()).filter(|_| had_a_rotation) {
            let theirs = schedule::parse(&schedule, chrono_tz::Tz::UTC);
            if theirs.is_ok_and(|theirs| theirs != policy.schedule) {
                let ours = schedule::describe(&policy.schedule);
                differs.push(format!(
                    "policy {} has the schedule {ours}; it had {schedule}",
                    policy.name
                ));
            }
            if policy.overlap != Overlap::UntilNextRotation {
                differs.push(format!(
                    "policy {} ends the previous password after its overlap; the function left it until the next rotation. \
                     `overlap = \"until-next-rotation\"` is the same, until you know that no client needs it longer",
                    policy.name
                ));
            }
        }
        Self {
            secret: sight.secret.name.clone(),
            arn: sight.secret.arn.clone(),
            policy: policy.map(|policy| policy.name.clone()),
            result: Outcome::Planned,
            steps: Vec::new(),
            rotated: false,
            schedule: had_a_rotation.then_some(schedule),
            policy_toml: target.lines.clone(),
            differs,
            back: back(&sight.rotation, &sight.secret.arn, &target.place.region),
            detail: None,
        }
    }

    pub(super) fn refuse(&mut self, detail: String) -> Exit {
        self.result = Outcome::Refused;
        self.detail = Some(detail);
        Exit::Refused
    }

    pub(super) fn fail(&mut self, detail: String) -> Exit {
        self.result = Outcome::Failed;
        self.detail = Some(detail);
        match self.steps.is_empty() {
            true => Exit::Failed,
            false => Exit::Partly,
        }
    }

    /// For standard output.
    pub(super) fn text(&self, json: bool) -> Result<String, CliError> {
        if json {
            return pretty(self);
        }
        let what = match self.result {
            Outcome::Planned => "would be taken over",
            Outcome::Done if self.rotated => "taken over and rotated",
            Outcome::Done => "taken over",
            Outcome::AlreadyDone => "already done",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        };
        let mut text = format!("{}: {what}\n", clean(&self.secret));
        for (number, step) in (1..).zip(&self.steps) {
            let _ = writeln!(text, "  {number}. {}", clean(&step.to_string()));
        }
        for line in &self.differs {
            let _ = writeln!(text, "Note: {}", clean(line));
        }
        match (&self.detail, &self.policy) {
            (Some(detail), _) => {
                let _ = writeln!(text, "\n{detail}");
            }
            (None, Some(policy)) => {
                let _ = writeln!(
                    text,
                    "\nIts rotation, as a policy (yours is {policy}):\n\n{}",
                    self.policy_toml.trim_end()
                );
            }
            (None, None) => {}
        }
        if let Some(back) = self.back.as_ref().filter(|_| self.result != Outcome::Refused) {
            let _ = writeln!(
                text,
                "\nTo go back: take the secret out of the policy, `rekeyd reload`, and\n\n  {}",
                clean(back)
            );
        }
        Ok(text)
    }
}
