//! How many control-plane requests a second go through HTTP. Run: `cargo bench -p rekeyd-sandbox`.
//!
//! Sixteen connections ask one sandbox in the same process, one request after another, for what a
//! rotation asks for. A measurement and not a test: it prints and never fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::time::Duration;

use rekeyd_sandbox::{Caches, SandboxServer, ServerConfig, Settings};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

const CONNECTIONS: usize = 16;
const DURATION: Duration = Duration::from_secs(5);

/// A keep-alive connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(server: &SandboxServer) -> Self {
        let stream = TcpStream::connect(server.addr()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    async fn send(&mut self, headers: &str, body: &str) {
        let length = body.len();
        let request = format!("POST / HTTP/1.1\r\nhost: s\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.buffer.clear();
        while !self.complete() {
            let n = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert_ne!(n, 0, "the connection was closed");
        }
        assert!(
            self.buffer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&self.buffer)
        );
    }

    fn complete(&self) -> bool {
        let Ok(text) = std::str::from_utf8(&self.buffer) else {
            return false;
        };
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        body.len() >= length.unwrap().parse().unwrap()
    }

    async fn secrets_manager(&mut self, operation: &str, input: &serde_json::Value) {
        let target = format!("x-amz-target: secretsmanager.{operation}\r\n");
        self.send(&target, &input.to_string()).await;
    }
}

async fn prepare(server: &SandboxServer) {
    let mut connection = Connection::open(server).await;
    for n in 0..1_000 {
        let user = format!(
            "Action=CreateUser&UserId=u{n}&UserName=u{n}&Engine=redis&AccessString=on&Passwords.member.1=aaaaaaaaaaaaaaaa"
        );
        if n < 999 {
            connection.send("", &user).await;
        }
        let secret = json!({
            "Name": format!("s{n}"), "SecretString": "value", "ClientRequestToken": format!("{n:032}"),
        });
        connection.secrets_manager("CreateSecret", &secret).await;
    }
}

/// Returns how many requests were answered.
async fn ask(mut connection: Connection, from: usize, until: Instant) -> u64 {
    let mut answered = 0;
    let mut n = from;
    while Instant::now() < until {
        n = (n + 7) % 999;
        let secret = json!({"SecretId": format!("s{n}")});
        connection.secrets_manager("DescribeSecret", &secret).await;
        connection.secrets_manager("GetSecretValue", &secret).await;
        connection.send("", &format!("Action=DescribeUsers&UserId=u{n}")).await;
        let stage = json!({
            "SecretId": format!("s{n}"), "SecretString": "value", "ClientRequestToken": format!("{n:032}"),
        });
        connection.secrets_manager("PutSecretValue", &stage).await;
        answered += 4;
    }
    answered
}

#[tokio::main]
async fn main() {
    let config = ServerConfig {
        settings: Settings {
            caches: Caches::Virtual,
            ..Settings::default()
        },
        ..ServerConfig::default()
    };
    let server = SandboxServer::start(config).await.unwrap();
    prepare(&server).await;
    let start = Instant::now();
    let mut tasks = Vec::new();
    for n in 0..CONNECTIONS {
        let connection = Connection::open(&server).await;
        tasks.push(tokio::spawn(ask(connection, n * 60, start + DURATION)));
    }
    let mut answered = 0_u64;
    for task in tasks {
        answered += task.await.unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)]
    let rate = answered as f64 / seconds;
    println!("throughput: {rate:.0} requests/s ({answered} requests over {CONNECTIONS} connections in {seconds:.1} s)");
    server.shutdown().await;
}
