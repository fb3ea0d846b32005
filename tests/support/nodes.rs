//! The nodes of the caches: who can log in on them, and stopping them.

use std::process::Stdio;

use rekeyd_sandbox::NodeChange;

use super::World;

impl World {
    /// The addresses of all nodes.
    pub fn addresses(&self) -> Vec<(String, u16)> {
        self.sandbox
            .sandbox()
            .nodes()
            .into_iter()
            .map(|node| (node.host, node.port))
            .collect()
    }

    /// A login by an independent client, `redis-cli`; an error when the node gives no answer to it.
    pub async fn try_login(&self, host: &str, port: u16, user: &str, password: &str) -> Result<bool, String> {
        let output = tokio::process::Command::new("redis-cli")
            .args(["-h", host, "-p", &port.to_string(), "--tls", "--cacert"])
            .arg(self.sandbox.ca_file())
            .args(["AUTH", user, password])
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| format!("redis-cli: {error}"))?;
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        match answer.trim() {
            "OK" => Ok(true),
            refused if refused.contains("WRONGPASS") => Ok(false),
            other => Err(format!("{other} {}", String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// On how many nodes a password logs in, of how many.
    pub async fn logins(&self, user: &str, password: &str) -> (usize, usize) {
        let nodes = self.addresses();
        let mut accepted = 0;
        for (host, port) in &nodes {
            accepted += usize::from(self.try_login(host, *port, user, password).await.expect("an answer"));
        }
        (accepted, nodes.len())
    }

    /// Asserts that the password under AWSCURRENT logs in on every node (promise P1).
    pub async fn assert_current_logs_in(&self, secret: &str, user: &str) {
        loop {
            let password = self.password(secret, "AWSCURRENT").await.expect("a current password");
            let (accepted, nodes) = self.logins(user, &password).await;
            // A rotation may have ended between the reading and the last login.
            if self.password(secret, "AWSCURRENT").await.as_ref() == Some(&password) {
                let found = format!("{accepted} of {nodes} nodes");
                assert_eq!(
                    accepted, nodes,
                    "P1: the current password of {secret} logs in on {found}"
                );
                return;
            }
        }
    }

    /// The second replica of a replication group of three: its id and its address.
    pub fn replica_2(&self) -> (String, String) {
        let nodes = self.sandbox.sandbox().nodes();
        let node = nodes.last().expect("three nodes");
        (node.id.clone(), format!("{}:{}", node.host, node.port))
    }

    /// Stops a node, or starts it again.
    pub async fn set_running(&self, node: &str, running: bool) {
        let change = NodeChange {
            running: Some(running),
            ..NodeChange::default()
        };
        self.sandbox.change_node(node, &change).await.expect("changed");
    }
}
