//! `rekeyd onboard`.

pub(super) mod args;
mod many;
mod report;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::audit::command::CommandTrail;
use crate::aws::provisioning::{Eyes, Hands};
use crate::aws::{AwsError, connect_operator};
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::rotator::ByDaemon;
use crate::cli::{CliError, Reply, Session, denied, reach, run};
use crate::clock::SharedClock;
use crate::config::{Config, Loaded};
use crate::iam::Purpose;
use crate::login::{DEFAULT_CONCURRENCY, DEFAULT_DEADLINE, RedisLogin};
use crate::metrics::Metrics;
use crate::onboard::observe::observe;
use crate::onboard::{Action, Refusal, Request, coverage, plan};

use args::OnboardArgs;
use many::Common;
use report::{Outcome, Report};

/// What it takes to look, in each place that a policy of the request works in.
pub(super) struct Around {
    pub(super) config: Config,
    pub(super) login: RedisLogin,
    pub(super) clock: SharedClock,
    metrics: Arc<Metrics>,
    places: BTreeMap<String, (Eyes, Hands)>,
}

impl Around {
    /// Connects to the places of these policies.
    async fn connect(config: &Config, policies: &BTreeSet<String>, clock: SharedClock) -> Self {
        let wanted = policies.iter().filter_map(|name| config.policies.get(name));
        let wanted: BTreeSet<&str> = wanted.map(|policy| policy.place.as_str()).collect();
        Self::connect_some(config, |place| wanted.contains(place), clock).await
    }

    /// Connects to all places.
    pub(super) async fn connect_places(config: &Config, clock: SharedClock) -> Self {
        Self::connect_some(config, |_| true, clock).await
    }

    async fn connect_some(config: &Config, wanted: impl Fn(&str) -> bool, clock: SharedClock) -> Self {
        let metrics = Arc::new(Metrics::new(&[]));
        let mut places = BTreeMap::new();
        for place in config.places.values().filter(|place| wanted(&place.name)) {
            let connected = connect_operator(place, clock.clone(), metrics.clone()).await;
            places.insert(place.name.clone(), connected);
        }
        Self {
            config: config.clone(),
            login: RedisLogin::new(metrics.clone(), DEFAULT_DEADLINE, DEFAULT_CONCURRENCY),
            clock,
            metrics,
            places,
        }
    }

    /// The audit log that the configuration names, for what is changed here.
    pub(super) async fn audit(&self) -> Result<CommandTrail, CliError> {
        let file = self.config.daemon.audit_log.as_deref();
        let trail = CommandTrail::open(file, self.clock.clone(), self.metrics.clone()).await;
        trail.map_err(|error| {
            CliError::Run(format!(
                "{error}. This command writes to it too: run it as the daemon's user"
            ))
        })
    }

    /// What looks and changes in a place.
    pub(super) fn at(&self, place: &str) -> Option<&(Eyes, Hands)> {
        self.places.get(place)
    }

    /// What looks in a policy's place.
    fn eyes(&self, policy: &str) -> Option<&Eyes> {
        self.place(policy).map(|(eyes, _)| eyes)
    }

    fn hands(&self, policy: &str) -> Option<&Hands> {
        self.place(policy).map(|(_, hands)| hands)
    }

    fn place(&self, policy: &str) -> Option<&(Eyes, Hands)> {
        self.at(&self.config.policies.get(policy)?.place)
    }
}

/// What is to be done of one request, as a first look shows it.
#[derive(Clone)]
pub(super) struct Task {
    pub(super) line: Option<u64>,
    pub(super) request: Request,
    pub(super) planned: Result<Vec<Action>, Refusal>,
}

/// Onboards users.
pub(super) async fn onboard(cli: &Cli, args: OnboardArgs, session: &Session) -> Result<Reply, CliError> {
    let loaded = run::read(&cli.config)?;
    let policies = match &args.policy {
        Some(policy) => [policy.clone()].into(),
        None => loaded.config.policies.keys().cloned().collect(),
    };
    let around = Arc::new(Around::connect(&loaded.config, &policies, session.clock.clone()).await);
    let asked = requests::read(&args, &around).await?;
    let mut tasks = Vec::new();
    for (line, request) in asked {
        let planned = look(&around, &request).await?;
        tasks.push(Task { line, request, planned });
    }
    let refused = tasks.iter().filter(|task| task.planned.is_err()).count();
    let report = if args.dry_run || refused == tasks.len() || refused > 0 && !args.keep_going {
        Report::planned(&tasks)
    } else {
        carry_out(cli, &args, loaded, around, tasks, session).await?
    };
    let exit = exit_of(&report);
    let mut text = report.text(args.json, session)?;
    if refused > 0 && !report.begun && !args.dry_run && !args.json {
        text += &nothing_changed(refused, report.users.len());
    }
    Ok(Reply::new(exit, text))
}

/// The end of a run that the first look stopped: the steps above it were not taken.
fn nothing_changed(refused: usize, all: usize) -> String {
    let others = match all - refused {
        0 => "",
        _ => ": the steps above were only planned. Mend what is refused, or let --keep-going onboard the others",
    };
    format!("\nNothing was changed{others}.\n")
}

/// A look that failed, before anything was changed.
fn failed(error: &AwsError) -> CliError {
    let told = denied::told(error, Purpose::Onboard);
    CliError::Run(format!("{told}; nothing was changed"))
}

/// What is left to do of a request, from one look.
async fn look(around: &Around, request: &Request) -> Result<Result<Vec<Action>, Refusal>, CliError> {
    // Before AWS is asked for anything: what the request itself, or the configuration, leaves no doubt about.
    if let Err(problem) = request.check() {
        return Ok(Err(Refusal::Request(problem)));
    }
    let covered = |tags: &BTreeMap<String, String>| {
        coverage::covering(&around.config, &request.policy, &request.user_id, &request.secret, tags).cloned()
    };
    let (Some(eyes), Some(policy)) = (
        around.eyes(&request.policy),
        around.config.policies.get(&request.policy),
    ) else {
        return Ok(Err(match covered(&request.tags) {
            Err(refusal) => refusal,
            Ok(policy) => Refusal::Request(format!("policy {} has no place", policy.name)),
        }));
    };
    let place = around.config.places.get(&policy.place);
    let place = place.ok_or_else(|| CliError::Run(format!("place {} is gone", policy.place)))?;
    let sight = observe(eyes, &around.login, place, policy, request).await;
    let sight = sight.map_err(|error| failed(&error))?;
    let mut tags = sight
        .secret
        .as_ref()
        .map(|secret| secret.state.tags.clone())
        .unwrap_or_default();
    tags.extend(request.tags.clone());
    Ok(match covered(&tags) {
        Ok(policy) => plan(request, &policy, &sight),
        Err(refusal) => Err(refusal),
    })
}

async fn carry_out(
    cli: &Cli,
    args: &OnboardArgs,
    loaded: Loaded,
    around: Arc<Around>,
    tasks: Vec<Task>,
    session: &Session,
) -> Result<Report, CliError> {
    let mut secrets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for task in tasks
        .iter()
        .filter(|task| task.planned.as_ref().is_ok_and(|actions| rotates(actions)))
    {
        let of_policy = secrets.entry(task.request.policy.clone()).or_default();
        of_policy.insert(task.request.secret.clone());
    }
    let audit = around.audit().await?;
    let (of_rotator, words) = session.by_channel();
    let (by_line, lines) = session.by_channel();
    let rotator = match secrets.is_empty() {
        true => None,
        false => {
            let client = reach::client(cli, session).await?;
            Some(ByDaemon::start(loaded, client, &secrets, of_rotator, args.timeout).await?)
        }
    };
    let common = Arc::new(Common {
        around,
        audit,
        rotator,
        told: by_line,
        patience: args.timeout,
    });
    let all = many::all(common.clone(), tasks);
    let all = tell_as_it_goes(session, lines, all);
    let items = tell_as_it_goes(session, words, all).await;
    if let Some(rotator) = Arc::into_inner(common).and_then(|common| common.rotator) {
        rotator.finish().await?;
    }
    Ok(Report {
        users: items,
        begun: true,
    })
}

/// Tells what comes over a channel while something goes on.
pub(super) async fn tell_as_it_goes<T>(
    session: &Session,
    mut lines: UnboundedReceiver<String>,
    going_on: impl Future<Output = T>,
) -> T {
    tokio::pin!(going_on);
    loop {
        tokio::select! {
            biased;
            Some(line) = lines.recv() => session.tell(&line),
            done = &mut going_on => return done,
        }
    }
}

fn rotates(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Rotate { .. }))
}

fn exit_of(report: &Report) -> Exit {
    let count = |wanted: fn(Outcome) -> bool| report.users.iter().filter(|item| wanted(item.result)).count();
    let all = report.users.len();
    let refused = count(|result| result == Outcome::Refused);
    let good = count(|result| matches!(result, Outcome::Done | Outcome::AlreadyDone));
    match report.begun {
        false if refused > 0 => Exit::Refused,
        false => Exit::Done,
        true if good == all => Exit::Done,
        true if refused == all => Exit::Refused,
        true if good > 0 => Exit::Partly,
        true => Exit::Failed,
    }
}
