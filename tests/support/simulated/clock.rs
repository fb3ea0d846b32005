//! Simulated time: tokio's paused clock, and the wall clocks that are read off it.
//!
//! Nothing passes while anything can run. When every task waits, tokio moves its clock to the next
//! timer, which is how a day takes milliseconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// The true time, as the sandbox has it: to the millisecond, like everything that AWS dates.
#[derive(Clone)]
pub struct TrueTime {
    origin: Instant,
    /// Set while the sandbox is led through its events one by one.
    held: Arc<Mutex<Option<DateTime<Utc>>>>,
    /// By how much wall clocks of machines have been off at most, behind and ahead.
    off_by: Arc<Mutex<(TimeDelta, TimeDelta)>>,
}

impl TrueTime {
    /// A clock that begins on 1 January 2026. Needs a runtime with paused time around it.
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            held: Arc::default(),
            off_by: Arc::default(),
        }
    }

    fn began() -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600, 0).expect("a date")
    }

    /// Time passed since the beginning.
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The moment at which this clock will show `at`.
    pub fn instant_of(&self, at: DateTime<Utc>) -> Instant {
        self.origin + (at - Self::began()).to_std().unwrap_or_default()
    }

    /// By how much two clocks in the simulation may have differed so far, or one of them at two moments.
    pub fn clock_spread(&self) -> TimeDelta {
        let (behind, ahead) = *self.off_by.lock().unwrap_or_else(PoisonError::into_inner);
        ahead - behind
    }

    /// The clock of a machine is off by this much.
    fn note_clock(&self, off_by: TimeDelta) {
        let mut most = self.off_by.lock().unwrap_or_else(PoisonError::into_inner);
        *most = (most.0.min(off_by), most.1.max(off_by));
    }

    /// Shows `at` until released with `None`.
    pub fn hold(&self, at: Option<DateTime<Utc>>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

impl rekeyd_sandbox::Clock for TrueTime {
    fn now(&self) -> DateTime<Utc> {
        let held = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.unwrap_or_else(|| Self::began() + self.elapsed())
    }
}

/// The clock of the machine that a replica runs on: its wall clock may be off, and may step.
pub struct MachineClock {
    time: TrueTime,
    booted: Instant,
    off_by: Mutex<TimeDelta>,
    /// By how much it has been off at most, behind and ahead.
    range: Mutex<(TimeDelta, TimeDelta)>,
    /// From when to when the machine was suspended.
    suspended: Mutex<Vec<(Instant, Instant)>>,
}

impl MachineClock {
    /// A machine that has just booted, whose wall clock is off by this much.
    pub fn new(time: TrueTime, off_by: TimeDelta) -> Self {
        time.note_clock(off_by);
        Self {
            time,
            booted: Instant::now(),
            off_by: Mutex::new(off_by),
            range: Mutex::new((off_by.min(TimeDelta::zero()), off_by.max(TimeDelta::zero()))),
            suspended: Mutex::default(),
        }
    }

    /// Suspends the machine for so long from now: its monotonic clock stands still.
    pub fn suspend(&self, span: Duration) {
        let now = Instant::now();
        let mut suspended = self.suspended.lock().unwrap_or_else(PoisonError::into_inner);
        let from = suspended.last().map_or(now, |(_, until)| now.max(*until));
        suspended.push((from, from.max(now + span)));
    }

    fn time_suspended(&self) -> Duration {
        let now = Instant::now();
        let suspended = self.suspended.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = |(from, until): &(Instant, Instant)| now.min(*until).saturating_duration_since(*from);
        suspended.iter().map(passed).sum()
    }

    /// Steps the wall clock. Monotonic time does not notice.
    pub fn step(&self, by: TimeDelta) {
        *self.off_by.lock().unwrap_or_else(PoisonError::into_inner) += by;
        let off_by = self.off_by();
        self.time.note_clock(off_by);
        let mut range = self.range.lock().unwrap_or_else(PoisonError::into_inner);
        *range = (range.0.min(off_by), range.1.max(off_by));
    }

    /// By how much it may have differed from the true time, or from itself at another moment.
    pub fn spread(&self) -> TimeDelta {
        let (behind, ahead) = *self.range.lock().unwrap_or_else(PoisonError::into_inner);
        ahead - behind
    }

    /// By how much the wall clock is off.
    pub fn off_by(&self) -> TimeDelta {
        *self.off_by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl rekeyd::clock::Clock for MachineClock {
    fn now(&self) -> DateTime<Utc> {
        TrueTime::began() + self.time.elapsed() + self.off_by()
    }

    fn monotonic(&self) -> Duration {
        self.booted.elapsed().saturating_sub(self.time_suspended())
    }
}
