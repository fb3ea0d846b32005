//! A table of which one call fails, in the ways in which calls do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::store::table::memory::MemoryTable;
use crate::store::table::{Change, Condition, Item, Key, Query, Table, TableError};

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It is refused for now, and nothing happens.
    Throttled,
    /// It is never made, and nobody knows.
    Lost,
    /// It is made, and its reply is lost.
    ReplyLost,
    /// It is made later, after a pause, and nobody knows.
    Late,
}

impl Fault {
    /// Every one.
    pub(crate) const ALL: [Self; 4] = [Self::Throttled, Self::Lost, Self::ReplyLost, Self::Late];
}

/// How long a late write is on its way.
const LATE: Duration = Duration::from_secs(7);

/// A table like the one below it, but for some of its calls.
pub(crate) struct FaultyTable {
    below: Arc<MemoryTable>,
    fault: Fault,
    /// The calls that fail, counted from 0.
    failing: std::ops::Range<usize>,
    calls: AtomicUsize,
}

impl FaultyTable {
    /// One whose calls of these numbers fail.
    pub(crate) fn new(below: &Arc<MemoryTable>, fault: Fault, failing: std::ops::Range<usize>) -> Arc<Self> {
        Arc::new(Self {
            below: Arc::clone(below),
            fault,
            failing,
            calls: AtomicUsize::new(0),
        })
    }

    /// Whether some call failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > self.failing.start
    }

    fn fault(&self) -> Option<Fault> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        self.failing.contains(&number).then_some(self.fault)
    }
}

fn error(fault: Fault) -> TableError {
    let cause = format!("{fault:?}");
    match fault {
        Fault::Throttled => TableError::Throttled { cause },
        Fault::Lost | Fault::ReplyLost | Fault::Late => TableError::Unanswered { cause },
    }
}

#[async_trait]
impl Table for FaultyTable {
    fn location(&self) -> &str {
        "faulty"
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        match self.fault() {
            Some(fault) => Err(error(fault)),
            None => self.below.get(key).await,
        }
    }

    async fn query(&self, query: &Query) -> Result<Vec<Item>, TableError> {
        match self.fault() {
            Some(fault) => Err(error(fault)),
            None => self.below.query(query).await,
        }
    }

    async fn count(&self, partition: &str) -> Result<u64, TableError> {
        self.below.count(partition).await
    }

    async fn write(&self, key: &Key, change: Change, on: Condition) -> Result<(), TableError> {
        let Some(fault) = self.fault() else {
            return self.below.write(key, change, on).await;
        };
        match fault {
            Fault::ReplyLost => drop(self.below.write(key, change, on).await),
            Fault::Late => {
                let (below, key) = (self.below.clone(), key.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(LATE).await;
                    below.write(&key, change, on).await
                });
            }
            Fault::Throttled | Fault::Lost => {}
        }
        Err(error(fault))
    }

    async fn delete(&self, key: &Key, on: Condition) -> Result<(), TableError> {
        match self.fault() {
            Some(fault) => {
                if fault == Fault::ReplyLost {
                    drop(self.below.delete(key, on).await);
                }
                Err(error(fault))
            }
            None => self.below.delete(key, on).await,
        }
    }
}
