//! What a store that replicas share does when others write the same.

use std::sync::Arc;

use rekeyd::rotation::event::Event;
use rekeyd::rotation::state::Record;
use rekeyd::store::shared::presence::Presence;
use rekeyd::store::shared::{SharedStore, layout};
use rekeyd::store::table::memory::MemoryTable;
use rekeyd::store::table::{Change, Condition, Query, Table, Value};
use rekeyd::store::{Store, StoreError};

use super::failures::{Fault, Faulty};
use super::{ARN, OTHER, after, at, blank, ids, outgoing, paused, process, saved, told, wall};

fn table() -> Arc<dyn Table> {
    Arc::new(MemoryTable::new())
}

/// Changes the item of a secret, as somebody else would.
async fn meddled(table: &Arc<dyn Table>, arn: &str, change: Change) {
    let key = layout::record(arn);
    table.write(&key, change, Condition::Has(vec![])).await.unwrap();
}

async fn holds(table: &Arc<dyn Table>, arn: &str, session: &str) {
    meddled(table, arn, Change::new().set(layout::HOLDER, session)).await;
}

/// What is stored, and whether this process still holds the lease, by the words of a refusal.
fn changed(result: Result<u64, StoreError>) -> (Record, bool) {
    match result {
        Err(StoreError::Changed { stored, held, .. }) => (*stored, held),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_saves_what_another_has_written_meanwhile_is_told_what_is_stored() {
    let table = table();
    let (one, other) = (process(&table, None), process(&table, None));
    let first = saved(&one, &blank(ARN), &[paused(1, "one")]).await;
    assert_eq!(other.records().await.unwrap(), std::slice::from_ref(&first));
    let second = saved(&other, &first, &[(at(2), Event::Resumed)]).await;
    let late = [paused(3, "late")];
    let refused = one
        .save_and_tell(&after(&first, &late), &late, &[outgoing("a", 1)])
        .await;
    assert_eq!(changed(refused), (second.clone(), false));
    assert_eq!(other.backlogs().await.unwrap().len(), 0, "nothing of it is told");
    // On what is stored, it goes.
    let third = saved(&one, &second, &late).await;
    assert_eq!(third.revision, 3);
    let history = told(&other.history(Some(ARN), 9).await.unwrap());
    assert_eq!(history, [paused(3, "late"), (at(2), Event::Resumed), paused(1, "one")]);
}

#[tokio::test]
async fn of_two_who_save_a_new_record_one_is_told_of_the_other() {
    let table = table();
    let (one, other) = (process(&table, None), process(&table, None));
    let first = saved(&one, &blank(ARN), &[paused(1, "one")]).await;
    let events = [paused(2, "other")];
    let refused = other.save(&after(&blank(ARN), &events), &events).await;
    assert_eq!(changed(refused).0, first);
}

#[tokio::test]
async fn a_step_is_saved_by_the_holder_of_the_lease_only_and_what_is_asked_for_by_anybody() {
    let table = table();
    let (holder, other) = (process(&table, Some("holder")), process(&table, Some("other")));
    let step = |record: &Record, second| (record.clone(), [(at(second), Event::WriteStarted)]);
    // A new record has no holder yet.
    let (record, events) = step(&blank(ARN), 1);
    let record = saved(&holder, &record, &events).await;
    holds(&table, ARN, "holder").await;

    let (next, events) = step(&record, 2);
    let refused = other.save(&after(&next, &events), &events).await;
    assert_eq!(changed(refused), (record.clone(), false));
    // Not even on what is stored.
    let refused = other.save(&after(&record, &events), &events).await;
    assert_eq!(changed(refused), (record.clone(), false));
    let asked = saved(&other, &record, &[paused(3, "asked")]).await;

    let refused = holder.save(&after(&next, &events), &events).await;
    assert_eq!(changed(refused), (asked.clone(), true), "it still holds the lease");
    let record = saved(&holder, &asked, &events).await;
    // A mixture is no more than a step.
    let mixed = [(at(4), Event::Resumed), (at(5), Event::WriteStarted)];
    let refused = other.save(&after(&record, &mixed), &mixed).await;
    assert_eq!(changed(refused), (record, false));
    let stored = holder.read(ARN).await.unwrap().unwrap();
    assert_eq!(
        (stored.holder.as_deref(), stored.fence),
        (Some("holder"), 0),
        "no save touches a lease"
    );
}

#[tokio::test]
async fn an_item_with_a_lease_and_no_record_takes_its_first_record_from_the_holder() {
    let table = table();
    let lease = Change::new()
        .set(layout::REVISION, 0)
        .set(layout::FENCE, 1)
        .set(layout::HOLDER, "holder");
    table
        .write(&layout::record(ARN), lease, Condition::Absent)
        .await
        .unwrap();
    let (holder, other) = (process(&table, Some("holder")), process(&table, Some("other")));
    assert_eq!(holder.records().await.unwrap(), []);
    let stored = holder.read(ARN).await.unwrap().unwrap();
    assert_eq!((stored.record, stored.revision, stored.fence), (None, 0, 1));
    let step = [(at(1), Event::WriteStarted)];
    let refused = other.save(&after(&blank(ARN), &step), &step).await;
    assert_eq!(changed(refused).0.secret_arn, ARN);
    let record = saved(&holder, &blank(ARN), &step).await;
    assert_eq!(record.revision, 1);
    let stored = other.read(ARN).await.unwrap().unwrap();
    assert_eq!((stored.record, stored.fence), (Some(record), 1));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_left_out_and_can_be_written_over() {
    let table = table();
    let store = process(&table, None);
    saved(&store, &blank(OTHER), &[paused(1, "other")]).await;
    for json in ["{".to_owned(), serde_json::to_string(&blank(OTHER)).unwrap()] {
        let first = saved(&process(&table, None), &blank(ARN), &[paused(1, "one")]).await;
        meddled(&table, ARN, Change::new().set(layout::RECORD, json)).await;
        let store = process(&table, None);
        let records = store.records().await.unwrap();
        assert_eq!(
            records
                .iter()
                .map(|record| record.secret_arn.as_str())
                .collect::<Vec<_>>(),
            [OTHER]
        );
        let anew = saved(&store, &blank(ARN), &[paused(2, "anew")]).await;
        assert_eq!(anew.revision, first.revision + 1);
        // And by one who does not know of it.
        meddled(&table, ARN, Change::new().set(layout::RECORD, "[]")).await;
        let again = saved(&process(&table, None), &blank(ARN), &[paused(3, "again")]).await;
        assert_eq!(again.revision, anew.revision + 1);
        let both = process(&table, None).records().await.unwrap();
        assert_eq!(both.len(), 2);
        table
            .delete(&layout::record(ARN), Condition::Has(vec![]))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn what_a_newer_release_wrote_is_left_alone() {
    let table = table();
    let store = process(&table, None);
    let record = saved(&store, &blank(ARN), &[paused(1, "one")]).await;
    meddled(
        &table,
        ARN,
        Change::new().set(layout::SCHEMA, 9).set(layout::REVISION, 2),
    )
    .await;
    let newer = |error: StoreError| matches!(error, StoreError::Newer { found: 9, known: 1, .. });
    assert!(newer(store.records().await.unwrap_err()));
    assert!(newer(store.read(ARN).await.unwrap_err()));
    assert!(newer(store.save(&record, &[]).await.unwrap_err()));
    let item = table.get(&layout::record(ARN)).await.unwrap().unwrap();
    assert_eq!(item.number(layout::REVISION), Some(2));
}

#[tokio::test]
async fn a_table_that_is_emptied_under_a_process_is_filled_again_with_what_it_saves() {
    let table = table();
    let store = process(&table, None);
    let mut record = blank(ARN);
    for second in 0..5 {
        record = saved(&store, &record, &[paused(second, "before")]).await;
    }
    table
        .delete(&layout::record(ARN), Condition::Has(vec![]))
        .await
        .unwrap();
    let events = [(at(9), Event::Resumed)];
    let next = after(&record, &events);
    store.save_and_tell(&next, &events, &[outgoing("a", 9)]).await.unwrap();
    assert_eq!(store.records().await.unwrap().len(), 1);
    assert_eq!(ids(&store.outgoing("a", 9).await.unwrap()), ["msg_9"]);
    // One that counts from the start again, by another process, is news to the first one.
    table
        .delete(&layout::record(ARN), Condition::Has(vec![]))
        .await
        .unwrap();
    let anew = saved(&process(&table, None), &blank(ARN), &[paused(10, "anew")]).await;
    let record = store.records().await.unwrap().remove(0);
    assert_eq!((record.revision, &record), (1, &anew));
    saved(&store, &record, &[(at(11), Event::Resumed)]).await;
    assert_eq!(
        told(&store.history(Some(ARN), 1).await.unwrap()),
        [(at(11), Event::Resumed)]
    );
}

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

#[tokio::test]
async fn a_usual_save_is_one_write_and_one_for_each_of_its_lines() {
    let table = table();
    let faulty = Arc::new(Faulty::new(table));
    let through: Arc<dyn Table> = faulty.clone();
    let store = process(&through, None);
    let record = saved(&store, &blank(ARN), &[paused(1, "one")]).await;
    assert_eq!(faulty.calls(), 2);
    saved(&store, &record, &[(at(2), Event::Resumed)]).await;
    assert_eq!(faulty.calls(), 4);
    // A process that has only read it knows enough.
    let store = process(&through, None);
    let record = store.read(ARN).await.unwrap().unwrap().record.unwrap();
    let before = faulty.calls();
    saved(&store, &record, &[paused(3, "two")]).await;
    assert!(faulty.calls() - before <= 3, "{}", faulty.calls() - before);
}

#[tokio::test]
async fn only_as_many_histories_are_read_as_can_have_the_newest_entries() {
    let table = table();
    let (clock, presence) = (wall(0), Arc::new(Presence::new()));
    let store = SharedStore::new(table.clone(), presence, clock.clone());
    for number in 0..200 {
        clock.set(at(number));
        let events = [paused(number, "once")];
        let record = after(&blank(&format!("{ARN}{number}")), &events);
        store.save(&record, &events).await.unwrap();
    }
    let faulty = Arc::new(Faulty::new(table));
    let through: Arc<dyn Table> = faulty.clone();
    let newest = told(&process(&through, None).history(None, 5).await.unwrap());
    assert_eq!(newest, [199, 198, 197, 196, 195].map(|second| paused(second, "once")));
    assert!(faulty.calls() < 60, "{} calls", faulty.calls());
}

#[tokio::test]
async fn a_write_is_told_to_the_session_and_a_refused_one_is_not() {
    let table = table();
    let presence = Arc::new(Presence::new());
    let store = SharedStore::new(table.clone(), presence.clone(), wall(0));
    let record = saved(&store, &blank(ARN), &[paused(1, "one")]).await;
    assert_eq!(presence.last_writes(), [(1, ARN.to_owned())]);
    saved(&process(&table, None), &record, &[(at(2), Event::Resumed)]).await;
    changed(store.save(&record, &[paused(3, "late")]).await);
    assert_eq!(presence.last_writes().len(), 1);
}

#[tokio::test]
async fn history_expires_and_nothing_else_does() {
    let table = table();
    let store = process(&table, None);
    let events = [paused(1, "one")];
    let record = after(&blank(ARN), &events);
    store
        .save_and_tell(&record, &events, &[outgoing("a", 1)])
        .await
        .unwrap();
    let history = table.query(&Query::all(layout::history_of(ARN))).await.unwrap();
    let after_400_days = u64::try_from(at(1).timestamp()).unwrap() + 400 * 86_400;
    assert_eq!(history[0].number(layout::EXPIRES), Some(after_400_days));
    for partition in [
        layout::record(ARN).partition,
        layout::outbox_of("a"),
        layout::TARGETS.to_owned(),
    ] {
        for item in table.query(&Query::all(partition)).await.unwrap() {
            assert_eq!(item.attributes.get(layout::EXPIRES), None::<&Value>);
        }
    }
}

#[tokio::test]
async fn a_view_has_what_was_asked_for_with_what_its_holder_shows() {
    let table = table();
    let store = process(&table, None);
    let one = saved(&store, &blank(ARN), &[paused(1, "one")]).await;
    let other = saved(&store, &blank(OTHER), &[paused(2, "other")]).await;
    meddled(&table, ARN, Change::new().set(layout::SIGHT, "{\"seen\":1}")).await;
    let view = store.view(|_| true, 9).await.unwrap();
    assert_eq!(view.records, [one.clone(), other]);
    assert_eq!(told(&view.history), [paused(2, "other"), paused(1, "one")]);
    assert_eq!(view.sights.get(ARN).map(String::as_str), Some("{\"seen\":1}"));
    let view = store.view(|arn| arn == ARN, 9).await.unwrap();
    assert_eq!((view.records, told(&view.history)), (vec![one], vec![paused(1, "one")]));
    assert!(view.written_at.unwrap() >= at(1), "of any secret");
}
