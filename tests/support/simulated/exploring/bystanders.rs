//! Secrets beside those that a policy is for: what is not selected, or not allowed, is left alone.

use rekeyd::rotation::status::Phase;

use super::stage::Stage;
use crate::support::world::{document_with, secret_name};

/// Selected, but no user that the policy allows.
pub(super) const NOT_ALLOWED: &str = "admin";

/// Allowed, but its secret is not selected.
const NOT_SELECTED: &str = "user-of-another-team";

/// Both.
pub(super) const BYSTANDERS: [&str; 2] = [NOT_ALLOWED, NOT_SELECTED];

const PASSWORD: &str = "a-bystanders-password";

/// The secret of a bystander.
pub(super) fn secret_of(user: &str) -> String {
    if user == NOT_SELECTED {
        format!("elsewhere/{user}")
    } else {
        secret_name(user)
    }
}

impl Stage<'_> {
    pub(super) async fn make_bystander_users(&self) {
        for user in BYSTANDERS {
            self.sim.create_user(user, PASSWORD).await;
        }
    }

    pub(super) async fn make_bystander_secrets(&self) {
        for user in BYSTANDERS {
            self.sim
                .create_secret(&secret_of(user), &document_with(user, PASSWORD))
                .await;
        }
    }

    /// What is not as it was, or as it is to be told.
    pub(super) fn wronged_bystanders(&self) -> Vec<String> {
        if !self.script.bystanders {
            return Vec::new();
        }
        let mut wronged = Vec::new();
        for user in BYSTANDERS {
            let name = secret_of(user);
            let secret = self.sim.secret(&name);
            if secret.versions.len() != 1 {
                wronged.push(format!("P7: {name} has {} versions", secret.versions.len()));
            }
            let passwords = self
                .sim
                .world
                .sandbox
                .user(user)
                .map(|user| user.passwords)
                .unwrap_or_default();
            if passwords.len() != 1 || passwords[0].expose() != PASSWORD {
                wronged.push(format!("P7: user {user} was changed"));
            }
            let wanted = (user == NOT_ALLOWED).then_some(Phase::Halted);
            for replica in self.replicas() {
                let told = replica.status(&name).map(|status| status.phase);
                if told != wanted {
                    wronged.push(format!("P7: a replica says of {name}: {told:?}"));
                }
            }
        }
        wronged
    }
}
