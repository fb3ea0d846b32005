//! Replicas on one table in simulated time, for tests: machines whose clocks differ, wires that fail, processes that are
//! killed or stand still.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
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
use crate::store::table::{Change, Condition, Item, Key, Query, Table, TableError};

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

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    Throttled,
    /// It never arrives.
    LostRequest,
    /// It is carried out, and nobody is told.
    LostReply,
    /// The same, after so long.
    Late(Duration),
    /// It never arrives, and no answer does.
    Hangs,
}

pub(super) const FAULTS: [Fault; 5] = [
    Fault::Throttled,
    Fault::LostRequest,
    Fault::LostReply,
    Fault::Late(Duration::from_secs(3)),
    Fault::Hangs,
];

/// A replica's way to the table.
pub(super) struct Wire {
    table: Arc<MemoryTable>,
    random: Mutex<StdRng>,
    calls: AtomicU64,
    /// Which call meets this fault, counted from 1.
    pub(super) at: Mutex<Option<(u64, Fault)>>,
    /// What every call meets.
    pub(super) always: Mutex<Option<Fault>>,
    /// What the next write of this attribute meets.
    pub(super) next: Mutex<Option<(&'static str, Fault)>>,
}

impl Wire {
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    async fn sends(&self, change: &Change) -> Option<Fault> {
        let takes = Duration::from_millis(self.random.lock().unwrap().random_range(1..10));
        sleep(takes).await;
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let at = *self.at.lock().unwrap();
        let once = at.filter(|(at, _)| *at == call).map(|(_, fault)| fault);
        let mut next = self.next.lock().unwrap();
        let of_this = next.take_if(|(name, _)| change.set.contains_key(*name));
        once.or(of_this.map(|(_, fault)| fault))
            .or(*self.always.lock().unwrap())
    }

    async fn read<T>(&self, answer: Result<T, TableError>, fault: Option<Fault>) -> Result<T, TableError> {
        match fault {
            None => answer,
            Some(Fault::Hangs) => std::future::pending().await,
            Some(_) => Err(lost()),
        }
    }

    async fn change<F>(&self, fault: Option<Fault>, change: F) -> Result<(), TableError>
    where
        F: Future<Output = Result<(), TableError>> + Send + 'static,
    {
        match fault {
            None => change.await,
            Some(Fault::Throttled) => Err(TableError::Throttled { cause: "slow".into() }),
            Some(Fault::LostRequest) => Err(lost()),
            Some(Fault::LostReply) => change.await.and(Err(lost())),
            Some(Fault::Late(by)) => {
                tokio::spawn(async move {
                    sleep(by).await;
                    drop(change.await);
                });
                Err(lost())
            }
            Some(Fault::Hangs) => std::future::pending().await,
        }
    }
}

fn lost() -> TableError {
    TableError::Unanswered { cause: "lost".into() }
}

#[async_trait]
impl Table for Wire {
    fn location(&self) -> &str {
        "wire"
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        let fault = self.sends(&Change::new()).await;
        self.read(self.table.get(key).await, fault).await
    }

    async fn query(&self, query: &Query) -> Result<Vec<Item>, TableError> {
        let fault = self.sends(&Change::new()).await;
        self.read(self.table.query(query).await, fault).await
    }

    async fn count(&self, partition: &str) -> Result<u64, TableError> {
        self.table.count(partition).await
    }

    async fn write(&self, key: &Key, change: Change, on: Condition) -> Result<(), TableError> {
        let fault = self.sends(&change).await;
        let (table, key) = (self.table.clone(), key.clone());
        let written = self
            .change(fault, async move { table.write(&key, change, on).await })
            .await;
        // The reply takes its time too.
        sleep(Duration::from_millis(2)).await;
        written
    }

    async fn delete(&self, key: &Key, on: Condition) -> Result<(), TableError> {
        let fault = self.sends(&Change::new()).await;
        let (table, key) = (self.table.clone(), key.clone());
        self.change(fault, async move { table.delete(&key, on).await }).await
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
        let wire = Arc::new(Wire {
            table: self.table.clone(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            calls: AtomicU64::default(),
            at: Mutex::new(at),
            always: Mutex::default(),
            next: Mutex::default(),
        });
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
