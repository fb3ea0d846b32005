//! Whether everything that is due is done, for `run --once`.

use std::time::Duration;

use crate::aws::AwsError;
use crate::rotation::status::Phase;

use super::Engine;
use super::holds::HeldBy;

/// How often the state is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// Whatever is due later than this is not waited for.
const SOON: chrono::Duration = chrono::Duration::seconds(60);

/// How many secrets ended how.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Settled {
    /// Nothing is due, under way or wrong.
    pub done: usize,
    /// Halted, in need of attention, held back, or still under way.
    pub not_done: usize,
}

impl Engine {
    /// Ends when no secret has anything left to do now. One that keeps failing has.
    pub async fn settle(&self) {
        while !self.is_settled() {
            tokio::time::sleep(EVERY).await;
        }
    }

    fn is_settled(&self) -> bool {
        let now = self.clock.now();
        let (running, state) = (self.running(), self.state());
        running.places_at_work().all(|place| state.looked_for.contains(place))
            && !state.unresolved.values().any(AwsError::passes_by_itself)
            && state
                .entries
                .values()
                .filter(|entry| !entry.is_only_remembered())
                .all(|entry| {
                    let standing_still = entry.sight.looked && !entry.driven && !entry.woken;
                    let resting = match entry.sight.phase {
                        // In the middle of a rotation, too.
                        Some(Phase::Paused | Phase::Halted) => true,
                        _ if entry.in_flight() => false,
                        Some(Phase::Idle | Phase::Overlap) => true,
                        // What they wait for is judged by itself; when that ends, they are not held any more.
                        Some(Phase::Due) if matches!(entry.sight.held, Some(HeldBy::Policy(_))) => true,
                        Some(Phase::Due) if entry.sight.held.is_some() => false,
                        Some(Phase::Due) => entry.sight.resting_until.is_some_and(|until| until - now > SOON),
                        _ => false,
                    };
                    standing_still && resting
                })
    }

    /// How the secrets stand.
    pub fn settled(&self) -> Settled {
        let mut settled = Settled::default();
        for secret in self.report() {
            match secret.phase {
                Phase::Idle | Phase::Overlap | Phase::Paused => settled.done += 1,
                Phase::Due
                | Phase::Starting
                | Phase::Rotating
                | Phase::Retiring
                | Phase::NeedsAttention
                | Phase::Halted => {
                    settled.not_done += 1;
                }
            }
        }
        settled
    }
}
