//! What every store does with an outbox.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::rotation::state::Record;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::sqlite::SqliteStore;

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn outgoing(target: &str, number: i64) -> Outgoing {
    Outgoing {
        target: target.to_owned(),
        id: format!("msg_{number}"),
        at: at(number),
        message: format!("{{\"number\":{number}}}"),
    }
}

fn record() -> Record {
    Record::new("arn:of:a:secret".to_owned(), at(0))
}

fn ids(waiting: &[Outgoing]) -> Vec<&str> {
    waiting.iter().map(|outgoing| outgoing.id.as_str()).collect()
}

/// Runs it on a store of each kind.
async fn on_each<F: Future<Output = ()>>(run: impl Fn(std::sync::Arc<dyn Store>) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(&folder.path().join("state.db")).unwrap();
    run(std::sync::Arc::new(file)).await;
    run(std::sync::Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn what_was_saved_waits_in_order_for_each_target_until_it_is_told() {
    on_each(|store| async move {
        let first = [outgoing("a", 1), outgoing("b", 1), outgoing("a", 2)];
        store.save_and_tell(&record(), &[], &first).await.unwrap();
        store.save_and_tell(&record(), &[], &[outgoing("a", 3)]).await.unwrap();
        assert_eq!(ids(&store.outgoing("a", 2).await.unwrap()), ["msg_1", "msg_2"]);
        assert_eq!(store.outgoing("b", 9).await.unwrap(), [outgoing("b", 1)]);
        store
            .told("a", &["msg_2".to_owned(), "unknown".to_owned()])
            .await
            .unwrap();
        assert_eq!(ids(&store.outgoing("a", 9).await.unwrap()), ["msg_1", "msg_3"]);
        let backlogs = store.backlogs().await.unwrap();
        let expected = |waiting, second| Backlog {
            waiting,
            since: at(second),
        };
        assert_eq!(
            backlogs,
            BTreeMap::from([("a".to_owned(), expected(2, 1)), ("b".to_owned(), expected(1, 1))])
        );
    })
    .await;
}

#[tokio::test]
async fn a_message_that_waits_already_does_not_wait_twice() {
    on_each(|store| async move {
        store.save_and_tell(&record(), &[], &[outgoing("a", 1)]).await.unwrap();
        let again = [outgoing("a", 1), outgoing("b", 1)];
        store.save_and_tell(&record(), &[], &again).await.unwrap();
        assert_eq!(store.outgoing("a", 9).await.unwrap().len(), 1);
        assert_eq!(store.outgoing("b", 9).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_too_old_goes_and_then_the_oldest_beyond_a_number() {
    on_each(|store| async move {
        let all: Vec<Outgoing> = (0..10).map(|number| outgoing("a", number)).collect();
        store.save_and_tell(&record(), &[], &all).await.unwrap();
        store.save_and_tell(&record(), &[], &[outgoing("b", 0)]).await.unwrap();
        assert_eq!(store.trim_outbox("a", 10, at(0)).await.unwrap(), 0);
        assert_eq!(
            store.trim_outbox("a", 5, at(0) + Duration::from_secs(3)).await.unwrap(),
            5
        );
        assert_eq!(
            ids(&store.outgoing("a", 99).await.unwrap()),
            ["msg_5", "msg_6", "msg_7", "msg_8", "msg_9"]
        );
        assert_eq!(store.trim_outbox("a", 0, Timestamp::UNIX_EPOCH).await.unwrap(), 5);
        assert_eq!(store.backlogs().await.unwrap().keys().collect::<Vec<_>>(), ["b"]);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_to_be_told_of_a_save_that_failed() {
    let store = MemoryStore::new();
    store.fail(Some("disk full"));
    assert!(store.save_and_tell(&record(), &[], &[outgoing("a", 1)]).await.is_err());
    store.fail(None);
    assert_eq!(store.backlogs().await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_waits_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteStore::open(&path).unwrap();
    store.save_and_tell(&record(), &[], &[outgoing("a", 1)]).await.unwrap();
    assert!(!store.is_empty().await.unwrap());
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.outgoing("a", 9).await.unwrap(), [outgoing("a", 1)]);
}
