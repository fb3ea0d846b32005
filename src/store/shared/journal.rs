//! What the last saves of a record led to and may not have written yet. It lies in the record's item, so that it is there exactly
//! if the record is; the items of its lines and letters follow, and may be written by anybody, any number of times.

use serde::{Deserialize, Serialize};

use super::layout;
use crate::clock::Timestamp;
use crate::rotation::event::Event;
use crate::store::HistoryEntry;
use crate::store::outbox::Outgoing;
use crate::store::table::{Change, Key};

/// How long a line of a history is kept, in seconds: 400 days. Then DynamoDB removes it.
pub const KEPT: i64 = 400 * 24 * 3_600;

/// How many lines and letters a journal may have.
const MOST: usize = 256;

/// How many bytes of them. An item of DynamoDB has 400 KB, and a record is few of them.
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>)
const MOST_BYTES: usize = 64 * 1024;

/// A line of a history that may lack an item of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// The revision of the record that came with it.
    pub revision: u64,
    /// Which line of that save it is.
    pub number: usize,
    /// When it happened.
    pub at: Timestamp,
    /// The entry of the history, as JSON: it is passed on even by a release that does not know its event.
    pub entry: String,
}

/// A message that may lack an item of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Letter {
    /// The revision of the record that came with it.
    pub revision: u64,
    /// The message.
    pub outgoing: Outgoing,
}

/// All of a record's.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Journal {
    /// Lines of its history.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// Messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub letters: Vec<Letter>,
}

impl Journal {
    /// That of a save.
    pub(super) fn of(
        secret_arn: &str,
        events: &[(Timestamp, Event)],
        outgoing: &[Outgoing],
        revision: u64,
    ) -> serde_json::Result<Self> {
        let line = |(number, (at, event)): (usize, &(Timestamp, Event))| {
            let entry = HistoryEntry {
                at: *at,
                secret_arn: secret_arn.to_owned(),
                event: event.clone(),
            };
            Ok(Line {
                revision,
                number,
                at: *at,
                entry: serde_json::to_string(&entry)?,
            })
        };
        let letter = |outgoing: &Outgoing| Letter {
            revision,
            outgoing: outgoing.clone(),
        };
        Ok(Self {
            lines: events.iter().enumerate().map(line).collect::<serde_json::Result<_>>()?,
            letters: outgoing.iter().map(letter).collect(),
        })
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.letters.is_empty()
    }

    /// What came with a later revision than this.
    pub(super) fn after(mut self, revision: u64) -> Self {
        self.lines.retain(|line| line.revision > revision);
        self.letters.retain(|letter| letter.revision > revision);
        self
    }

    /// This one, and then the other.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.lines.extend(other.lines);
        self.letters.extend(other.letters);
        self
    }

    /// Whether it may lie in an item.
    pub(super) fn is_small(&self) -> bool {
        // What each has beside its text is some 150 bytes.
        let lines = self.lines.iter().map(|line| line.entry.len() + 150);
        let letters = self.letters.iter().map(|letter| letter.outgoing.message.len() + 150);
        self.lines.len() + self.letters.len() <= MOST && lines.chain(letters).sum::<usize>() <= MOST_BYTES
    }

    /// The items of its lines and letters.
    pub(super) fn items(&self, secret_arn: &str) -> Vec<(Key, Change)> {
        let line = |line: &Line| {
            let key = layout::history(secret_arn, line.at, line.revision, line.number);
            (key, history_item(&line.entry, line.at))
        };
        let letter = |letter: &Letter| (letter_key(&letter.outgoing), letter_item(&letter.outgoing));
        let lines = self.lines.iter().map(line);
        lines.chain(self.letters.iter().map(letter)).collect()
    }

    /// The targets of its letters.
    pub(super) fn targets(&self) -> impl Iterator<Item = &str> {
        self.letters.iter().map(|letter| letter.outgoing.target.as_str())
    }
}

/// The item of a line of a history, which is kept from this moment on.
pub(super) fn history_item(entry: &str, kept_from: Timestamp) -> Change {
    let expires = kept_from.timestamp().saturating_add(KEPT);
    Change::new()
        .set(layout::ENTRY, entry)
        .set(layout::EXPIRES, u64::try_from(expires).unwrap_or_default())
}

/// Where a message lies.
pub(super) fn letter_key(outgoing: &Outgoing) -> Key {
    layout::outgoing(&outgoing.target, outgoing.at, &outgoing.id)
}

/// The item of a message.
pub(super) fn letter_item(outgoing: &Outgoing) -> Change {
    // Names, dates and text: none of them is anything that JSON lacks.
    let json = serde_json::to_string(outgoing).unwrap_or_default();
    Change::new()
        .set(layout::ID, outgoing.id.as_str())
        .set(layout::OUTGOING, json)
}
