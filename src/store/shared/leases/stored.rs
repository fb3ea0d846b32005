//! The item of a secret, as leases read it.

use crate::rotation::state::Record;
use crate::store::shared::layout;
use crate::store::table::Item;

/// What of a secret's item tells whose it is, and what is news of it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Stored {
    pub(super) record: Record,
    pub(super) lease: Lease,
}

/// All but the record, whose revision stands for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Lease {
    pub(super) revision: u64,
    /// None in an item that was never given one.
    pub(super) fence: Option<u64>,
    pub(super) holder: Option<String>,
    pub(super) sight: Option<String>,
}

impl Stored {
    /// What an item holds. `None` where there is no record that this release can read: nobody can work on that.
    pub(super) fn of(item: &Item) -> Option<Self> {
        let known = item.number(layout::SCHEMA).unwrap_or_default() <= layout::KNOWN_SCHEMA;
        let record = item.text(layout::RECORD).filter(|_| known)?;
        let record: Record = serde_json::from_str(record).ok()?;
        let revision = item.number(layout::REVISION).unwrap_or_default();
        let text = |name| item.text(name).map(str::to_owned);
        (record.secret_arn == item.key.sort).then(|| Self {
            record: Record { revision, ..record },
            lease: Lease {
                revision,
                fence: item.number(layout::FENCE),
                holder: text(layout::HOLDER),
                sight: text(layout::SIGHT),
            },
        })
    }
}

impl Lease {
    /// Whether this is older than the other: nothing of it goes back.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.fence < other.fence || (self.fence == other.fence && self.revision < other.revision)
    }
}
