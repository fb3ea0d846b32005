//! What is asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::secret::Password;

use super::names;

/// The engine of a user that is to be created.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum UserEngine {
    /// Redis OSS.
    Redis,
    /// Valkey. Its users cannot be without a password.
    Valkey,
}

impl UserEngine {
    /// As ElastiCache spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }
}

/// One user and its secret, as they are to be. What is left out is taken as it is found.
#[derive(Clone)]
pub struct Request {
    /// The policy that is to rotate it.
    pub policy: String,
    /// The user's id.
    pub user_id: String,
    /// The name that logins take; for a new user its id, unless given.
    pub user_name: Option<String>,
    /// For a new user `redis`, unless given.
    pub engine: Option<UserEngine>,
    /// The secret's name.
    pub secret: String,
    /// What the user may do in the end; needed for a new user.
    pub access_string: Option<String>,
    /// The user groups that it is to be in, among others.
    pub groups: BTreeSet<String>,
    /// Tags of the secret, and of a user that is created.
    pub tags: BTreeMap<String, String>,
    /// The key of a secret that is created.
    pub kms_key_id: Option<String>,
    /// Whether the bond may be written into a secret that is there and lacks it.
    pub write_bond: bool,
    /// The password that the user has.
    pub known_password: Option<Password>,
}

impl Request {
    /// A request that leaves everything as it is found.
    pub fn new(policy: &str, user_id: &str, secret: &str) -> Self {
        Self {
            policy: policy.to_owned(),
            user_id: user_id.to_ascii_lowercase(),
            user_name: None,
            engine: None,
            secret: secret.to_owned(),
            access_string: None,
            groups: BTreeSet::new(),
            tags: BTreeMap::new(),
            kms_key_id: None,
            write_bond: false,
            known_password: None,
        }
    }

    /// What it asks for, for the audit log: whether it came with a password, and not which.
    pub fn told(&self) -> Value {
        json!({
            "user_id": self.user_id,
            "user_name": self.user_name,
            "engine": self.engine.map(UserEngine::name),
            "access_string": self.access_string,
            "groups": self.groups,
            "tags": self.tags,
            "kms_key_id": self.kms_key_id,
            "write_bond": self.write_bond,
            "known_password": self.known_password.is_some(),
        })
    }

    /// What is wrong with it in itself, whatever there is.
    ///
    /// # Errors
    /// What, and how to write it.
    pub fn check(&self) -> Result<(), String> {
        names::check_id("user id", &self.user_id)?;
        names::check_secret(&self.secret)?;
        for group in &self.groups {
            names::check_id("user group's id", group)?;
        }
        names::check_tags(&self.tags)?;
        if self
            .user_name
            .as_ref()
            .is_some_and(|name| name.is_empty() || name.contains(char::is_whitespace))
        {
            return Err("a user name must not be empty or contain white space".to_owned());
        }
        match &self.access_string {
            Some(access) => super::access::check(access).map_err(str::to_owned),
            None => Ok(()),
        }
    }
}
