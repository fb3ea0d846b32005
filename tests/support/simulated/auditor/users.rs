//! Who gave and took which passwords.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rekeyd_sandbox::UserView;

use super::excuse::Hand;

/// How many changes of a user are remembered.
const REMEMBERED: usize = 64;

/// All users, by id.
#[derive(Default)]
pub struct Users(BTreeMap<String, Vec<Write>>);

/// A change of a user.
pub struct Write {
    pub before: Option<UserView>,
    pub after: UserView,
    pub by: Hand,
}

impl Users {
    pub fn changed(&mut self, before: Option<&UserView>, after: &UserView, by: &Hand) {
        if before == Some(after) {
            return;
        }
        let writes = self.0.entry(after.id.clone()).or_default();
        if writes.len() == REMEMBERED {
            writes.remove(0);
        }
        writes.push(Write {
            before: before.cloned(),
            after: after.clone(),
            by: by.clone(),
        });
    }

    fn writes(&self, user: &str) -> impl DoubleEndedIterator<Item = &Write> {
        self.0.get(user).into_iter().flatten()
    }

    /// The change that took this password from the user, if the user does not have it.
    pub fn taken(&self, user: &str, password: &str) -> Option<&Write> {
        let last = self.writes(user).rev().find(|write| {
            let before = write.before.as_ref().is_some_and(|user| user.accepts(password));
            before != write.after.accepts(password)
        });
        last.filter(|write| !write.after.accepts(password))
    }

    /// The change that gave the user this password, if the user has it.
    pub fn given(&self, user: &str, password: &str) -> Option<&Write> {
        let holds = |user: &UserView| user.passwords.iter().any(|known| known.expose() == password);
        let last = self
            .writes(user)
            .rev()
            .find(|write| write.before.as_ref().is_some_and(holds) != holds(&write.after));
        last.filter(|write| holds(&write.after))
    }

    /// The last change by anybody but a replica.
    pub fn strangers_last(&self, user: &str) -> Option<DateTime<Utc>> {
        let last = self.writes(user).rev().find(|write| !write.by.replica);
        last.map(|write| write.by.at)
    }

    /// The last change.
    pub fn last(&self, user: &str) -> Option<&Write> {
        self.writes(user).next_back()
    }
}
