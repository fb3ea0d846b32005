//! `rekeyd takeover`.

pub(super) mod args;
mod claimant;
mod report;
mod target;

use std::collections::BTreeSet;

use serde_json::json;

use crate::audit::command::CommandTrail;
use crate::audit::{self, Change, Subject};
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::onboard::{Around, tell_as_it_goes};
use crate::cli::rotator::ByDaemon;
use crate::cli::{CliError, Reply, Session, denied, reach, run};
use crate::config::Loaded;
use crate::iam::Purpose;
use crate::onboard::execute::{FirstRotation, Rotator};
use crate::policy::Policy;
use crate::rotation::observation::AWSCURRENT;
use crate::takeover::{Action, Failure, Sight, Taker, observe, plan, steps};

use args::TakeoverArgs;
use report::{Outcome, Report};
use target::Target;

/// Takes a secret over.
pub(super) async fn takeover(cli: &Cli, args: TakeoverArgs, session: &Session) -> Result<Reply, CliError> {
    let loaded = run::read(&cli.config)?;
    let around = Around::connect_places(&loaded.config, session.clock.clone()).await;
    let target = target::find(&loaded.config, &around, &args, &reach::client(cli, session).await?).await?;
    let policy = target.policy.as_ref().ok();
    let sight = observe(
        &target.eyes,
        &around.login,
        policy,
        &target.secret.arn,
        session.clock.now(),
    )
    .await;
    let sight = sight.map_err(|error| target::failed(&error))?;
    let mut report = Report::of(&target, &sight);
    let planned = plan(&sight, args.now);
    let exit = match (&target.policy, planned) {
        (_, Err(refusal)) => report.refuse(refusal.to_string()),
        _ if !sight.had_a_rotation() => report.refuse(nothing_to_take(&target, &sight)),
        (Err(refusal), _) => report.refuse(refusal.to_string()),
        (Ok(_), Ok(actions)) if args.dry_run => {
            report.steps = steps(&actions, &sight.secret.name);
            report.result = if actions.is_empty() {
                Outcome::AlreadyDone
            } else {
                Outcome::Planned
            };
            Exit::Done
        }
        (Ok(policy), Ok(actions)) => {
            let taking = Taking {
                cli,
                args: &args,
                loaded,
                around: &around,
                audit: around.audit().await?,
                target: &target,
                policy,
                session,
            };
            let changes = !actions.is_empty() || args.rotate && !sight.rotated_by_us();
            taking.announced(changes, &mut report).await?
        }
    };
    Ok(Reply::new(exit, report.text(args.json)?))
}

/// What to do with a secret that no function rotates.
fn nothing_to_take(target: &Target, sight: &Sight) -> String {
    let name = &sight.secret.name;
    let told = format!("secret {name} never had a rotation function: there is nothing to take over");
    match &target.policy {
        Ok(policy) => format!(
            "{told}. Policy {} has it already: the daemon rotates it, and `rekeyd plan {name}` tells when",
            policy.name
        ),
        Err(_) => format!(
            "{told}. Let a policy name it and allow its user; `rekeyd onboard` says which lines that takes and does the rest"
        ),
    }
}

/// What it takes to take a secret over.
struct Taking<'a> {
    cli: &'a Cli,
    args: &'a TakeoverArgs,
    loaded: Loaded,
    around: &'a Around,
    audit: CommandTrail,
    target: &'a Target,
    policy: &'a Policy,
    session: &'a Session,
}

impl Taking<'_> {
    /// Carries it out, between two lines of the audit log if anything is to be changed.
    async fn announced(&self, changes: bool, report: &mut Report) -> Result<Exit, CliError> {
        if !changes {
            return self.carry_out(report).await;
        }
        let about = Subject {
            policy: Some(self.policy.name.clone()),
            place: Some(self.policy.place.clone()),
            secret: Some(self.target.secret.arn.clone()),
            request: Some(json!({"secret": self.args.secret, "rotate": self.args.rotate, "now": self.args.now})),
            ..Subject::default()
        };
        let begun = self.audit.begin(Change::Takeover, about).await;
        let begun = begun.map_err(|error| CliError::Run(error.to_string()))?;
        let ended = self.carry_out(report).await;
        let (outcome, error) = match &ended {
            Ok(_) => (report.result.audited(), report.detail.clone()),
            Err(error) => (audit::Outcome::Failed, Some(error.to_string())),
        };
        self.audit.end(&begun, outcome, error).await;
        ended
    }

    async fn carry_out(&self, report: &mut Report) -> Result<Exit, CliError> {
        let taker = Taker {
            eyes: &self.target.eyes,
            hands: &self.target.hands,
            login: &self.around.login,
            clock: self.session.clock.clone(),
            audit: &self.audit,
            policy: self.policy,
            now: self.args.now,
            patience: self.args.timeout,
        };
        let mut done: Vec<Action> = Vec::new();
        let taken = taker.take(&self.target.secret.arn, &mut done).await;
        report.steps = steps(&done, &self.target.secret.name);
        match taken {
            Ok(sight) => {
                report.result = if done.is_empty() {
                    Outcome::AlreadyDone
                } else {
                    Outcome::Done
                };
                match self.args.rotate && !sight.rotated_by_us() {
                    true => self.rotate(&sight, report).await,
                    false => Ok(Exit::Done),
                }
            }
            Err(Failure::Refused(refusal)) if done.is_empty() => Ok(report.refuse(refusal.to_string())),
            Err(Failure::Aws(error)) => Ok(report.fail(denied::told(&error, Purpose::Takeover))),
            Err(failure) => Ok(report.fail(failure.to_string())),
        }
    }

    /// The first rotation, if it was asked for and rekeyd has made none yet.
    async fn rotate(&self, sight: &Sight, report: &mut Report) -> Result<Exit, CliError> {
        let secrets = [(self.policy.name.clone(), BTreeSet::from([sight.secret.name.clone()]))].into();
        let (of_rotator, words) = self.session.by_channel();
        let rotating = async {
            let client = reach::client(self.cli, self.session).await?;
            let rotator = ByDaemon::start(self.loaded.clone(), client, &secrets, of_rotator, self.args.timeout).await?;
            let first = FirstRotation {
                secret: sight.secret.name.clone(),
                arn: sight.secret.arn.clone(),
                current: sight.secret.holder(AWSCURRENT).unwrap_or_default().to_owned(),
                on_request: true,
            };
            let rotated = rotator.rotate(&first).await;
            rotator.finish().await?;
            Ok::<_, CliError>(rotated)
        };
        match tell_as_it_goes(self.session, words, rotating).await? {
            Ok(()) => {
                report.rotated = true;
                report.result = Outcome::Done;
                Ok(Exit::Done)
            }
            Err(problem) => Ok(report.fail(format!("it is taken over; its first rotation: {problem}"))),
        }
    }
}
