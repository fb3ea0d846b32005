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

/// Labels that were seen to have changed.
#[derive(Clone)]
struct Moment {
    /// When the look before showed other labels.
    after: DateTime<Utc>,
    at: DateTime<Utc>,
    labels: Labels,
}

/// What was seen of one secret.
#[derive(Clone)]
struct Seen {
    looked: DateTime<Utc>,
    moments: Vec<Moment>,
}

/// The labels of all secrets over time, by the secret's ARN.
pub struct LabelHistory {
    sandbox: Sandbox,
    seen: Mutex<BTreeMap<String, Seen>>,
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
        self.watch_every(EVERY).await;
    }

    /// The same less often, for more secrets.
    pub async fn watch_every(&self, span: Duration) {
        loop {
            self.look();
            sleep(span).await;
        }
    }

    fn look(&self) {
        // The lock comes first: looks of several tasks are noted in the order in which they were taken.
        let mut seen = self.seen();
        let (now, secrets) = (self.sandbox.now(), self.sandbox.secrets());
        for secret in secrets {
            let holder = |label| secret.holder(label).map(|version| version.id.clone());
            let labels = Labels {
                current: holder("AWSCURRENT").unwrap_or_default(),
                pending: holder("AWSPENDING"),
                previous: holder("AWSPREVIOUS"),
            };
            let seen = seen.entry(secret.arn).or_insert(Seen {
                looked: now,
                moments: Vec::new(),
            });
            if seen.moments.last().is_none_or(|last| last.labels != labels) {
                seen.moments.push(Moment {
                    after: seen.looked,
                    at: now,
                    labels,
                });
            }
            seen.looked = now;
        }
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moments(&self, secret_arn: &str) -> Vec<Moment> {
        self.seen()
            .get(secret_arn)
            .map(|seen| seen.moments.clone())
            .unwrap_or_default()
    }

    /// The versions that a secret has had under AWSCURRENT, in order.
    pub fn chain(&self, secret_arn: &str) -> Vec<String> {
        let moments = self.moments(secret_arn).into_iter();
        let mut chain: Vec<String> = moments.map(|moment| moment.labels.current).collect();
        chain.dedup();
        chain
    }

    /// How often AWSCURRENT has moved, over all secrets.
    pub fn promotions(&self) -> usize {
        let secrets: Vec<String> = self.seen().keys().cloned().collect();
        secrets.iter().map(|secret| self.chain(secret).len() - 1).sum()
    }

    /// When AWSCURRENT moved away from a version: the call between the last look that showed it there and the
    /// first that did not.
    pub fn moved_from(&self, secret_arn: &str, version: &str) -> Option<DateTime<Utc>> {
        self.look();
        let mut moments = self.moments(secret_arn).into_iter();
        moments.find(|moment| moment.labels.current == version)?;
        let moved = moments.find(|moment| moment.labels.current != version)?;
        let moves = |call: &rekeyd_sandbox::LogEntry| {
            call.operation == "UpdateSecretVersionStage"
                && call.mutated
                && (moved.after..=moved.at).contains(&call.time)
                && call.resource.as_deref() == Some(secret_arn)
        };
        let log = self.sandbox.log();
        let call = log.iter().rev().find(|call| moves(call));
        // A call that arrived before the look and was answered after it is dated earlier than the look.
        Some(call.map_or(moved.after, |call| call.time))
    }

    /// The history of one secret, for people.
    pub fn story(&self, secret_arn: &str) -> String {
        let mut story = String::new();
        for Moment { at, labels, .. } in self.moments(secret_arn) {
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
