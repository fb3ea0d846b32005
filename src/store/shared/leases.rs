//! Leases of secrets: replicas that share a table share the work.
//!
//! Each process has a session, an item whose beat it moves; the session lives while the others see the beat move, on their
//! own monotonic clocks. A secret's lease belongs to the session that its item names, and a fence counts how often that
//! changed. Which session should have it follows from a hash, so replicas need not talk: who has too much hands over, and who
//! sees a dead one's takes it. A session that could not move its beat for a lease time counts everything as lost, by its
//! own clock, before anybody may take it.

mod asked;
mod fleet;
mod gates;
mod keeping;
mod rounds;
mod secrets;
mod session;
mod stored;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trial;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rand::RngCore;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use self::asked::Asked;
use self::fleet::Fleet;
use self::gates::Inside;
use self::secrets::{Secrets, Why};
use self::session::Session;
use super::SharedStore;
use super::presence::Presence;
use crate::clock::SharedClock;
use crate::metrics::Metrics;
use crate::store::StoreError;
use crate::store::ownership::{Gate, News, Ownership};
use crate::store::table::{Item, Table, TableError};

pub use self::fleet::Replica;

/// How often a replica looks what the others do, and no sooner than which it tells of its own writes.
pub const LOOK: Duration = Duration::from_millis(500);
/// How often everything is read anew, whatever was told.
const ALL_READ: Duration = Duration::from_secs(300);
/// How often what could not be written beside its record is tried again.
const SETTLED_EVERY: Duration = Duration::from_secs(5);
/// How long a process that ends tries to say so.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Which process this is, for people to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The machine, by its name.
    pub host: String,
    /// The number of the process there.
    pub pid: u32,
    /// The release of rekeyd.
    pub release: String,
}

/// The leases of one process.
pub struct Leases {
    table: Asked,
    presence: Arc<Presence>,
    clock: SharedClock,
    randomness: Mutex<Box<dyn RngCore + Send>>,
    /// After how long without a beat a session is dead.
    lease: Duration,
    identity: Identity,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    /// Who writes what the last saves of a secret that is taken led to.
    store: OnceLock<Arc<SharedStore>>,
    /// Rings when there is something to tell.
    told: Notify,
    /// Rings when something can be done before the next look.
    wake: Notify,
    fleet_items: watch::Sender<Arc<Vec<Item>>>,
}

struct State {
    session: Option<Session>,
    /// The process ends: it never has a session again.
    ended: bool,
    /// This process's own sessions that are over and whose items may be there.
    past: Vec<String>,
    fingerprint: Option<String>,
    fleet: Fleet,
    secrets: Secrets,
    /// How many looks at the fleet were begun.
    look: u64,
    all_read_at: Duration,
    inside: BTreeMap<String, Inside>,
    /// The sessions that were alive when that was last logged.
    logged: usize,
}

impl State {
    /// The session that holds leases at this moment.
    fn living(&self, now: Duration) -> Option<&str> {
        let session = self.session.as_ref().filter(|session| now < session.valid_until);
        session.filter(|_| !self.ended).map(|session| session.id.as_str())
    }

    fn owns(&self, secret_arn: &str, now: Duration) -> bool {
        self.living(now).is_some()
            && self
                .secrets
                .entries
                .get(secret_arn)
                .is_some_and(|entry| entry.wanted && entry.held.is_some() && entry.told)
    }
}

impl Leases {
    /// The leases of a process that has not begun yet: [`Leases::run`] does. `lease` is the time after which a session
    /// whose beat stands still is dead.
    pub fn new(
        table: Arc<dyn Table>,
        presence: Arc<Presence>,
        clock: SharedClock,
        randomness: Box<dyn RngCore + Send>,
        lease: Duration,
        identity: Identity,
        metrics: Arc<Metrics>,
    ) -> Self {
        let table = Asked {
            table,
            metrics: metrics.clone(),
            most: lease / 6,
        };
        Self {
            table,
            presence,
            clock,
            randomness: Mutex::new(randomness),
            lease,
            identity,
            metrics,
            state: Mutex::new(State {
                session: None,
                ended: false,
                past: Vec::new(),
                fingerprint: None,
                fleet: Fleet::new(lease),
                secrets: Secrets::default(),
                look: 0,
                all_read_at: Duration::ZERO,
                inside: BTreeMap::new(),
                logged: 0,
            }),
            store: OnceLock::new(),
            told: Notify::new(),
            wake: Notify::new(),
            fleet_items: watch::Sender::new(Arc::default()),
        }
    }

    /// Keeps the session alive and the leases where they belong, until told to stop. Dropping it is like a process that dies.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            _ = async { tokio::join!(self.keep_session(), self.keep_looking(), self.keep_settling()) } => {}
        }
    }

    /// Has this store, which is in the same table, write what the last saves of each secret that is taken led to: the process
    /// before may have ended in between. Only the first one that is named does.
    pub fn settle_in(&self, store: Arc<SharedStore>) {
        // A second one would write the same.
        drop(self.store.set(store));
    }

    /// Commands and their replies, as the last look at the fleet showed them.
    pub fn fleet_items(&self) -> watch::Receiver<Arc<Vec<Item>>> {
        self.fleet_items.subscribe()
    }

    /// Every session whose item is there, this process's too.
    pub fn replicas(&self) -> Vec<Replica> {
        let now = self.clock.monotonic();
        let state = self.state();
        state.fleet.replicas(state.living(now), now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is made whole, so a poisoned lock guards sound data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// 128 random bits in hexadecimal digits.
    fn random_id(&self) -> String {
        let mut bytes = [0; 16];
        self.randomness
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        format!("{:032x}", u128::from_be_bytes(bytes))
    }

    fn failed(&self, action: &'static str) -> impl Fn(TableError) -> StoreError {
        let location = self.table.table.location().to_owned();
        move |error| StoreError::Failed {
            location: location.clone(),
            action,
            cause: error.to_string(),
        }
    }
}

#[async_trait]
impl Ownership for Leases {
    fn owns(&self, secret_arn: &str) -> bool {
        self.state().owns(secret_arn, self.clock.monotonic())
    }

    fn drive_begins(&self, secret_arn: &str) -> bool {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let owns = state.owns(secret_arn, now);
        if owns {
            state.secrets.entry(secret_arn).drives += 1;
        }
        owns
    }

    fn drive_ends(&self, secret_arn: &str) {
        let mut state = self.state();
        let entry = state.secrets.entry(secret_arn);
        entry.drives = entry.drives.saturating_sub(1);
        if entry.drives == 0 && entry.waits_for_drive {
            entry.waits_for_drive = false;
            self.wake.notify_one();
        }
    }

    fn wants(&self, secret_arn: &str) {
        let mut state = self.state();
        let entry = state.secrets.entry(secret_arn);
        if !entry.wanted {
            entry.wants();
            state.secrets.look_up(secret_arn, Why::Wanted);
            self.wake.notify_one();
        }
    }

    fn renounces(&self, secret_arn: &str) {
        self.state().secrets.entry(secret_arn).renounces();
        self.wake.notify_one();
    }

    fn works_by(&self, fingerprint: &str) {
        self.state().fingerprint = Some(fingerprint.to_owned());
        self.presence.wrote.notify_one();
        self.wake.notify_one();
    }

    async fn news(&self) -> Vec<News> {
        loop {
            let news = self.state().secrets.tell();
            if !news.is_empty() {
                return news;
            }
            self.told.notified().await;
        }
    }

    async fn show(&self, secret_arn: &str, sight: &str) -> Result<(), StoreError> {
        self.show_sight(secret_arn, sight).await
    }

    fn nudge(&self, secret_arn: &str) {
        self.presence.note(secret_arn);
    }

    async fn pass(&self, gate: &str, secret_arn: &str) -> Result<Gate, StoreError> {
        self.pass_gate(gate, secret_arn).await
    }

    async fn leave(&self, gate: &str, secret_arn: &str) {
        self.leave_gate(gate, secret_arn).await;
    }

    async fn give_up(&self) {
        self.end().await;
    }

    fn delivers(&self, target: &str) -> bool {
        let now = self.clock.monotonic();
        let state = self.state();
        state
            .living(now)
            .is_some_and(|me| state.fleet.falls_to(target) == Some(me))
    }

    fn part(&self) -> f64 {
        let now = self.clock.monotonic();
        let state = self.state();
        state.fleet.part(state.living(now))
    }

    fn leases(&self) -> Option<usize> {
        let now = self.clock.monotonic();
        let state = self.state();
        Some(state.living(now).map_or(0, |_| state.secrets.held()))
    }
}
