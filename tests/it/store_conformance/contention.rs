//! Several processes that write the same record while calls fail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rekeyd::clock::Timestamp;
use rekeyd::rotation::event::Event;
use rekeyd::store::shared::SharedStore;
use rekeyd::store::table::Table;
use rekeyd::store::table::memory::MemoryTable;
use rekeyd::store::{Store, StoreError};

use super::failures::{Fault, Faulty};
use super::{ARN, after, at, blank, ids, outgoing, paused, process, saved, told};

const PROCESSES: i64 = 3;
const EVENTS: i64 = 8;

/// Saves an event and its message, as the engine does: on what is stored, as often as it takes.
async fn insists(store: &SharedStore, number: i64) {
    let events = [paused(number, &number.to_string())];
    let letters = [outgoing("a", number)];
    let mut record = blank(ARN);
    for _ in 0..1_000 {
        match store.save_and_tell(&after(&record, &events), &events, &letters).await {
            Ok(_) => return,
            Err(StoreError::Changed { stored, .. }) => record = *stored,
            Err(StoreError::Failed { .. }) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("event {number} is never saved");
}

async fn contend(seed: u64, percent: u32) {
    let table: Arc<dyn Table> = Arc::new(MemoryTable::new());
    let mut running = tokio::task::JoinSet::new();
    for number in 0..PROCESSES {
        let faulty = Arc::new(Faulty::new(table.clone()));
        faulty.hectic(seed * 10 + number as u64, percent);
        let through: Arc<dyn Table> = faulty;
        let store = process(&through, None);
        running.spawn(async move {
            for event in 0..EVENTS {
                insists(&store, number * EVENTS + event).await;
            }
        });
    }
    running.join_all().await;
    // Whatever was late is there by now.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let store = process(&table, None);
    let stored = store.read(ARN).await.unwrap().unwrap();
    store.settle_journal(&stored).await.unwrap();
    let all = PROCESSES * EVENTS;
    assert_eq!(
        stored.revision, all as u64,
        "seed {seed}: each of {all} events is one write"
    );
    let mut times: BTreeMap<Timestamp, usize> = BTreeMap::new();
    for (at, _) in told(&store.history(Some(ARN), 500).await.unwrap()) {
        *times.entry(at).or_default() += 1;
    }
    assert_eq!(times, (0..all).map(|second| (at(second), 1)).collect(), "seed {seed}");
    let waiting = store.outgoing("a", 500).await.unwrap();
    assert_eq!(waiting.len() as i64, all, "seed {seed}: {:?}", ids(&waiting));
}

#[tokio::test(start_paused = true)]
async fn whoever_writes_at_the_same_time_and_whatever_fails_each_event_and_message_is_there_once() {
    for seed in 0..40 {
        for percent in [0, 5, 30] {
            contend(seed, percent).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_save_whose_reply_was_lost_and_on_which_another_has_written_is_not_made_twice() {
    let table: Arc<dyn Table> = Arc::new(MemoryTable::new());
    let faulty = Arc::new(Faulty::new(table.clone()));
    let through: Arc<dyn Table> = faulty.clone();
    let (one, other) = (process(&through, None), process(&table, None));
    let first = saved(&other, &blank(ARN), &[paused(0, "first")]).await;
    assert_eq!(one.records().await.unwrap(), std::slice::from_ref(&first));
    faulty.fail(faulty.calls(), 1, Fault::ReplyLost);
    faulty.and_fail(faulty.calls() + 1, 1, Fault::Slow);
    let events = [(at(1), Event::Resumed)];
    let next = after(&first, &events);
    let meanwhile = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let mut found = other.read(ARN).await.unwrap().unwrap().record.unwrap();
        // So often that nothing beside the record tells of it any more, but the history.
        for second in 2..5 {
            found = saved(&other, &found, &[paused(second, "other")]).await;
        }
    };
    let (saved, ()) = tokio::join!(one.save(&next, &events), meanwhile);
    assert_eq!(saved.unwrap(), 2, "it is there, and others have written since");
    assert_eq!(one.history(Some(ARN), 9).await.unwrap().len(), 5);
    // What comes next is told of what is stored.
    let late = [paused(6, "late")];
    let next = rekeyd::rotation::state::Record {
        revision: 2,
        ..after(&next, &late)
    };
    assert!(matches!(one.save(&next, &late).await, Err(StoreError::Changed { .. })));
}
