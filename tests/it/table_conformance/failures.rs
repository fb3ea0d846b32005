//! A table that is not there, is another, or does not answer.

use std::time::Duration;

use rekeyd::store::dynamodb::ATTEMPT_TIMEOUT;
use rekeyd::store::table::{Change, Condition, Key, Query, Table, TableError};

use crate::support::dynamo::{StandIn, create_table, table_at};

/// Claims about what only a service can do.
pub(super) async fn fails_in_the_right_words(stand_in: &StandIn) {
    let missing = table_at(stand_in.url(), "not-there");
    let key = Key::new("a", "b");
    let outcomes = [
        missing.get(&key).await.map(drop),
        missing.query(&Query::all("a")).await.map(drop),
        missing.count("a").await.map(drop),
        missing.write(&key, Change::new(), Condition::Absent).await,
        missing.delete(&key, Condition::Has(vec![])).await,
    ];
    for outcome in outcomes {
        match outcome {
            Err(TableError::Refused { cause, advice }) => {
                assert!(
                    cause.contains("not-there") && cause.contains("ResourceNotFound"),
                    "{cause}"
                );
                assert!(advice.contains("rekeyd state init-table"), "{advice}");
            }
            other => panic!("{other:?}"),
        }
    }
    create_table(stand_in.url(), "other-keys", &["id", "at"]).await;
    let other = table_at(stand_in.url(), "other-keys");
    let outcomes = [
        other.get(&key).await.map(drop),
        other.query(&Query::all("a")).await.map(drop),
        other.write(&key, Change::new(), Condition::Absent).await,
    ];
    for outcome in outcomes {
        match outcome {
            Err(TableError::Refused { advice, .. }) => assert!(advice.contains("other keys"), "{advice}"),
            other => panic!("{other:?}"),
        }
    }
}

/// A listener that never takes a connection from its queue answers nothing; a port without one refuses.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_does_not_answer_says_so_within_the_time_of_one_attempt() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    for address in [silent.local_addr().unwrap(), closed] {
        let table = table_at(&format!("http://{address}"), "rekeyd");
        let begun = tokio::time::Instant::now();
        let outcome = table.write(&Key::new("a", "b"), Change::new(), Condition::Absent).await;
        assert!(matches!(outcome, Err(TableError::Unanswered { .. })), "{outcome:?}");
        assert!(
            begun.elapsed() < ATTEMPT_TIMEOUT + Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
    }
}
