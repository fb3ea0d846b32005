//! A replica of rekeyd: the real engine on simulated ports. It can be killed at any moment and
//! started again, with its store or without.

mod starting;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use rekeyd::config::Config;
use rekeyd::engine::control::{Control, ControlError, RotateOptions, Selector};
use rekeyd::engine::{Engine, Reloaded};
use rekeyd::metrics::Metrics;
use rekeyd::rotation::status::SecretStatus;
use rekeyd::store::shared::leases::Leases;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::auditor::Expectations;
use super::clock::MachineClock;
use super::faults::{CallFault, CrashPoint, SaveFault};
use super::login::NodeLogin;
use super::process::{Deed, Fate, Process};
use super::store::{Disk, OpenStore};
use super::world::Wire;
use super::{Policy, Simulation};
use crate::support::world::REGION;

/// A machine that rekeyd runs on: what is left of a replica when it is dead.
#[derive(Clone)]
pub struct Machine {
    simulation: Simulation,
    name: String,
    clock: Arc<MachineClock>,
    disk: Disk,
    policies: Vec<(String, String)>,
    /// Places besides `main`, each with its region.
    places: Vec<(String, String)>,
    daemon: String,
    /// How many processes it has had: chance differs from one to the next.
    lives: u64,
    /// What is to befall the next one.
    fate: Fate,
}

impl Machine {
    pub(super) fn new(simulation: &Simulation, name: &str) -> Self {
        Self {
            simulation: simulation.clone(),
            name: name.to_owned(),
            clock: Arc::new(MachineClock::new(simulation.world.time.clone(), TimeDelta::zero())),
            disk: Disk::empty(),
            policies: Vec::new(),
            places: Vec::new(),
            daemon: String::new(),
            lives: 0,
            fate: Fate::default(),
        }
    }

    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push((policy.name, policy.keys));
        self
    }

    /// Has these policies, and no others.
    pub fn policies(mut self, policies: Vec<Policy>) -> Self {
        self.policies = policies.into_iter().map(|policy| (policy.name, policy.keys)).collect();
        self
    }

    /// Adds a place, in which a policy works with `aws = "NAME"`.
    pub fn place(mut self, name: &str, region: &str) -> Self {
        self.places.push((name.to_owned(), region.to_owned()));
        self
    }

    /// Adds a line of `[daemon]`.
    pub fn daemon(mut self, line: &str) -> Self {
        self.daemon += line;
        self.daemon.push('\n');
        self
    }

    /// Gives it this disk.
    pub fn disk(mut self, disk: Disk) -> Self {
        self.disk = disk;
        self
    }

    /// Loses the store.
    pub fn empty_disk(self) -> Self {
        self.simulation.world.auditor().store_lost(&self.name.to_uppercase());
        self.disk.lose();
        self.disk.mend();
        self
    }

    /// Ends the trouble with its disk.
    pub fn mend_disk(&self) {
        self.disk.mend();
    }

    /// Where the next process dies by itself.
    pub fn dies(mut self, at: CrashPoint) -> Self {
        self.fate.crash = Some(at);
        self
    }

    /// What goes wrong at calls of the next process to AWS.
    pub fn trips(mut self, faults: Vec<CallFault>) -> Self {
        self.fate.calls = faults;
        self
    }

    /// What goes wrong at writes of the next process's store.
    pub fn save_trips(mut self, faults: Vec<SaveFault>) -> Self {
        self.fate.saves = faults;
        self
    }

    /// Its wall clock.
    pub fn clock(&self) -> &MachineClock {
        &self.clock
    }

    /// What it is configured to do.
    pub fn config(&self) -> Config {
        let mut text = format!(
            "[daemon]\nadmin_socket = \"/nowhere/admin.sock\"\nstate = \"sqlite:/nowhere/state.db\"\n\
             {}[aws.main]\nregion = {REGION:?}\n",
            self.daemon
        );
        for (name, region) in &self.places {
            let _ = writeln!(text, "[aws.{name}]\nregion = {region:?}");
        }
        for (name, keys) in &self.policies {
            let set = |key: &str| keys.lines().any(|line| line.starts_with(&format!("{key} =")));
            let _ = writeln!(text, "[policy.{name}]\n{keys}");
            if !set("aws") {
                let _ = writeln!(text, "aws = \"main\"");
            }
            if !set("schedule") {
                let _ = writeln!(text, "schedule = \"1000d\"");
            }
            if !keys.lines().any(|line| line.starts_with("max_versions_per_day =")) {
                let _ = writeln!(text, "max_versions_per_day = 90");
            }
        }
        rekeyd::config::parse_str("simulated.toml", &text)
            .unwrap_or_else(|error| panic!("{error}"))
            .config
    }
}

/// A running rekeyd. Dropping it kills it.
pub struct Replica {
    machine: Machine,
    pub engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    process: Arc<Process>,
    login: Arc<NodeLogin>,
    wire: Wire,
    store: Arc<OpenStore>,
    /// Its leases, if it asks for them.
    pub leases: Option<Arc<Leases>>,
    stop: Option<oneshot::Sender<()>>,
    run: JoinHandle<()>,
    ticks: JoinHandle<()>,
}

impl Replica {
    /// Its machine's wall clock.
    pub fn clock(&self) -> &MachineClock {
        &self.machine.clock
    }

    /// Waits until it has made so many calls and writes of its store.
    pub async fn has_done(&self, deeds: usize) {
        self.process.has_done(deeds).await;
    }

    /// Gives it other policies, and waits until they are in force. Until then the auditor holds it to what
    /// was before, and from then on to these.
    pub async fn reload(&mut self, policies: Vec<Policy>) -> Reloaded {
        self.reload_as(self.machine.clone().policies(policies)).await
    }

    /// Gives it the configuration of `machine`, places included, in the same way.
    pub async fn reload_as(&mut self, machine: Machine) -> Reloaded {
        let (before, config) = (self.machine.config(), machine.config());
        let (key, new) = (self.machine.name.to_uppercase(), expectations(&config));
        let either = [expectations(&before), new.clone()].concat();
        let world = self.machine.simulation.world.clone();
        world.auditor().register(&key, either);
        let connected = self.engine.places_to_connect(&config).into_iter();
        let connected = connected.map(|place| (place.name, starting::ports(&self.wire, &place.region)));
        let reloaded = self.engine.reload(config, connected.collect()).await;
        world.catch_up();
        world.auditor().replace(&key, new);
        self.machine = machine;
        reloaded.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Kills it as `kill -9` does, and gives the machine back.
    pub fn crash(self) -> Machine {
        self.machine.clone()
    }

    /// The machine that it runs on.
    pub fn machine(&self) -> Machine {
        self.machine.clone()
    }

    /// Whether it has died by itself.
    pub fn is_dead(&self) -> bool {
        self.process.is_dead()
    }

    /// Whether it is stopped just now, by a stall or with its machine.
    pub fn is_stopped(&self) -> bool {
        self.process.is_stopped()
    }

    /// How many of the faults that were meant for it have struck.
    pub fn struck(&self) -> u64 {
        self.process.struck()
    }

    /// Its calls and writes so far, in order.
    pub fn deeds(&self) -> Vec<Deed> {
        self.process.deeds()
    }

    /// How many logins it has under way: each holds one of the few that may be.
    pub fn logins_under_way(&self) -> usize {
        self.login.under_way()
    }

    /// Stops the process for so long, as SIGSTOP does. Its monotonic clock goes on.
    pub fn stall(&self, span: Duration) {
        self.note(&format!("stopped for {span:?}"));
        self.process.stop(span);
    }

    /// Suspends its machine for so long. Its monotonic clock stands still.
    pub fn suspend(&self, span: Duration) {
        self.note(&format!("suspended for {span:?}"));
        self.machine.clock.suspend(span);
        self.process.stop(span);
    }

    /// The disk with its store.
    pub fn disk(&self) -> &Disk {
        &self.machine.disk
    }

    /// Loses its store under it: it does not notice, the next process here does.
    pub fn lose_store(&self) {
        self.note("the store is lost");
        let world = &self.machine.simulation.world;
        world.auditor().store_lost(&self.machine.name.to_uppercase());
        self.machine.disk.lose();
    }

    fn note(&self, what: &str) {
        let name = &self.machine.name;
        self.machine.simulation.world.note_mishap(format!("{name}: {what}"));
    }

    /// Asks it to end, and waits until it has.
    pub async fn end(mut self) -> Machine {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        (&mut self.run).await.expect("the engine does not panic");
        self.machine.clone()
    }

    /// Its metrics, as a scrape shows them.
    pub fn metrics(&self) -> String {
        self.engine.refresh_gauges();
        self.metrics.render()
    }

    /// What it says about a secret, once it knows it.
    pub fn status(&self, secret: &str) -> Option<SecretStatus> {
        self.engine.secrets().into_iter().find(|status| status.secret == secret)
    }

    /// Waits until it says that a secret is as wanted.
    pub async fn until(
        &self,
        secret: &str,
        what: &str,
        at_most: Duration,
        wanted: impl Fn(&SecretStatus) -> bool,
    ) -> SecretStatus {
        let what = format!("{secret} is {what}");
        let simulation = &self.machine.simulation;
        let probe = || self.status(secret).filter(&wanted);
        let describe = || format!("{:#?}", self.status(secret));
        simulation.until(&what, at_most, probe, describe).await
    }

    /// Asks for a rotation now.
    ///
    /// # Errors
    /// As an operator hears of them.
    pub async fn ask(&self, secret: &str, options: RotateOptions) -> Result<(), ControlError> {
        let world = &self.machine.simulation.world;
        let now = world.sandbox.now();
        world.auditor().requested(now, secret, options.revoke_previous);
        self.engine.rotate(&named(secret), options).await?;
        world.auditor().acknowledged(&self.machine.name.to_uppercase(), secret);
        Ok(())
    }

    /// Asks for a rotation now, and takes for granted that it is acknowledged.
    pub async fn rotate(&self, secret: &str, options: RotateOptions) {
        let asked = self.ask(secret, options).await;
        asked.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// After how long a replica that is not heard of has lost its leases.
pub const LEASE: Duration = Duration::from_secs(15);

fn expectations(config: &Config) -> Vec<Expectations> {
    let policies = config.policies.values();
    let all = policies.map(|policy| Expectations::of(policy, &config.places[&policy.place].region));
    all.collect()
}

fn named(secret: &str) -> Selector {
    Selector {
        secrets: vec![secret.to_owned()],
        ..Selector::default()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.process.kill();
        self.run.abort();
        self.ticks.abort();
        self.store.close();
    }
}
