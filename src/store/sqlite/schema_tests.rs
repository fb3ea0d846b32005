//! Stores of every schema that was ever published, made by the release that published it and kept as SQL.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::store::Store;
use crate::store::sqlite::{SqliteStore, connect};

/// Entry `n` is a store of schema `n + 1`. A new schema comes with a new entry; none is ever edited.
const PUBLISHED: [&str; MIGRATIONS.len()] = [
    include_str!("published/schema-1.sql"),
    include_str!("published/schema-2.sql"),
];

/// A step to a schema that no release has, long enough to be interrupted.
const NEXT: &str = "
    ALTER TABLE records ADD COLUMN note TEXT;
    CREATE TABLE filler (number INTEGER PRIMARY KEY, text TEXT);
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 200000)
    INSERT INTO filler SELECT n, 'some text that fills pages beyond what the cache holds' FROM numbers;
    UPDATE records SET note = 'migrated';
";

/// The path under which a process of this test finds the store that it is to migrate until it is killed.
const VICTIM: &str = "REKEYD_TEST_MIGRATION_VICTIM";

fn with_next() -> Vec<&'static str> {
    MIGRATIONS.iter().copied().chain([NEXT]).collect()
}

/// A store of schema `version`, as its release left it.
fn published(version: usize) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch(PUBLISHED[version - 1])
        .unwrap();
    (folder, path)
}

fn migrated_to_next(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path).unwrap();
    migrate_by(&with_next(), &connection, path, &Location(path.display().to_string()))?;
    Ok(connection)
}

fn count(connection: &Connection, what: &str) -> i64 {
    connection
        .query_row(&format!("SELECT count(*) FROM {what}"), (), |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn a_store_of_every_published_schema_opens_with_its_records_pauses_requests_and_history() {
    for version in 1..=PUBLISHED.len() {
        let (_folder, path) = published(version);
        let store = SqliteStore::open(&path).unwrap();
        let records = store.records().await.unwrap();
        assert_eq!(records.len(), 2, "schema {version}");
        let full = &records[0];
        assert_eq!(
            full.pause.as_ref().and_then(|pause| pause.reason.as_deref()),
            Some("maintenance")
        );
        assert!(full.request.as_ref().is_some_and(|request| request.revoke_previous));
        assert!(full.rotation.is_some() && full.promotion.is_some() && full.retirement.is_some());
        let history = store.history(None, 1_000).await.unwrap();
        assert_eq!(
            history.len(),
            28,
            "schema {version}: an entry of every event of that release"
        );
        store.save(full, &[]).await.unwrap();
        let waiting = store.outgoing("oncall", 9).await.unwrap();
        assert_eq!(
            waiting.len(),
            usize::from(version >= 2),
            "schema {version}: a notification"
        );
    }
}

#[test]
fn an_older_store_is_migrated_and_a_private_copy_of_it_is_kept_for_the_older_release() {
    let (folder, path) = published(MIGRATIONS.len());
    let connection = migrated_to_next(&path).unwrap();
    assert_eq!(count(&connection, "records WHERE note = 'migrated'"), 2);
    assert_eq!(count(&connection, "history"), 28);
    assert_eq!(look(&connection).unwrap(), (MIGRATIONS.len() as i64 + 1, true, false));
    drop(connection);
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::Newer { .. })));

    let copy = folder.path().join(format!("state.db.schema-{}.bak", MIGRATIONS.len()));
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::rename(&copy, &path).unwrap();
    drop(SqliteStore::open(&path).unwrap());
    let connection = connect(&path).unwrap();
    assert_eq!((count(&connection, "records"), count(&connection, "history")), (2, 28));
    drop(connection);
    // Upgraded again, it takes the place of what an interrupted copy and the last one left.
    std::fs::write(folder.path().join("state.db.schema-1.draft"), "half a copy").unwrap();
    std::fs::write(&copy, "an older copy").unwrap();
    migrated_to_next(&path).unwrap();
    assert_eq!(count(&connect(&copy).unwrap(), "history"), 28);
}

#[test]
fn a_store_of_this_release_is_opened_without_a_copy() {
    let (folder, path) = published(MIGRATIONS.len());
    for _ in 0..2 {
        drop(SqliteStore::open(&path).unwrap());
    }
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        left.iter().all(|name| !name.to_string_lossy().contains("schema")),
        "{left:?}"
    );
}

#[test]
fn a_step_that_fails_leaves_the_store_as_it_was() {
    let (_folder, path) = published(MIGRATIONS.len());
    let connection = connect(&path).unwrap();
    let broken = "DELETE FROM records; CREATE TABLE records (again)";
    let broken: Vec<&str> = MIGRATIONS.iter().copied().chain([broken]).collect();
    let location = Location(path.display().to_string());
    let error = migrate_by(&broken, &connection, &path, &location)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("migrating the schema") && error.contains("state.db"),
        "{error}"
    );
    assert_eq!(look(&connection).unwrap(), (MIGRATIONS.len() as i64, true, false));
    assert_eq!(count(&connection, "records"), 2);
}

#[test]
fn a_process_killed_in_the_middle_of_a_migration_leaves_the_old_store_or_the_new_one() {
    if let Some(path) = std::env::var_os(VICTIM) {
        migrated_to_next(Path::new(&path)).unwrap();
        return;
    }
    let this_test = "store::sqlite::schema::tests::a_process_killed_in_the_middle_of_a_migration_leaves_the_old_store_or_the_new_one";
    let mut left_old = 0;
    for pause in (0..300).step_by(15) {
        let (_folder, path) = published(1);
        let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", this_test])
            .env(VICTIM, &path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        victim.kill().unwrap();
        victim.wait().unwrap();

        let connection = connect(&path).unwrap();
        let (version, ours, _) = look(&connection).unwrap();
        assert!(ours);
        assert_eq!((count(&connection, "records"), count(&connection, "history")), (2, 28));
        let tables = count(&connection, "sqlite_schema WHERE name = 'filler'");
        let newest = with_next().len() as i64;
        assert!([1, newest].contains(&version), "schema {version} after {pause} ms");
        assert_eq!(
            tables,
            i64::from(version == newest),
            "half a migration after {pause} ms"
        );
        left_old += u32::from(version == 1);
        drop(connection);
        let connection = migrated_to_next(&path).unwrap();
        assert_eq!(count(&connection, "filler"), 200_000);
        assert_eq!(count(&connection, "records WHERE note = 'migrated'"), 2);
    }
    assert!(left_old > 0, "nothing was interrupted");
}
