//! Policies of tests' configurations.

use std::fmt::Write as _;

/// A policy of a test's configuration.
#[derive(Clone)]
pub struct Policy {
    pub name: String,
    pub keys: String,
}

impl Policy {
    /// A policy for these users' secrets; nothing of it falls due by itself unless `schedule` says so.
    pub fn new(name: &str, users: &[&str]) -> Self {
        let secrets: Vec<String> = users.iter().map(|user| super::world::secret_name(user)).collect();
        Self {
            name: name.to_owned(),
            keys: format!("secrets = {secrets:?}\nallow_users = {users:?}\n"),
        }
    }

    /// A policy for these users' secrets that rotates them every 30 days, with a short overlap.
    pub fn monthly(users: &[String]) -> Self {
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        Self::new("orders", &users)
            .with("overlap", "\"30m\"")
            .with("schedule", "\"30d\"")
    }

    /// Adds a key, as TOML.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.keys = self
            .keys
            .lines()
            .filter(|line| !line.starts_with(&format!("{key} =")))
            .fold(String::new(), |mut keys, line| {
                let _ = writeln!(keys, "{line}");
                keys
            });
        let _ = writeln!(self.keys, "{key} = {value}");
        self
    }
}
