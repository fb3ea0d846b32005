//! What was called, by whom, and what a daemon has done by its own word.

use std::collections::BTreeMap;
use std::time::Duration;

use rekeyd_sandbox::LogEntry;
use tokio::time::{Instant, sleep};

use super::{Daemon, PATIENCE, World};

impl World {
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.sandbox.sandbox().calls()
    }

    /// How many calls to an operation were made, such as `elasticache.ModifyUser`.
    pub fn count(&self, operation: &str) -> u64 {
        self.calls().get(operation).copied().unwrap_or(0)
    }

    /// The calls that one daemon made, in their order.
    pub fn calls_by(&self, daemon: &str) -> Vec<LogEntry> {
        let mut log = self.sandbox.sandbox().log();
        log.retain(|call| call.access_key == daemon.to_uppercase());
        log
    }

    /// How many calls one daemon made to such operations.
    pub fn count_by(&self, daemon: &str, wanted: impl Fn(&str) -> bool) -> usize {
        self.calls_by(daemon)
            .iter()
            .filter(|call| wanted(&call.operation))
            .count()
    }

    /// How often one daemon has read the value of a secret, which it does at every look.
    pub fn looks_by(&self, daemon: &str) -> usize {
        self.count_by(daemon, |operation| operation == "GetSecretValue")
    }

    /// Asserts that a daemon has sent nothing but reads.
    pub fn assert_only_reads(&self, daemon: &str) {
        let calls = self.calls_by(daemon);
        assert!(!calls.is_empty(), "{daemon} has not even looked");
        let writes: Vec<_> = calls
            .iter()
            .filter(|call| call.mutated || !is_read(&call.operation))
            .collect();
        assert!(writes.is_empty(), "{daemon} wrote to AWS: {writes:#?}");
    }

    /// Waits until a daemon makes no call for half a second, and asserts that it then makes none for
    /// three times as long.
    pub async fn assert_comes_to_rest(&self, daemon: &str) {
        let quiet_for = Duration::from_millis(500);
        let mut last = (self.calls_by(daemon).len(), Instant::now());
        let deadline = Instant::now() + PATIENCE;
        while last.1.elapsed() < quiet_for {
            assert!(Instant::now() < deadline, "{daemon} never comes to rest");
            sleep(Duration::from_millis(50)).await;
            let calls = self.calls_by(daemon).len();
            if calls != last.0 {
                last = (calls, Instant::now());
            }
        }
        // A window in which nothing may happen.
        sleep(3 * quiet_for).await;
        let late = self.calls_by(daemon).split_off(last.0);
        assert!(late.is_empty(), "{daemon} is in a loop: {late:#?}");
    }

    /// What would change if a request to the daemon changed anything: writes, requests, pauses, history.
    pub async fn traces(&self, daemon: &Daemon) -> String {
        let history = daemon.get("/api/v1/rotations?limit=10000").await.json();
        let statuses = daemon.statuses().await.expect("statuses");
        let standing: Vec<_> = statuses
            .iter()
            .map(|status| (&status.secret, status.phase, status.requested, &status.current_version))
            .collect();
        let writes = ["secretsmanager.PutSecretValue", "elasticache.ModifyUser"].map(|call| self.count(call));
        let events = history["rotations"].as_array().expect("a list").len();
        format!("{events} {standing:?} {writes:?}")
    }
}

pub fn is_read(operation: &str) -> bool {
    ["Describe", "Get", "List", "BatchGet"]
        .iter()
        .any(|prefix| operation.starts_with(prefix))
}
