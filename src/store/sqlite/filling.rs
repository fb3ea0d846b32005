//! A store that takes over what another one held.

use rusqlite::TransactionBehavior;

use super::letters::Letter;
use super::rows::{self, Change, Moved};
use super::{Location, SqliteStore};
use crate::store::StoreError;
use crate::store::exported::Exported;

/// What it is called in errors.
const ACTION: &str = "importing into it";

impl SqliteStore {
    /// Whether it holds nothing: no record, no history and nothing that waits to be told.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the file cannot be read.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        self.perform("looking whether it holds anything", |connection| {
            rows::is_empty(connection)
        })
        .await
    }

    /// Writes all that another store held into this one, which is empty, in one transaction: whatever interrupts it leaves
    /// the store as it was.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when it cannot be written.
    pub async fn fill(&self, exported: Exported) -> Result<(), StoreError> {
        let location = self.owned.location.clone();
        let (records, history) = prepared(&exported, &location)?;
        let outbox: Vec<Letter> = exported.outbox.iter().map(Letter::new).collect();
        drop(exported);
        self.write(ACTION, move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for record in &records {
                record.write(&transaction)?;
            }
            for entry in &history {
                entry.write(&transaction)?;
            }
            for letter in &outbox {
                letter.write(&transaction)?;
            }
            rows::date_records(&transaction)?;
            transaction.commit()
        })
        .await
    }
}

fn prepared(exported: &Exported, location: &Location) -> Result<(Vec<Change>, Vec<Moved>), StoreError> {
    let records = exported.records.iter().map(|record| Change::new(record, &[], &[]));
    let history = exported.history.iter().map(Moved::new);
    records
        .collect::<serde_json::Result<_>>()
        .and_then(|records| Ok((records, history.collect::<serde_json::Result<_>>()?)))
        .map_err(|error| location.refused(ACTION, error.to_string()))
}
