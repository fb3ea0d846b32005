//! Asking the fleet through its table: a command is written, and its reply waited for.
//!
//! Whoever asks is told the truth: that a command was carried out, that it was not and never will be, or that nobody knows.
//! No clock of two machines is compared for it: a command that nobody takes in time is withdrawn by a conditional write.

use std::collections::BTreeMap;
use std::time::Duration;

use super::command::{BODY, Command, Reply, STATE, State, TAKEN_BY};
use super::layout::{self, BEAT, EXPIRES, FLEET, HOST, SESSION};
use super::replying::{Doubt, NotWritten, read_reply, write_once};
use crate::store::table::{Change, Condition, Item, Key, Query, Table, TableError};

/// Between two looks at a command: as often as a replica looks, twice over.
const POLL: Duration = Duration::from_millis(250);

/// At every so many looks, the replicas' beats are looked at too.
const LOOKS_PER_BEAT: u32 = 4;

/// Where no replica has ever been seen, nobody waits for one longer than this.
const NOBODY: Duration = Duration::from_secs(3);

/// How often writing and withdrawing are tried.
const TRIES: u32 = 5;

/// How long is waited for a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// Until a replica has taken the command.
    pub taken: Duration,
    /// From then on, until its reply is there.
    pub answered: Duration,
}

impl Patience {
    /// For a look: longer than a replica's poll, and time to write a long reply.
    pub const LOOK: Self = Self {
        taken: Duration::from_secs(10),
        answered: Duration::from_secs(30),
    };
    /// For a command: a replica gives itself 30 s, and its own words should arrive.
    pub const COMMAND: Self = Self {
        taken: Duration::from_secs(20),
        answered: Duration::from_secs(40),
    };
}

/// What was seen of the replicas while a command waited.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Sessions {
    /// Their last beats.
    beats: BTreeMap<String, u64>,
    /// Those whose beat moved.
    moved: BTreeMap<String, ()>,
    looks: u32,
}

impl Sessions {
    /// How many the table names.
    pub fn known(&self) -> usize {
        self.beats.len()
    }

    /// How many of them were seen to live.
    pub fn alive(&self) -> usize {
        self.moved.len()
    }

    fn see(&mut self, items: &[Item]) {
        self.looks += 1;
        for item in items {
            let (session, beat) = (&item.key.sort, item.number(BEAT).unwrap_or_default());
            let before = self.beats.insert(session.clone(), beat);
            // One that comes while we look has just begun.
            if self.looks > 1 && before != Some(beat) {
                self.moved.insert(session.clone(), ());
            }
        }
    }
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum NotAnswered {
    /// The command could not be written, so nobody ever carries it out.
    #[error("the command could not be written: {0}")]
    NotAsked(TableError),
    /// Nobody took it in time. It was withdrawn, so nobody ever carries it out.
    #[error("no replica took the command, and it was withdrawn")]
    Withdrawn {
        /// What was seen of the replicas meanwhile.
        sessions: Sessions,
    },
    /// A replica took it, and its reply did not come in time: it may have been carried out.
    #[error("the replica {by} took the command and has not replied")]
    Lost {
        /// Its host, or its session.
        by: String,
    },
    /// The table fails, and nobody knows how far the command has come.
    #[error("the command may have been carried out, or may still be: {0}")]
    Unknown(TableError),
}

/// Has one replica carry a command out, and gives its reply.
///
/// # Errors
/// [`NotAnswered`], which says what is known of it then.
pub async fn ask(table: &dyn Table, command: &Command, patience: Patience) -> Result<Reply, NotAnswered> {
    let doubt = create(table, command).await?;
    let key = command.key();
    let mut sessions = Sessions::default();
    let mut taken = tokio::time::timeout(patience.taken, until_taken(table, &key, &mut sessions))
        .await
        .unwrap_or_default();
    if taken.is_none() {
        taken = match withdraw(table, command).await {
            Withdrawal::Done => return Err(NotAnswered::Withdrawn { sessions }),
            Withdrawal::Taken(item) => Some(*item),
            Withdrawal::Unknown(error) => return Err(NotAnswered::Unknown(error)),
        };
    }
    let replied = tokio::time::timeout(patience.answered, until_answered(table, &key)).await;
    let Ok(reply) = replied else {
        let by = taken.as_ref().and_then(|item| item.text(HOST).or(item.text(TAKEN_BY)));
        return Err(NotAnswered::Lost {
            by: by.unwrap_or("?").to_owned(),
        });
    };
    close(table, &key, doubt).await;
    Ok(reply)
}

/// Says that the reply was read. Where that fails a replica removes the item later, or in the end DynamoDB.
async fn close(table: &dyn Table, key: &Key, doubt: Doubt) {
    let short = Change::new().remove(BODY);
    let change = match doubt {
        Doubt(false) => short.set(STATE, State::Read.label()),
        // A try of which nobody knows what became of it may arrive yet: then the item must be there to be in its way.
        Doubt(true) => short,
    };
    let on = Condition::is(STATE, State::Done.label());
    table.write(key, change, on).await.unwrap_or_default();
}

/// Writes a command.
async fn create(table: &dyn Table, command: &Command) -> Result<Doubt, NotAnswered> {
    let creation = command.creation().map_err(|error| {
        NotAnswered::NotAsked(TableError::Failed {
            cause: error.to_string(),
        })
    })?;
    // Its id is nobody else's, so what lies there is this command, however far it has come.
    match write_once(table, &command.key(), (creation, Condition::Absent), |_| true, TRIES).await {
        Ok(doubt) => Ok(doubt),
        Err(NotWritten {
            error,
            doubt: Doubt(false),
        }) => Err(NotAnswered::NotAsked(error)),
        Err(NotWritten { error, .. }) => Err(match withdraw(table, command).await {
            Withdrawal::Done => NotAnswered::NotAsked(error),
            Withdrawal::Taken(_) | Withdrawal::Unknown(_) => NotAnswered::Unknown(error),
        }),
    }
}

/// Waits until a replica has taken the command, and gives its item; nothing if it is gone, or where there are no replicas.
async fn until_taken(table: &dyn Table, key: &Key, sessions: &mut Sessions) -> Option<Item> {
    let mut looks: u32 = 0;
    loop {
        match table.get(key).await {
            Ok(Some(item)) if State::of(&item) == Some(State::Waiting) => {}
            Ok(taken) => return taken,
            // Read again until the time is over.
            Err(_) => {}
        }
        if looks.is_multiple_of(LOOKS_PER_BEAT) {
            let query = Query {
                prefix: SESSION.to_owned(),
                ..Query::all(FLEET)
            };
            if let Ok(items) = table.query(&query).await {
                sessions.see(&items);
            }
        }
        if sessions.known() == 0 && POLL * looks >= NOBODY {
            return None;
        }
        looks = looks.saturating_add(1);
        tokio::time::sleep(POLL).await;
    }
}

/// Waits for the reply. What cannot be read is read again.
async fn until_answered(table: &dyn Table, key: &Key) -> Reply {
    loop {
        if let Ok(Some(item)) = table.get(key).await
            && State::of(&item) == Some(State::Done)
            && let Ok(Some(reply)) = read_reply(table, &item).await
        {
            return reply;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What came of withdrawing a command.
#[derive(Debug)]
pub enum Withdrawal {
    /// Nobody has carried it out, and nobody will.
    Done,
    /// It was taken before: here it is.
    Taken(Box<Item>),
    /// Nobody knows.
    Unknown(TableError),
}

/// Withdraws a command unless it was taken. What is left in its place keeps a delayed write from asking it again.
pub async fn withdraw(table: &dyn Table, command: &Command) -> Withdrawal {
    let key = command.key();
    let withdrawn = || {
        Change::new()
            .set(STATE, State::Withdrawn.label())
            .set(EXPIRES, super::command::expires(command.asked_at))
    };
    let is_ours = |item: &Item| State::of(item) == Some(State::Withdrawn);
    let mut unknown = TableError::Failed {
        cause: "not tried".to_owned(),
    };
    // Where it is neither waiting nor absent it was taken; where it is now this, now that, its own writes arrive late.
    for _ in 0..TRIES {
        for on in [Condition::is(STATE, State::Waiting.label()), Condition::Absent] {
            match write_once(table, &key, (withdrawn(), on), is_ours, TRIES).await {
                Ok(_) => return Withdrawal::Done,
                Err(NotWritten { error, .. }) => unknown = error,
            }
            if !matches!(unknown, TableError::NotAsWanted { .. }) {
                return Withdrawal::Unknown(unknown);
            }
        }
        match table.get(&key).await {
            Ok(Some(item)) if State::of(&item) != Some(State::Waiting) => return Withdrawal::Taken(Box::new(item)),
            Ok(_) => {}
            Err(error) => unknown = error,
        }
    }
    Withdrawal::Unknown(unknown)
}

/// Has every replica carry a command out, and gives the replies by session: when all of `expected` have replied, or `patience`
/// is over.
///
/// # Errors
/// When the command cannot be written: nobody is sure to carry it out then.
pub async fn ask_each(
    table: &dyn Table,
    command: &Command,
    expected: &[String],
    patience: Duration,
) -> Result<BTreeMap<String, Reply>, NotAnswered> {
    create(table, command).await?;
    let mut replies = BTreeMap::new();
    let all = async {
        while !expected.iter().all(|session| replies.contains_key(session)) {
            collect(table, &command.id, &mut replies).await;
            tokio::time::sleep(POLL).await;
        }
    };
    // Those that have not replied by then are missing.
    tokio::time::timeout(patience, all).await.unwrap_or_default();
    Ok(replies)
}

/// Takes in the replies that are there. Command and replies stay for replicas that join late; replicas remove them.
async fn collect(table: &dyn Table, id: &str, replies: &mut BTreeMap<String, Reply>) {
    let head = layout::reply(id, "");
    let query = Query {
        prefix: head.sort.clone(),
        ..Query::all(FLEET)
    };
    for item in table.query(&query).await.unwrap_or_default() {
        let Some(session) = item.key.sort.strip_prefix(&head.sort) else {
            continue;
        };
        if let Ok(Some(reply)) = read_reply(table, &item).await {
            replies.insert(session.to_owned(), reply);
        }
    }
}

#[cfg(test)]
mod tests;
