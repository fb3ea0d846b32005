//! Waiting for a change of a user to arrive: only the user is asked for, and at moments when many of
//! those who wait are likely to be done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::aws::PlacePorts;
use crate::policy::Policy;
use crate::rotation::observation::{Observation, Taken, User, UserSight};
use crate::rotation::plan::still_changing;
use crate::rotation::retry::poll_interval;
use crate::rotation::step::Step;

use super::ending::Ending;
use super::pace::{Looks, Pace};
use super::{Engine, State};

/// How often the whole is looked at while a change is waited for: labels may move meanwhile, and a
/// pending version grow too old.
const WHOLE_LOOK_EVERY: Duration = Duration::from_secs(300);

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
    /// Whether it was not asked for although it may have arrived, so that nobody knows when it did.
    held_up: bool,
}

/// A user whose change has arrived, and when it was asked for.
pub(super) struct SeenUser {
    pub(super) taken: Taken,
    pub(super) user: User,
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
        if let Some(pace) = self.state().paces.get_mut(&polled.place) {
            pace.ask(ports.users.cost_of_users(), taken.monotonic);
        }
        let user = ports.users.user(&polled.user_id).await;
        let user = user.map_err(|error| Ending::Failed(Step::Observe, error))?;
        if let Some(wait) = still_changing(&user, polled.step) {
            return Err(Ending::Decision(wait));
        }
        let now = self.clock.monotonic();
        let mut state = self.state();
        if polled.from_the_beginning && !polled.held_up {
            let pace = state.paces.entry(polled.place.clone()).or_default();
            pace.learn(now.saturating_sub(polled.since));
        }
        if let Some(pace) = state.paces.get_mut(&polled.place) {
            pace.arrive(now);
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
        (fresh && !unproven).then(|| Polled::clone(polled))
    }

    /// A user was changed just now.
    pub(super) fn change_made(&self, key: &str, policy: &Policy, user_id: &str, rate: f64) {
        let (now, part) = (self.clock.monotonic(), self.ownership.part());
        let mut state = self.state();
        let step = state.entries.get(key).and_then(|entry| entry.sight.step);
        let polled = Polled {
            place: policy.place.clone(),
            user_id: user_id.to_owned(),
            step: step.unwrap_or(Step::SetSecret),
            since: now,
            from_the_beginning: true,
            looked_at: now,
            held_up: false,
        };
        state.start_polling(key, polled);
        let pace = state.paces.entry(policy.place.clone()).or_default();
        pace.change_made(rate, part, now);
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
            held_up: false,
        };
        state.start_polling(key, polled);
    }

    /// When to ask for it again, after `looks` looks in vain.
    pub(super) fn poll_pause(&self, key: &str, policy: &Policy, looks: u32) -> Duration {
        let (now, part) = (self.clock.monotonic(), self.ownership.part());
        let state = self.state();
        let by_looks = poll_interval(&policy.retry, looks);
        let Some(polled) = state.entries.get(key).and_then(|entry| entry.polled.as_deref()) else {
            return by_looks;
        };
        let elapsed = polled.from_the_beginning.then(|| now.saturating_sub(polled.since));
        let looks = Looks {
            pause: by_looks,
            shortest: policy.retry.initial,
        };
        let pace = state.paces.get(&polled.place);
        pace.map_or(by_looks, |pace| pace.pause(elapsed, looks, part, now))
    }
}

impl State {
    fn start_polling(&mut self, key: &str, polled: Polled) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        self.paces
            .entry(polled.place.clone())
            .or_default()
            .waiting
            .insert(key.to_owned());
        entry.polled = Some(Box::new(polled));
    }

    /// It is not asked whether a change of this secret's user has arrived, because others go first.
    pub(super) fn polls_held_up(&mut self, key: &str) {
        if let Some(polled) = self.entries.get_mut(key).and_then(|entry| entry.polled.as_mut()) {
            polled.held_up = true;
        }
    }

    /// Nobody waits for a change of this secret's user any more.
    pub(super) fn stop_polling(&mut self, key: &str) {
        let polled = self.entries.get_mut(key).and_then(|entry| entry.polled.take());
        drop_waiting(&mut self.paces, polled.as_deref(), key);
    }
}

fn drop_waiting(paces: &mut BTreeMap<String, Pace>, polled: Option<&Polled>, key: &str) {
    if let Some(pace) = polled.and_then(|polled| paces.get_mut(&polled.place)) {
        pace.leave(key);
    }
}
