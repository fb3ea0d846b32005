//! The tasks that deliver: one for each target, begun and ended as the configuration says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::channel::{Channel, connect};
use super::delivery::Delivery;
use super::target::{Target, Targets};
use crate::clock::{SharedClock, Timestamp};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::ownership::Ownership;

/// How much of what cannot be delivered is kept for a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// How many messages; beyond them the oldest go.
    pub most: usize,
    /// How old they may become.
    pub age: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            most: 10_000,
            age: Duration::from_secs(7 * 24 * 3_600),
        }
    }
}

/// Delivers what the store's outboxes hold. Dropped, it ends at once: what was under way is delivered again by the next
/// process.
pub struct Deliveries {
    store: Arc<dyn Store>,
    ownership: Arc<dyn Ownership>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    saved: watch::Receiver<()>,
    bounds: Bounds,
    running: Mutex<BTreeMap<String, Running>>,
}

/// A target and the task that delivers to it.
struct Running {
    target: Target,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Deliveries {
    /// Nobody is notified yet. `saved` changes when something was put into an outbox.
    pub fn new(
        store: Arc<dyn Store>,
        ownership: Arc<dyn Ownership>,
        clock: SharedClock,
        metrics: Arc<Metrics>,
        saved: watch::Receiver<()>,
        bounds: Bounds,
    ) -> Self {
        Self {
            store,
            ownership,
            clock,
            metrics,
            saved,
            bounds,
            running: Mutex::default(),
        }
    }

    /// From now on these are notified and no others. What waits for others is dropped.
    pub async fn replace(&self, targets: Targets) {
        let mut running = self.running.lock().await;
        let names: BTreeSet<String> = targets.0.keys().cloned().collect();
        self.metrics.notify_targets(names.clone());
        running.retain(|name, known| {
            targets
                .0
                .get(name)
                .is_some_and(|target| target.same_way_as(&known.target))
        });
        // On a shared store another replica may have been told of a target already that this one is not yet.
        if !self.store.shared() {
            self.forget_others(&names).await;
        }
        for (name, target) in targets.0 {
            if running.contains_key(&name) {
                continue;
            }
            match connect(&target, &self.clock, &self.metrics).await {
                Ok(channel) => {
                    let task = tokio::spawn(self.delivery(&name, channel).run());
                    running.insert(name, Running { target, task });
                }
                Err(error) => tracing::error!(
                    notify = name,
                    event = "notify_target_unusable",
                    error,
                    "notifications wait until a reload that mends this"
                ),
            }
        }
    }

    fn delivery(&self, name: &str, channel: Arc<dyn Channel>) -> Delivery {
        Delivery {
            target: name.to_owned(),
            channel,
            store: self.store.clone(),
            ownership: self.ownership.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            bounds: self.bounds,
            saved: self.saved.clone(),
            failures: 0,
            refused: None,
        }
    }

    /// Ends all deliveries at once.
    pub async fn stop(&self) {
        self.running.lock().await.clear();
    }

    /// Waits until nothing is left to deliver, and no longer than that.
    pub async fn settle(&self, limit: Duration) {
        let empty = async {
            loop {
                match self.store.backlogs().await {
                    Ok(backlogs) if !backlogs.is_empty() => tokio::time::sleep(Duration::from_millis(50)).await,
                    _ => return,
                }
            }
        };
        if tokio::time::timeout(limit, empty).await.is_err() {
            tracing::warn!(
                event = "notifications_left",
                "notifications are left; the next start delivers them"
            );
        }
    }

    /// Drops what waits for targets that are not configured any more.
    async fn forget_others(&self, names: &BTreeSet<String>) {
        let backlogs = match self.store.backlogs().await {
            Ok(backlogs) => backlogs,
            Err(error) => {
                self.metrics.store_error();
                tracing::error!(event = "outbox_failed", %error, "what waits for targets that are gone stays in the store until the next start");
                return;
            }
        };
        for name in backlogs.keys().filter(|name| !names.contains(*name)) {
            match self.store.trim_outbox(name, 0, Timestamp::UNIX_EPOCH).await {
                Ok(count) => tracing::warn!(
                    notify = name,
                    event = "notify_target_gone",
                    count,
                    "no [notify.{name}] is configured any more: what waited for it is given up"
                ),
                Err(error) => {
                    self.metrics.store_error();
                    tracing::error!(event = "outbox_failed", notify = name, %error, "what waits for it stays in the store until the next start");
                }
            }
        }
    }
}
