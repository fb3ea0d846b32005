//! Reads that many ask for at the same time, made once for all of them.
//!
//! A read serves those who asked before it began, and nobody else: what they get is as fresh as if
//! each had read for himself, and the dates of signatures rest on that.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::aws::{AwsError, AwsResult, ErrorClass};
use crate::clock::SharedClock;

/// How many read for themselves at the same time before others wait for a common read.
const ALONE: usize = 3;

/// How long a common read waits for company.
const GATHER: Duration = Duration::from_millis(250);

/// As many reads in [`LATELY`] make company likely enough to wait for it.
const BUSY: f64 = 16.0;

/// Over which time reads count as recent.
const LATELY: Duration = Duration::from_secs(300);

/// Of so many that are asked for a listing is tried while nobody knows how long it is.
const WORTH_A_LISTING: usize = 2;

/// What stands on a page of a listing.
pub(super) const PAGE: usize = 100;

/// After a listing that cannot be read, or is not allowed, none is tried for so long.
const WITHOUT_LISTINGS: Duration = Duration::from_secs(900);

/// For how long those who ask next wait for reads of single ones to end: a read that hangs must not delay them.
const PATIENCE: Duration = Duration::from_secs(2);

/// A read under way.
pub(super) type Reading<T> = Pin<Box<dyn Future<Output = AwsResult<T>> + Send>>;

/// Where answers come from.
pub(super) trait Source<T>: Send + Sync + 'static {
    /// Reads one by its id.
    fn one(&self, id: String) -> Reading<T>;
    /// Reads all, which costs about so many calls.
    fn all(&self, pages: usize) -> Reading<Vec<T>>;
    /// Whether a reading of all, of so many pages if that is known, may be made just now.
    fn bears(&self, pages: Option<usize>) -> bool;
    /// The id of one.
    fn id(&self, of: &T) -> String;
}

type Asked<T> = (String, oneshot::Sender<AwsResult<T>>);

/// Reads of one kind.
pub(super) struct Shared<T> {
    source: Box<dyn Source<T>>,
    clock: SharedClock,
    state: Mutex<State<T>>,
}

struct State<T> {
    waiting: Vec<Asked<T>>,
    /// Whether somebody serves those who wait.
    served: bool,
    /// How many read for themselves.
    alone: usize,
    /// How long the last listing was.
    pages: Option<usize>,
    /// No listing before this moment.
    no_listing_until: Duration,
    /// Recent reads, each counting for less the longer ago it was; and up to when that is reckoned.
    recent: (f64, Duration),
}

impl<T: Clone + Send + 'static> Shared<T> {
    pub(super) fn new(source: impl Source<T>, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            source: Box::new(source),
            clock,
            state: Mutex::new(State {
                waiting: Vec::new(),
                served: false,
                alone: 0,
                pages: None,
                no_listing_until: Duration::ZERO,
                recent: (0.0, Duration::ZERO),
            }),
        })
    }

    /// One by its id, as it is now. Whoever asks alone reads at once and for himself.
    pub(super) async fn ask(self: &Arc<Self>, id: &str) -> AwsResult<T> {
        let now = self.clock.monotonic();
        let receiver = {
            let mut state = self.state();
            let busy = state.note(now);
            if state.waiting.is_empty() && state.alone < ALONE && !busy {
                state.alone += 1;
                None
            } else {
                let (sender, receiver) = oneshot::channel();
                state.waiting.push((id.to_owned(), sender));
                if !std::mem::replace(&mut state.served, true) {
                    tokio::spawn(self.clone().serve());
                }
                Some(receiver)
            }
        };
        match receiver {
            None => {
                let _reading = Alone(self);
                self.source.one(id.to_owned()).await
            }
            Some(receiver) => receiver
                .await
                .unwrap_or_else(|_| Err(AwsError::internal("a shared read", "ended without an answer"))),
        }
    }

    /// What a reading of all costs, in calls: as many as the last one. Nothing if none may be made just now.
    pub(super) fn listing_calls(&self) -> Option<usize> {
        let pages = self.state().pages;
        self.source.bears(pages).then(|| pages.unwrap_or(1))
    }

    /// Serves all who wait, until nobody does. In a task of its own: who goes away takes nothing with
    /// him.
    async fn serve(self: Arc<Self>) {
        let _serving = Serving(&self);
        loop {
            tokio::time::sleep(GATHER).await;
            let (asked, listing) = {
                let mut state = self.state();
                if state.waiting.is_empty() {
                    state.served = false;
                    return;
                }
                let asked = std::mem::take(&mut state.waiting);
                let listing = state.listing_pays(&asked, self.clock.monotonic());
                let listing = listing.filter(|_| self.source.bears(state.pages));
                (by_id(asked), listing)
            };
            match listing {
                Some(pages) => self.list(asked, pages).await,
                None => self.each(asked).await,
            }
        }
    }

    /// One listing for all of them.
    async fn list(self: &Arc<Self>, mut asked: BTreeMap<String, Vec<oneshot::Sender<AwsResult<T>>>>, pages: usize) {
        match self.source.all(pages).await {
            Ok(all) => {
                self.state().pages = Some(all.len().div_ceil(PAGE).max(1));
                for found in all {
                    let id = self.source.id(&found).to_ascii_lowercase();
                    answer(asked.remove(&id), &Ok(found));
                }
                // A listing that lacks one does not say that there is none.
                self.each(asked).await;
            }
            Err(error) if means_all(&error) => {
                for senders in asked.into_values() {
                    answer(Some(senders), &Err(error.clone()));
                }
            }
            Err(_) => {
                self.state().no_listing_until = self.clock.monotonic().saturating_add(WITHOUT_LISTINGS);
                self.each(asked).await;
            }
        }
    }

    /// A read for each of them. One that takes long goes on by itself.
    async fn each(self: &Arc<Self>, asked: BTreeMap<String, Vec<oneshot::Sender<AwsResult<T>>>>) {
        let mut reads = JoinSet::new();
        for (id, senders) in asked {
            let shared = self.clone();
            reads.spawn(async move { answer(Some(senders), &shared.source.one(id).await) });
        }
        let ended = async { while reads.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, ended).await.is_err() {
            reads.detach_all();
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // A panic elsewhere leaves plain data behind, never half a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Notes a read, and says whether there were many lately.
    fn note(&mut self, now: Duration) -> bool {
        let (recent, at) = self.recent;
        let passed = now.saturating_sub(at).as_secs_f64();
        let recent = recent * (-passed / LATELY.as_secs_f64()).exp() + 1.0;
        self.recent = (recent, now);
        recent > BUSY
    }

    /// How many pages the listing has, if it is cheaper than asking for each.
    fn listing_pays(&self, asked: &[Asked<T>], now: Duration) -> Option<usize> {
        let ids: std::collections::BTreeSet<String> = asked.iter().map(|(id, _)| id.to_ascii_lowercase()).collect();
        if now < self.no_listing_until {
            return None;
        }
        match self.pages {
            Some(pages) => (pages < ids.len()).then_some(pages),
            None => (ids.len() >= WORTH_A_LISTING).then_some(1),
        }
    }
}

/// Whether what befell a listing would befall each single read, too.
fn means_all(error: &AwsError) -> bool {
    let unreadable = error.code == "IncompleteResponse";
    matches!(error.class, ErrorClass::Throttled | ErrorClass::Unavailable) && !unreadable
}

/// Who asked for what; ElastiCache keeps ids in lower case.
fn by_id<T>(asked: Vec<Asked<T>>) -> BTreeMap<String, Vec<oneshot::Sender<AwsResult<T>>>> {
    let mut askers: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (id, sender) in asked {
        askers.entry(id.to_ascii_lowercase()).or_default().push(sender);
    }
    askers
}

fn answer<T: Clone>(senders: Option<Vec<oneshot::Sender<AwsResult<T>>>>, result: &AwsResult<T>) {
    for sender in senders.into_iter().flatten() {
        // Whoever asked may have gone.
        drop(sender.send(result.clone()));
    }
}

/// Somebody reads for himself, until this is dropped.
struct Alone<'a, T: Clone + Send + 'static>(&'a Arc<Shared<T>>);

impl<T: Clone + Send + 'static> Drop for Alone<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.alone = state.alone.saturating_sub(1);
    }
}

/// Somebody serves, until this is dropped: if that is by a panic, those who wait hear of it.
struct Serving<'a, T: Clone + Send + 'static>(&'a Arc<Shared<T>>);

impl<T: Clone + Send + 'static> Drop for Serving<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.state();
            state.served = false;
            state.waiting.clear();
        }
    }
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
