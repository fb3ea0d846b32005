//! What every store promises.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rekeyd::clock::Timestamp;
use rekeyd::rotation::event::Event;
use rekeyd::store::outbox::Backlog;
use rekeyd::store::{HISTORY_PER_SECRET, Store};

use super::grounds::{Ground, Place};
use super::{ARN, OTHER, after, at, blank, ids, outgoing, paused, saved, told};
use crate::stored_json::populated;

/// Every claim, each in a store of its own.
pub async fn hold(ground: &dyn Ground) {
    let place = async || ground.place().await;
    what_was_saved_is_there_when_it_is_opened_again(&*place().await).await;
    a_record_with_everything_in_it_comes_back_as_it_went(&*place().await).await;
    a_later_save_takes_the_place_of_an_earlier_one(&*place().await).await;
    a_save_without_events_is_one(&*place().await).await;
    saves_at_the_same_time_are_all_there(&*place().await).await;
    a_history_is_told_newest_first_of_one_secret_and_of_all(&*place().await).await;
    each_secret_keeps_its_newest_entries_and_no_more(&*place().await).await;
    what_was_saved_waits_in_order_for_each_target_until_it_is_told(&*place().await).await;
    a_message_that_waits_already_does_not_wait_twice(&*place().await).await;
    what_is_too_old_goes_and_then_the_oldest_beyond_a_number(&*place().await).await;
    what_waits_outlives_the_process(&*place().await).await;
    names_may_hold_anything(&*place().await).await;
    it_answers_when_it_is_checked(&*place().await).await;
}

fn three() -> Vec<(Timestamp, Event)> {
    vec![paused(1, "first"), (at(2), Event::Resumed), paused(3, "again")]
}

async fn what_was_saved_is_there_when_it_is_opened_again(place: &dyn Place) {
    let store = place.open();
    assert_eq!(store.records().await.unwrap(), []);
    assert_eq!(store.history(None, 10).await.unwrap(), []);
    let record = saved(&*store, &blank(ARN), &three()).await;
    drop(store);

    let store = place.open();
    assert_eq!(store.records().await.unwrap(), [record]);
    let newest_first: Vec<_> = three().into_iter().rev().collect();
    assert_eq!(told(&store.history(None, 10).await.unwrap()), newest_first);
    assert_eq!(told(&store.history(Some(ARN), 2).await.unwrap()), newest_first[..2]);
    assert_eq!(store.history(Some(OTHER), 10).await.unwrap(), []);
    assert_eq!(store.history(Some(ARN), 0).await.unwrap(), []);
    assert_eq!(store.history(None, 0).await.unwrap(), []);
}

async fn a_record_with_everything_in_it_comes_back_as_it_went(place: &dyn Place) {
    let store = place.open();
    let mut record = populated::record();
    let events: Vec<_> = (0..).map(at).zip(populated::events()).collect();
    record.revision = store.save(&record, &events).await.unwrap();
    assert_eq!(store.records().await.unwrap(), [record.clone()]);
    let newest_first: Vec<_> = events.into_iter().rev().collect();
    let history = store.history(Some(&record.secret_arn), 1_000).await.unwrap();
    assert_eq!(told(&history), newest_first);
}

async fn a_later_save_takes_the_place_of_an_earlier_one(place: &dyn Place) {
    let store = place.open();
    let first = saved(&*store, &blank(ARN), &[paused(1, "first")]).await;
    let other = saved(&*store, &blank(OTHER), &[paused(2, "other")]).await;
    let second = saved(&*store, &first, &[(at(3), Event::Resumed)]).await;
    // A process that starts goes on with what it finds.
    drop(store);
    let store = place.open();
    let found = store.records().await.unwrap();
    assert_eq!(found, [second.clone(), other.clone()]);
    let third = saved(&*store, &found[0], &[paused(4, "third")]).await;
    assert_eq!(store.records().await.unwrap(), [third, other]);
    assert_eq!(store.history(Some(ARN), 10).await.unwrap().len(), 3);
}

async fn a_save_without_events_is_one(place: &dyn Place) {
    let store = place.open();
    let mut record = blank(ARN).under("policy");
    record.revision = store.save(&record, &[]).await.unwrap();
    assert_eq!(store.records().await.unwrap(), [record]);
    assert_eq!(store.history(None, 10).await.unwrap(), []);
    assert_eq!(store.backlogs().await.unwrap(), BTreeMap::new());
}

async fn saves_at_the_same_time_are_all_there(place: &dyn Place) {
    let store = place.open();
    let mut saving = tokio::task::JoinSet::new();
    for number in 0..40_i64 {
        let store = store.clone();
        saving.spawn(async move {
            let first = saved(&*store, &blank(&format!("{ARN}{number}")), &[paused(number, "once")]).await;
            saved(&*store, &first, &[(at(100 + number), Event::Resumed)]).await
        });
    }
    let saved = saving.join_all().await;
    let mut expected = saved;
    expected.sort_by(|one, other| one.secret_arn.cmp(&other.secret_arn));
    drop(store);
    let store = place.open();
    let mut found = store.records().await.unwrap();
    found.sort_by(|one, other| one.secret_arn.cmp(&other.secret_arn));
    assert_eq!(found, expected);
    let dates: BTreeSet<_> = told(&store.history(None, 1_000).await.unwrap())
        .into_iter()
        .map(|(at, _)| at)
        .collect();
    assert_eq!(dates, (0..40).chain(100..140).map(at).collect());
}

async fn a_history_is_told_newest_first_of_one_secret_and_of_all(place: &dyn Place) {
    let store = place.open();
    let arns: Vec<String> = (0..30).map(|number| format!("{ARN}{number}")).collect();
    let mut records: Vec<_> = arns.iter().map(|arn| blank(arn)).collect();
    // One after the other, and then every third again.
    for number in (0..30).chain((0..30).step_by(3)) {
        let second = told(&store.history(None, 1_000).await.unwrap()).len() as i64;
        records[number] = saved(&*store, &records[number], &[paused(second, "next")]).await;
    }
    for limit in [1, 5, 10, 11, 39, 40, 1_000] {
        let dates: Vec<_> = told(&store.history(None, limit).await.unwrap());
        let expected: Vec<_> = (0..40).rev().take(limit).map(|second| paused(second, "next")).collect();
        assert_eq!(dates, expected, "the newest {limit}");
    }
    let of_first = told(&store.history(Some(&arns[0]), 10).await.unwrap());
    assert_eq!(of_first, [paused(30, "next"), paused(0, "next")]);
}

async fn each_secret_keeps_its_newest_entries_and_no_more(place: &dyn Place) {
    let store = place.open();
    saved(&*store, &blank(OTHER), &three()).await;
    let many: Vec<_> = (0..HISTORY_PER_SECRET as i64 + 20)
        .map(|second| (at(second), Event::Resumed))
        .collect();
    let mut record = blank(ARN);
    // Of a few at once, and of more than a table keeps beside a record.
    for chunk in [&many[..5], &many[5..130], &many[130..]] {
        record = saved(&*store, &record, chunk).await;
    }
    let kept = store.history(Some(ARN), 10_000).await.unwrap();
    let newest: Vec<_> = many.iter().rev().take(HISTORY_PER_SECRET).cloned().collect();
    assert_eq!(told(&kept), newest);
    assert_eq!(store.history(Some(OTHER), 10_000).await.unwrap().len(), three().len());
    assert_eq!(told(&store.history(None, 7).await.unwrap()), newest[..7]);
}

async fn what_was_saved_waits_in_order_for_each_target_until_it_is_told(place: &dyn Place) {
    let store = place.open();
    let mut record = blank(ARN);
    let first = [outgoing("a", 1), outgoing("b", 1), outgoing("a", 2)];
    record.revision = store.save_and_tell(&record, &[], &first).await.unwrap();
    store.save_and_tell(&record, &[], &[outgoing("a", 3)]).await.unwrap();
    assert_eq!(ids(&store.outgoing("a", 2).await.unwrap()), ["msg_1", "msg_2"]);
    assert_eq!(store.outgoing("b", 9).await.unwrap(), [outgoing("b", 1)]);
    assert_eq!(store.outgoing("nobody", 9).await.unwrap(), []);
    let some = ["msg_2".to_owned(), "unknown".to_owned()];
    store.told("a", &some).await.unwrap();
    // Again is the same, and so it is for one that was not read before.
    store.told("a", &some).await.unwrap();
    assert_eq!(ids(&store.outgoing("a", 9).await.unwrap()), ["msg_1", "msg_3"]);
    let expected = |waiting, second| Backlog {
        waiting,
        since: at(second),
    };
    assert_eq!(
        store.backlogs().await.unwrap(),
        BTreeMap::from([("a".to_owned(), expected(2, 1)), ("b".to_owned(), expected(1, 1))])
    );
    drop(store);
    let store = place.open();
    store.told("a", &["msg_3".to_owned()]).await.unwrap();
    assert_eq!(ids(&store.outgoing("a", 9).await.unwrap()), ["msg_1"]);
    store.told("b", &["msg_1".to_owned()]).await.unwrap();
    assert_eq!(store.backlogs().await.unwrap().keys().collect::<Vec<_>>(), ["a"]);
}

async fn a_message_that_waits_already_does_not_wait_twice(place: &dyn Place) {
    let store = place.open();
    let mut record = blank(ARN);
    record.revision = store.save_and_tell(&record, &[], &[outgoing("a", 1)]).await.unwrap();
    let again = [outgoing("a", 1), outgoing("b", 1)];
    store.save_and_tell(&record, &[], &again).await.unwrap();
    assert_eq!(store.outgoing("a", 9).await.unwrap().len(), 1);
    assert_eq!(store.outgoing("b", 9).await.unwrap().len(), 1);
}

async fn what_is_too_old_goes_and_then_the_oldest_beyond_a_number(place: &dyn Place) {
    let store = place.open();
    let all: Vec<_> = (0..10).map(|number| outgoing("a", number)).collect();
    store.save_and_tell(&blank(ARN), &[], &all).await.unwrap();
    store
        .save_and_tell(&blank(OTHER), &[], &[outgoing("b", 0)])
        .await
        .unwrap();
    assert_eq!(store.trim_outbox("a", 10, at(0)).await.unwrap(), 0);
    assert_eq!(store.trim_outbox("nobody", 0, at(9)).await.unwrap(), 0);
    let since = at(0) + Duration::from_secs(3);
    assert_eq!(store.trim_outbox("a", 5, since).await.unwrap(), 5);
    assert_eq!(
        ids(&store.outgoing("a", 99).await.unwrap()),
        ["msg_5", "msg_6", "msg_7", "msg_8", "msg_9"]
    );
    assert_eq!(store.trim_outbox("a", 9, at(7)).await.unwrap(), 2);
    assert_eq!(store.trim_outbox("a", 0, Timestamp::UNIX_EPOCH).await.unwrap(), 3);
    assert_eq!(store.backlogs().await.unwrap().keys().collect::<Vec<_>>(), ["b"]);
}

async fn what_waits_outlives_the_process(place: &dyn Place) {
    let store = place.open();
    let (events, letters) = ([paused(1, "so")], [outgoing("a", 1)]);
    store.save_and_tell(&blank(ARN), &events, &letters).await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.outgoing("a", 9).await.unwrap(), [outgoing("a", 1)]);
}

async fn names_may_hold_anything(place: &dyn Place) {
    let odd = [
        "arn:with#a:hash",
        "arn:with:ünïcode:\u{1f511}",
        "arn:'with\":quotes\\",
        "arn:with#a",
    ];
    let store = place.open();
    for (number, name) in (1..).zip(odd) {
        let events = [paused(number, name)];
        let record = after(&blank(name), &events);
        let mut message = outgoing(name, number);
        message.id = format!("{name}#{number}");
        message.message = format!("{name}\n\u{0}");
        store.save_and_tell(&record, &events, &[message.clone()]).await.unwrap();
        assert_eq!(told(&store.history(Some(name), 9).await.unwrap()), events);
        assert_eq!(store.outgoing(name, 9).await.unwrap(), [message]);
    }
    assert_eq!(store.records().await.unwrap().len(), odd.len());
    assert_eq!(store.backlogs().await.unwrap().len(), odd.len());
    for (number, name) in (1..).zip(odd) {
        let id = format!("{name}#{number}");
        store.told(name, &[id]).await.unwrap();
    }
    assert_eq!(store.backlogs().await.unwrap(), BTreeMap::new());
}

async fn it_answers_when_it_is_checked(place: &dyn Place) {
    let store: Arc<dyn Store> = place.open();
    store.check().await.unwrap();
    store.check().await.unwrap();
    assert_eq!(store.records().await.unwrap(), []);
}
