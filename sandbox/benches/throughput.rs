//! What the sandbox serves on one core, what it needs in memory, and how long it takes to start.
//! Run: `make bench-sandbox`, or `cargo bench -p rekeyd-sandbox`.
//!
//! The released binary runs pinned to the first core by `taskset`, which leaves its runtime one thread; sixteen
//! connections of this process, pinned to the second core if there is one, ask it one request after another. Beside
//! requests a second stands how many the server answered for each second of processor time that the kernel counted for it,
//! which neither a slow client nor a busy neighbour changes. A measurement and not a test: it prints and never fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::Instant;

const CONNECTIONS: usize = 16;
const DURATION: Duration = Duration::from_secs(3);
const SECRETS: usize = 10_000;
/// With the user `default` a thousand, which is ElastiCache's quota.
const USERS: usize = 999;
const STARTS: usize = 21;
/// Clock ticks a second in /proc (`getconf CLK_TCK`), the same on every Linux of today.
const TICKS: f64 = 100.0;

/// A sandbox of its own process. Dropping it ends it.
struct Server {
    child: Child,
    addr: String,
    /// From its start until it said that it is ready.
    ready: Duration,
}

impl Server {
    fn start(more: &[&str]) -> Self {
        let program = env!("CARGO_BIN_EXE_rekeyd-sandbox");
        let begin = Instant::now();
        let mut child = Command::new("taskset")
            .args(["-c", "0", program, "--listen", "127.0.0.1:0"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("taskset (util-linux) starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready = begin.elapsed();
        let addr = line.split("http://").nth(1).unwrap().split(' ').next().unwrap();
        Self {
            addr: addr.to_owned(),
            child,
            ready,
        }
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }

    /// Megabytes in memory now, and at most.
    fn memory(&self) -> (f64, f64) {
        let status = self.proc("status");
        let of = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim().split(' ').next().unwrap().parse::<f64>().unwrap() / 1024.0
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// Seconds of processor time.
    fn busy(&self) -> f64 {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
        ticks / TICKS
    }

    /// Ends it in order.
    fn end(mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A keep-alive connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(&server.addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    async fn send(&mut self, (headers, body): &Request) {
        let length = body.len();
        let request = format!("POST / HTTP/1.1\r\nhost: s\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.buffer.clear();
        while !self.complete() {
            let n = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert_ne!(n, 0, "the connection was closed");
        }
        let answer = || String::from_utf8_lossy(&self.buffer);
        assert!(self.buffer.starts_with(b"HTTP/1.1 200"), "{}", answer());
    }

    fn complete(&self) -> bool {
        let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            return false;
        };
        let head = std::str::from_utf8(&self.buffer[..end]).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        self.buffer.len() >= end + 4 + length.unwrap().parse::<usize>().unwrap()
    }
}

/// Headers and body.
type Request = (String, String);

fn secrets_manager(operation: &str, input: &serde_json::Value) -> Request {
    (
        format!("x-amz-target: secretsmanager.{operation}\r\n"),
        input.to_string(),
    )
}

fn elasticache(form: String) -> Request {
    (String::new(), form)
}

/// A value as people have it: a user's ARN, name and password.
fn value(n: usize) -> String {
    let arn = format!("arn:aws:elasticache:us-east-1:123456789012:user:u{n}");
    json!({"user_arn": arn, "username": format!("u{n}"), "password": format!("{n:032}")}).to_string()
}

fn secret(n: usize) -> String {
    format!("s{}", n % SECRETS)
}

fn user(n: usize) -> String {
    format!("u{}", n % USERS)
}

/// What is measured: a name, and the nth request.
type Case = (&'static str, fn(usize) -> Request);

const CASES: [Case; 7] = [
    ("GetSecretValue", |n| {
        secrets_manager("GetSecretValue", &json!({"SecretId": secret(n)}))
    }),
    ("DescribeSecret", |n| {
        secrets_manager("DescribeSecret", &json!({"SecretId": secret(n)}))
    }),
    ("DescribeUsers, of one user", |n| {
        elasticache(format!("Action=DescribeUsers&UserId={}", user(n)))
    }),
    ("PutSecretValue, a new version", put),
    ("ModifyUser, two passwords", |n| {
        let passwords = format!("Passwords.member.1={n:032}&Passwords.member.2=aaaaaaaaaaaaaaaa");
        elasticache(format!("Action=ModifyUser&UserId={}&{passwords}", user(n)))
    }),
    ("ListSecrets, a page of 100", |_| {
        secrets_manager("ListSecrets", &json!({"MaxResults": 100}))
    }),
    ("DescribeUsers, a page of 100", |_| {
        elasticache("Action=DescribeUsers&MaxRecords=100".to_owned())
    }),
];

fn put(n: usize) -> Request {
    let token = format!("{n:032}");
    let input = json!({"SecretId": secret(n), "SecretString": value(n), "ClientRequestToken": token});
    secrets_manager("PutSecretValue", &input)
}

async fn fill(server: &Server) {
    let mut connection = Connection::open(server).await;
    for n in 0..SECRETS {
        let token = format!("first-{n:032}");
        let input = json!({"Name": secret(n), "SecretString": value(n), "ClientRequestToken": token});
        connection.send(&secrets_manager("CreateSecret", &input)).await;
    }
    for n in 0..USERS {
        let form = format!(
            "Action=CreateUser&UserId=u{n}&UserName=u{n}&Engine=redis&AccessString=on&Passwords.member.1={n:032}"
        );
        connection.send(&elasticache(form)).await;
    }
}

/// Asks for a while. Gives the requests a second, and for each second of the server's processor time.
async fn rate(server: &Server, request: fn(usize) -> Request) -> (f64, f64) {
    let next = Rc::new(Cell::new(0));
    let (start, busy) = (Instant::now(), server.busy());
    let local = LocalSet::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(server).await;
        let next = Rc::clone(&next);
        local.spawn_local(async move {
            while start.elapsed() < DURATION {
                next.set(next.get() + 1);
                connection.send(&request(next.get())).await;
            }
        });
    }
    local.await;
    #[allow(clippy::cast_precision_loss)]
    let answered = next.get() as f64;
    (
        answered / start.elapsed().as_secs_f64(),
        answered / (server.busy() - busy),
    )
}

async fn rates(server: &Server, log: &str) {
    for (name, request) in CASES {
        let (wall, processor) = rate(server, request).await;
        println!("{name:32} {log:5} {wall:8.0} requests/s {processor:8.0} per second of its core");
    }
}

fn starts() {
    let mut times: Vec<f64> = (0..STARTS)
        .map(|_| Server::start(&[]).ready.as_secs_f64() * 1000.0)
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "start without caches: median {:.1} ms, slowest {:.1} ms of {STARTS}",
        times[STARTS / 2],
        times[STARTS - 1]
    );
}

fn told(server: &Server, when: &str) {
    let (now, most) = server.memory();
    println!("memory {when}: VmRSS {now:.1} MB, VmHWM {most:.1} MB");
}

async fn state(dir: &Path, settings: &str) {
    let file = dir.join("state.json");
    let arguments = [
        "--log",
        "warn",
        "--settings",
        settings,
        "--state",
        file.to_str().unwrap(),
    ];
    let server = Server::start(&arguments);
    fill(&server).await;
    server.end();
    let size = std::fs::metadata(&file).unwrap().len();
    let server = Server::start(&arguments);
    let ready = server.ready.as_secs_f64() * 1000.0;
    println!("start with a state file of {SECRETS} secrets and {USERS} users, {size} bytes: {ready:.0} ms");
    told(&server, "after that");
    let (wall, processor) = rate(&server, put).await;
    println!("PutSecretValue with the state file: {wall:.0} requests/s, {processor:.0} per second of its core");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Fails on a machine of one core, which then does both.
    let id = std::process::id().to_string();
    let _ = Command::new("taskset")
        .args(["-acp", "1", &id])
        .stdout(Stdio::null())
        .status();
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("settings.toml");
    std::fs::write(&settings, "caches = \"virtual\"\ndetached_modifying_ms = 0\n").unwrap();
    let settings = settings.to_str().unwrap();
    starts();
    for log in ["warn", "info"] {
        let server = Server::start(&["--log", log, "--settings", settings]);
        fill(&server).await;
        told(&server, &format!("with {SECRETS} secrets and {USERS} users"));
        rates(&server, log).await;
        told(&server, "after all of these");
    }
    state(dir.path(), settings).await;
}
