//! At what moments those are asked who wait for a change of a user: many of them are likely to be done then, and what asking
//! costs stays in proportion to how many changes are made.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::aws::CostOfUsers;

/// How many changes a place's pace is learnt from: the last ones.
const LEARNT_FROM: usize = 64;

/// Fewer say nothing.
const FEWEST: usize = 5;

/// Where at least so many wait, they ask at the same moments.
const ALIGNED_FROM: usize = 8;

/// What asking may cost for each change that was made: so many calls. Where a reading of all users is
/// dear and few changes are made, it is asked rarely; where many are made, often.
const CALLS_A_CHANGE: f64 = 0.9;

/// The same where replicas share the work and ask as often as one would: none of them is served by what another reads.
const CALLS_A_SHARED_CHANGE: f64 = 0.75;

/// The nodes of those whose change has arrived are read after each moment: groups, replication groups and
/// clusters.
const CALLS_FOR_NODES: usize = 3;

/// How many changes should arrive between two moments, where AWS takes few a second.
const ARRIVALS: f64 = 40.0;

/// How far the moments are apart at least, and how often that is doubled at most. So rarer moments are
/// among the more frequent ones, and whoever asks at either shares a read.
const MOMENTS: Duration = Duration::from_secs(4);
const DOUBLINGS: u32 = 3;

/// No rate is taken for lower than so many calls a second.
const MIN_RATE: f64 = 0.1;

/// Who ask within so long share a read.
const TOGETHER: Duration = Duration::from_secs(1);

/// Where fewer than so many wait, they ask at each moment at which they may be done: the last of them
/// decide when all are, and share a read with others. Where more wait, what AWS takes decides.
const FEW: usize = 200;

/// The longest pause between two looks while a change is waited for.
const LONGEST: Duration = Duration::from_secs(60);

/// The part of what may be read that goes to those who ask, where each is read singly.
const SINGLE_READS: f64 = 0.5;

/// A change that takes longer than any that is known is asked for again after such a part of the time that it has taken.
const PART_OVER: u32 = 15;

/// What is known of a change by the looks at it alone.
#[derive(Clone, Copy)]
pub(super) struct Looks {
    /// The pause after so many looks in vain.
    pub(super) pause: Duration,
    /// The shortest pause.
    pub(super) shortest: Duration,
}

/// How long changes take in a place, and who waits for one there.
#[derive(Default)]
pub(super) struct Pace {
    took: VecDeque<Duration>,
    pub(super) waiting: BTreeSet<String>,
    /// What reading users cost when somebody last asked.
    cost: Option<CostOfUsers>,
    /// How many changes a second AWS took of all replicas when the last one was made, as far as was known.
    rate: Option<f64>,
    /// When that was.
    changed_at: Option<Duration>,
    /// How many calls asking may cost still.
    left: f64,
    /// When somebody last asked, and last saw a change arrive, whom no other read serves.
    asked_at: Option<Duration>,
    arrived_at: Option<Duration>,
}

impl Pace {
    pub(super) fn learn(&mut self, took: Duration) {
        if self.took.len() == LEARNT_FROM {
            self.took.pop_front();
        }
        self.took.push_back(took);
    }

    /// A change was made, where AWS takes `rate` of them a second of this process, whose part of all work is `part`.
    pub(super) fn change_made(&mut self, rate: f64, part: f64, now: Duration) {
        self.left += if part < 1.0 {
            CALLS_A_SHARED_CHANGE
        } else {
            CALLS_A_CHANGE
        };
        self.rate = Some(rate / part);
        self.changed_at = Some(now);
    }

    /// A secret whose user's change was waited for does not wait any more.
    pub(super) fn leave(&mut self, key: &str) {
        self.waiting.remove(key);
        if self.waiting.is_empty() {
            self.left = 0.0;
        }
    }

    /// How long to wait before asking again for a change. `elapsed`: since it was made, if that is known.
    pub(super) fn pause(&self, elapsed: Option<Duration>, looks: Looks, part: f64, now: Duration) -> Duration {
        let rest = elapsed.and_then(|elapsed| self.rest(elapsed, part));
        let pause = match (rest, elapsed.filter(|_| self.is_known())) {
            (Some(rest), _) => rest.clamp(looks.shortest.min(LONGEST), LONGEST),
            (None, Some(elapsed)) => looks.pause.min((elapsed / PART_OVER).max(looks.shortest)),
            (None, None) => looks.pause,
        };
        if self.wait_everywhere(part) < ALIGNED_FROM {
            return pause;
        }
        match self.read_singly() {
            Some(rate) => pause.max(Duration::from_secs_f64(
                self.waiting.len() as f64 / (rate * SINGLE_READS),
            )),
            None => aligned(now.saturating_add(pause), self.apart(now)).saturating_sub(now),
        }
    }

    /// Whether enough changes have arrived to say how long one takes.
    fn is_known(&self) -> bool {
        self.took.len() >= FEWEST
    }

    /// Somebody asks, where reading users costs that.
    pub(super) fn ask(&mut self, cost: CostOfUsers, now: Duration) {
        self.cost = Some(cost);
        if is_first(&mut self.asked_at, now) {
            self.left = (self.left - self.users() as f64).max(0.0);
        }
    }

    /// Somebody has seen a change arrive, and looks at the nodes.
    pub(super) fn arrive(&mut self, now: Duration) {
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

    /// How far moments are apart: what is left is spread over the time that the last change takes still.
    fn apart(&self, now: Duration) -> Duration {
        let longest = self.took.iter().max().copied().unwrap_or(LONGEST);
        let passed = self.changed_at.map_or(Duration::ZERO, |at| now.saturating_sub(at));
        let rest = longest.saturating_sub(passed).max(MOMENTS);
        let calls = (self.users() + CALLS_FOR_NODES) as f64;
        let even = rest.as_secs_f64() * calls / self.left.max(f64::MIN_POSITIVE);
        let rare = self.rate.map_or(0.0, |rate| ARRIVALS / rate.max(MIN_RATE));
        let doublings = (even.max(rare) / MOMENTS.as_secs_f64()).log2().round();
        let doublings = doublings.clamp(0.0, f64::from(DOUBLINGS));
        MOMENTS.mul_f64(doublings.exp2())
    }

    /// How many wait at all replicas, if it is there as it is here. They are alike: this is `part` of all work.
    fn wait_everywhere(&self, part: f64) -> usize {
        (self.waiting.len() as f64 / part) as usize
    }

    /// How much longer half of those changes take that have taken so long; where few wait, the first one.
    fn rest(&self, elapsed: Duration, part: f64) -> Option<Duration> {
        let mut longer: Vec<Duration> = self.took.iter().copied().filter(|took| *took > elapsed).collect();
        longer.sort_unstable();
        let first = (ALIGNED_FROM..FEW).contains(&self.wait_everywhere(part));
        longer
            .get(if first { 0 } else { longer.len() / 2 })
            .filter(|_| self.is_known())
            .map(|took| *took - elapsed)
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
        assert_eq!(pace.rest(seconds(0), 1.0), None, "too few");
        for took in 1..=200 {
            pace.learn(seconds(took % 41 + 20));
        }
        assert_eq!(pace.took.len(), LEARNT_FROM);
        let rest = pace.rest(seconds(0), 1.0).unwrap();
        assert!((seconds(35)..seconds(46)).contains(&rest), "{rest:?}");
        assert!(pace.rest(seconds(50), 1.0).unwrap() < seconds(8));
        assert_eq!(pace.rest(seconds(61), 1.0), None, "longer than any");
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
                now += pace.apart(now);
            }
            assert!(calls <= most, "{calls} calls for {count} with a listing of {listing}");
        }
    }

    #[test]
    fn where_more_changes_are_made_or_a_listing_is_shorter_it_is_asked_more_often() {
        assert_eq!(waiting(1_000, 10).apart(seconds(0)), MOMENTS);
        assert_eq!(waiting(100, 1).apart(seconds(0)), MOMENTS);
        assert!(waiting(100, 10).apart(seconds(0)) > MOMENTS);
        assert!(waiting(10, 10).apart(seconds(0)) >= waiting(100, 10).apart(seconds(0)));
        let throttled = Pace {
            rate: Some(1.0),
            ..waiting(1_000, 10)
        };
        assert!(throttled.apart(seconds(0)) > MOMENTS * 4);
        assert_eq!(Pace::default().apart(seconds(0)), MOMENTS * 2_u32.pow(DOUBLINGS));
    }

    /// The pause of somebody whose change was made so long ago, where none is known to take longer.
    fn pause_after(elapsed: u64, pace: &Pace) -> Duration {
        let looks = Looks {
            pause: seconds(15),
            shortest: seconds(2),
        };
        pace.pause(Some(seconds(elapsed)), looks, 1.0, seconds(1_000))
    }

    #[test]
    fn a_change_that_takes_longer_than_any_is_asked_for_again_soon_and_then_ever_more_rarely() {
        let mut pace = Pace::default();
        assert_eq!(pause_after(60, &pace), seconds(15), "nothing is known");
        (20..60).for_each(|took| pace.learn(seconds(took)));
        assert_eq!(pause_after(60, &pace), seconds(4));
        assert_eq!(pause_after(150, &pace), seconds(10));
        assert_eq!(pause_after(3_600, &pace), seconds(15));
    }

    #[test]
    fn what_is_left_is_spent_before_the_last_change_has_arrived() {
        let mut pace = waiting(40, 2);
        pace.change_made(10.0, 1.0, seconds(0));
        pace.left = 10.0;
        assert!(pace.apart(seconds(48)) < pace.apart(seconds(0)));
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
