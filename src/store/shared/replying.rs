//! Writes that happen once although replies are lost, and the replies to commands, which may be too long for one item.

use std::time::Duration;

use super::command::{Answer, BODY, PARTS, Reply, STATE, STATUS, State, TAKEN_BY, expires};
use super::layout::{self, EXPIRES, HOST};
use crate::store::table::{Change, Condition, Item, Key, Query, Table, TableError, Value};

/// A body up to this length stands beside its status, in the partition that every replica reads twice a second.
const SHORT: usize = 16 * 1024;

/// The longest part of a longer one: an item holds 400 KB, names included.
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>)
const LONGEST_PART: usize = 350 * 1024;

/// The longest body of a reply: the status of some 4,000 secrets. It costs a write unit a KiB.
pub const LONGEST_REPLY: usize = 8 * 1024 * 1024;

/// Between the first two tries; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How often a write of a reply is tried: for half a minute, after which nobody waits for it.
const TRIES: u32 = 18;

/// Whether nobody knows of some try what became of it: it may still arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Doubt(pub bool);

/// A write that was not made, as far as is known.
#[derive(Debug)]
pub struct NotWritten {
    /// What the last try failed with; [`TableError::NotAsWanted`] if the item is somebody else's.
    pub error: TableError,
    /// Whether an earlier try, or this one, may have been made all the same or may still be.
    pub doubt: Doubt,
}

/// Tries a conditional write until it is known to have been made or not, `tries` times at most. `is_ours` tells from an item
/// that does not fit the condition whether it is because of this very write.
///
/// # Errors
/// [`NotWritten`]
pub async fn write_once(
    table: &dyn Table,
    key: &Key,
    (change, on): (Change, Condition),
    is_ours: impl Fn(&Item) -> bool + Send + Sync,
    tries: u32,
) -> Result<Doubt, NotWritten> {
    let mut doubt = Doubt(false);
    let mut pause = FIRST_PAUSE;
    for left in (0..tries.max(1)).rev() {
        let error = match table.write(key, change.clone(), on.clone()).await {
            Ok(()) => return Ok(doubt),
            Err(error @ TableError::NotAsWanted { .. }) => match table.get(key).await {
                Ok(Some(item)) if is_ours(&item) => return Ok(doubt),
                Ok(_) => return Err(NotWritten { error, doubt }),
                Err(unread) => unread,
            },
            Err(error) => error,
        };
        doubt.0 |= matches!(error, TableError::Unanswered { .. } | TableError::Failed { .. });
        if left == 0 || matches!(error, TableError::Refused { .. }) {
            return Err(NotWritten { error, doubt });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    let error = TableError::Failed {
        cause: "not tried".to_owned(),
    };
    Err(NotWritten { error, doubt })
}

/// Who replies: a replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replier {
    /// Its session.
    pub session: String,
    /// Its host.
    pub host: String,
}

/// Writes the reply to a command that this replica took. One that its asker has given up meanwhile has no place for it.
///
/// # Errors
/// [`NotWritten`]
pub async fn reply_to_taken(
    table: &dyn Table,
    id: &str,
    by: &Replier,
    reply: &Reply,
    now: u64,
) -> Result<(), NotWritten> {
    let key = layout::command(id);
    let change = head(table, &key, reply, now).await?.set(STATE, State::Done.label());
    let mine = Condition::Has(vec![
        (STATE, Value::from(State::Taken.label())),
        (TAKEN_BY, Value::from(by.session.as_str())),
    ]);
    let is_done =
        |item: &Item| State::of(item) == Some(State::Done) && item.text(TAKEN_BY) == Some(by.session.as_str());
    write_once(table, &key, (change, mine), is_done, TRIES).await?;
    Ok(())
}

/// Writes this replica's reply to a command that each carries out.
///
/// # Errors
/// [`NotWritten`]
pub async fn reply_of_one(
    table: &dyn Table,
    id: &str,
    by: &Replier,
    reply: &Reply,
    now: u64,
) -> Result<(), NotWritten> {
    let key = layout::reply(id, &by.session);
    let change = head(table, &key, reply, now).await?;
    let change = change.set(HOST, by.host.as_str()).set(EXPIRES, expires(now));
    // Nobody else writes what this session says.
    write_once(table, &key, (change, Condition::Absent), |_| true, TRIES).await?;
    Ok(())
}

/// What tells of a reply, whose parts are written by then if it has any.
async fn head(table: &dyn Table, key: &Key, reply: &Reply, now: u64) -> Result<Change, NotWritten> {
    let change = Change::new().set(STATUS, u64::from(reply.status));
    if reply.body.len() <= SHORT {
        return Ok(change.set(BODY, reply.body.as_str()));
    }
    let parts = split(&reply.body, LONGEST_PART);
    for (number, part) in parts.iter().enumerate() {
        let change = Change::new().set(BODY, *part).set(EXPIRES, expires(now));
        write_once(
            table,
            &layout::part(key, number),
            (change, Condition::Absent),
            |_| true,
            TRIES,
        )
        .await?;
    }
    Ok(change.set(PARTS, parts.len() as u64))
}

/// A text in parts of so many bytes at most.
fn split(text: &str, longest: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > longest {
        let (part, tail) = rest.split_at(rest.floor_char_boundary(longest));
        parts.push(part);
        rest = tail;
    }
    parts.push(rest);
    parts
}

/// The reply that an item tells of; nothing if there is none, or not all of it.
///
/// # Errors
/// When its parts cannot be read.
pub async fn read_reply(table: &dyn Table, item: &Item) -> Result<Option<Reply>, TableError> {
    let (status, count) = match Answer::of(item) {
        None => return Ok(None),
        Some(Answer::Whole(reply)) => return Ok(Some(reply)),
        Some(Answer::InParts(status, count)) => (status, count),
    };
    let parts = table.query(&Query::all(layout::parts_of(&item.key))).await?;
    if parts.len() as u64 != count {
        return Ok(None);
    }
    let body = parts.iter().filter_map(|part| part.text(BODY)).collect();
    Ok(Some(Reply { status, body }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::table::memory::MemoryTable;

    fn me() -> Replier {
        Replier {
            session: "s1".to_owned(),
            host: "h1".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_long_reply_comes_back_whole_and_leaves_the_fleets_partition_small() {
        let table = MemoryTable::new();
        for (id, letters) in [("short", 10), ("long", SHORT + 1), ("longer", 3 * LONGEST_PART)] {
            let reply = Reply {
                status: 200,
                body: "ü".repeat(letters / 2) + "x",
            };
            reply_of_one(&table, id, &me(), &reply, 0).await.unwrap();
            let item = table.get(&layout::reply(id, "s1")).await.unwrap().unwrap();
            let told: usize = item.text(BODY).map_or(0, str::len);
            assert!(told <= SHORT, "{id}: {told}");
            assert_eq!(read_reply(&table, &item).await.unwrap(), Some(reply), "{id}");
        }
        assert_eq!(table.count("REPLY#longer#s1").await.unwrap(), 4);
    }

    #[tokio::test]
    async fn a_reply_is_none_until_all_of_its_parts_are_there() {
        let table = MemoryTable::new();
        let reply = Reply {
            status: 200,
            body: "x".repeat(2 * LONGEST_PART),
        };
        reply_of_one(&table, "c", &me(), &reply, 0).await.unwrap();
        let head = layout::reply("c", "s1");
        let item = table.get(&head).await.unwrap().unwrap();
        table
            .delete(&layout::part(&head, 1), Condition::Has(Vec::new()))
            .await
            .unwrap();
        assert_eq!(read_reply(&table, &item).await.unwrap(), None);
    }

    #[tokio::test]
    async fn only_its_taker_replies_to_a_command() {
        let table = MemoryTable::new();
        let taken = Change::new().set(STATE, "taken").set(TAKEN_BY, "s2");
        table
            .write(&layout::command("c"), taken, Condition::Absent)
            .await
            .unwrap();
        let reply = Reply {
            status: 200,
            body: String::new(),
        };
        let error = reply_to_taken(&table, "c", &me(), &reply, 0).await.unwrap_err();
        assert!(matches!(error.error, TableError::NotAsWanted { .. }));
        let other = Replier {
            session: "s2".to_owned(),
            ..me()
        };
        reply_to_taken(&table, "c", &other, &reply, 0).await.unwrap();
        let item = table.get(&layout::command("c")).await.unwrap().unwrap();
        assert_eq!(read_reply(&table, &item).await.unwrap(), Some(reply));
    }
}
