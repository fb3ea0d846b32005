//! How a record is saved: one conditional write of the secret's item, then the items of its journal.

use sha2::{Digest, Sha256};

use super::item::milliseconds;
use super::steady::Attempts;
use super::{Journal, Known, SharedStore, layout};
use crate::clock::Timestamp;
use crate::rotation::event::Event;
use crate::rotation::state::Record;
use crate::store::StoreError;
use crate::store::outbox::Outgoing;
use crate::store::table::{Change, Condition, Item, Key, Table, TableError, Value};

/// What it is called in errors.
const ACTION: &str = "writing a record";

/// How often a save begins anew because its item is not what it was taken for.
const SURPRISES: u32 = 4;

/// A save, ready to be written.
struct Draft<'a> {
    record: &'a Record,
    json: String,
    events: &'a [(Timestamp, Event)],
    outgoing: &'a [Outgoing],
    /// Which write it is. The same save of the same process has the same, so that one whose reply was lost is known when it
    /// is tried again, by whomever.
    write: String,
    /// The session that must hold the secret's lease.
    holder: Option<String>,
}

/// What a save takes the item to be.
enum Base {
    /// There is none.
    Nothing,
    /// Of this revision, with a journal that may lack items of its own, last written then.
    At {
        revision: u64,
        journal: Journal,
        written_at: u64,
    },
}

impl Base {
    fn of(known: Known) -> Self {
        Self::At {
            revision: known.revision,
            journal: known.journal.after(known.settled),
            written_at: known.written_at,
        }
    }
}

/// What came of a write.
enum Written {
    /// It is there, with this revision.
    At(u64),
    /// The item is something else, on which it can be written all the same.
    Not(Base),
}

impl SharedStore {
    /// Saves a record.
    pub(super) async fn saved(
        &self,
        record: &Record,
        events: &[(Timestamp, Event)],
        outgoing: &[Outgoing],
    ) -> Result<u64, StoreError> {
        let draft = self.draft(record, events, outgoing)?;
        let mut next = self.base(&draft).await?;
        for _ in 0..SURPRISES {
            match next {
                Written::At(revision) => {
                    self.presence.note(&record.secret_arn);
                    self.follow(&record.secret_arn, revision).await;
                    return Ok(revision);
                }
                Written::Not(base) => next = self.write_on(&draft, base).await?,
            }
        }
        Err(self.refused(
            ACTION,
            "its item is made and removed again and again by another program",
        ))
    }

    fn draft<'a>(
        &self,
        record: &'a Record,
        events: &'a [(Timestamp, Event)],
        outgoing: &'a [Outgoing],
    ) -> Result<Draft<'a>, StoreError> {
        let json = |error: serde_json::Error| self.refused(ACTION, error);
        let text = serde_json::to_string(record).map_err(json)?;
        let mut hash = Sha256::new();
        hash.update(self.nonce.to_be_bytes());
        hash.update(record.revision.to_be_bytes());
        hash.update(&text);
        hash.update(serde_json::to_vec(&(events, outgoing)).map_err(json)?);
        let hash = hash.finalize();
        let asked_for = events.iter().all(|(_, event)| event.is_asked_for());
        Ok(Draft {
            record,
            json: text,
            events,
            outgoing,
            write: hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect(),
            holder: self.presence.session().filter(|_| !asked_for),
        })
    }

    /// What the item is taken to be: as it was when the record was read.
    async fn base(&self, draft: &Draft<'_>) -> Result<Written, StoreError> {
        let (arn, revision) = (&draft.record.secret_arn, draft.record.revision);
        let known = self.memory().secrets.get(arn).cloned();
        match known {
            Some(known) if known.revision == revision && (revision > 0 || !known.readable) => {
                return Ok(Written::Not(Base::of(known)));
            }
            _ if revision == 0 => return Ok(Written::Not(Base::Nothing)),
            _ => {}
        }
        let item = self.table.get(&layout::record(arn)).await;
        let item = item.map_err(self.failed(ACTION))?;
        let doubtful = self.doubts(draft);
        self.judge(draft, item.as_ref(), (true, doubtful)).await
    }

    /// What to make of an item that is not as a save was to find it, or was not looked at yet (`unseen`). `doubtful` is whether
    /// this save may have been carried out before.
    async fn judge(
        &self,
        draft: &Draft<'_>,
        item: Option<&Item>,
        (unseen, doubtful): (bool, bool),
    ) -> Result<Written, StoreError> {
        // Somebody has emptied the table: what this process knows is all there is.
        let Some(item) = item else {
            self.memory().secrets.remove(&draft.record.secret_arn);
            return Ok(Written::Not(Base::Nothing));
        };
        let stored = self.stored(item)?;
        if stored.write.as_deref() == Some(&draft.write) {
            return Ok(Written::At(stored.revision));
        }
        let session = self.presence.session();
        let held = session.is_some() && stored.holder == session;
        let others = draft.holder.is_some() && !held;
        let is_expected = unseen && stored.revision == draft.record.revision;
        match stored.record {
            Some(record) if !is_expected => match doubtful && self.has_line(draft, &stored.journal).await? {
                // Others have written since, on what this save wrote.
                true => Ok(Written::At(draft.record.revision + 1)),
                false => Err(self.changed(record, held)),
            },
            // A record that nobody can read, or none yet. Who may not write one is told of a blank one.
            None if others => {
                let blank = Record::new(draft.record.secret_arn.clone(), self.clock.now());
                Err(self.changed(blank, held))
            }
            _ => {
                let known = self.memory().secrets.get(&stored.secret_arn).cloned();
                Ok(Written::Not(Base::of(known.unwrap_or_default())))
            }
        }
    }

    /// Whether the first line of a save's history is there: then the save was carried out.
    async fn has_line(&self, draft: &Draft<'_>, stored: &Journal) -> Result<bool, StoreError> {
        let (arn, revision) = (&draft.record.secret_arn, draft.record.revision + 1);
        let events = draft.events.get(..1).unwrap_or_default();
        let line = Journal::of(arn, events, &[], revision).map_err(|error| self.refused(ACTION, error))?;
        let Some(line) = line.lines.first() else {
            return Ok(false);
        };
        if stored.lines.contains(line) {
            return Ok(true);
        }
        let key = layout::history(arn, line.at, line.revision, line.number);
        let item = self.table.get(&key).await.map_err(self.failed(ACTION))?;
        Ok(item.is_some_and(|item| item.text(layout::ENTRY) == Some(&line.entry)))
    }

    /// Whether the last attempt at this save was never answered.
    fn doubts(&self, draft: &Draft<'_>) -> bool {
        self.memory().doubts.get(&draft.record.secret_arn) == Some(&draft.write)
    }

    fn changed(&self, stored: Record, held: bool) -> StoreError {
        StoreError::Changed {
            location: self.table.0.location().to_owned(),
            stored: Box::new(stored),
            held,
        }
    }

    /// Writes the record on an item as it is taken to be, and then the items of its journal.
    async fn write_on(&self, draft: &Draft<'_>, base: Base) -> Result<Written, StoreError> {
        let arn = &draft.record.secret_arn;
        let (before, carried, last) = match base {
            Base::Nothing => (None, Journal::default(), 0),
            Base::At {
                revision,
                journal,
                written_at,
            } => (Some(revision), journal, written_at),
        };
        let revision = before.unwrap_or(draft.record.revision) + 1;
        let fresh = Journal::of(arn, draft.events, draft.outgoing, revision);
        let fresh = fresh.map_err(|error| self.refused(ACTION, error))?;
        let journal = self.bounded(arn, carried, fresh).await?;
        let written_at = self.dated(draft.events).max(last);
        let change = change(draft, revision, &journal, written_at, before.is_none());
        let change = change.map_err(|error| self.refused(ACTION, error))?;
        let key = layout::record(arn);
        match self.write_once(draft, &key, change, condition(draft, before)).await {
            Ok(()) => {}
            Err(TableError::NotAsWanted { stored }) => {
                let item = match stored {
                    Some(stored) => Some(*stored),
                    None => self.table.get(&key).await.map_err(self.failed(ACTION))?,
                };
                let doubtful = self.doubts(draft);
                match self.judge(draft, item.as_ref(), (false, doubtful)).await? {
                    // By an attempt whose reply was lost.
                    Written::At(there) if there == revision => {}
                    other => return Ok(other),
                }
            }
            Err(error @ TableError::Unanswered { .. }) => self.look_for(&key, draft, error).await?,
            Err(error) => return Err(self.refused(ACTION, error)),
        }
        self.written(draft, revision, journal, written_at);
        Ok(Written::At(revision))
    }

    /// Writes until there is an answer. A second attempt cannot write twice: the first one would have changed the revision.
    async fn write_once(&self, draft: &Draft<'_>, key: &Key, change: Change, on: Condition) -> Result<(), TableError> {
        let mut attempts = Attempts::default();
        loop {
            match self.table.write(key, change.clone(), on.clone()).await {
                Err(error @ TableError::Unanswered { .. }) => {
                    let (arn, write) = (draft.record.secret_arn.clone(), draft.write.clone());
                    self.memory().doubts.insert(arn, write);
                    attempts.unanswered(error)?;
                }
                other => return other,
            }
        }
    }

    /// Whether a write that was never answered is there.
    async fn look_for(&self, key: &Key, draft: &Draft<'_>, error: TableError) -> Result<(), StoreError> {
        let item = self.table.get(key).await.map_err(self.failed(ACTION))?;
        match item.and_then(|item| item.text(layout::WRITE).map(str::to_owned)) {
            Some(write) if write == draft.write => Ok(()),
            _ => Err(self.refused(ACTION, error)),
        }
    }

    /// The journal of a save with what earlier ones left. What is too much for an item is written at once.
    async fn bounded(&self, arn: &str, carried: Journal, fresh: Journal) -> Result<Journal, StoreError> {
        let all = carried.clone().and(fresh.clone());
        if all.is_small() {
            return Ok(all);
        }
        self.put(arn, &carried).await.map_err(self.failed(ACTION))?;
        if fresh.is_small() {
            return Ok(fresh);
        }
        self.put(arn, &fresh).await.map_err(self.failed(ACTION))?;
        Ok(Journal::default())
    }

    /// When it is written: not before anything that it tells of.
    fn dated(&self, events: &[(Timestamp, Event)]) -> u64 {
        let newest = events.iter().map(|(at, _)| *at).max();
        milliseconds(self.clock.now().max(newest.unwrap_or(Timestamp::UNIX_EPOCH)))
    }

    fn written(&self, draft: &Draft<'_>, revision: u64, journal: Journal, written_at: u64) {
        let mut memory = self.memory();
        memory.doubts.remove(&draft.record.secret_arn);
        let known = memory.secrets.entry(draft.record.secret_arn.clone()).or_default();
        *known = Known {
            revision,
            readable: true,
            journal,
            settled: known.settled.min(revision - 1),
            behind: known.behind,
            written_at,
            write: Some(draft.write.clone()),
        };
    }
}

/// The write of a save.
fn change(
    draft: &Draft<'_>,
    revision: u64,
    journal: &Journal,
    written_at: u64,
    is_new: bool,
) -> serde_json::Result<Change> {
    let change = Change::new()
        .set(layout::RECORD, draft.json.as_str())
        .set(layout::REVISION, revision)
        .set(layout::WRITE, draft.write.as_str())
        .set(layout::WRITTEN_AT, written_at)
        .set(layout::SCHEMA, layout::KNOWN_SCHEMA);
    let change = match journal.is_empty() {
        true => change.remove(layout::JOURNAL),
        false => change.set(layout::JOURNAL, serde_json::to_string(journal)?),
    };
    // A lease is taken on condition of its number.
    Ok(match is_new {
        true => change.set(layout::FENCE, 0),
        false => change,
    })
}

/// What must hold of the item.
fn condition(draft: &Draft<'_>, before: Option<u64>) -> Condition {
    let Some(before) = before else {
        return Condition::Absent;
    };
    let mut wanted = vec![(layout::REVISION, Value::Number(before))];
    if let Some(holder) = &draft.holder {
        wanted.push((layout::HOLDER, Value::from(holder.as_str())));
    }
    Condition::Has(wanted)
}
