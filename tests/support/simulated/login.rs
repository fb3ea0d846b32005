//! Logins on the sandbox's nodes, within the daemon's own limits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rekeyd::login::{DEFAULT_CONCURRENCY, DEFAULT_DEADLINE, Login};
use rekeyd::policy::{Endpoint, Tls};
use rekeyd::rotation::observation::LoginAnswer;
use rekeyd::secret::Password;
use rekeyd_sandbox::LoginAnswer as NodeAnswer;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::world::Wire;

/// Refused logins by user name and node: customers alarm on those.
pub type Refusals = BTreeMap<(String, String), u64>;

/// Logs in, and counts what is refused.
pub struct NodeLogin {
    wire: Wire,
    turns: Semaphore,
    refused: Arc<Mutex<Refusals>>,
}

impl NodeLogin {
    /// Logins from where the wire begins; refusals are added to `refused`.
    pub fn new(wire: Wire, refused: Arc<Mutex<Refusals>>) -> Self {
        Self {
            wire,
            turns: Semaphore::new(DEFAULT_CONCURRENCY),
            refused,
        }
    }

    /// How many logins are under way.
    pub fn under_way(&self) -> usize {
        DEFAULT_CONCURRENCY - self.turns.available_permits()
    }

    async fn attempt(&self, node: &Endpoint, username: &str, password: &Password) -> LoginAnswer {
        let world = &self.wire.world;
        sleep(world.travel()).await;
        world.catch_up();
        let Some(id) = world.sandbox.node_at(&node.host, node.port) else {
            return LoginAnswer::Unreachable("the host name does not resolve".to_owned());
        };
        if !world.trusts(&id) {
            return LoginAnswer::TlsFailed("invalid peer certificate: UnknownIssuer".to_owned());
        }
        let answer = world.sandbox.node_accepts(&id, username, password.expose());
        let now = world.sandbox.now();
        world.auditor().logged_in(now, username, &id, password.expose(), answer);
        let answer = match answer {
            NodeAnswer::Ok => LoginAnswer::Accepted,
            NodeAnswer::WrongPass => {
                *self.refused().entry((username.to_owned(), id)).or_default() += 1;
                LoginAnswer::Refused
            }
            NodeAnswer::Down => LoginAnswer::Unreachable("refused connection".to_owned()),
        };
        sleep(world.travel()).await;
        answer
    }

    fn refused(&self) -> MutexGuard<'_, Refusals> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Login for NodeLogin {
    async fn login(&self, node: &Endpoint, _tls: &Tls, username: &str, password: &Password) -> LoginAnswer {
        self.wire.process.running().await;
        let _turn = self.turns.acquire().await;
        let attempt = self.attempt(node, username, password);
        let answer = timeout(DEFAULT_DEADLINE, attempt)
            .await
            .unwrap_or_else(|_| LoginAnswer::Unreachable("timeout".to_owned()));
        self.wire.process.running().await;
        self.wire.metrics.login(&answer);
        answer
    }
}
