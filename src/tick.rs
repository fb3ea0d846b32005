//! The scheduler's tick: tokio-cron-scheduler, which does no more than wake the due-queue.
//!
//! It is a good metronome and no owner of rotations: it loses activations when many jobs fall due
//! together, keeps no missed dates over a restart, and lets runs of one job overlap.

use std::sync::Arc;

use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Every second. A cron-type job: one that repeats by interval stops for good after a pause of
/// the process.
const EVERY_SECOND: &str = "*/1 * * * * *";

/// A running tick.
pub struct Tick {
    scheduler: JobScheduler,
}

impl Tick {
    /// Calls `on_tick` at once and then every second, until stopped. It must not block.
    ///
    /// At once, because the scheduler's first second may be over half of what a restart may take.
    ///
    /// # Errors
    /// When the scheduler cannot be set up.
    pub async fn start(on_tick: impl Fn() + Send + Sync + 'static) -> Result<Self, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        let on_tick = Arc::new(on_tick);
        let first = on_tick.clone();
        scheduler.add(Job::new(EVERY_SECOND, move |_, _| on_tick())?).await?;
        scheduler.start().await?;
        first();
        Ok(Self { scheduler })
    }

    /// Stops it.
    pub async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::debug!(event = "scheduler_did_not_stop", %error, "the scheduler did not stop");
        }
    }
}
