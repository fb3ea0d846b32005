//! What a store holds, for whoever cannot ask the daemon that owns it.

use std::path::Path;

use super::{Location, reading, rows};
use crate::rotation::state::Record;
use crate::store::view::StoredView;
use crate::store::{HistoryEntry, StoreError};

/// The records of the secrets whose ARNs are wanted, and the newest entries of their history; nothing if there is no
/// store. Takes no lock and writes nothing, so a daemon may be at work on it.
///
/// # Errors
/// [`StoreError::Newer`] when a newer release wrote it, else [`StoreError::Failed`] with what to do.
pub fn read_view(path: &Path, wanted: impl Fn(&str) -> bool, limit: usize) -> Result<Option<StoredView>, StoreError> {
    const ACTION: &str = "reading what it holds";
    let location = Location(path.display().to_string());
    let failed = |error: rusqlite::Error| location.failed(ACTION, &error);
    let connection = match reading::find(path, &location, ACTION)? {
        reading::Found::NoStore => return Ok(None),
        reading::Found::NothingYet => return Ok(Some(StoredView::default())),
        reading::Found::Store(connection) => connection,
    };
    // One moment for all of it, whatever is written meanwhile.
    let moment = connection.unchecked_transaction().map_err(failed)?;
    let mut records = rows::records(&moment).map_err(failed)?;
    let all = records.len();
    records.retain(|record| wanted(&record.secret_arn));
    let history = match records.len() == all {
        true => rows::history(&moment, None, limit).map_err(failed)?,
        false => history_of(&moment, &records, limit).map_err(failed)?,
    };
    let written_at = rows::written_at(&moment).map_err(failed)?;
    Ok(Some(StoredView {
        records,
        history,
        written_at,
        ..StoredView::default()
    }))
}

fn history_of(
    connection: &rusqlite::Connection,
    records: &[Record],
    limit: usize,
) -> rusqlite::Result<Vec<HistoryEntry>> {
    let mut history = Vec::new();
    for record in records {
        history.extend(rows::history(connection, Some(&record.secret_arn), limit)?);
    }
    history.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    history.truncate(limit);
    Ok(history)
}
