//! How fast calls may go: pure arithmetic on a monotonic clock, without waiting.

use std::time::Duration;

/// From nothing to the whole budget in so long, if AWS throttles nothing meanwhile.
const RECOVERY: Duration = Duration::from_secs(600);

/// Up to this part of the rate at which AWS throttled last, a halved rate grows back soon.
const KNOWN_TO_GO: f64 = 0.85;

/// For so long it stays there: each call that AWS throttles to show its limit was sent in vain.
const CONTENT: Duration = Duration::from_secs(60);

/// From nothing to there in so long.
const SOON: Duration = Duration::from_secs(4);

/// A bucket holds what so many seconds give: less than AWS's own, which is taken to hold one second's,
/// because calls that are sent evenly do not arrive so.
const HOLDS: f64 = 0.5;

/// The lowest rate is this part of the budget.
const FLOOR: f64 = 1.0 / 64.0;

/// The smallest part of a budget that is shared: nobody waits for ever.
const SMALLEST_PART: f64 = 1e-3;

/// The longest pause that AWS may ask for, so that an absurd one is no halt that nobody declared.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A token bucket. Its rate halves when AWS throttles, soon grows back to most of what it was, stays
/// there for a while, and then grows steadily.
#[derive(Debug)]
pub(super) struct Bucket {
    /// The budget of all who share it, in calls a second.
    whole: f64,
    /// The part of it that is this bucket's.
    budget: f64,
    /// What it is at the moment.
    rate: f64,
    tokens: f64,
    /// Up to when tokens and rate have grown.
    at: Duration,
    /// Nothing goes before.
    blocked_until: Duration,
    /// When the rate was last halved.
    halved_at: Option<Duration>,
    /// What it was then.
    too_fast: f64,
}

impl Bucket {
    /// A full bucket for so many calls a second.
    pub(super) fn new(budget: f64, now: Duration) -> Self {
        Self {
            whole: budget,
            budget,
            rate: budget,
            tokens: (budget * HOLDS).max(1.0),
            at: now,
            blocked_until: now,
            halved_at: None,
            too_fast: budget,
        }
    }

    /// This part of the whole budget is this bucket's from now on. At what rate AWS throttles is shared likewise.
    pub(super) fn share(&mut self, part: f64, now: Duration) {
        let budget = self.whole * part.clamp(SMALLEST_PART, 1.0);
        if budget == self.budget {
            return;
        }
        self.grow(now);
        let change = budget / self.budget;
        self.budget = budget;
        self.rate *= change;
        self.too_fast *= change;
        self.tokens = self.tokens.min(self.holds());
    }

    /// Takes the tokens of so many calls, or says how long to wait before asking again. Calls that go
    /// together may be more than the bucket holds: they go when it is full, and those after them wait
    /// for longer.
    pub(super) fn take(&mut self, calls: f64, now: Duration) -> Result<(), Duration> {
        self.grow(now);
        if now < self.blocked_until {
            return Err(self.blocked_until - now);
        }
        let missing = calls.min(self.holds()) - self.tokens;
        // What is lost to rounding must not make it wait for nothing.
        if missing > 1e-6 {
            return Err(Duration::from_secs_f64(missing / self.rate));
        }
        self.tokens -= calls;
        Ok(())
    }

    /// AWS throttled a call that was sent at `sent`. Calls that were sent before the rate was last
    /// halved say nothing of the rate since: one burst halves it once.
    pub(super) fn throttled(&mut self, sent: Duration, now: Duration, retry_after: Option<Duration>) {
        self.grow(now);
        if self.halved_at.is_none_or(|halved| sent > halved) {
            self.too_fast = self.rate;
            self.rate = (self.rate / 2.0).max(self.budget * FLOOR);
            self.halved_at = Some(now);
            self.tokens = self.tokens.min(0.0);
        }
        let pause = retry_after.unwrap_or_default().min(LONGEST_PAUSE);
        self.blocked_until = self.blocked_until.max(now.saturating_add(pause));
    }

    /// Whether AWS has throttled it to less than half of the budget.
    pub(super) fn is_throttled(&self) -> bool {
        self.rate < self.budget / 2.0
    }

    /// How many calls a second it lets go at the moment.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    fn holds(&self) -> f64 {
        (self.rate * HOLDS).max(1.0)
    }

    fn grow(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.tokens = (self.tokens + passed * self.rate).min(self.holds());
        let goes = self.too_fast * KNOWN_TO_GO;
        let soon = (self.rate + self.too_fast * passed / SOON.as_secs_f64()).min(goes);
        let content_until = self
            .halved_at
            .map_or(Duration::ZERO, |halved| halved.saturating_add(CONTENT));
        let seeking = passed.min(now.saturating_sub(content_until).as_secs_f64());
        let steadily = self.rate + self.budget * seeking / RECOVERY.as_secs_f64();
        self.rate = soon.max(steadily).min(self.budget);
    }
}

#[cfg(test)]
#[path = "bucket_tests.rs"]
mod tests;
