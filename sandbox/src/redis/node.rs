//! The task behind one node: it starts and stops the server and tells it about users.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::plane::NodeError;
use super::process::{Common, Plan, Server};
use crate::core::account::NodeKey;
use crate::core::cache::model::AclRule;
use crate::core::cache::propagation::Confirm;
use crate::sandbox::Sandbox;

/// What ElastiCache does not let users do ("Supported and restricted commands" in its guide), as far
/// as it would let them out of the sandbox's hands.
const RESTRICTED: [&str; 14] = [
    "-acl|setuser",
    "-acl|deluser",
    "-acl|load",
    "-acl|save",
    "-bgrewriteaof",
    "-bgsave",
    "-config",
    "-debug",
    "-migrate",
    "-psync",
    "-replicaof",
    "-save",
    "-shutdown",
    "-sync",
];

/// An order to a node's task.
pub(crate) enum Order {
    SetUser {
        user_name: String,
        rule: Option<AclRule>,
        confirm: Confirm,
    },
    /// Stop or start the server; the answer comes when that is done.
    Run(bool, oneshot::Sender<Result<(), NodeError>>),
    End,
}

/// A node's task and all that it works with.
pub(crate) struct NodeTask {
    pub(crate) key: NodeKey,
    pub(crate) tls: bool,
    pub(crate) primary: Option<watch::Receiver<u16>>,
    pub(crate) port: watch::Sender<u16>,
    pub(crate) common: Arc<Common>,
    pub(crate) sandbox: Sandbox,
}

impl NodeTask {
    /// Works until it is told to end; then the server is gone.
    pub(crate) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut server = match self.start().await {
            Ok(server) => Some(server),
            Err(error) => {
                tracing::error!(node = self.key.node, %error, "a node could not be started");
                self.sandbox.node_failed(&self.key);
                // Replicas wait for the port; without its sender they learn that there is none.
                self.port = watch::Sender::new(0);
                None
            }
        };
        while let Some(order) = orders.recv().await {
            match order {
                Order::SetUser {
                    user_name,
                    rule,
                    confirm,
                } => {
                    self.set_user(server.as_mut(), &user_name, rule.as_ref()).await;
                    self.sandbox.confirm(&self.key, &confirm);
                }
                Order::Run(true, done) if server.is_none() => {
                    let result = self.start().await.map(|started| server = Some(started));
                    let _ = done.send(result);
                }
                Order::Run(running, done) => {
                    if let Some(server) = server.take_if(|_| !running) {
                        server.stop().await;
                    }
                    let _ = done.send(Ok(()));
                }
                Order::End => break,
            }
        }
        if let Some(server) = server {
            server.stop().await;
        }
    }

    /// Starts the server, on its old port if it had one, and brings its users up to date.
    async fn start(&mut self) -> Result<Server, NodeError> {
        let follow = match &mut self.primary {
            None => None,
            Some(primary) => Some(
                *primary
                    .wait_for(|port| *port != 0)
                    .await
                    .map_err(|_| NodeError::NoPrimary)?,
            ),
        };
        let old = *self.port.borrow();
        let plan = Plan {
            tls: self.tls,
            follow,
            port: (old != 0).then_some(old),
        };
        let mut server = Server::start(&self.common, &plan).await?;
        for rule in self.sandbox.node_rules(&self.key).unwrap_or_default() {
            tell(&mut server, &rule.user_name.clone(), Some(&rule)).await?;
        }
        self.port.send_replace(server.port);
        self.sandbox.node_started(&self.key, server.port);
        Ok(server)
    }

    async fn set_user(&self, server: Option<&mut Server>, user: &str, rule: Option<&AclRule>) {
        // A server that does not run learns everything when it starts.
        let Some(server) = server else {
            return;
        };
        if let Err(error) = tell(server, user, rule).await {
            tracing::warn!(node = self.key.node, user, %error, "a node did not take a user");
        }
    }
}

async fn tell(server: &mut Server, user: &str, rule: Option<&AclRule>) -> std::io::Result<()> {
    let Some(rule) = rule else {
        // The default user cannot be deleted; without RBAC rules for it nobody is to get in by it.
        if user == "default" {
            return server.command(&["ACL", "SETUSER", user, "reset"]).await;
        }
        return server.command(&["ACL", "DELUSER", user]).await;
    };
    let passwords: Vec<String> = rule.passwords.iter().map(|p| format!(">{}", p.expose())).collect();
    let mut words = vec!["ACL", "SETUSER", user, "reset"];
    words.extend(rule.access_string.split(' '));
    words.extend(RESTRICTED);
    words.extend(rule.nopass.then_some("nopass"));
    words.extend(passwords.iter().map(String::as_str));
    server.command(&words).await
}
