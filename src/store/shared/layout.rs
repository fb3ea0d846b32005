//! Where things lie in the table that replicas share. docs/DYNAMODB.md describes the same for operators.
//!
//! | partition | sort key | what |
//! |---|---|---|
//! | `RECORD#<shard>` | the secret's ARN | its record, its lease, what its holder shows of it, and the journal of its last saves |
//! | `HISTORY#<ARN>` | `<time>#<revision>#<number>` | a line of a secret's history; [`EXPIRES`] removes it |
//! | `OUTBOX` | a target's name | that something was ever to be told it |
//! | `OUTBOX#<target>` | `<time>#<id>` | a message that waits for it |
//! | `FLEET` | `SESSION#<id>` | a process of rekeyd, alive while its [`BEAT`] changes |
//! | `FLEET` | `GATE#<name>` | a gate, and who is in it |
//! | `FLEET` | `COMMAND#<id>`, `REPLY#<id>#<session>` | what an operator asks of the fleet, and what came of it |
//! | `REPLY#<id>` or `REPLY#<id>#<session>` | `<number>` | a part of a reply that is long: no replica has to read it with the rest of `FLEET` |
//! | `CHECK` | `CHECK` | what a health check reads and writes |
//! | `IMPORT` | `IMPORT` | that an import has begun and has not ended |
//!
//! The item of a secret may lack its record: its [`REVISION`] is 0 then, and it holds a lease, or the history of a secret whose
//! record was lost. Only saves set [`REVISION`], [`WRITE`], [`JOURNAL`] and [`WRITTEN_AT`]; only leases [`FENCE`], [`HOLDER`] and
//! [`SIGHT`], except that a new record's item begins with fence 0.

use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::store::table::Key;

/// How many partitions the records are spread over: DynamoDB serves 1,000 writes a second of one partition.
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>)
pub const SHARDS: u8 = 16;

/// The partition of sessions, gates and commands. One query of it tells a replica what is new.
pub const FLEET: &str = "FLEET";
/// What the sort keys of sessions begin with.
pub const SESSION: &str = "SESSION#";
/// What the sort keys of gates begin with.
pub const GATE: &str = "GATE#";
/// What the sort keys of commands begin with.
pub const COMMAND: &str = "COMMAND#";
/// What the sort keys of replies begin with.
pub const REPLY: &str = "REPLY#";
/// The partition that lists the targets of notifications.
pub const TARGETS: &str = "OUTBOX";

/// When DynamoDB may remove an item, in seconds since 1970: the table's TTL attribute.
pub const EXPIRES: &str = "expires";
/// How often a record was written. A save is conditional on it.
pub const REVISION: &str = "revision";
/// How often a secret's lease changed hands. Taking or giving it is conditional on it.
pub const FENCE: &str = "fence";
/// The id of the session that holds a secret's lease; absent while nobody does.
pub const HOLDER: &str = "holder";
/// A record, as JSON.
pub const RECORD: &str = "record";
/// What a secret's holder shows of it, as JSON.
pub const SIGHT: &str = "sight";
/// Events and messages of the last saves that may lack items of their own yet, as JSON.
pub const JOURNAL: &str = "journal";
/// Which write made an item what it is: whoever lost the reply to its own tells by this whether it was carried out.
pub const WRITE: &str = "write";
/// When a record was last written, in milliseconds since 1970 by its writer's clock.
pub const WRITTEN_AT: &str = "written_at";
/// The form that a record was written in.
pub const SCHEMA: &str = "schema";
/// A session's counter. The session is alive while it moves.
pub const BEAT: &str = "beat";
/// What a session wrote lately, as JSON.
pub const CHANGES: &str = "changes";

/// A line of a secret's history, as JSON.
pub const ENTRY: &str = "entry";
/// The id of a message that waits.
pub const ID: &str = "id";
/// A message that waits, as JSON.
pub const OUTGOING: &str = "outgoing";
/// Which of an import's lines an item was, from 1: an export gives it back in the same place.
pub const PLACE: &str = "place";
/// The machine that a session runs on, by its name.
pub const HOST: &str = "host";
/// The number of a session's process there.
pub const PID: &str = "pid";
/// The release of rekeyd that a session runs.
pub const RELEASE: &str = "release";
/// What a session's configuration comes to: sessions of the same share secrets.
pub const FINGERPRINT: &str = "fingerprint";
/// How many leases a session held when it beat last.
pub const LEASES: &str = "leases";
/// The secret that passed a gate, and has not left it.
pub const SECRET: &str = "secret";
/// The secrets that passed a gate last, oldest first, as JSON.
pub const PASSED: &str = "passed";

/// The form that this release writes records in, and the newest that it reads.
pub const KNOWN_SCHEMA: u64 = 1;

/// The partition of a shard, counted from 0.
pub fn shard(number: u8) -> String {
    format!("RECORD#{number:02x}")
}

/// Where the record of a secret lies.
pub fn record(secret_arn: &str) -> Key {
    let first = Sha256::digest(secret_arn.as_bytes())
        .first()
        .copied()
        .unwrap_or_default();
    Key::new(shard(first % SHARDS), secret_arn)
}

/// The partition of a secret's history.
pub fn history_of(secret_arn: &str) -> String {
    format!("HISTORY#{secret_arn}")
}

/// Where a line of a secret's history lies: the `number`th that was saved with this revision of its record.
pub fn history(secret_arn: &str, at: Timestamp, revision: u64, number: usize) -> Key {
    Key::new(
        history_of(secret_arn),
        format!("{}#{revision:020}#{number:04}", sortable(at)),
    )
}

/// The partition of what waits for a target.
pub fn outbox_of(target: &str) -> String {
    format!("OUTBOX#{target}")
}

/// Where a message for a target lies.
pub fn outgoing(target: &str, at: Timestamp, id: &str) -> Key {
    Key::new(outbox_of(target), format!("{}#{id}", sortable(at)))
}

/// Where a session lies.
pub fn session(id: &str) -> Key {
    Key::new(FLEET, format!("{SESSION}{id}"))
}

/// Where a gate lies.
pub fn gate(name: &str) -> Key {
    Key::new(FLEET, format!("{GATE}{name}"))
}

/// Where a command lies.
pub fn command(id: &str) -> Key {
    Key::new(FLEET, format!("{COMMAND}{id}"))
}

/// Where a session's reply to a command lies.
pub fn reply(command: &str, session: &str) -> Key {
    Key::new(FLEET, format!("{REPLY}{command}#{session}"))
}

/// The partition of the parts of a long reply, whose head lies here.
pub fn parts_of(head: &Key) -> String {
    match head.sort.strip_prefix(COMMAND) {
        Some(id) => format!("{REPLY}{id}"),
        None => head.sort.clone(),
    }
}

/// Where a part of a long reply lies, counted from 0.
pub fn part(head: &Key, number: usize) -> Key {
    Key::new(parts_of(head), format!("{number:04}"))
}

/// What a health check reads and writes.
pub fn check() -> Key {
    Key::new("CHECK", "CHECK")
}

/// That an import has begun and has not ended.
pub fn import() -> Key {
    Key::new("IMPORT", "IMPORT")
}

/// A time as text that sorts as times do.
pub fn sortable(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
