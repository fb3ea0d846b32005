//! What a preflight checks, and what can come of a check. Both are closed sets, whose labels are public.

use serde::{Serialize, Serializer};

/// Something that must be in order before a rotation may begin, in the order in which it is looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Check {
    /// The secret is there, and has a current version.
    Secret,
    /// Its value can be read and decrypted.
    Value,
    /// The value is a document as rekeyd takes it.
    Document,
    /// Nobody else rotates or manages the secret.
    OtherRotators,
    /// No other region reads a copy of the secret.
    Replicas,
    /// `user_arn` is of the partition, region and account of the secret.
    UserArn,
    /// The policy allows the user.
    AllowUsers,
    /// One secret names the user, and one policy has the secret.
    OneSecret,
    /// AWSPENDING and AWSPREVIOUS are where rekeyd would leave them.
    Versions,
    /// The user is there, is the one that the secret names, and takes passwords.
    User,
    /// The user has room for another password.
    Passwords,
    /// The nodes that the user can log in on are known.
    Nodes,
    /// Every node is reached over TLS.
    Network,
    /// The current password logs in on every node.
    Login,
}

impl Check {
    /// Every one of them.
    pub const ALL: [Self; 14] = [
        Self::Secret,
        Self::Value,
        Self::Document,
        Self::OtherRotators,
        Self::Replicas,
        Self::UserArn,
        Self::AllowUsers,
        Self::OneSecret,
        Self::Versions,
        Self::User,
        Self::Passwords,
        Self::Nodes,
        Self::Network,
        Self::Login,
    ];

    /// Its name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Value => "value",
            Self::Document => "document",
            Self::OtherRotators => "other_rotators",
            Self::Replicas => "replicas",
            Self::UserArn => "user_arn",
            Self::AllowUsers => "allow_users",
            Self::OneSecret => "one_secret",
            Self::Versions => "versions",
            Self::User => "user",
            Self::Passwords => "passwords",
            Self::Nodes => "nodes",
            Self::Network => "network",
            Self::Login => "login",
        }
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

/// What came of a check; the worst is the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There was nothing to check it on: nothing is wrong, and nothing is shown.
    NotChecked,
    /// In order.
    Ok,
    /// A rotation begins, or soon will; somebody should know.
    Warning,
    /// It could not be found out.
    Unknown,
    /// No rotation begins, or none ends, until somebody mends it.
    Refused,
}

impl Outcome {
    /// Its name.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotChecked => "not_checked",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        }
    }
}

/// One check of one secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Checked {
    /// What was checked.
    pub check: Check,
    /// What came of it.
    pub outcome: Outcome,
    /// The label of what is wrong, as status and metrics have it.
    pub reason: Option<String>,
    /// What was found, in words.
    pub found: String,
    /// What to do about it.
    pub advice: Option<String>,
}

impl Checked {
    pub(super) fn plain(check: Check, outcome: Outcome, found: impl Into<String>) -> Self {
        Self {
            check,
            outcome,
            reason: None,
            found: found.into(),
            advice: None,
        }
    }

    pub(super) fn ok(check: Check, found: impl Into<String>) -> Self {
        Self::plain(check, Outcome::Ok, found)
    }

    pub(super) fn not_checked(check: Check, why: impl Into<String>) -> Self {
        Self::plain(check, Outcome::NotChecked, why)
    }

    pub(super) fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }

    pub(super) fn advising(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}
