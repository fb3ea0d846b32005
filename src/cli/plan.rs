//! `rekeyd plan`: what would be done, and what would refuse, by looking only. It holds readers of AWS and no writer.

mod text;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::aws::{PlaceReaders, connect_to_read};
use crate::cli::exit::Exit;
use crate::cli::show::pretty;
use crate::cli::{CliError, Reply, Session, help, run};
use crate::clock::Timestamp;
use crate::config::{Config, StateLocation};
use crate::login::{DEFAULT_CONCURRENCY, DEFAULT_DEADLINE, RedisLogin};
use crate::metrics::Metrics;
use crate::preflight::{self, Adapters, Outlook, Wanted};
use crate::rotation::state::Record;
use crate::store::sqlite::read_records;

/// How many secrets are looked at between two words about it.
const TOLD_EVERY: usize = 100;

/// `rekeyd plan`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help::PLAN)]
pub struct PlanArgs {
    /// Names or ARNs; all if there are none.
    #[arg(value_name = "SECRET")]
    pub secrets: Vec<String>,
    /// The secrets of this policy only.
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// Tell by the exit code whether there is work, or something to mend.
    #[arg(long)]
    pub exit_code: bool,
}

/// What `rekeyd plan --json` prints.
#[derive(Serialize)]
struct PlanReply {
    store: StoreSight,
    #[serde(flatten)]
    outlook: Outlook,
}

/// What was read of the daemon's store.
#[derive(Serialize)]
struct StoreSight {
    /// Where it is.
    location: String,
    /// How many secrets it remembers; nothing if it could not be read.
    records: Option<usize>,
    /// Why it could not be.
    problem: Option<String>,
}

/// Looks and tells.
pub(super) async fn plan(config: &Path, args: PlanArgs, session: &Session) -> Result<Reply, CliError> {
    let config = run::read(config)?.config;
    let wanted = Wanted {
        secrets: args.secrets,
        policy: args.policy,
    };
    known_policy(&config, &wanted)?;
    let (store, records) = remembered(&config, session.clock.now());
    let adapters = adapters(&config, session).await;
    let progress = |done: usize, all: usize| {
        if done.is_multiple_of(TOLD_EVERY) && done < all {
            session.tell(&format!("{done} of {all} secrets looked at"));
        }
    };
    let outlook = preflight::look(&config, records, adapters, &wanted, &progress).await;
    let outlook = outlook.map_err(|error| CliError::Run(error.to_string()))?;
    known_secrets(&outlook, &wanted)?;
    let exit = exit_of(&outlook, args.exit_code);
    let reply = PlanReply { store, outlook };
    let text = match args.json {
        true => pretty(&reply)?,
        false => text::shown(&reply, session.colour),
    };
    Ok(Reply::new(exit, text))
}

/// Readers of every place in which a policy works, and logins.
async fn adapters(config: &Config, session: &Session) -> Adapters {
    let policies: Vec<String> = config.policies.keys().cloned().collect();
    let metrics = Arc::new(Metrics::new(&policies));
    let mut readers: BTreeMap<String, PlaceReaders> = BTreeMap::new();
    for policy in config.policies.values() {
        let Some(place) = config
            .places
            .get(&policy.place)
            .filter(|place| !readers.contains_key(&place.name))
        else {
            continue;
        };
        let reader = connect_to_read(place, session.clock.clone(), metrics.clone()).await;
        readers.insert(place.name.clone(), reader);
    }
    let login = Arc::new(RedisLogin::new(metrics.clone(), DEFAULT_DEADLINE, DEFAULT_CONCURRENCY));
    Adapters {
        readers,
        login: login.clone(),
        reach: login,
        clock: session.clock.clone(),
        metrics,
    }
}

/// What the daemon remembers, as far as it is to be believed. Without it the plan is that of a daemon with a new store.
fn remembered(config: &Config, now: Timestamp) -> (StoreSight, Vec<Record>) {
    let location = config.daemon.state.to_string();
    let (records, problem) = match &config.daemon.state {
        StateLocation::Sqlite(path) => match read_records(path) {
            Ok(Some(records)) => (Some(records), None),
            Ok(None) => (None, Some("there is none yet".to_owned())),
            Err(error) => (None, Some(error.to_string())),
        },
        StateLocation::DynamoDb { .. } => (None, Some("a plan does not read a table yet".to_owned())),
    };
    let store = StoreSight {
        location,
        records: records.as_ref().map(Vec::len),
        problem,
    };
    let records = records.unwrap_or_default().into_iter();
    (store, records.map(|record| record.believed(now)).collect())
}

fn known_policy(config: &Config, wanted: &Wanted) -> Result<(), CliError> {
    let unknown = wanted
        .policy
        .as_ref()
        .filter(|policy| !config.policies.contains_key(*policy));
    let Some(policy) = unknown else { return Ok(()) };
    let known: Vec<&str> = config.policies.keys().map(String::as_str).collect();
    Err(CliError::Refused(format!(
        "there is no policy {policy}; there are: {}",
        known.join(", ")
    )))
}

/// Every secret that was asked for by name must be a policy's, unless what a policy selects could not be listed.
fn known_secrets(outlook: &Outlook, wanted: &Wanted) -> Result<(), CliError> {
    let is_known = |name: &String| {
        let mut secrets = outlook.secrets.iter();
        secrets.any(|secret| {
            secret.secret.is_none() || secret.secret.as_ref() == Some(name) || secret.arn.as_ref() == Some(name)
        })
    };
    let unknown: Vec<&str> = wanted
        .secrets
        .iter()
        .filter(|name| !is_known(name))
        .map(String::as_str)
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let policy = wanted.policy.as_ref().map_or_else(
        || "no policy has".to_owned(),
        |policy| format!("policy {policy} does not have"),
    );
    Err(CliError::Refused(format!(
        "{policy} {}; `rekeyd plan` without names shows all secrets",
        unknown.join(", ")
    )))
}

fn exit_of(outlook: &Outlook, by_exit_code: bool) -> Exit {
    let totals = &outlook.totals;
    match (totals.not_looked_at, by_exit_code) {
        (blind, _) if blind > 0 && blind == totals.secrets => Exit::Failed,
        (blind, _) if blind > 0 => Exit::Partly,
        (_, true) if totals.refused > 0 => Exit::Refused,
        (_, true) if totals.due > 0 => Exit::WorkFound,
        _ => Exit::Done,
    }
}
