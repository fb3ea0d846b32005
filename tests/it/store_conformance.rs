//! What every store promises, claim by claim, on each of them: in memory, in a SQLite file, and in a table that replicas share,
//! be it in memory or of DynamoDB's stand-ins. And what only a shared one can do, whatever call of its table fails.

mod claims;
mod failures;
mod grounds;
mod moving;
mod shared;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rekeyd::clock::{Clock, SharedClock, Timestamp};
use rekeyd::rotation::event::{Event, Pause};
use rekeyd::rotation::state::Record;
use rekeyd::store::outbox::Outgoing;
use rekeyd::store::shared::SharedStore;
use rekeyd::store::shared::presence::Presence;
use rekeyd::store::table::Table;
use rekeyd::store::{HistoryEntry, Store};

const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbCdEf";
const OTHER: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:b-AbCdEf";

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + second, 123_456_789).expect("a valid time")
}

/// A wall clock that somebody sets.
struct Wall(Mutex<Timestamp>);

impl Wall {
    fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn wall(second: i64) -> Arc<Wall> {
    Arc::new(Wall(Mutex::new(at(second))))
}

/// A process's store in a table, under this session if any.
fn process(table: &Arc<dyn Table>, session: Option<&str>) -> SharedStore {
    let presence = Arc::new(Presence::new());
    presence.set_session(session.map(str::to_owned));
    let clock: SharedClock = wall(0);
    SharedStore::new(table.clone(), presence, clock)
}

fn outgoing(target: &str, number: i64) -> Outgoing {
    Outgoing {
        target: target.to_owned(),
        id: format!("msg_{number}"),
        at: at(number),
        message: format!("{{\"number\":{number}}}"),
    }
}

fn ids(waiting: &[Outgoing]) -> Vec<&str> {
    waiting.iter().map(|outgoing| outgoing.id.as_str()).collect()
}

fn paused(second: i64, reason: &str) -> (Timestamp, Event) {
    let pause = Pause {
        until: None,
        reason: Some(reason.to_owned()),
        by: None,
    };
    (at(second), Event::Paused(pause))
}

/// The record after these.
fn after(record: &Record, events: &[(Timestamp, Event)]) -> Record {
    events.iter().fold(record.clone(), |record, (at, event)| {
        record.apply(*at, event).expect("a legal event")
    })
}

fn blank(arn: &str) -> Record {
    Record::new(arn.to_owned(), at(0))
}

/// Saves what events make of a record, and returns it as it is stored.
async fn saved(store: &dyn Store, record: &Record, events: &[(Timestamp, Event)]) -> Record {
    let mut next = after(record, events);
    next.revision = store.save(&next, events).await.expect("saved");
    next
}

/// When, and what.
fn told(history: &[HistoryEntry]) -> Vec<(Timestamp, Event)> {
    history.iter().map(|entry| (entry.at, entry.event.clone())).collect()
}
