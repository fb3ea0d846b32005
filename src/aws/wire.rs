//! A small HTTP server for the adapters' tests: it notes each request and answers from a script.

use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_elasticache::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::PlacePorts;
use super::call::Calls;
use super::connect::{ClockTime, ports, timeouts};
use super::credentials::Refusals;
use crate::clock::{SharedClock, SystemClock};
use crate::metrics::Metrics;
use crate::policy::Place;

/// An answer of the script.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: String,
    body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: String::new(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }
}

/// A request as it came.
pub(crate) struct Request {
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A stand-in for AWS, on a port of its own.
pub(crate) struct Wire {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Wire {
    /// Answers one request after the other from `script`, then with its last answer.
    pub(crate) async fn start(script: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let script = Arc::new(Mutex::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen), Arc::clone(&script)));
            }
        });
        Self { url, requests }
    }

    /// The requests since it was last asked.
    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    /// Ports that speak to it with made-up credentials.
    pub(super) fn ports(&self) -> PlacePorts {
        self.ports_with(credentials())
    }

    pub(super) fn ports_with(&self, credentials: SharedCredentialsProvider) -> PlacePorts {
        self.ports_over(&config(credentials))
    }

    pub(super) fn ports_over(&self, config: &SdkConfig) -> PlacePorts {
        self.ports_noting(config, Refusals::default())
    }

    pub(super) fn ports_noting(&self, config: &SdkConfig, refusals: Refusals) -> PlacePorts {
        let calls = Calls {
            clock: Arc::new(SystemClock::new()),
            metrics: Arc::new(Metrics::new(&[])),
            refusals,
        };
        ports(config, &self.place(), calls)
    }

    /// The place that it stands for.
    pub(super) fn place(&self) -> Place {
        Place {
            name: "test".to_owned(),
            region: "us-east-1".to_owned(),
            profile: None,
            role: None,
            secrets_manager_endpoint: Some(self.url.clone()),
            elasticache_endpoint: Some(self.url.clone()),
            event_bridge_endpoint: None,
            dynamodb_endpoint: None,
            budgets: crate::policy::Budgets::default(),
            sts_endpoint: None,
            use_fips: None,
            use_dualstack: None,
        }
    }
}

/// What `connect` sets, without its look at files and the environment.
pub(crate) fn config(credentials: SharedCredentialsProvider) -> SdkConfig {
    let clock: SharedClock = Arc::new(SystemClock::new());
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .time_source(ClockTime(clock))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .build()
}

/// Made-up credentials.
pub(crate) fn credentials() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new("AKIDEXAMPLE", "not-a-secret", None, None, "test"))
}

async fn serve(stream: TcpStream, seen: Arc<Mutex<Vec<Request>>>, script: Arc<Mutex<Vec<Answer>>>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        seen.lock().unwrap().push(request);
        let answer = {
            let mut script = script.lock().unwrap();
            if script.len() > 1 {
                script.remove(0)
            } else {
                script[0].clone()
            }
        };
        let head = format!(
            "HTTP/1.1 {} X\r\n{}content-length: {}\r\n\r\n",
            answer.status,
            answer.headers,
            answer.body.len()
        );
        // In one piece, lest the second waits for the first to be acknowledged; and a client that
        // has read enough may have gone.
        if stream
            .get_mut()
            .write_all((head + &answer.body).as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut headers = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut request = Request {
        headers,
        body: String::new(),
    };
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}
