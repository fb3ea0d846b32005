//! Saves that share a commit, on real files.

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::clock::Timestamp;
use crate::rotation::event::Event;
use crate::rotation::state::Record;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + second, 0).expect("a valid time")
}

fn arn(number: usize) -> String {
    format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:s{number}-AbCdEf")
}

fn place() -> (TempDir, std::path::PathBuf) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("state.db");
    (folder, path)
}

async fn save(store: &SqliteStore, number: usize) -> Written {
    let record = Record::new(arn(number), at(0));
    store.save(&record, &[(at(1), Event::Resumed)]).await.map(drop)
}

/// Saves of so many secrets, all of which wait before the first may be written.
async fn saves(store: &Arc<SqliteStore>, numbers: std::ops::Range<usize>) -> Vec<(usize, Written)> {
    let turn = store.turn.clone().acquire_owned().await.unwrap();
    let mut saving = JoinSet::new();
    let many = numbers.len();
    for number in numbers {
        let store = store.clone();
        saving.spawn(async move { (number, save(&store, number).await) });
    }
    until_waiting(store, many).await;
    drop(turn);
    saving.join_all().await
}

/// Waits until so many saves wait for their turn.
async fn until_waiting(store: &SqliteStore, many: usize) {
    while store.waiting.line().saves.len() < many {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_save_that_the_database_refuses_fails_alone() {
    let (_folder, path) = place();
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    save(&store, 0).await.unwrap();
    let refuse = format!(
        "CREATE TRIGGER refuse BEFORE INSERT ON history WHEN NEW.secret_arn = '{}'
         BEGIN SELECT RAISE(ABORT, 'no'); END",
        arn(7)
    );
    Connection::open(&path).unwrap().execute_batch(&refuse).unwrap();

    let ended = saves(&store, 1..20).await;
    let failed: Vec<usize> = ended
        .iter()
        .filter(|(_, written)| written.is_err())
        .map(|(number, _)| *number)
        .collect();
    assert_eq!(failed, [7], "{ended:?}");
    let kept = store.records().await.unwrap();
    assert_eq!(kept.len(), 19);
    assert!(
        kept.iter().all(|record| record.secret_arn != arn(7)),
        "nothing of it is left"
    );
}

#[tokio::test]
async fn what_fails_the_commit_fails_all_that_share_it_and_none_is_kept() {
    let (_folder, path) = place();
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    save(&store, 0).await.unwrap();
    for suffix in ["", "-wal"] {
        std::fs::remove_file(format!("{}{suffix}", path.display())).unwrap();
    }
    let ended = saves(&store, 1..20).await;
    assert!(ended.iter().all(|(_, written)| written.is_err()), "{ended:?}");
}

#[tokio::test]
async fn an_answered_save_is_in_the_file_with_those_that_waited_beside_it() {
    let (_folder, path) = place();
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let reader = Connection::open(&path).unwrap();
    let kept = || -> i64 {
        let counted = reader.query_row("SELECT count(*) FROM records", (), |row| row.get(0));
        counted.unwrap()
    };
    save(&store, 0).await.unwrap();
    assert_eq!(kept(), 1);

    let turn = store.turn.clone().acquire_owned().await.unwrap();
    let mut saving = JoinSet::new();
    for number in 1..20 {
        let store = store.clone();
        saving.spawn(async move { save(&store, number).await });
    }
    until_waiting(&store, 19).await;
    assert_eq!(kept(), 1, "nobody had a turn");
    assert!(saving.try_join_next().is_none(), "nobody is told before");
    drop(turn);
    saving.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(kept(), 20);
    assert!(saving.join_all().await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_save_that_is_given_up_while_it_waits_takes_no_other_with_it() {
    let (_folder, path) = place();
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    save(&store, 0).await.unwrap();

    let turn = store.turn.clone().acquire_owned().await.unwrap();
    // It is the first that waits, so that the others rest on what it began.
    let first = store.clone();
    let given_up = tokio::spawn(async move { save(&first, 1).await });
    until_waiting(&store, 1).await;
    let mut saving = JoinSet::new();
    for number in 2..5 {
        let store = store.clone();
        saving.spawn(async move { save(&store, number).await });
    }
    until_waiting(&store, 4).await;
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    drop(turn);

    assert!(saving.join_all().await.iter().all(Result::is_ok));
    let records = store.records().await.unwrap();
    let kept: Vec<String> = records.into_iter().map(|record| record.secret_arn).collect();
    assert_eq!(kept, [arn(0), arn(2), arn(3), arn(4)]);
}
