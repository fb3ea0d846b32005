//! Every call of a table that fails, in every way, once and for longer: the store holds what it held before or what it holds
//! after, and whoever tries again gets to the latter with each event and message once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rekeyd::clock::Timestamp;
use rekeyd::rotation::event::Event;
use rekeyd::rotation::state::Record;
use rekeyd::store::outbox::Outgoing;
use rekeyd::store::table::memory::MemoryTable;
use rekeyd::store::table::{Change, Condition, Item, Key, Query, Table, TableError};
use rekeyd::store::{Store, StoreError};

use super::{ARN, OTHER, after, at, blank, ids, outgoing, paused, process, told};

/// How a call of a table fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It is refused.
    Refused,
    /// It is not carried out, and nobody says so.
    Lost,
    /// It is carried out, and nobody says so.
    ReplyLost,
    /// There were too many.
    Throttled,
    /// It takes long.
    Slow,
}

pub const FAULTS: [Fault; 5] = [
    Fault::Refused,
    Fault::Lost,
    Fault::ReplyLost,
    Fault::Throttled,
    Fault::Slow,
];

/// A table some of whose calls fail.
pub struct Faulty {
    table: Arc<dyn Table>,
    plan: Mutex<Plan>,
}

#[derive(Default)]
struct Plan {
    calls: usize,
    /// From which call, for how many, and how.
    fails: Option<(usize, usize, Fault)>,
}

impl Faulty {
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self {
            table,
            plan: Mutex::default(),
        }
    }

    /// The calls from this one on, counted from 0, and as many, fail.
    pub fn fail(&self, from: usize, many: usize, fault: Fault) {
        self.plan().fails = Some((from, many, fault));
    }

    pub fn mend(&self) {
        self.plan().fails = None;
    }

    pub fn calls(&self) -> usize {
        self.plan().calls
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn through<T>(&self, call: impl Future<Output = Result<T, TableError>>) -> Result<T, TableError> {
        let fault = {
            let mut plan = self.plan();
            let number = plan.calls;
            plan.calls += 1;
            let fails = plan
                .fails
                .filter(|(from, many, _)| (*from..from + many).contains(&number));
            fails.map(|(.., fault)| fault)
        };
        let cause = "as planned".to_owned();
        match fault {
            None => call.await,
            Some(Fault::Slow) => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                call.await
            }
            Some(Fault::Refused) => Err(TableError::Refused {
                cause,
                advice: "mend it".to_owned(),
            }),
            Some(Fault::Lost) => Err(TableError::Unanswered { cause }),
            Some(Fault::ReplyLost) => {
                drop(call.await);
                Err(TableError::Unanswered { cause })
            }
            Some(Fault::Throttled) => Err(TableError::Throttled { cause }),
        }
    }
}

#[async_trait]
impl Table for Faulty {
    fn location(&self) -> &str {
        self.table.location()
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        self.through(self.table.get(key)).await
    }

    async fn query(&self, query: &Query) -> Result<Vec<Item>, TableError> {
        self.through(self.table.query(query)).await
    }

    async fn count(&self, partition: &str) -> Result<u64, TableError> {
        self.through(self.table.count(partition)).await
    }

    async fn write(&self, key: &Key, change: Change, on: Condition) -> Result<(), TableError> {
        self.through(self.table.write(key, change, on)).await
    }

    async fn delete(&self, key: &Key, on: Condition) -> Result<(), TableError> {
        self.through(self.table.delete(key, on)).await
    }
}

/// What a process does with its store.
enum Deed {
    Save(&'static str, Vec<(Timestamp, Event)>, Vec<Outgoing>),
    Tell(&'static str, &'static str),
    Check,
}

fn deeds() -> Vec<Deed> {
    vec![
        Deed::Save(ARN, vec![paused(1, "first")], vec![outgoing("a", 1)]),
        Deed::Save(ARN, vec![(at(2), Event::Resumed)], vec![]),
        Deed::Save(
            OTHER,
            vec![paused(3, "other")],
            vec![outgoing("a", 3), outgoing("b", 3)],
        ),
        Deed::Tell("a", "msg_1"),
        Deed::Save(
            ARN,
            vec![paused(4, "again"), (at(5), Event::Resumed)],
            vec![outgoing("b", 4)],
        ),
        Deed::Check,
        Deed::Save(OTHER, vec![(at(6), Event::Resumed)], vec![]),
    ]
}

/// The secrets as they are stored, or are to be.
#[derive(Clone, PartialEq, Debug)]
struct Expected {
    records: [Record; 2],
    history: [Vec<(Timestamp, Event)>; 2],
}

impl Expected {
    fn nothing() -> Self {
        Self {
            records: [blank(ARN), blank(OTHER)],
            history: [vec![], vec![]],
        }
    }

    fn and(&self, deed: &Deed) -> Self {
        let mut next = self.clone();
        if let Deed::Save(arn, events, _) = deed {
            let place = usize::from(*arn == OTHER);
            next.records[place] = after(&self.records[place], events);
            next.records[place].revision += 1;
            next.history[place].splice(0..0, events.iter().rev().cloned());
        }
        next
    }
}

/// What a process finds that takes the secrets over.
async fn found(table: &Arc<dyn Table>) -> Expected {
    let store = process(table, None);
    let mut found = Expected::nothing();
    for (place, arn) in [ARN, OTHER].into_iter().enumerate() {
        if let Some(stored) = store.read(arn).await.unwrap() {
            store.settle_journal(&stored).await.unwrap();
            found.records[place] = stored.record.expect("it can be read");
        }
        found.history[place] = told(&store.history(Some(arn), 100).await.unwrap());
    }
    found
}

/// Does it all, each deed again until it is done, and looks after every attempt that failed.
async fn run(table: &Arc<dyn Table>, faulty: &Arc<Faulty>, looks: bool) -> usize {
    let through: Arc<dyn Table> = faulty.clone();
    let store = process(&through, None);
    let (mut expected, mut failures) = (Expected::nothing(), 0);
    for deed in deeds() {
        let next = expected.and(&deed);
        let mut attempts = 0;
        while let Err(error) = tried(&store, &deed, &expected).await {
            failures += 1;
            attempts += 1;
            assert!(attempts < 50, "{error}");
            assert!(
                !matches!(error, StoreError::Changed { .. }),
                "nobody else writes: {error}"
            );
            if looks {
                let found = found(table).await;
                assert!(found == expected || found == next, "{error}: half of it: {found:#?}");
            }
        }
        expected = next;
    }
    faulty.mend();
    assert_eq!(found(table).await, expected);
    let store = process(table, None);
    assert_eq!(ids(&store.outgoing("a", 9).await.unwrap()), ["msg_3"]);
    assert_eq!(ids(&store.outgoing("b", 9).await.unwrap()), ["msg_3", "msg_4"]);
    failures
}

async fn tried(store: &dyn Store, deed: &Deed, before: &Expected) -> Result<(), StoreError> {
    match deed {
        Deed::Save(arn, events, outgoing) => {
            let record = &before.records[usize::from(*arn == OTHER)];
            let revision = store.save_and_tell(&after(record, events), events, outgoing).await?;
            assert_eq!(revision, record.revision + 1);
            Ok(())
        }
        Deed::Tell(target, id) => {
            store.outgoing(target, 1).await?;
            store.told(target, &[(*id).to_owned()]).await
        }
        Deed::Check => store.check().await,
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_call_fails_and_however_a_save_is_whole_or_not_there_and_trying_again_makes_it_once() {
    let faulty = |table: &Arc<dyn Table>| Arc::new(Faulty::new(table.clone()));
    let table: Arc<dyn Table> = Arc::new(MemoryTable::new());
    let counting = faulty(&table);
    assert_eq!(run(&table, &counting, true).await, 0);
    let mut failures = 0;
    for call in 0..counting.calls() {
        for fault in FAULTS {
            // Once; more often than anything is tried again at once; and for an hour.
            for many in [1, 3, 8, 40] {
                for looks in [false, true] {
                    let table: Arc<dyn Table> = Arc::new(MemoryTable::new());
                    let faulty = faulty(&table);
                    faulty.fail(call, many, fault);
                    failures += run(&table, &faulty, looks).await;
                }
            }
        }
    }
    assert!(failures > 100, "the store tells of {failures} failures");
}
