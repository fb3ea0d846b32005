//! The one clock. Wall time decides when a secret is due and dates signatures; monotonic time
//! decides whether an observation is still fresh.
//!
//! Nothing else in this package may read a clock: `clippy.toml` bans it. A simulation injects its
//! own [`Clock`].

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A moment of wall time, in UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The wall time now.
    fn now(&self) -> Timestamp;

    /// Time passed since some fixed moment, which never goes back.
    fn monotonic(&self) -> Duration;
}

/// A clock that several owners share.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clocks.
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[allow(clippy::disallowed_methods)] // the one place that reads the machine's clocks
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place that reads the machine's clocks
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// By how much clocks differ without anybody's fault: AWS takes no request whose date is further off.
pub const CLOCKS_DIFFER: Duration = Duration::from_secs(300);

/// `at + span`, or the last moment there is when that overflows.
pub fn after(at: Timestamp, span: Duration) -> Timestamp {
    chrono::Duration::from_std(span)
        .ok()
        .and_then(|span| at.checked_add_signed(span))
        .unwrap_or(Timestamp::MAX_UTC)
}

/// The time from `earlier` to `later`; zero when `later` is the earlier one.
pub fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    (later - earlier).to_std().unwrap_or(Duration::ZERO)
}
