//! Replicas on one table in simulated time, for tests: machines whose clocks differ, wires that fail, processes that are
//! killed or stand still.

mod wire;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{Identity, Leases};
use crate::clock::{Clock, Timestamp};
use crate::metrics::Metrics;
use crate::rotation::state::Record;
use crate::store::ownership::{News, Ownership};
use crate::store::shared::layout;
use crate::store::shared::presence::Presence;
use crate::store::table::memory::MemoryTable;
use crate::store::table::{Change, Condition, Item, Table};

use self::wire::Wire;
pub(super) use self::wire::{FAULTS, Fault};

pub(super) const LEASE: Duration = Duration::from_secs(6);
/// How often it is asserted that no secret has two owners.
const STEP: Duration = Duration::from_millis(100);

pub(super) fn arn(number: usize) -> String {
    format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:s{number}-AbCdEf")
}

/// A machine's clocks: its wall clock is off, and its monotonic one began somewhere.
struct MachineClock {
    origin: Instant,
    off_by: TimeDelta,
    began_with: Duration,
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let began = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        began + self.origin.elapsed() + self.off_by
    }

    fn monotonic(&self) -> Duration {
        self.began_with + self.origin.elapsed()
    }
}

/// Whether a process runs or is stopped.
#[derive(Default)]
struct Halt {
    stopped: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// A process that can be stopped: then nothing of it runs.
struct Process {
    halt: Arc<Halt>,
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Future for Process {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.halt.stopped.load(Ordering::Relaxed) {
            *self.halt.waker.lock().unwrap() = Some(context.waker().clone());
            return Poll::Pending;
        }
        self.work.as_mut().poll(context)
    }
}

/// A replica.
pub(super) struct Replica {
    pub(super) leases: Arc<Leases>,
    pub(super) presence: Arc<Presence>,
    pub(super) wire: Arc<Wire>,
    metrics: Arc<Metrics>,
    /// What it was told.
    pub(super) news: Arc<Mutex<Vec<News>>>,
    halt: Arc<Halt>,
    task: JoinHandle<()>,
}

impl Replica {
    pub(super) fn stop(&self) {
        self.halt.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn go_on(&self) {
        self.halt.stopped.store(false, Ordering::Relaxed);
        if let Some(waker) = self.halt.waker.lock().unwrap().take() {
            waker.wake();
        }
    }

    pub(super) fn owned(&self, secrets: usize) -> usize {
        (0..secrets).filter(|number| self.leases.owns(&arn(*number))).count()
    }

    /// What a metric without labels says.
    pub(super) fn shown(&self, metric: &str) -> String {
        let text = self.metrics.render();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("rekeyd_{metric} ")));
        line.unwrap().to_owned()
    }

    /// What it was told of a secret.
    pub(super) fn told_of(&self, number: usize) -> Vec<News> {
        let news = self.news.lock().unwrap();
        let of_it = news.iter().filter(|news| news.record.secret_arn == arn(number));
        of_it.cloned().collect()
    }
}

/// Replicas that share a table of so many secrets.
pub(super) struct Trial {
    pub(super) table: Arc<MemoryTable>,
    pub(super) secrets: usize,
    pub(super) replicas: BTreeMap<usize, Replica>,
    seed: u64,
    begun: usize,
}

impl Trial {
    pub(super) async fn new(secrets: usize, seed: u64) -> Self {
        let table = Arc::new(MemoryTable::new());
        for number in 0..secrets {
            put(&table, number).await;
        }
        Self {
            table,
            secrets,
            replicas: BTreeMap::new(),
            seed,
            begun: 0,
        }
    }

    /// One with three replicas that have shared the secrets among them.
    pub(super) async fn of_three(secrets: usize, seed: u64) -> Self {
        let mut trial = Self::new(secrets, seed).await;
        for _ in 0..3 {
            trial.join().await;
        }
        trial.pass(LEASE * 2).await;
        trial.assert_shared();
        trial
    }

    /// A replica joins that wants every secret. Returns its number.
    pub(super) async fn join(&mut self) -> usize {
        self.join_with("same", true, None).await
    }

    pub(super) async fn join_with(&mut self, works_by: &str, wants: bool, at: Option<(u64, Fault)>) -> usize {
        let number = self.begun;
        self.begun += 1;
        let seed = self.seed * 1_000 + number as u64;
        let wire = Arc::new(Wire::new(self.table.clone(), seed, at));
        let clock = Arc::new(MachineClock {
            origin: Instant::now(),
            off_by: TimeDelta::minutes(10 * (number as i64 % 3 - 1)),
            began_with: Duration::from_secs(977 * (number as u64 % 5)),
        });
        let identity = Identity {
            host: format!("host{number}"),
            pid: 1,
            release: "0.0.0".into(),
        };
        let presence = Arc::new(Presence::new());
        let metrics = Arc::new(Metrics::new(&[]));
        let leases = Arc::new(Leases::new(
            wire.clone(),
            presence.clone(),
            clock,
            Box::new(StdRng::seed_from_u64(seed)),
            LEASE,
            identity,
            metrics.clone(),
        ));
        leases.works_by(works_by);
        if wants {
            (0..self.secrets).for_each(|number| leases.wants(&arn(number)));
        }
        let news: Arc<Mutex<Vec<News>>> = Arc::default();
        let (halt, task) = run(leases.clone(), news.clone());
        let replica = Replica {
            leases,
            presence,
            wire,
            metrics,
            news,
            halt,
            task,
        };
        self.replicas.insert(number, replica);
        number
    }

    pub(super) fn replica(&self, number: usize) -> &Replica {
        &self.replicas[&number]
    }

    /// A process is gone from one moment to the next.
    pub(super) fn kill(&mut self, number: usize) {
        self.replicas.remove(&number).unwrap().task.abort();
    }

    /// Lets time pass. At no moment has a secret two owners.
    pub(super) async fn pass(&self, span: Duration) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            sleep(STEP).await;
            self.assert_no_two_owners();
        }
    }

    /// Lets time pass until this holds, and says how much that was. No more than `most`.
    pub(super) async fn until(&self, most: Duration, what: &str, holds: impl Fn(&Self) -> bool) -> Duration {
        let begun = Instant::now();
        while !holds(self) {
            assert!(
                begun.elapsed() < most,
                "{what}: not within {most:?}: {:?}",
                self.shares()
            );
            sleep(STEP).await;
            self.assert_no_two_owners();
        }
        begun.elapsed()
    }

    pub(super) fn owners(&self, secret: usize) -> Vec<usize> {
        let owners = self.replicas.iter();
        let owners = owners.filter(|(_, replica)| replica.leases.owns(&arn(secret)));
        owners.map(|(number, _)| *number).collect()
    }

    pub(super) fn assert_no_two_owners(&self) {
        for secret in 0..self.secrets {
            assert!(self.owners(secret).len() <= 1, "s{secret}: {:?}", self.owners(secret));
        }
    }

    /// How many secrets each replica owns.
    pub(super) fn shares(&self) -> BTreeMap<usize, usize> {
        let share = |(number, replica): (&usize, &Replica)| (*number, replica.owned(self.secrets));
        self.replicas.iter().map(share).collect()
    }

    /// Whether each secret has an owner.
    pub(super) fn all_owned(&self) -> bool {
        self.shares().values().sum::<usize>() == self.secrets
    }

    /// Whether each has one that is not the first replica.
    pub(super) fn all_owned_by_others(&self) -> bool {
        self.all_owned() && self.shares().get(&0) == Some(&0)
    }

    pub(super) fn assert_shared(&self) {
        let shares = self.shares();
        let even = self.secrets / shares.len();
        assert!(self.all_owned(), "{shares:?}");
        // A hash is as even as dice: of few, one may have many.
        assert!(
            even < 20 || shares.values().all(|share| *share * 2 > even && *share < even * 2),
            "{shares:?}"
        );
    }

    pub(super) async fn item(&self, secret: usize) -> Item {
        let item = self.table.get(&layout::record(&arn(secret))).await;
        item.unwrap().unwrap()
    }
}

/// Makes the record of a secret.
pub(super) async fn put(table: &MemoryTable, number: usize) {
    let record = Record::new(arn(number), DateTime::from_timestamp(1_767_225_600, 0).unwrap());
    let change = Change::new()
        .set(layout::REVISION, 1)
        .set(layout::RECORD, serde_json::to_string(&record).unwrap())
        .set(layout::SCHEMA, layout::KNOWN_SCHEMA);
    // The items of older imports lack a fence.
    let change = if number.is_multiple_of(2) {
        change.set(layout::FENCE, 0)
    } else {
        change
    };
    table
        .write(&layout::record(&arn(number)), change, Condition::Absent)
        .await
        .unwrap();
}

fn run(leases: Arc<Leases>, news: Arc<Mutex<Vec<News>>>) -> (Arc<Halt>, JoinHandle<()>) {
    let halt = Arc::<Halt>::default();
    let work = async move {
        let hear = async {
            loop {
                let told = leases.news().await;
                news.lock().unwrap().extend(told);
            }
        };
        tokio::select! {
            () = leases.clone().run(CancellationToken::new()) => {}
            () = hear => {}
        }
    };
    let process = Process {
        halt: halt.clone(),
        work: Box::pin(work),
    };
    (halt, tokio::spawn(process))
}
