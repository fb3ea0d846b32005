//! How a record is saved: one conditional write of the secret's item, then the items of its journal.

use std::sync::atomic::Ordering;

use sha2::{Digest, Sha256};

use super::item::milliseconds;
use super::steady::Attempts;
use super::{Journal, Known, SharedStore, Stored, layout};
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
        self.judge(draft, item.as_ref(), true)
    }

    /// What to make of an item that is not as a save was to find it, or was not looked at yet.
    fn judge(&self, draft: &Draft<'_>, item: Option<&Item>, unseen: bool) -> Result<Written, StoreError> {
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
            Some(record) if !is_expected => Err(self.changed(record, held)),
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
        match self.write_once(&key, change, condition(draft, before)).await {
            Ok(()) => {}
            Err(TableError::NotAsWanted { stored }) => {
                let item = match stored {
                    Some(stored) => Some(*stored),
                    None => self.table.get(&key).await.map_err(self.failed(ACTION))?,
                };
                match self.judge(draft, item.as_ref(), false)? {
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
    async fn write_once(&self, key: &Key, change: Change, on: Condition) -> Result<(), TableError> {
        let mut attempts = Attempts::default();
        loop {
            match self.table.write(key, change.clone(), on.clone()).await {
                Err(error @ TableError::Unanswered { .. }) => attempts.unanswered(error)?,
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

    /// Writes the items of the last save's journal. If that fails the record is written all the same, and has the journal.
    async fn follow(&self, arn: &str, revision: u64) {
        let known = self.memory().secrets.get(arn).cloned();
        let Some(known) = known.filter(|known| known.revision == revision) else {
            return;
        };
        let Err(error) = self.settle(arn, &known).await else {
            self.behind.store(false, Ordering::Relaxed);
            return;
        };
        if let Some(known) = self.memory().secrets.get_mut(arn) {
            known.behind = true;
        }
        match self.behind.swap(true, Ordering::Relaxed) {
            true => tracing::debug!(
                event = "journal_behind_still",
                secret_arn = arn,
                %error,
                "nor could these lines of the history, or notifications, be written beside their record"
            ),
            false => tracing::warn!(
                event = "journal_behind",
                secret_arn = arn,
                %error,
                "lines of the history, or notifications, could not be written beside their record, which has them; they are \
                 written with its next save, or by whoever reads the outbox or takes the secret over"
            ),
        }
    }

    /// Writes the items of a secret's journal, as often as may be. Whoever takes a secret over calls this: the process before
    /// may have ended between its last save and these items.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: some of them may be missing still.
    pub async fn settle_journal(&self, stored: &Stored) -> Result<(), StoreError> {
        let arn = &stored.secret_arn;
        let settled = self.memory().secrets.get(arn).map_or(0, |known| known.settled);
        let left = Known {
            settled,
            ..Known::of(stored)
        };
        let settling = self.settle(arn, &left).await;
        settling.map_err(self.failed("writing what a record led to"))
    }

    /// Writes what is left of journals whose items could not be written.
    pub(super) async fn catch_up(&self) {
        let left: Vec<(String, Known)> = {
            let memory = self.memory();
            let left = memory.secrets.iter().filter(|(_, known)| known.behind);
            left.map(|(arn, known)| (arn.clone(), known.clone())).collect()
        };
        for (arn, known) in left {
            if self.settle(&arn, &known).await.is_err() {
                return;
            }
        }
    }

    /// Writes the items of a journal, and remembers that they are there.
    async fn settle(&self, arn: &str, of: &Known) -> Result<(), TableError> {
        let journal = of.journal.clone().after(of.settled);
        self.put(arn, &journal).await?;
        if let Some(known) = self.memory().secrets.get_mut(arn) {
            known.settled = known.settled.max(of.revision.min(known.revision));
            known.journal = std::mem::take(&mut known.journal).after(known.settled);
            known.behind &= known.settled < known.revision;
        }
        // A message that was delivered lies nowhere any more: whoever takes the secret over must not send it again. That the
        // journal goes is for that alone, so it may fail.
        if let (false, Some(write)) = (journal.letters.is_empty(), &of.write) {
            let cleared = Change::new().remove(layout::JOURNAL);
            let on = Condition::Has(vec![
                (layout::REVISION, Value::Number(of.revision)),
                (layout::WRITE, Value::from(write.as_str())),
            ]);
            drop(self.table.write(&layout::record(arn), cleared, on).await);
        }
        Ok(())
    }

    /// Writes the items of a journal.
    async fn put(&self, arn: &str, journal: &Journal) -> Result<(), TableError> {
        self.list_targets(journal).await?;
        let items = journal.items(arn);
        match <[_; 1]>::try_from(items) {
            Ok([(key, change)]) => self.table.put(&key, change).await,
            Err(items) => self.table.put_all(items).await,
        }
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
