//! Who rotates for `onboard` and `takeover`: the daemon if it runs, else this process in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::client::{Client, ClientError};
use crate::cli::wait::{Standing, wait};
use crate::cli::{CliError, Session};
use crate::config::{Config, Loaded, StateLocation};
use crate::daemon::{self, DaemonError, Source};
use crate::engine::control::{Accepted, RotateOptions, Selector};
use crate::onboard::execute::{FirstRotation, Rotator};
use crate::policy::Selection;
use crate::store::StoreError;
use crate::telemetry::LogControl;

/// Between two questions whether the daemon knows a secret.
const POLL: Duration = Duration::from_millis(300);

/// How the socket of a daemon in this process is called; its number follows.
const SOCKET: &str = "rotating-";

/// Rotates through a daemon's admin socket.
pub(super) struct ByDaemon {
    client: Client,
    session: Session,
    patience: Duration,
    /// The one that runs here, if none ran.
    here: Option<Here>,
}

/// A daemon in this process.
struct Here {
    stop: CancellationToken,
    task: JoinHandle<Result<(), DaemonError>>,
}

impl ByDaemon {
    /// Asks the daemon of that client; if there is none, starts one here, for these secrets of these policies alone.
    ///
    /// # Errors
    /// [`CliError::Held`] when no daemon answers and another process holds the store; whatever keeps one from starting.
    pub(super) async fn start(
        loaded: Loaded,
        client: Client,
        secrets: &BTreeMap<String, BTreeSet<String>>,
        session: Session,
        patience: Duration,
    ) -> Result<Self, CliError> {
        let away = match client.status(None).await {
            Ok(_) => {
                // So that it knows what this command was told about the policies.
                if let Err(refused) = client.reload().await? {
                    return Err(CliError::Configuration(format!(
                        "the daemon refuses this configuration: {}",
                        refused.error
                    )));
                }
                return Ok(Self {
                    client,
                    session,
                    patience,
                    here: None,
                });
            }
            Err(unreachable @ ClientError::Unreachable { .. }) => unreachable,
            Err(error) => return Err(error.into()),
        };
        let alone = alone(loaded, secrets, &away)?;
        let client = Client::new(alone.config.daemon.admin_socket.clone());
        let here = start_here(alone, &client).await.map_err(|error| match error {
            CliError::Held(held) => CliError::Held(format!("{held}; and {away}. Nothing was changed")),
            other => other,
        })?;
        Ok(Self {
            client,
            session,
            patience,
            here: Some(here),
        })
    }

    /// Ends what was started here, once its steps under way are over.
    pub(super) async fn finish(self) -> Result<(), CliError> {
        let Some(here) = self.here else {
            return Ok(());
        };
        here.stop.cancel();
        ended(here.task.await)
    }

    /// Waits until the daemon has found the secret.
    async fn known(&self, first: &FirstRotation) -> Result<(), String> {
        let deadline = self.session.clock.monotonic().saturating_add(self.patience);
        let mut asked = false;
        loop {
            match self.client.secrets(Some(&first.arn)).await {
                Ok(found) if found.iter().any(|status| status.current_version.is_some()) => return Ok(()),
                Ok(_) => {}
                Err(ClientError::Answered { status, .. }) if status == hyper::StatusCode::NOT_FOUND => {
                    if !std::mem::replace(&mut asked, true) {
                        // A reload looks for secrets anew.
                        self.client
                            .reload()
                            .await
                            .map_err(|error| error.to_string())?
                            .map_err(|no| no.error)?;
                    }
                }
                Err(error) => return Err(error.to_string()),
            }
            if self.session.clock.monotonic() >= deadline {
                return Err("the daemon has not found the secret yet; `rekeyd status` shows when it does".to_owned());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

#[async_trait]
impl Rotator for ByDaemon {
    async fn rotate(&self, first: &FirstRotation) -> Result<(), String> {
        self.known(first).await?;
        let accepted = match first.on_request {
            // A secret without a password is due as it is; a request would be for one more rotation.
            false => vec![Accepted {
                secret: first.secret.clone(),
                arn: first.arn.clone(),
                current_version: Some(first.current.clone()),
                requested_at: None,
            }],
            true => {
                let selector = Selector {
                    secrets: vec![first.arn.clone()],
                    ..Selector::default()
                };
                let asked = self.client.rotate(selector, RotateOptions::default()).await;
                asked.map_err(|error| error.to_string())?
            }
        };
        let watched = wait(&self.client, accepted, false, self.patience, &self.session).await;
        let watched = watched.map_err(|error| error.to_string())?;
        match watched.iter().find(|watched| watched.standing != Standing::Done) {
            None => Ok(()),
            Some(watched) => Err(format!("{}: {}", watched.standing.label(), watched.told())),
        }
    }
}

/// The configuration with nothing but these secrets, by policy: what this process may rotate.
fn alone(
    mut loaded: Loaded,
    secrets: &BTreeMap<String, BTreeSet<String>>,
    away: &ClientError,
) -> Result<Loaded, CliError> {
    let Config { daemon, policies, .. } = &mut loaded.config;
    policies.retain(|name, _| secrets.contains_key(name));
    for (name, policy) in policies.iter_mut() {
        policy.selection = Selection {
            secrets: secrets.get(name).into_iter().flatten().cloned().collect(),
            ..Selection::default()
        };
    }
    let store = match &daemon.state {
        StateLocation::Sqlite(store) => store,
        table @ StateLocation::DynamoDb { .. } => {
            return Err(CliError::Run(format!(
                "{away}; and this command does not rotate in the place of the replicas that share {table}: run it where \
                 one of them answers. Nothing was changed"
            )));
        }
    };
    let folder = store.parent().map(PathBuf::from).unwrap_or_default();
    daemon.admin_socket = folder.join(format!("{SOCKET}{}.sock", std::process::id()));
    daemon.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    Ok(loaded)
}

async fn start_here(alone: Loaded, client: &Client) -> Result<Here, CliError> {
    let stop = CancellationToken::new();
    let hangups = daemon::hangups().map_err(|error| CliError::Run(format!("signals cannot be received: {error}")))?;
    let again = alone.clone();
    let source = Source {
        file: PathBuf::new(),
        read: Arc::new(move || Ok(again.clone())),
    };
    let (told, socket) = (stop.clone(), alone.config.daemon.admin_socket.clone());
    let log = Arc::new(LogControl::of_no_log());
    let mut task = tokio::spawn(async move { daemon::run(alone, source, log, hangups, told.cancelled()).await });
    loop {
        tokio::select! {
            biased;
            done = &mut task => {
                ended(done)?;
                return Err(CliError::Run("the rotation could not be begun here: it ended by itself".to_owned()));
            }
            () = tokio::time::sleep(POLL) => {}
        }
        if client.status(None).await.is_ok() {
            remove_leftovers(&socket);
            return Ok(Here { stop, task });
        }
    }
}

/// Removes the sockets of processes like this one that were killed. The store is held by now, so none of them is alive.
fn remove_leftovers(own: &Path) {
    let folder = own.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    for entry in folder.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(SOCKET).and_then(|rest| rest.strip_suffix(".sock"));
        let is_ours = number.is_some_and(|number| number.parse::<u32>().is_ok());
        if is_ours
            && entry.path() != own
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::debug!(event = "socket_left", file = %entry.path().display(), %error, "a socket was left behind");
        }
    }
}

fn ended(task: Result<Result<(), DaemonError>, tokio::task::JoinError>) -> Result<(), CliError> {
    match task {
        Ok(Ok(())) => Ok(()),
        Ok(Err(DaemonError::Store(held @ StoreError::Held { .. }))) => Err(CliError::Held(held.to_string())),
        Ok(Err(error)) => Err(CliError::Run(error.to_string())),
        Err(_) => Err(CliError::Run("rotating failed badly: please report this".to_owned())),
    }
}
