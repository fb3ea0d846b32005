//! Logins on Redis and Valkey nodes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::Login;
use super::connection::{Connection, NoAnswer};
use super::resp;
use super::tls::TlsConfigs;
use crate::metrics::Metrics;
use crate::policy::{Endpoint, Tls};
use crate::rotation::observation::LoginAnswer;
use crate::secret::Password;

/// How many logins go on at once, unless told otherwise.
pub const DEFAULT_CONCURRENCY: usize = 64;

/// How long one login may take, unless told otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

/// How many logins go on at once on one node: a hundred users of one cache are proved one after the other
/// soon enough, and a node that is small does not feel it.
const AT_ONE_NODE: usize = 8;

/// Logs in over TLS: a fresh connection, AUTH and nothing else, the first line of the answer.
pub struct RedisLogin {
    metrics: Arc<Metrics>,
    pub(super) deadline: Duration,
    pub(super) turns: Semaphore,
    /// The turns at each node where somebody logs in or waits to.
    at_node: Mutex<BTreeMap<Endpoint, Arc<Semaphore>>>,
    pub(super) configs: TlsConfigs,
}

impl RedisLogin {
    /// Logins of at most `deadline` each, `concurrency` at once. The wait for a turn does not
    /// count.
    pub fn new(metrics: Arc<Metrics>, deadline: Duration, concurrency: usize) -> Self {
        Self {
            metrics,
            deadline,
            turns: Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            at_node: Mutex::default(),
            configs: TlsConfigs::default(),
        }
    }

    pub(super) fn turns_at(&self, node: &Endpoint) -> Arc<Semaphore> {
        // A map that is whole whatever panicked elsewhere.
        let mut nodes = self.at_node.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.retain(|_, turns| Arc::strong_count(turns) > 1);
        let turns = nodes.entry(node.clone());
        turns.or_insert_with(|| Arc::new(Semaphore::new(AT_ONE_NODE))).clone()
    }

    async fn attempt(&self, node: &Endpoint, tls: &Tls, username: &str, password: &Password) -> LoginAnswer {
        let config = match self.configs.get(tls).await {
            Ok(config) => config,
            Err(error) => return LoginAnswer::TlsFailed(error.to_string()),
        };
        let mut connection = match Connection::open(node, config).await {
            Ok(connection) => connection,
            Err(error) => {
                if matches!(error, NoAnswer::Tls(_)) {
                    self.configs.doubt(tls);
                }
                return unanswered(&error);
            }
        };
        match connection.ask(&resp::auth(username, password)).await {
            Ok(line) => {
                connection.close().await;
                resp::answer(&line)
            }
            Err(error) => unanswered(&error),
        }
    }
}

fn unanswered(error: &NoAnswer) -> LoginAnswer {
    match error {
        NoAnswer::HostName(_) | NoAnswer::Tls(_) => LoginAnswer::TlsFailed(error.to_string()),
        _ => LoginAnswer::Unreachable(error.to_string()),
    }
}

#[async_trait]
impl Login for RedisLogin {
    async fn login(&self, node: &Endpoint, tls: &Tls, username: &str, password: &Password) -> LoginAnswer {
        // The semaphores are never closed, so there is always a turn. Who waits for a node's holds none of
        // the others' turns.
        let at_node = self.turns_at(node);
        let _at_node = at_node.acquire().await;
        let _turn = self.turns.acquire().await;
        let attempt = self.attempt(node, tls, username, password);
        let answer = tokio::time::timeout(self.deadline, attempt).await.unwrap_or_else(|_| {
            LoginAnswer::Unreachable(format!("timeout: no answer within {} s", self.deadline.as_secs_f32()))
        });
        self.metrics.login(&answer);
        answer
    }
}

#[cfg(test)]
#[path = "redis_tests.rs"]
mod tests;
