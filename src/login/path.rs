//! The way to a node, without a login: name, TCP and TLS. It tells a user that refuses a password from a node that
//! nobody reaches, and costs no failed login.

use async_trait::async_trait;

use super::connection::{Connection, NoAnswer, TlsFault};
use super::redis::RedisLogin;
use crate::policy::{Endpoint, Tls};

/// What stands in the way to a node, as far as it is mended differently.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ObstacleKind {
    /// DNS knows no address, or the name is none.
    Name,
    /// No TCP connection, or it broke off.
    Network,
    /// No answer in time.
    Timeout,
    /// The certificate's time is over.
    CertificateExpired,
    /// No trusted root has signed the certificate.
    CertificateUntrusted,
    /// The certificate bears another name.
    CertificateName,
    /// The node does not speak TLS.
    NoTls,
    /// The roots to trust cannot be read.
    Roots,
    /// TLS failed in another way.
    Tls,
}

impl ObstacleKind {
    /// Its name in JSON.
    pub fn label(self) -> &'static str {
        match self {
            Self::Name => "name_unresolved",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateUntrusted => "certificate_untrusted",
            Self::CertificateName => "certificate_name",
            Self::NoTls => "no_tls",
            Self::Roots => "roots_unreadable",
            Self::Tls => "tls",
        }
    }
}

/// Why a node is not reached.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Obstacle {
    /// What stands in the way.
    pub kind: ObstacleKind,
    /// The same in words; never anything that the node said.
    pub cause: String,
}

/// Goes to nodes without logging in.
#[async_trait]
pub trait Reach: Send + Sync {
    /// Opens a TLS connection to a node, and closes it again. Waits for its turn as logins do.
    ///
    /// # Errors
    /// What stands in the way.
    async fn reach(&self, node: &Endpoint, tls: &Tls) -> Result<(), Obstacle>;
}

#[async_trait]
impl Reach for RedisLogin {
    async fn reach(&self, node: &Endpoint, tls: &Tls) -> Result<(), Obstacle> {
        let at_node = self.turns_at(node);
        let _at_node = at_node.acquire().await;
        let _turn = self.turns.acquire().await;
        let seconds = self.deadline.as_secs_f32();
        let attempt = tokio::time::timeout(self.deadline, self.connect(node, tls)).await;
        attempt.unwrap_or_else(|_| {
            Err(Obstacle {
                kind: ObstacleKind::Timeout,
                cause: format!("timeout: no answer within {seconds} s"),
            })
        })
    }
}

impl RedisLogin {
    async fn connect(&self, node: &Endpoint, tls: &Tls) -> Result<(), Obstacle> {
        let config = self.configs.get(tls).await.map_err(|error| Obstacle {
            kind: ObstacleKind::Roots,
            cause: error.to_string(),
        })?;
        match Connection::open(node, config).await {
            Ok(connection) => {
                connection.close().await;
                Ok(())
            }
            Err(error) => Err(Obstacle {
                kind: kind(&error),
                cause: error.to_string(),
            }),
        }
    }
}

fn kind(error: &NoAnswer) -> ObstacleKind {
    match error {
        NoAnswer::HostName(_) | NoAnswer::Resolve => ObstacleKind::Name,
        NoAnswer::Connect(std::io::ErrorKind::TimedOut) => ObstacleKind::Timeout,
        NoAnswer::Connect(_) | NoAnswer::Lost(_) | NoAnswer::Closed(_) | NoAnswer::TooLong => ObstacleKind::Network,
        NoAnswer::Tls(TlsFault::Expired) => ObstacleKind::CertificateExpired,
        NoAnswer::Tls(TlsFault::Untrusted) => ObstacleKind::CertificateUntrusted,
        NoAnswer::Tls(TlsFault::OtherName) => ObstacleKind::CertificateName,
        NoAnswer::Tls(TlsFault::NoTls) => ObstacleKind::NoTls,
        NoAnswer::Tls(TlsFault::Other(_)) => ObstacleKind::Tls,
    }
}
