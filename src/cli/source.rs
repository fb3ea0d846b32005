//! Where status and history come from: the daemon, or the store of one that cannot be reached.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::args::Cli;
use crate::cli::client::{Client, ClientError};
use crate::cli::exit::Exit;
use crate::cli::{CliError, Session, reach, run};
use crate::clock::{SharedClock, Timestamp};
use crate::config::StateLocation;
use crate::engine::control::ReplicaStatus;
use crate::rotation::remembered::remembered;
use crate::rotation::status::SecretStatus;
use crate::secret::secret_arn_name;
use crate::server::configuration::ConfigurationStatus;
use crate::server::wire::SecretsReply;
use crate::store::sqlite::read_view;
use crate::store::view::StoredView;
use crate::store::{HistoryEntry, StoreError};

/// What is shown, and who says so.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub(super) enum View {
    /// The daemon, just now.
    Daemon,
    /// The store of a daemon that cannot be reached: nothing of what happened since is known.
    Store {
        /// The file, or the table as `dynamodb:TABLE`.
        store: PathBuf,
        /// When it was last written.
        written_at: Option<Timestamp>,
        /// Why the daemon was not asked.
        why: String,
    },
}

impl View {
    /// A command whose daemon did not answer has done what it could, and says that it was not all.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Daemon => Exit::Done,
            Self::Store { .. } => Exit::Unreachable,
        }
    }

    /// What somebody should know of it.
    pub(super) fn caution(&self) -> Option<String> {
        let Self::Store { store, written_at, why } = self else {
            return None;
        };
        let written_at = written_at.map_or_else(
            || "with nothing in it".to_owned(),
            |at| format!("last written at {}", at.format("%Y-%m-%d %H:%M:%SZ")),
        );
        Some(format!(
            "This is what the store {} remembers, {written_at}; what is true now is not known. {why}",
            store.display()
        ))
    }
}

/// The daemon, and its store beside.
pub(super) struct Source {
    client: Client,
    config: PathBuf,
    clock: SharedClock,
    /// Whether the store of the configuration belongs to the daemon that is asked.
    has_store: bool,
}

impl Source {
    pub(super) async fn of(cli: &Cli, session: &Session) -> Result<Self, CliError> {
        Ok(Self {
            client: reach::client(cli, session).await?,
            config: cli.config.clone(),
            clock: session.clock.clone(),
            has_store: cli.socket.is_none(),
        })
    }

    /// The daemon.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Every secret, or those of one name or ARN.
    pub(super) async fn secrets(&self, secret: Option<&str>) -> Result<(View, Secrets), CliError> {
        match self.client.status(secret).await {
            Ok(SecretsReply {
                secrets,
                configuration,
                replicas,
            }) => Ok((
                View::Daemon,
                Secrets {
                    secrets,
                    configuration,
                    replicas,
                },
            )),
            Err(error) => {
                let (view, stored) = self.stored(error, secret, 0).await?;
                let secrets = stored.records.iter().map(remembered).collect();
                Ok((
                    view,
                    Secrets {
                        secrets,
                        configuration: None,
                        replicas: None,
                    },
                ))
            }
        }
    }

    /// The newest events, newest first.
    pub(super) async fn history(
        &self,
        secret: Option<&str>,
        limit: usize,
    ) -> Result<(View, Vec<HistoryEntry>), CliError> {
        match self.client.history(secret, limit).await {
            Ok(events) => Ok((View::Daemon, events)),
            Err(error) => {
                let (view, stored) = self.stored(error, secret, limit).await?;
                Ok((view, stored.history))
            }
        }
    }

    /// What the store says where the daemon does not answer.
    async fn stored(
        &self,
        error: ClientError,
        secret: Option<&str>,
        limit: usize,
    ) -> Result<(View, StoredView), CliError> {
        if !self.has_store || !matches!(error, ClientError::Unreachable { .. }) {
            return Err(error.into());
        }
        // A configuration that cannot be read names no store.
        let Ok(loaded) = run::read(&self.config) else {
            return Err(error.into());
        };
        let wanted = |arn: &str| secret.is_none_or(|wanted| arn == wanted || secret_arn_name(arn) == Some(wanted));
        let (path, stored) = match &loaded.config.daemon.state {
            StateLocation::Sqlite(path) => (path.clone(), read_view(path, wanted, limit)),
            table @ StateLocation::DynamoDb { .. } => {
                let shared = reach::shared_store(&loaded.config, self.clock.clone()).await?;
                // Where it lies is told as the configuration does.
                (
                    PathBuf::from(table.to_string()),
                    shared.view(wanted, limit).await.map(Some),
                )
            }
        };
        let stored = match stored {
            Ok(Some(stored)) => stored,
            Ok(None) => return Err(error.into()),
            Err(unreadable) => return Err(both(&error, &unreadable, &path)),
        };
        if let Some(secret) = secret.filter(|_| stored.records.is_empty()) {
            return Err(CliError::NotStored(format!(
                "{error}; and its store {} knows nothing of {secret:?}",
                path.display()
            )));
        }
        let view = View::Store {
            store: path,
            written_at: stored.written_at,
            why: error.to_string(),
        };
        Ok((view, stored))
    }
}

fn both(error: &ClientError, unreadable: &StoreError, store: &Path) -> CliError {
    // The store's library tells of no permission.
    let denied = File::open(store).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    if denied {
        return CliError::NotStored(format!(
            "{error}; and its store cannot be read instead: permission denied for {}; run this as root or as the \
             daemon's user",
            store.display()
        ));
    }
    CliError::NotStored(format!("{error}; and its store cannot be read instead: {unreadable}"))
}

/// Secrets, and the configuration in force if all were asked for.
pub(super) struct Secrets {
    pub(super) secrets: Vec<SecretStatus>,
    pub(super) configuration: Option<ConfigurationStatus>,
    /// The replicas that share the store, if it is shared and all secrets were asked for.
    pub(super) replicas: Option<Vec<ReplicaStatus>>,
}
