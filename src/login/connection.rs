//! One TLS connection, for one question and one line of answer.
//!
//! rustls does the TLS and tokio the TCP; what they have to say to each other is strictly in turn
//! here (shake hands, ask, read a line), so a loop is all it takes.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ClientConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};

use crate::policy::Endpoint;

/// The longest answer that is read: an error line of Redis is far shorter.
const LINE_LIMIT: usize = 4096;

/// Why there was no answer. Shown to people; never holds anything that the node said.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// The host is neither a name nor an address.
    #[error("TLS: {0} is not a host name")]
    HostName(String),
    /// DNS knows no address.
    #[error("the host name does not resolve")]
    Resolve,
    /// No connection, in words.
    #[error("{}", connect_words(*.0))]
    Connect(ErrorKind),
    /// The connection broke off.
    #[error("connection lost: {0}")]
    Lost(ErrorKind),
    /// The node closed the connection.
    #[error("connection closed by the node {0}")]
    Closed(&'static str),
    /// TLS could not be agreed upon.
    #[error("TLS: {0}")]
    Tls(TlsFault),
    /// More than a line.
    #[error("the node's answer to AUTH is not one of Redis")]
    TooLong,
}

/// Why TLS could not be agreed upon, in words that an operator can act on.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsFault {
    /// None of the roots has signed the certificate.
    #[error("the certificate is not signed by a trusted root")]
    Untrusted,
    /// The certificate does not bear the name that was asked for.
    #[error("the certificate is for another host name")]
    OtherName,
    /// Its time is over.
    #[error("the certificate has expired")]
    Expired,
    /// What answered was no TLS.
    #[error("the node does not speak TLS on this port")]
    NoTls,
    /// Anything else, in rustls's words.
    #[error("{0}")]
    Other(String),
}

fn connect_words(kind: ErrorKind) -> String {
    match kind {
        ErrorKind::ConnectionRefused => "refused connection".to_owned(),
        ErrorKind::TimedOut => "timeout while connecting".to_owned(),
        kind => format!("cannot connect: {kind}"),
    }
}

/// A connection after its handshake.
pub(super) struct Connection {
    tcp: TcpStream,
    tls: ClientConnection,
}

impl Connection {
    /// Connects and shakes hands; the node's certificate must bear the endpoint's host.
    pub(super) async fn open(node: &Endpoint, config: Arc<ClientConfig>) -> Result<Self, NoAnswer> {
        let name = ServerName::try_from(node.host.clone()).map_err(|_| NoAnswer::HostName(node.host.clone()))?;
        let tls = ClientConnection::new(config, name).map_err(tls_words)?;
        let addresses = lookup_host((node.host.as_str(), node.port)).await;
        let addresses: Vec<_> = addresses.map_err(|_| NoAnswer::Resolve)?.collect();
        let tcp = TcpStream::connect(&addresses[..])
            .await
            .map_err(|error| NoAnswer::Connect(error.kind()))?;
        // AUTH is one small packet that waits for nothing; failing to say so costs only time.
        let _ = tcp.set_nodelay(true);
        let mut connection = Self { tcp, tls };
        connection.send().await?;
        while connection.tls.is_handshaking() {
            connection.receive("during the TLS handshake").await?;
            connection.send().await?;
        }
        Ok(connection)
    }

    /// Sends a message and waits for one line, which is returned with its CR LF.
    pub(super) async fn ask(&mut self, message: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        self.tls
            .writer()
            .write_all(message)
            .map_err(|error| NoAnswer::Lost(error.kind()))?;
        self.send().await?;
        let mut line = Vec::new();
        loop {
            self.decrypted(&mut line)?;
            if let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") {
                line.truncate(end + 2);
                return Ok(line);
            }
            if line.len() > LINE_LIMIT {
                return Err(NoAnswer::TooLong);
            }
            self.receive("before it answered AUTH").await?;
            // TLS may want to answer, such as to a key update.
            self.send().await?;
        }
    }

    /// Says goodbye. The answer stands whether or not that arrives.
    pub(super) async fn close(mut self) {
        self.tls.send_close_notify();
        let _ = self.send().await;
        let _ = self.tcp.shutdown().await;
    }

    /// Sends what TLS has ready.
    async fn send(&mut self) -> Result<(), NoAnswer> {
        let mut out = Vec::new();
        while self.tls.wants_write() {
            self.tls
                .write_tls(&mut out)
                .map_err(|error| NoAnswer::Lost(error.kind()))?;
        }
        self.tcp
            .write_all(&out)
            .await
            .map_err(|error| NoAnswer::Lost(error.kind()))
    }

    /// Waits for bytes and hands them to TLS.
    async fn receive(&mut self, when: &'static str) -> Result<(), NoAnswer> {
        let mut buffer = [0; 4096];
        let count = self
            .tcp
            .read(&mut buffer)
            .await
            .map_err(|error| NoAnswer::Lost(error.kind()))?;
        if count == 0 {
            return Err(NoAnswer::Closed(when));
        }
        let mut bytes = &buffer[..count];
        while !bytes.is_empty() {
            self.tls
                .read_tls(&mut bytes)
                .map_err(|error| NoAnswer::Lost(error.kind()))?;
            if let Err(error) = self.tls.process_new_packets() {
                // The alert that tells the node why; the error is already ours to report.
                let _ = self.send().await;
                return Err(tls_words(error));
            }
        }
        Ok(())
    }

    /// Appends what has been decrypted so far.
    fn decrypted(&mut self, line: &mut Vec<u8>) -> Result<(), NoAnswer> {
        let mut buffer = [0; 1024];
        loop {
            match self.tls.reader().read(&mut buffer) {
                // A node may close behind its answer.
                Ok(0) if line.ends_with(b"\r\n") => return Ok(()),
                Ok(0) => return Err(NoAnswer::Closed("before it answered AUTH")),
                Ok(count) => line.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(NoAnswer::Lost(error.kind())),
            }
            if line.len() > LINE_LIMIT {
                return Ok(());
            }
        }
    }
}

/// rustls's errors, those told apart that an operator mends differently.
fn tls_words(error: rustls::Error) -> NoAnswer {
    NoAnswer::Tls(match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => TlsFault::Untrusted,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => TlsFault::OtherName,
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            TlsFault::Expired
        }
        rustls::Error::InvalidMessage(_) => TlsFault::NoTls,
        error => TlsFault::Other(error.to_string()),
    })
}
