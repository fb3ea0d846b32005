//! The state and everything that can happen to it. No I/O, no clock: the time is an argument.
//!
//! A call has two halves so that a fault can come between them: [`State::arrive`] refuses, or says how
//! the call is to be treated; [`State::process`] applies it and says how the reply is to be treated.

pub(crate) mod account;
pub(crate) mod arrange;
pub(crate) mod authorization;
pub(crate) mod cache;
pub(crate) mod faults;
pub(crate) mod keep;
pub(crate) mod log;
pub(crate) mod node_life;
pub(crate) mod nodes;
pub(crate) mod operation;
pub(crate) mod pages;
pub(crate) mod quotas;
pub(crate) mod random;
pub(crate) mod secrets;
pub(crate) mod seed;
pub(crate) mod signature;
pub(crate) mod stranger;
pub(crate) mod trail;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rand::SeedableRng;
use rand::rngs::StdRng;

use self::account::{Account, NodeUpdate};
use self::faults::{CallShape, Fault, FaultKind, Faults};
use self::log::CallLog;
use self::operation::{Env, Operation};
use self::stranger::When;
use self::trail::{Change, Trail};
use crate::error::ApiError;
use crate::settings::{Caches, Settings};

/// Who calls, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallContext {
    /// The access key id. Twelve digits are also the account.
    pub access_key: String,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The signature's date; without one there is nothing to be too old.
    pub signed_at: Option<DateTime<Utc>>,
    /// Whether the call came through the Rust door.
    pub in_process: bool,
    /// The id that the reply will carry over HTTP.
    pub request_id: Option<String>,
}

/// The account when the access key names none.
pub const DEFAULT_ACCOUNT: &str = "123456789012";

impl CallContext {
    /// A call signed with `access_key` for `region`.
    #[must_use]
    pub fn new(access_key: &str, region: &str) -> Self {
        let digits = access_key.len() == 12 && access_key.bytes().all(|b| b.is_ascii_digit());
        Self {
            access_key: access_key.to_owned(),
            account: if digits { access_key } else { DEFAULT_ACCOUNT }.to_owned(),
            region: region.to_owned(),
            signed_at: None,
            in_process: true,
            request_id: None,
        }
    }

    /// The same, signed at a moment.
    #[must_use]
    pub fn signed_at(mut self, time: DateTime<Utc>) -> Self {
        self.signed_at = Some(time);
        self
    }
}

impl Default for CallContext {
    fn default() -> Self {
        Self::new("test", "us-east-1")
    }
}

/// How a call that has arrived is to be treated.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) seq: u64,
    /// Which life of the state it arrived in; a reset begins another.
    epoch: u64,
    pub(crate) before: Before,
    fault: Option<Box<Fault>>,
}

/// What comes before the call is processed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    /// Wait so many milliseconds.
    Delay(u64),
    /// Wait for release.
    Hold,
    /// Never process it.
    Hang,
    /// Answer with this instead.
    Refuse(ApiError),
}

/// What comes after.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum After {
    Reply,
    /// Hold the reply until release.
    Hold,
    /// Close the connection.
    Lose,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct State {
    accounts: BTreeMap<(String, String), Account>,
    pub(crate) settings: Settings,
    initial: Settings,
    pub(crate) faults: Faults,
    pub(crate) log: CallLog,
    rng: StdRng,
    seed: u64,
    live: bool,
    epoch: u64,
    /// How often the state file has been loaded.
    starts: u64,
    /// Counts what may have changed anything that the state file keeps.
    revision: u64,
    /// What has happened, once somebody follows.
    pub(crate) trail: Option<Trail>,
}

impl State {
    pub(crate) fn new(seed: u64, settings: Settings) -> Self {
        Self {
            accounts: BTreeMap::new(),
            initial: settings.clone(),
            settings,
            faults: Faults::default(),
            log: CallLog::default(),
            rng: StdRng::seed_from_u64(seed),
            seed,
            live: false,
            epoch: 0,
            starts: 0,
            revision: 0,
            trail: None,
        }
    }

    /// Says that processes are attached, which carry out updates and confirm them.
    pub(crate) fn go_live(&mut self) {
        self.live = true;
    }

    /// Forgets everything; settings are those of the start again. Returns the nodes that have to go.
    pub(crate) fn reset(&mut self) -> Vec<NodeUpdate> {
        let gone = self
            .accounts
            .values()
            .filter(|account| account.live)
            .flat_map(Account::end_all)
            .collect();
        self.accounts.clear();
        self.settings = self.initial.clone();
        self.faults = Faults::default();
        self.log = CallLog::default();
        self.epoch += 1;
        self.revision += 1;
        gone
    }

    /// A call has arrived in full.
    pub(crate) fn arrive<O: Operation>(&mut self, now: DateTime<Utc>, ctx: &CallContext, input: &O) -> Arrival {
        let resource = input.resource();
        let entry = log::entry(now, ctx, (O::SERVICE, O::NAME), resource);
        let seq = self.log.open(entry, self.settings.log_limit);
        let mut arrival = Arrival {
            seq,
            epoch: self.epoch,
            before: Before::Nothing,
            fault: None,
        };
        if let Err(error) = self.admit::<O>(now, ctx, seq) {
            self.log.close(seq, &error.code, false);
            arrival.before = Before::Refuse(error);
            return arrival;
        }
        let shape = CallShape {
            service: O::SERVICE,
            operation: O::NAME,
            resource,
            mutates: O::MUTATES,
        };
        let Some(fault) = self.faults.strike(&shape) else {
            return arrival;
        };
        self.log.set_fault(seq, fault.kind.name());
        arrival.before = match fault.kind {
            FaultKind::Hang => Before::Hang,
            FaultKind::Hold => Before::Hold,
            FaultKind::Delay => Before::Delay(fault.ms.unwrap_or(1_000)),
            _ => fault.error(O::SERVICE).map_or(Before::Nothing, Before::Refuse),
        };
        match &arrival.before {
            Before::Refuse(error) => self.log.close(seq, &error.code, false),
            Before::Hang => self.log.close(seq, "hang", false),
            _ => {}
        }
        arrival.fault = Some(Box::new(fault));
        arrival
    }

    /// Refuses what never gets as far as a fault: an old signature, and calls beyond a quota.
    fn admit<O: Operation>(&mut self, now: DateTime<Utc>, ctx: &CallContext, seq: u64) -> Result<(), ApiError> {
        self.check_date::<O>(now, ctx)?;
        let quotas = self.settings.quotas;
        if quotas.enabled {
            let buckets = &mut self.env(now, &ctx.account, &ctx.region).account.buckets;
            let taken = buckets.take(&quotas, now, O::SERVICE, O::NAME);
            if taken.is_err() {
                self.log.set_fault(seq, quotas::FAULT);
            }
            taken?;
        }
        Ok(())
    }

    /// The call is applied, `now` being after any wait that came before.
    pub(crate) fn process<O: Operation>(
        &mut self,
        now: DateTime<Utc>,
        ctx: &CallContext,
        arrival: &Arrival,
        input: O,
    ) -> (Result<O::Output, ApiError>, After) {
        if arrival.epoch != self.epoch {
            let gone = ApiError::with_status(500, "InternalFailure", "The sandbox was reset.");
            return (Err(gone), After::Lose);
        }
        let admitted = self.check_date_again::<O>(now, ctx, arrival);
        let (result, mutated) = match admitted.and_then(|()| self.authorize(now, ctx, &input)) {
            Err(error) => (Err(error), false),
            Ok(()) => self.apply_with_stranger(now, ctx, arrival, input),
        };
        let outcome = result.as_ref().err().map_or("ok", |error| error.code.as_str());
        self.log.close(arrival.seq, outcome, mutated);
        let after = match arrival.fault.as_ref().map(|fault| fault.kind) {
            Some(FaultKind::ReplyLost) => After::Lose,
            Some(FaultKind::HoldReply) => After::Hold,
            _ => After::Reply,
        };
        (result, after)
    }

    /// Applies a call, and lets a stranger act just before or after it if its fault says so. What comes of that is in
    /// the log.
    fn apply_with_stranger<O: Operation>(
        &mut self,
        now: DateTime<Utc>,
        ctx: &CallContext,
        arrival: &Arrival,
        input: O,
    ) -> (Result<O::Output, ApiError>, bool) {
        let fault = arrival.fault.as_ref().filter(|fault| fault.kind == FaultKind::Stranger);
        let Some((act, when)) = fault.and_then(|fault| Some((fault.act.as_ref()?, fault.when))) else {
            return self.apply(now, ctx, input);
        };
        if when == When::Before {
            let _ = self.stranger(now, ctx, act);
        }
        let applied = self.apply(now, ctx, input);
        if when == When::After {
            let _ = self.stranger(now, ctx, act);
        }
        applied
    }

    fn apply<O: Operation>(
        &mut self,
        now: DateTime<Utc>,
        ctx: &CallContext,
        input: O,
    ) -> (Result<O::Output, ApiError>, bool) {
        let what = (O::SERVICE, O::NAME);
        let footing = O::MUTATES
            .then(|| self.footing(now, ctx, what, input.resource()))
            .flatten();
        let mut env = self.env(now, &ctx.account, &ctx.region);
        let before = (env.account.changes(), env.account.marks());
        let result = input.apply(&mut env);
        let mutated = env.account.changes() != before.0;
        let marked = env.account.marks() != before.1;
        self.revision += u64::from(mutated || marked);
        if mutated {
            self.changed(ctx, footing);
            self.spread(&ctx.account, &ctx.region);
        }
        (result, mutated)
    }

    fn check_date<O: Operation>(&self, now: DateTime<Utc>, ctx: &CallContext) -> Result<(), ApiError> {
        signature::check(O::SERVICE, ctx.signed_at, now, self.settings.signature_window_s)
    }

    /// A request that was held on its way arrives, as far as its date goes, when it is let go.
    fn check_date_again<O: Operation>(
        &self,
        now: DateTime<Utc>,
        ctx: &CallContext,
        arrival: &Arrival,
    ) -> Result<(), ApiError> {
        match arrival.before {
            Before::Hold | Before::Delay(_) => self.check_date::<O>(now, ctx),
            _ => Ok(()),
        }
    }

    /// The account of a call, made when it is first used, with what an operation needs.
    pub(crate) fn env(&mut self, now: DateTime<Utc>, account: &str, region: &str) -> Env<'_> {
        let live = self.live && self.settings.caches == Caches::Redis;
        let account = self
            .accounts
            .entry((account.to_owned(), region.to_owned()))
            .or_insert_with(|| Account::new(account, region, live));
        if account.cache.nodes.is_empty() {
            // The setting may have changed; nodes of both kinds do not mix.
            account.live = live;
        }
        Env {
            account,
            settings: &self.settings,
            rng: &mut self.rng,
            now,
        }
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    pub(crate) fn accounts_mut(&mut self) -> impl Iterator<Item = &mut Account> {
        self.accounts.values_mut()
    }

    /// Lets everything happen that is due, each thing at its own moment, however late this is called.
    pub(crate) fn advance(&mut self, now: DateTime<Utc>) -> Vec<NodeUpdate> {
        let mut updates = Vec::new();
        let mut replicating = Vec::new();
        for account in self.accounts.values_mut() {
            while let Some((at, event)) = account.take_due(now) {
                self.revision += 1;
                let noted = self
                    .trail
                    .is_some()
                    .then(|| (event.clone(), trail::secret_of(account, &event)));
                let mut env = Env {
                    account: &mut *account,
                    settings: &self.settings,
                    rng: &mut self.rng,
                    now: at,
                };
                env.happen(event);
                if let (Some(trail), Some((event, before))) = (&mut self.trail, noted) {
                    let after = trail::secret_of(account, &event);
                    trail.note(at, &account.region, &event, Change { before, after });
                }
            }
            updates.append(&mut account.outbox);
            if !account.replication.is_empty() {
                replicating.push((account.id.clone(), account.region.clone()));
            }
        }
        for (account, region) in replicating {
            self.spread(&account, &region);
        }
        updates
    }

    /// When the next thing is due.
    pub(crate) fn next_event(&self) -> Option<DateTime<Utc>> {
        self.accounts.values().filter_map(Account::next_event).min()
    }
}
