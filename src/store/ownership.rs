//! Whose a secret is: of the only process of its store, or of one of several replicas that share the work.
//!
//! Ownership saves calls and keeps what is shown true; no promise rests on it. A replica that wrongly takes itself for a
//! secret's owner does what any second replica may do.

use async_trait::async_trait;

use crate::rotation::state::Record;
use crate::store::StoreError;

/// What another replica wrote of a secret, or may have.
#[derive(Clone, PartialEq, Debug)]
pub struct News {
    /// The record as it is stored.
    pub record: Record,
    /// What its owner shows of it beside the record, in the owner's own form; nothing if nobody has shown anything.
    pub sight: Option<String>,
    /// Whether it is to be looked at again although nothing of it has changed.
    pub nudged: bool,
}

/// Whether a gate may be passed.
#[derive(Clone, PartialEq, Debug)]
pub enum Gate {
    /// It may, by nobody else until it is left. These secrets passed it last: what they are now must be known first.
    Passed(Vec<News>),
    /// Somebody else is in it.
    Taken,
}

/// Whose the secrets are, as the engine asks. A secret is called by its ARN.
#[async_trait]
pub trait Ownership: Send + Sync {
    /// Whether it is this process's at this moment. Asked before each look, decision and change.
    fn owns(&self, secret_arn: &str) -> bool;

    /// Whether it is this process's, for a drive that begins: until [`Ownership::drive_ends`] it is not handed over to
    /// another replica that lives.
    fn drive_begins(&self, secret_arn: &str) -> bool;

    /// A drive has ended.
    fn drive_ends(&self, secret_arn: &str);

    /// The process would work on this secret from now on: it is in its configuration.
    fn wants(&self, secret_arn: &str);

    /// It would not any more.
    fn renounces(&self, secret_arn: &str);

    /// What the process works by. Secrets are shared among the replicas that work by the same.
    fn works_by(&self, fingerprint: &str);

    /// Waits for what others have done, and for secrets that come or go. Whoever is told of a secret asks whether it
    /// owns it. A secret is this process's only after its news were given.
    async fn news(&self) -> Vec<News>;

    /// Shows others what they cannot see in the record. Nothing happens if the secret is not this process's.
    ///
    /// # Errors
    /// When it cannot be stored.
    async fn show(&self, secret_arn: &str, sight: &str) -> Result<(), StoreError>;

    /// Has the secret's owner look at it again, soon.
    fn nudge(&self, secret_arn: &str);

    /// Passes a gate for a secret that would begin something which of several secrets only one may begin.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    async fn pass(&self, gate: &str, secret_arn: &str) -> Result<Gate, StoreError>;

    /// Leaves it again.
    async fn leave(&self, gate: &str, secret_arn: &str);

    /// Gives every secret up, for others to take at once: the process ends.
    async fn give_up(&self);

    /// Whether it is this process that delivers what waits for a target of notifications. Where nobody is sure, two may, or
    /// none for a moment.
    fn delivers(&self, target: &str) -> bool;

    /// Which part of all work falls to this process at the moment, as far as is known: 1 where it is alone, and never 0.
    fn part(&self) -> f64;

    /// How many secrets it holds a lease of; `None` where there are no leases.
    fn leases(&self) -> Option<usize>;
}

/// The only process of its store: everything is its own.
#[derive(Clone, Copy, Default, Debug)]
pub struct Sole;

#[async_trait]
impl Ownership for Sole {
    fn owns(&self, _secret_arn: &str) -> bool {
        true
    }

    fn drive_begins(&self, _secret_arn: &str) -> bool {
        true
    }

    fn drive_ends(&self, _secret_arn: &str) {}

    fn wants(&self, _secret_arn: &str) {}

    fn renounces(&self, _secret_arn: &str) {}

    fn works_by(&self, _fingerprint: &str) {}

    async fn news(&self) -> Vec<News> {
        std::future::pending().await
    }

    async fn show(&self, _secret_arn: &str, _sight: &str) -> Result<(), StoreError> {
        Ok(())
    }

    fn nudge(&self, _secret_arn: &str) {}

    async fn pass(&self, _gate: &str, _secret_arn: &str) -> Result<Gate, StoreError> {
        Ok(Gate::Passed(Vec::new()))
    }

    async fn leave(&self, _gate: &str, _secret_arn: &str) {}

    async fn give_up(&self) {}

    fn delivers(&self, _target: &str) -> bool {
        true
    }

    fn part(&self) -> f64 {
        1.0
    }

    fn leases(&self) -> Option<usize> {
        None
    }
}
