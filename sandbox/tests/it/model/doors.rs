//! The two doors of the sandbox, made alike: a call goes in, an answer comes out.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rekeyd_sandbox::elasticache as ec;
use rekeyd_sandbox::secretsmanager as sm;
use rekeyd_sandbox::{
    Caches, CallContext, CallError, Clock, Fault, LogEntry, LoginAnswer, ManualClock, Operation, Sandbox,
    SandboxServer, ServerConfig, Settings,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::wire;

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Ok(Value),
    Refused {
        code: String,
        status: u16,
    },
    /// The connection was closed instead.
    Lost,
}

/// A way into a sandbox whose clock is moved by hand.
pub enum Door {
    Rust {
        sandbox: Sandbox,
        clock: ManualClock,
    },
    Http {
        server: Box<SandboxServer>,
        clock: ManualClock,
        connection: Option<SendRequest<Full<Bytes>>>,
    },
}

fn start_of_time() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

impl Door {
    pub fn rust() -> Self {
        let clock = ManualClock::new(start_of_time());
        Self::Rust {
            sandbox: Sandbox::new(clock.clone(), 1, Settings::default()),
            clock,
        }
    }

    pub async fn http() -> Self {
        let clock = ManualClock::new(start_of_time());
        let settings = Settings {
            caches: Caches::Virtual,
            ..Settings::default()
        };
        let config = ServerConfig {
            settings,
            clock: std::sync::Arc::new(clock.clone()),
            ..ServerConfig::default()
        };
        let server = Box::new(SandboxServer::start(config).await.unwrap());
        Self::Http {
            server,
            clock,
            connection: None,
        }
    }

    /// An empty sandbox with these settings on top of the default ones.
    pub async fn begin(&mut self, settings: &Value) {
        match self {
            Self::Rust { sandbox, .. } => {
                sandbox.reset();
                sandbox.set_settings(Settings::default().patched(settings).unwrap());
            }
            Self::Http { .. } => {
                self.control("POST", "reset", &Value::Null).await;
                self.control("PUT", "settings", settings).await;
            }
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::Rust { clock, .. } | Self::Http { clock, .. } => clock.now(),
        }
    }

    pub fn wait(&self, ms: u64) {
        match self {
            Self::Rust { clock, .. } | Self::Http { clock, .. } => {
                clock.advance(TimeDelta::milliseconds(i64::try_from(ms).unwrap()));
            }
        }
    }

    pub async fn set_faults(&mut self, faults: Vec<Fault>) {
        match self {
            Self::Rust { sandbox, .. } => sandbox.set_faults(faults),
            Self::Http { .. } => {
                self.control("PUT", "faults", &json!(faults)).await;
            }
        }
    }

    /// Virtual nodes have no port, so both doors ask the model behind them.
    pub fn login(&self, node: &str, name: &str, password: &str) -> LoginAnswer {
        match self {
            Self::Rust { sandbox, .. } => sandbox.node_accepts(node, name, password),
            Self::Http { server, .. } => server.sandbox().node_accepts(node, name, password),
        }
    }

    pub fn log(&self) -> Vec<LogEntry> {
        match self {
            Self::Rust { sandbox, .. } => sandbox.log(),
            Self::Http { server, .. } => server.sandbox().log(),
        }
    }

    /// Makes a call; `name` is the operation's.
    pub async fn call(&mut self, name: &str, input: &Value) -> Answer {
        match self {
            Self::Rust { sandbox, .. } => rust_call(sandbox, name, input.clone()).await,
            Self::Http { .. } if super::call::is_about_secrets(name) => self.json_call(name, input).await,
            Self::Http { .. } => self.form_call(name, input).await,
        }
    }

    async fn json_call(&mut self, name: &str, input: &Value) -> Answer {
        let headers = [
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", format!("secretsmanager.{name}")),
        ];
        let Some((status, body)) = self.signed("secretsmanager", &headers, input.to_string()).await else {
            return Answer::Lost;
        };
        let body: Value = serde_json::from_str(&body).expect("JSON");
        match status {
            200 => Answer::Ok(body),
            _ => Answer::Refused {
                code: body["__type"].as_str().unwrap().to_owned(),
                status,
            },
        }
    }

    async fn form_call(&mut self, name: &str, input: &Value) -> Answer {
        let headers = [(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
        )];
        let form = wire::form(name, input);
        match self.signed("elasticache", &headers, form).await {
            None => Answer::Lost,
            Some((200, body)) => Answer::Ok(wire::result(name, &body)),
            Some((status, body)) => Answer::Refused {
                code: wire::error_code(&body),
                status,
            },
        }
    }

    /// A request as an SDK shapes it; the signature itself is not looked at.
    async fn signed(&mut self, service: &str, headers: &[(&str, String)], body: String) -> Option<(u16, String)> {
        let now = self.now();
        let scope = format!("test/{}/us-east-1/{service}/aws4_request", now.format("%Y%m%d"));
        let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=0");
        let mut request = Request::post("/")
            .header("host", "sandbox")
            .header("x-amz-date", now.format("%Y%m%dT%H%M%SZ").to_string())
            .header("authorization", authorization);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.send(request.body(Full::from(body)).unwrap()).await
    }

    /// A control call, which has to work.
    async fn control(&mut self, method: &str, path: &str, body: &Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("/_sandbox/{path}"))
            .header("host", "sandbox");
        let reply = self.send(request.body(Full::from(body)).unwrap()).await;
        assert_eq!(
            reply.as_ref().map(|(status, _)| *status),
            Some(200),
            "{path}: {reply:?}"
        );
    }

    /// Sends over a connection that is kept; nothing if it is closed without a reply.
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Option<(u16, String)> {
        let Self::Http { server, connection, .. } = self else {
            unreachable!("only over HTTP")
        };
        let mut sender = match connection.take() {
            Some(sender) => sender,
            None => {
                let stream = TcpStream::connect(server.addr()).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (sender, work) = http1::handshake(TokioIo::new(stream)).await.unwrap();
                tokio::spawn(work);
                sender
            }
        };
        let reply = sender.send_request(request).await.ok()?;
        let status = reply.status().as_u16();
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        *connection = Some(sender);
        Some((status, String::from_utf8(body.to_vec()).unwrap()))
    }
}

async fn rust_call(sandbox: &Sandbox, name: &str, input: Value) -> Answer {
    macro_rules! by_name {
        ($($service:ident: [$($operation:ident),*]),*) => {
            match name {
                $($(stringify!($operation) => typed_call::<$service::$operation>(sandbox, input).await,)*)*
                other => panic!("an operation that this door does not lead to: {other}"),
            }
        };
    }
    by_name!(
        sm: [
            CreateSecret, PutSecretValue, UpdateSecret, UpdateSecretVersionStage, GetSecretValue, DescribeSecret,
            ListSecretVersionIds, DeleteSecret, RestoreSecret, TagResource, UntagResource
        ],
        ec: [
            CreateUser, ModifyUser, DescribeUsers, DeleteUser, CreateUserGroup, ModifyUserGroup, DescribeUserGroups,
            DeleteUserGroup, CreateReplicationGroup
        ]
    )
}

async fn typed_call<O: Operation>(sandbox: &Sandbox, input: Value) -> Answer {
    let ctx = CallContext::default().signed_at(sandbox.now());
    let input: O = serde_json::from_value(input).unwrap();
    match sandbox.call(&ctx, input).await {
        Ok(output) => Answer::Ok(serde_json::to_value(output).unwrap()),
        Err(CallError::Api(error)) => Answer::Refused {
            code: error.code,
            status: error.status,
        },
        Err(CallError::ReplyLost) => Answer::Lost,
        Err(CallError::Hang) => panic!("no fault that hangs was asked for"),
    }
}
