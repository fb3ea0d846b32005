//! All that the table holds, taken elsewhere; and an empty table that takes over what another store held.

use super::{SharedStore, layout};
use crate::store::StoreError;
use crate::store::table::Table;

impl SharedStore {
    /// A table that was filled in part is nothing to go by.
    pub(super) async fn refuse_half_imported(&self) -> Result<(), StoreError> {
        let mark = self.table.get(&layout::import()).await;
        match mark.map_err(self.failed("looking whether an import has ended"))? {
            None => Ok(()),
            Some(_) => Err(self.refused("opening it", "an import has begun and has not ended")),
        }
    }
}
