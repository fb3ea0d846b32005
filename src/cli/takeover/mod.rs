//! `rekeyd takeover`.

pub(super) mod args;
mod report;
mod target;

use std::collections::BTreeSet;

use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::onboard::{Around, tell_as_it_goes};
use crate::cli::rotator::ByDaemon;
use crate::cli::{CliError, Reply, Session, denied, run, socket};
use crate::config::Loaded;
use crate::iam::Purpose;
use crate::onboard::execute::{FirstRotation, Rotator};
use crate::process;
use crate::rotation::observation::AWSCURRENT;
use crate::takeover::{Action, Failure, Sight, Taker, observe, plan, steps};

use args::TakeoverArgs;
use report::{Outcome, Report};
use target::Target;

/// Takes a secret over.
pub(super) async fn takeover(cli: &Cli, args: TakeoverArgs, session: &Session) -> Result<Reply, CliError> {
    if let Err(error) = process::keep_memory_private() {
        tracing::warn!(%error, "the system refuses to forbid core files; see to it that none is written");
    }
    let loaded = run::read(&cli.config)?;
    let around = Around::connect_places(&loaded.config, session.clock.clone()).await;
    let target = target::find(&loaded.config, &around, &args).await?;
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
        (Ok(_), Ok(_)) => carry_out(cli, &args, loaded.clone(), &around, &target, &mut report, session).await?,
    };
    Ok(Reply::new(exit, report.text(args.json)?))
}

async fn carry_out(
    cli: &Cli,
    args: &TakeoverArgs,
    loaded: Loaded,
    around: &Around,
    target: &Target,
    report: &mut Report,
    session: &Session,
) -> Result<Exit, CliError> {
    let Ok(policy) = &target.policy else {
        return Ok(Exit::Refused);
    };
    let taker = Taker {
        eyes: &target.eyes,
        hands: &target.hands,
        login: &around.login,
        clock: session.clock.clone(),
        policy,
        now: args.now,
        patience: args.timeout,
    };
    let mut done: Vec<Action> = Vec::new();
    let taken = taker.take(&target.secret.arn, &mut done).await;
    report.steps = steps(&done, &target.secret.name);
    match taken {
        Ok(sight) => {
            report.result = if done.is_empty() {
                Outcome::AlreadyDone
            } else {
                Outcome::Done
            };
            if args.rotate && !sight.rotated_by_us() {
                return rotate(cli, args, loaded, target, &sight, report, session).await;
            }
            Ok(Exit::Done)
        }
        Err(Failure::Refused(refusal)) if done.is_empty() => Ok(report.refuse(refusal.to_string())),
        Err(Failure::Aws(error)) => Ok(report.fail(denied::told(&error, Purpose::Takeover))),
        Err(failure) => Ok(report.fail(failure.to_string())),
    }
}

/// The first rotation, if it was asked for and rekeyd has made none yet.
async fn rotate(
    cli: &Cli,
    args: &TakeoverArgs,
    loaded: Loaded,
    target: &Target,
    sight: &Sight,
    report: &mut Report,
    session: &Session,
) -> Result<Exit, CliError> {
    let Ok(policy) = &target.policy else {
        return Ok(Exit::Refused);
    };
    let secrets = [(policy.name.clone(), BTreeSet::from([sight.secret.name.clone()]))].into();
    let (of_rotator, words) = session.by_channel();
    let rotating = async {
        let rotator = ByDaemon::start(loaded, socket(cli)?, &secrets, of_rotator, args.timeout).await?;
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
    match tell_as_it_goes(session, words, rotating).await? {
        Ok(()) => {
            report.rotated = true;
            report.result = Outcome::Done;
            Ok(Exit::Done)
        }
        Err(problem) => Ok(report.fail(format!("it is taken over; its first rotation: {problem}"))),
    }
}
