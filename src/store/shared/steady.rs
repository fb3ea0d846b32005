//! A table that is asked again where that is safe: DynamoDB throttles for moments, and connections are lost.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::store::table::{Change, Condition, Item, Key, Query, Table, TableError};

/// How often what was throttled is tried again. The pauses come to some two seconds.
const MOST_THROTTLED: u32 = 5;

/// How often what was not answered is tried again. Each attempt has the time limit of a call.
const MOST_UNANSWERED: u32 = 2;

/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How many requests of one operation are under way at once.
pub(super) const WIDTH: usize = 16;

/// A table that is asked again: reads whatever happened, writes only if they were certainly not carried out.
#[derive(Clone)]
pub(super) struct Steady(pub(super) Arc<dyn Table>);

/// The attempts of one request.
#[derive(Default)]
pub(super) struct Attempts {
    throttled: u32,
    unanswered: u32,
}

impl Attempts {
    /// Waits until the request is tried again after it was throttled, or gives it up.
    async fn throttled(&mut self, error: TableError) -> Result<(), TableError> {
        self.throttled += 1;
        if self.throttled > MOST_THROTTLED {
            return Err(error);
        }
        tokio::time::sleep(pause(self.throttled)).await;
        Ok(())
    }

    /// Whether the request is tried again after it was not answered.
    pub(super) fn unanswered(&mut self, error: TableError) -> Result<(), TableError> {
        self.unanswered += 1;
        match self.unanswered > MOST_UNANSWERED {
            true => Err(error),
            false => Ok(()),
        }
    }

    /// Whether a request that may be made twice is tried again.
    async fn any(&mut self, error: TableError) -> Result<(), TableError> {
        match error {
            TableError::Throttled { .. } => self.throttled(error).await,
            TableError::Unanswered { .. } => self.unanswered(error),
            other => Err(other),
        }
    }
}

/// Between one and two thirds of a bound that doubles: those who were throttled together do not come back together.
fn pause(attempt: u32) -> Duration {
    let bound = FIRST_PAUSE.saturating_mul(1 << attempt.min(10));
    // The hasher's keys differ from one to the next, which is all that is asked of them.
    let share = u32::try_from(RandomState::new().hash_one(attempt) % 1_000).unwrap_or_default();
    bound / 3 + bound.saturating_mul(share) / 3_000
}

impl Steady {
    /// Makes an item unless there is one with its key. It may have been made before.
    pub(super) async fn put(&self, key: &Key, change: Change) -> Result<(), TableError> {
        let mut attempts = Attempts::default();
        loop {
            match self.write(key, change.clone(), Condition::Absent).await {
                Ok(()) | Err(TableError::NotAsWanted { .. }) => return Ok(()),
                Err(error @ TableError::Unanswered { .. }) => attempts.unanswered(error)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes an item if it is as wanted. Returns whether it was there, as far as is known.
    pub(super) async fn take(&self, key: &Key, on: Condition) -> Result<bool, TableError> {
        let mut attempts = Attempts::default();
        loop {
            match self.delete(key, on.clone()).await {
                Ok(()) => return Ok(true),
                // It is gone: perhaps by the attempt that was not answered.
                Err(TableError::NotAsWanted { .. }) => return Ok(attempts.unanswered > 0),
                Err(error @ TableError::Unanswered { .. }) => attempts.unanswered(error)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes items as [`Steady::put`] does, several at once. After an error some of them may be there.
    pub(super) async fn put_all(&self, items: Vec<(Key, Change)>) -> Result<(), TableError> {
        self.each(
            items,
            |table, (key, change)| async move { table.put(&key, change).await },
        )
        .await
        .map(drop)
    }

    /// Does the same with each of these, several at once, and returns what came of it in their order, or the first error.
    pub(super) async fn each<T, U, F>(
        &self,
        of: Vec<T>,
        mut run: impl FnMut(Self, T) -> F,
    ) -> Result<Vec<U>, TableError>
    where
        U: Send + 'static,
        F: Future<Output = Result<U, TableError>> + Send + 'static,
    {
        let mut done: Vec<(usize, U)> = Vec::with_capacity(of.len());
        let mut running = JoinSet::new();
        for (number, one) in of.into_iter().enumerate() {
            if running.len() >= WIDTH {
                collect(&mut running, &mut done).await?;
            }
            let task = run(self.clone(), one);
            running.spawn(async move { (number, task.await) }.in_current_span());
        }
        while !running.is_empty() {
            collect(&mut running, &mut done).await?;
        }
        done.sort_by_key(|(number, _)| *number);
        Ok(done.into_iter().map(|(_, what)| what).collect())
    }
}

/// Waits for one of them.
async fn collect<U: 'static>(
    running: &mut JoinSet<(usize, Result<U, TableError>)>,
    done: &mut Vec<(usize, U)>,
) -> Result<(), TableError> {
    match running.join_next().await {
        None => Ok(()),
        Some(Ok((number, result))) => {
            done.push((number, result?));
            Ok(())
        }
        Some(Err(_)) => Err(TableError::Failed {
            cause: "its task ended early".to_owned(),
        }),
    }
}

#[async_trait]
impl Table for Steady {
    fn location(&self) -> &str {
        self.0.location()
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        let mut attempts = Attempts::default();
        loop {
            match self.0.get(key).await {
                Err(error) => attempts.any(error).await?,
                item => return item,
            }
        }
    }

    async fn query(&self, query: &Query) -> Result<Vec<Item>, TableError> {
        let mut attempts = Attempts::default();
        loop {
            match self.0.query(query).await {
                Err(error) => attempts.any(error).await?,
                items => return items,
            }
        }
    }

    async fn count(&self, partition: &str) -> Result<u64, TableError> {
        let mut attempts = Attempts::default();
        loop {
            match self.0.count(partition).await {
                Err(error) => attempts.any(error).await?,
                count => return count,
            }
        }
    }

    async fn write(&self, key: &Key, change: Change, on: Condition) -> Result<(), TableError> {
        let mut attempts = Attempts::default();
        loop {
            match self.0.write(key, change.clone(), on.clone()).await {
                Err(error @ TableError::Throttled { .. }) => attempts.throttled(error).await?,
                written => return written,
            }
        }
    }

    async fn delete(&self, key: &Key, on: Condition) -> Result<(), TableError> {
        let mut attempts = Attempts::default();
        loop {
            match self.0.delete(key, on.clone()).await {
                Err(error @ TableError::Throttled { .. }) => attempts.throttled(error).await?,
                deleted => return deleted,
            }
        }
    }
}
