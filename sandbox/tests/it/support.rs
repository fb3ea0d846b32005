//! A bare HTTP client, `redis-cli`, and a way to wait for things.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use rekeyd_sandbox::{Caches, SandboxServer, ServerConfig, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const TOKEN_1: &str = "00000000-0000-0000-0000-000000000001";
pub const TOKEN_2: &str = "00000000-0000-0000-0000-000000000002";
pub const TOKEN_3: &str = "00000000-0000-0000-0000-000000000003";
pub const OLD: &str = "old-password-of-the-user";
pub const NEW: &str = "new-password-of-the-user";

/// A client of one sandbox.
#[derive(Clone)]
pub struct Client {
    pub addr: String,
    pub headers: String,
}

/// A reply: status and body. Nothing when the connection was closed instead.
pub type Answer = Option<(u16, String)>;

impl Client {
    pub fn of(server: &SandboxServer) -> Self {
        Self {
            addr: server.addr().to_string(),
            headers: String::new(),
        }
    }

    pub fn with_header(&self, header: &str) -> Self {
        let mut client = self.clone();
        client.headers.push_str(header);
        client.headers.push_str("\r\n");
        client
    }

    pub async fn http(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let (head, body) = self.exchange(method, path, headers, body).await?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body))
    }

    /// The reply's head and body.
    pub async fn exchange(&self, method: &str, path: &str, headers: &str, body: &str) -> Option<(String, String)> {
        let mut stream = TcpStream::connect(&self.addr).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\ncontent-length: {}\r\n{}{headers}\r\n{body}",
            body.len(),
            self.headers
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.ok()?;
        let (head, body) = reply.split_once("\r\n\r\n")?;
        Some((head.to_owned(), body.to_owned()))
    }

    /// A Secrets Manager call.
    pub async fn sm(&self, operation: &str, input: Value) -> (u16, Value) {
        let (status, body) = self.sm_answer(operation, input).await.expect("a reply");
        (status, serde_json::from_str(&body).unwrap())
    }

    pub async fn sm_answer(&self, operation: &str, input: Value) -> Answer {
        let target = format!("x-amz-target: secretsmanager.{operation}\r\n");
        self.http("POST", "/", &target, &input.to_string()).await
    }

    /// A Secrets Manager call that works.
    pub async fn sm_ok(&self, operation: &str, input: Value) -> Value {
        let (status, body) = self.sm(operation, input).await;
        assert_eq!(status, 200, "{operation}: {body}");
        body
    }

    /// A Secrets Manager call that is refused: its status and code.
    pub async fn sm_err(&self, operation: &str, input: Value) -> (u16, String, String) {
        let (status, body) = self.sm(operation, input).await;
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        (status, text("__type"), text("message"))
    }

    /// An ElastiCache call.
    pub async fn ec(&self, action: &str, form: &str) -> (u16, String) {
        self.ec_answer(action, form).await.expect("a reply")
    }

    pub async fn ec_answer(&self, action: &str, form: &str) -> Answer {
        let form = form.replace('+', "%2B");
        let body = format!("Action={action}&Version=2015-02-02&{form}");
        self.http(
            "POST",
            "/",
            "content-type: application/x-www-form-urlencoded\r\n",
            &body,
        )
        .await
    }

    /// An ElastiCache call that works.
    pub async fn ec_ok(&self, action: &str, form: &str) -> String {
        let (status, body) = self.ec(action, form).await;
        assert_eq!(status, 200, "{action}: {body}");
        body
    }

    /// An ElastiCache call that is refused: its status and code.
    pub async fn ec_err(&self, action: &str, form: &str) -> (u16, String) {
        let (status, body) = self.ec(action, form).await;
        (status, tag(&body, "Code"))
    }

    /// A control call.
    pub async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let path = format!("/_sandbox/{path}");
        let (status, reply) = self.http(method, &path, "", &body).await.unwrap();
        assert_eq!(status, 200, "{method} {path}: {reply}");
        serde_json::from_str(&reply).unwrap_or(Value::String(reply))
    }

    pub async fn user_status(&self, user: &str) -> String {
        tag(&self.ec_ok("DescribeUsers", &format!("UserId={user}")).await, "Status")
    }

    /// A user in a group with a cache of `nodes` nodes; waits until they run.
    pub async fn cache_with_user(&self, user: &str, access: &str, nodes: usize) {
        let form = format!("UserId={user}&UserName={user}&Engine=redis&AccessString={access}&Passwords.member.1={OLD}");
        self.ec_ok("CreateUser", &form).await;
        let form = format!("UserGroupId=g&Engine=redis&UserIds.member.1=default&UserIds.member.2={user}");
        self.ec_ok("CreateUserGroup", &form).await;
        let form = format!(
            "ReplicationGroupId=rg&ReplicationGroupDescription=d&TransitEncryptionEnabled=true\
             &NumCacheClusters={nodes}&UserGroupIds.member.1=g"
        );
        self.ec_ok("CreateReplicationGroup", &form).await;
        until("the cache is available", || async {
            let reply = self.ec_ok("DescribeReplicationGroups", "ReplicationGroupId=rg").await;
            tag(&reply, "Status") == "available"
        })
        .await;
    }

    pub async fn port(&self, node: &str) -> u16 {
        let nodes = self.control("GET", "nodes", Value::Null).await;
        let found = nodes
            .as_array()
            .unwrap()
            .iter()
            .find(|n| n["id"] == node)
            .unwrap()
            .clone();
        u16::try_from(found["port"].as_u64().unwrap()).unwrap()
    }

    pub async fn fault(&self, fault: Value) {
        self.control("PUT", "faults", json!([fault])).await;
    }
}

/// The text of the first element with a name.
pub fn tag(xml: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let start = xml.find(&open).map(|at| at + open.len());
    let text = start.and_then(|start| xml[start..].find(&close).map(|n| &xml[start..start + n]));
    text.unwrap_or_default().to_owned()
}

/// What a node says to a login, asked by somebody else's client over TLS.
pub async fn login(ca: &Path, port: u16, user: &str, password: &str) -> String {
    let output = tokio::process::Command::new("redis-cli")
        .args(["--tls", "--cacert"])
        .arg(ca)
        .args(["-h", "localhost", "-p", &port.to_string(), "AUTH", user, password])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Waits for a condition for longer than any machine needs that does other things too.
pub async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let work = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), work)
        .await
        .unwrap_or_else(|_| panic!("this did not happen in time: {what}"));
}

/// A sandbox without processes.
pub async fn virtual_server() -> (SandboxServer, Client) {
    start(Settings {
        caches: Caches::Virtual,
        detached_modifying_ms: 0,
        propagation_ms: 0.into(),
        ..Settings::default()
    })
    .await
}

pub async fn start(settings: Settings) -> (SandboxServer, Client) {
    let config = ServerConfig {
        settings,
        ..ServerConfig::default()
    };
    let server = SandboxServer::start(config).await.unwrap();
    let client = Client::of(&server);
    (server, client)
}
