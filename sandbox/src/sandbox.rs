//! The handle that both doors go through: a lock around the core.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, mpsc, watch};

use crate::clock::Clock;
use crate::core::account::{NodeKey, NodeUpdate};
use crate::core::faults::{ArmedFault, Fault};
use crate::core::log::LogEntry;
use crate::core::nodes::{LoginAnswer, NodeChange, NodeView};
use crate::core::seed::Seed;
use crate::core::stranger::StrangerAct;
use crate::core::{CallContext, DEFAULT_ACCOUNT, State};
use crate::error::ApiError;
use crate::settings::Settings;

/// A sandbox. Clones are the same sandbox.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    /// Counts releases.
    release: watch::Sender<u64>,
    /// Rings when something may have become due earlier than before.
    changed: Notify,
    updates: OnceLock<mpsc::UnboundedSender<NodeUpdate>>,
    /// Rings when something that is kept may have changed.
    revised: Notify,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

impl Sandbox {
    /// A sandbox on its own: no HTTP, no processes. Nodes live in the model and
    /// [`node_accepts`](Self::node_accepts) asks them.
    pub fn new(clock: impl Clock, seed: u64, settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(State::new(seed, settings)),
                clock: Arc::new(clock),
                release: watch::Sender::new(0),
                changed: Notify::new(),
                updates: OnceLock::new(),
                revised: Notify::new(),
            }),
        }
    }

    /// Whether a node lets a user in now.
    #[must_use]
    pub fn node_accepts(&self, node: &str, user_name: &str, password: &str) -> LoginAnswer {
        self.with(|state, _| {
            state
                .accounts()
                .find_map(|account| account.cache.nodes.get(node))
                .map_or(LoginAnswer::Down, |node| node.login(user_name, password))
        })
    }

    /// The node that a new connection to an address leads to. The endpoint of a serverless cache leads
    /// to its hidden nodes in turn, one further with every call; to nobody if none of them answers.
    #[must_use]
    pub fn node_at(&self, host: &str, port: u16) -> Option<String> {
        self.with(|state, _| {
            let mut accounts = state.accounts_mut();
            accounts.find_map(|account| account.cache.lead(host, port))
        })
    }

    /// All nodes of all accounts.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeView> {
        self.with(|state, _| {
            let views = state.accounts().flat_map(|account| {
                let nodes = account.cache.nodes.values();
                nodes.map(|node| NodeView::of(account, node))
            });
            views.collect()
        })
    }

    /// Changes a node. With processes, [`SandboxServer`](crate::SandboxServer) starts and stops them.
    /// Says whether there is such a node.
    pub fn change_node(&self, id: &str, change: &NodeChange) -> bool {
        let Some(key) = self.node_key(id) else {
            return false;
        };
        self.with(|state, now| {
            let mut env = state.env(now, &key.account, &key.region);
            env.change_node(id, change);
            state.revise();
            state.nodes_changed();
        });
        true
    }

    /// Where a node is.
    #[must_use]
    pub fn node_key(&self, id: &str) -> Option<NodeKey> {
        self.with(|state, _| {
            state
                .accounts()
                .find(|account| account.cache.nodes.contains_key(id))
                .map(|account| account.node_key(id))
        })
    }

    /// Replaces all faults.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.with(|state, _| state.faults.set(faults));
    }

    /// The faults with their counts.
    #[must_use]
    pub fn faults(&self) -> Vec<ArmedFault> {
        self.with(|state, _| state.faults.list())
    }

    /// Lets all held calls go on.
    pub fn release(&self) {
        self.inner.release.send_modify(|count| *count += 1);
    }

    /// Hears of releases from now on, for a call that may never be answered.
    pub(crate) fn releases(&self) -> Releases {
        Releases(self.inner.release.subscribe())
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.lock().settings.clone()
    }

    /// Replaces the settings. Changes that a node was never to learn arrive if its delay now ends.
    pub fn set_settings(&self, settings: Settings) {
        self.with(|state, now| {
            state.settings = settings;
            let places: Vec<(String, String)> = state
                .accounts()
                .map(|account| (account.id.clone(), account.region.clone()))
                .collect();
            for (account, region) in places {
                state.env(now, &account, &region).schedule_stuck();
            }
            state.nodes_changed();
        });
    }

    /// How often each operation was called, by `service.Operation`.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.lock().log.counts()
    }

    /// The calls, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<LogEntry> {
        self.lock().log.entries()
    }

    /// Forgets everything but the settings of the start.
    pub fn reset(&self) {
        let gone = self.lock().reset();
        self.push(gone);
        self.release();
        self.inner.changed.notify_one();
        self.inner.revised.notify_one();
    }

    /// Makes what no API call can make.
    ///
    /// # Errors
    /// Something that it names does not exist.
    pub fn seed(&self, seed: Seed) -> Result<(), ApiError> {
        let account = seed.account.clone().unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned());
        let region = seed.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
        self.with(|state, now| {
            state.revise();
            state.nodes_changed();
            state.env(now, &account, &region).seed(seed)
        })
    }

    /// Lets a stranger act, in the account and region of `place`.
    ///
    /// # Errors
    /// What AWS answers to the first call that it refuses.
    pub fn stranger(&self, place: &CallContext, act: &StrangerAct) -> Result<(), ApiError> {
        self.with(|state, now| state.stranger(now, place, act))
    }

    /// When the next thing happens by itself.
    #[must_use]
    pub fn next_event(&self) -> Option<DateTime<Utc>> {
        self.lock().next_event()
    }

    /// Lets everything happen that is due. Every call does so too.
    pub fn tick(&self) {
        self.with(|_, _| ());
    }

    /// The time by the sandbox's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }

    /// Waits for a change after which `next_event` may be another.
    pub(crate) async fn changed(&self) {
        self.inner.changed.notified().await;
    }

    /// Attaches processes: from now on updates go to `updates`, and whoever gets them confirms them.
    pub(crate) fn attach(&self, updates: mpsc::UnboundedSender<NodeUpdate>) {
        if self.inner.updates.set(updates).is_ok() {
            self.lock().go_live();
        }
    }

    /// Waits until something that is kept may have changed since the last time somebody waited.
    pub(crate) async fn revised(&self) {
        self.inner.revised.notified().await;
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `f` on a state in which all that is due has happened, and passes updates on.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut State, DateTime<Utc>) -> T) -> T {
        let mut state = self.lock();
        let now = self.inner.clock.now();
        let revision = state.revision();
        let due = state.advance(now);
        let before = state.next_event();
        let result = f(&mut state, now);
        let updates = state.advance(now);
        let sooner = state.next_event() != before;
        let revised = state.revision() != revision;
        // Under the lock, so that updates are sent in the order in which they came about.
        self.push(due);
        self.push(updates);
        drop(state);
        if sooner {
            self.inner.changed.notify_one();
        }
        if revised {
            self.inner.revised.notify_one();
        }
        result
    }

    fn push(&self, updates: Vec<NodeUpdate>) {
        if let Some(to) = self.inner.updates.get() {
            for update in updates {
                // The receiver is gone only when the server is shutting down.
                let _ = to.send(update);
            }
        }
    }
}

/// Releases since a moment.
pub(crate) struct Releases(watch::Receiver<u64>);

impl Releases {
    /// Waits for one. An error would mean that the sandbox is gone, which the caller holds.
    pub(crate) async fn wait(&mut self) {
        let _ = self.0.changed().await;
    }
}
