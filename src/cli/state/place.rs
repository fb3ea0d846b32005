//! The store of a configuration: a file of one process, or a table that replicas share.

use std::path::PathBuf;
use std::sync::Arc;

use super::export::Source;
use super::failed;
use crate::cli::{CliError, Session};
use crate::config::{Config, StateLocation};
use crate::metrics::Metrics;
use crate::store::StoreError;
use crate::store::dynamodb::open_table;
use crate::store::exported::Exported;
use crate::store::shared::{NotEmpty, SharedStore};
use crate::store::sqlite::SqliteStore;

/// Where a store is.
pub(super) enum Place {
    /// In a SQLite file.
    File(PathBuf),
    /// In a table.
    Table {
        /// As `daemon.state` has it.
        name: String,
        /// What is in it.
        store: Box<SharedStore>,
    },
}

impl Place {
    /// That of a configuration. Asks AWS for nothing yet.
    pub(super) async fn of(config: &Config, session: &Session) -> Result<Self, CliError> {
        if let StateLocation::Sqlite(path) = &config.daemon.state {
            return Ok(Self::File(path.clone()));
        }
        let metrics = Arc::new(Metrics::new(&[]));
        let table = open_table(config, session.clock.clone(), metrics).await;
        let table = table.map_err(|error| CliError::Configuration(error.to_string()))?;
        // Of no session: nothing here is a step of a rotation.
        let store = SharedStore::new(Arc::new(table), Arc::default(), session.clock.clone());
        Ok(Self::Table {
            name: config.daemon.state.to_string(),
            store: Box::new(store),
        })
    }

    /// What reports call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Table { name, .. } => name.clone(),
        }
    }

    /// All that it holds.
    pub(super) async fn taken(self) -> Result<Source, CliError> {
        match self {
            Self::File(path) => super::blocking("export", move || Source::of_file(&path)).await,
            Self::Table { store, .. } => store.export().await.map(Source::Table).map_err(failed),
        }
    }

    /// Opens it to be filled, if it may be.
    pub(super) async fn opened(self, exported: &Exported) -> Result<Opened, CliError> {
        match self {
            Self::File(path) => {
                let store = SqliteStore::open(&path).map_err(failed)?;
                if !store.is_empty().await.map_err(failed)? {
                    return Err(CliError::Refused(format!(
                        "{}: this store holds something already, and an import goes into an empty one only: move it away \
                         with its -wal and -shm files, or name another in `daemon.state`. Nothing was written",
                        path.display()
                    )));
                }
                Ok(Opened::File(Box::new(store)))
            }
            Self::Table { store, .. } => match store.may_import(exported).await {
                Ok(()) => Ok(Opened::Table(store)),
                Err(NotEmpty::Unreadable(error)) => Err(failed(error)),
                Err(refused) => Err(CliError::Refused(refused.to_string())),
            },
        }
    }
}

/// A store that may be filled.
pub(super) enum Opened {
    /// In a file.
    File(Box<SqliteStore>),
    /// In a table.
    Table(Box<SharedStore>),
}

impl Opened {
    /// Fills it.
    pub(super) async fn fill(&self, exported: Exported) -> Result<(), StoreError> {
        match self {
            Self::File(store) => store.fill(exported).await,
            Self::Table(store) => store.fill(&exported).await,
        }
    }
}
