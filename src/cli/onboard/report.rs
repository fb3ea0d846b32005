//! What `rekeyd onboard` has to say.

use std::fmt::Write as _;

use serde::Serialize;

use crate::audit;
use crate::cli::show::pretty;
use crate::cli::text::{Cell, Tone, clean, table};
use crate::cli::{CliError, Session};
use crate::onboard::{Step, words};

use super::Task;

/// What came of one user.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It would be done, and was not.
    Planned,
    /// It is as it was asked for now.
    Done,
    /// It was before.
    AlreadyDone,
    /// Nothing was changed.
    Refused,
    /// It is not wholly done.
    Failed,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Done => "done",
            Self::AlreadyDone => "already done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// In the audit log, of what was to change something.
    pub(super) fn audited(self) -> audit::Outcome {
        match self {
            Self::Done | Self::AlreadyDone => audit::Outcome::Done,
            Self::Refused => audit::Outcome::Refused,
            Self::Planned | Self::Failed => audit::Outcome::Failed,
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Planned => Tone::Busy,
            Self::Done | Self::AlreadyDone => Tone::Good,
            Self::Refused | Self::Failed => Tone::Bad,
        }
    }
}

/// One user.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Item {
    /// Its line in the file, if it came from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<u64>,
    pub(super) user_id: String,
    pub(super) secret: String,
    pub(super) policy: String,
    pub(super) result: Outcome,
    /// The steps that were taken; of what was only planned, those that are left.
    pub(super) steps: Vec<Step>,
    /// `proven`, `endpoint_proven` or `unproven`.
    pub(super) proof: Option<&'static str>,
    /// How many nodes accepted the current password.
    pub(super) nodes: Option<usize>,
    /// Why it failed or was refused, or is unproven.
    pub(super) detail: Option<String>,
}

impl Item {
    /// As a first look shows it.
    pub(super) fn planned(task: &Task) -> Self {
        let request = &task.request;
        let (result, steps, detail) = match &task.planned {
            Ok(actions) if actions.is_empty() => (Outcome::AlreadyDone, Vec::new(), None),
            Ok(actions) => {
                let steps = actions.iter().map(|action| words(action, request)).collect();
                (Outcome::Planned, steps, None)
            }
            Err(refusal) => (Outcome::Refused, Vec::new(), Some(refusal.to_string())),
        };
        Self {
            line: task.line,
            user_id: request.user_id.clone(),
            secret: request.secret.clone(),
            policy: request.policy.clone(),
            result,
            steps,
            proof: None,
            nodes: None,
            detail,
        }
    }

    /// The same, not begun or not ended.
    pub(super) fn failed(self, detail: String) -> Self {
        Self {
            result: Outcome::Failed,
            steps: Vec::new(),
            detail: Some(detail),
            ..self
        }
    }

    fn told(&self) -> String {
        match (&self.detail, self.nodes) {
            (Some(detail), _) => detail.clone(),
            (None, Some(nodes)) => format!("the current password logs in on {nodes} nodes"),
            (None, None) => String::new(),
        }
    }
}

/// All of them.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) users: Vec<Item>,
    /// Whether anything was to be changed: not in a dry run, and not where some were refused.
    pub(super) begun: bool,
}

impl Report {
    /// As a first look shows them.
    pub(super) fn planned(tasks: &[Task]) -> Self {
        Self {
            users: tasks.iter().map(Item::planned).collect(),
            begun: false,
        }
    }

    /// For standard output.
    pub(super) fn text(&self, json: bool, session: &Session) -> Result<String, CliError> {
        if json {
            return pretty(self);
        }
        let mut text = String::new();
        for item in self.users.iter().filter(|item| item.result == Outcome::Planned) {
            text += &plan_of(item);
        }
        let rest: Vec<&Item> = self
            .users
            .iter()
            .filter(|item| item.result != Outcome::Planned)
            .collect();
        if rest.is_empty() {
            return Ok(text);
        }
        let rows: Vec<_> = rest.iter().map(|item| row(item)).collect();
        text += &table(["USER", "SECRET", "RESULT", "PROOF", "DETAIL"], &rows, session.colour);
        // Lines of TOML are to be copied, so they stand outside of the table.
        for item in rest.iter().filter(|item| item.told().contains('\n')) {
            let _ = write!(text, "\n{}: {}", item.user_id, item.told());
        }
        Ok(text)
    }
}

fn row(item: &Item) -> [Cell; 5] {
    let told = item.told();
    let line = item.line.map_or_else(String::new, |line| format!("line {line}: "));
    let told = match told.contains('\n') {
        true => "see below",
        false => &told,
    };
    [
        Cell::from(&item.user_id),
        Cell::from(&item.secret),
        Cell::toned(item.result.label(), item.result.tone()),
        Cell::from(item.proof.unwrap_or("-")),
        Cell::from(line + told),
    ]
}

fn plan_of(item: &Item) -> String {
    let mut text = format!(
        "user {} with secret {}, policy {}:\n",
        item.user_id, item.secret, item.policy
    );
    for (number, step) in (1..).zip(&item.steps) {
        let _ = writeln!(text, "  {number}. {}", clean(&step.to_string()));
    }
    text
}
