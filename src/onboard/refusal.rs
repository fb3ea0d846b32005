//! Why a user and its secret are left alone.

/// A reason to change nothing, with what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The request makes no sense in itself.
    #[error("{0}")]
    Request(String),
    /// The configuration does not cover it; with the lines that would.
    #[error("{problem}; {remedy} and run this again:\n\n{lines}")]
    NotConfigured {
        /// What is missing.
        problem: String,
        /// What to do with the lines: a table that is there already must not be added a second time.
        remedy: String,
        /// The TOML.
        lines: String,
    },
    /// The user is somebody else's, or other than asked for.
    #[error("user {user}: {problem}")]
    User {
        /// Its id.
        user: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The secret is somebody else's, or other than asked for.
    #[error("secret {secret}: {problem}")]
    Secret {
        /// Its name.
        secret: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A user group cannot take the user.
    #[error("user group {group}: {problem}")]
    Group {
        /// Its id.
        group: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
}

impl Refusal {
    pub(crate) fn user(user: &str, problem: impl Into<String>) -> Self {
        Self::User {
            user: user.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn secret(secret: &str, problem: impl Into<String>) -> Self {
        Self::Secret {
            secret: secret.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn group(group: &str, problem: impl Into<String>) -> Self {
        Self::Group {
            group: group.to_owned(),
            problem: problem.into(),
        }
    }
}
