//! What a shared store stands on, claim by claim: the table in memory that simulations use, and DynamoDB's stand-ins through
//! the adapter. What AWS documents and a stand-in does otherwise is in docs/DYNAMODB.md.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rekeyd::store::dynamodb::ATTEMPT_TIMEOUT;
use rekeyd::store::table::memory::MemoryTable;
use rekeyd::store::table::{Change, Condition, Item, Key, Query, Table, TableError, Value};

use crate::support::dynamo::{StandIn, create_table, table_at};

/// What is known of a table before it is tried.
#[derive(Clone)]
struct Tried {
    table: Arc<dyn Table>,
    /// Whether it tells of the stored item when a condition fails. dynalite does not.
    tells_stored: bool,
    /// Whether it takes an update that changes nothing. moto breaks on one.
    takes_empty_changes: bool,
}

impl Tried {
    async fn write(&self, key: &Key, change: Change, on: Condition) {
        self.table.write(key, change, on).await.expect("written");
    }

    async fn put(&self, partition: &str, sort: &str, change: Change) {
        self.write(&Key::new(partition, sort), change, Condition::Absent).await;
    }

    async fn get(&self, key: &Key) -> Option<Item> {
        self.table.get(key).await.expect("read")
    }

    /// The sort keys that a query finds.
    async fn sorts(&self, query: &Query) -> Vec<String> {
        let found = self.table.query(query).await.expect("queried");
        assert!(found.iter().all(|item| item.key.partition == query.partition));
        found.into_iter().map(|item| item.key.sort).collect()
    }

    /// That a write or a deletion was refused because of its condition, and told of what is stored.
    fn refused(&self, outcome: Result<(), TableError>, stored: Option<Item>) {
        match outcome {
            Err(TableError::NotAsWanted { stored: told }) => {
                let expected = stored.filter(|_| self.tells_stored).map(Box::new);
                assert_eq!(told, expected);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn attributes<const N: usize>(pairs: [(&str, Value); N]) -> BTreeMap<String, Value> {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

fn item<const N: usize>(key: &Key, pairs: [(&str, Value); N]) -> Item {
    Item {
        key: key.clone(),
        attributes: attributes(pairs),
    }
}

/// Every claim, each in partitions of its own.
async fn holds_every_claim(tried: &Tried) {
    assert!(!tried.table.location().is_empty());
    an_item_is_there_once_it_is_written(tried).await;
    a_change_leaves_what_it_does_not_name(tried).await;
    absent_holds_once(tried).await;
    has_asks_for_an_item_and_each_of_its_values(tried).await;
    a_deletion_has_a_condition_too(tried).await;
    if tried.takes_empty_changes {
        a_change_of_nothing_makes_an_item(tried).await;
    }
    numbers_and_texts_come_back_as_they_went(tried).await;
    names_may_be_words_that_the_service_keeps_for_itself(tried).await;
    items_come_in_the_order_of_their_bytes(tried).await;
    a_query_is_bounded_by_prefix_place_and_limit(tried).await;
    a_partition_of_more_than_a_page_is_read_whole(tried).await;
    of_two_racers_exactly_one_wins(tried).await;
}

async fn an_item_is_there_once_it_is_written(tried: &Tried) {
    let key = Key::new("there", "a");
    assert_eq!(tried.get(&key).await, None);
    tried
        .write(&key, Change::new().set("n", 1).set("t", "x"), Condition::Absent)
        .await;
    assert_eq!(
        tried.get(&key).await,
        Some(item(&key, [("n", 1.into()), ("t", "x".into())]))
    );
    assert_eq!(tried.get(&Key::new("there", "b")).await, None);
    assert_eq!(tried.get(&Key::new("elsewhere", "a")).await, None);
}

async fn a_change_leaves_what_it_does_not_name(tried: &Tried) {
    let key = Key::new("change", "a");
    let first = Change::new().set("stays", "s").set("goes", 1).set("turns", 1);
    tried.write(&key, first, Condition::Absent).await;
    let second = Change::new()
        .set("turns", "text")
        .set("comes", 2)
        .remove("goes")
        .remove("never was");
    tried.write(&key, second, Condition::is("turns", 1)).await;
    let expected = [("comes", 2.into()), ("stays", "s".into()), ("turns", "text".into())];
    assert_eq!(tried.get(&key).await, Some(item(&key, expected)));
}

async fn absent_holds_once(tried: &Tried) {
    let key = Key::new("absent", "a");
    tried.write(&key, Change::new().set("n", 1), Condition::Absent).await;
    let again = tried.table.write(&key, Change::new().set("n", 2), Condition::Absent);
    tried.refused(again.await, Some(item(&key, [("n", 1.into())])));
    assert_eq!(tried.get(&key).await, Some(item(&key, [("n", 1.into())])));
}

async fn has_asks_for_an_item_and_each_of_its_values(tried: &Tried) {
    let key = Key::new("has", "a");
    let change = || Change::new().set("n", 2);
    tried.refused(tried.table.write(&key, change(), Condition::Has(vec![])).await, None);
    assert_eq!(tried.get(&key).await, None, "a refused write makes nothing");
    tried
        .write(&key, Change::new().set("n", 1).set("t", "x"), Condition::Absent)
        .await;
    let stored = || Some(item(&key, [("n", 1.into()), ("t", "x".into())]));
    for wrong in [
        Condition::is("n", 3),
        Condition::is("n", "1"),
        Condition::is("t", ""),
        Condition::is("not there", 1),
        Condition::Has(vec![("n", 1.into()), ("t", "y".into())]),
    ] {
        tried.refused(tried.table.write(&key, change(), wrong).await, stored());
    }
    assert_eq!(tried.get(&key).await, stored());
    tried.write(&key, change(), Condition::Has(vec![])).await;
    let both = Condition::Has(vec![("n", 2.into()), ("t", "x".into())]);
    tried.write(&key, Change::new().set("n", 3), both).await;
    assert_eq!(
        tried.get(&key).await,
        Some(item(&key, [("n", 3.into()), ("t", "x".into())]))
    );
}

async fn a_deletion_has_a_condition_too(tried: &Tried) {
    let key = Key::new("deletion", "a");
    let absent = tried.table.delete(&key, Condition::Has(vec![])).await;
    tried.refused(absent, None);
    tried.write(&key, Change::new().set("n", 1), Condition::Absent).await;
    let wrong = tried.table.delete(&key, Condition::is("n", 2)).await;
    tried.refused(wrong, Some(item(&key, [("n", 1.into())])));
    tried.table.delete(&key, Condition::is("n", 1)).await.expect("deleted");
    assert_eq!(tried.get(&key).await, None);
    assert_eq!(tried.table.count("deletion").await.unwrap(), 0);
}

async fn a_change_of_nothing_makes_an_item(tried: &Tried) {
    let key = Key::new("nothing", "a");
    tried.write(&key, Change::new(), Condition::Absent).await;
    assert_eq!(tried.get(&key).await, Some(item(&key, [])));
    tried.write(&key, Change::new(), Condition::Has(vec![])).await;
    assert_eq!(tried.table.count("nothing").await.unwrap(), 1);
}

async fn numbers_and_texts_come_back_as_they_went(tried: &Tried) {
    let numbers = [0, 1, 1 << 53, (1 << 53) + 1, i64::MAX as u64, 1 << 63, u64::MAX];
    for (place, number) in numbers.into_iter().enumerate() {
        let key = Key::new("numbers", format!("{place}"));
        tried
            .write(&key, Change::new().set("n", number), Condition::Absent)
            .await;
        assert_eq!(tried.get(&key).await.unwrap().number("n"), Some(number));
        tried
            .write(&key, Change::new().set("seen", 1), Condition::is("n", number))
            .await;
        let next = number.wrapping_add(1);
        let other = tried
            .table
            .write(&key, Change::new().set("n", 0), Condition::is("n", next))
            .await;
        assert!(matches!(other, Err(TableError::NotAsWanted { .. })), "{number}");
    }
    let texts = [
        "",
        " ",
        "0",
        "null",
        "ü€𝄞\u{10ffff}",
        "a\u{301}",
        "\u{e1}",
        "line\nline\0\"\\",
        "{\"a\":[1]}",
    ];
    for (place, text) in texts.into_iter().enumerate() {
        let key = Key::new("texts", format!("ü€𝄞 {place}"));
        tried.write(&key, Change::new().set("t", text), Condition::Absent).await;
        assert_eq!(tried.get(&key).await.unwrap().text("t"), Some(text));
        tried
            .write(&key, Change::new().set("seen", 1), Condition::is("t", text))
            .await;
    }
}

async fn names_may_be_words_that_the_service_keeps_for_itself(tried: &Tried) {
    let key = Key::new("words", "a");
    let change = Change::new()
        .set("name", "n")
        .set("status", "s")
        .set("size", 1)
        .set("with.dot", 2)
        .set("with space", 3);
    tried.write(&key, change, Condition::Absent).await;
    let change = Change::new().remove("name").remove("with.dot").set("ttl", 4);
    let on = Condition::Has(vec![("status", "s".into()), ("with space", 3.into())]);
    tried.write(&key, change, on).await;
    let expected = [
        ("size", 1.into()),
        ("status", "s".into()),
        ("ttl", 4.into()),
        ("with space", 3.into()),
    ];
    assert_eq!(tried.get(&key).await, Some(item(&key, expected)));
}

async fn items_come_in_the_order_of_their_bytes(tried: &Tried) {
    let mut sorts = ["a", "B", "b", "10", "9", "a#", "a#1", "é", "z", "€", "\u{ffee}", "𝄞"].map(str::to_owned);
    for sort in &sorts {
        tried.put("order", sort, Change::new().set("n", 1)).await;
    }
    sorts.sort();
    let query = Query::all("order");
    assert_eq!(tried.sorts(&query).await, sorts);
    sorts.reverse();
    let descending = Query {
        descending: true,
        ..query
    };
    assert_eq!(tried.sorts(&descending).await, sorts);
    assert_eq!(tried.table.count("order").await.unwrap(), sorts.len() as u64);
    assert_eq!(tried.sorts(&Query::all("orde")).await, Vec::<String>::new());
}

/// Every query over a small partition, against what plain words say of it.
async fn a_query_is_bounded_by_prefix_place_and_limit(tried: &Tried) {
    let sorts = ["a", "b", "b#1", "b#2", "b#20", "b#3", "b$", "c"];
    for sort in sorts {
        tried.put("bounds", sort, Change::new().set("is", sort)).await;
    }
    let afters = [
        None,
        Some("a"),
        Some("b#"),
        Some("b#2"),
        Some("b#25"),
        Some("b$"),
        Some("zz"),
    ];
    for (prefix, after) in ["", "b", "b#", "d"].iter().flat_map(|p| afters.map(|a| (*p, a))) {
        for (descending, limit) in [false, true]
            .iter()
            .flat_map(|d| [None, Some(0), Some(1), Some(3), Some(100)].map(|l| (*d, l)))
        {
            let query = Query {
                partition: "bounds".to_owned(),
                prefix: prefix.to_owned(),
                after: after.map(str::to_owned),
                descending,
                limit,
            };
            let mut expected: Vec<&str> = sorts
                .into_iter()
                .filter(|sort| sort.starts_with(prefix))
                .filter(|sort| after.is_none_or(|after| if descending { *sort < after } else { *sort > after }))
                .collect();
            if descending {
                expected.reverse();
            }
            expected.truncate(limit.unwrap_or(usize::MAX));
            assert_eq!(tried.sorts(&query).await, expected, "{query:?}");
        }
    }
}

/// A page of DynamoDB ends after 1 MB.
async fn a_partition_of_more_than_a_page_is_read_whole(tried: &Tried) {
    let large = "x".repeat(300_000);
    let sorts: Vec<String> = (0..8).map(|number| format!("{number}")).collect();
    for sort in &sorts {
        tried.put("pages", sort, Change::new().set("t", large.as_str())).await;
    }
    let mut query = Query::all("pages");
    let found = tried.table.query(&query).await.unwrap();
    assert!(found.iter().all(|item| item.text("t") == Some(large.as_str())));
    assert_eq!(tried.sorts(&query).await, sorts);
    assert_eq!(tried.table.count("pages").await.unwrap(), 8);
    query.limit = Some(7);
    query.descending = true;
    let backwards: Vec<String> = sorts.iter().rev().take(7).cloned().collect();
    assert_eq!(tried.sorts(&query).await, backwards);
}

async fn of_two_racers_exactly_one_wins(tried: &Tried) {
    let key = Key::new("race", "a");
    tried
        .write(&key, Change::new().set("revision", 0), Condition::Absent)
        .await;
    for revision in 0..25_u64 {
        let racers = [1_u64, 2, 3].map(|racer| {
            let (table, key) = (tried.table.clone(), key.clone());
            tokio::spawn(async move {
                let change = Change::new().set("revision", revision + 1).set("winner", racer);
                table.write(&key, change, Condition::is("revision", revision)).await
            })
        });
        let mut winners = Vec::new();
        for (racer, outcome) in (1_u64..).zip(racers) {
            match outcome.await.unwrap() {
                Ok(()) => winners.push(racer),
                Err(TableError::NotAsWanted { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let stored = tried.get(&key).await.unwrap();
        assert_eq!((winners.len(), stored.number("winner")), (1, winners.first().copied()));
        assert_eq!(stored.number("revision"), Some(revision + 1));
    }
}

/// Claims about what only a service can do.
async fn fails_in_the_right_words(stand_in: &StandIn) {
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

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_simulations_holds_every_claim() {
    let tried = Tried {
        table: Arc::new(MemoryTable::new()),
        tells_stored: true,
        takes_empty_changes: true,
    };
    holds_every_claim(&tried).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_dynalite_holds_every_claim() {
    let stand_in = StandIn::dynalite().await;
    let tried = Tried {
        table: Arc::new(stand_in.table("rekeyd").await),
        tells_stored: false,
        takes_empty_changes: true,
    };
    holds_every_claim(&tried).await;
    fails_in_the_right_words(&stand_in).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_moto_holds_every_claim() {
    let stand_in = StandIn::moto().await;
    let tried = Tried {
        table: Arc::new(stand_in.table("rekeyd").await),
        tells_stored: true,
        takes_empty_changes: false,
    };
    holds_every_claim(&tried).await;
    fails_in_the_right_words(&stand_in).await;
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
        let begun = Instant::now();
        let outcome = table.write(&Key::new("a", "b"), Change::new(), Condition::Absent).await;
        assert!(matches!(outcome, Err(TableError::Unanswered { .. })), "{outcome:?}");
        assert!(
            begun.elapsed() < ATTEMPT_TIMEOUT + Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
    }
}
