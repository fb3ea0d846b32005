//! A connection to a node that stays open.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::World;

/// A login of which nothing but the connection is left: whoever holds it never connects anew.
pub(super) struct Connection {
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Held for the sake of `kill_on_drop`.
    _client: Child,
}

impl Connection {
    /// Logs in on the first node.
    pub(super) async fn open(world: &World, user: &str, password: &str) -> Self {
        let (host, port) = world.addresses().remove(0);
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &format!("{host}:{port}"), "-CAfile"])
            .arg(world.ca_file())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("openssl");
        let mut connection = Self {
            input: client.stdin.take().expect("a pipe"),
            lines: BufReader::new(client.stdout.take().expect("a pipe")).lines(),
            _client: client,
        };
        assert_eq!(
            connection.ask(&format!("AUTH {user} {password}")).await.as_deref(),
            Some("+OK")
        );
        assert_eq!(connection.ask("GET keys:1").await.as_deref(), Some("$-1"));
        connection
    }

    /// What the node answers; nothing if it has closed the connection.
    async fn ask(&mut self, command: &str) -> Option<String> {
        let line = format!("{command}\r\n");
        self.input.write_all(line.as_bytes()).await.ok()?;
        let answer = tokio::time::timeout(Duration::from_secs(60), self.lines.next_line()).await;
        answer.expect("an answer, or an end").ok()?
    }

    /// Whether the node has ended it.
    pub(super) async fn is_closed(&mut self) -> bool {
        self.ask("GET keys:1").await.is_none()
    }
}
