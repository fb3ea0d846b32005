//! What the service manager is told, where one listens (sd_notify(3), `Type=notify`): ready, reloading, stopping, a line of
//! status, and that the tick goes on. Without `NOTIFY_SOCKET` nothing is sent.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::rotation::status::{Phase, SecretStatus};

/// Between two looks at the secrets for the line of status: each is a pass over all of them.
const STATUS_INTERVAL: Duration = Duration::from_secs(30);

/// The same, until all secrets were found and looked at.
const STATUS_INTERVAL_AT_START: Duration = Duration::from_secs(5);

/// What ending takes beyond `drain_timeout`: the surfaces' clients, the last blocking calls, a busy machine.
const AFTER_THE_DRAIN: Duration = Duration::from_secs(10);

/// Whether somebody listens.
pub fn is_there() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some_and(|socket| !socket.is_empty())
}

/// Everything is served; or a reload is over, whatever came of it.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins. systemd takes it for begun only with the time of the message.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => {
            tracing::debug!(event = "manager_not_told", %error, "the service manager was not told of the reload")
        }
    }
}

/// The daemon ends, within `drain_timeout` and a little: longer than the unit's `TimeoutStopSec=` if need be.
pub fn stopping(drain_timeout: Duration) {
    let micros = drain_timeout.saturating_add(AFTER_THE_DRAIN).as_micros();
    // As text: the crate's own variant ends at 71 minutes.
    let extend = format!("EXTEND_TIMEOUT_USEC={micros}");
    tell(&[
        NotifyState::Stopping,
        NotifyState::Custom(&extend),
        NotifyState::Status("stopping: steps under way are finished first"),
    ]);
}

/// Shows a line in `systemctl status`.
pub fn show(summary: &Summary) {
    tell(&[NotifyState::Status(&summary.to_string())]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(event = "manager_not_told", %error, "the service manager was not told");
    }
}

/// How the secrets are, in one line.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Summary {
    secrets: usize,
    starting: usize,
    rotating: usize,
    need_attention: usize,
    halted: usize,
    reload_refused: bool,
}

impl Summary {
    /// The summary of these secrets, and of a configuration whose last reload was refused or not.
    pub fn of(secrets: impl Iterator<Item = SecretStatus>, reload_refused: bool) -> Self {
        let mut summary = Self {
            reload_refused,
            ..Self::default()
        };
        for secret in secrets {
            summary.secrets += 1;
            match secret.phase {
                Phase::Starting => summary.starting += 1,
                Phase::Rotating => summary.rotating += 1,
                Phase::NeedsAttention => summary.need_attention += 1,
                Phase::Halted => summary.halted += 1,
                _ => {}
            }
        }
        summary
    }

    /// When another look at the secrets is worth it.
    pub fn next_look_in(&self) -> Duration {
        match self.secrets == 0 || self.starting > 0 {
            true => STATUS_INTERVAL_AT_START,
            false => STATUS_INTERVAL,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            secrets,
            starting,
            rotating,
            need_attention,
            halted,
            reload_refused,
        } = self;
        let plural = if *secrets == 1 { "" } else { "s" };
        let verb = if *need_attention == 1 { "needs" } else { "need" };
        write!(
            f,
            "{secrets} secret{plural}, {rotating} rotating, {need_attention} {verb} attention, {halted} halted"
        )?;
        if *starting > 0 {
            write!(f, ", {starting} not looked at yet")?;
        }
        if *reload_refused {
            f.write_str("; the last reload was refused, see `rekeyd status`")?;
        }
        Ok(())
    }
}

/// The watchdog of the service manager (`WatchdogSec=`). Only the tick feeds it: no task of its own that could
/// outlive what it vouches for.
pub struct Watchdog {
    every: Duration,
    /// When it was fed last, on the clock's monotonic time.
    fed: Mutex<Option<Duration>>,
}

impl Watchdog {
    /// The watchdog that `WATCHDOG_USEC` asks for, if it asks this process.
    pub fn of_environment() -> Option<Self> {
        sd_notify::watchdog_enabled().map(Self::with_timeout)
    }

    /// It is fed at half of the time-out, or at every tick where that is shorter.
    fn with_timeout(timeout: Duration) -> Self {
        Self {
            every: timeout / 2,
            fed: Mutex::default(),
        }
    }

    /// The scheduler has ticked, at this monotonic time.
    pub fn ticked(&self, now: Duration) {
        if self.is_due(now) {
            tell(&[NotifyState::Watchdog]);
        }
    }

    fn is_due(&self, now: Duration) -> bool {
        let mut fed = self.fed.lock().unwrap_or_else(PoisonError::into_inner);
        let due = fed.is_none_or(|last| now.saturating_sub(last) >= self.every);
        if due {
            *fed = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_what_a_person_asks_for_first() {
        let mut summary = Summary {
            secrets: 12,
            rotating: 1,
            ..Summary::default()
        };
        assert_eq!(
            summary.to_string(),
            "12 secrets, 1 rotating, 0 need attention, 0 halted"
        );
        summary.secrets = 1;
        summary.need_attention = 1;
        summary.starting = 2;
        summary.reload_refused = true;
        assert_eq!(
            summary.to_string(),
            "1 secret, 1 rotating, 1 needs attention, 0 halted, 2 not looked at yet; the last reload was refused, see `rekeyd status`"
        );
    }

    #[test]
    fn the_watchdog_is_fed_by_a_tick_at_half_of_its_time_and_by_no_more_of_them() {
        let watchdog = Watchdog::with_timeout(Duration::from_secs(10));
        let fed = (0..=20).filter(|second| watchdog.is_due(Duration::from_secs(*second)));
        assert_eq!(fed.collect::<Vec<_>>(), [0, 5, 10, 15, 20]);
    }
}
