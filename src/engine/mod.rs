//! Effects: the due-queue, the looks and steps that [`crate::rotation::plan`] asks for, and what
//! surfaces may ask of it all.
//!
//! [`Engine::run`] pops secrets whose time has come and *drives* each in a task of its own: look
//! at the world, decide, act, until there is nothing to do but wait. Then the secret goes back
//! into the queue: a parked rotation is a row there, not a task. Tick, start-up, discovery and
//! operators all *wake* a secret, which means no more than setting its date to now.

mod audited;
mod blast_radius;
mod carried_over;
mod cause;
mod claimants;
mod commands;
mod conclude;
pub mod control;
mod deciding;
mod discovery;
mod drives;
mod ending;
mod entries;
mod entry;
mod executor;
mod first_looks;
mod foresight;
mod gates;
mod holds;
mod journal;
mod kept_apart;
mod leave;
mod listing;
pub mod log;
mod logins;
mod membership;
mod memory;
mod observe;
mod pace;
mod polls;
pub mod queue;
mod reload;
mod repair;
mod replicas;
mod report;
mod rollback;
mod row;
mod running;
mod settle;
mod spans;
mod steps;
mod succession;
mod survey;
mod turns;
mod user_changes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngCore;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Trail;
use crate::aws::{AwsError, PlacePorts};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::login::Login;
use crate::metrics::Metrics;
use crate::policy::Policy;
use crate::rotation::observation::Topology;
use crate::rotation::plan::Claims;
use crate::rotation::reason::AttentionReason;
use crate::rotation::state::Record;
use crate::store::Store;
use crate::store::ownership::Ownership;

pub use foresight::{Candidate, Foresight};
pub use reload::{LeftAlone, Reloaded, Stopping};
pub use settle::Settled;

use blast_radius::BlastRadius;
use drives::Drives;
use entries::Entries;
use first_looks::FirstLooks;
use pace::Pace;
use queue::{Queue, Wake};
use row::Row;
use running::{InForce, Running};
use turns::Turns;

/// How old the last tick may be before the process is not ready.
const TICK_STALL: Duration = Duration::from_secs(5);

/// Everything outside that the engine works with.
pub struct Adapters {
    /// The ports to each place, by its name.
    pub places: BTreeMap<String, PlacePorts>,
    /// The login proof.
    pub login: Arc<dyn Login>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Whose the secrets are among the processes that share the store.
    pub ownership: Arc<dyn Ownership>,
    /// The clock.
    pub clock: SharedClock,
    /// Where chance comes from: passwords and jitter.
    pub randomness: Box<dyn RngCore + Send>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The audit log.
    pub audit: Arc<Trail>,
}

/// The engine.
pub struct Engine {
    in_force: InForce,
    login: Arc<dyn Login>,
    store: Arc<dyn Store>,
    ownership: Arc<dyn Ownership>,
    clock: SharedClock,
    randomness: Mutex<Box<dyn RngCore + Send>>,
    metrics: Arc<Metrics>,
    audit: Arc<Trail>,
    state: Mutex<State>,
    wake: Notify,
    /// Rings when secrets of some policies are to be looked for at once.
    discover_again: watch::Sender<()>,
    /// Changes when something was stored that is to be told.
    outgoing_saved: watch::Sender<()>,
    /// Somebody has given leave back.
    work_ended: Notify,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// When it was made, on the monotonic clock.
    started: Duration,
}

/// What changes while the engine runs.
#[derive(Default)]
struct State {
    entries: Entries,
    queue: Queue,
    claims: Claims,
    /// Records from the store whose secret has not been found yet, by ARN.
    records: BTreeMap<String, Arc<Record>>,
    /// Secrets or selections that could not be looked up, by policy and name.
    unresolved: BTreeMap<(String, String), AwsError>,
    /// Places whose policies' secrets have been looked for once.
    looked_for: BTreeSet<String>,
    /// Places whose secrets are all known: since the start, one look for them was whole.
    surveyed: BTreeSet<String>,
    /// Policies whose secrets were not looked for yet: since the start, or since a reload brought or
    /// changed them.
    to_discover: BTreeSet<String>,
    /// Policies that came with a reload, and since when on the monotonic clock; until their secrets
    /// are all known.
    newcomers: BTreeMap<String, Duration>,
    /// Who reads or writes just now, each in a place, and the policy that lets them.
    at_work: BTreeMap<(String, String), Arc<Policy>>,
    last_tick: Option<Duration>,
    /// How many secrets of each place are waited for, because it is not known yet which user they name.
    unread: BTreeMap<String, usize>,
    /// The drives of each place.
    drives: Drives,
    /// Secrets that are looked at for the first time, or are to be.
    first_looks: FirstLooks,
    /// How many rotations and retirements are under way.
    in_flight: usize,
    /// How many may be.
    most_in_flight: usize,
    /// Secrets that were told to begin, and have not stored that yet.
    beginning: BTreeSet<String>,
    /// Secrets that wait for one that is under way to end.
    no_room: Row,
    /// Secrets that were told of room, and have not looked since.
    told_of_room: BTreeSet<String>,
    /// Secrets that wait for others which they are kept apart from, by the name that they share.
    apart: BTreeMap<String, Row>,
    /// How much of each policy may go wrong at once.
    blast_radii: BTreeMap<String, BlastRadius>,
    /// Who may change users just now.
    turns: Turns,
    /// How long changes take in each place.
    paces: BTreeMap<String, Pace>,
    /// The nodes of groups, by place and ids, and when they were last read.
    topologies: BTreeMap<(String, BTreeSet<String>), (Duration, Topology)>,
    /// Of which secrets something is remembered, and since when.
    remembered: BTreeMap<String, Duration>,
    /// What other replicas show of secrets that have not been found here yet, by ARN.
    sights: BTreeMap<String, String>,
    /// The gates that secrets passed in the drives under way.
    gates_passed: BTreeMap<String, BTreeSet<String>>,
}

impl Engine {
    /// An engine that knows what the store remembers, and has not looked at AWS yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn new(config: Config, adapters: Adapters) -> Result<Arc<Self>, crate::store::StoreError> {
        let (records, now) = (adapters.store.records().await?, adapters.clock.now());
        let mut by_arn = BTreeMap::new();
        for record in records {
            by_arn.insert(record.secret_arn.clone(), Arc::new(record.believed(now)));
        }
        let most_in_flight = config.daemon.max_in_flight;
        let started = adapters.clock.monotonic();
        let to_discover = config.policies.keys().cloned().collect();
        let policies = config.policies.values();
        let blast_radii = policies
            .map(|policy| {
                let radius = BlastRadius::new(policy.canary, policy.max_attention);
                (policy.name.clone(), radius)
            })
            .collect();
        let engine = Self {
            in_force: InForce::new(Running::new(config, adapters.places)),
            login: adapters.login,
            store: adapters.store,
            ownership: adapters.ownership,
            clock: adapters.clock,
            randomness: Mutex::new(adapters.randomness),
            metrics: adapters.metrics,
            audit: adapters.audit,
            state: Mutex::new(State {
                records: by_arn,
                to_discover,
                most_in_flight,
                blast_radii,
                ..State::default()
            }),
            wake: Notify::new(),
            discover_again: watch::Sender::new(()),
            outgoing_saved: watch::Sender::new(()),
            work_ended: Notify::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            started,
        };
        engine.ownership.works_by(&engine.running().fingerprint());
        engine.carry_over();
        Ok(Arc::new(engine))
    }

    /// Changes when something was stored that is to be told.
    pub fn outgoing_saved(&self) -> watch::Receiver<()> {
        self.outgoing_saved.subscribe()
    }

    /// Works until `shutdown` ends, then finishes the steps under way within `drain_timeout`.
    pub async fn run(self: &Arc<Self>, shutdown: impl Future<Output = ()>) {
        let discovery = tokio::spawn(self.clone().discover_for_ever());
        let following = self
            .store
            .shared()
            .then(|| tokio::spawn(self.clone().follow_replicas()));
        tokio::pin!(shutdown);
        loop {
            self.start_due_drives();
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = self.wake.notified() => {}
                () = self.next_pause_over() => {}
            }
        }
        self.stop.cancel();
        self.tasks.close();
        discovery.abort();
        following.inspect(|following| following.abort());
        if tokio::time::timeout(self.drain_timeout(), self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                event = "drain_timed_out",
                "drain_timeout is over: steps under way are cut off; the next start resumes them"
            );
        }
        self.ownership.give_up().await;
    }

    /// How long steps under way have to finish once it is told to end, by the configuration in force.
    pub fn drain_timeout(&self) -> Duration {
        self.running().daemon.drain_timeout
    }

    /// Notes a tick of the scheduler, and looks at what is due.
    pub fn tick(&self) {
        let now = self.clock.monotonic();
        {
            let mut state = self.state();
            state.last_tick = Some(now);
            state.forget_old(now);
            self.note_lost_secrets(&mut state);
            self.give_up_waiting_for_others(&mut state);
        }
        self.metrics
            .lease_held(self.ownership.leases().is_none_or(|leases| leases > 0));
        self.metrics.tick(self.clock.now());
        self.wake.notify_one();
    }

    /// Looks at a secret now.
    fn wake_secret(&self, key: &str) {
        {
            let mut state = self.state();
            state.stop_polling(key);
            let Some(entry) = state.entries.get_mut(key) else {
                return;
            };
            if !entry.mine {
                self.ownership.nudge(key);
                return;
            }
            entry.looks = 0;
            if entry.driven {
                entry.woken = true;
            } else {
                state.queue.set(key, Wake::Past(Duration::ZERO));
            }
        }
        self.wake.notify_one();
    }

    fn start_due_drives(self: &Arc<Self>) {
        loop {
            let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
            let (key, permit) = {
                let mut state = self.state();
                let Some((key, permit)) = state.next_due(now, monotonic) else {
                    return;
                };
                if !self.ownership.drive_begins(&key) {
                    self.is_not_mine(&mut state, &key);
                    continue;
                }
                state.drive_begins(&key, now);
                (key, permit)
            };
            let (engine, driver, driven) = (self.clone(), self.clone(), key.clone());
            self.tasks.spawn(async move {
                // In a task of its own, so that a panic is a failed look and not a secret forgotten.
                let drive = tokio::spawn(async move { driver.drive(&driven, permit).await });
                if drive.await.is_err() {
                    engine.drive_panicked(&key);
                }
                engine.leave_gates(&key).await;
                engine.show(&key).await;
                engine.ownership.drive_ends(&key);
                engine.wake.notify_one();
            });
        }
    }

    fn drive_panicked(&self, key: &str) {
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        let what = "looking at this secret failed badly";
        entry.sight.fault = Some((AttentionReason::InternalError, what.to_owned()));
        tracing::error!(
            event = "drive_panicked",
            secret = entry.secret.name,
            "{what}: please report this"
        );
        let policy = self.policy(&entry.policy);
        let pause = policy.map_or(TICK_STALL, |policy| policy.retry.max);
        entry.woken = false;
        let wake = Wake::Past(self.clock.monotonic().saturating_add(pause));
        // Before the drive's end, which may wake this very secret.
        state.queue.set(key, wake);
        state.no_longer_kept_apart(key);
        state.drive_ends(key, false);
        if self.forget_if_leaving(&mut state, key) {
            return;
        }
        self.member_changed(&mut state, key);
        self.looked(&mut state, key, true);
    }

    async fn next_pause_over(&self) {
        let next = self.state().next_pause();
        match next {
            Some(deadline) => {
                let pause = deadline.saturating_sub(self.clock.monotonic());
                // At least a millisecond, so that no rounding of a timer makes this a hot loop.
                tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
            }
            None => std::future::pending().await,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in another task leaves plain data behind, never half a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the engine works by at this moment.
    fn running(&self) -> Arc<Running> {
        self.in_force.get()
    }

    fn policy(&self, name: &str) -> Option<Arc<Policy>> {
        self.running().policy(name).cloned()
    }

    fn chance(&self) -> f64 {
        use rand::Rng;
        self.randomness
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .random_range(0.0..1.0)
    }
}
