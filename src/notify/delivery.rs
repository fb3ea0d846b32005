//! The task that empties one target's outbox: oldest first, one attempt at a time, with pauses of its own.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::watch;

use super::channel::{Attempt, Channel, Failure};
use super::deliveries::Bounds;
use crate::clock::{SharedClock, Timestamp};
use crate::metrics::{Metrics, NotificationOutcome};
use crate::store::outbox::Outgoing;
use crate::store::ownership::Ownership;
use crate::store::{Store, StoreError};

/// The pause after a first failure, at most; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause, and the longest that a receiver's own wish is followed.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// How often an outbox that is paused is kept within its bounds.
const TRIMMED_EVERY: Duration = Duration::from_secs(10);

/// How long an empty outbox is left alone without being told of anything new.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(60);

/// The same where other replicas put something into it, too.
const SHARED_LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

/// How often a receiver may refuse the very same message before the next one has its turn: with the pauses between, that
/// is three quarters of an hour on average.
const MOST_REFUSALS: u32 = 12;

/// What empties an outbox.
pub(super) struct Delivery {
    pub(super) target: String,
    pub(super) channel: Arc<dyn Channel>,
    pub(super) store: Arc<dyn Store>,
    /// Which of the replicas delivers.
    pub(super) ownership: Arc<dyn Ownership>,
    pub(super) clock: SharedClock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) bounds: Bounds,
    /// Changes when something was put into an outbox.
    pub(super) saved: watch::Receiver<()>,
    /// Failed attempts in a row.
    pub(super) failures: u32,
    /// The message that was last refused for what it says, and how often.
    pub(super) refused: Option<(String, u32)>,
}

/// The store cannot be had; what was to be done is done later.
struct StoreFailed;

impl Delivery {
    /// Delivers whatever comes, until its task is ended. What is under way then is delivered again by the next.
    pub(super) async fn run(mut self) {
        let mut store_failures = 0;
        loop {
            self.saved.mark_unchanged();
            match self.empty().await {
                Ok(()) => {
                    store_failures = 0;
                    let looked_at_every = self.looked_at_every();
                    tokio::select! {
                        biased;
                        // The engine outlives this task; where it does not, nothing new comes.
                        Ok(()) = self.saved.changed() => {}
                        () = tokio::time::sleep(looked_at_every) => {}
                    }
                }
                Err(StoreFailed) => {
                    store_failures += 1;
                    tokio::time::sleep(pause_after(store_failures)).await;
                }
            }
        }
    }

    fn looked_at_every(&self) -> Duration {
        match self.store.shared() {
            true => SHARED_LOOKED_AT_EVERY,
            false => LOOKED_AT_EVERY,
        }
    }

    /// Delivers until nothing waits, or it is another replica that delivers.
    async fn empty(&mut self) -> Result<(), StoreFailed> {
        loop {
            if !self.ownership.delivers(&self.target) {
                self.metrics.notifications_pending(&self.target, 0);
                return Ok(());
            }
            self.trim().await?;
            let outgoing = self.store.outgoing(&self.target, self.channel.batch()).await;
            let mut waiting = self.known(outgoing)?;
            let mut count = self.count().await?;
            if waiting.is_empty() {
                return Ok(());
            }
            while !waiting.is_empty() {
                let group = self.channel.group(&waiting);
                let attempt = self.channel.deliver(&group).await;
                let gone = self.conclude(&group, &attempt).await;
                count = count.saturating_sub(gone.len() as u64);
                self.metrics.notifications_pending(&self.target, count);
                if self.saved.has_changed().unwrap_or_default() {
                    self.saved.mark_unchanged();
                    count = self.count().await?;
                }
                waiting.retain(|outgoing| !gone.contains(&outgoing.id));
                if let Some(failure) = attempt.failure {
                    self.rest(&failure).await?;
                    // What waits may have been trimmed meanwhile.
                    break;
                }
                if !self.channel.pace().is_zero() {
                    tokio::time::sleep(self.channel.pace()).await;
                }
            }
        }
    }

    /// Stores and counts what came of an attempt. Returns the ids of what nobody will try again.
    async fn conclude(&mut self, group: &[Outgoing], attempt: &Attempt) -> Vec<String> {
        let mut gone = attempt.delivered.clone();
        if !gone.is_empty() {
            self.remove(&gone).await;
            self.metrics
                .notified(&self.target, NotificationOutcome::Delivered, gone.len() as u64);
        }
        let Some(failure) = &attempt.failure else {
            if self.failures > 0 {
                tracing::info!(
                    notify = self.target,
                    event = "notification_recovered",
                    attempts = self.failures,
                    "notifications arrive again"
                );
            }
            self.failures = 0;
            self.refused = None;
            return gone;
        };
        self.failed(failure);
        gone.extend(self.given_up(group, failure).await);
        gone
    }

    fn failed(&mut self, failure: &Failure) {
        self.metrics.notified(&self.target, NotificationOutcome::Failed, 1);
        self.failures = self.failures.saturating_add(1);
        let (notify, error, attempts) = (&self.target, &failure.words, self.failures);
        // A receiver that is down for a week is told of once, and then at every twelfth attempt: some two hours.
        if attempts % 12 == 1 {
            tracing::warn!(
                notify,
                event = "notification_failed",
                error,
                attempts,
                "a notification did not arrive; it is tried again, and those after it wait"
            );
        } else {
            tracing::debug!(
                notify,
                event = "notification_failed_again",
                error,
                attempts,
                "it did not arrive again"
            );
        }
    }

    /// Lets a message go that the receiver has refused often enough for what it says.
    async fn given_up(&mut self, group: &[Outgoing], failure: &Failure) -> Vec<String> {
        let Some(head) = group.first().filter(|_| failure.of_message) else {
            self.refused = None;
            return Vec::new();
        };
        let before = self.refused.take().filter(|(id, _)| *id == head.id);
        let refusals = before.map_or(1, |(_, refusals)| refusals + 1);
        if refusals < MOST_REFUSALS {
            self.refused = Some((head.id.clone(), refusals));
            return Vec::new();
        }
        let ids: Vec<String> = group.iter().map(|outgoing| outgoing.id.clone()).collect();
        self.remove(&ids).await;
        self.dropped(ids.len() as u64, "the receiver keeps refusing them for what they say");
        ids
    }

    /// Takes messages out of the outbox. Tried until it is done: they would go out again at once otherwise.
    async fn remove(&self, ids: &[String]) {
        for failures in 1.. {
            match self.known(self.store.told(&self.target, ids).await) {
                Ok(()) => return,
                Err(StoreFailed) => tokio::time::sleep(pause_after(failures)).await,
            }
        }
    }

    /// Waits before the next attempt, and keeps the outbox within its bounds meanwhile.
    async fn rest(&self, failure: &Failure) -> Result<(), StoreFailed> {
        let wish = failure.retry_after.unwrap_or_default().min(LONGEST_PAUSE);
        let until = self.clock.monotonic() + pause_after(self.failures).max(wish);
        loop {
            let left = until.saturating_sub(self.clock.monotonic());
            if left.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(left.min(TRIMMED_EVERY)).await;
            self.trim().await?;
            self.count().await?;
        }
    }

    async fn trim(&self) -> Result<(), StoreFailed> {
        let since = self.oldest_kept();
        let trimmed = self.store.trim_outbox(&self.target, self.bounds.most, since).await;
        match self.known(trimmed)? {
            0 => {}
            gone => self.dropped(gone, "too many waited, or they waited for too long"),
        }
        Ok(())
    }

    fn oldest_kept(&self) -> Timestamp {
        chrono::Duration::from_std(self.bounds.age)
            .ok()
            .and_then(|age| self.clock.now().checked_sub_signed(age))
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Counts what waits, and shows it.
    async fn count(&self) -> Result<u64, StoreFailed> {
        let backlogs = self.known(self.store.backlogs().await)?;
        let waiting = backlogs.get(&self.target).map_or(0, |backlog| backlog.waiting);
        self.metrics.notifications_pending(&self.target, waiting);
        Ok(waiting)
    }

    fn dropped(&self, count: u64, why: &str) {
        self.metrics.notified(&self.target, NotificationOutcome::Dropped, count);
        tracing::error!(
            notify = self.target,
            event = "notifications_dropped",
            count,
            "notifications are given up: {why}; `rekeyd history` has what they told of"
        );
    }

    fn known<T>(&self, read: Result<T, StoreError>) -> Result<T, StoreFailed> {
        read.map_err(|error| {
            self.metrics.store_error();
            tracing::error!(event = "outbox_failed", notify = self.target, %error, "notifications wait until the store can be had");
            StoreFailed
        })
    }
}

/// The pause after so many failures: anything up to a bound that doubles, so that receivers that come back are not
/// met by all at once.
fn pause_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(10);
    let bound = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    // Never none at all: that would be a hot loop.
    bound.mul_f64(rand::rng().random_range(0.05..=1.0))
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
