//! What a preflight shows: plain data, whose JSON is public.

use serde::Serialize;

use crate::aws::AwsError;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::engine::Candidate;
use crate::inventory::Discovery;
use crate::policy::{Place, Policy};
use crate::rotation::observation::{AWSCURRENT, AWSPENDING};
use crate::rotation::plan::{Claims, Context, Decision, Facts, facts};
use crate::rotation::state::Record;
use crate::rotation::status::Phase;
use crate::schedule;
use crate::secret::secret_arn_place;

use super::advice::Names;
use super::check::{Check, Checked, Outcome};
use super::document;
use super::judgement::{failed, judge};
use super::steps::{PlannedStep, steps};
use super::trouble::{Sight, is_answer};

/// All that was found out.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Outlook {
    /// When it was begun.
    pub looked_at: Timestamp,
    /// The secrets that were asked about, in the order of policies and names.
    pub secrets: Vec<SecretOutlook>,
    /// How many of them are how.
    pub totals: Totals,
}

/// How many secrets are how.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Totals {
    /// All.
    pub secrets: usize,
    /// Due, requested, or with something under way or to be done.
    pub due: usize,
    /// Those whose worst check is in order.
    pub ok: usize,
    /// Those whose worst check is a warning.
    pub warning: usize,
    /// Those whose worst check could not be made.
    pub unknown: usize,
    /// Those that would be refused.
    pub refused: usize,
    /// Those that could not be looked at, or not whole; they count among the others, too.
    pub not_looked_at: usize,
}

/// One secret.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SecretOutlook {
    /// Its name; as configured, if Secrets Manager does not know it. Nothing for a policy's whole `select`.
    pub secret: Option<String>,
    /// Its ARN, once known.
    pub arn: Option<String>,
    /// Its policy.
    pub policy: String,
    /// Its policy's place.
    pub place: String,
    /// The id of the user that it names, once known.
    pub user_id: Option<String>,
    /// The worst of its checks.
    pub outcome: Outcome,
    /// Whether every read was answered.
    pub looked_at: bool,
    /// Whether it is due, and when.
    pub due: Due,
    /// What the daemon would do next; nothing if it could not be found out.
    pub verdict: Option<Verdict>,
    /// The steps that would be made.
    pub steps: Vec<PlannedStep>,
    /// Everything that was checked.
    pub checks: Vec<Checked>,
    /// Actions that a rotation needs, and that a look alone cannot try, each with its resource.
    pub not_checked: Vec<String>,
}

/// Whether a secret is due.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Due {
    /// Whether something is to be done: a rotation is due or under way, or a retirement.
    pub due: bool,
    /// Why.
    pub because: Option<DueFor>,
    /// Since when it is due.
    pub since: Option<Moment>,
    /// When the next rotation may begin by its schedule and window.
    pub next: Option<Moment>,
    /// When the previous password is to be retired.
    pub overlap_until: Option<Moment>,
    /// How many windows it missed since the last rotation.
    pub missed_windows: u32,
}

/// Why a secret is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DueFor {
    /// Its schedule.
    Schedule,
    /// An operator asked for it.
    Requested,
    /// It has no password yet.
    FirstPassword,
    /// A rotation or a retirement is under way.
    UnderWay,
    /// The previous password is to be retired, or something repaired or moved back.
    Change,
}

/// A moment, on the clocks of UTC and of the policy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Moment {
    /// In UTC.
    pub utc: Timestamp,
    /// The policy's time zone.
    pub zone: String,
    /// On its clocks, such as `Tue 2026-12-01 09:00 CET`.
    pub local: String,
}

impl Moment {
    fn of(at: Timestamp, policy: &Policy) -> Self {
        let zone = schedule::zone_of(&policy.schedule).unwrap_or(chrono_tz::Tz::UTC);
        Self {
            utc: at,
            zone: zone.name().to_owned(),
            local: at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M %Z").to_string(),
        }
    }
}

/// What the daemon would do next.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Verdict {
    /// Make this step now.
    Act {
        /// The step.
        step: crate::rotation::step::Step,
    },
    /// Wait for something that takes time.
    Wait {
        /// What for.
        reason: String,
        /// On what, in words.
        detail: String,
    },
    /// Change nothing until this is mended, or an operator resumes.
    Halt {
        /// Why.
        reason: String,
        /// On what, in words.
        detail: String,
    },
    /// Try again until it can be looked at.
    Retry {
        /// What fails.
        reason: String,
        /// In words.
        detail: String,
    },
    /// Nothing until then.
    Rest {
        /// Where it stands.
        phase: Phase,
        /// When it would look again.
        until: Timestamp,
        /// What holds it there, in words.
        detail: Option<String>,
    },
}

impl Verdict {
    fn of(decision: &Decision) -> Option<Self> {
        match decision {
            Decision::Act(action) => Some(Self::Act { step: action.step() }),
            Decision::Wait { reason, detail, .. } => Some(Self::Wait {
                reason: reason.label().to_owned(),
                detail: detail.clone(),
            }),
            Decision::Halt { reason, detail, .. } => Some(Self::Halt {
                reason: reason.label().to_owned(),
                detail: detail.clone(),
            }),
            Decision::Rest { until, phase, detail } => Some(Self::Rest {
                phase: *phase,
                until: *until,
                detail: detail.clone(),
            }),
            Decision::Look(_) | Decision::Note(_) => None,
        }
    }
}

impl From<&AwsError> for Verdict {
    fn from(error: &AwsError) -> Self {
        Self::Retry {
            reason: error.attention().label().to_owned(),
            detail: error.to_string(),
        }
    }
}

impl Outlook {
    pub(super) fn new(looked_at: Timestamp) -> Self {
        Self {
            looked_at,
            secrets: Vec::new(),
            totals: Totals::default(),
        }
    }

    /// Adds a secret that could not be looked up, or a whole selection.
    pub(super) fn add_lost(&mut self, config: &Config, policy: &str, name: &str, error: AwsError) {
        let Some(policy) = config.policies.get(policy) else {
            return;
        };
        let names = Names {
            secret: name,
            policy,
            region: config.places.get(&policy.place).map_or("", |place| &place.region),
            account: "*",
            user: None,
        };
        let checked = failed(Check::Secret, &error, &names);
        self.secrets.push(SecretOutlook {
            secret: (name != Discovery::SELECTION).then(|| name.to_owned()),
            arn: None,
            policy: policy.name.clone(),
            place: policy.place.clone(),
            user_id: None,
            outcome: checked.outcome,
            looked_at: is_answer(&error),
            due: Due::default(),
            verdict: Some(Verdict::from(&error)),
            steps: Vec::new(),
            checks: vec![checked],
            not_checked: Vec::new(),
        });
    }

    /// Puts everything in order, and counts.
    pub(super) fn finish(&mut self) {
        self.secrets
            .sort_by(|a, b| (&a.policy, &a.secret, &a.arn).cmp(&(&b.policy, &b.secret, &b.arn)));
        let secrets = &self.secrets;
        let how_many = |wanted: Outcome| secrets.iter().filter(|secret| secret.outcome == wanted).count();
        self.totals = Totals {
            secrets: secrets.len(),
            due: secrets.iter().filter(|secret| secret.due.due).count(),
            ok: how_many(Outcome::Ok),
            warning: how_many(Outcome::Warning),
            unknown: how_many(Outcome::Unknown),
            refused: how_many(Outcome::Refused),
            not_looked_at: secrets.iter().filter(|secret| !secret.looked_at).count(),
        };
    }
}

/// All that is known of one secret.
pub(super) struct SecretView<'a> {
    pub(super) candidate: &'a Candidate,
    pub(super) place: Option<&'a Place>,
    pub(super) paused: bool,
    pub(super) recheck: std::time::Duration,
    pub(super) sight: &'a Sight,
    pub(super) decision: Option<&'a Decision>,
    pub(super) record: Option<&'a Record>,
    pub(super) claims: &'a Claims,
    pub(super) at: Timestamp,
}

impl SecretView<'_> {
    pub(super) fn outlook(&self) -> SecretOutlook {
        let (secret, policy) = (&self.candidate.secret, self.candidate.policy.as_ref());
        let document = self.sight.observation.as_ref().and_then(document);
        let user_id = document.map(|document| document.user_arn().user_id().to_owned());
        let (_, account) = secret_arn_place(&secret.arn).unwrap_or_default();
        let names = Names {
            secret: &secret.name,
            policy,
            region: self.place.map_or("", |place| &place.region),
            account,
            user: user_id.as_deref(),
        };
        let checks = judge(self.sight, &names);
        let outcome = checks.iter().map(|checked| checked.outcome).max();
        let steps = match (self.decision, &self.sight.observation, self.record) {
            (Some(decision), Some(observation), Some(record)) => steps(decision, observation, record, policy, self.at),
            _ => Vec::new(),
        };
        SecretOutlook {
            secret: Some(secret.name.clone()),
            arn: Some(secret.arn.clone()),
            policy: policy.name.clone(),
            place: policy.place.clone(),
            outcome: outcome.unwrap_or(Outcome::Unknown),
            looked_at: self.sight.is_whole(),
            due: self.due(),
            verdict: self.verdict(),
            steps,
            checks,
            not_checked: not_checked(&secret.arn, document.map(|document| document.user_arn().to_string())),
            user_id,
        }
    }

    fn verdict(&self) -> Option<Verdict> {
        match self.decision {
            Some(decision) => Verdict::of(decision),
            None => self.sight.failure().map(Verdict::from),
        }
    }

    fn facts(&self) -> Option<Facts> {
        let context = Context {
            policy: &self.candidate.policy,
            region: self.place.map_or("", |place| &place.region),
            now: self.at,
            claims: self.claims,
            other_policies: self.candidate.other_policies.clone(),
            shared_store: false,
            waited_for: "",
            paused: self.paused,
            hold: None,
            drift_check: None,
            checks_from: self.at,
            recheck: self.recheck,
        };
        Some(facts(self.sight.observation.as_ref()?, self.record?, &context))
    }

    fn due(&self) -> Due {
        let Some(facts) = self.facts() else {
            return Due::default();
        };
        let moment = |at: Timestamp| Moment::of(at, &self.candidate.policy);
        let because = self.because(&facts);
        let by_schedule = matches!(because, Some(DueFor::Schedule));
        let has_password = !matches!(because, Some(DueFor::FirstPassword));
        Due {
            due: because.is_some(),
            because,
            since: facts.due_since.filter(|_| by_schedule).map(moment),
            next: facts.next_rotation_at.filter(|_| has_password).map(moment),
            overlap_until: facts.overlap_until.map(moment),
            missed_windows: facts.missed_windows,
        }
    }

    fn because(&self, facts: &Facts) -> Option<DueFor> {
        let observation = self.sight.observation.as_ref()?;
        let secret = &observation.secret;
        let pending = secret
            .holder(AWSPENDING)
            .filter(|pending| secret.holder(AWSCURRENT) != Some(pending));
        let under_way = self.record.is_some_and(Record::in_flight) && self.decision.is_some();
        if under_way || (pending.is_some() && matches!(self.decision, Some(Decision::Act(_) | Decision::Wait { .. }))) {
            return Some(DueFor::UnderWay);
        }
        if facts.requested {
            return Some(DueFor::Requested);
        }
        let document = document(observation)?;
        if document.password().is_none() {
            return Some(DueFor::FirstPassword);
        }
        if facts.due_since.is_some_and(|due| due <= self.at) {
            return Some(DueFor::Schedule);
        }
        matches!(self.decision, Some(Decision::Act(_))).then_some(DueFor::Change)
    }
}

/// Writes, which cannot be tried without making them.
fn not_checked(secret_arn: &str, user_arn: Option<String>) -> Vec<String> {
    let secrets = ["PutSecretValue", "UpdateSecretVersionStage"];
    let secrets = secrets.map(|operation| format!("secretsmanager:{operation} on {secret_arn}"));
    let user = user_arn.map(|arn| format!("elasticache:ModifyUser on {arn}"));
    let key = format!("kms:GenerateDataKey on the key of {secret_arn}");
    secrets.into_iter().chain(user).chain([key]).collect()
}
