//! The table as leases ask it: for no longer than they can wait, and of several items at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::metrics::Metrics;
use crate::store::table::{Change, Condition, Item, Key, Query, Table, TableError};

/// How many requests are under way at once.
pub(super) const WIDTH: usize = 32;

/// A table that is given up after a while: whoever waits longer loses its leases over it.
pub(super) struct Asked {
    pub(super) table: Arc<dyn Table>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) most: Duration,
}

impl Asked {
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        self.within(self.table.get(key)).await
    }

    pub(super) async fn query(&self, query: &Query) -> Result<Vec<Item>, TableError> {
        self.within(self.table.query(query)).await
    }

    pub(super) async fn write(&self, key: &Key, change: Change, on: Condition) -> Result<(), TableError> {
        self.within(self.table.write(key, change, on)).await
    }

    pub(super) async fn delete(&self, key: &Key, on: Condition) -> Result<(), TableError> {
        self.within(self.table.delete(key, on)).await
    }

    async fn within<T>(&self, request: impl Future<Output = Result<T, TableError>>) -> Result<T, TableError> {
        let answer = tokio::time::timeout(self.most, request).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(TableError::Unanswered {
                cause: format!("nothing came for {:?}", self.most),
            })
        });
        if answer
            .as_ref()
            .is_err_and(|error| !matches!(error, TableError::NotAsWanted { .. }))
        {
            self.metrics.store_error();
        }
        answer
    }
}

/// Whether a write that ended so was certainly not carried out, and will not be.
pub(super) fn not_written(error: &TableError) -> bool {
    matches!(error, TableError::Throttled { .. } | TableError::Refused { .. })
}

/// Does all of this, [`WIDTH`] at once, within the caller's own task: who drops it leaves nothing behind that goes on.
pub(super) async fn each<F: Future>(work: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut waiting = work.into_iter();
    let mut under_way: Vec<Pin<Box<F>>> = Vec::new();
    let mut done = Vec::new();
    poll_fn(|context| {
        loop {
            let room = WIDTH.saturating_sub(under_way.len());
            under_way.extend(waiting.by_ref().take(room).map(Box::pin));
            if under_way.is_empty() {
                return Poll::Ready(());
            }
            let before = under_way.len();
            under_way.retain_mut(|one| match one.as_mut().poll(context) {
                Poll::Ready(output) => {
                    done.push(output);
                    false
                }
                Poll::Pending => true,
            });
            if under_way.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await;
    done
}
