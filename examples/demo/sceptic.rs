//! The sceptic: logs in with `redis-cli`, which knows nothing of rekeyd.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::Outcome;

const DEADLINE: Duration = Duration::from_secs(5);

/// A password. It has no way onto the terminal but its fingerprint.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(pub(crate) String);

impl Password {
    /// Enough of its hash to tell it from others.
    pub(crate) fn fingerprint(&self) -> String {
        let hash = Sha256::digest(self.0.as_bytes());
        hash.iter()
            .take(3)
            .fold("#".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }
}

/// Where a node answers.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// What the nodes answered to one password.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    pub(crate) silent: Vec<String>,
}

impl Tally {
    pub(crate) fn nodes(&self) -> usize {
        self.accepted + self.refused + self.silent.len()
    }

    pub(crate) fn all_accept(&self) -> bool {
        self.accepted > 0 && self.accepted == self.nodes()
    }

    pub(crate) fn all_refuse(&self) -> bool {
        self.refused > 0 && self.refused == self.nodes()
    }
}

/// Logs in on every node by itself.
pub(crate) struct Sceptic {
    nodes: Vec<Node>,
    ca_file: PathBuf,
}

impl Sceptic {
    pub(crate) fn new(nodes: Vec<Node>, ca_file: PathBuf) -> Self {
        Self { nodes, ca_file }
    }

    /// Waits until every node answers at all.
    pub(crate) async fn await_nodes(&self) -> Outcome<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let tally = self.log_in("nobody", &Password("of nobody".to_owned())).await;
            match tally.silent.first() {
                None => return Ok(()),
                Some(cause) if Instant::now() > deadline => return Err(format!("a node does not answer: {cause}")),
                Some(_) => sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// One fresh login on each node.
    pub(crate) async fn log_in(&self, user: &str, password: &Password) -> Tally {
        let mut tally = Tally::default();
        for node in &self.nodes {
            match timeout(DEADLINE, self.ask(node, user, password)).await {
                Ok(Ok(true)) => tally.accepted += 1,
                Ok(Ok(false)) => tally.refused += 1,
                Ok(Err(cause)) => tally.silent.push(cause),
                Err(_) => tally
                    .silent
                    .push(format!("{}:{}: no answer in time", node.host, node.port)),
            }
        }
        tally
    }

    /// The password goes in over standard input, where no list of processes shows it.
    async fn ask(&self, node: &Node, user: &str, password: &Password) -> Outcome<bool> {
        let failed = |error: std::io::Error| format!("redis-cli: {error}");
        let mut child = Command::new("redis-cli")
            .args(["-h", &node.host, "-p", &node.port.to_string(), "--tls", "--cacert"])
            .arg(&self.ca_file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            let quoted = password.0.replace('\\', "\\\\").replace('"', "\\\"");
            stdin
                .write_all(format!("AUTH {user} \"{quoted}\"\n").as_bytes())
                .await
                .map_err(failed)?;
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        let answer = String::from_utf8_lossy(&output.stdout);
        match answer.trim() {
            "OK" => Ok(true),
            refused if refused.contains("WRONGPASS") => Ok(false),
            // What it says instead is about the connection: the password is not in it.
            other => Err(format!(
                "{}:{}: {other}{}",
                node.host,
                node.port,
                String::from_utf8_lossy(&output.stderr).trim()
            )),
        }
    }
}
