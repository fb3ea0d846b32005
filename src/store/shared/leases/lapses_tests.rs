//! What is left undone for a moment is done later: hand-overs that are refused, messages that could not be written, sessions
//! that could not be begun.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use tokio::time::{Instant, sleep};

use super::super::trial::{Fault, LEASE, Trial, arn};
use crate::rotation::state::Record;
use crate::store::Store;
use crate::store::outbox::Outgoing;
use crate::store::ownership::Ownership;
use crate::store::shared::{SharedStore, layout};
use crate::store::table::{Query, Table};

#[tokio::test(start_paused = true)]
async fn a_secret_whose_hand_over_was_refused_is_owned_again_only_after_its_news() {
    let mut trial = Trial::new(20, 60).await;
    trial.join().await;
    trial.pass(LEASE).await;
    assert_eq!(trial.replica(0).owned(20), 20);
    trial.join().await;
    let first = trial.replica(0);
    *first.wire.next.lock().unwrap() = Some((layout::FENCE, Fault::Throttled));
    first.news.lock().unwrap().clear();
    let mut lost = BTreeSet::new();
    let end = Instant::now() + LEASE;
    while Instant::now() < end {
        sleep(Duration::from_millis(1)).await;
        for secret in 0..20 {
            match first.leases.owns(&arn(secret)) {
                false => drop(lost.insert(secret)),
                // Whoever was told that it is not its own has to hear that it is.
                true if lost.remove(&secret) => assert!(!first.told_of(secret).is_empty(), "s{secret}"),
                true => {}
            }
        }
    }
    assert!(first.wire.next.lock().unwrap().is_none());
    assert!(!lost.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_long_time_without_the_table_leaves_nothing_that_takes_long_to_clear_away() {
    let mut trial = Trial::new(3, 61).await;
    trial.join().await;
    trial.pass(LEASE).await;
    let wire = &trial.replica(0).wire;
    *wire.always.lock().unwrap() = Some(Fault::LostRequest);
    trial.pass(LEASE * 200).await;
    *wire.always.lock().unwrap() = None;
    let before = wire.calls();
    trial.pass(LEASE).await;
    assert_eq!(trial.replica(0).owned(3), 3);
    let calls = wire.calls() - before;
    assert!(calls < 100, "{calls}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_could_not_be_written_beside_its_record_is_written_soon_whoever_delivers() {
    let mut trial = Trial::new(1, 62).await;
    trial.join().await;
    trial.pass(LEASE).await;
    let replica = trial.replica(0);
    let clock = Arc::new(crate::clock::SystemClock::new());
    let store = SharedStore::new(replica.wire.clone(), replica.presence.clone(), clock);
    let store = Arc::new(store);
    replica.leases.settle_in(store.clone());
    let at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let record = Record {
        revision: 1,
        ..Record::new(arn(0), at)
    };
    let outgoing = Outgoing {
        target: "ops".to_owned(),
        id: "1".to_owned(),
        at,
        message: "{}".to_owned(),
    };
    let saving = tokio::spawn({
        let store = store.clone();
        async move { store.save_and_tell(&record, &[], &[outgoing]).await }
    });
    while trial.item(0).await.number(layout::REVISION) != Some(2) {
        sleep(Duration::from_micros(500)).await;
    }
    *replica.wire.always.lock().unwrap() = Some(Fault::LostRequest);
    assert_eq!(saving.await.unwrap().unwrap(), 2);
    *replica.wire.always.lock().unwrap() = None;
    let outbox = Query::all(layout::outbox_of("ops"));
    assert!(trial.table.query(&outbox).await.unwrap().is_empty());
    trial.pass(LEASE * 2).await;
    assert_eq!(trial.table.query(&outbox).await.unwrap().len(), 1);
}
