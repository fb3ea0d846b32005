//! Waiting for a change of a user to arrive: only the user is asked for, and at moments when many of
//! those who wait are likely to be done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::aws::PlacePorts;
use crate::policy::Policy;
use crate::rotation::observation::{Observation, Taken, User, UserSight};
use crate::rotation::plan::still_changing;
use crate::rotation::retry::poll_interval;
use crate::rotation::step::Step;

use super::ending::Ending;
use super::{Engine, State};

/// How often the whole is looked at while a change is waited for: labels may move meanwhile, and a
/// pending version grow too old.
const WHOLE_LOOK_EVERY: Duration = Duration::from_secs(300);

/// How many changes a place's pace is learnt from: the last ones.
const LEARNT_FROM: usize = 64;

/// Fewer say nothing.
const FEWEST: usize = 5;

/// Where more than so many wait, they ask at the same moments.
const ALIGNED_FROM: usize = 8;

/// How far these moments are apart. A listing of a thousand users costs ten calls, however few wait.
const MOMENTS: Duration = Duration::from_secs(10);

/// Where at least so many wait, that costs each of them little.
const OFTEN_FROM: usize = 200;

/// How far the moments are apart there.
const FREQUENT_MOMENTS: Duration = Duration::from_secs(5);

/// How many changes should arrive between two moments, and how far these may be apart for that.
const ARRIVALS: f64 = 40.0;
const RAREST_MOMENTS: Duration = Duration::from_secs(40);

/// The longest pause between two looks while a change is waited for.
const LONGEST: Duration = Duration::from_secs(60);

/// A user whose change is waited for.
#[derive(Clone)]
pub(super) struct Polled {
    place: String,
    user_id: String,
    step: Step,
    /// Since when.
    since: Duration,
    /// Whether that is when the change was made.
    from_the_beginning: bool,
    /// When the whole was last looked at.
    looked_at: Duration,
    /// How many changes a second AWS took then, as far as was known.
    rate: f64,
}

/// A user whose change has arrived, and when it was asked for.
pub(super) struct SeenUser {
    pub(super) taken: Taken,
    pub(super) user: User,
}

/// How long changes take in a place, and who waits for one there.
#[derive(Default)]
pub(super) struct Pace {
    took: VecDeque<Duration>,
    waiting: BTreeSet<String>,
}

impl Pace {
    fn learn(&mut self, took: Duration) {
        if self.took.len() == LEARNT_FROM {
            self.took.pop_front();
        }
        self.took.push_back(took);
    }

    /// How much longer half of those changes take that have taken so long.
    fn rest(&self, elapsed: Duration) -> Option<Duration> {
        let mut longer: Vec<Duration> = self.took.iter().copied().filter(|took| *took > elapsed).collect();
        longer.sort_unstable();
        let known = self.took.len() >= FEWEST;
        longer
            .get(longer.len() / 2)
            .filter(|_| known)
            .map(|took| *took - elapsed)
    }
}

impl Engine {
    /// Asks for a user whose change is waited for. Nothing else is read while it has not arrived; when it
    /// has, the observation begins with this user.
    pub(super) async fn poll(
        &self,
        key: &str,
        policy: &Arc<Policy>,
        ports: &PlacePorts,
        polled: Polled,
    ) -> Result<SeenUser, Ending> {
        let _leave = self.leave(key, policy).ok_or(Ending::Superseded)?;
        let taken = self.taken();
        let user = ports.users.user(&polled.user_id).await;
        let user = user.map_err(|error| Ending::Failed(Step::Observe, error))?;
        if let Some(wait) = still_changing(&user, polled.step) {
            return Err(Ending::Decision(wait));
        }
        let now = self.clock.monotonic();
        let mut state = self.state();
        if polled.from_the_beginning {
            let pace = state.paces.entry(polled.place.clone()).or_default();
            pace.learn(now.saturating_sub(polled.since));
        }
        state.stop_polling(key);
        Ok(SeenUser { taken, user })
    }

    /// Drops a user that was seen too long ago to leave the writes that follow much of their time.
    pub(super) fn still_serves(&self, policy: &Policy, seen: SeenUser) -> Option<SeenUser> {
        let age = self.clock.monotonic().saturating_sub(seen.taken.monotonic);
        (age < policy.write_deadline / 4).then_some(seen)
    }

    /// The user to ask for first. Where no login can prove a change, the whole is looked at each time.
    pub(super) fn polled(&self, key: &str) -> Option<Polled> {
        let now = self.clock.monotonic();
        let state = self.state();
        let entry = state.entries.get(key)?;
        let settling = |since: Option<crate::clock::Timestamp>| since.is_some();
        let unproven = entry
            .record
            .rotation
            .as_ref()
            .is_some_and(|r| settling(r.settled_since))
            || entry
                .record
                .retirement
                .as_ref()
                .is_some_and(|r| settling(r.settled_since));
        let polled = entry.polled.as_ref()?;
        let fresh = now.saturating_sub(polled.looked_at) < WHOLE_LOOK_EVERY;
        (fresh && !unproven).then(|| polled.clone())
    }

    /// A user was changed just now.
    pub(super) fn change_made(&self, key: &str, policy: &Policy, user_id: &str, rate: f64) {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let step = state.entries.get(key).and_then(|entry| entry.sight.step);
        let polled = Polled {
            place: policy.place.clone(),
            user_id: user_id.to_owned(),
            step: step.unwrap_or(Step::SetSecret),
            since: now,
            from_the_beginning: true,
            looked_at: now,
            rate,
        };
        state.start_polling(key, polled);
    }

    /// The whole was looked at, and shows a user whose change has not arrived.
    pub(super) fn change_seen(&self, key: &str, policy: &Policy, observation: &Observation, step: Step) {
        let UserSight::Seen(user) = &observation.user else {
            return;
        };
        if still_changing(user, step).is_none() {
            return;
        }
        let now = self.clock.monotonic();
        let mut state = self.state();
        let known = state.entries.get_mut(key).and_then(|entry| entry.polled.as_mut());
        if let Some(polled) = known {
            polled.looked_at = now;
            polled.step = step;
            return;
        }
        let polled = Polled {
            place: policy.place.clone(),
            user_id: user.id.clone(),
            step,
            since: now,
            from_the_beginning: false,
            looked_at: now,
            rate: f64::INFINITY,
        };
        state.start_polling(key, polled);
    }

    /// When to ask for it again, after `looks` looks in vain.
    pub(super) fn poll_pause(&self, key: &str, policy: &Policy, looks: u32) -> Duration {
        let now = self.clock.monotonic();
        let state = self.state();
        let by_looks = poll_interval(&policy.retry, looks);
        let Some(polled) = state.entries.get(key).and_then(|entry| entry.polled.as_ref()) else {
            return by_looks;
        };
        let pace = state.paces.get(&polled.place);
        let elapsed = now.saturating_sub(polled.since);
        let rest = pace
            .filter(|_| polled.from_the_beginning)
            .and_then(|pace| pace.rest(elapsed));
        let pause = rest.map_or(by_looks, |rest| rest.clamp(policy.retry.initial.min(LONGEST), LONGEST));
        let apart = match pace.map_or(0, |pace| pace.waiting.len()) {
            0..ALIGNED_FROM => return pause,
            ALIGNED_FROM..OFTEN_FROM => MOMENTS,
            OFTEN_FROM.. => FREQUENT_MOMENTS,
        };
        // Where AWS takes few changes a second, few arrive between two moments.
        let worth_a_listing = Duration::from_secs_f64(ARRIVALS / polled.rate.max(1e-3));
        let apart = apart.max(worth_a_listing.min(RAREST_MOMENTS));
        aligned(now.saturating_add(pause), apart).saturating_sub(now)
    }
}

/// The next moment at which all ask.
fn aligned(at: Duration, apart: Duration) -> Duration {
    let apart = u64::try_from(apart.as_millis()).unwrap_or(1);
    let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(at.div_ceil(apart).saturating_mul(apart))
}

impl State {
    fn start_polling(&mut self, key: &str, polled: Polled) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        self.paces
            .entry(polled.place.clone())
            .or_default()
            .waiting
            .insert(key.to_owned());
        entry.polled = Some(polled);
    }

    /// Nobody waits for a change of this secret's user any more.
    pub(super) fn stop_polling(&mut self, key: &str) {
        let polled = self.entries.get_mut(key).and_then(|entry| entry.polled.take());
        drop_waiting(&mut self.paces, polled.as_ref(), key);
    }
}

fn drop_waiting(paces: &mut BTreeMap<String, Pace>, polled: Option<&Polled>, key: &str) {
    if let Some(pace) = polled.and_then(|polled| paces.get_mut(&polled.place)) {
        pace.waiting.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_pace_is_learnt_from_the_last_changes() {
        let mut pace = Pace::default();
        (0..4).for_each(|_| pace.learn(seconds(40)));
        assert_eq!(pace.rest(seconds(0)), None, "too few");
        for took in 1..=200 {
            pace.learn(seconds(took % 41 + 20));
        }
        assert_eq!(pace.took.len(), LEARNT_FROM);
        let rest = pace.rest(seconds(0)).unwrap();
        assert!((seconds(35)..seconds(46)).contains(&rest), "{rest:?}");
        assert!(pace.rest(seconds(50)).unwrap() < seconds(8));
        assert_eq!(pace.rest(seconds(61)), None, "longer than any");
    }

    #[test]
    fn moments_are_the_same_for_all_and_never_before_what_was_meant() {
        for ms in (0..60_000).step_by(7) {
            let at = Duration::from_millis(ms);
            let moment = aligned(at, MOMENTS);
            assert!(moment >= at && moment < at + MOMENTS, "{moment:?} for {at:?}");
            assert_eq!(moment.as_millis() % MOMENTS.as_millis(), 0);
        }
    }
}
