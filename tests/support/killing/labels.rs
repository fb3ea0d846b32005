//! Where the labels of every secret have been, and what follows from it for a login that was refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rekeyd_sandbox::Sandbox;
use tokio::time::sleep;

/// How often the labels are looked at. Two promotions of a secret lie seconds apart.
const EVERY: Duration = Duration::from_millis(20);

/// The versions under a secret's labels, from a moment on.
#[derive(Clone, PartialEq, Eq)]
struct Labels {
    current: String,
    pending: Option<String>,
    previous: Option<String>,
}

/// Where the labels have been and since when, by the secret's ARN.
type Seen = BTreeMap<String, Vec<(DateTime<Utc>, Labels)>>;

/// The labels of all secrets over time.
pub struct LabelHistory {
    sandbox: Sandbox,
    seen: Mutex<Seen>,
}

impl LabelHistory {
    pub fn new(sandbox: Sandbox) -> Self {
        let history = Self {
            sandbox,
            seen: Mutex::default(),
        };
        history.look();
        history
    }

    /// Looks for ever.
    pub async fn watch(&self) {
        loop {
            self.look();
            sleep(EVERY).await;
        }
    }

    fn look(&self) {
        let (now, secrets) = (self.sandbox.now(), self.sandbox.secrets());
        let mut seen = self.seen();
        for secret in secrets {
            let holder = |label| secret.holder(label).map(|version| version.id.clone());
            let labels = Labels {
                current: holder("AWSCURRENT").unwrap_or_default(),
                pending: holder("AWSPENDING"),
                previous: holder("AWSPREVIOUS"),
            };
            let moments = seen.entry(secret.arn).or_default();
            if moments.last().is_none_or(|(_, last)| *last != labels) {
                moments.push((now, labels));
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The versions that a secret has had under AWSCURRENT, in order.
    pub fn chain(&self, secret_arn: &str) -> Vec<String> {
        let moments = self.seen().get(secret_arn).cloned().unwrap_or_default();
        let mut chain: Vec<String> = moments.into_iter().map(|(_, labels)| labels.current).collect();
        chain.dedup();
        chain
    }

    /// How often AWSCURRENT has moved, over all secrets.
    pub fn promotions(&self) -> usize {
        let secrets: Vec<String> = self.seen().keys().cloned().collect();
        secrets.iter().map(|secret| self.chain(secret).len() - 1).sum()
    }

    /// When AWS moved a label of this secret first, from `since` on.
    pub fn first_move(&self, secret_arn: &str, since: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let moves = |call: &rekeyd_sandbox::LogEntry| {
            call.operation == "UpdateSecretVersionStage"
                && call.mutated
                && call.time >= since
                && call.resource.as_deref() == Some(secret_arn)
        };
        let log = self.sandbox.log();
        log.iter().find(|call| moves(call)).map(|call| call.time)
    }

    /// The history of one secret, for people.
    pub fn story(&self, secret_arn: &str) -> String {
        let moments = self.seen().get(secret_arn).cloned().unwrap_or_default();
        let mut story = String::new();
        for (at, labels) in moments {
            let _ = writeln!(
                story,
                "{} current {} pending {} previous {}",
                at.format("%T%.3f"),
                labels.current,
                labels.pending.as_deref().unwrap_or("-"),
                labels.previous.as_deref().unwrap_or("-"),
            );
        }
        story
    }
}
