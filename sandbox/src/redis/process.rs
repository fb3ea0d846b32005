//! One `redis-server`, kept by a tiny shell that ends it when the sandbox ends, however it ends.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

use super::binaries::Binaries;
use super::cluster::PATIENT;
use super::member::Address;
use super::resp::Connection;

/// The sandbox's own user on every node; replicas follow their primary as this user too.
pub(crate) const ADMIN: &str = "rekeyd-sandbox-admin";

/// A node's private socket, in its folder.
const SOCKET: &str = "s";

/// What to do without a server.
pub(crate) const NO_SERVER: &str = "there is no redis-server or valkey-server on the path; install one, name it in \
     REKEYD_SANDBOX_REDIS_SERVER or REKEYD_SANDBOX_VALKEY_SERVER, or set caches = \"virtual\"";

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a server may take for a command. One that is longer about it has been suspended.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// How often another port is tried when somebody was quicker.
const PORT_ATTEMPTS: u32 = 20;

/// Starts the server, and ends it as soon as the pipe on its standard input is closed: the kernel
/// closes it when the sandbox is killed too. A server that ends by itself leaves its log behind.
/// The watcher does nothing before the kill that could fail: the folder may be gone by then. It does
/// not outlive the server, whose process id may become another's.
const SUPERVISOR: &str = r#"
exec 3<&0
"$1" "$2/redis.conf" </dev/null >"$2/out" 2>&1 3<&- &
server=$!
{ read -r _ <&3; kill -9 "$server" 2>/dev/null; } &
watcher=$!
exec 3<&- </dev/null
wait "$server"
status=$?
kill "$watcher" 2>/dev/null
if [ "$status" -eq 137 ]; then rm -rf "$2"; fi
"#;

/// What every node of a sandbox has in common.
pub(crate) struct Common {
    pub(crate) binaries: Option<Binaries>,
    /// Where nodes have their folders; it holds the certificates.
    pub(crate) root: PathBuf,
    pub(crate) admin_password: String,
}

/// Which port a server is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// A free one.
    Any,
    /// The one that it had before.
    Same(u16),
    /// Another than it had before.
    Except(u16),
}

/// How one server is to be started.
pub(crate) struct Plan<'a> {
    pub(crate) engine: &'a str,
    pub(crate) tls: bool,
    /// The folder in which it remembers its Redis Cluster, if it is to be in one.
    pub(crate) cluster: Option<&'a Path>,
    /// The primary's port.
    pub(crate) follow: Option<u16>,
    pub(crate) port: Port,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: Address,
    admin_password: String,
    /// None after an error; the next command opens another.
    connection: Option<Connection>,
    child: Child,
    lifeline: Option<ChildStdin>,
    dir: TempDir,
}

impl Server {
    /// Starts a server.
    pub(crate) async fn start(common: &Common, plan: &Plan<'_>) -> io::Result<Self> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let address = Address {
                port: match plan.port {
                    Port::Same(port) => port,
                    Port::Any => free_port(None)?,
                    Port::Except(port) => free_port(Some(port))?,
                },
                bus: if plan.cluster.is_some() { free_port(None)? } else { 0 },
            };
            match Self::start_at(common, plan, address).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < PORT_ATTEMPTS => {
                    sleep(Duration::from_millis(20)).await;
                }
                result => return result,
            }
        }
    }

    async fn start_at(common: &Common, plan: &Plan<'_>, address: Address) -> io::Result<Self> {
        let binaries = common.binaries.as_ref();
        let binary = binaries.and_then(|binaries| binaries.of(plan.engine));
        let binary = binary.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, NO_SERVER))?;
        let dir = tempfile::Builder::new().prefix("n").tempdir_in(&common.root)?;
        let path = dir.path();
        std::fs::write(path.join("redis.conf"), config(common, plan, path, address))?;
        let mut child = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "rekeyd-sandbox-supervisor"])
            .arg(binary)
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in a terminal is for the sandbox, which then ends its servers in order.
            .process_group(0)
            .spawn()?;
        let lifeline = child.stdin.take();
        let connection = connect(common, &mut child, path).await?;
        Ok(Self {
            address,
            admin_password: common.admin_password.clone(),
            connection: Some(connection),
            child,
            lifeline,
            dir,
        })
    }

    /// Runs a command as the sandbox's own user. The error may be the server's refusal.
    pub(crate) async fn ask(&mut self, words: &[&str]) -> io::Result<String> {
        let work = async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => Connection::open(&self.dir.path().join(SOCKET), ADMIN, &self.admin_password).await?,
            };
            let answer = connection.ask(words).await?;
            self.connection = Some(connection);
            answer.map_err(io::Error::other)
        };
        match timeout(COMMAND_TIMEOUT, work).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer")),
        }
    }

    /// Waits until the server is gone.
    pub(crate) async fn ended(&mut self) {
        let _ = self.child.wait().await;
    }

    /// Ends the server and waits until it is gone.
    pub(crate) async fn stop(mut self) {
        drop(self.lifeline.take());
        self.ended().await;
    }
}

async fn connect(common: &Common, child: &mut Child, dir: &Path) -> io::Result<Connection> {
    let deadline = Instant::now() + START_TIMEOUT;
    let socket = dir.join(SOCKET);
    loop {
        if let Ok(connection) = Connection::open(&socket, ADMIN, &common.admin_password).await {
            return Ok(connection);
        }
        if child.try_wait()?.is_some() {
            return Err(why_it_ended(dir));
        }
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "redis-server does not answer"));
        }
        sleep(Duration::from_millis(5)).await;
    }
}

fn why_it_ended(dir: &Path) -> io::Error {
    let text = std::fs::read_to_string(dir.join("out")).unwrap_or_default();
    if text.contains("in use") || text.contains("Failed listening") {
        return io::ErrorKind::AddrInUse.into();
    }
    let last: Vec<&str> = text.lines().rev().take(3).collect();
    io::Error::other(format!("redis-server ended at once: {}", last.join(" | ")))
}

/// A port that was free a moment ago. Nothing holds it until the server does, so that a clash is
/// possible, and tried again.
fn free_port(except: Option<u16>) -> io::Result<u16> {
    loop {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        if Some(port) != except {
            return Ok(port);
        }
    }
}

/// The configuration: nobody can log in but the sandbox until the node's users have been set.
fn config(common: &Common, plan: &Plan<'_>, dir: &Path, address: Address) -> String {
    let port = address.port;
    let (plain, tls) = if plan.tls { (0, port) } else { (port, 0) };
    let root = common.root.display();
    let dir = dir.display();
    let password = &common.admin_password;
    let mut text = format!(
        "bind 127.0.0.1\nprotected-mode no\nport {plain}\ntls-port {tls}\n\
         unixsocket \"{dir}/{SOCKET}\"\nunixsocketperm 700\ndir \"{dir}\"\ndaemonize no\nloglevel notice\n\
         save \"\"\nappendonly no\nrepl-diskless-sync yes\nrepl-diskless-sync-delay 0\n\
         user default off resetpass -@all\nuser {ADMIN} on >{password} ~* &* +@all\n\
         masteruser {ADMIN}\nmasterauth {password}\n"
    );
    if plan.tls {
        text.push_str(&format!(
            "tls-cert-file \"{root}/node.pem\"\ntls-key-file \"{root}/node.key\"\ntls-ca-cert-file \"{root}/ca.pem\"\n\
             tls-auth-clients no\ntls-replication yes\n"
        ));
    }
    if let Some(primary) = plan.follow {
        text.push_str(&format!("replicaof 127.0.0.1 {primary}\n"));
    }
    if let Some(memory) = plan.cluster {
        text.push_str(&cluster_config(plan.tls, memory, address.bus));
    }
    text
}

/// What a node of a Redis Cluster needs besides. Redirections name it by address: a name would spread
/// with the nodes' pings, and thus late. Roles change only when the sandbox says so.
fn cluster_config(tls: bool, memory: &Path, bus: u16) -> String {
    let memory = memory.display();
    let tls = if tls { "yes" } else { "no" };
    format!(
        "cluster-enabled yes\ncluster-config-file \"{memory}/nodes.conf\"\ncluster-port {bus}\ntls-cluster {tls}\n\
         cluster-announce-ip 127.0.0.1\n\
         cluster-node-timeout {PATIENT}\ncluster-replica-no-failover yes\ncluster-allow-replica-migration no\n\
         cluster-require-full-coverage no\n"
    )
}
