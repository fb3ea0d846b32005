//! The two doors of the sandbox, made alike: a call goes in, an answer comes out.

use std::sync::Arc;

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

use super::call::is_about_secrets;
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
pub struct Door {
    clock: ManualClock,
    sandbox: Sandbox,
    http: Option<Http>,
}

struct Http {
    server: SandboxServer,
    /// Kept from call to call, until it is closed.
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Door {
    pub fn rust() -> Self {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
        let sandbox = Sandbox::new(clock.clone(), 1, Settings::default());
        Self {
            clock,
            sandbox,
            http: None,
        }
    }

    pub async fn http() -> Self {
        let clock = Self::rust().clock;
        let config = ServerConfig {
            settings: Settings {
                caches: Caches::Virtual,
                ..Settings::default()
            },
            clock: Arc::new(clock.clone()),
            ..ServerConfig::default()
        };
        let server = SandboxServer::start(config).await.unwrap();
        let sandbox = server.sandbox().clone();
        let http = Http {
            server,
            connection: None,
        };
        Self {
            clock,
            sandbox,
            http: Some(http),
        }
    }

    /// An empty sandbox with these settings on top of the default ones.
    pub async fn begin(&mut self, settings: &Value) {
        match &mut self.http {
            Some(http) => {
                http.control("POST", "reset", &Value::Null).await;
                http.control("PUT", "settings", settings).await;
            }
            None => {
                let settings = Settings::default().patched(settings).unwrap();
                self.sandbox = Sandbox::new(self.clock.clone(), 1, settings);
            }
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn wait(&self, ms: u64) {
        self.clock.advance(TimeDelta::milliseconds(i64::try_from(ms).unwrap()));
    }

    pub async fn set_faults(&mut self, faults: Vec<Fault>) {
        match &mut self.http {
            Some(http) => http.control("PUT", "faults", &json!(faults)).await,
            None => self.sandbox.set_faults(faults),
        }
    }

    /// Virtual nodes have no port: there is no other way to ask them.
    pub fn login(&self, node: &str, name: &str, password: &str) -> LoginAnswer {
        self.sandbox.node_accepts(node, name, password)
    }

    pub fn log(&self) -> Vec<LogEntry> {
        self.sandbox.log()
    }

    /// Makes a call, signed now; `name` is the operation's.
    pub async fn call(&mut self, name: &str, input: &Value) -> Answer {
        let now = self.now();
        match &mut self.http {
            Some(http) if is_about_secrets(name) => http.json_call(now, name, input).await,
            Some(http) => http.form_call(now, name, input).await,
            None => rust_call(&self.sandbox, name, input.clone()).await,
        }
    }
}

impl Http {
    async fn json_call(&mut self, now: DateTime<Utc>, name: &str, input: &Value) -> Answer {
        let headers = [
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", format!("secretsmanager.{name}")),
        ];
        let Some((status, body)) = self.signed(now, "secretsmanager", &headers, input.to_string()).await else {
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

    async fn form_call(&mut self, now: DateTime<Utc>, name: &str, input: &Value) -> Answer {
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let form = wire::form(name, input);
        let reply = self
            .signed(now, "elasticache", &[("content-type", kind.to_owned())], form)
            .await;
        match reply {
            None => Answer::Lost,
            Some((200, body)) => Answer::Ok(wire::result(name, &body)),
            Some((status, body)) => Answer::Refused {
                code: wire::error_code(&body),
                status,
            },
        }
    }

    /// A request as an SDK shapes it; the signature itself is not looked at.
    async fn signed(
        &mut self,
        now: DateTime<Utc>,
        service: &str,
        headers: &[(&str, String)],
        body: String,
    ) -> Option<(u16, String)> {
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

    /// Sends a request; nothing if the connection is closed instead of a reply.
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Option<(u16, String)> {
        let mut sender = match self.connection.take() {
            Some(sender) => sender,
            None => self.connect().await,
        };
        if sender.ready().await.is_err() {
            sender = self.connect().await;
        }
        let reply = sender.send_request(request).await.ok()?;
        let status = reply.status().as_u16();
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        self.connection = Some(sender);
        Some((status, String::from_utf8(body.to_vec()).unwrap()))
    }

    async fn connect(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(self.server.addr()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, work) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(work);
        sender
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
