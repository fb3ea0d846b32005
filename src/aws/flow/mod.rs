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

/// Which part of a place's budgets is this process's at the moment: more than 0, and 1 where it is alone.
pub type Share = Arc<dyn Fn() -> f64 + Send + Sync>;

/// The share of a process that is alone.
pub fn all() -> Share {
    Arc::new(|| 1.0)
}

/// The same ports, within budgets and with reads shared among those who ask at the same time.
pub fn governed(
    ports: PlacePorts,
    place: &str,
    budgets: &Budgets,
    clock: &SharedClock,
    metrics: &Arc<Metrics>,
    share: &Share,
) -> PlacePorts {
    let budgets = PlaceBudgets::new(place, budgets, clock, metrics, share);
    let writes = Arc::new(GovernedWrites::new(&ports, &budgets));
    PlacePorts {
        secrets: Arc::new(GovernedSecrets::new(ports.secrets, &budgets)),
        secrets_writer: writes.clone(),
        users: Arc::new(GovernedUsers::new(ports.users, &budgets, clock)),
        users_writer: writes,
    }
}
