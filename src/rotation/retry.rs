//! How long to wait before the next attempt or the next look.

use std::time::Duration;

use crate::policy::Retry;

impl Retry {
    /// The delay after `failures` failures in a row (at least one): doubling from `initial` to
    /// `max`, then moved by up to `jitter` of itself. `chance` is drawn from 0 to 1.
    pub fn delay(&self, failures: u32, chance: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(62);
        let plain = self.initial.as_secs_f64() * 2_f64.powi(i32::try_from(doublings).unwrap_or(62));
        let bounded = plain.min(self.max.as_secs_f64());
        let moved = bounded * (1.0 + self.jitter.clamp(0.0, 1.0) * (2.0 * chance.clamp(0.0, 1.0) - 1.0));
        Duration::from_secs_f64(moved.min(self.max.as_secs_f64()).max(0.0))
    }
}

/// The longest pause between two looks at a user that is being modified.
const LONGEST_POLL: Duration = Duration::from_secs(15);

/// The pause before the next look while waiting, after `looks` looks in vain. It grows by half,
/// so a change that takes minutes costs tens of calls, and one that takes seconds is seen soon.
pub fn poll_interval(retry: &Retry, looks: u32) -> Duration {
    let longest = LONGEST_POLL.min(retry.max);
    let first = retry.initial.min(longest);
    Duration::from_secs_f64(
        (first.as_secs_f64() * 1.5_f64.powi(i32::try_from(looks.min(40)).unwrap_or(40))).min(longest.as_secs_f64()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        initial: Duration::from_secs(2),
        max: Duration::from_secs(600),
        jitter: 0.2,
    };

    #[test]
    fn delays_double_up_to_the_longest_and_stay_within_the_jitter() {
        for failures in 1..100 {
            let middle = (2.0 * 2_f64.powi(failures as i32 - 1)).min(600.0);
            for chance in [0.0, 0.5, 1.0] {
                let delay = RETRY.delay(failures, chance).as_secs_f64();
                assert!(
                    delay >= middle * 0.8 - 1e-6 && delay <= (middle * 1.2).min(600.0) + 1e-6,
                    "{failures}: {delay}"
                );
            }
        }
    }

    #[test]
    fn a_first_retry_is_quick() {
        assert!(RETRY.delay(1, 1.0) <= Duration::from_millis(2_400));
    }

    #[test]
    fn polls_slow_down_but_never_beyond_a_quarter_of_a_minute() {
        let intervals: Vec<_> = (0..100).map(|looks| poll_interval(&RETRY, looks)).collect();
        assert!(intervals.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(intervals[0], Duration::from_secs(2));
        assert_eq!(intervals[99], Duration::from_secs(15));
    }
}
