//! Snapshots of real files, and stores that are filled from them.

use std::path::PathBuf;

use super::*;
use crate::clock::Timestamp;
use crate::rotation::event::Event;
use crate::store::Store;
use crate::store::exported::{Exported, FORMAT, Header};
use crate::store::sqlite::{SqliteStore, read_view};

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + second, 0).expect("a valid time")
}

fn record(name: &str) -> Record {
    Record::new(name.to_owned(), at(0))
}

fn read(path: &Path) -> (Vec<Record>, Vec<HistoryEntry>, Counts) {
    let snapshot = Snapshot::open(path).unwrap().expect("a store");
    let (mut records, mut history) = (Vec::new(), Vec::new());
    let counts = snapshot.counts().unwrap();
    let Ok(()) = snapshot
        .records(|record| {
            records.push(record);
            Ok::<_, Infallible>(())
        })
        .unwrap();
    let Ok(()) = snapshot
        .history(|entry| {
            history.push(entry);
            Ok::<_, Infallible>(())
        })
        .unwrap();
    snapshot.is_of_one_moment().unwrap();
    (records, history, counts)
}

async fn written(folder: &Path) -> PathBuf {
    let path = folder.join("state.db");
    let store = SqliteStore::open(&path).unwrap();
    for (second, name) in [(5, "b"), (3, "a"), (4, "b")] {
        store
            .save(&record(name), &[(at(second), Event::Resumed)])
            .await
            .unwrap();
    }
    path
}

#[tokio::test]
async fn a_filled_store_holds_what_the_other_held_and_is_as_new() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path()).await;
    let (records, history, counts) = read(&path);
    assert_eq!(
        counts,
        Counts {
            records: 2,
            history: 3,
            outbox: 0,
            unreadable: 0
        }
    );
    let dates: Vec<_> = history.iter().map(|entry| entry.at).collect();
    assert_eq!(dates, [at(5), at(3), at(4)], "as they were stored");

    let other = folder.path().join("other.db");
    let store = SqliteStore::open(&other).unwrap();
    assert!(store.is_empty().await.unwrap());
    let header = Header {
        rekeyd_state: FORMAT,
        exported_at: at(9),
        release: String::new(),
        records: 2,
        history: 3,
        outbox: 0,
    };
    let outgoing = Outgoing {
        target: "oncall".to_owned(),
        id: "msg_1".to_owned(),
        at: at(6),
        message: "{}".to_owned(),
    };
    let exported = Exported {
        header,
        records,
        history,
        outbox: vec![outgoing.clone()],
    };
    store.fill(exported.clone()).await.unwrap();
    assert!(!store.is_empty().await.unwrap());
    drop(store);
    let counts = Counts { outbox: 1, ..counts };
    assert_eq!(read(&other), (exported.records, exported.history, counts));
    let mut outbox = Vec::new();
    let snapshot = Snapshot::open(&other).unwrap().expect("a store");
    let taken = snapshot.outbox(|outgoing| {
        outbox.push(outgoing);
        Ok::<_, ()>(())
    });
    taken.unwrap().unwrap();
    assert_eq!(outbox, [outgoing]);
    let written_at = |path| read_view(path, |_| true, 0).unwrap().unwrap().written_at;
    assert_eq!((written_at(&other), written_at(&path)), (Some(at(5)), Some(at(5))));
}

#[tokio::test]
async fn a_store_that_cannot_be_filled_to_the_end_holds_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (records, history, _) = read(&written(folder.path()).await);
    let path = folder.path().join("other.db");
    let store = SqliteStore::open(&path).unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON history WHEN (SELECT count(*) FROM history) = 2 BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
    let header = Header {
        rekeyd_state: FORMAT,
        exported_at: at(9),
        release: String::new(),
        records: 2,
        history: 3,
        outbox: 0,
    };
    let exported = Exported {
        header,
        records,
        history,
        outbox: Vec::new(),
    };
    let error = store.fill(exported).await.unwrap_err().to_string();
    assert!(error.contains("importing into it failed"), "{error}");
    assert!(store.is_empty().await.unwrap());
}

#[tokio::test]
async fn what_is_written_after_a_snapshot_was_opened_is_not_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path()).await;
    let store = SqliteStore::open(&path).unwrap();
    store.check().await.unwrap();
    let snapshot = Snapshot::open(&path).unwrap().expect("a store");
    for name in ["c", "d"] {
        store.save(&record(name), &[(at(7), Event::Resumed)]).await.unwrap();
    }
    let counts = snapshot.counts().unwrap();
    assert_eq!((counts.records, counts.history), (2, 3));
    snapshot.is_of_one_moment().unwrap();
}

#[tokio::test]
async fn a_daemon_that_starts_while_a_store_without_a_log_is_read_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path()).await;
    let snapshot = Snapshot::open(&path).unwrap().expect("a store");
    let store = SqliteStore::open(&path).unwrap();
    store.save(&record("c"), &[]).await.unwrap();
    let told = snapshot.is_of_one_moment().unwrap_err().to_string();
    assert!(told.contains("a daemon started meanwhile"), "{told}");
    drop(store);
    assert!(snapshot.is_of_one_moment().is_err(), "and when it is gone again");
}

#[tokio::test]
async fn what_cannot_be_read_is_counted_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path()).await;
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "UPDATE records SET json = '{' WHERE secret_arn = 'a'; UPDATE history SET event = '{' WHERE id = 1",
        )
        .unwrap();
    let (records, history, counts) = read(&path);
    assert_eq!(
        counts,
        Counts {
            records: 1,
            history: 2,
            outbox: 0,
            unreadable: 2
        }
    );
    assert_eq!((records.len(), history.len()), (1, 2));
}

#[test]
fn there_is_no_snapshot_of_no_store_and_an_empty_one_of_an_empty_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    assert!(Snapshot::open(&path).unwrap().is_none());
    std::fs::write(&path, "").unwrap();
    assert_eq!(read(&path).2, Counts::default());
}
