//! The proof of a password: a login with it, over a fresh TLS connection, on a node.

mod connection;
#[cfg(test)]
mod hostile_tests;
mod path;
mod redis;
mod resp;
#[cfg(test)]
mod testing;
mod tls;

use async_trait::async_trait;

use crate::policy::{Endpoint, Tls};
use crate::rotation::observation::LoginAnswer;
use crate::secret::Password;

pub use path::{Obstacle, ObstacleKind, Reach};
pub use redis::{DEFAULT_CONCURRENCY, DEFAULT_DEADLINE, RedisLogin};
pub use tls::prepare;

/// Logs in on nodes.
#[async_trait]
pub trait Login: Send + Sync {
    /// Tries one login. The answer to AUTH decides; whatever the user may do after it does not
    /// matter. Waits for its turn when too many logins are under way.
    async fn login(&self, node: &Endpoint, tls: &Tls, username: &str, password: &Password) -> LoginAnswer;
}
