//! What befalls replicas.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep};

use crate::support::cutting_proxy::Line;
use crate::support::environment::number;
use crate::support::replicas::ledger::TakeOver;
use crate::support::replicas::{FENCE, Fleet};

/// What is longer than the lease time is longer by this.
const LONGER: Duration = Duration::from_secs(1);
/// The same on a machine that does much else.
const UNDER_LOAD: Duration = Duration::from_secs(60);
/// Within what time of a lease's end its secrets have another holder.
const TAKE_OVER: Duration = Duration::from_secs(1);

/// What befalls one replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Blow {
    /// It is killed, and started again a second or two later.
    Kill,
    /// Its connections to the table are closed, until it has lost its leases.
    Cut,
    /// The table says nothing to it any more, until it has lost its leases; what it was told meanwhile arrives then.
    Silent,
    /// It stands still for longer than its lease and the fence, and goes on.
    Stop,
    /// What it writes arrives, and it does not learn that.
    RepliesLost,
}

/// Blows in an order that follows from a seed.
pub(super) struct Blows {
    pub(super) seed: u64,
    chance: StdRng,
    pub(super) kills: usize,
    pub(super) others: usize,
    /// While everything is rotated at once, how long a take-over takes tells of this machine: it is told, and not judged.
    pub(super) busy: bool,
    busy_take_overs: Vec<TakeOver>,
    take_overs: Vec<TakeOver>,
}

impl Blows {
    /// From `REKEYD_SEED`, or at random.
    pub(super) fn new() -> Self {
        let seed = number("REKEYD_SEED").unwrap_or_else(|| rand::random::<u32>().into());
        println!("again with REKEYD_SEED={seed}");
        Self {
            seed,
            chance: StdRng::seed_from_u64(seed),
            kills: 0,
            others: 0,
            busy: false,
            busy_take_overs: Vec::new(),
            take_overs: Vec::new(),
        }
    }

    /// One of these.
    pub(super) fn one_of<const N: usize>(&mut self, blows: [Blow; N]) -> Blow {
        blows[self.chance.random_range(0..N)]
    }

    pub(super) fn shuffled(&mut self, mut blows: Vec<Blow>) -> Vec<Blow> {
        blows.shuffle(&mut self.chance);
        blows
    }

    pub(super) fn replica_of(&mut self, fleet: &Fleet) -> usize {
        self.chance.random_range(0..fleet.replicas.len())
    }

    /// All of them, in some order.
    pub(super) fn each_of(&mut self, fleet: &Fleet) -> Vec<usize> {
        let mut replicas: Vec<usize> = (0..fleet.replicas.len()).collect();
        replicas.shuffle(&mut self.chance);
        replicas
    }

    fn span(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.chance.random_range(least..=most))
    }

    /// Deals one to a replica. It is over when the replica is back and what it held is in other hands.
    pub(super) async fn deal(&mut self, fleet: &mut Fleet, replica: usize, blow: Blow) {
        println!("{:?} for {}", blow, fleet.replicas[replica].name);
        match blow {
            Blow::Kill => self.kill(fleet, replica).await,
            Blow::RepliesLost => {
                fleet.replicas[replica].line.set(Line::RepliesLost);
                sleep(self.span(200, 1_200)).await;
                fleet.replicas[replica].line.set(Line::Whole);
                self.others += 1;
            }
            Blow::Cut | Blow::Silent | Blow::Stop => self.silence(fleet, replica, blow).await,
        }
        sleep(self.span(100, 500)).await;
    }

    async fn kill(&mut self, fleet: &mut Fleet, replica: usize) {
        let pid = u64::from(fleet.replicas[replica].daemon().pid());
        let held = fleet.ledger.leases().await.expect("the table answers").of(pid);
        let since = Instant::now();
        fleet.replicas[replica].take().kill().await;
        self.kills += 1;
        let back = since + self.span(1_000, 2_000);
        let ledger = fleet.ledger.clone();
        let restart = async {
            tokio::time::sleep_until(back).await;
            fleet.start(replica);
        };
        let (over, ()) = tokio::join!(ledger.taken_over(held, pid, since), restart);
        fleet.ready(replica).await;
        self.judge(fleet, over);
    }

    async fn silence(&mut self, fleet: &mut Fleet, replica: usize, blow: Blow) {
        let (daemon, line) = (fleet.replicas[replica].daemon(), &fleet.replicas[replica].line);
        let pid = u64::from(daemon.pid());
        let held = fleet.ledger.leases().await.expect("the table answers").of(pid);
        let since = Instant::now();
        match blow {
            Blow::Stop => daemon.stop(),
            Blow::Silent => line.set(Line::Silent),
            _ => line.set(Line::Cut),
        }
        let over = fleet.ledger.taken_over(held, pid, since).await;
        let span = if blow == Blow::Stop {
            fleet.lease.max(FENCE)
        } else {
            fleet.lease
        };
        tokio::time::sleep_until(since + span + LONGER).await;
        match blow {
            Blow::Stop => daemon.go_on(),
            _ => line.set(Line::Whole),
        }
        self.others += 1;
        self.judge(fleet, over);
    }

    /// The secrets of the dead come into living hands. That this is done a second after the end of their leases is held in
    /// simulated time (`leases::sharing_tests`), because here the machine's load decides; `REKEYD_STRICT=1` holds these
    /// processes to it, on a machine with nothing else to do.
    fn judge(&mut self, fleet: &Fleet, over: TakeOver) {
        println!("{over:?}");
        if self.busy {
            return self.busy_take_overs.push(over);
        }
        let strict = std::env::var_os("REKEYD_STRICT").is_some();
        let most = if strict { TAKE_OVER + over.late } else { UNDER_LOAD };
        assert!(
            over.took <= fleet.lease + most,
            "{over:?} with leases of {:?}; again with REKEYD_SEED={}\n{}",
            fleet.lease,
            self.seed,
            fleet.log_ends()
        );
        self.take_overs.push(over);
    }

    /// What happened, and how long take-overs took at the most.
    pub(super) fn told(&self) -> String {
        let longest = |overs: &[TakeOver]| {
            let secrets: usize = overs.iter().map(|over| over.secrets).sum();
            let longest = overs.iter().map(|over| over.took).max().unwrap_or_default();
            format!(
                "{secrets} secrets in {} take-overs, the longest {:.1} s",
                overs.len(),
                longest.as_secs_f64()
            )
        };
        let lost: usize = self.busy_take_overs.iter().map(|over| over.lost).sum();
        format!(
            "{} kills and {} other blows; {} while rotating ({lost} sessions lost to load), {} at rest",
            self.kills,
            self.others,
            longest(&self.busy_take_overs),
            longest(&self.take_overs),
        )
    }
}
