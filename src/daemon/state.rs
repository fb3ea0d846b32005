//! Where records are kept, and what makes this process one of several that share them.

use std::sync::Arc;

use rand::TryRngCore;
use tokio_util::sync::CancellationToken;

use super::DaemonError;
use crate::clock::SharedClock;
use crate::config::{Config, StateLocation};
use crate::metrics::Metrics;
use crate::store::dynamodb::open_table;
use crate::store::ownership::{Ownership, Sole};
use crate::store::shared::SharedStore;
use crate::store::shared::leases::{Identity, Leases};
use crate::store::shared::presence::Presence;
use crate::store::sqlite::SqliteStore;
use crate::store::table::Table;
use crate::store::{Store, StoreError};

/// The store, and whose its secrets are.
pub(super) struct State {
    pub(super) store: Arc<dyn Store>,
    pub(super) ownership: Arc<dyn Ownership>,
    /// What makes it one of several, where the store is shared.
    pub(super) member: Option<Member>,
}

/// A process among those that share a table.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) table: Arc<dyn Table>,
    pub(super) presence: Arc<Presence>,
    pub(super) leases: Arc<Leases>,
    /// Cancelled when a defect has ended what keeps the leases: without them this process does nothing any more.
    pub(super) broken: CancellationToken,
}

/// Lets this run until it ends. What is returned is cancelled if it panics.
fn watched(work: impl Future<Output = ()> + Send + 'static) -> CancellationToken {
    let broken = CancellationToken::new();
    let (task, tell) = (tokio::spawn(work), broken.clone());
    drop(tokio::spawn(async move {
        if task.await.is_err() {
            tracing::error!(
                event = "leases_panicked",
                "keeping the leases failed badly: please report this; the process ends, to be restarted whole"
            );
            tell.cancel();
        }
    }));
    broken
}

impl State {
    /// Opens what `daemon.state` names. On a table, this process is a replica from now on.
    ///
    /// # Errors
    /// [`DaemonError::Store`] when a file cannot be opened.
    pub(super) async fn open(
        config: &Config,
        clock: &SharedClock,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, DaemonError> {
        if let StateLocation::Sqlite(path) = &config.daemon.state {
            return Ok(Self {
                store: Arc::new(SqliteStore::open(path)?),
                ownership: Arc::new(Sole),
                member: None,
            });
        }
        let opened = open_table(config, clock.clone(), metrics.clone()).await;
        let table = opened.map_err(|error| StoreError::Failed {
            location: config.daemon.state.to_string(),
            action: "finding the table",
            cause: error.to_string(),
        })?;
        let table: Arc<dyn Table> = Arc::new(table);
        let presence = Arc::new(Presence::new());
        let leases = Arc::new(Leases::new(
            table.clone(),
            presence.clone(),
            clock.clone(),
            Box::new(rand::rngs::OsRng.unwrap_err()),
            config.daemon.lease,
            identity(),
            metrics.clone(),
        ));
        let store = Arc::new(SharedStore::new(table.clone(), presence.clone(), clock.clone()));
        leases.settle_in(store.clone());
        // Ends with the process: until then the others see it alive.
        let broken = watched(leases.clone().run(CancellationToken::new()));
        Ok(Self {
            store,
            ownership: leases.clone(),
            member: Some(Member {
                table,
                presence,
                leases,
                broken,
            }),
        })
    }
}

/// This machine's name.
pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn identity() -> Identity {
    Identity {
        host: host(),
        pid: std::process::id(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_what_keeps_the_leases_is_noticed() {
        let broken = watched(async { panic!("a defect") });
        broken.cancelled().await;
        let ended = watched(async {});
        tokio::task::yield_now().await;
        assert!(!ended.is_cancelled());
    }
}
