//! The task behind one node: it starts and stops the server and tells it about users.

use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot, watch};

use super::member::{Member, NodeError, Whereabouts};
use super::process::{Common, Plan, Port, Server};
use crate::core::account::NodeKey;
use crate::core::cache::model::AclRule;
use crate::core::cache::propagation::Confirm;
use crate::sandbox::Sandbox;

/// What ElastiCache does not let users do ("Restricted Redis commands" in its guide), under the names
/// that the server has for it. Its users get out of the sandbox's hands by none of these.
const RESTRICTED: [&str; 26] = [
    "-acl|setuser",
    "-acl|deluser",
    "-acl|load",
    "-acl|save",
    "-bgrewriteaof",
    "-bgsave",
    "-cluster|addslots",
    "-cluster|addslotsrange",
    "-cluster|bumpepoch",
    "-cluster|delslots",
    "-cluster|delslotsrange",
    "-cluster|failover",
    "-cluster|flushslots",
    "-cluster|forget",
    "-cluster|links",
    "-cluster|meet",
    "-cluster|setslot",
    "-config",
    "-debug",
    "-migrate",
    "-psync",
    "-replicaof",
    "-save",
    "-slaveof",
    "-shutdown",
    "-sync",
];

/// Says how an order went.
pub(crate) type Done<T = ()> = oneshot::Sender<Result<T, NodeError>>;

/// An order to a node's task.
pub(crate) enum Order {
    SetUser {
        user_name: String,
        rule: Option<AclRule>,
        confirm: Confirm,
    },
    /// Stop or start the server.
    Run(bool, Done),
    /// End the server and start another at another port.
    Replace(Done),
    /// Follow this primary from now on, or nobody.
    Follow(Option<Member>, Done),
    /// Run a command on the server.
    Ask(Vec<String>, Done<String>),
    End,
}

/// A node's task and all that it works with.
pub(crate) struct NodeTask {
    pub(crate) key: NodeKey,
    pub(crate) engine: String,
    pub(crate) tls: bool,
    pub(crate) cluster: bool,
    /// Where a node of a Redis Cluster remembers it, whatever becomes of its server.
    pub(crate) memory: Option<TempDir>,
    pub(crate) primary: Option<Member>,
    pub(crate) place: watch::Sender<Whereabouts>,
    pub(crate) common: Arc<Common>,
    pub(crate) sandbox: Sandbox,
    pub(crate) server: Option<Server>,
}

impl NodeTask {
    /// Works until it is told to end; then the server is gone.
    pub(crate) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        self.start_or_fail(Port::Any).await;
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    None | Some(Order::End) => break,
                    Some(order) => self.carry_out(order).await,
                },
                () = died(self.server.as_mut()) => {
                    tracing::warn!(node = self.key.node, "a node's server has ended by itself");
                    self.server = None;
                    self.sandbox.node_died(&self.key);
                }
            }
        }
        self.stop().await;
    }

    async fn carry_out(&mut self, order: Order) {
        match order {
            Order::SetUser {
                user_name,
                rule,
                confirm,
            } => {
                self.set_user(&user_name, rule.as_ref()).await;
                self.sandbox.confirm(&self.key, &confirm);
            }
            Order::Run(true, done) => {
                let result = if self.server.is_none() {
                    self.start(self.last_port()).await
                } else {
                    Ok(())
                };
                let _ = done.send(result);
            }
            Order::Run(false, done) => {
                self.stop().await;
                let _ = done.send(Ok(()));
            }
            Order::Replace(done) => {
                let port = match self.last_port() {
                    Port::Same(port) => Port::Except(port),
                    any => any,
                };
                self.stop().await;
                self.place.send_replace(Whereabouts::Coming);
                self.start_or_fail(port).await;
                let _ = done.send(self.server.as_ref().map(|_| ()).ok_or(NodeError::Stopped));
            }
            Order::Follow(primary, done) => {
                self.primary = primary;
                let _ = done.send(self.follow().await);
            }
            Order::Ask(words, done) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let result = match &mut self.server {
                    Some(server) => server.ask(&words).await.map_err(NodeError::Io),
                    None => Err(NodeError::Stopped),
                };
                let _ = done.send(result);
            }
            // The loop has ended.
            Order::End => {}
        }
    }

    /// The port that the server had before, if it had one.
    fn last_port(&self) -> Port {
        match *self.place.borrow() {
            Whereabouts::At(address) => Port::Same(address.port),
            Whereabouts::Coming | Whereabouts::Nowhere => Port::Any,
        }
    }

    async fn start_or_fail(&mut self, port: Port) {
        if let Err(error) = self.start(port).await {
            tracing::error!(node = self.key.node, %error, "a node could not be started");
            self.place.send_replace(Whereabouts::Nowhere);
            self.sandbox.node_failed(&self.key);
        }
    }

    /// Starts the server and brings its users up to date.
    async fn start(&mut self, port: Port) -> Result<(), NodeError> {
        let follow = self.primary_port().await?;
        if self.cluster && self.memory.is_none() {
            let memory = tempfile::Builder::new().prefix("c").tempdir_in(&self.common.root)?;
            self.memory = Some(memory);
        }
        let plan = Plan {
            engine: &self.engine,
            tls: self.tls,
            cluster: self.memory.as_ref().map(TempDir::path),
            follow,
            port,
        };
        let mut server = Server::start(&self.common, &plan).await?;
        for rule in self.sandbox.node_rules(&self.key).unwrap_or_default() {
            tell(&mut server, &rule.user_name.clone(), Some(&rule)).await?;
        }
        self.place.send_replace(Whereabouts::At(server.address));
        self.sandbox.node_started(&self.key, server.address.port);
        self.server = Some(server);
        Ok(())
    }

    async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    async fn primary_port(&self) -> Result<Option<u16>, NodeError> {
        match &self.primary {
            None => Ok(None),
            Some(primary) => match primary.address().await {
                Ok(address) => Ok(Some(address.port)),
                Err(_) => Err(NodeError::NoPrimary),
            },
        }
    }

    /// Points a running server to its primary; one that does not run learns it when it starts.
    async fn follow(&mut self) -> Result<(), NodeError> {
        let port = self.primary_port().await?;
        let Some(server) = &mut self.server else {
            return Ok(());
        };
        match port.map(|port| port.to_string()) {
            Some(port) => server.ask(&["REPLICAOF", "127.0.0.1", &port]).await?,
            None => server.ask(&["REPLICAOF", "NO", "ONE"]).await?,
        };
        Ok(())
    }

    async fn set_user(&mut self, user: &str, rule: Option<&AclRule>) {
        // A server that does not run learns everything when it starts.
        let Some(server) = &mut self.server else {
            return;
        };
        if let Err(error) = tell(server, user, rule).await {
            tracing::warn!(node = self.key.node, user, %error, "a node did not take a user");
        }
    }
}

/// Waits for the end of a server; for ever if there is none.
async fn died(server: Option<&mut Server>) {
    match server {
        Some(server) => server.ended().await,
        None => std::future::pending().await,
    }
}

async fn tell(server: &mut Server, user: &str, rule: Option<&AclRule>) -> std::io::Result<()> {
    let Some(rule) = rule else {
        // The default user cannot be deleted; without RBAC rules for it nobody is to get in by it.
        let words: &[&str] = if user == "default" {
            &["ACL", "SETUSER", user, "reset"]
        } else {
            &["ACL", "DELUSER", user]
        };
        return server.ask(words).await.map(|_| ());
    };
    // A password takes `nopass` away again. Whoever needs none gets in with any.
    let listed = rule.passwords.iter().filter(|_| !rule.nopass);
    let passwords: Vec<String> = listed.map(|p| format!(">{}", p.expose())).collect();
    let mut words = vec!["ACL", "SETUSER", user, "reset"];
    words.extend(rule.access_string.split(' '));
    words.extend(RESTRICTED);
    words.extend(rule.nopass.then_some("nopass"));
    words.extend(passwords.iter().map(String::as_str));
    server.ask(&words).await.map(|_| ())
}
