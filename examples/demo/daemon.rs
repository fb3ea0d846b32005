//! The real `rekeyd` binary, and what it tells over HTTP.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rekeyd::rotation::status::SecretStatus;
use rekeyd::server::wire::{RotationsReply, SecretsReply};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::operator::{PREFIX, REGION};
use crate::{Outcome, TIMES, USERS};

const PATIENCE: Duration = Duration::from_secs(30);

/// Ends rekeyd when this program is gone, however it went: then the pipe on descriptor 3 closes.
const GUARD: &str = r#"exec 3<&0
"$@" </dev/null 3<&- & child=$!
{ cat >/dev/null; kill -TERM $child 2>/dev/null; } <&3 &
exec 3<&-
wait $child"#;

/// The daemon, running.
pub(crate) struct Daemon {
    child: Child,
    pid: u32,
    listen: SocketAddr,
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// Starts it on a configuration of its own, and waits until it is ready.
    pub(crate) async fn start(files: &Path, endpoint: &str) -> Outcome<Self> {
        let binary = binary()?;
        let listen = free_address().map_err(|error| format!("no address to listen on: {error}"))?;
        let (config, log) = (files.join("rekeyd.toml"), files.join("rekeyd.log"));
        let text = configuration(files, listen, endpoint);
        std::fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
        let output = std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let child = Command::new("sh")
            .args(["-c", GUARD, "rekeyd"])
            .arg(&binary)
            .arg("--config")
            .arg(&config)
            .arg("run")
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("AWS_ACCESS_KEY_ID", "REKEYD")
            .env("AWS_SECRET_ACCESS_KEY", "demo")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(output)
            // Ctrl-C is for the demo, which ends the daemon in order.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let pid = child.id().unwrap_or(0);
        let mut daemon = Self {
            child,
            pid,
            listen,
            binary,
            config,
            log,
        };
        daemon.await_ready().await?;
        Ok(daemon)
    }

    async fn await_ready(&mut self) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.still_runs()?;
            match get(self.listen, "/readyz").await {
                Ok(_) => break,
                Err(error) if Instant::now() > deadline => {
                    return Err(format!("rekeyd does not get ready: {error}\n{}", self.last_words()));
                }
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
        // The shell's child; the shell only waits for it.
        let children = format!("/proc/{0}/task/{0}/children", self.pid);
        let first = std::fs::read_to_string(children).ok();
        let first = first.and_then(|text| text.split_whitespace().next()?.parse().ok());
        self.pid = first.unwrap_or(self.pid);
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// How to ask it something from another terminal.
    pub(crate) fn command_line(&self) -> String {
        format!("{} --config {}", self.binary.display(), self.config.display())
    }

    pub(crate) fn still_runs(&mut self) -> Outcome<()> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("rekeyd ended by itself, {status}\n{}", self.last_words())),
            Err(error) => Err(format!("rekeyd cannot be watched: {error}")),
        }
    }

    /// The end of its log, in which there is never a password.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// What happened to the secrets, oldest first.
    pub(crate) async fn history(&self) -> Outcome<Vec<rekeyd::store::HistoryEntry>> {
        let reply: RotationsReply = self.read("/api/v1/rotations?limit=200").await?;
        Ok(reply.rotations.into_iter().rev().collect())
    }

    /// Where the secrets stand.
    pub(crate) async fn statuses(&self) -> Outcome<Vec<SecretStatus>> {
        let reply: SecretsReply = self.read("/api/v1/secrets").await?;
        Ok(reply.secrets)
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        let body = get(self.listen, path)
            .await
            .map_err(|error| format!("rekeyd does not answer: {error}\n{}", self.last_words()))?;
        serde_json::from_slice(&body).map_err(|error| format!("{path}: {error}"))
    }

    /// Closes the guard's pipe, which sends SIGTERM, and waits for an orderly end.
    pub(crate) async fn end(mut self) -> Outcome<()> {
        drop(self.child.stdin.take());
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("rekeyd ended with {status}\n{}", self.last_words())),
            Ok(Err(error)) => Err(format!("rekeyd cannot be watched: {error}")),
            Err(_) => Err(format!("rekeyd did not end within {} s", PATIENCE.as_secs())),
        }
    }
}

/// Beside the folder of this example lies the binary.
fn binary() -> Outcome<PathBuf> {
    let own = std::env::current_exe().map_err(|error| format!("where am I? {error}"))?;
    let binary = own
        .parent()
        .and_then(Path::parent)
        .map(|folder| folder.join("rekeyd"))
        .filter(|binary| binary.is_file());
    binary.ok_or_else(|| "there is no rekeyd beside this program; `make demo` builds both".to_owned())
}

/// The usual port if it is free, else any.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:9848")
        .or_else(|_| TcpListener::bind("127.0.0.1:0"))?
        .local_addr()
}

fn configuration(files: &Path, listen: SocketAddr, endpoint: &str) -> String {
    let folder = files.display();
    format!(
        r#"# Everything is short here, for one sitting; config/rekeyd.toml has what production uses.
[daemon]
listen = "{listen}"
admin_socket = "{folder}/admin.sock"
state = "sqlite:{folder}/state.db"

[aws.main]
region = "{REGION}"
endpoint_url = "{endpoint}"

[policy.demo]
aws = "main"
schedule = "{}s"
overlap = "{}s"
fence = "{}s"
settle = "{}s"
write_deadline = "{}s"
retry = {{ initial = "300ms", max = "{}s", jitter = 0.2 }}
propagation_timeout = "20s"
max_versions_per_day = 90
select = {{ name_prefix = "{PREFIX}" }}
allow_users = {USERS:?}
tls = {{ ca_file = "{folder}/ca.pem" }}
"#,
        TIMES.schedule, TIMES.overlap, TIMES.fence, TIMES.settle, TIMES.write_deadline, TIMES.longest_retry
    )
}

/// One HTTP request over a fresh connection.
async fn get(address: SocketAddr, path: &str) -> Outcome<Vec<u8>> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await?;
        Ok::<_, std::io::Error>(reply)
    };
    let reply = timeout(Duration::from_secs(10), exchange)
        .await
        .map_err(|_| "no answer in time".to_owned())?
        .map_err(|error| error.to_string())?;
    let head = reply.windows(4).position(|window| window == b"\r\n\r\n");
    let body = head.map(|end| reply[end + 4..].to_vec()).unwrap_or_default();
    let status = String::from_utf8_lossy(&reply).split(' ').nth(1).map(str::to_owned);
    match status.as_deref() {
        Some("200") => Ok(body),
        _ => Err(format!("{path}: {}", String::from_utf8_lossy(&reply))),
    }
}
