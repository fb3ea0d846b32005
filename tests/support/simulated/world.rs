//! The world that all replicas of a simulation share: the sandbox, time, the network between them,
//! and the auditor that looks on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rekeyd::aws::{AwsResult, CALL_TIMEOUT};
use rekeyd::metrics::Metrics;
use rekeyd_sandbox::{CallContext, CallError, Operation, STRANGER, Sandbox, StrangerAct};
use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until, timeout};

use super::auditor::Auditor;
use super::chance::Chance;
use super::clock::{MachineClock, TrueTime};
use super::errors::{Broken, aws_error};
use super::faults::CallFaultKind;
use super::process::{Begun, Process};
use crate::support::world::REGION;

/// How long a request or an answer travels.
const TRAVEL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(30));

/// What happened in a replica, as it stored it.
pub struct JournalEntry {
    pub at: DateTime<Utc>,
    pub replica: String,
    pub secret_arn: String,
    pub event: rekeyd::rotation::event::Event,
}

/// What befell a replica.
#[derive(Clone)]
pub struct Mishap {
    pub at: DateTime<Utc>,
    pub what: String,
}

/// What becomes of calls to a region that is cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outage {
    /// Nothing answers until the caller gives up.
    BlackHole,
    /// Every connection is refused at once.
    Refusing,
    /// Every call is throttled.
    Throttling,
}

/// The shared world.
pub struct World {
    pub sandbox: Sandbox,
    pub time: TrueTime,
    pub seed: u64,
    network: Chance,
    auditor: Mutex<Auditor>,
    journal: Mutex<Vec<JournalEntry>>,
    mishaps: Mutex<Vec<Mishap>>,
    /// Nodes whose certificate nobody trusts.
    distrusted: Mutex<BTreeSet<String>>,
    /// What strangers do as soon as a replica has written down that it is about to move AWSCURRENT, by ARN.
    before_finish: Mutex<BTreeMap<String, StrangerAct>>,
    panics_at_save: Mutex<BTreeSet<String>>,
    /// Regions that nobody can reach, with what becomes of a call there.
    outages: Mutex<BTreeMap<String, Outage>>,
    /// Rings when the sandbox's next event may be another than before.
    touched: Notify,
}

impl World {
    pub fn new(seed: u64, settings: rekeyd_sandbox::Settings) -> Arc<Self> {
        let time = TrueTime::new();
        let world = Arc::new(Self {
            sandbox: Sandbox::new(time.clone(), seed, settings),
            auditor: Mutex::new(Auditor::new(time.clone())),
            time,
            seed,
            network: Chance::new(seed, "network"),
            journal: Mutex::default(),
            mishaps: Mutex::default(),
            distrusted: Mutex::default(),
            before_finish: Mutex::default(),
            panics_at_save: Mutex::default(),
            outages: Mutex::default(),
            touched: Notify::new(),
        });
        world.sandbox.follow();
        tokio::spawn(world.clone().let_events_happen());
        world
    }

    /// Lets every event of the sandbox happen at its time, so that the auditor sees it alone.
    async fn let_events_happen(self: Arc<Self>) {
        loop {
            self.catch_up();
            let next = self.sandbox.next_event();
            tokio::select! {
                biased;
                () = self.touched.notified() => {}
                () = async {
                    match next {
                        Some(at) => sleep_until(self.time.instant_of(at)).await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
        }
    }

    /// Lets what is due happen, one moment after the other, and audits each.
    pub fn catch_up(&self) {
        let now = self.sandbox.now();
        while let Some(at) = self.sandbox.next_event().filter(|at| *at <= now) {
            self.time.hold(Some(at));
            self.sandbox.tick();
            self.audit();
        }
        self.time.hold(None);
    }

    /// Something outside of the API changed the sandbox.
    pub fn changed(&self) {
        self.audit();
        self.touched.notify_one();
    }

    fn audit(&self) {
        self.auditor().look(&self.sandbox);
    }

    pub fn auditor(&self) -> MutexGuard<'_, Auditor> {
        self.auditor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn journal(&self) -> MutexGuard<'_, Vec<JournalEntry>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets whoever next stores something of this secret panic.
    pub fn panics_at_save(&self, secret_arn: &str) {
        let mut armed = self.panics_at_save.lock().unwrap_or_else(PoisonError::into_inner);
        armed.insert(secret_arn.to_owned());
    }

    /// A replica is about to store something of a secret.
    pub fn is_about_to_save(&self, secret_arn: &str) {
        let mut armed = self.panics_at_save.lock().unwrap_or_else(PoisonError::into_inner);
        let panics = armed.remove(secret_arn);
        drop(armed);
        assert!(!panics, "told to panic at a save of {secret_arn}");
    }

    /// Lets a stranger act when the next finish of this secret has been written down, before it is sent.
    pub fn before_finish(&self, secret_arn: String, act: StrangerAct) {
        let mut armed = self.before_finish.lock().unwrap_or_else(PoisonError::into_inner);
        armed.insert(secret_arn, act);
    }

    /// A replica is about to move AWSCURRENT.
    pub fn is_about_to_finish(&self, secret_arn: &str) {
        let act = self
            .before_finish
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(secret_arn);
        if let Some(act) = act {
            self.catch_up();
            // AWS may refuse.
            drop(self.sandbox.stranger(&CallContext::new(STRANGER, REGION), &act));
            self.changed();
        }
    }

    /// Notes what befalls a replica just now.
    pub fn note_mishap(&self, what: String) {
        let at = rekeyd_sandbox::Clock::now(&self.time);
        self.mishaps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Mishap { at, what });
    }

    /// What has befallen replicas so far.
    pub fn mishaps(&self) -> Vec<Mishap> {
        self.mishaps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A call that arrives now.
    ///
    /// # Errors
    /// Whatever the sandbox answers.
    pub async fn process<O: Operation>(&self, context: &CallContext, input: O) -> Result<O::Output, CallError> {
        self.catch_up();
        if !O::MUTATES {
            let who = (context.access_key.as_str(), context.region.as_str());
            let what = (O::SERVICE, O::NAME);
            self.auditor().has_read(self.sandbox.now(), who, what, input.resource());
            return self.sandbox.call(context, input).await;
        }
        let mut call = std::pin::pin!(self.sandbox.call(context, input));
        // A call whose reply is held has been applied long before it returns.
        let at_once = tokio::select! {
            biased;
            result = &mut call => Some(result),
            () = std::future::ready(()) => None,
        };
        self.changed();
        match at_once {
            Some(result) => result,
            None => {
                let result = call.await;
                self.changed();
                result
            }
        }
    }

    /// Gives a node a certificate that nobody trusts, or its own again.
    pub fn distrust(&self, node: &str, distrusted: bool) {
        let mut all = self.distrusted.lock().unwrap_or_else(PoisonError::into_inner);
        match distrusted {
            true => all.insert(node.to_owned()),
            false => all.remove(node),
        };
    }

    /// Whether a node's certificate is trusted.
    pub fn trusts(&self, node: &str) -> bool {
        let all = self.distrusted.lock().unwrap_or_else(PoisonError::into_inner);
        !all.contains(node)
    }

    /// Cuts a region off, or connects it again. Calls that are on their way arrive.
    pub fn cut_off(&self, region: &str, outage: Option<Outage>) {
        let mut outages = self.outages.lock().unwrap_or_else(PoisonError::into_inner);
        match outage {
            Some(outage) => outages.insert(region.to_owned(), outage),
            None => outages.remove(region),
        };
    }

    fn outage(&self, region: &str) -> Option<Outage> {
        let outages = self.outages.lock().unwrap_or_else(PoisonError::into_inner);
        outages.get(region).copied()
    }

    /// How long the next message travels.
    pub fn travel(&self) -> Duration {
        self.network.duration(TRAVEL)
    }
}

/// The wire between one replica and AWS: what the SDK is to the real daemon.
#[derive(Clone)]
pub struct Wire {
    pub world: Arc<World>,
    pub process: Arc<Process>,
    pub clock: Arc<MachineClock>,
    pub metrics: Arc<Metrics>,
    pub access_key: String,
    pub region: String,
}

impl Wire {
    /// Sends a request dated now.
    ///
    /// # Errors
    /// As the SDK adapters report them.
    pub async fn read<O: Operation>(&self, resource: &str, input: O) -> AwsResult<O::Output> {
        let now = rekeyd::clock::Clock::now(&*self.clock);
        self.send(resource, input, now).await
    }

    /// Sends a request dated `signed_at`, and waits as long as the SDK does. One that is on its way
    /// arrives, whether or not anybody waits for it still.
    ///
    /// # Errors
    /// As the SDK adapters report them.
    pub async fn send<O: Operation>(&self, resource: &str, input: O, signed_at: DateTime<Utc>) -> AwsResult<O::Output> {
        self.process.running().await;
        let call = self.begins::<O>();
        self.process.running().await;
        let began = rekeyd::clock::Clock::monotonic(&*self.clock);
        if let Some(outage) = self.world.outage(&self.region) {
            let broken = Broken::by(outage, self.world.travel()).await;
            self.process.answered(&call);
            self.process.running().await;
            return Err(aws_error(O::NAME, resource, &broken));
        }
        let context = CallContext::new(&self.access_key, &self.region).signed_at(signed_at);
        let (wire, there, back) = (self.clone(), self.world.travel(), self.world.travel());
        let on_its_way = tokio::spawn(async move {
            sleep(there).await;
            match wire.arrives(&call, &context, input).await {
                Err(CallError::Hang) => std::future::pending().await,
                result => {
                    sleep(back).await;
                    result
                }
            }
        });
        let result = match timeout(CALL_TIMEOUT, on_its_way).await {
            Ok(answered) => answered.expect("the sandbox does not panic").map_err(Broken::Call),
            Err(_) => Err(Broken::Timeout),
        };
        self.process.answered(&call);
        self.process.running().await;
        let result = result.map_err(|broken| aws_error(O::NAME, resource, &broken));
        let outcome = result.as_ref().err().map_or("ok", |error| error.class.label());
        let took = rekeyd::clock::Clock::monotonic(&*self.clock).saturating_sub(began);
        self.metrics.aws_request(O::SERVICE.name(), O::NAME, outcome, took);
        result
    }

    fn begins<O: Operation>(&self) -> Begun<CallFaultKind> {
        let call = self.process.calls(O::NAME, O::MUTATES);
        if let Some(fault) = call.fault {
            let (replica, number) = (&self.access_key, call.number);
            let what = format!("{replica}: its call {number}, {}, meets {fault:?}", O::NAME);
            self.world.note_mishap(what);
        }
        call
    }

    /// What a call comes to that arrives now.
    async fn arrives<O: Operation>(
        &self,
        call: &Begun<CallFaultKind>,
        context: &CallContext,
        input: O,
    ) -> Result<O::Output, CallError> {
        if let Some(obstacle) = call.fault.and_then(CallFaultKind::obstacle::<O>) {
            return Err(obstacle);
        }
        let result = self.world.process(context, input).await;
        self.process.carried_out(call);
        match call.fault {
            Some(fault) => fault.answer(result),
            None => result,
        }
    }
}
