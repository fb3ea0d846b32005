//! Saves that wait for their turn are written together: a durable commit takes as long for many
//! records as for one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::rows::Change;
use crate::store::StoreError;

/// How one save ended.
pub(super) type Written = Result<(), StoreError>;

/// Saves that wait for their turn, in the order in which they came.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Vec<Save>>);

struct Save {
    change: Change,
    done: oneshot::Sender<Written>,
}

impl Waiting {
    /// Lets a change wait for the next commit, which may be another save's. A change whose receiver
    /// is dropped before that is not written.
    pub(super) fn put(&self, change: Change) -> oneshot::Receiver<Written> {
        let (done, written) = oneshot::channel();
        self.lock().push(Save { change, done });
        written
    }

    /// Writes all that wait in one transaction, all of it or nothing, and tells each how it ended.
    /// `failure` puts an error of the database into words; `refusal` is why nothing may be written.
    pub(super) fn commit(
        &self,
        connection: &mut Connection,
        refusal: Written,
        failure: impl FnOnce(&rusqlite::Error) -> StoreError,
    ) {
        let saves = std::mem::take(&mut *self.lock());
        let saves: Vec<Save> = saves.into_iter().filter(|save| !save.done.is_closed()).collect();
        let written = refusal.and_then(|()| write(connection, &saves).map_err(|error| failure(&error)));
        for save in saves {
            // Nobody may wait for it any more.
            let _ = save.done.send(written.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Save>> {
        // Whole at every moment: pushed to, or taken as one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(connection: &mut Connection, saves: &[Save]) -> rusqlite::Result<()> {
    if saves.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for save in saves {
        save.change.write(&transaction)?;
    }
    transaction.commit()
}
