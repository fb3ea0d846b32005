//! The budgets of a place, and waiting for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Share;
use super::bucket::Bucket;
use crate::aws::{AwsResult, ErrorClass};
use crate::clock::SharedClock;
use crate::metrics::Metrics;
use crate::policy::Budgets;

/// How often a read is sent that AWS throttles each time.
const READS: u32 = 3;

/// The shortest wait for a token.
const MOMENT: Duration = Duration::from_millis(1);

/// What may be sent of one kind of calls.
pub(super) struct Budget {
    place: String,
    name: &'static str,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    bucket: Mutex<Bucket>,
    share: Share,
    /// How many calls AWS has answered and not throttled.
    went: AtomicU64,
    /// Who waits stands here, so that who came first goes first.
    turn: tokio::sync::Mutex<()>,
}

impl Budget {
    fn new(
        place: &str,
        name: &'static str,
        rate: f64,
        (clock, metrics, share): (&SharedClock, &Arc<Metrics>, &Share),
    ) -> Arc<Self> {
        metrics.aws_budget_begins(place, name, rate);
        Arc::new(Self {
            place: place.to_owned(),
            name,
            bucket: Mutex::new(Bucket::new(rate, clock.monotonic())),
            clock: clock.clone(),
            metrics: metrics.clone(),
            share: share.clone(),
            went: AtomicU64::new(0),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Waits until so many calls may go.
    pub(super) async fn wait_for(&self, calls: usize) {
        let calls = f64::from(u32::try_from(calls).unwrap_or(u32::MAX));
        let _turn = self.turn.lock().await;
        loop {
            let taken = self.bucket().take(calls, self.clock.monotonic());
            match taken {
                Ok(()) => return,
                Err(wait) => tokio::time::sleep(wait.max(MOMENT)).await,
            }
        }
    }

    /// Sends a call when it may go, and notes whether AWS throttles it. It has been waited for before if
    /// it counts as none.
    pub(super) async fn call<T>(&self, calls: usize, call: impl Future<Output = AwsResult<T>>) -> AwsResult<T> {
        if calls > 0 {
            self.wait_for(calls).await;
        }
        let sent = self.clock.monotonic();
        let result = call.await;
        if let Err(error) = &result
            && error.class == ErrorClass::Throttled
        {
            let rate = {
                let mut bucket = self.bucket();
                bucket.throttled(sent, self.clock.monotonic(), error.retry_after);
                bucket.rate()
            };
            tracing::debug!(
                event = "throttled",
                place = self.place,
                budget = self.name,
                rate,
                "throttled by AWS"
            );
        }
        if result.is_ok() {
            self.went.fetch_add(1, Ordering::Relaxed);
        }
        self.show();
        result
    }

    /// Sends a read, and again in its turn when AWS throttles it: what was read before it stays good.
    pub(super) async fn read<T, F: Future<Output = AwsResult<T>>>(
        &self,
        calls: usize,
        read: impl Fn() -> F,
    ) -> AwsResult<T> {
        for _ in 1..READS {
            match self.call(calls, read()).await {
                Err(error) if error.class == ErrorClass::Throttled => {}
                result => return result,
            }
        }
        self.call(calls, read()).await
    }

    /// Whether AWS has not yet taken what one second gives: nobody knows whether it will.
    pub(super) fn is_untried(&self) -> bool {
        (self.went.load(Ordering::Relaxed) as f64) < self.rate()
    }

    /// Whether AWS has throttled it to less than half.
    pub(super) fn is_throttled(&self) -> bool {
        self.bucket().is_throttled()
    }

    /// Whether so many calls may be sent in a row: AWS is taken to let a second's worth go. Of how many they
    /// are is unknown, as long as it throttles little.
    pub(super) fn bears(&self, calls: Option<usize>) -> bool {
        match calls {
            Some(calls) => calls <= self.rate().ceil().max(1.0) as usize,
            None => !self.is_throttled(),
        }
    }

    /// How many calls a second it lets go at the moment.
    pub(super) fn rate(&self) -> f64 {
        self.bucket().rate()
    }

    fn show(&self) {
        self.metrics.aws_budget(&self.place, self.name, self.rate());
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        let share = (self.share)();
        // Plain arithmetic, which a panic elsewhere leaves whole.
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.share(share, self.clock.monotonic());
        bucket
    }
}

/// The budgets of one place.
#[derive(Clone)]
pub(super) struct PlaceBudgets {
    pub(super) modify_user: Arc<Budget>,
    pub(super) secrets_manager_writes: Arc<Budget>,
    pub(super) secrets_manager_reads: Arc<Budget>,
    pub(super) elasticache_reads: Arc<Budget>,
}

impl PlaceBudgets {
    pub(super) fn new(
        place: &str,
        budgets: &Budgets,
        clock: &SharedClock,
        metrics: &Arc<Metrics>,
        share: &Share,
    ) -> Self {
        let budget = |name, rate: u32| Budget::new(place, name, f64::from(rate), (clock, metrics, share));
        Self {
            modify_user: budget("modify_user", budgets.modify_user),
            secrets_manager_writes: budget("secrets_manager_writes", budgets.secrets_manager_writes),
            secrets_manager_reads: budget("secrets_manager_reads", budgets.secrets_manager_reads),
            elasticache_reads: budget("elasticache_reads", budgets.elasticache_reads),
        }
    }
}
