//! What is wrong with a policy document, or beyond this evaluator.

/// Why a policy document is refused. Nothing of a document is ever left out of account: it is evaluated whole or not
/// taken at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct PolicyDefect {
    /// Where, such as `Statement[0].Action`.
    pub at: String,
    /// What is wrong there.
    pub what: String,
}

impl PolicyDefect {
    pub(super) fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            what: what.into(),
        }
    }
}
