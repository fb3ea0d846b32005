//! A receiver of notifications: it notes every request, and answers as it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use super::eventually;
use super::world::World;

/// The key that signs, as every test has it.
pub const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What a receiver does once it has read a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers with this status, these lines of headers and this body.
    With(u16, String, String),
    /// Never answers, and keeps the connection.
    Hang,
    /// Closes the connection without an answer.
    Drop,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::With(status, String::new(), String::new())
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Request {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The `type` of its message.
    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap_or_default().to_owned()
    }

    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

struct Shared {
    reply: Mutex<Reply>,
    requests: Mutex<Vec<Request>>,
    tls: Option<Arc<ServerConfig>>,
}

/// A receiver on a port of its own.
pub struct Receiver {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Receiver {
    /// One that speaks plain HTTP and takes everything.
    pub fn start() -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap(), None)
    }

    /// One on a port on which nobody listened so far.
    pub fn at(port: u16) -> Self {
        Self::listen(TcpListener::bind(("127.0.0.1", port)).unwrap(), None)
    }

    /// One that speaks HTTPS as `localhost`, by a certificate that the roots in `folder/receiver.ca` signed.
    pub fn with_tls(folder: &Path) -> Self {
        issue(folder);
        let chain = CertificateDer::pem_file_iter(folder.join("receiver.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("receiver.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::listen(listener, Some(Arc::new(config)))
    }

    fn listen(listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> Self {
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            reply: Mutex::new(Reply::status(204)),
            requests: Mutex::default(),
            tls,
        });
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = of_thread.clone();
                // A client that breaks off is no failure of the receiver's.
                std::thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        Self { port, shared }
    }

    pub fn url(&self) -> String {
        match self.shared.tls {
            Some(_) => format!("https://localhost:{}/rekeyd", self.port),
            None => format!("http://127.0.0.1:{}/rekeyd", self.port),
        }
    }

    /// How it answers from now on.
    pub fn replies(&self, reply: Reply) {
        *self.shared.reply.lock().unwrap() = reply;
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits until it got so many requests, those that it did not answer included.
    pub async fn got(&self, count: usize) -> Vec<Request> {
        eventually(&format!("the receiver got {count} requests"), || async {
            let requests = self.requests();
            match requests.len() >= count {
                true => Ok(requests),
                false => Err(format!("{requests:#?}")),
            }
        })
        .await
    }

    /// Waits until it got messages of all of these types.
    pub async fn got_types(&self, types: &[&str]) -> Vec<Request> {
        eventually(&format!("the receiver got {types:?}"), || async {
            let requests = self.requests();
            let kinds: Vec<String> = requests.iter().map(Request::kind).collect();
            match types.iter().all(|kind| kinds.iter().any(|found| found == kind)) {
                true => Ok(requests),
                false => Err(format!("{kinds:?}")),
            }
        })
        .await
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        match &self.tls {
            None => self.answer(stream),
            Some(config) => {
                let connection = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
                self.answer(StreamOwned::new(connection, stream))
            }
        }
    }

    fn answer(&self, stream: impl Read + Write) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let request = read(&mut stream)?;
        let reply = self.reply.lock().unwrap().clone();
        self.requests.lock().unwrap().push(request);
        match reply {
            Reply::With(status, headers, body) => {
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                stream.get_mut().write_all(text.as_bytes())?;
                stream.get_mut().flush()
            }
            Reply::Hang => stream.read(&mut [0]).map(drop),
            Reply::Drop => Ok(()),
        }
    }
}

fn read(stream: &mut impl BufRead) -> std::io::Result<Request> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok(Request {
        path,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn issue(folder: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    std::fs::write(folder.join("receiver.san"), "subjectAltName=DNS:localhost\n").unwrap();
    for arguments in [
        format!("req -x509 {key} -days 30 -subj /CN=receivers -keyout receiver.ca.key -out receiver.ca"),
        format!("req {key} -subj /CN=receiver -keyout receiver.key -out receiver.csr"),
        "x509 -req -in receiver.csr -CA receiver.ca -CAkey receiver.ca.key -CAcreateserial -days 30 -extfile receiver.san \
         -out receiver.pem"
            .to_owned(),
    ] {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(folder)
            .output()
            .expect("openssl starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl World {
    /// The table of a webhook that is told of these events.
    pub fn webhook(&self, name: &str, url: &str, events: &[&str]) -> String {
        let key = self.path("signing.key");
        std::fs::write(&key, KEY).unwrap();
        format!(
            "[notify.{name}]\ntype = \"webhook\"\nurl = {url:?}\nsecret_file = {key:?}\nevents = {events:?}\ntimeout = \"1s\"\n"
        )
    }

    /// The table of an incoming webhook of Slack.
    pub fn slack(&self, name: &str, url: &str, events: &[&str]) -> String {
        let file = self.path(&format!("{name}.url"));
        std::fs::write(&file, format!("{url}\n")).unwrap();
        format!("[notify.{name}]\ntype = \"slack\"\nurl_file = {file:?}\nevents = {events:?}\ntimeout = \"1s\"\n")
    }
}
