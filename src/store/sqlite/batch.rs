//! Saves that wait are written together: a durable commit takes as long for many records as for one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::oneshot;

use super::rows::Change;
use crate::store::StoreError;

/// How one save ended.
pub(super) type Written = Result<(), StoreError>;

/// A change that waits to be written, and who waits for that.
pub(super) struct Save {
    change: Change,
    done: oneshot::Sender<Written>,
}

impl Save {
    /// Tells how it ended, if somebody still waits for it.
    pub(super) fn ended(self, written: Written) {
        let _ = self.done.send(written);
    }
}

/// Saves that wait, in the order in which they came.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Line>);

#[derive(Default)]
struct Line {
    saves: Vec<Save>,
    /// Whether somebody will write them.
    served: bool,
}

impl Waiting {
    /// Lets a change wait for the next commit, and tells who writes all that wait, if nobody does yet. A change
    /// whose receiver is dropped before that is not written.
    pub(super) fn put(self: &Arc<Self>, change: Change) -> (oneshot::Receiver<Written>, Option<Service>) {
        let (done, written) = oneshot::channel();
        let mut line = self.line();
        line.saves.push(Save { change, done });
        let first = !std::mem::replace(&mut line.served, true);
        let service = first.then(|| Service {
            waiting: self.clone(),
            over: false,
        });
        (written, service)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Whole at every moment: pushed to, or taken as one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to write all saves that wait, until none does. Given up before that, it fails those that are left.
pub(super) struct Service {
    waiting: Arc<Waiting>,
    /// Nobody waited, so that the next save begins another.
    over: bool,
}

impl Service {
    /// Takes all that wait, in their order. With none it is over.
    pub(super) fn take(&mut self) -> Option<Vec<Save>> {
        if self.is_over() {
            return None;
        }
        Some(std::mem::take(&mut self.waiting.line().saves))
    }

    /// Whether nobody waits any more. It is over then: the next save begins another.
    pub(super) fn is_over(&mut self) -> bool {
        let mut line = self.waiting.line();
        line.saves.retain(|save| !save.done.is_closed());
        if line.saves.is_empty() {
            line.served = false;
            self.over = true;
        }
        self.over
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if !self.over {
            let mut line = self.waiting.line();
            line.served = false;
            line.saves.clear();
        }
    }
}

/// Writes all of these in one transaction, and tells how each ended. One that the database will not have
/// does not fail the others. `failure` puts an error of the database into words.
pub(super) fn commit(
    connection: &mut Connection,
    saves: &[Save],
    failure: impl Fn(&rusqlite::Error) -> StoreError,
) -> Vec<Written> {
    match write(connection, saves) {
        Err(error) if saves.len() > 1 && is_of_one(&error) => saves
            .iter()
            .map(|save| write(connection, std::slice::from_ref(save)).map_err(|error| failure(&error)))
            .collect(),
        Err(error) => saves.iter().map(|_| Err(failure(&error))).collect(),
        Ok(()) => saves.iter().map(|_| Ok(())).collect(),
    }
}

fn write(connection: &mut Connection, saves: &[Save]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for save in saves {
        save.change.write(&transaction)?;
    }
    transaction.commit()
}

/// Whether an error lies in what was to be written, not in the file, the disk or the memory, where a second
/// try would only take as long again.
fn is_of_one(error: &rusqlite::Error) -> bool {
    use ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
    matches!(
        error.sqlite_error_code(),
        Some(ConstraintViolation | TooBig | TypeMismatch)
    )
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
