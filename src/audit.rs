//! The audit log: a line of JSON for every change that rekeyd makes or is asked for.
//!
//! A change is announced before it is made ([`Outcome::Begun`], on the disk before the call leaves) and told of
//! after it, under the same `id`; so a process that dies in between leaves the announcement. No line holds a
//! password: lines are made from ids, names and error codes, never from a request or a document.
//!
//! `line` is what a line says, `trail` where lines go: to the file of `daemon.audit_log`, or to the log, as
//! events of the target [`TARGET`]. [`requester`] carries who asked into the engine. [`command`] is the trail of a command
//! that makes changes itself, beside a daemon that may write to the same file.

pub mod command;
mod file;
mod line;
pub mod requester;
#[cfg(test)]
mod tests;
mod trail;

use std::path::PathBuf;

pub use line::{Actor, Change, Line, Operator, Outcome, Peer, Subject};
pub use trail::{Begun, Trail};

/// The target of audit lines in the log. It is never filtered out, whatever level is asked for; but for the commands that
/// make changes themselves, on a terminal, where they tell each change in words.
pub const TARGET: &str = "rekeyd::audit";

/// The audit log cannot be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the audit log {} cannot be written: {cause}; nothing is changed without it. Mend it, or change \
     `daemon.audit_log` and reload",
    path.display()
)]
pub struct AuditError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub cause: String,
}

impl AuditError {
    /// Whether no later attempt can succeed before somebody changes the configuration or makes the file's folder.
    pub fn takes_a_person(&self) -> bool {
        self.path.parent().is_some_and(|folder| !folder.is_dir())
    }
}
