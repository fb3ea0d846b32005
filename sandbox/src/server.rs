//! A whole sandbox: HTTP, the driver that lets time pass, and the processes.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, SystemClock};
use crate::core::nodes::NodeChange;
use crate::core::random;
use crate::http::{self, Control};
use crate::keeper::Keeper;
use crate::redis::binaries::Binaries;
use crate::redis::certs::Certs;
use crate::redis::member::NodeError;
use crate::redis::plane::Plane;
use crate::redis::process::{Common, NO_SERVER};
use crate::sandbox::Sandbox;
use crate::settings::{Caches, Settings};
use crate::state_file::{StateFile, StateFileError};

/// How often the folder's removal is tried.
const REMOVALS: u32 = 100;

/// How a server is to be started.
#[derive(Clone)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether an address other than loopback is allowed.
    pub allow_remote: bool,
    /// The settings at the start and after each reset.
    pub settings: Settings,
    /// What random names and delays are drawn from.
    pub seed: u64,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where to keep files; a folder for temporary files if not given.
    pub state_dir: Option<PathBuf>,
    /// Where else to write the certificate of the authority.
    pub ca_file: Option<PathBuf>,
    /// The file that keeps secrets, users and caches from one start to the next, in clear text and for its owner only;
    /// nothing is kept if not given.
    pub state_file: Option<PathBuf>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            allow_remote: false,
            settings: Settings::default(),
            seed: 1,
            clock: Arc::new(SystemClock),
            state_dir: None,
            ca_file: None,
            state_file: None,
        }
    }
}

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is open to others.
    #[error("{0} is not a loopback address; anybody who reaches it could read every secret (--allow-remote)")]
    NotLoopback(SocketAddr),
    /// The port is taken, or the like.
    #[error("cannot listen on {0}: {1}{hint}", hint = listen_hint(.1))]
    Listen(SocketAddr, io::Error),
    /// A file could not be written.
    #[error("cannot write {0}: {1}")]
    File(PathBuf, io::Error),
    /// No certificates.
    #[error("cannot make certificates: {0}")]
    Certificates(String),
    /// A server was named that is not there.
    #[error(
        "REKEYD_SANDBOX_REDIS_SERVER or REKEYD_SANDBOX_VALKEY_SERVER names no file; correct it, unset it to search the \
         path, or set caches = \"virtual\""
    )]
    NoRedis,
    /// The state file cannot be used.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
}

/// What to do about a port that is taken.
fn listen_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program has the port: end it, or let --listen 127.0.0.1:0 take a free one"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege: choose a higher one",
        _ => "",
    }
}

/// A running sandbox with its HTTP door. Dropping it ends it too, but does not wait for that.
pub struct SandboxServer {
    sandbox: Sandbox,
    addr: SocketAddr,
    ca_file: PathBuf,
    plane: Plane,
    stop: CancellationToken,
    http: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
    keeper: Option<Keeper>,
    root: TempDir,
}

impl SandboxServer {
    /// Starts a sandbox.
    ///
    /// # Errors
    /// The address cannot be had, or something that it needs is missing.
    pub async fn start(config: ServerConfig) -> Result<Self, ServerError> {
        if !config.listen.ip().is_loopback() && !config.allow_remote {
            return Err(ServerError::NotLoopback(config.listen));
        }
        let binaries = binaries(config.settings.caches)?;
        let state = config.state_file.as_deref().map(StateFile::open).transpose()?;
        let (listener, addr) = listen(config.listen).await?;
        let certs = Certs::generate().map_err(|e| ServerError::Certificates(e.to_string()))?;
        let root = root_folder(config.state_dir.as_deref())?;
        let ca_file = write_certs(&certs, root.path(), config.ca_file)?;
        let sandbox = Sandbox::new(config.clock, config.seed, config.settings);
        let common = Arc::new(Common {
            binaries,
            root: root.path().to_owned(),
            admin_password: random::secret(),
        });
        let plane = Plane::default();
        let (updates, receiver) = mpsc::unbounded_channel();
        sandbox.attach(updates);
        let keeper = state
            .map(|(file, kept)| Keeper::begin(&sandbox, file, kept))
            .transpose()?;
        let stop = CancellationToken::new();
        let control = Control {
            sandbox: sandbox.clone(),
            plane: plane.clone(),
            ca_pem: certs.ca.into(),
        };
        let http = tokio::spawn(http::serve(listener, control, stop.clone()));
        let mut tasks = vec![
            tokio::spawn(plane.clone().run(sandbox.clone(), common, receiver)),
            tokio::spawn(drive(sandbox.clone())),
        ];
        tasks.extend(keeper.clone().map(|keeper| tokio::spawn(keeper.run())));
        Ok(Self {
            sandbox,
            addr,
            ca_file,
            plane,
            stop,
            http,
            tasks,
            keeper,
            root,
        })
    }

    /// The URL for AWS clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The sandbox itself.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The certificate of the authority that signed the nodes' certificates.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Changes a node, its process included. Says whether there is such a node.
    ///
    /// # Errors
    /// The process could not be started.
    pub async fn change_node(&self, id: &str, change: &NodeChange) -> Result<bool, NodeError> {
        self.plane.change_node(&self.sandbox, id, change).await
    }

    /// Ends everything and waits until the processes are gone. A state that cannot be kept is an error in the log only.
    pub async fn shutdown(self) {
        // Said where it happened.
        let _ = self.close().await;
    }

    /// The same, and says whether the state has been kept.
    ///
    /// # Errors
    /// The state file could not be written.
    pub async fn close(mut self) -> Result<(), ServerError> {
        self.stop.cancel();
        let _ = (&mut self.http).await;
        let kept = self.end_keeping();
        self.plane.shutdown().await;
        kept
    }

    /// Writes the state file now, if there is one and anything has changed.
    ///
    /// # Errors
    /// It could not be written.
    pub fn save(&self) -> Result<(), ServerError> {
        Ok(self.keeper.as_ref().map_or(Ok(()), Keeper::save)?)
    }

    fn end_keeping(&self) -> Result<(), ServerError> {
        let ended = self.keeper.as_ref().map_or(Ok(()), Keeper::end);
        ended.map_err(|error| {
            tracing::error!(%error, "the state could not be kept");
            error.into()
        })
    }
}

impl Drop for SandboxServer {
    fn drop(&mut self) {
        self.stop.cancel();
        for task in &self.tasks {
            task.abort();
        }
        // For those who drop it without a word.
        let _ = self.end_keeping();
        // Tasks of nodes end when their orders' senders do, which the plane holds.
        self.plane.abandon();
        // The nodes' supervisors clear their own folders away meanwhile, on which a removal trips.
        for _ in 0..REMOVALS {
            if std::fs::remove_dir_all(self.root.path()).is_ok() || !self.root.path().exists() {
                break;
            }
            std::thread::yield_now();
        }
    }
}

/// Lets time pass: sleeps until something is due. A clock that is moved by hand rings no bell, so
/// while something is due at all it is looked at several times a second.
async fn drive(sandbox: Sandbox) {
    const LONGEST: Duration = Duration::from_millis(200);
    loop {
        match sandbox.next_event() {
            None => sandbox.changed().await,
            Some(at) => {
                let wait = (at - sandbox.now()).to_std().unwrap_or_default();
                tokio::select! {
                    () = tokio::time::sleep(wait.min(LONGEST)) => {}
                    () = sandbox.changed() => {}
                }
            }
        }
        sandbox.tick();
    }
}

/// Listens, and says where.
async fn listen(at: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |error| ServerError::Listen(at, error);
    let listener = TcpListener::bind(at).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    Ok((listener, addr))
}

/// The servers for caches. A sandbox without any starts all the same: not everybody makes caches.
fn binaries(caches: Caches) -> Result<Option<Binaries>, ServerError> {
    let found = match (caches, Binaries::find()) {
        (Caches::Redis, Err(_)) => return Err(ServerError::NoRedis),
        (_, found) => found.unwrap_or_default(),
    };
    if caches == Caches::Redis && found.is_none() {
        tracing::warn!("caches cannot be made: {NO_SERVER}");
    }
    Ok(found)
}

fn root_folder(state_dir: Option<&Path>) -> Result<TempDir, ServerError> {
    let parent = state_dir.map_or_else(std::env::temp_dir, Path::to_owned);
    let failed = |error| ServerError::File(parent.clone(), error);
    std::fs::create_dir_all(&parent).map_err(failed)?;
    // tempfile makes folders that only the owner can enter; the private sockets rely on that.
    tempfile::Builder::new()
        .prefix("rekeyd-sandbox-")
        .tempdir_in(&parent)
        .map_err(failed)
}

fn write_certs(certs: &Certs, root: &Path, ca_file: Option<PathBuf>) -> Result<PathBuf, ServerError> {
    let write = |path: PathBuf, text: &str| {
        std::fs::write(&path, text).map_err(|error| ServerError::File(path.clone(), error))?;
        Ok(path)
    };
    write(root.join("node.pem"), &certs.node_cert)?;
    write(root.join("node.key"), &certs.node_key)?;
    let inner = write(root.join("ca.pem"), &certs.ca)?;
    match ca_file {
        Some(path) => write(path, &certs.ca),
        None => Ok(inner),
    }
}
