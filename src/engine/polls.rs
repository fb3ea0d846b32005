//! Waiting for a change of a user to arrive: only the user is asked for, and at moments when many of
//! those who wait are likely to be done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::aws::{CostOfUsers, PlacePorts};
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

/// Where at least so many wait, they ask at the same moments.
const ALIGNED_FROM: usize = 8;

/// What asking may cost for each change that was made: so many calls. Where a reading of all users is
/// dear and few changes are made, it is asked rarely; where many are made, often.
const CALLS_A_CHANGE: f64 = 0.9;

/// The same where replicas share the work: none of them is served by what another reads, and none should take longer
/// than one alone would.
const CALLS_A_SHARED_CHANGE: f64 = 1.6;

/// The nodes of those whose change has arrived are read after each moment: groups, replication groups and
/// clusters.
const CALLS_FOR_NODES: usize = 3;

/// How many changes should arrive between two moments, where AWS takes few a second.
const ARRIVALS: f64 = 40.0;

/// How far the moments are apart at least, and how often that is doubled at most. So rarer moments are
/// among the more frequent ones, and whoever asks at either shares a read.
const MOMENTS: Duration = Duration::from_secs(4);
const DOUBLINGS: u32 = 3;

/// The part of what may be read that goes to those who ask, where each is read singly.
const SINGLE_READS: f64 = 0.5;

/// No rate is taken for lower than so many calls a second.
const MIN_RATE: f64 = 0.1;

/// Who ask within so long share a read.
const TOGETHER: Duration = Duration::from_secs(1);

/// Where fewer than so many wait, they ask at each moment at which they may be done: the last of them
/// decide when all are, and share a read with others. Where more wait, what AWS takes decides.
const FEW: usize = 200;

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
    /// Whether it was not asked for although it may have arrived, so that nobody knows when it did.
    held_up: bool,
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
    /// What reading users cost when somebody last asked.
    cost: Option<CostOfUsers>,
    /// How many changes a second AWS took of all replicas when the last one was made, as far as was known.
    rate: Option<f64>,
    /// How many calls asking may cost still.
    left: f64,
    /// When somebody last asked, and last saw a change arrive, whom no other read serves.
    asked_at: Option<Duration>,
    arrived_at: Option<Duration>,
}

impl Pace {
    fn learn(&mut self, took: Duration) {
        if self.took.len() == LEARNT_FROM {
            self.took.pop_front();
        }
        self.took.push_back(took);
    }

    /// Somebody asks, where reading users costs that.
    fn ask(&mut self, cost: CostOfUsers, now: Duration) {
        self.cost = Some(cost);
        if is_first(&mut self.asked_at, now) {
            self.left = (self.left - self.users() as f64).max(0.0);
        }
    }

    /// Somebody has seen a change arrive, and looks at the nodes.
    fn arrive(&mut self, now: Duration) {
        if is_first(&mut self.arrived_at, now) {
            self.left = (self.left - CALLS_FOR_NODES as f64).max(0.0);
        }
    }

    /// What it costs to ask for all who wait.
    fn users(&self) -> usize {
        let listing = self.cost.map_or(Some(1), |cost| cost.listing);
        listing.map_or(self.waiting.len(), |listing| listing.min(self.waiting.len()))
    }

    /// How many users a second may be read where each is read singly.
    fn read_singly(&self) -> Option<f64> {
        let cost = self.cost.filter(|cost| cost.listing.is_none())?;
        Some(cost.a_second.max(MIN_RATE))
    }

    /// How far moments are apart: what is left is spread over the time that a change takes.
    fn apart(&self) -> Duration {
        let longest = self.took.iter().max().copied().unwrap_or(LONGEST);
        let calls = (self.users() + CALLS_FOR_NODES) as f64;
        let even = longest.as_secs_f64() * calls / self.left.max(f64::MIN_POSITIVE);
        let rare = self.rate.map_or(0.0, |rate| ARRIVALS / rate.max(MIN_RATE));
        let doublings = (even.max(rare) / MOMENTS.as_secs_f64()).log2().round();
        let doublings = doublings.clamp(0.0, f64::from(DOUBLINGS));
        MOMENTS.mul_f64(doublings.exp2())
    }

    /// How much longer half of those changes take that have taken so long; where few wait, the first one.
    fn rest(&self, elapsed: Duration) -> Option<Duration> {
        let mut longer: Vec<Duration> = self.took.iter().copied().filter(|took| *took > elapsed).collect();
        longer.sort_unstable();
        let known = self.took.len() >= FEWEST;
        let first = (ALIGNED_FROM..FEW).contains(&self.waiting.len());
        longer
            .get(if first { 0 } else { longer.len() / 2 })
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
        pace.left += if part < 1.0 {
            CALLS_A_SHARED_CHANGE
        } else {
            CALLS_A_CHANGE
        };
        pace.rate = Some(rate / part);
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
        let now = self.clock.monotonic();
        let state = self.state();
        let by_looks = poll_interval(&policy.retry, looks);
        let Some(polled) = state.entries.get(key).and_then(|entry| entry.polled.as_deref()) else {
            return by_looks;
        };
        let pace = state.paces.get(&polled.place);
        let elapsed = now.saturating_sub(polled.since);
        let rest = pace
            .filter(|_| polled.from_the_beginning)
            .and_then(|pace| pace.rest(elapsed));
        let pause = rest.map_or(by_looks, |rest| rest.clamp(policy.retry.initial.min(LONGEST), LONGEST));
        match pace.filter(|pace| pace.waiting.len() >= ALIGNED_FROM) {
            Some(pace) => match pace.read_singly() {
                Some(rate) => pause.max(Duration::from_secs_f64(
                    pace.waiting.len() as f64 / (rate * SINGLE_READS),
                )),
                None => aligned(now.saturating_add(pause), pace.apart()).saturating_sub(now),
            },
            None => pause,
        }
    }
}

/// Whether nobody was there within the time in which a read is shared.
fn is_first(last: &mut Option<Duration>, now: Duration) -> bool {
    let first = last.is_none_or(|last| now.saturating_sub(last) >= TOGETHER);
    if first {
        *last = Some(now);
    }
    first
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
        pace.waiting.remove(key);
        if pace.waiting.is_empty() {
            pace.left = 0.0;
        }
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
        for doublings in 0..=DOUBLINGS {
            let apart = MOMENTS * 2_u32.pow(doublings);
            for ms in (0..60_000).step_by(7) {
                let at = Duration::from_millis(ms);
                let moment = aligned(at, apart);
                assert!(moment >= at && moment < at + apart, "{moment:?} for {at:?}");
                assert_eq!(aligned(moment, MOMENTS), moment, "it is one of the frequent ones, too");
            }
        }
    }

    fn cost(listing: usize) -> CostOfUsers {
        CostOfUsers {
            listing: Some(listing),
            a_second: 20.0,
        }
    }

    /// So many wait whose changes were made just now, where a listing costs so many calls.
    fn waiting(count: usize, listing: usize) -> Pace {
        Pace {
            waiting: (0..count).map(|n| n.to_string()).collect(),
            cost: Some(cost(listing)),
            left: CALLS_A_CHANGE * count as f64,
            ..Pace::default()
        }
    }

    #[test]
    fn asking_costs_no_more_than_its_share_of_each_change() {
        for (count, listing) in [(20, 10), (100, 1), (100, 10), (400, 10), (1_000, 10)] {
            let mut pace = waiting(count, listing);
            let (mut now, mut calls, mut most) = (seconds(0), 0.0, 0.0);
            while now < LONGEST {
                pace.ask(cost(listing), now);
                pace.arrive(now);
                let each = (pace.users() + CALLS_FOR_NODES) as f64;
                calls += each;
                most = CALLS_A_CHANGE * count as f64 + 4.0 * each;
                now += pace.apart();
            }
            assert!(calls <= most, "{calls} calls for {count} with a listing of {listing}");
        }
    }

    #[test]
    fn where_more_changes_are_made_or_a_listing_is_shorter_it_is_asked_more_often() {
        assert_eq!(waiting(1_000, 10).apart(), MOMENTS);
        assert_eq!(waiting(100, 1).apart(), MOMENTS);
        assert!(waiting(100, 10).apart() > MOMENTS);
        assert!(waiting(10, 10).apart() >= waiting(100, 10).apart());
        let throttled = Pace {
            rate: Some(1.0),
            ..waiting(1_000, 10)
        };
        assert!(throttled.apart() > MOMENTS * 4);
        assert_eq!(Pace::default().apart(), MOMENTS * 2_u32.pow(DOUBLINGS));
    }

    #[test]
    fn who_ask_at_the_same_moment_pay_once() {
        let mut pace = waiting(100, 10);
        let left = pace.left;
        for ms in 0..50 {
            pace.ask(cost(10), Duration::from_millis(ms));
            pace.arrive(Duration::from_millis(500 + ms));
        }
        assert!((left - pace.left - 13.0).abs() < 1e-9, "{}", pace.left);
        pace.ask(cost(10), seconds(4));
        assert!((left - pace.left - 23.0).abs() < 1e-9, "{}", pace.left);
    }
}
