//! What a save led to and could not be written beside its record.

use std::sync::Arc;

use rekeyd::rotation::event::Event;
use rekeyd::rotation::state::Record;
use rekeyd::store::Store;
use rekeyd::store::shared::presence::Presence;
use rekeyd::store::shared::{SharedStore, layout};
use rekeyd::store::table::Table;

use super::failures::{Fault, Faulty};
use super::{ARN, after, at, blank, ids, outgoing, paused, process, saved, table, told, wall};

#[tokio::test(start_paused = true)]
async fn what_could_not_be_written_beside_a_record_is_written_by_whoever_takes_it_over() {
    let table = table();
    let faulty = Arc::new(Faulty::new(table.clone()));
    let through: Arc<dyn Table> = faulty.clone();
    let store = process(&through, None);
    // The record is the first call.
    faulty.fail(1, 1_000, Fault::Refused);
    let events = [paused(1, "one")];
    let letters = [outgoing("a", 1)];
    let record = after(&blank(ARN), &events);
    store.save_and_tell(&record, &events, &letters).await.unwrap();
    let other = process(&table, None);
    assert_eq!(other.backlogs().await.unwrap().len(), 0);
    let history = told(&other.history(Some(ARN), 9).await.unwrap());
    assert_eq!(history, events, "it is shown from the journal");
    assert_eq!(told(&other.history(None, 9).await.unwrap()), events);

    let stored = other.read(ARN).await.unwrap().unwrap();
    for _ in 0..2 {
        other.settle_journal(&stored).await.unwrap();
        assert_eq!(told(&other.history(Some(ARN), 9).await.unwrap()), events);
        assert_eq!(other.outgoing("a", 9).await.unwrap(), letters);
    }
    other.told("a", &["msg_1".to_owned()]).await.unwrap();
    // Told is told, whoever comes later.
    let third = process(&table, None);
    let stored = third.read(ARN).await.unwrap().unwrap();
    third.settle_journal(&stored).await.unwrap();
    assert_eq!(third.outgoing("a", 9).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn messages_that_a_dead_process_left_are_found_by_who_starts_and_by_who_takes_the_secret_over() {
    let leaves = async |table: &Arc<dyn Table>, number: i64, record: &Record| {
        let faulty = Arc::new(Faulty::new(table.clone()));
        let through: Arc<dyn Table> = faulty.clone();
        let dead = process(&through, None);
        let found = dead.read(ARN).await.unwrap();
        assert_eq!(found.and_then(|found| found.record).unwrap_or(blank(ARN)), *record);
        faulty.fail(faulty.calls() + 1, 1_000, Fault::Refused);
        let events = [paused(number, "so")];
        let mut next = after(record, &events);
        let letters = [outgoing("a", number)];
        next.revision = dead.save_and_tell(&next, &events, &letters).await.unwrap();
        next
    };
    let table = table();
    let record = leaves(&table, 1, &blank(ARN)).await;
    let presence = Arc::new(Presence::new());
    let store = SharedStore::new(table.clone(), presence.clone(), wall(0));
    assert_eq!(store.records().await.unwrap(), std::slice::from_ref(&record));
    assert_eq!(ids(&store.outgoing("a", 9).await.unwrap()), ["msg_1"]);

    let record = leaves(&table, 2, &record).await;
    assert_eq!(ids(&store.outgoing("a", 9).await.unwrap()), ["msg_1"]);
    presence.took(ARN);
    assert_eq!(ids(&store.outgoing("a", 9).await.unwrap()), ["msg_1", "msg_2"]);
    assert_eq!(store.history(Some(ARN), 9).await.unwrap().len(), 2);
    saved(&store, &record, &[(at(3), Event::Resumed)]).await;
    assert_eq!(process(&table, None).history(None, 9).await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_reads_an_outbox_writes_first_what_it_could_not_write_before() {
    let faulty = Arc::new(Faulty::new(table()));
    let through: Arc<dyn Table> = faulty.clone();
    let store = process(&through, None);
    faulty.fail(1, 1_000, Fault::Throttled);
    let record = after(&blank(ARN), &[paused(1, "one")]);
    let letters = [outgoing("a", 1)];
    store
        .save_and_tell(&record, &[paused(1, "one")], &letters)
        .await
        .unwrap();
    assert!(store.outgoing("a", 9).await.is_err());
    faulty.mend();
    assert_eq!(store.outgoing("a", 9).await.unwrap(), letters);
    assert_eq!(store.history(Some(ARN), 9).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_grows_too_long_holds_up_the_save_and_nothing_of_it_is_lost() {
    let table = table();
    let faulty = Arc::new(Faulty::new(table.clone()));
    let through: Arc<dyn Table> = faulty.clone();
    let store = process(&through, None);
    let (mut record, mut saves) = (blank(ARN), 0);
    // Each record is written, and nothing beside it, until its journal is full.
    loop {
        let events = [paused(saves, &"why ".repeat(500))];
        let mut next = after(&record, &events);
        faulty.fail(faulty.calls() + 1, 1_000_000, Fault::Refused);
        match store.save(&next, &events).await {
            Ok(revision) => next.revision = revision,
            Err(error) => {
                assert!(error.to_string().contains("writing a record failed"), "{error}");
                break;
            }
        }
        (record, saves) = (next, saves + 1);
        assert!(saves < 1_000);
    }
    let item = table.get(&layout::record(ARN)).await.unwrap().unwrap();
    assert!(item.text(layout::JOURNAL).unwrap().len() < 100_000);
    assert!(saves > 20, "{saves}");
    faulty.mend();
    saved(&store, &record, &[(at(saves), Event::Resumed)]).await;
    let history = told(&process(&table, None).history(Some(ARN), 1_000).await.unwrap());
    assert_eq!(history.len() as i64, saves + 1);
}

#[tokio::test]
async fn journals_stay_short_however_many_write_in_turn() {
    let table = table();
    let processes: Vec<SharedStore> = (0..3).map(|_| process(&table, None)).collect();
    let mut record = blank(ARN);
    for turn in 0..60 {
        let store = &processes[turn % 3];
        let found = store.read(ARN).await.unwrap();
        assert_eq!(
            found.and_then(|found| found.record),
            (turn > 0).then_some(record.clone())
        );
        record = saved(store, &record, &[paused(turn as i64, "turn")]).await;
        let stored = store.read(ARN).await.unwrap().unwrap();
        assert!(stored.journal.lines.len() <= 3, "{:?}", stored.journal.lines.len());
    }
    assert_eq!(processes[0].history(None, 100).await.unwrap().len(), 60);
}
