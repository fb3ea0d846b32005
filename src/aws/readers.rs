//! The reading half of a place's ports: all that is held by a command that must change nothing.

use std::sync::Arc;

use super::{PlacePorts, SecretsReader, UsersReader, connect};
use crate::clock::SharedClock;
use crate::metrics::Metrics;
use crate::policy::Place;

/// The two readers of one place. Whoever holds these and no [`PlacePorts`] cannot change anything in AWS.
#[derive(Clone)]
pub struct PlaceReaders {
    /// Reads Secrets Manager.
    pub secrets: Arc<dyn SecretsReader>,
    /// Reads ElastiCache.
    pub users: Arc<dyn UsersReader>,
}

impl From<PlacePorts> for PlaceReaders {
    fn from(ports: PlacePorts) -> Self {
        Self {
            secrets: ports.secrets,
            users: ports.users,
        }
    }
}

/// Connects to a place as [`connect()`] does, within its budgets, to read only.
pub async fn connect_to_read(place: &Place, clock: SharedClock, metrics: Arc<Metrics>) -> PlaceReaders {
    connect(place, clock, metrics).await.into()
}
