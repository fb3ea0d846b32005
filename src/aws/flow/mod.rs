//! Flow control of a place: its budgets, and reads that serve many at once.
//!
//! ```text
//!   engine ─► shared reads (ElastiCache) ─► budgets ─► the SDK
//! ```

mod bucket;
mod budget;
mod governed;
mod shared;

use std::sync::Arc;

use super::PlacePorts;
use crate::clock::SharedClock;
use crate::metrics::Metrics;
use crate::policy::Budgets;

use budget::PlaceBudgets;
use governed::{GovernedSecrets, GovernedUsers, GovernedWrites};

/// The same ports, within budgets and with reads shared among those who ask at the same time.
pub fn governed(
    ports: PlacePorts,
    place: &str,
    budgets: &Budgets,
    clock: &SharedClock,
    metrics: &Arc<Metrics>,
) -> PlacePorts {
    let budgets = PlaceBudgets::new(place, budgets, clock, metrics);
    let writes = Arc::new(GovernedWrites::new(&ports, &budgets));
    PlacePorts {
        secrets: Arc::new(GovernedSecrets::new(ports.secrets, &budgets)),
        secrets_writer: writes.clone(),
        users: Arc::new(GovernedUsers::new(ports.users, &budgets, clock)),
        users_writer: writes,
    }
}
