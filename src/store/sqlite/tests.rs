//! The store through its public interface, on real files. What all stores do is in tests/it/store_conformance.rs.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::rotation::event::{Pause, Request};
use crate::rotation::observation::Proof;
use crate::rotation::reason::UnprovenReason;

const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbCdEf";
const OTHER: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:b-AbCdEf";

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + second, 123_456_789).expect("a valid time")
}

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("state.db");
    (folder, path)
}

fn events() -> Vec<(Timestamp, Event)> {
    let request = Request {
        at: at(7),
        over: None,
        now: true,
        revoke_previous: false,
        by: None,
    };
    let promoted = Event::Promoted {
        version: "v2".into(),
        previous: "v1".into(),
        proof: Some(Proof::Unproven(UnprovenReason::UserOff)),
        nodes: 0,
    };
    vec![
        (at(1), Event::Requested(request)),
        (at(2), promoted),
        (at(3), Event::Resumed),
    ]
}

fn record(arn: &str) -> Record {
    events()
        .iter()
        .fold(Record::new(arn.into(), at(0)), |record, (at, event)| {
            record.apply(*at, event).expect("a legal event")
        })
}

fn refusal(path: &Path) -> String {
    match SqliteStore::open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn what_was_saved_is_there_after_the_file_is_opened_again() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.save(&record(ARN), &events()).await.unwrap();
    drop(store);

    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.records().await.unwrap(), [record(ARN)]);
    let told: Vec<_> = store
        .history(None, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| (entry.at, entry.event))
        .collect();
    assert_eq!(told, events().into_iter().rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_second_owner_is_refused_until_the_first_is_gone() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::Held { .. })));
    let reader = Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let records: i64 = reader
        .query_row("SELECT count(*) FROM records", (), |row| row.get(0))
        .unwrap();
    assert_eq!(records, 0, "a reader may look while the owner is there");
    drop(store);
    SqliteStore::open(&path).unwrap();
}

#[tokio::test]
async fn a_file_of_a_newer_release_is_left_alone() {
    let (_folder, path) = place();
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let error = SqliteStore::open(&path).err().unwrap();
    assert!(
        matches!(
            error,
            StoreError::Newer {
                found: 99,
                known: 2,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_truncated_file_is_refused_with_what_to_do() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    for number in 0..50 {
        store.save(&record(&format!("{ARN}{number}")), &events()).await.unwrap();
    }
    drop(store);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    assert!(refusal(&path).contains("move it and its -wal and -shm files away"));
}

#[tokio::test]
async fn files_that_are_not_ours_are_refused() {
    let (folder, path) = place();
    std::fs::write(&path, "no database, but quite a bit of text ".repeat(100)).unwrap();
    assert!(refusal(&path).contains("no SQLite database"));

    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE cats (name)")
        .unwrap();
    assert!(refusal(&foreign).contains("another program"));
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named() {
    let (folder, _) = place();
    let refusal = refusal(&folder.path().join("missing/state.db"));
    assert!(
        refusal.contains("missing") && refusal.contains("create it"),
        "{refusal}"
    );
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    let (folder, path) = place();
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    store.save(&record(ARN), &events()).await.unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            entry.path()
        );
    }
}

#[tokio::test]
async fn a_save_that_fails_in_the_middle_leaves_nothing_behind() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.save(&record(ARN), &events()[..1]).await.unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON history WHEN NEW.event LIKE '%promoted%'
             BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();

    let mut changed = record(ARN);
    changed.pause = Some(Box::new(Pause {
        until: None,
        reason: None,
        by: None,
    }));
    let error = store.save(&changed, &events()).await.unwrap_err();
    assert!(error.to_string().contains("writing a record failed"), "{error}");
    assert_eq!(store.records().await.unwrap(), [record(ARN)]);
    assert_eq!(store.history(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_left_out() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.save(&record(ARN), &events()).await.unwrap();
    store.save(&record(OTHER), &events()).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute("UPDATE records SET json = '{' WHERE secret_arn = ?1", [OTHER])
        .unwrap();
    assert_eq!(store.records().await.unwrap(), [record(ARN)]);
}

#[tokio::test]
async fn the_check_writes() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.check().await.unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch("DROP TABLE heartbeat")
        .unwrap();
    assert!(store.check().await.is_err());
}

#[test]
fn an_entry_survives_its_way_through_json() {
    for (at, event) in events() {
        let entry = HistoryEntry {
            at,
            secret_arn: ARN.into(),
            event,
        };
        let json = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<HistoryEntry>(&json).unwrap(), entry, "{json}");
    }
}

#[tokio::test]
async fn saves_that_wait_together_are_all_written_and_in_their_order() {
    let (_folder, path) = place();
    let store = std::sync::Arc::new(SqliteStore::open(&path).unwrap());
    let mut saving = tokio::task::JoinSet::new();
    for number in 0..200 {
        let store = store.clone();
        let arn = format!("{ARN}{}", number % 50);
        saving.spawn(async move { store.save(&record(&arn), &[(at(number), Event::Resumed)]).await });
    }
    let ended = saving.join_all().await;
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    drop(store);

    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.records().await.unwrap().len(), 50);
    let told = store.history(Some(&format!("{ARN}7")), 10).await.unwrap();
    let dates: Vec<_> = told.iter().map(|entry| entry.at).collect();
    assert_eq!(dates, [at(157), at(107), at(57), at(7)]);
}

#[tokio::test]
async fn a_save_that_nobody_waits_for_any_more_holds_up_no_other() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let locked = rusqlite::Connection::open(&path).unwrap();
    locked.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (first, second) = (record(ARN), record(OTHER));
    let given_up = tokio::time::timeout(Duration::from_millis(50), async {
        let (first, second) = tokio::join!(store.save(&first, &[]), store.save(&second, &[]));
        first.and(second)
    });
    assert!(given_up.await.is_err(), "the file is locked");
    locked.execute_batch("ROLLBACK").unwrap();
    store.save(&second, &events()).await.unwrap();
    assert!(store.records().await.unwrap().contains(&second));
}
