//! One `redis-server`, kept by a tiny shell that ends it when the sandbox ends, however it ends.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep};

use super::resp::Connection;

/// The sandbox's own user on every node; replicas follow their primary as this user too.
pub(crate) const ADMIN: &str = "rekeyd-sandbox-admin";

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// How often another port is tried when somebody was quicker.
const PORT_ATTEMPTS: u32 = 20;

/// Starts the server, and ends it as soon as the pipe on its standard input is closed: the kernel
/// closes it when the sandbox is killed too. A server that ends by itself leaves its log behind.
/// The watcher does nothing before the kill that could fail: the folder may be gone by then.
const SUPERVISOR: &str = r#"
exec 3<&0
"$1" "$2/redis.conf" </dev/null >"$2/out" 2>&1 3<&- &
server=$!
{ read -r _ <&3; kill -9 "$server" 2>/dev/null; } &
watcher=$!
exec 3<&- </dev/null
wait "$server"
if [ $? -eq 137 ]; then rm -rf "$2"; else kill "$watcher" 2>/dev/null; fi
"#;

/// What every node of a sandbox has in common.
pub(crate) struct Common {
    pub(crate) binary: PathBuf,
    /// Where nodes have their folders; it holds the certificates.
    pub(crate) root: PathBuf,
    pub(crate) admin_password: String,
}

/// How one server is to be started.
pub(crate) struct Plan {
    pub(crate) tls: bool,
    /// The primary's port.
    pub(crate) follow: Option<u16>,
    /// The port that it had before.
    pub(crate) port: Option<u16>,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) port: u16,
    connection: Connection,
    child: Child,
    lifeline: Option<ChildStdin>,
    _dir: TempDir,
}

impl Server {
    /// Starts a server on a free port, or on the one that it had before.
    pub(crate) async fn start(common: &Common, plan: &Plan) -> io::Result<Self> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let port = match plan.port {
                Some(port) => port,
                None => free_port()?,
            };
            match Self::start_on(common, plan, port).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < PORT_ATTEMPTS => {
                    sleep(Duration::from_millis(20)).await;
                }
                result => return result,
            }
        }
    }

    async fn start_on(common: &Common, plan: &Plan, port: u16) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("n").tempdir_in(&common.root)?;
        let path = dir.path();
        std::fs::write(path.join("redis.conf"), config(common, plan, path, port))?;
        let mut child = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "rekeyd-sandbox-supervisor"])
            .arg(&common.binary)
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
            port,
            connection,
            child,
            lifeline,
            _dir: dir,
        })
    }

    /// Runs a command as the sandbox's own user.
    pub(crate) async fn command(&mut self, words: &[&str]) -> io::Result<()> {
        self.connection.command(words).await
    }

    /// Ends the server and waits until it is gone.
    pub(crate) async fn stop(mut self) {
        drop(self.lifeline.take());
        let _ = self.child.wait().await;
    }
}

async fn connect(common: &Common, child: &mut Child, dir: &Path) -> io::Result<Connection> {
    let deadline = Instant::now() + START_TIMEOUT;
    let socket = dir.join("s");
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
fn free_port() -> io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()
        .map(|a| a.port())
}

/// The configuration: nobody can log in but the sandbox until the node's users have been set.
fn config(common: &Common, plan: &Plan, dir: &Path, port: u16) -> String {
    let (plain, tls) = if plan.tls { (0, port) } else { (port, 0) };
    let root = common.root.display();
    let dir = dir.display();
    let password = &common.admin_password;
    let mut text = format!(
        "bind 127.0.0.1\nprotected-mode no\nport {plain}\ntls-port {tls}\n\
         unixsocket \"{dir}/s\"\nunixsocketperm 700\ndir \"{dir}\"\ndaemonize no\nloglevel notice\n\
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
    text
}
