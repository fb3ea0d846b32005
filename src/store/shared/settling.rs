//! How what a save led to gets items of its own: from the journal in the record's item, by whoever finds it there.

use std::sync::atomic::Ordering;

use super::{Journal, Known, SharedStore, Stored, layout};
use crate::store::StoreError;
use crate::store::table::{Change, Condition, Table, TableError, Value};

impl SharedStore {
    /// Writes the items of the last save's journal. If that fails the record is written all the same, and has the journal.
    pub(super) async fn follow(&self, arn: &str, revision: u64) {
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

    /// Writes what is left of journals whose items could not be written, or whose writer is gone.
    pub(super) async fn catch_up(&self) {
        for arn in self.presence.taken() {
            // What is missing of a history is shown all the same, and written with the next save.
            let settled = match self.read(&arn).await {
                Ok(Some(stored)) if !stored.journal.letters.is_empty() => self.settle_journal(&stored).await,
                other => other.map(drop),
            };
            if settled.is_err() {
                self.presence.took(&arn);
            }
        }
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
    pub(super) async fn put(&self, arn: &str, journal: &Journal) -> Result<(), TableError> {
        self.list_targets(journal).await?;
        let items = journal.items(arn);
        match <[_; 1]>::try_from(items) {
            Ok([(key, change)]) => self.table.put(&key, change).await,
            Err(items) => self.table.put_all(items).await,
        }
    }
}
