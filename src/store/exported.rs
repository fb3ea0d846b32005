//! What a store holds as a file that any store can take: JSON lines.
//!
//! The first line is the [`Header`]. A line for each record follows, by ARN, then one for each entry of the history,
//! oldest first, and one for each
//! message that waits to be told, in order, all as a store keeps them. The header's numbers say where records end, and whether lines are missing.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::rotation::state::Record;
use crate::store::HistoryEntry;
use crate::store::outbox::Outgoing;

/// The form of the file that this release writes, and the newest that it reads.
pub const FORMAT: u64 = 2;

/// The first line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The form of the file: [`FORMAT`], or an earlier one.
    pub rekeyd_state: u64,
    /// When it was written.
    pub exported_at: Timestamp,
    /// The release that wrote it.
    pub release: String,
    /// How many records follow.
    pub records: usize,
    /// How many entries of the history follow them.
    pub history: usize,
    /// How many messages that wait to be told follow those; files of form 1 have none.
    #[serde(default)]
    pub outbox: usize,
}

/// A whole file.
#[derive(Clone, PartialEq, Debug)]
pub struct Exported {
    /// Its first line.
    pub header: Header,
    /// Its records, each of another secret.
    pub records: Vec<Record>,
    /// The history, oldest first.
    pub history: Vec<HistoryEntry>,
    /// What waits to be told, in order.
    pub outbox: Vec<Outgoing>,
}

/// What a store holds, to be exported.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Contents {
    /// Its records, by ARN.
    pub records: Vec<Record>,
    /// The history, oldest first.
    pub history: Vec<HistoryEntry>,
    /// What waits to be told, in order.
    pub outbox: Vec<Outgoing>,
    /// How much of it cannot be read, as the log told.
    pub unreadable: usize,
}

/// A file that is not whole, or that this release cannot read. No message holds what stands in the file where a file of
/// something else, such as a secret, might have been named.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// Its first line is none of ours.
    #[error("line 1: this is no file of `rekeyd state export`: its first line must be the header, with `rekeyd_state`")]
    Foreign,
    /// A newer release wrote it.
    #[error(
        "line 1: written in a newer form ({found}; this release knows {FORMAT}): import it with a newer release of rekeyd"
    )]
    Newer {
        /// Its form.
        found: u64,
    },
    /// A line is not what it should be.
    #[error("line {line}: {cause}{of_other_release}; export it again")]
    Broken {
        /// Which, from 1.
        line: usize,
        /// Why.
        cause: String,
        /// That another release wrote the file, if so.
        of_other_release: String,
    },
    /// Lines are missing at its end.
    #[error(
        "line {after}: the file ends here, and {lacking} of the {announced} lines that its header announces are missing: copy or export it again"
    )]
    Truncated {
        /// The last line that is there, from 1.
        after: usize,
        /// How many are missing.
        lacking: usize,
        /// How many lines should follow the header.
        announced: usize,
    },
}

impl Exported {
    /// Reads a whole file, and takes nothing of it unless all of it is sound.
    ///
    /// # Errors
    /// [`Unreadable`], with the first line that is wrong.
    pub fn read(file: &[u8]) -> Result<Self, Unreadable> {
        let file = file.strip_suffix(b"\n").unwrap_or(file);
        let mut lines = (1..).zip(file.split(|byte| *byte == b'\n'));
        let header = header(lines.next().map_or(&[], |(_, line)| line))?;
        let mut exported = Self {
            records: Vec::new(),
            history: Vec::new(),
            outbox: Vec::new(),
            header,
        };
        let mut secrets = BTreeSet::new();
        for (number, line) in lines {
            exported
                .take(line, &mut secrets)
                .map_err(|cause| exported.broken(number, cause))?;
        }
        let header = &exported.header;
        let announced = header
            .records
            .saturating_add(header.history)
            .saturating_add(header.outbox);
        let there = exported.records.len() + exported.history.len() + exported.outbox.len();
        match announced - there {
            0 => Ok(exported),
            lacking => Err(Unreadable::Truncated {
                after: there + 1,
                lacking,
                announced,
            }),
        }
    }

    /// Takes the next line, or tells what is wrong with it.
    fn take(&mut self, line: &[u8], secrets: &mut BTreeSet<String>) -> Result<(), String> {
        if self.records.len() < self.header.records {
            let record: Record = parsed(line, "a record")?;
            if !secrets.insert(record.secret_arn.clone()) {
                return Err(format!("a second record of {}", record.secret_arn));
            }
            self.records.push(record);
        } else if self.history.len() < self.header.history {
            self.history.push(parsed(line, "an entry of the history")?);
        } else if self.outbox.len() < self.header.outbox {
            self.outbox.push(parsed(line, "a notification")?);
        } else {
            return Err("more lines than the header announces".to_owned());
        }
        Ok(())
    }

    fn broken(&self, line: usize, cause: String) -> Unreadable {
        let (theirs, ours) = (&self.header.release, env!("CARGO_PKG_VERSION"));
        let of_other_release = match theirs == ours {
            true => String::new(),
            false => format!(" (release {theirs} wrote it, this is {ours})"),
        };
        Unreadable::Broken {
            line,
            cause,
            of_other_release,
        }
    }
}

fn header(line: &[u8]) -> Result<Header, Unreadable> {
    let value: Value = serde_json::from_slice(line).map_err(|_| Unreadable::Foreign)?;
    match value["rekeyd_state"].as_u64() {
        None | Some(0) => Err(Unreadable::Foreign),
        Some(found) if found > FORMAT => Err(Unreadable::Newer { found }),
        Some(_) => serde_json::from_value(value).map_err(|_| Unreadable::Foreign),
    }
}

fn parsed<T: DeserializeOwned>(line: &[u8], what: &str) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| {
        // The parser counts the lines of what it is given.
        let cause = error.to_string().replace(" at line 1 column ", ", at column ");
        format!("this is not {what}: {cause}")
    })
}

#[cfg(test)]
#[path = "exported_tests.rs"]
mod tests;
