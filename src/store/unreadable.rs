//! What a store holds and this release cannot read: left out, and told in the log.

/// Something stored that makes no sense to this release.
pub(in crate::store) enum Unreadable {
    /// A record that is no JSON of a record.
    Record {
        /// Whose.
        secret_arn: String,
        /// Why.
        error: serde_json::Error,
    },
    /// A record that says that it is another secret's.
    OtherSecret {
        /// Whose by its key.
        secret_arn: String,
        /// Whose by its own word.
        names: String,
    },
    /// An entry of the history.
    Entry {
        /// Whose.
        secret_arn: String,
        /// When it is said to have happened.
        at: String,
    },
}

impl Unreadable {
    /// Logs it.
    pub(in crate::store) fn tell(&self) {
        match self {
            Self::Record { secret_arn, error } => tracing::warn!(event = "record_unreadable",
                secret_arn,
                %error,
                "a record in the store cannot be read; what rotations need is rebuilt from AWS"
            ),
            Self::OtherSecret { secret_arn, names } => tracing::warn!(
                event = "record_misplaced",
                secret_arn,
                names,
                "a record in the store names another secret; what rotations need is rebuilt from AWS"
            ),
            Self::Entry { secret_arn, at } => {
                tracing::warn!(
                    event = "history_unreadable",
                    secret_arn,
                    at,
                    "an entry of the history cannot be read; it is left out"
                );
            }
        }
    }
}
