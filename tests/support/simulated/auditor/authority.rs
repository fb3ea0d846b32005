//! P7: a replica reads and writes only what its policies select, in their region.

use chrono::{DateTime, Utc};
use rekeyd_sandbox::{Happening, SecretView, Service};

use super::Auditor;
use super::excuse::Hand;

/// What a replica may change anything with.
const WRITES: [&str; 3] = ["PutSecretValue", "UpdateSecretVersionStage", "ModifyUser"];

impl Auditor {
    /// A replica has read something about one secret.
    pub fn has_read(
        &mut self,
        at: DateTime<Utc>,
        (access_key, region): (&str, &str),
        (service, operation): (Service, &str),
        resource: Option<&str>,
    ) {
        let (Some(resource), Service::SecretsManager) = (resource, service) else {
            return;
        };
        let lists = ["ListSecrets", "BatchGetSecretValue"].contains(&operation);
        if !self.replicas.contains_key(access_key) || lists {
            return;
        }
        let known = self.secrets.values().map(|secret| &secret.view);
        let Some(secret) = known
            .into_iter()
            .find(|secret| secret.name == resource || secret.arn == resource)
        else {
            return;
        };
        let allowed = self
            .expectations(access_key, secret)
            .is_some_and(|expected| expected.region == region);
        if !allowed {
            let what = format!(
                "P7: {access_key} read {}, which it does not select: {operation}",
                secret.name
            );
            self.accuse(at, &what);
        }
    }

    /// A replica has changed something.
    pub(super) fn judge_authority(&mut self, happening: &Happening, hand: &Hand) {
        let operation = happening.operation;
        let resource = happening.resource.as_deref().unwrap_or_default();
        let allowed = WRITES.contains(&operation)
            && match (&happening.secret.after, &happening.user.after) {
                (Some(secret), _) => {
                    let expected = self.expectations(&hand.key, secret);
                    expected.is_some_and(|expected| expected.region == happening.region)
                }
                (None, Some(user)) => self.may_change(&hand.key, &user.id, &happening.region),
                (None, None) => false,
            };
        if !allowed {
            let what = format!(
                "P7: {} may not do {operation} on {resource} in {}",
                hand.key, happening.region
            );
            self.accuse(hand.at, &what);
        }
    }

    /// Whether one of a replica's secrets names the user, and its policy allows that.
    fn may_change(&self, key: &str, user: &str, region: &str) -> bool {
        self.secrets.values().filter(|secret| secret.names(user)).any(|secret| {
            let expected = self.expectations(key, &secret.view);
            expected.is_some_and(|expected| expected.allows(user) && expected.region == region)
        })
    }

    /// Which policies selected a secret before it was changed: replicas hear of its tags later.
    pub(super) fn remember_selection(&mut self, secret: Option<&SecretView>) {
        let Some(secret) = secret else { return };
        let Some(tracked) = self.secrets.get_mut(&secret.arn) else {
            return;
        };
        for (key, policies) in &self.replicas {
            if let Some(index) = policies.iter().position(|policy| policy.selects(secret)) {
                tracked.selected_by.insert(key.clone(), index);
            }
        }
    }
}
