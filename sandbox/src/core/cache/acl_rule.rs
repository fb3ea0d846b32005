//! What a node is told about a user.

use super::access_string;
use crate::sensitive::Sensitive;

/// A user as a node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AclRule {
    /// The name that AUTH takes.
    pub(crate) user_name: String,
    /// State, keys, channels and commands.
    pub(crate) access_string: String,
    /// Whether any password will do.
    pub(crate) nopass: bool,
    /// The passwords that will do.
    pub(crate) passwords: Vec<Sensitive>,
}

impl AclRule {
    /// The rule of a cache without RBAC, and of the user that every account starts with.
    pub(crate) fn open_default() -> Self {
        Self {
            user_name: "default".to_owned(),
            access_string: "on ~* +@all".to_owned(),
            nopass: true,
            passwords: Vec::new(),
        }
    }

    /// Whether the user may log in at all.
    pub(crate) fn is_on(&self) -> bool {
        access_string::is_on(&self.access_string)
    }

    /// Whether the user gets in with this password.
    pub(crate) fn accepts(&self, password: &str) -> bool {
        self.is_on() && (self.nopass || self.passwords.iter().any(|p| p.expose() == password))
    }
}
