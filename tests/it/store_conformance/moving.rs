//! All that a store holds, from a file into a table and back.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use rekeyd::clock::Timestamp;
use rekeyd::rotation::event::Event;
use rekeyd::store::exported::{Contents, Exported, FORMAT, Header};
use rekeyd::store::shared::{NotEmpty, layout};
use rekeyd::store::sqlite::{Snapshot, SqliteStore};
use rekeyd::store::table::{Change, Condition, Table};
use rekeyd::store::{HISTORY_PER_SECRET, Store};

use super::failures::{FAULTS, Fault, Faulty};
use super::{ARN, OTHER, after, at, blank, outgoing, paused, process, saved, table, told};
use crate::stored_json::populated;
use crate::support::dynamo::StandIn;

/// All that a file holds.
fn of_file(path: &Path) -> Contents {
    let snapshot = Snapshot::open(path).unwrap().unwrap();
    let mut contents = Contents::default();
    let taken = snapshot.records(|record| {
        contents.records.push(record);
        Ok::<_, Infallible>(())
    });
    let Ok(()) = taken.unwrap();
    let taken = snapshot.history(|entry| {
        contents.history.push(entry);
        Ok::<_, Infallible>(())
    });
    let Ok(()) = taken.unwrap();
    let taken = snapshot.outbox(|letter| {
        contents.outbox.push(letter);
        Ok::<_, Infallible>(())
    });
    let Ok(()) = taken.unwrap();
    contents
}

fn exported(contents: &Contents, exported_at: Timestamp) -> Exported {
    Exported {
        header: Header {
            rekeyd_state: FORMAT,
            exported_at,
            release: "1".to_owned(),
            records: contents.records.len(),
            history: contents.history.len(),
            outbox: contents.outbox.len(),
        },
        records: contents.records.clone(),
        history: contents.history.clone(),
        outbox: contents.outbox.clone(),
    }
}

/// What was written, without what counts writes.
fn unnumbered(mut contents: Contents) -> Contents {
    contents.records.iter_mut().for_each(|record| record.revision = 0);
    contents
}

/// A file with a bit of everything: entries and messages of the same moment, a clock that was set back, a full history, and
/// history without a record.
async fn filled(path: &Path) -> Contents {
    let store = SqliteStore::open(path).unwrap();
    let record = populated::record();
    let events: Vec<_> = (0..).map(at).zip(populated::events()).collect();
    store.save(&record, &events).await.unwrap();
    let same = [
        paused(50, "one"),
        (at(50), Event::Resumed),
        paused(50, "two"),
        (at(40), Event::Resumed),
    ];
    let letters = [
        outgoing("b", 60),
        outgoing("a", 50),
        outgoing("b", 50),
        outgoing("a", 49),
    ];
    store
        .save_and_tell(&after(&blank(OTHER), &same), &same, &letters)
        .await
        .unwrap();
    let many: Vec<_> = (0..HISTORY_PER_SECRET as i64 + 1)
        .map(|second| paused(second, "many"))
        .collect();
    store.save(&blank(ARN), &many).await.unwrap();
    drop(store);
    let mut contents = of_file(path);
    // As when its record could not be read.
    let gone = "arn:of:a:secret:that:is:gone".to_owned();
    contents.history.push(rekeyd::store::HistoryEntry {
        secret_arn: gone,
        ..contents.history[0].clone()
    });
    contents
}

async fn goes_there_and_back(table: Arc<dyn Table>) {
    let folder = tempfile::tempdir().unwrap();
    let contents = filled(&folder.path().join("one.db")).await;
    let store = process(&table, None);
    let file = exported(&contents, at(99));
    store.may_import(&file).await.unwrap();
    store.fill(&file).await.unwrap();
    assert!(matches!(store.may_import(&file).await, Err(NotEmpty::Used { .. })));

    let store = process(&table, None);
    let read = store.records().await.unwrap();
    assert!(read.iter().all(|record| record.revision == 1));
    let history = store.history(Some(OTHER), 9).await.unwrap();
    assert_eq!(history[0].at, at(50));
    let taken = store.export().await.unwrap();
    assert_eq!(unnumbered(taken.clone()), contents);

    let back = folder.path().join("two.db");
    let other = SqliteStore::open(&back).unwrap();
    other.fill(exported(&taken, at(100))).await.unwrap();
    drop(other);
    assert_eq!(of_file(&back), contents);
}

#[tokio::test]
async fn a_file_goes_into_a_table_and_back_and_nothing_is_lost() {
    goes_there_and_back(table()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_into_a_table_of_dynalite_and_back() {
    let stand_in = StandIn::dynalite().await;
    goes_there_and_back(Arc::new(stand_in.table("rekeyd").await)).await;
}

#[tokio::test]
async fn what_is_saved_after_an_import_comes_after_it_and_with_what_a_journal_still_has() {
    let table = table();
    let contents = Contents {
        records: vec![blank(ARN)],
        outbox: vec![outgoing("a", 5)],
        ..Contents::default()
    };
    let store = process(&table, None);
    store.fill(&exported(&contents, at(9))).await.unwrap();
    let faulty = Arc::new(Faulty::new(table.clone()));
    let through: Arc<dyn Table> = faulty.clone();
    let late = process(&through, None);
    let record = late.records().await.unwrap().remove(0);
    // It is killed right after its record.
    faulty.fail(faulty.calls() + 1, 1_000, Fault::Refused);
    let events = [paused(3, "late")];
    late.save_and_tell(&after(&record, &events), &events, &[outgoing("a", 3)])
        .await
        .unwrap();
    let taken = store.export().await.unwrap();
    assert_eq!(told(&taken.history), events);
    assert_eq!(taken.outbox, [outgoing("a", 5), outgoing("a", 3)]);
}

#[tokio::test(start_paused = true)]
async fn an_import_that_is_interrupted_anywhere_keeps_replicas_out_and_goes_on_with_the_same_file() {
    let contents = Contents {
        records: vec![blank(ARN), blank(OTHER)],
        history: (0..3)
            .map(|second| rekeyd::store::HistoryEntry {
                at: at(second),
                secret_arn: ARN.to_owned(),
                event: Event::Resumed,
            })
            .collect(),
        outbox: vec![outgoing("a", 1), outgoing("b", 1)],
        unreadable: 0,
    };
    let file = exported(&contents, at(99));
    let counting = Arc::new(Faulty::new(table()));
    let through: Arc<dyn Table> = counting.clone();
    process(&through, None).fill(&file).await.unwrap();
    for call in 0..counting.calls() {
        for fault in FAULTS {
            let table = table();
            let faulty = Arc::new(Faulty::new(table.clone()));
            let through: Arc<dyn Table> = faulty.clone();
            faulty.fail(call, 1_000, fault);
            let ended = process(&through, None).fill(&file).await;
            let marked = table.get(&layout::import()).await.unwrap().is_some();
            let store = process(&table, None);
            assert!(ended.is_err() || !marked, "{call} {fault:?}: {ended:?}");
            assert_eq!(
                store.records().await.is_err(),
                marked,
                "no replica goes by a part of it"
            );
            if marked {
                let other = exported(&contents, at(100));
                let refused = store.may_import(&other).await.unwrap_err();
                assert!(refused.to_string().contains("import that file again"), "{refused}");
            }
            if marked || store.is_empty().await.unwrap() {
                store.may_import(&file).await.unwrap();
                store.fill(&file).await.unwrap();
            }
            assert_eq!(unnumbered(store.export().await.unwrap()), contents, "{call} {fault:?}");
        }
    }
}

#[tokio::test]
async fn an_import_goes_into_an_empty_table_only() {
    let file = exported(&Contents::default(), at(99));
    let used = table();
    saved(&process(&used, None), &blank(ARN), &[paused(1, "one")]).await;
    let refused = process(&used, None).may_import(&file).await.unwrap_err();
    assert!(matches!(refused, NotEmpty::Used { .. }), "{refused}");
    assert!(refused.to_string().contains("rekeyd state init-table"), "{refused}");
    // Sessions, gates and checks are no content.
    let fresh = table();
    process(&fresh, None).check().await.unwrap();
    fresh
        .write(&layout::session("s"), Change::new().set("beat", 1), Condition::Absent)
        .await
        .unwrap();
    process(&fresh, None).may_import(&file).await.unwrap();
}

#[tokio::test]
async fn a_replica_that_writes_into_an_import_is_found_out() {
    let table = table();
    let contents = Contents {
        records: vec![blank(ARN)],
        ..Contents::default()
    };
    // One that had started before the import began.
    saved(&process(&table, None), &blank(ARN), &[paused(1, "one")]).await;
    let store = process(&table, None);
    let error = store.fill(&exported(&contents, at(9))).await.unwrap_err().to_string();
    assert!(error.contains(ARN) && error.contains("stop all replicas"), "{error}");
    assert!(store.records().await.is_err());
}
